//! How a partner's consent stands, as support staff ask it.

use std::time::SystemTime;

use super::{Ask, Diagnostics};
use crate::model::consent::{Consent, ConsentState, StoredConsent};
use crate::model::policy::Refused;
use crate::model::scope::Scopes;
use crate::model::tenant::TenantId;
use crate::storage::ledger::{Held, LedgerError};

/// How a partner's consent stands in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// There is a consent, or its tombstone.
    Known {
        /// Its state.
        state: ConsentState,
        /// When its refresh token dies, unless it is replaced before.
        deadline: SystemTime,
        /// What is registered by now and was not consented to.
        lacks: Scopes,
        /// Whether its refresh token's time is over, seen or not.
        overdue: bool,
        /// Since when its proof of a second factor has expired, if it has: tokens go on, and the partner
        /// is to consent anew. See [`Policy::mfa_lasts`](crate::Policy::mfa_lasts).
        proof_expired: Option<SystemTime>,
    },
    /// It never consented, or its record was removed.
    Never,
    /// Its record does not open.
    Damaged,
    /// Its record could not be read just now.
    Unread,
    /// Nobody said which partner it is about.
    NotKnown,
}

impl Health {
    /// Whether the consent works; `None` where that is not known.
    #[must_use]
    pub const fn is_healthy(&self) -> Option<bool> {
        match self {
            Self::Known { overdue: true, .. } | Self::Never | Self::Damaged => Some(false),
            Self::Known { state: ConsentState::Live, .. } => Some(true),
            Self::Known { state: ConsentState::Unproven { .. }, .. } => None,
            Self::Known { .. } => Some(false),
            Self::Unread | Self::NotKnown => None,
        }
    }
}

impl Diagnostics {
    pub(super) async fn health(&self, partner: TenantId) -> Health {
        self.health_of(&self.ledger.consent(partner).await)
    }

    /// As [`health`](Self::health), for whoever stands at an account's door.
    pub(super) async fn health_for(&self, ask: &Ask) -> Result<Health, Refused> {
        let read = self.ledger.consent(ask.partner).await;
        let consent = consent_in(&read);
        match (consent, &ask.account) {
            (Some(consent), Some(account)) if consent.account() != account => {
                Err(Refused::NotYours(ask.partner))
            }
            _ => Ok(self.health_of(&read)),
        }
    }

    fn health_of(&self, read: &Result<Option<Held<StoredConsent>>, LedgerError>) -> Health {
        match read {
            Ok(Some(held)) => self.known(&held.record.consent),
            Ok(None) | Err(LedgerError::Shredded { .. }) => Health::Never,
            Err(LedgerError::Damaged { .. }) => Health::Damaged,
            Err(_) => Health::Unread,
        }
    }

    fn known(&self, consent: &Consent) -> Health {
        let (deadline, now) = (consent.deadline(), self.clock.now());
        let lives = !matches!(consent.state, ConsentState::Ended { .. }) && !consent.is_withdrawn();
        Health::Known {
            state: consent.state.clone(),
            deadline,
            lacks: self.app.scopes().beyond(&consent.scopes),
            overdue: now >= deadline,
            proof_expired: self.policies.proof_end(consent).filter(|end| *end <= now && lives),
        }
    }
}

fn consent_in(read: &Result<Option<Held<StoredConsent>>, LedgerError>) -> Option<&Consent> {
    read.as_ref().ok()?.as_ref().map(|held| &held.record.consent)
}
