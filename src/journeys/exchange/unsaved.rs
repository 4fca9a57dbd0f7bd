//! Refresh tokens that the store has refused so far.
//!
//! They are the newest that Entra honours, so they are kept, used, and written as soon as the store
//! takes them; until then, or until the access token that came along has ended, the partner's own
//! tenant is not asked for another (F-11).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::model::consent::StoredConsent;
use crate::model::tenant::TenantId;
use crate::storage::ledger::Held;

#[derive(Debug, Default)]
pub(super) struct Unsaved(Mutex<HashMap<TenantId, Waiting>>);

#[derive(Debug, Clone)]
struct Waiting {
    held: Held<StoredConsent>,
    until: SystemTime,
}

impl Unsaved {
    /// Keeps a record whose write at `held.revision` failed; true when it is the partner's first.
    pub(super) fn keep(&self, held: Held<StoredConsent>, until: SystemTime) -> bool {
        let partner = held.record.consent.partner;
        self.waiting().insert(partner, Waiting { held, until }).is_none()
    }

    pub(super) fn find(&self, partner: TenantId) -> Option<Held<StoredConsent>> {
        self.waiting().get(&partner).map(|waiting| waiting.held.clone())
    }

    /// Whether its access token still answers callers, so that nothing more may be redeemed.
    pub(super) fn blocks(&self, partner: TenantId, now: SystemTime) -> bool {
        self.waiting().get(&partner).is_some_and(|waiting| now < waiting.until)
    }

    /// Forgets what belongs to a consent that was replaced since.
    pub(super) fn drop_before(&self, partner: TenantId, generation: u64) {
        let mut waiting = self.waiting();
        let current = |found: &Waiting| found.held.record.consent.generation >= generation;
        if !waiting.get(&partner).is_none_or(current) {
            waiting.remove(&partner);
        }
    }

    pub(super) fn drop(&self, partner: TenantId) {
        self.waiting().remove(&partner);
    }

    pub(super) fn partners(&self) -> Vec<TenantId> {
        self.waiting().keys().copied().collect()
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<TenantId, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
