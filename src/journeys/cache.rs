//! Access tokens that are still good, kept in memory only.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use http::HeaderValue;

use crate::model::scope::{Resource, Scopes};
use crate::model::secret::AccessToken;
use crate::model::tenant::TenantId;

/// An access token with what is known of it. Cheap to clone; shows no secret.
#[derive(Clone)]
pub struct Token(Arc<Issued>);

struct Issued {
    secret: AccessToken,
    tenant: TenantId,
    resource: Resource,
    scopes: Scopes,
    expires_at: SystemTime,
}

impl Token {
    pub(crate) fn new(
        secret: AccessToken,
        tenant: TenantId,
        resource: Resource,
        scopes: Scopes,
        expires_at: SystemTime,
    ) -> Self {
        Self(Arc::new(Issued { secret, tenant, resource, scopes, expires_at }))
    }

    /// The value of an `Authorization` header, marked sensitive (RFC 6750, section 2.1).
    #[must_use]
    pub fn bearer(&self) -> HeaderValue {
        self.0.secret.bearer()
    }

    /// The secret itself.
    #[must_use]
    pub fn secret(&self) -> &AccessToken {
        &self.0.secret
    }

    /// The tenant it was issued at, and for.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.0.tenant
    }

    /// The API it is for. Send it nowhere else.
    #[must_use]
    pub fn resource(&self) -> &Resource {
        &self.0.resource
    }

    /// What it may do there.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        &self.0.scopes
    }

    /// The end of its life.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        self.0.expires_at
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Token")
            .field("tenant", &self.0.tenant)
            .field("resource", &self.0.resource)
            .field("expires_at", &self.0.expires_at)
            .finish_non_exhaustive()
    }
}

/// What makes two asks the same: R-104. Cloud and application are the broker's own, and the scopes
/// follow from the resource; the generation sets a consent apart from the one that it replaced.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey {
    pub(crate) partner: TenantId,
    pub(crate) generation: u64,
    pub(crate) tenant: TenantId,
    pub(crate) resource: Resource,
}

/// Tokens by ask; swept of what has expired whenever it has doubled.
#[derive(Debug, Default)]
pub(crate) struct Cache(RwLock<Shelf>);

#[derive(Debug, Default)]
struct Shelf {
    tokens: HashMap<CacheKey, Token>,
    sweep_at: usize,
}

impl Cache {
    /// A token with more than `margin` of its life left.
    pub(crate) fn find(&self, key: &CacheKey, now: SystemTime, margin: Duration) -> Option<Token> {
        let shelf = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let token = shelf.tokens.get(key)?;
        (token.expires_at() > now + margin).then(|| token.clone())
    }

    pub(crate) fn keep(&self, key: CacheKey, token: Token, now: SystemTime) {
        let mut shelf = self.0.write().unwrap_or_else(PoisonError::into_inner);
        shelf.tokens.insert(key, token);
        if shelf.tokens.len() > shelf.sweep_at {
            shelf.tokens.retain(|_, token| token.expires_at() > now);
            shelf.sweep_at = SMALLEST_SWEEP.max(2 * shelf.tokens.len());
        }
    }

    pub(crate) fn drop_partner(&self, partner: TenantId) {
        let mut shelf = self.0.write().unwrap_or_else(PoisonError::into_inner);
        shelf.tokens.retain(|key, _| key.partner != partner);
    }
}

const SMALLEST_SWEEP: usize = 1024;

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn tenant(last: u8) -> TenantId {
        TenantId::parse(&format!("11111111-1111-4111-8111-1111111111{last:02}")).expect("a GUID")
    }

    fn key(partner: u8, customer: u8, generation: u64) -> CacheKey {
        let (partner, tenant) = (tenant(partner), tenant(customer));
        CacheKey { partner, generation, tenant, resource: Resource::Graph }
    }

    fn token(customer: u8, minutes: u64) -> Token {
        let secret = AccessToken::new("eyJ0.marker").expect("plain text");
        let expires_at = UNIX_EPOCH + Duration::from_secs(60 * minutes);
        Token::new(secret, tenant(customer), Resource::Graph, Scopes::default(), expires_at)
    }

    #[test]
    fn another_partner_generation_or_tenant_never_shares_an_entry() {
        //
        let cache = Cache::default();
        cache.keep(key(1, 9, 1), token(9, 60), UNIX_EPOCH);
        assert!(cache.find(&key(1, 9, 1), UNIX_EPOCH, Duration::ZERO).is_some());
        for other in [key(2, 9, 1), key(1, 9, 2), key(1, 8, 1)] {
            assert!(cache.find(&other, UNIX_EPOCH, Duration::ZERO).is_none());
        }
        cache.drop_partner(tenant(1));
        assert!(cache.find(&key(1, 9, 1), UNIX_EPOCH, Duration::ZERO).is_none());
    }

    #[test]
    fn a_token_within_its_margin_is_not_found_and_expired_ones_are_swept() {
        let cache = Cache::default();
        cache.keep(key(1, 9, 1), token(9, 2), UNIX_EPOCH);
        assert!(cache.find(&key(1, 9, 1), UNIX_EPOCH, Duration::from_secs(119)).is_some());
        assert!(cache.find(&key(1, 9, 1), UNIX_EPOCH, Duration::from_secs(120)).is_none());
        let later = UNIX_EPOCH + Duration::from_secs(3600);
        for generation in 0..2 * SMALLEST_SWEEP as u64 {
            cache.keep(key(2, 9, generation), token(9, 1), later);
        }
        assert!(cache.0.read().expect("not poisoned").tokens.len() <= SMALLEST_SWEEP);
    }

    #[test]
    fn a_token_shows_no_secret() {
        //
        assert!(!format!("{:?}", token(1, 1)).contains("marker"));
    }
}
