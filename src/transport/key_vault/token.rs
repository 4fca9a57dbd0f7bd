//! The token for a vault: fetched once for all who wait, kept until shortly before its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use crate::model::clock::Clock;
use crate::model::secret::AccessToken;
use crate::transport::key_vault::application::Application;
use crate::transport::key_vault::error::KeyVaultError;
use crate::transport::key_vault::identity::IdentityEndpoint;
use crate::transport::key_vault::token_reply::TokenReply;

/// Who asks the vault.
#[derive(Debug)]
pub(super) enum Caller {
    Application(Application),
    Identity(IdentityEndpoint),
}

impl Caller {
    async fn token(&self) -> Result<TokenReply, KeyVaultError> {
        match self {
            Self::Application(application) => application.token().await,
            Self::Identity(endpoint) => endpoint.token().await,
        }
    }
}

/// A caller with the token that it has.
#[derive(Debug)]
pub(super) struct Tokens {
    caller: Caller,
    clock: Arc<dyn Clock>,
    /// How many requests for a token have ended, well or badly.
    ended: AtomicU64,
    last: Mutex<Option<Result<Held, KeyVaultError>>>,
}

#[derive(Debug, Clone)]
struct Held {
    token: AccessToken,
    until: Duration,
}

impl Tokens {
    pub(super) fn new(caller: Caller, clock: Arc<dyn Clock>) -> Self {
        Self { caller, clock, ended: AtomicU64::new(0), last: Mutex::new(None) }
    }

    /// A token that is good for some minutes. Whoever waited while another asked shares what that
    /// one got, be it a refusal.
    pub(super) async fn token(&self) -> Result<AccessToken, KeyVaultError> {
        let seen = self.ended.load(Ordering::Acquire);
        let mut last = self.last.lock().await;
        let waited = self.ended.load(Ordering::Acquire) != seen;
        match last.as_ref() {
            Some(Ok(held)) if self.clock.monotonic() < held.until => return Ok(held.token.clone()),
            Some(Err(error)) if waited => return Err(error.clone()),
            _ => {}
        }
        let fetched = self.fetch().await;
        self.ended.fetch_add(1, Ordering::Release);
        last.insert(fetched).clone().map(|held| held.token)
    }

    /// Drops a token that was refused, if it is still the one in use.
    pub(super) async fn forget(&self, refused: &AccessToken) {
        let mut last = self.last.lock().await;
        let same = |held: &Held| held.token.is(refused);
        if last.as_ref().is_some_and(|last| last.as_ref().is_ok_and(same)) {
            *last = None;
        }
    }

    async fn fetch(&self) -> Result<Held, KeyVaultError> {
        let asked = self.clock.monotonic();
        let reply = self.caller.token().await?;
        let lifetime = reply.lifetime(self.clock.now())?;
        let until = asked + lifetime.saturating_sub(EARLY.min(lifetime / 2));
        Ok(Held { token: reply.into_token()?, until })
    }
}

/// How long before its end a token is replaced.
const EARLY: Duration = Duration::from_secs(300);
