//! What is left alone for a while: because it asked for that (`Retry-After`), or because asking again
//! changes nothing until somebody acts.
//!
//! It is kept in memory, by this process's monotonic clock, and its size is bounded.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::clock::Clock;
use crate::model::entra_error::Cause;
use crate::model::secret::random;

/// Something is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rest {
    /// Why.
    pub(crate) cause: Cause,
    /// For how long yet.
    pub(crate) wait: Duration,
}

/// What rests, by key.
#[derive(Debug)]
pub(crate) struct Throttle<K> {
    clock: Arc<dyn Clock>,
    resting: Mutex<HashMap<K, Resting>>,
}

#[derive(Debug, Clone, Copy)]
struct Resting {
    cause: Cause,
    until: Duration,
    /// How long it was to be, before it was spread.
    length: Duration,
}

impl Resting {
    /// What failed is remembered for as long again as it rested.
    fn forgotten_at(&self) -> Duration {
        self.until.saturating_add(self.length)
    }
}

impl<K: Eq + Hash + Clone> Throttle<K> {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, resting: Mutex::default() }
    }

    /// Whether `key` rests.
    pub(crate) fn find(&self, key: &K) -> Option<Rest> {
        let now = self.clock.monotonic();
        let found = *self.resting().get(key)?;
        let wait = found.until.checked_sub(now).filter(|wait| !wait.is_zero())?;
        Some(Rest { cause: found.cause, wait })
    }

    /// Leaves `key` alone for as long as it asked for; a rest that lasts longer is not cut short.
    pub(crate) fn rest(&self, key: K, length: Duration) {
        if length.is_zero() {
            return;
        }
        let now = self.clock.monotonic();
        let resting =
            Resting { cause: Cause::Throttled, until: now.saturating_add(spread(length)), length };
        let mut all = self.resting();
        let longer = |found: &Resting| found.until >= resting.until;
        if !all.get(&key).is_some_and(longer) {
            keep(&mut all, key, resting, now);
        }
    }

    /// Leaves `key` alone because it failed: a minute at first, twice as long each time it fails
    /// again soon after.
    pub(crate) fn strike(&self, key: K, cause: Cause) {
        let now = self.clock.monotonic();
        let mut all = self.resting();
        let last = all.get(&key).filter(|last| now < last.forgotten_at());
        if last.is_some_and(|last| now < last.until) {
            return;
        }
        let length = last.map_or(FIRST, |last| (2 * last.length).min(LONGEST_STRIKE));
        let until = now.saturating_add(spread(length));
        keep(&mut all, key, Resting { cause, until, length }, now);
    }

    /// It works: nothing is held against `key` any more.
    pub(crate) fn clear(&self, key: &K) {
        self.resting().remove(key);
    }

    fn resting(&self) -> MutexGuard<'_, HashMap<K, Resting>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room first where there is none: by what is over, and then by the quarter that ends soonest.
fn keep<K: Eq + Hash>(all: &mut HashMap<K, Resting>, key: K, resting: Resting, now: Duration) {
    if all.len() >= MOST {
        all.retain(|_, found| now < found.forgotten_at());
    }
    if all.len() >= MOST {
        let mut ends: Vec<Duration> = all.values().map(|found| found.until).collect();
        let (_, quarter, _) = ends.select_nth_unstable(MOST / 4);
        let quarter = *quarter;
        all.retain(|_, found| found.until > quarter);
    }
    all.insert(key, resting);
}

/// What begins together shall not end together: full jitter on top, an hour at most in all.
fn spread(length: Duration) -> Duration {
    (length + jitter(length.min(SPREAD))).min(LONGEST).max(length)
}

/// Any time up to `most`, each as likely ("full jitter").
///
/// Source: AWS Architecture Blog, "Exponential Backoff And Jitter".
pub(crate) fn jitter(most: Duration) -> Duration {
    let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX - 1);
    Duration::from_nanos(u64::from_ne_bytes(random()) % (nanos + 1))
}

const FIRST: Duration = Duration::from_secs(60);
const LONGEST_STRIKE: Duration = Duration::from_secs(600);
const SPREAD: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(3600);
/// A few megabytes.
const MOST: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::clock::VirtualClock;

    const SECOND: Duration = Duration::from_secs(1);

    fn throttle() -> (VirtualClock, Throttle<u32>) {
        let clock = VirtualClock::default();
        (clock.clone(), Throttle::new(Arc::new(clock)))
    }

    #[test]
    fn what_asked_for_a_pause_rests_for_all_of_it_and_no_longer_than_an_hour() {
        //
        let (clock, throttle) = throttle();
        throttle.rest(1, 40 * SECOND);
        clock.advance(39 * SECOND);
        let rest = throttle.find(&1).expect("it rests");
        assert!(rest.wait >= SECOND && rest.wait <= 31 * SECOND);
        assert_eq!((rest.cause, throttle.find(&2)), (Cause::Throttled, None));
        clock.advance(31 * SECOND);
        assert_eq!(throttle.find(&1), None);

        throttle.rest(1, LONGEST);
        clock.advance(LONGEST);
        assert_eq!(throttle.find(&1), None);
        throttle.rest(1, Duration::ZERO);
        assert_eq!(throttle.find(&1), None);
    }

    #[test]
    fn a_shorter_pause_cuts_no_longer_one_short() {
        let (clock, throttle) = throttle();
        throttle.rest(1, 600 * SECOND);
        throttle.rest(1, SECOND);
        clock.advance(599 * SECOND);
        assert!(throttle.find(&1).is_some());
    }

    #[test]
    fn rests_that_begin_together_do_not_end_together() {
        // F-17
        let (clock, throttle) = throttle();
        (0..100).for_each(|key| throttle.rest(key, 60 * SECOND));
        let waits: Vec<Duration> =
            (0..100).filter_map(|key| throttle.find(&key)).map(|rest| rest.wait).collect();
        assert_eq!(waits.len(), 100);
        let within = |from: u32, to: u32| {
            waits.iter().filter(|wait| (from * SECOND..to * SECOND).contains(*wait)).count()
        };
        for slice in 0..3 {
            let (from, to) = (60 + 10 * slice, 70 + 10 * slice);
            assert!(within(from, to) > 5, "{from} to {to}: {waits:?}");
        }
        clock.advance(90 * SECOND);
        assert!((0..100).all(|key| throttle.find(&key).is_none()));
    }

    #[test]
    fn failures_soon_after_one_another_rest_for_longer_and_longer_until_one_works() {
        let (clock, throttle) = throttle();
        for minutes in [1, 2, 4, 8, 10, 10] {
            throttle.strike(1, Cause::ApplicationDisabled);
            clock.advance(60 * minutes * SECOND - SECOND);
            throttle.strike(1, Cause::Unknown);
            assert_eq!(throttle.find(&1).map(|rest| rest.cause), Some(Cause::ApplicationDisabled));
            clock.advance(SECOND + SPREAD);
            assert_eq!(throttle.find(&1), None, "{minutes}");
        }
        throttle.clear(&1);
        throttle.strike(1, Cause::ApplicationDisabled);
        clock.advance(FIRST + SPREAD);
        assert_eq!(throttle.find(&1), None);
        clock.advance(FIRST);
        throttle.strike(1, Cause::ApplicationDisabled);
        clock.advance(FIRST + SPREAD);
        assert_eq!(throttle.find(&1), None, "long ago, nothing is held against it");
    }

    #[test]
    fn its_memory_is_bounded_and_what_rests_longest_stays() {
        let (clock, throttle) = throttle();
        throttle.rest(u32::MAX, LONGEST);
        let many = u32::try_from(2 * MOST).expect("small");
        (0..many).for_each(|key| throttle.rest(key, SECOND));
        assert!(throttle.resting().len() <= MOST);
        assert!(throttle.find(&u32::MAX).is_some());
        clock.advance(10 * SECOND);
        (0..many).for_each(|key| throttle.rest(key, SECOND));
        assert!(throttle.resting().len() <= MOST);
    }

    #[test]
    fn jitter_fills_its_range() {
        let draws: Vec<Duration> = (0..1000).map(|_| jitter(SECOND)).collect();
        assert!(draws.iter().all(|draw| *draw <= SECOND));
        assert!(draws.iter().any(|draw| *draw < SECOND / 10));
        assert!(draws.iter().any(|draw| *draw > 9 * SECOND / 10));
        assert_eq!(jitter(Duration::ZERO), Duration::ZERO);
    }
}
