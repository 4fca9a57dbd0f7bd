//! What lies behind a consent: the one that it took the place of, and customers that it worked for.
//!
//! Versions before this one knew nothing of it, so all of it may be absent.

use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{Consent, ConsentState, StoredConsent, StoredToken};
use crate::model::clock::{age, as_seconds, unix_seconds};
use crate::model::entra_error::Cause;
use crate::model::scope::Resource;
use crate::model::tenant::{TenantId, UserId};

/// Sealed with the consent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Past {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<Box<Previous>>,
    /// When it was put back: in seconds since 1970. No flow that began before it counts any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rolled_back_at: Option<u64>,
    /// Whether that was the last that was done to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    put_back: bool,
    /// The newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) worked: Vec<Worked>,
}

/// A consent that can be put back, with the token that makes it work.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Previous {
    consent: Consent,
    token: StoredToken,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    worked: Vec<Worked>,
    #[serde(with = "as_seconds")]
    until: SystemTime,
}

/// A customer and an API for which a token was had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Worked {
    pub(crate) customer: TenantId,
    pub(crate) resource: Resource,
    #[serde(with = "as_seconds")]
    pub(crate) at: SystemTime,
}

impl Worked {
    pub(crate) fn is_at(&self, customer: TenantId, resource: &Resource) -> bool {
        self.customer == customer && self.resource == *resource
    }

    /// One that is dated ahead was dated by another clock.
    fn is_recent(&self, now: SystemTime) -> bool {
        age(now, self.at) <= LATELY
    }
}

/// As many of them as are kept with a consent, of those that worked lately: each customer once.
pub(crate) fn sample(worked: impl Iterator<Item = Worked>, now: SystemTime) -> Vec<Worked> {
    let mut sample: Vec<Worked> = Vec::new();
    for one in worked.filter(|one| one.is_recent(now)) {
        if sample.len() < SAMPLE && sample.iter().all(|known| known.customer != one.customer) {
            sample.push(one);
        }
    }
    sample
}

/// A customer that worked by the standing consent lately, and refuses the one that would take its
/// place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    pub(crate) customer: TenantId,
    pub(crate) resource: Resource,
    pub(crate) cause: Cause,
}

impl Loss {
    /// The customer.
    #[must_use]
    pub const fn customer(&self) -> TenantId {
        self.customer
    }

    /// The API that a token was asked for.
    #[must_use]
    pub const fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Why Entra refuses there.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        self.cause
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({}: {})", self.customer, self.resource, self.cause)
    }
}

/// A consent that another has taken the place of, and until when it can be put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviousConsent {
    consent: Consent,
    until: SystemTime,
}

impl PreviousConsent {
    /// As it stood when it was replaced.
    #[must_use]
    pub const fn consent(&self) -> &Consent {
        &self.consent
    }

    /// Until when [`Partner::roll_back`](crate::Partner::roll_back) puts it back.
    #[must_use]
    pub const fn until(&self) -> SystemTime {
        self.until
    }
}

/// Why a consent is not put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoWayBack {
    /// Nothing is kept.
    Nothing,
    /// Its time is over.
    Over,
}

impl Past {
    pub(crate) const fn is_empty(&self) -> bool {
        self.previous.is_none() && self.rolled_back_at.is_none() && self.worked.is_empty()
    }

    /// Whether the partner was rolled back after `begun_at`.
    pub(crate) fn was_rolled_back_since(&self, begun_at: SystemTime) -> bool {
        self.rolled_back_at.is_some_and(|at| unix_seconds(begun_at) <= at)
    }

    /// Whether the last that was done to it was to put it back.
    pub(crate) const fn is_put_back(&self) -> bool {
        self.put_back
    }

    /// The consent that can be put back now.
    pub(crate) fn previous(&self, now: SystemTime) -> Option<PreviousConsent> {
        let Previous { consent, until, .. } = self.standing_by(now)?;
        Some(PreviousConsent { consent: consent.clone(), until: *until })
    }

    /// The consent behind it, also once that cannot be put back any more.
    pub(crate) fn behind(&self) -> Option<&Consent> {
        self.previous.as_deref().map(|previous| &previous.consent)
    }

    /// When the consent behind it can be put back no longer.
    pub(crate) fn lapses_at(&self) -> Option<SystemTime> {
        self.previous.as_deref().map(|previous| previous.until)
    }

    /// Whether there is a consent behind it that cannot be put back any more.
    pub(crate) fn has_lapsed(&self, now: SystemTime) -> bool {
        self.lapses_at().is_some_and(|until| until <= now)
    }

    /// Drops the consent behind it if that is this person's; true if it was.
    pub(crate) fn forget_person(&mut self, user: UserId) -> bool {
        let named = self.previous.take_if(|previous| previous.consent.user.id == user);
        named.is_some()
    }

    /// What stays of it here when a consent comes in an export: all for a newer token of the same, and
    /// when it was put back for another.
    pub(crate) fn beside_import(&self, is_same: bool) -> Self {
        if is_same {
            return self.clone();
        }
        Self { rolled_back_at: self.rolled_back_at, ..Self::default() }
    }

    fn standing_by(&self, now: SystemTime) -> Option<&Previous> {
        self.previous.as_deref().filter(|previous| now < previous.until)
    }
}

impl StoredConsent {
    /// What lies behind the consent of `user` that takes its place now.
    pub(crate) fn past_of_next(
        &self,
        user: UserId,
        worked: Vec<Worked>,
        within: Duration,
        now: SystemTime,
    ) -> Past {
        let previous = match self.past.standing_by(now) {
            // Who consents once more does not so push out the way back to somebody else's consent.
            _ if within.is_zero() => None,
            Some(older) if self.consent.user.id == user && older.consent.user.id != user => {
                Some(older.clone())
            }
            _ => self.as_previous(within, now),
        };
        let (previous, rolled_back_at) = (previous.map(Box::new), self.past.rolled_back_at);
        Past { previous, rolled_back_at, put_back: false, worked }
    }

    /// Nothing where it is over, and no longer than its token lives.
    fn as_previous(&self, within: Duration, now: SystemTime) -> Option<Previous> {
        let over = matches!(
            self.consent.state,
            ConsentState::Ended { .. } | ConsentState::Withdrawn { .. }
        );
        let (consent, worked) = (self.consent.clone(), self.past.worked.clone());
        let token = self.token.clone().filter(|_| !over)?;
        let deadline = consent.deadline();
        let until = now.checked_add(within).map_or(deadline, |until| until.min(deadline));
        (now < until).then_some(Previous { consent, token, worked, until })
    }

    /// The one that it took the place of, in its place: of a higher generation, so that nothing in
    /// flight undoes it. What it is taken from is dropped.
    pub(crate) fn rolled_back(&self, now: SystemTime) -> Result<Self, NoWayBack> {
        if self.past.previous.is_none() || self.consent.is_withdrawn() {
            return Err(NoWayBack::Nothing);
        }
        let Previous { mut consent, token, worked, .. } =
            self.past.standing_by(now).cloned().ok_or(NoWayBack::Over)?;
        consent.generation = self.consent.generation.saturating_add(1);
        consent.withdrawn_at = consent.withdrawn_at.max(self.consent.withdrawn_at);
        let rolled_back_at = Some(unix_seconds(now));
        let past = Past { previous: None, rolled_back_at, put_back: true, worked };
        Ok(Self { consent, token: Some(token), chain: self.chain.clone(), past })
    }

    /// The same with no way back.
    pub(crate) fn without_way_back(mut self) -> Self {
        self.past.previous = None;
        self
    }

    /// As much of it as is written: the consent behind it is dropped once it cannot be put back any
    /// more, and before a write fails for its length, so that every store takes it.
    pub(crate) fn fitting(self, now: SystemTime) -> Self {
        let lapsed = self.past.has_lapsed(now);
        let drops = lapsed || self.past.previous.is_some() && length(&self) > LONGEST;
        if drops { self.without_way_back() } else { self }
    }
}

/// In bytes, as it is sealed. Nothing of it is left in memory.
fn length(stored: &StoredConsent) -> usize {
    let mut counter = Counter(0);
    let counted = serde_json::to_writer(&mut counter, stored);
    counted.map_or(usize::MAX, |()| counter.0)
}

struct Counter(usize);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How many customers are tried.
pub(crate) const SAMPLE: usize = 8;
/// What worked longer ago says nothing of today.
const LATELY: Duration = Duration::from_secs(30 * 86_400);
/// A Key Vault takes 25 kB of base64, which is 18,750 bytes: this leaves room for the envelope, and for
/// a new refresh token to be longer than the last.
const LONGEST: usize = 16_384;

#[cfg(test)]
mod tests;
