//! Whether a consent of another site is one that this side would have taken.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::journeys::onboarding::FOUND_LIFE;
use crate::model::consent::Consent;
use crate::model::mfa::MfaFinding;
use crate::model::policy::{Candidate, Policy, Refused, admit_tenant};
use crate::model::registration::AppRegistration;

/// What this side asks of a consent, wherever it was confirmed.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) app: AppRegistration,
    pub(crate) policy: Policy,
}

impl Admission {
    pub(crate) fn check(&self, consent: &Consent) -> Result<(), Refused> {
        admit_tenant(consent.partner, self.app.home())?;
        let proof = consent.mfa.filter(|proof| self.policy.believes(proof.source()));
        self.policy.admit_moved(&Candidate {
            user: &consent.user,
            registered: self.app.scopes(),
            granted: &consent.scopes,
            mfa: proof.map_or(MfaFinding::Unknown, MfaFinding::Proven),
            now: captured_by(consent),
        })
    }
}

/// The earliest time at which its policy can have looked at it: how long ago the sign-in was is
/// asked once, when a consent is captured.
fn captured_by(consent: &Consent) -> SystemTime {
    consent.confirmed_at.checked_sub(FOUND_LIFE).unwrap_or(UNIX_EPOCH)
}
