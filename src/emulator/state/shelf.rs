//! Things that are kept until a time.

use std::collections::HashMap;
use std::time::SystemTime;

/// Values under random words, swept so that it stays as large as what is alive. On a clock that
/// stands still nothing ends, so when there are too many the older half goes.
#[derive(Debug)]
pub(crate) struct Shelf<T> {
    held: HashMap<String, Held<T>>,
    sweep_at: usize,
    put: u64,
}

#[derive(Debug)]
struct Held<T> {
    until: SystemTime,
    /// How many were put before it.
    place: u64,
    value: T,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { held: HashMap::new(), sweep_at: SMALLEST_SWEEP, put: 0 }
    }
}

impl<T> Shelf<T> {
    pub(crate) fn put(&mut self, word: String, until: SystemTime, value: T, now: SystemTime) {
        if self.held.len() >= self.sweep_at {
            self.sweep(now);
        }
        self.held.insert(word, Held { until, place: self.put, value });
        self.put += 1;
    }

    fn sweep(&mut self, now: SystemTime) {
        self.held.retain(|_, held| held.until > now);
        if self.held.len() >= MOST {
            let mut places: Vec<u64> = self.held.values().map(|held| held.place).collect();
            let (_, middle, _) = places.select_nth_unstable(MOST / 2);
            self.held.retain(|_, held| held.place >= *middle);
        }
        self.sweep_at = (2 * self.held.len()).clamp(SMALLEST_SWEEP, MOST);
    }

    pub(crate) fn find(&mut self, word: &str, now: SystemTime) -> Option<&mut T> {
        self.held.get_mut(word).filter(|held| held.until > now).map(|held| &mut held.value)
    }

    pub(crate) fn take(&mut self, word: &str, now: SystemTime) -> Option<T> {
        self.held.remove(word).filter(|held| held.until > now).map(|held| held.value)
    }
}

const SMALLEST_SWEEP: usize = 1024;
const MOST: usize = 100_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_past_its_time_is_neither_found_nor_kept() {
        let start = SystemTime::UNIX_EPOCH;
        let later = start + Duration::from_secs(2);
        let mut shelf = Shelf::default();
        for word in 0..SMALLEST_SWEEP {
            shelf.put(word.to_string(), start + Duration::from_secs(1), (), start);
        }
        assert!(shelf.find("0", start).is_some());
        assert!(shelf.find("0", later).is_none());
        shelf.put("new".to_owned(), later + Duration::from_secs(1), (), later);
        assert_eq!(shelf.held.len(), 1);
        assert!(shelf.take("new", later).is_some());
        assert!(shelf.take("new", later).is_none());
    }

    #[test]
    fn on_a_clock_that_stands_still_the_oldest_go_first() {
        let now = SystemTime::UNIX_EPOCH;
        let until = now + Duration::from_secs(1);
        let mut shelf = Shelf::default();
        for word in 0..=MOST {
            shelf.put(word.to_string(), until, (), now);
        }
        assert_eq!(shelf.held.len(), MOST / 2 + 1);
        assert!(shelf.find(&(MOST / 2 - 1).to_string(), now).is_none());
        for kept in [MOST / 2, MOST] {
            assert!(shelf.find(&kept.to_string(), now).is_some(), "{kept}");
        }
    }
}
