//! When the provider is asked for its list again.
//!
//! No timer: whoever uses the application finds it due. What is five minutes old is read behind
//! the callers; what nobody has used for longer, or was refused, before them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::joint::{Joint, within};
use super::wallet::Wallet;
use crate::model::clock::Clock;
use crate::model::event::{Event, Observers};
use crate::model::registration::{CredentialError, CredentialProvider};

pub(super) struct Reading {
    provider: Arc<dyn CredentialProvider>,
    wallet: Arc<Wallet>,
    clock: Arc<dyn Clock>,
    observers: Observers,
    times: Mutex<Times>,
    /// The edition that was read last.
    turn: Joint<u64>,
}

#[derive(Default, Clone, Copy)]
struct Times {
    read: Option<Duration>,
    /// When it was last begun behind the callers, or failed.
    tried: Option<Duration>,
    /// When a reading after a refusal brought nothing new.
    fruitless: Option<Duration>,
}

enum Due {
    Nothing,
    Behind,
    Before,
}

impl Reading {
    pub(super) fn new(
        provider: Arc<dyn CredentialProvider>,
        wallet: Arc<Wallet>,
        clock: Arc<dyn Clock>,
        observers: Observers,
    ) -> Self {
        let (times, turn) = (Mutex::default(), Joint::default());
        Self { provider, wallet, clock, observers, times, turn }
    }

    /// Sees to it that there is a list that is not too old; without any, it fails.
    pub(super) async fn ready(self: &Arc<Self>) -> Result<(), CredentialError> {
        match self.due() {
            Due::Nothing => Ok(()),
            Due::Behind => {
                let reading = self.clone();
                let edition = self.wallet.edition();
                tokio::spawn(async move { reading.read(edition).await });
                Ok(())
            }
            Due::Before => {
                let read = self.read(self.wallet.edition()).await;
                read.or_else(|error| if self.wallet.is_empty() { Err(error) } else { Ok(()) })
            }
        }
    }

    /// Reads at once, since a credential of that edition was refused, unless somebody has since, or
    /// has just found nothing new.
    pub(super) async fn read_after(&self, edition: u64) {
        let now = self.clock.monotonic();
        if self.times().fruitless.is_some_and(|at| now.saturating_sub(at) < RETRY) {
            return;
        }
        let _told_by_an_event = self.read(edition).await;
        if self.wallet.newest() <= edition {
            self.times().fruitless = Some(now);
        }
    }

    fn due(&self) -> Due {
        let now = self.clock.monotonic();
        let mut times = self.times();
        let since = |at: Duration| now.saturating_sub(at);
        let Some(age) = times.read.map(since) else { return Due::Before };
        if age < WANTED || times.tried.is_some_and(|at| since(at) < RETRY) {
            return Due::Nothing;
        }
        if age >= NEEDED {
            return Due::Before;
        }
        times.tried = Some(now);
        Due::Behind
    }

    /// Reads, whatever was read before and whoever is reading: that may be the list of before.
    pub(super) async fn read_now(&self) -> Result<(), CredentialError> {
        self.turn.anew(self.fetch()).await.map(drop)
    }

    /// Reads a later edition than this, once for all who want one.
    async fn read(&self, edition: u64) -> Result<(), CredentialError> {
        self.turn.of(|read| *read > edition, self.fetch()).await.map(drop)
    }

    async fn fetch(&self) -> Result<u64, CredentialError> {
        let now = self.clock.monotonic();
        let listed = within(&*self.clock, PATIENCE, self.provider.credentials()).await;
        let listed = listed.and_then(|listed| match listed.is_empty() {
            true => Err(CredentialError::NoneListed),
            false => Ok(listed),
        });
        match listed {
            Ok(listed) => {
                let edition = self.wallet.adopt(listed);
                *self.times() = Times { read: Some(now), tried: None, fruitless: None };
                Ok(edition)
            }
            Err(error) => {
                self.times().tried = Some(self.clock.monotonic());
                self.observers.tell(&Event::CredentialsUnread { because: error.to_string() });
                Err(error)
            }
        }
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const WANTED: Duration = Duration::from_secs(5 * 60);
const NEEDED: Duration = Duration::from_secs(15 * 60);
const RETRY: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(10);
