//! What support staff ask: does it work, whose turn is it, and what to quote to Microsoft.
//!
//! Three ways lead to a [`Diagnosis`]: asking for a token now (`examination`), the id of a refusal
//! that this process remembers (`casebook`), and a text that somebody pasted (`pasted`).

use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use crate::error::{Absence, Error, Party, Remedy};
use crate::journeys::casebook::{Case, Casebook};
use crate::journeys::exchange::{Ask, Exchange};
use crate::model::clock::Clock;
use crate::model::entra_error::{Cause, EntraError};
use crate::model::policy::Policies;
use crate::model::registration::AppRegistration;
use crate::model::scope::{Resource, Scopes};
use crate::model::tenant::{ClientId, TenantId};
use crate::storage::ledger::Ledger;

mod examination;
mod health;
mod json;
mod pasted;
mod shown;
mod step;

pub use health::Health;
use pasted::Pasted;
pub use step::{Missing, Step};

/// What is known of one combination of application, partner, tenant, resource and scopes.
///
/// [`Display`](std::fmt::Display) prints a short plain block for a support person, and
/// [`Serialize`] the same for a program. They show ids, no secret, and no text that Entra or a person
/// wrote; such as the reason of a freeze is in [`failure`](Self::failure) alone.
#[derive(Clone)]
pub struct Diagnosis {
    basis: Basis,
    application: ClientId,
    partner: Option<TenantId>,
    tenant: Option<TenantId>,
    resource: Option<Resource>,
    scopes: Scopes,
    health: Health,
    failure: Option<Error>,
    refusal: Option<EntraError>,
    missing: Option<Missing>,
    steps: Vec<Step>,
    seen_at: SystemTime,
}

/// What a diagnosis rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Basis {
    /// A token was asked for just now.
    Asked,
    /// This process remembers the refusal.
    Remembered,
    /// A text alone: where it happened is not known.
    Text,
}

impl Diagnosis {
    /// What it rests on.
    #[must_use]
    pub const fn basis(&self) -> Basis {
        self.basis
    }

    /// Whether a token was to be had.
    #[must_use]
    pub const fn works(&self) -> bool {
        self.failure.is_none()
    }

    /// The vendor's application.
    #[must_use]
    pub const fn application(&self) -> ClientId {
        self.application
    }

    /// The partner, where it is known.
    #[must_use]
    pub const fn partner(&self) -> Option<TenantId> {
        self.partner
    }

    /// The tenant a token was wanted for, where it is known: the partner's own, or a customer's.
    #[must_use]
    pub const fn tenant(&self) -> Option<TenantId> {
        self.tenant
    }

    /// The API a token was wanted for, where it is known.
    #[must_use]
    pub const fn resource(&self) -> Option<&Resource> {
        self.resource.as_ref()
    }

    /// What is asked for there.
    #[must_use]
    pub const fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// How the partner's consent stands now.
    #[must_use]
    pub const fn health(&self) -> &Health {
        &self.health
    }

    /// What went wrong.
    #[must_use]
    pub const fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    /// What is not there and would have to be.
    #[must_use]
    pub const fn missing(&self) -> Option<&Missing> {
        self.missing.as_ref()
    }

    /// What to do: nothing where all is well, one step, or one for each place where it may have
    /// happened. A consent that works and whose proof of a second factor has expired asks for a new
    /// one.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whose turn it is, where that does not depend on what is not known.
    #[must_use]
    pub fn whose_turn(&self) -> Option<Party> {
        let first = self.steps.first().map(Step::whose_turn);
        if self.works() && first.is_none() {
            return Some(Party::Nobody);
        }
        first.filter(|turn| self.steps.iter().all(|step| step.whose_turn() == *turn))
    }

    /// What a program does next; `None` where it works, or where the tenants are not known.
    #[must_use]
    pub fn remedy(&self) -> Option<Remedy> {
        let known = self.failure.as_ref().filter(|_| self.basis != Basis::Text);
        known.map(Error::remedy)
    }

    /// Why, where Entra said it.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.failure.as_ref().and_then(cause_of)
    }

    /// Entra's AADSTS number.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        self.refusal.as_ref().and_then(EntraError::number)
    }

    /// What that number means, where it is listed.
    #[must_use]
    pub fn meaning(&self) -> Option<&'static str> {
        self.refusal.as_ref().and_then(EntraError::meaning)
    }

    /// Microsoft's support asks for it.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&str> {
        self.refusal.as_ref().and_then(EntraError::correlation_id)
    }

    /// Microsoft's support asks for it.
    #[must_use]
    pub fn trace_id(&self) -> Option<&str> {
        self.refusal.as_ref().and_then(EntraError::trace_id)
    }

    /// When it was seen here; what Entra itself says of the time is in [`failure`](Self::failure).
    #[must_use]
    pub const fn seen_at(&self) -> SystemTime {
        self.seen_at
    }
}

fn cause_of(error: &Error) -> Option<Cause> {
    match error {
        Error::Entra { error, .. } => Some(error.cause()),
        Error::Suspended { cause, .. }
        | Error::NoConsent { absence: Absence::Ended(cause), .. } => Some(*cause),
        _ => None,
    }
}

/// The desk where diagnoses are made. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Diagnostics {
    pub(crate) app: AppRegistration,
    pub(crate) policies: Arc<Policies>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ledger: Ledger,
    pub(crate) exchange: Exchange,
    pub(crate) casebook: Casebook,
}

/// What was found out, before anybody is told what to do.
struct Facts {
    basis: Basis,
    partner: Option<TenantId>,
    tenant: Option<TenantId>,
    resource: Option<Resource>,
    health: Health,
    failure: Option<Error>,
    seen_at: SystemTime,
}

impl Diagnostics {
    /// A refusal found again by its correlation or trace id.
    pub(crate) async fn of_id(&self, id: &str) -> Option<Diagnosis> {
        let case = self.casebook.find(id)?;
        Some(self.of_case(&case).await)
    }

    /// A refusal found again by an id in a text; or else what the numbers in it mean.
    pub(crate) async fn of_text(&self, text: &str) -> Option<Diagnosis> {
        let pasted = Pasted::read(text);
        match pasted.ids.iter().find_map(|id| self.casebook.find(id)) {
            Some(case) => Some(self.of_case(&case).await),
            None => Some(self.of_numbers(pasted.refusal?)),
        }
    }

    async fn of_case(&self, case: &Case) -> Diagnosis {
        let health = match case.partner {
            Some(partner) => self.health(partner).await,
            None => Health::NotKnown,
        };
        self.diagnosis(Facts {
            basis: Basis::Remembered,
            partner: case.partner,
            tenant: case.tenant,
            resource: case.resource.clone(),
            health,
            failure: Some(case.error()),
            seen_at: case.seen_at,
        })
    }

    fn of_numbers(&self, refusal: EntraError) -> Diagnosis {
        let error = Arc::new(refusal);
        self.diagnosis(Facts {
            basis: Basis::Text,
            partner: None,
            tenant: None,
            resource: None,
            health: Health::NotKnown,
            failure: Some(Error::Entra { partner: None, tenant: None, error }),
            seen_at: self.clock.now(),
        })
    }

    fn diagnosis(&self, facts: Facts) -> Diagnosis {
        let Facts { basis, partner, tenant, resource, health, failure, seen_at } = facts;
        let refusal = failure.as_ref().and_then(|error| self.refusal_behind(error));
        let steps = match (&failure, &refusal) {
            (Some(Error::Entra { .. }), Some(refusal)) if basis == Basis::Text => {
                Step::by_place(refusal, self.app.home())
            }
            (Some(error), _) => vec![Step::of(&error.remedy(), partner)],
            (None, _) if matches!(health, Health::Known { proof_expired: Some(_), .. }) => {
                vec![Step::of(&Remedy::AskConsentAgain { claims: None }, partner)]
            }
            (None, _) => Vec::new(),
        };
        let registered = self.app.scopes();
        Diagnosis {
            application: self.app.client_id(),
            scopes: resource.as_ref().map(|one| registered.of(one)).unwrap_or_default(),
            missing: failure.as_ref().and_then(Missing::of),
            basis,
            partner,
            tenant,
            resource,
            health,
            failure,
            refusal,
            steps,
            seen_at,
        }
    }

    /// What Entra said: this time, or when the consent was suspended or ended for it.
    fn refusal_behind(&self, error: &Error) -> Option<EntraError> {
        match error {
            Error::Entra { error, .. } => Some((**error).clone()),
            Error::Suspended { partner, .. } | Error::NoConsent { partner, .. } => {
                let case = self.casebook.newest_at(*partner, *partner)?;
                (Some(case.error.cause()) == cause_of(error)).then(|| case.error.clone())
            }
            _ => None,
        }
    }
}
