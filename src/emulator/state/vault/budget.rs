//! How many requests a vault takes in ten seconds.
//!
//! Source: "Azure Key Vault throttling guidance": a request that was refused does not count.

use std::time::{Duration, SystemTime};

/// What is left of the present ten seconds.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    limit: Option<usize>,
    says_when: bool,
    began: Option<SystemTime>,
    spent: usize,
}

/// Too many requests came; perhaps with how long to wait.
#[derive(Debug)]
pub(crate) struct Throttled(pub(crate) Option<Duration>);

impl Budget {
    pub(crate) fn of(limit: Option<usize>, says_when: bool) -> Self {
        Self { limit, says_when, ..Self::default() }
    }

    pub(crate) fn spend(&mut self, now: SystemTime) -> Result<(), Throttled> {
        let Some(limit) = self.limit else { return Ok(()) };
        let began = self.began.filter(|began| *began <= now && now < *began + WINDOW);
        if began.is_none() {
            self.spent = 0;
        }
        let until = *self.began.insert(began.unwrap_or(now)) + WINDOW;
        if self.spent >= limit {
            let wait = until.duration_since(now).unwrap_or_default();
            return Err(Throttled(self.says_when.then_some(wait)));
        }
        self.spent += 1;
        Ok(())
    }
}

const WINDOW: Duration = Duration::from_secs(10);
