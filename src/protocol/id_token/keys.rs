//! The keys that sign ID tokens, kept for a day and fetched again with restraint.
//!
//! Sources: OpenID Connect Core, section 10.1.1; RFC 7517; Microsoft identity platform, "Signing key
//! rollover" and "Access tokens" (the `issuer` of a key).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::ACCEPT;
use http::{Request, StatusCode};
use jsonwebtoken::DecodingKey;
use serde_json::Value;
use url::Url;

use crate::model::clock::Clock;
use crate::model::tenant::TenantId;
use crate::protocol::json::Members;
use crate::transport::http::Wire;

use super::IdTokenError;

/// One key set for each address it came from, so that no tenant's keys serve another's tokens.
#[derive(Debug)]
pub(super) struct KeyCache {
    wire: Wire,
    clock: Arc<dyn Clock>,
    sets: Mutex<HashMap<Url, Arc<KeySet>>>,
}

#[derive(Debug, Default)]
struct KeySet {
    held: Mutex<Held>,
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default, Clone)]
struct Held {
    keys: Option<(Duration, Arc<[SigningKey]>)>,
    forced: Option<Duration>,
}

impl KeyCache {
    pub(super) fn new(wire: Wire, clock: Arc<dyn Clock>) -> Self {
        Self { wire, clock, sets: Mutex::default() }
    }

    /// The keys that may have signed a token. An unknown name costs at most one fetch in five
    /// minutes for all callers together, and good keys serve meanwhile.
    pub(super) async fn find(
        &self,
        url: &Url,
        key_id: Option<&str>,
        fits: impl Fn(&SigningKey) -> bool,
    ) -> Result<Vec<SigningKey>, IdTokenError> {
        let set = self.set(url);
        let choose = |keys: &[SigningKey]| choose(keys, key_id, &fits);
        if let Some(found) = self.fresh(&set).and_then(|keys| choose(&keys)) {
            return Ok(found);
        }
        let _turn = set.fetching.lock().await;
        let keys = match self.fresh(&set) {
            Some(keys) => keys,
            None => self.fetch(url, &set).await?,
        };
        if let Some(found) = choose(&keys) {
            return Ok(found);
        }
        if !self.may_force(&set) {
            return Err(IdTokenError::UnknownKey);
        }
        choose(&self.fetch(url, &set).await?).ok_or(IdTokenError::UnknownKey)
    }

    fn set(&self, url: &Url) -> Arc<KeySet> {
        let mut sets = lock(&self.sets);
        if sets.len() >= MOST_SETS && !sets.contains_key(url) {
            let oldest = sets.iter().min_by_key(|(_, set)| lock(&set.held).fetched());
            let oldest = oldest.map(|(url, _)| url.clone());
            oldest.and_then(|url| sets.remove(&url));
        }
        Arc::clone(sets.entry(url.clone()).or_default())
    }

    fn fresh(&self, set: &KeySet) -> Option<Arc<[SigningKey]>> {
        let now = self.clock.monotonic();
        let (fetched, keys) = lock(&set.held).keys.clone()?;
        (now.saturating_sub(fetched) < LIFETIME).then_some(keys)
    }

    /// Counted before the fetch, so that a failed or cancelled one counts too. The ordinary first
    /// fetch does not count: keys may change between it and the token.
    fn may_force(&self, set: &KeySet) -> bool {
        let now = self.clock.monotonic();
        let mut held = lock(&set.held);
        let cooling = held.forced.is_some_and(|last| now.saturating_sub(last) < COOL_DOWN);
        if !cooling {
            held.forced = Some(now);
        }
        !cooling
    }

    async fn fetch(&self, url: &Url, set: &KeySet) -> Result<Arc<[SigningKey]>, IdTokenError> {
        let request = Request::get(url.as_str()).header(ACCEPT, "application/json");
        let request = request.body(Bytes::new()).expect("an authority's address makes a request");
        let reply = self.wire.send(request).await.map_err(IdTokenError::KeysUnavailable)?;
        if reply.status() != StatusCode::OK {
            return Err(IdTokenError::KeysUnreadable);
        }
        let keys: Arc<[_]> = parse(reply.body()).ok_or(IdTokenError::KeysUnreadable)?.into();
        lock(&set.held).keys = Some((self.clock.monotonic(), Arc::clone(&keys)));
        Ok(keys)
    }
}

impl Held {
    fn fetched(&self) -> Option<Duration> {
        self.keys.as_ref().map(|(fetched, _)| *fetched)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every key of that name; for a token without a name, the only key there is.
fn choose(
    keys: &[SigningKey],
    key_id: Option<&str>,
    fits: impl Fn(&SigningKey) -> bool,
) -> Option<Vec<SigningKey>> {
    let named = |key: &&SigningKey| key_id.is_none() || key.id.as_deref() == key_id;
    let found: Vec<_> = keys.iter().filter(named).filter(|key| fits(key)).cloned().collect();
    let ambiguous = key_id.is_none() && found.len() > 1;
    (!found.is_empty() && !ambiguous).then_some(found)
}

/// A public key that may sign RS256.
#[derive(Debug, Clone)]
pub(super) struct SigningKey {
    id: Option<String>,
    issuer: Option<String>,
    key: DecodingKey,
}

impl SigningKey {
    /// Whether it may sign for this issuer: a key may be one tenant's only. The template counts once
    /// the tenant, which is a GUID by now, stands in it.
    pub(super) fn is_for(&self, issuer: &str, tenant: TenantId) -> bool {
        let Some(template) = self.issuer.as_deref() else { return true };
        template.replace("{tenantid}", &tenant.to_string()) == issuer
    }

    pub(super) const fn decoding(&self) -> &DecodingKey {
        &self.key
    }

    fn read(value: Value) -> Option<Self> {
        let mut members = Members::from_value(value)?;
        let mut text = |name| members.text(name).ok();
        let usable = text("kty")?.as_deref() == Some("RSA")
            && text("use")?.is_none_or(|purpose| purpose == "sig")
            && text("alg")?.is_none_or(|algorithm| algorithm == "RS256");
        let (id, issuer) = (text("kid")?, text("issuer")?);
        let modulus = URL_SAFE_NO_PAD.decode(text("n")??).ok()?;
        let exponent = URL_SAFE_NO_PAD.decode(text("e")??).ok()?;
        if !usable || !is_strong(&modulus, &exponent) {
            return None;
        }
        let key = DecodingKey::from_rsa_raw_components(&modulus, &exponent);
        Some(Self { id, issuer, key })
    }
}

/// 2048 to 8192 bits, and an odd exponent of 3 or more.
fn is_strong(modulus: &[u8], exponent: &[u8]) -> bool {
    let odd = exponent.last().is_some_and(|byte| byte % 2 == 1);
    (2048..=8192).contains(&bits(modulus)) && odd && (2..=64).contains(&bits(exponent))
}

fn bits(number: &[u8]) -> usize {
    let Some(first) = number.iter().position(|byte| *byte != 0) else { return 0 };
    (number.len() - first) * 8 - number[first].leading_zeros() as usize
}

/// What cannot be used is skipped (RFC 7517, section 5).
fn parse(body: &[u8]) -> Option<Vec<SigningKey>> {
    let keys = Members::parse(body)?.list("keys").ok()??;
    if keys.len() > MOST_KEYS {
        return None;
    }
    Some(keys.into_iter().filter_map(SigningKey::read).collect())
}

const LIFETIME: Duration = Duration::from_secs(24 * 3600);
const COOL_DOWN: Duration = Duration::from_secs(300);
const MOST_SETS: usize = 512;
const MOST_KEYS: usize = 100;

#[cfg(test)]
mod tests;
