//! Access tokens that are still good, kept in memory only.
//!
//! A hit looks at one shelf, takes no lock that a writer holds for longer than an insertion, and
//! writes nothing but the token's own count. What may be handed out is decided by the token itself:
//! its life, and the view of the consent under which it was fetched.

use std::collections::HashMap;
use std::sync::{PoisonError, TryLockError};

use crate::journeys::token::Token;
use crate::model::clock::Glance;
use crate::model::scope::Resource;
use crate::model::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::model::sync::{Mutex, RwLock, RwLockWriteGuard};
use crate::model::tenant::TenantId;
use crate::protocol::challenge::ClaimsChallenge;

mod fairness;

use fairness::Cut;

/// What makes two exchanges the same: R-104. Cloud and application are the broker's own, and the
/// scopes follow from the resource; the generation sets a consent apart from the one that it
/// replaced.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey {
    pub(crate) partner: TenantId,
    pub(crate) generation: u64,
    pub(crate) tenant: TenantId,
    pub(crate) resource: Resource,
    /// What an API wants proven.
    pub(crate) claims: Option<ClaimsChallenge>,
    /// Whether an API has refused the token that was there.
    pub(crate) instead: bool,
}

impl CacheKey {
    /// The key of an ask that asks for nothing special.
    pub(crate) fn plain(
        partner: TenantId,
        generation: u64,
        tenant: TenantId,
        resource: Resource,
    ) -> Self {
        Self { partner, generation, tenant, resource, claims: None, instead: false }
    }

    /// Whether it asks for a token that Partner Center's enforcement of the second factor concerns.
    pub(crate) fn is_for_office(&self) -> bool {
        self.tenant == self.partner && self.resource == Resource::PartnerCenter
    }
}

/// Where a token lies: the same ask finds the same place, and no other does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) partner: TenantId,
    pub(crate) tenant: TenantId,
    /// The number of the API among the offers.
    pub(crate) offer: u16,
}

/// Tokens by place, within a bound of bytes.
#[derive(Debug)]
pub(crate) struct Cache {
    shelves: Box<[Shelf]>,
    most: usize,
    weight: AtomicUsize,
    /// At this weight what has ended is taken out.
    sweep_at: AtomicUsize,
    /// How often those were handed out that are gone.
    past_hits: AtomicU64,
    sweeping: Mutex<()>,
}

/// As wide as what two cores fetch at once, so that they do not fetch each other's.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shelf(RwLock<HashMap<Place, Token>>);

impl Cache {
    /// A cache of at most so many bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            shelves: (0..SHELVES).map(|_| Shelf::default()).collect(),
            most,
            weight: AtomicUsize::new(0),
            sweep_at: AtomicUsize::new(SMALLEST_SWEEP.min(most)),
            past_hits: AtomicU64::new(0),
            sweeping: Mutex::default(),
        }
    }

    /// The token at this place, if it fits.
    #[inline]
    pub(crate) fn find(&self, place: &Place, fits: impl FnOnce(&Token) -> bool) -> Option<Token> {
        let shelf = self.shelf(place).0.read().unwrap_or_else(PoisonError::into_inner);
        shelf.get(place).filter(|token| fits(token)).cloned()
    }

    pub(crate) fn keep(&self, place: Place, token: Token, now: Glance) {
        let weight = token.weight();
        // Counted before it can be found: who takes it out at once must not count it off first.
        let weight = self.weight.fetch_add(weight, Ordering::Relaxed) + weight;
        let last = write(self.shelf(&place)).insert(place, token);
        last.inspect(|last| self.gone(last));
        if weight > self.sweep_at.load(Ordering::Relaxed) {
            self.sweep(now);
        }
    }

    /// Takes out the token at this place.
    pub(crate) fn drop_at(&self, place: &Place) {
        if let Some(token) = write(self.shelf(place)).remove(place) {
            token.take_back();
            self.gone(&token);
        }
    }

    /// Takes out a partner's tokens.
    pub(crate) fn drop_partner(&self, partner: TenantId) {
        self.take_out(|place, _| place.partner == partner);
    }

    /// Takes out every token.
    pub(crate) fn drop_all(&self) {
        self.take_out(|_, _| true);
    }

    /// Takes out what has ended, and as much more as goes beyond the bound: from those partners that
    /// have the most, what ends soonest.
    pub(crate) fn sweep(&self, now: Glance) {
        let _alone = match self.sweeping.try_lock() {
            Ok(alone) => alone,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        self.take_out(|_, token| token.is_over(now));
        if self.weight.load(Ordering::Relaxed) > self.most {
            let mut cut = Cut::to(self.most - self.most / 8);
            self.each(|place, token| cut.count(place.partner, token.weight()));
            cut.share_out();
            self.each(|place, token| cut.weigh(place.partner, token.life().end(), token.weight()));
            cut.draw();
            self.take_out(|place, token| cut.removes(place.partner, token.life().end()));
        }
        let next = (2 * self.weight.load(Ordering::Relaxed)).max(SMALLEST_SWEEP).min(self.most);
        self.sweep_at.store(next, Ordering::Relaxed);
    }

    /// How often a token was handed out from memory. It looks at every token.
    pub(crate) fn hits(&self) -> u64 {
        let mut hits = self.past_hits.load(Ordering::Relaxed);
        self.each(|_, token| hits += token.hits());
        hits
    }

    fn each(&self, mut look: impl FnMut(&Place, &Token)) {
        for shelf in &self.shelves {
            let shelf = shelf.0.read().unwrap_or_else(PoisonError::into_inner);
            shelf.iter().for_each(|(place, token)| look(place, token));
        }
    }

    fn take_out(&self, goes: impl Fn(&Place, &Token) -> bool) {
        for shelf in &self.shelves {
            let mut shelf = write(shelf);
            shelf.extract_if(|place, token| goes(place, token)).for_each(|(_, token)| {
                token.take_back();
                self.gone(&token);
            });
            if shelf.capacity() > 4 * shelf.len() {
                shelf.shrink_to_fit();
            }
        }
    }

    fn gone(&self, token: &Token) {
        self.weight.fetch_sub(token.weight(), Ordering::Relaxed);
        self.past_hits.fetch_add(token.hits(), Ordering::Relaxed);
    }

    #[inline]
    fn shelf(&self, place: &Place) -> &Shelf {
        &self.shelves[place.spread() % SHELVES]
    }
}

impl Place {
    /// Spreads places over shelves. Whoever could choose all their ids would gain a slower shelf.
    #[inline]
    pub(crate) fn spread(&self) -> usize {
        let half = |id: &TenantId| {
            let [.., a, b, c, d, e, f, g, h] = *id.as_bytes();
            u64::from_ne_bytes([a, b, c, d, e, f, g, h])
        };
        let mixed =
            half(&self.tenant) ^ half(&self.partner).rotate_left(17) ^ u64::from(self.offer);
        usize::try_from(mixed.wrapping_mul(SPREAD) >> 48).unwrap_or_default()
    }
}

/// 2 to the 64th, divided by the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

fn write(shelf: &Shelf) -> RwLockWriteGuard<'_, HashMap<Place, Token>> {
    shelf.0.write().unwrap_or_else(PoisonError::into_inner)
}

const SHELVES: usize = 64;
const SMALLEST_SWEEP: usize = 1 << 20;

#[cfg(test)]
mod tests;
