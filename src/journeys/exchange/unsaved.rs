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

/// A record whose write was refused.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    /// The record, and the revision that it was to replace.
    pub(super) held: Held<StoredConsent>,
    /// When the token was issued that lies in the store at that revision.
    pub(super) over: SystemTime,
    /// When the access token ends that came along.
    pub(super) until: SystemTime,
}

impl Unsaved {
    /// Keeps a record; true when it is the partner's first.
    pub(super) fn keep(&self, waiting: Waiting) -> bool {
        let partner = waiting.held.record.consent.partner;
        self.waiting().insert(partner, waiting).is_none()
    }

    pub(super) fn find(&self, partner: TenantId) -> Option<Waiting> {
        self.waiting().get(&partner).cloned()
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
