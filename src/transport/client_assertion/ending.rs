//! A warning before a certificate ends, while there is time to put another in its place.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, SystemTime};

use crate::model::event::Event;
use crate::model::registration::ClientCredential;

/// How often it was warned of one certificate's end.
#[derive(Debug, Default)]
pub(super) struct Ending(AtomicU8);

impl Ending {
    /// What there is to say now; each step is said once.
    pub(super) fn warning(&self, credential: &ClientCredential, now: SystemTime) -> Option<Event> {
        let ends = credential.as_certificate()?.not_after();
        let left = ends.duration_since(now).unwrap_or_default();
        let step = STEPS.iter().filter(|step| left <= **step).count() as u8;
        let is_news = self.0.fetch_max(step, Ordering::Relaxed) < step;
        is_news.then(|| Event::CredentialEnding { credential: credential.name(), ends })
    }
}

const STEPS: [Duration; 3] = [days(30), days(7), days(1)];

const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}
