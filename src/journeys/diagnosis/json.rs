//! A diagnosis as a program reads it.

use std::fmt;

use serde::{Serialize, Serializer};

use super::shown::moment;
use super::{Basis, Diagnosis, Health, Missing, Step};
use crate::error::Party;
use crate::model::consent::ConsentState;
use crate::model::entra_error::{Cause, EntraError};
use crate::model::scope::{Scope, Scopes};
use crate::model::tenant::{ClientId, TenantId};

/// The members of the JSON form; what is not known is `null`.
#[derive(Debug, Serialize)]
struct Members<'d> {
    basis: Basis,
    works: bool,
    whose_turn: Option<Party>,
    application: ClientId,
    partner: Option<TenantId>,
    tenant: Option<TenantId>,
    resource: Option<String>,
    scopes: Vec<&'d str>,
    consent: ConsentMembers,
    missing: Option<&'static str>,
    missing_scopes: Vec<String>,
    steps: &'d [Step],
    happened: Option<String>,
    error: Option<&'d str>,
    cause: Option<Cause>,
    aadsts: Option<u32>,
    meaning: Option<&'static str>,
    correlation_id: Option<&'d str>,
    trace_id: Option<&'d str>,
    entra_time: Option<&'d str>,
    seen_at: Option<String>,
}

#[derive(Debug, Serialize)]
struct ConsentMembers {
    healthy: Option<bool>,
    state: &'static str,
    cause: Option<Cause>,
    next_probe: Option<String>,
    deadline: Option<String>,
    proof_expired_at: Option<String>,
    lacks: Vec<String>,
}

impl Serialize for Diagnosis {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.members().serialize(to)
    }
}

/// The error itself may hold the words of whoever froze, or of a host's own store.
impl fmt::Debug for Diagnosis {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.members().fmt(out)
    }
}

impl Diagnosis {
    fn members(&self) -> Members<'_> {
        let refusal = self.refusal.as_ref();
        let from_text = self.basis == Basis::Text;
        let missing_scopes = match &self.missing {
            Some(Missing::Scopes(scopes)) => names(scopes),
            _ => Vec::new(),
        };
        Members {
            basis: self.basis,
            works: self.works(),
            whose_turn: self.whose_turn(),
            application: self.application,
            partner: self.partner,
            tenant: self.tenant,
            resource: self.resource.as_ref().map(ToString::to_string),
            scopes: self.scopes.iter().map(Scope::permission).collect(),
            consent: ConsentMembers::of(&self.health),
            missing: self.missing.as_ref().map(Missing::as_str),
            missing_scopes,
            steps: &self.steps,
            happened: self.what_happened(),
            error: refusal.filter(|_| !from_text).map(EntraError::error),
            cause: self.cause(),
            aadsts: self.number(),
            meaning: self.meaning(),
            correlation_id: self.correlation_id(),
            trace_id: self.trace_id(),
            entra_time: refusal.and_then(EntraError::timestamp),
            seen_at: (!from_text).then(|| moment(self.seen_at)),
        }
    }
}

impl ConsentMembers {
    fn of(health: &Health) -> Self {
        let healthy = health.is_healthy();
        let bare = |state| Self {
            healthy,
            state,
            cause: None,
            next_probe: None,
            deadline: None,
            proof_expired_at: None,
            lacks: Vec::new(),
        };
        let (state, deadline, lacks, expired) = match health {
            Health::Known { state, deadline, lacks, proof_expired, .. } => {
                (state, *deadline, names(lacks), *proof_expired)
            }
            Health::Never => return bare("never"),
            Health::Damaged => return bare("damaged"),
            Health::Unread => return bare("unread"),
            Health::NotKnown => return bare("not_known"),
        };
        let (deadline, proof_expired_at) = (Some(moment(deadline)), expired.map(moment));
        let alive = |state| Self { deadline, proof_expired_at, lacks, ..bare(state) };
        match state {
            ConsentState::Live => alive("live"),
            ConsentState::Unproven { .. } => alive("unproven"),
            ConsentState::Suspended(pause) => {
                let (cause, next) = (Some(pause.cause()), Some(moment(pause.next_probe())));
                Self { cause, next_probe: next, ..alive("suspended") }
            }
            ConsentState::Ended { cause, .. } => Self { cause: Some(*cause), ..bare("ended") },
            ConsentState::Withdrawn { .. } => bare("withdrawn"),
        }
    }
}

fn names(scopes: &Scopes) -> Vec<String> {
    scopes.iter().map(ToString::to_string).collect()
}
