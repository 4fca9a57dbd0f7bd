//! What Partner Center makes of the second factor.
//!
//! Source: Microsoft Partner Center, "Mandating MFA for your partner tenant", and its notices on
//! enforcement: a request with `ValidateMfa: true` is answered with `isMfaCompliant`.

use axum::http::HeaderValue;

use super::faults::Fault;
use super::{Bearer, Office};
use crate::emulator::script::MfaAnswer;
use crate::emulator::script::partner_center::MfaEnforcement;

impl Office {
    /// What the reply says, which is nothing unless it was asked to; or why there is only a refusal.
    pub(super) fn verdict(&self, bearer: &Bearer, asked: bool) -> Result<Option<bool>, Fault> {
        let (answer, enforcement) = {
            let script = self.world.script();
            (script.mfa_answer, script.partner_center.enforcement)
        };
        let compliant = match answer {
            MfaAnswer::Refused900421 => return Err(missing()),
            MfaAnswer::Status(status) => return Err(Fault::Bare { status, challenge: false }),
            MfaAnswer::Compliant => true,
            MfaAnswer::NotCompliant => false,
            MfaAnswer::Honest | MfaAnswer::HeaderAbsent => bearer.proved_mfa(),
        };
        if !compliant {
            self.enforce(enforcement)?;
        }
        Ok((asked && answer != MfaAnswer::HeaderAbsent).then_some(compliant))
    }

    fn enforce(&self, enforcement: MfaEnforcement) -> Result<(), Fault> {
        match enforcement {
            MfaEnforcement::Off => Ok(()),
            MfaEnforcement::Refused => Err(missing()),
            MfaEnforcement::Bare => Err(Fault::Bare { status: 401, challenge: true }),
            MfaEnforcement::Progressive(share) => {
                let spared = self.world.chance.between(1, 100) > u64::from(share);
                if spared { Ok(()) } else { Err(missing()) }
            }
        }
    }
}

pub(super) fn header(compliant: bool) -> HeaderValue {
    HeaderValue::from_static(if compliant { "true" } else { "false" })
}

fn missing() -> Fault {
    Fault::new(401, "900421", "MFA is required")
}
