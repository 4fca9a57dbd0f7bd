//! The emulator's clock: the one it was given, ahead or behind by what a test says.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use crate::model::clock::{Clock, Sleep};

#[derive(Debug)]
pub(crate) struct ShiftedClock {
    given: Arc<dyn Clock>,
    /// In seconds.
    ahead: AtomicI64,
}

impl ShiftedClock {
    pub(crate) fn new(given: Arc<dyn Clock>) -> Self {
        Self { given, ahead: AtomicI64::new(0) }
    }

    /// Shifts add up, and end at a century.
    pub(crate) fn shift(&self, seconds: i64) {
        let add = |ahead: i64| Some(ahead.saturating_add(seconds).clamp(-CENTURY, CENTURY));
        let _ = self.ahead.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add); // always Some
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> SystemTime {
        let ahead = self.ahead.load(Ordering::Relaxed);
        let by = Duration::from_secs(ahead.unsigned_abs());
        let now = self.given.now();
        let shifted = if ahead < 0 { now.checked_sub(by) } else { now.checked_add(by) };
        shifted.unwrap_or(now)
    }

    /// Runs evenly, whatever the clock is set to.
    fn monotonic(&self) -> Duration {
        self.given.monotonic()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        self.given.sleep(duration)
    }
}

const CENTURY: i64 = 100 * 365 * 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::clock::VirtualClock;

    #[test]
    fn shifts_add_up_and_end_somewhere() {
        let given = VirtualClock::default();
        let clock = ShiftedClock::new(Arc::new(given.clone()));
        clock.shift(90);
        clock.shift(-30);
        assert_eq!(clock.now(), given.now() + Duration::from_secs(60));
        for far in [i64::MAX, i64::MIN, i64::MIN] {
            clock.shift(far);
            clock.now();
        }
        assert_eq!(clock.monotonic(), given.monotonic());
    }
}
