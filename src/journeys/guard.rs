//! The fleet guard: many partners that fail at once are one failure, and not theirs.
//!
//! Each process guards by what it has seen itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::clock::Clock;
use crate::model::tenant::TenantId;

/// How many partners may leave `live` within a while before that is held to be no fault of theirs.
///
/// By default a tenth of those that this process has used within a day, and ten at least, within ten
/// minutes. Once they are more, no consent's state is written until fewer than half as many fail, valid
/// tokens are served, and one [`Event::FleetHeld`](crate::Event::FleetHeld) says so. Who has worked
/// since, has consented anew and worked anywhere, or was not asked for within a day, fails no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct FleetGuard {
    percent: u8,
    minimum: usize,
    window: Duration,
}

impl FleetGuard {
    /// Holds back more than `percent` of the partners, where these are `minimum` at least. With 100
    /// nothing is held back.
    pub const fn new(percent: u8, minimum: usize) -> Self {
        Self { percent, minimum, window: WINDOW }
    }

    /// Within this time; ten minutes by default.
    pub const fn within(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    fn is_crossed(&self, leaving: usize, seen: usize) -> bool {
        leaving >= self.minimum && leaving * 100 > seen * usize::from(self.percent)
    }
}

impl Default for FleetGuard {
    fn default() -> Self {
        Self::new(10, 10)
    }
}

/// What may be written of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The new state.
    Written,
    /// Nothing: too many fail.
    Held,
    /// Nothing, and it is this one that is too many.
    Alarm {
        /// Who would leave.
        leaving: usize,
        /// Of how many.
        of: usize,
    },
}

/// Who of this process's partners works, and who would leave.
#[derive(Debug)]
pub(crate) struct Fleet {
    guard: FleetGuard,
    clock: Arc<dyn Clock>,
    watched: Mutex<Watched>,
}

#[derive(Debug, Default)]
struct Watched {
    /// When each partner was used last.
    seen: HashMap<TenantId, Duration>,
    sweep_at: usize,
    /// Partners that have left, or would have, as long as they have not worked since.
    failing: HashMap<TenantId, Failure>,
    /// While states are held: when to look again whether that is over.
    alarm: Option<Duration>,
}

#[derive(Debug)]
struct Failure {
    /// The last time.
    at: Duration,
    /// Of which consent.
    generation: u64,
}

impl Fleet {
    pub(crate) fn new(guard: FleetGuard, clock: Arc<dyn Clock>) -> Self {
        Self { guard, clock, watched: Mutex::default() }
    }

    /// A partner was used, well or not. True when that shows an alarm to be over.
    pub(crate) fn saw(&self, partner: TenantId) -> bool {
        let now = self.clock.monotonic();
        let mut watched = self.watched();
        watched.seen.insert(partner, now);
        if watched.seen.len() > watched.sweep_at {
            watched.seen.retain(|_, seen| now.saturating_sub(*seen) <= LATELY);
            watched.sweep_at = SMALLEST_SWEEP.max(2 * watched.seen.len());
        }
        watched.alarm.is_some_and(|next| now >= next) && watched.is_over(self.guard, now)
    }

    /// A partner works, at its own tenant or elsewhere, with this consent. True when that ends an alarm.
    pub(crate) fn worked(&self, partner: TenantId, generation: u64, at_home: bool) -> bool {
        let now = self.clock.monotonic();
        let mut watched = self.watched();
        let failure = watched.failing.get(&partner);
        if !failure.is_some_and(|failure| at_home || failure.generation < generation) {
            return false;
        }
        watched.failing.remove(&partner);
        watched.alarm.is_some_and(|next| now >= next) && watched.is_over(self.guard, now)
    }

    /// A partner that was seen just now fails, and would move on, away from `live` or to its end, if it
    /// `leaves`.
    pub(crate) fn fails(&self, partner: TenantId, generation: u64, leaves: bool) -> Verdict {
        let at = self.clock.monotonic();
        let mut watched = self.watched();
        let is_held = watched.alarm.is_some();
        if leaves || is_held && watched.failing.contains_key(&partner) {
            watched.failing.insert(partner, Failure { at, generation });
        }
        match is_held {
            true => Verdict::Held,
            false if leaves => watched.leaves(self.guard, at),
            false => Verdict::Written,
        }
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    /// Whether fewer than half of those fail that raise the alarm, which ends it: at the very number it
    /// would come and go.
    fn is_over(&mut self, guard: FleetGuard, now: Duration) -> bool {
        self.failing.retain(|_, failure| is_within(LATELY, failure.at, now));
        let lasts = guard.is_crossed(2 * self.failing.len(), self.used_lately(now));
        self.alarm = lasts.then(|| now.saturating_add(LOOK));
        !lasts
    }

    /// One more has begun to fail.
    fn leaves(&mut self, guard: FleetGuard, now: Duration) -> Verdict {
        self.failing.retain(|_, failure| is_within(guard.window, failure.at, now));
        let (leaving, of) = (self.failing.len(), self.used_lately(now));
        if !guard.is_crossed(leaving, of) {
            return Verdict::Written;
        }
        self.alarm = Some(now.saturating_add(guard.window));
        Verdict::Alarm { leaving, of }
    }

    fn used_lately(&self, now: Duration) -> usize {
        self.seen.values().filter(|seen| is_within(LATELY, **seen, now)).count()
    }
}

fn is_within(time: Duration, then: Duration, now: Duration) -> bool {
    now.saturating_sub(then) <= time
}

const WINDOW: Duration = Duration::from_secs(600);
/// A partner that is used at all is used within a day.
const LATELY: Duration = Duration::from_secs(86_400);
/// How often those of a lasting alarm are counted.
const LOOK: Duration = Duration::from_secs(1);
const SMALLEST_SWEEP: usize = 1024;

#[cfg(test)]
mod tests;
