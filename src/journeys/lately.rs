//! Which customers worked lately, as far as this process has seen it: kept with the consent when it is
//! written anyway, and asked when another consent would take its place.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::model::consent::{SAMPLE, StoredConsent, Worked, sample};
use crate::model::scope::Resource;
use crate::model::tenant::TenantId;

/// A few customers of each partner.
#[derive(Debug, Default)]
pub(crate) struct Lately(Mutex<HashMap<TenantId, Seen>>);

/// What was seen of one consent, the newest first.
#[derive(Debug, Default)]
struct Seen {
    generation: u64,
    worked: VecDeque<Worked>,
    failed: VecDeque<(TenantId, Resource)>,
}

impl Lately {
    /// A token was had there by the consent of this generation.
    pub(crate) fn worked(&self, partner: TenantId, generation: u64, worked: Worked) {
        self.note(partner, generation, |seen| {
            seen.failed.retain(|(customer, resource)| !worked.is_at(*customer, resource));
            seen.worked.retain(|known| known.customer != worked.customer);
            seen.worked.push_front(worked);
            seen.worked.truncate(SAMPLE);
        });
    }

    /// Entra said no there, and not in passing.
    pub(crate) fn failed(
        &self,
        partner: TenantId,
        generation: u64,
        customer: TenantId,
        resource: &Resource,
    ) {
        self.note(partner, generation, |seen| {
            let place = (customer, resource.clone());
            seen.worked.retain(|known| !known.is_at(customer, resource));
            seen.failed.retain(|known| *known != place);
            seen.failed.push_front(place);
            seen.failed.truncate(SAMPLE);
        });
    }

    /// What worked lately by this consent: as is known here, then as is stored with it.
    pub(crate) fn of(&self, stored: &StoredConsent, now: SystemTime) -> Vec<Worked> {
        let consent = &stored.consent;
        let all = self.all();
        let seen = all.get(&consent.partner);
        let Some(seen) = seen.filter(|seen| seen.generation == consent.generation) else {
            return sample(stored.past.worked.iter().cloned(), now);
        };
        let failed = |known: &&Worked| {
            seen.failed.iter().any(|(customer, resource)| known.is_at(*customer, resource))
        };
        let stored = stored.past.worked.iter().filter(|known| !failed(known));
        sample(seen.worked.iter().chain(stored).cloned(), now)
    }

    /// The consent as it is about to be written, with what worked lately.
    pub(crate) fn kept_with(&self, mut next: StoredConsent, now: SystemTime) -> StoredConsent {
        next.past.worked = self.of(&next, now);
        next
    }

    fn note(&self, partner: TenantId, generation: u64, change: impl FnOnce(&mut Seen)) {
        let mut all = self.all();
        let seen = all.entry(partner).or_default();
        if seen.generation < generation {
            *seen = Seen { generation, ..Seen::default() };
        }
        if seen.generation == generation {
            change(seen);
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<TenantId, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
