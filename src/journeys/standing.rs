//! What this process last knew of each partner's consent.
//!
//! Every hand-out asks here first, so that a withdrawal, a new consent or another account's binding
//! made in any process holds in all of them within [`RECHECK`], at one read per partner and interval.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{Absence, Error};
use crate::model::consent::{Consent, ConsentState};
use crate::model::policy::Refused;
use crate::model::tenant::{AccountId, TenantId};

/// How long a view may be old before the store is asked again.
pub(crate) const RECHECK: Duration = Duration::from_secs(5);

/// As much of a consent as a hand-out needs.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) generation: u64,
    account: AccountId,
    absence: Option<Absence>,
    seen_at: Duration,
}

impl Standing {
    pub(crate) fn of(consent: &Consent, seen_at: Duration) -> Self {
        let (generation, account) = (consent.generation, consent.account.clone());
        Self { generation, account, absence: absence(&consent.state), seen_at }
    }

    /// Refuses work in the name of another account, and work without a consent.
    pub(crate) fn admit(
        &self,
        partner: TenantId,
        account: Option<&AccountId>,
    ) -> Result<(), Error> {
        if account.is_some_and(|account| *account != self.account) {
            return Err(Refused::NotYours(partner).into());
        }
        match self.absence {
            Some(absence) => Err(Error::NoConsent { partner, absence }),
            None => Ok(()),
        }
    }
}

/// Why nothing can be had from a consent in this state, if so.
pub(crate) fn absence(state: &ConsentState) -> Option<Absence> {
    match state {
        ConsentState::Live | ConsentState::Suspended(_) => None,
        ConsentState::Ended { cause, .. } => Some(Absence::Ended(*cause)),
        ConsentState::Withdrawn { .. } => Some(Absence::Withdrawn),
    }
}

/// The last views, by partner.
#[derive(Debug, Default)]
pub(crate) struct Standings(Mutex<HashMap<TenantId, Arc<Standing>>>);

impl Standings {
    /// A view that is fresh enough to act on.
    pub(crate) fn fresh(&self, partner: TenantId, now: Duration) -> Option<Arc<Standing>> {
        self.last(partner).filter(|view| now.saturating_sub(view.seen_at) <= RECHECK)
    }

    /// The last view, however old: for when the store cannot be read.
    pub(crate) fn last(&self, partner: TenantId) -> Option<Arc<Standing>> {
        self.views().get(&partner).cloned()
    }

    pub(crate) fn note(&self, partner: TenantId, standing: Arc<Standing>) {
        self.views().insert(partner, standing);
    }

    /// Makes the next hand-out read the store.
    pub(crate) fn forget(&self, partner: TenantId) {
        self.views().remove(&partner);
    }

    fn views(&self) -> MutexGuard<'_, HashMap<TenantId, Arc<Standing>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
