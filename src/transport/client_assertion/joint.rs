//! One fetches for all who wait.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use crate::model::clock::Clock;
use crate::model::registration::CredentialError;
use crate::model::sync::tasks::caught;

/// Something that is made once for all who ask at the same time, and kept while it is good.
#[derive(Debug)]
pub(super) struct Joint<T> {
    /// How many times it was made, well or badly.
    ended: AtomicU64,
    last: Mutex<Option<Result<T, CredentialError>>>,
}

impl<T> Default for Joint<T> {
    fn default() -> Self {
        Self { ended: AtomicU64::new(0), last: Mutex::new(None) }
    }
}

impl<T: Clone> Joint<T> {
    /// What was made last, if it is good, or what `make` gives. Whoever waited while another made it
    /// shares what that one got, be it a failure.
    pub(super) async fn of(
        &self,
        is_good: impl Fn(&T) -> bool,
        make: impl Future<Output = Result<T, CredentialError>>,
    ) -> Result<T, CredentialError> {
        let seen = self.ended.load(Ordering::Acquire);
        let mut last = self.last.lock().await;
        let waited = self.ended.load(Ordering::Acquire) != seen;
        match last.as_ref() {
            Some(Ok(made)) if is_good(made) => return Ok(made.clone()),
            Some(Err(error)) if waited => return Err(error.clone()),
            _ => {}
        }
        self.make(&mut last, make).await
    }

    /// What `make` gives, begun now: what another began before does not count.
    pub(super) async fn anew(
        &self,
        make: impl Future<Output = Result<T, CredentialError>>,
    ) -> Result<T, CredentialError> {
        let mut last = self.last.lock().await;
        self.make(&mut last, make).await
    }

    async fn make(
        &self,
        last: &mut Option<Result<T, CredentialError>>,
        make: impl Future<Output = Result<T, CredentialError>>,
    ) -> Result<T, CredentialError> {
        let made = make.await;
        self.ended.fetch_add(1, Ordering::Release);
        last.insert(made).clone()
    }

    /// Drops what was made, if it is this.
    pub(super) async fn forget(&self, is: impl Fn(&T) -> bool) {
        let mut last = self.last.lock().await;
        if last.as_ref().is_some_and(|last| last.as_ref().is_ok_and(is)) {
            *last = None;
        }
    }

    /// Whether nobody is making it and what was made is not good.
    pub(super) fn is_idle(&self, is_good: impl Fn(&T) -> bool) -> bool {
        let Ok(last) = self.last.try_lock() else { return false };
        !last.as_ref().is_some_and(|last| last.as_ref().is_ok_and(is_good))
    }
}

/// What a supplier gives, unless it takes too long, or panics.
pub(super) async fn within<T>(
    clock: &dyn Clock,
    patience: Duration,
    supplying: impl Future<Output = Result<T, CredentialError>>,
) -> Result<T, CredentialError> {
    tokio::select! {
        biased;
        supplied = caught(supplying) => {
            supplied.unwrap_or_else(|| Err(CredentialError::unavailable("it panicked")))
        }
        () = clock.sleep(patience) => Err(CredentialError::unavailable("no answer in time")),
    }
}
