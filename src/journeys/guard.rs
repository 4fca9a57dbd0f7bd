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
/// minutes. Once they are more, no consent's state is written until fewer have begun to fail within the
/// same time, valid tokens are served, and one [`Event::FleetHeld`](crate::Event::FleetHeld) says so.
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
    /// When each partner that fails would have left; while states are held, for the first time.
    leaving: HashMap<TenantId, Duration>,
    /// While states are held: until when they surely are.
    alarm: Option<Duration>,
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
        watched.is_over(self.guard, now)
    }

    /// A partner that was seen just now fails, and would leave `live` if it `is_live`.
    pub(crate) fn fails(&self, partner: TenantId, is_live: bool) -> Verdict {
        let now = self.clock.monotonic();
        let mut watched = self.watched();
        match watched.alarm {
            Some(_) => {
                watched.joins(partner, is_live, now);
                Verdict::Held
            }
            None if is_live => watched.leaves(partner, self.guard, now),
            None => Verdict::Written,
        }
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    /// Ends an alarm that so few have joined within the window that they would not raise it. Looks
    /// only when one of them has left the window: before that they can but have become more.
    fn is_over(&mut self, guard: FleetGuard, now: Duration) -> bool {
        if self.alarm.is_none_or(|until| now <= until) {
            return false;
        }
        let joined = self.leaving.values().filter(|left| is_within(guard.window, **left, now));
        let crossed = guard.is_crossed(joined.clone().count(), self.used_lately(now));
        self.alarm =
            joined.min().filter(|_| crossed).map(|first| first.saturating_add(guard.window));
        if self.alarm.is_none() {
            self.leaving.retain(|_, left| is_within(guard.window, *left, now));
        }
        self.alarm.is_none()
    }

    /// Whoever fails again and again does not prolong the alarm.
    fn joins(&mut self, partner: TenantId, is_live: bool, now: Duration) {
        if is_live {
            self.leaving.entry(partner).or_insert(now);
        }
    }

    fn leaves(&mut self, partner: TenantId, guard: FleetGuard, now: Duration) -> Verdict {
        self.leaving.retain(|_, left| is_within(guard.window, *left, now));
        self.leaving.insert(partner, now);
        let (leaving, of) = (self.leaving.len(), self.used_lately(now));
        if !guard.is_crossed(leaving, of) {
            return Verdict::Written;
        }
        self.alarm = self.leaving.values().min().map(|first| first.saturating_add(guard.window));
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
const SMALLEST_SWEEP: usize = 1024;

#[cfg(test)]
mod tests;
