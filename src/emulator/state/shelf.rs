//! Things that are kept until a time.

use std::collections::HashMap;
use std::time::SystemTime;

/// Values under random words, swept so that it stays as large as what is alive.
#[derive(Debug)]
pub(crate) struct Shelf<T> {
    held: HashMap<String, (SystemTime, T)>,
    sweep_at: usize,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { held: HashMap::new(), sweep_at: SMALLEST_SWEEP }
    }
}

impl<T> Shelf<T> {
    pub(crate) fn put(&mut self, word: String, until: SystemTime, value: T, now: SystemTime) {
        if self.held.len() >= self.sweep_at {
            self.held.retain(|_, (until, _)| *until > now);
            self.sweep_at = SMALLEST_SWEEP.max(2 * self.held.len());
        }
        self.held.insert(word, (until, value));
    }

    pub(crate) fn find(&mut self, word: &str, now: SystemTime) -> Option<&mut T> {
        self.held.get_mut(word).filter(|(until, _)| *until > now).map(|(_, value)| value)
    }

    pub(crate) fn take(&mut self, word: &str, now: SystemTime) -> Option<T> {
        self.held.remove(word).filter(|(until, _)| *until > now).map(|(_, value)| value)
    }
}

const SMALLEST_SWEEP: usize = 1024;

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
}
