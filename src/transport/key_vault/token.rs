//! The token for a vault: fetched once for all who wait, kept until shortly before its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::model::clock::{Clock, from_unix_seconds};
use crate::model::secret::AccessToken;
use crate::transport::key_vault::application::Application;
use crate::transport::key_vault::error::KeyVaultError;
use crate::transport::key_vault::identity::IdentityEndpoint;

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
        let same = |held: &Held| held.token.expose() == refused.expose();
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

/// What token and identity endpoints answer. Integers are numbers or texts of digits.
#[derive(Deserialize)]
pub(super) struct TokenReply {
    access_token: Zeroizing<String>,
    token_type: String,
    #[serde(default, deserialize_with = "digits")]
    expires_in: Option<u64>,
    #[serde(default, deserialize_with = "digits")]
    expires_on: Option<u64>,
}

impl TokenReply {
    pub(super) fn parse(body: &[u8]) -> Result<Self, KeyVaultError> {
        let reply: Self = serde_json::from_slice(body)
            .map_err(|_| KeyVaultError::BadReply("with a token is not one"))?;
        if !reply.token_type.eq_ignore_ascii_case("Bearer") {
            return Err(KeyVaultError::BadReply("has no bearer token"));
        }
        Ok(reply)
    }

    /// App Service says only when the token ends.
    fn lifetime(&self, now: SystemTime) -> Result<Duration, KeyVaultError> {
        let left = |end| from_unix_seconds(end).duration_since(now).unwrap_or_default();
        let said = self.expires_in.map(Duration::from_secs).or(self.expires_on.map(left));
        let lifetime = said.ok_or(KeyVaultError::BadReply("does not say when its token ends"))?;
        Ok(lifetime.min(LONGEST))
    }

    fn into_token(self) -> Result<AccessToken, KeyVaultError> {
        let token = AccessToken::new(self.access_token.as_str());
        token.map_err(|_| KeyVaultError::BadReply("has a token that no header can carry"))
    }
}

fn digits<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let value = Value::deserialize(from)?;
    let number = value.as_str().map_or_else(|| value.as_u64(), |text| text.parse().ok());
    number.map(Some).ok_or_else(|| serde::de::Error::custom("no number"))
}

/// How long before its end a token is replaced.
const EARLY: Duration = Duration::from_secs(300);
const LONGEST: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    fn lifetime(members: &str) -> Option<u64> {
        let body = format!(r#"{{"access_token":"a","token_type":"Bearer"{members}}}"#);
        let reply = TokenReply::parse(body.as_bytes()).ok()?;
        reply.lifetime(from_unix_seconds(1_000)).ok().map(|lifetime| lifetime.as_secs())
    }

    #[test]
    fn lifetimes_are_numbers_or_digits_and_must_be_there() {
        for (members, expected) in [
            (r#","expires_in":3599"#, Some(3599)),
            (r#","expires_in":"3599","expires_on":"9999""#, Some(3599)),
            (r#","expires_on":"4600""#, Some(3600)),
            (r#","expires_on":999"#, Some(0)),
            (r#","expires_in":99999999999999999"#, Some(86_400)),
            ("", None),
            (r#","expires_in":"soon""#, None),
            (r#","expires_in":-1"#, None),
            (r#","expires_in":1,"expires_in":2"#, None),
        ] {
            assert_eq!(lifetime(members), expected, "{members}");
        }
    }

    #[test]
    fn only_a_bearer_token_is_taken() {
        let body = br#"{"access_token":"a","token_type":"pop","expires_in":1}"#;
        assert!(TokenReply::parse(body).is_err());
    }
}
