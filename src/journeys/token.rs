//! An access token, with all that decides whether it may be handed out.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

use crate::journeys::offers::Offer;
use crate::journeys::standing::Standing;
use crate::model::clock::{Clock, Glance, millis};
use crate::model::scope::{Resource, Scopes};
use crate::model::secret::{AccessToken, random};
use crate::model::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::model::tenant::TenantId;

/// An access token with what is known of it. Cheap to clone; shows no secret.
#[derive(Clone)]
pub struct Token(Arc<Issued>);

/// What every hand-out looks at stands first, beside the count of those who hold it: together they
/// are as much as a processor fetches at once.
#[repr(C)]
struct Issued {
    life: Life,
    /// The view of the consent under which it was fetched.
    standing: Arc<Standing>,
    hits: AtomicU64,
    /// An API has refused it, or it was taken out of the cache.
    over: AtomicBool,
    being_renewed: AtomicBool,
    /// Until then (by the monotonic clock, in milliseconds) it is known that the API has refused the
    /// one before it too.
    instead_until: u64,
    tenant: TenantId,
    offer: Arc<Offer>,
    scopes: Arc<Scopes>,
    secret: AccessToken,
}

/// What a token is made of.
pub(crate) struct Issue {
    pub(crate) secret: AccessToken,
    pub(crate) tenant: TenantId,
    pub(crate) offer: Arc<Offer>,
    pub(crate) granted: Scopes,
    pub(crate) standing: Arc<Standing>,
    pub(crate) life: Life,
    pub(crate) instead_until: u64,
}

impl Token {
    pub(crate) fn new(issue: Issue) -> Self {
        let scopes = issue.offer.sharing(issue.granted);
        Self(Arc::new(Issued {
            secret: issue.secret,
            tenant: issue.tenant,
            offer: issue.offer,
            scopes,
            standing: issue.standing,
            life: issue.life,
            over: AtomicBool::new(false),
            being_renewed: AtomicBool::new(false),
            hits: AtomicU64::new(0),
            instead_until: issue.instead_until,
        }))
    }

    /// The value of an `Authorization` header, marked sensitive (RFC 6750, section 2.1).
    #[must_use]
    pub fn bearer(&self) -> HeaderValue {
        self.0.secret.bearer()
    }

    /// The secret itself.
    #[must_use]
    pub fn secret(&self) -> &AccessToken {
        &self.0.secret
    }

    /// The tenant it was issued at, and for.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.0.tenant
    }

    /// The API it is for. Send it nowhere else.
    #[must_use]
    pub fn resource(&self) -> &Resource {
        &self.0.offer.resource
    }

    /// What it may do there.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        &self.0.scopes
    }

    /// The end of its life, in whole milliseconds.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0.life.ends_wall)
    }

    #[inline]
    pub(crate) fn life(&self) -> &Life {
        &self.0.life
    }

    #[inline]
    pub(crate) fn standing(&self) -> &Arc<Standing> {
        &self.0.standing
    }

    /// Nobody gets it any more, from whichever hand.
    pub(crate) fn take_back(&self) {
        self.0.over.store(true, Ordering::Release);
    }

    #[inline]
    pub(crate) fn is_taken_back(&self) -> bool {
        self.0.over.load(Ordering::Acquire)
    }

    /// Whether it was fetched a moment ago instead of one that the API had refused, and for how long
    /// that still counts.
    pub(crate) fn was_instead(&self, now: Glance) -> Option<Duration> {
        let left = self.0.instead_until.checked_sub(now.monotonic()).filter(|left| *left > 0)?;
        Some(Duration::from_millis(left))
    }

    /// Whether nothing is left for which it could be kept.
    pub(crate) fn is_over(&self, now: Glance) -> bool {
        self.is_taken_back() || self.0.standing.is_gone() || !self.0.life.lasts(now, 0)
    }

    /// Whether it was not taken back, and has some life left beyond its margin.
    #[inline]
    pub(crate) fn is_good(&self, now: Glance) -> bool {
        self.0.life.is_good(now) && !self.is_taken_back()
    }

    /// Whether it was not taken back, and lives.
    pub(crate) fn is_alive(&self, now: Glance) -> bool {
        self.0.life.lasts(now, 0) && !self.is_taken_back()
    }

    /// True for the first who asks, until [`renewal_failed`](Self::renewal_failed): theirs is to fetch
    /// its successor.
    pub(crate) fn begins_renewal(&self) -> bool {
        !self.0.being_renewed.load(Ordering::Relaxed)
            && !self.0.being_renewed.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn renewal_failed(&self) {
        self.0.being_renewed.store(false, Ordering::Relaxed);
    }

    /// Handed out once more. True now and then: it is time to see that the clock goes on.
    #[inline]
    pub(crate) fn hit(&self) -> bool {
        let before = self.0.hits.fetch_add(1, Ordering::Relaxed);
        before % GLANCES == GLANCES - 1
    }

    pub(crate) fn hits(&self) -> u64 {
        self.0.hits.load(Ordering::Relaxed)
    }

    /// What it takes in memory, in bytes, with its place among the others.
    pub(crate) fn weight(&self) -> usize {
        self.0.secret.expose().len() + OVERHEAD
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Token")
            .field("tenant", &self.0.tenant)
            .field("resource", &self.0.offer.resource)
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}

/// After so many hand-outs the clock is asked for the time, where a glance had to do.
const GLANCES: u64 = 64;
/// A token without its text takes no more than this.
const OVERHEAD: usize = 256;

/// From when to when a token is good, by both clocks: by the one that jumps, since that is what its
/// issuer meant, and by the one that does not, since the other jumps (F-15). All in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    ends_wall: u64,
    ends_monotonic: u64,
    /// This long before its end it is renewed before it is handed out.
    margin: u32,
    /// This long before its end its successor is fetched, while it still serves.
    ahead: u32,
}

impl Life {
    /// The life of a token of which so much is `left`.
    pub(crate) fn of(left: Duration, clock: &dyn Clock) -> Self {
        let glance = Glance::new(clock.now(), clock.monotonic());
        let left = millis(left.min(LONGEST));
        let margin = (left / 2).min(MARGIN);
        let chance = u64::from(u16::from_le_bytes(random()));
        let ahead = margin + left / 12 + left / 12 * chance / u64::from(u16::MAX);
        let short = |time: u64| u32::try_from(time).unwrap_or(u32::MAX);
        Self {
            ends_wall: glance.wall().saturating_add(left),
            ends_monotonic: glance.monotonic().saturating_add(left),
            margin: short(margin),
            ahead: short(ahead.min(left / 2)),
        }
    }

    #[inline]
    fn is_good(&self, now: Glance) -> bool {
        self.lasts(now, u64::from(self.margin))
    }

    #[inline]
    fn lasts(&self, now: Glance, margin: u64) -> bool {
        now.monotonic().saturating_add(margin) < self.ends_monotonic
            && now.wall().saturating_add(margin) < self.ends_wall
    }

    #[inline]
    pub(crate) fn wants_renewal(&self, now: Glance) -> bool {
        !self.lasts(now, u64::from(self.ahead))
    }

    /// For comparing: a higher one ends later.
    pub(crate) const fn end(&self) -> u64 {
        self.ends_monotonic
    }
}

/// A hand-out makes sure that at least two minutes of a token's life are left, or half of it.
const MARGIN: u64 = 120_000;
/// No token lives longer.
const LONGEST: Duration = Duration::from_secs(28 * 3600);
