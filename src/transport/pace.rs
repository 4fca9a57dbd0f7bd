//! So many requests in a second and no more, and who of those that wait goes next.
//!
//! The pace is kept by one moment in time (GCRA): when the next request is due. Whoever comes earlier
//! waits, by [`SLACK`] at most too little, which is what a timer may be late by; the requests are
//! set apart by as much more, so that in no second more leave than the rate allows. The queues are in
//! order of arrival. Who goes away loses its place.
//!
//! Source: ITU-T I.371, the generic cell rate algorithm.

use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::model::clock::Clock;

/// How many requests: in a thousand seconds, so that there can be less than one in each.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub(crate) struct Rate(u64);

impl Rate {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn per_second(requests: NonZeroU32) -> Self {
        Self(u64::from(requests.get()) * THOUSAND)
    }

    /// One of `parts` equal ones, the first of which take what is left over: whole requests in a
    /// second as long as there is one for each.
    pub(crate) fn part(self, place: u64, parts: u64) -> Self {
        let (parts, whole) = (parts.max(1), self.0 / THOUSAND);
        match whole >= parts {
            true => Self((whole / parts + u64::from(place < whole % parts)) * THOUSAND),
            false => self.over(parts),
        }
    }

    /// One of so many parts.
    pub(crate) fn over(self, parts: u64) -> Self {
        Self(self.0 / parts.max(1))
    }

    /// Without what is left over after whole requests in a second, where there is at least one.
    pub(crate) const fn rounded(self) -> Self {
        if self.0 < THOUSAND { self } else { Self(self.0 - self.0 % THOUSAND) }
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// From one request to the next.
    fn interval(self) -> Option<Duration> {
        let stretched = (Duration::from_secs(1) + SLACK).as_nanos() * u128::from(THOUSAND);
        (self.0 > 0).then(|| nanos(stretched.div_ceil(u128::from(self.0))))
    }
}

/// When the next request is due. It knows no clock: `now` is monotonic.
#[derive(Debug, Default)]
struct Cadence {
    /// `None`: nothing may be sent.
    interval: Option<Duration>,
    until: Duration,
    due: Duration,
    /// What the last request was spaced by.
    spaced: Duration,
}

impl Cadence {
    /// From now on at this rate, and from `until` on not at all. What was sent ahead of time at the
    /// old rate is owed at the new one.
    fn allow(&mut self, rate: Rate, until: Duration, now: Duration) {
        self.interval = rate.interval();
        self.until = until;
        if let Some(interval) = self.interval.filter(|next| *next != self.spaced) {
            let owed = self.due.saturating_sub(now).as_nanos() * interval.as_nanos();
            self.due = now.saturating_add(nanos(owed.div_ceil(self.spaced.as_nanos().max(1))));
            self.spaced = interval;
        }
    }

    /// Sends one now, or says how long to wait for that: `None` is until something changes.
    fn go(&mut self, now: Duration) -> Result<(), Option<Duration>> {
        let interval = self.interval.filter(|_| now < self.until).ok_or(None)?;
        let early = self.due.saturating_sub(SLACK).saturating_sub(now);
        if !early.is_zero() {
            return Err(Some(early));
        }
        self.due = self.due.max(now).saturating_add(interval);
        Ok(())
    }
}

/// Who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// A person has just signed in, and their code will not last.
    SignIn,
    /// Somebody waits.
    Caller,
    /// Nobody waits yet.
    Spare,
}

/// Leave to send one request.
#[derive(Debug)]
#[must_use = "it is one request less for others"]
pub(crate) struct Ticket {
    /// How long it was waited for.
    pub(crate) waited: Duration,
}

impl Ticket {
    /// Where nothing is rationed.
    pub(crate) const FREE: Self = Self { waited: Duration::ZERO };
}

/// Nothing more is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;

/// Gives out tickets at a rate that may change. Nothing is given out before it is allowed.
#[derive(Debug)]
pub(crate) struct Pace {
    clock: Arc<dyn Clock>,
    cadence: Mutex<Cadence>,
    /// By urgency.
    queues: [Queue; 3],
    /// A rate, or a queue that is empty now.
    changed: Notify,
    /// Whether the last one was for a sign-in: then it is a caller's turn, so that no crowd of codes,
    /// which cost nothing to invent, keeps callers from theirs.
    was_sign_in: AtomicBool,
    closed: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    first: tokio::sync::Mutex<()>,
    waiting: AtomicUsize,
}

impl Pace {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let (changed, cadence) = (Notify::new(), Mutex::default());
        let (was_sign_in, closed) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { clock, cadence, queues: Default::default(), changed, was_sign_in, closed }
    }

    /// From now on at this rate, and nothing from `until` on, by the monotonic clock.
    pub(crate) fn allow(&self, rate: Rate, until: Duration) {
        self.cadence().allow(rate, until, self.clock.monotonic());
        self.changed.notify_waiters();
    }

    /// Nothing more is given out, and nobody is left waiting.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.changed.notify_waiters();
    }

    /// Whether anything was allowed so far: before that it is no shortage that people wait.
    pub(crate) fn is_open(&self) -> bool {
        !self.cadence().spaced.is_zero()
    }

    /// How many wait for somebody's sake.
    pub(crate) fn waiting(&self) -> usize {
        let queues = &self.queues[..Urgency::Spare as usize];
        queues.iter().map(|queue| queue.waiting.load(Ordering::Acquire)).sum()
    }

    /// Waits for leave to send one request, as long as it is `wanted`.
    pub(crate) async fn ticket(
        &self,
        urgency: Urgency,
        wanted: impl Fn() -> bool + Send,
    ) -> Result<Option<Ticket>, Closed> {
        let came = self.clock.monotonic();
        let _place = Place::behind(self, urgency);
        let _first = self.queues[urgency as usize].first.lock().await;
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.closed.load(Ordering::Acquire) {
                return Err(Closed);
            }
            if !wanted() {
                return Ok(None);
            }
            let now = self.clock.monotonic();
            let wait = match self.has_precedence(urgency) {
                true => self.cadence().go(now),
                false => Err(None),
            };
            match wait {
                Ok(()) => {
                    self.passed(urgency);
                    return Ok(Some(Ticket { waited: now.saturating_sub(came) }));
                }
                Err(None) => changed.await,
                Err(Some(wait)) => tokio::select! {
                    biased;
                    () = changed => {}
                    () = self.clock.sleep(wait) => {}
                },
            }
        }
    }

    /// People who sign in go first, though not twice running while callers wait.
    fn has_precedence(&self, urgency: Urgency) -> bool {
        let waits =
            |urgency: Urgency| self.queues[urgency as usize].waiting.load(Ordering::Acquire) > 0;
        let was_sign_in = self.was_sign_in.load(Ordering::Acquire);
        match urgency {
            Urgency::SignIn => !was_sign_in || !waits(Urgency::Caller),
            Urgency::Caller => was_sign_in || !waits(Urgency::SignIn),
            Urgency::Spare => !waits(Urgency::SignIn) && !waits(Urgency::Caller),
        }
    }

    fn passed(&self, urgency: Urgency) {
        let is_sign_in = urgency == Urgency::SignIn;
        if self.was_sign_in.swap(is_sign_in, Ordering::AcqRel) != is_sign_in {
            self.changed.notify_waiters();
        }
    }

    fn cadence(&self) -> MutexGuard<'_, Cadence> {
        self.cadence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits. The last of a queue lets the next queue know.
struct Place<'p> {
    pace: &'p Pace,
    queue: &'p Queue,
}

impl<'p> Place<'p> {
    fn behind(pace: &'p Pace, urgency: Urgency) -> Self {
        let queue = &pace.queues[urgency as usize];
        queue.waiting.fetch_add(1, Ordering::AcqRel);
        Self { pace, queue }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.queue.waiting.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.pace.changed.notify_waiters();
        }
    }
}

fn nanos(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

const THOUSAND: u64 = 1000;
/// How much later than asked for a timer may end without a request being lost.
const SLACK: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests;
