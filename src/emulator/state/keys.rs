//! The keys that sign tokens: which are published, which one signs, and how they follow each other.
//!
//! Source: Microsoft identity platform, "Signing key rollover". Keys come from the operating system,
//! whatever the seed.

use std::sync::{Arc, LazyLock, OnceLock, PoisonError, RwLock};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::directory::personal_tenant;
use super::signer::{Signer, kid_of};
use crate::model::tenant::TenantId;

/// The keys of one emulator. The first is made when it is first needed.
pub(crate) struct Keys(LazyLock<RwLock<KeySet>>);

struct KeySet {
    published: Vec<Published>,
    /// What signs for every tenant that has no key of its own.
    signing: Arc<Signer>,
}

#[derive(Clone)]
struct Published {
    key: Arc<Signer>,
    /// The only tenant that it may sign for; every tenant if none is named.
    bound_to: Option<TenantId>,
}

impl Keys {
    pub(crate) const fn new() -> Self {
        Self(LazyLock::new(|| {
            let key = first_key();
            let published = vec![Published { key: Arc::clone(&key), bound_to: None }];
            RwLock::new(KeySet { published, signing: key })
        }))
    }

    /// What signs a tenant's tokens.
    pub(crate) fn signing(&self, tenant: TenantId) -> Arc<Signer> {
        let keys = self.read();
        let own = keys.published.iter().find(|known| known.bound_to == Some(tenant));
        Arc::clone(own.map_or(&keys.signing, |own| &own.key))
    }

    /// A key that is published, but for another tenant's tokens only.
    pub(crate) fn of_another_tenant(&self, tenant: TenantId) -> Arc<Signer> {
        let not_ours = |known: &&Published| known.bound_to.is_some_and(|bound| bound != tenant);
        let known = self.read().published.iter().find(not_ours).map(|known| Arc::clone(&known.key));
        known.unwrap_or_else(|| self.bind(personal_tenant()))
    }

    /// Publishes a key that signs one tenant's tokens from now on, and no other's.
    pub(crate) fn bind(&self, tenant: TenantId) -> Arc<Signer> {
        self.publish(Some(tenant))
    }

    /// Publishes a key that does not sign yet.
    pub(crate) fn publish_next(&self) {
        self.publish(None);
    }

    /// The newest published key signs; where that one does already, a new one does at once.
    pub(crate) fn sign_with_next(&self) {
        let mut next = self.newest();
        if Arc::ptr_eq(&next, &self.read().signing) {
            next = self.publish(None);
        }
        self.write().signing = next;
    }

    /// Only what signs stays published.
    pub(crate) fn retire_old(&self) {
        let mut keys = self.write();
        let signing = Arc::clone(&keys.signing);
        keys.published
            .retain(|known| known.bound_to.is_some() || Arc::ptr_eq(&known.key, &signing));
    }

    /// The published keys, each with the issuer it may sign for: `issuer` writes one for a tenant,
    /// or for the template.
    pub(crate) fn jwks(&self, issuer: impl Fn(&str) -> Option<String>) -> Vec<Value> {
        let published = self.read().published.clone();
        let jwk = |known: &Published| {
            let tenant = known.bound_to.map_or("{tenantid}".to_owned(), |bound| bound.to_string());
            known.key.jwk(issuer(&tenant))
        };
        published.iter().map(jwk).collect()
    }

    /// The claims of a token that a published key signed.
    pub(crate) fn verified<T: DeserializeOwned>(&self, token: &str) -> Option<T> {
        let kid = kid_of(token)?;
        let keys = self.read();
        let known = keys.published.iter().find(|known| known.key.kid() == kid)?;
        let key = Arc::clone(&known.key);
        drop(keys);
        key.verified(token)
    }

    fn publish(&self, bound_to: Option<TenantId>) -> Arc<Signer> {
        let key = Arc::new(Signer::generate());
        self.write().published.push(Published { key: Arc::clone(&key), bound_to });
        key
    }

    fn newest(&self) -> Arc<Signer> {
        let keys = self.read();
        let newest = keys.published.iter().rfind(|known| known.bound_to.is_none());
        Arc::clone(newest.map_or(&keys.signing, |newest| &newest.key))
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, KeySet> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, KeySet> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key that every emulator of this process begins with: making one takes a while.
fn first_key() -> Arc<Signer> {
    static FIRST: OnceLock<Arc<Signer>> = OnceLock::new();
    Arc::clone(FIRST.get_or_init(|| Arc::new(Signer::generate())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kids(keys: &Keys) -> Vec<String> {
        let issuer = |tenant: &str| Some(tenant.to_owned());
        let jwks = keys.jwks(issuer);
        jwks.iter().map(|jwk| jwk["kid"].as_str().expect("text").to_owned()).collect()
    }

    #[test]
    fn keys_follow_each_other_and_old_ones_are_forgotten() {
        let (keys, tenant) = (Keys::new(), personal_tenant());
        let claims = json!({ "oid": "x" });
        let first = keys.signing(tenant);
        let old = first.sign(&claims);
        keys.publish_next();
        assert_eq!(keys.signing(tenant).kid(), first.kid(), "published, not in use");
        keys.sign_with_next();
        assert_eq!(kids(&keys), [first.kid(), keys.signing(tenant).kid()]);
        assert_ne!(keys.signing(tenant).kid(), first.kid());
        assert_eq!(keys.verified(&old), Some(claims), "as long as it is published");
        keys.retire_old();
        assert_eq!(kids(&keys), [keys.signing(tenant).kid()]);
        assert_eq!(keys.verified::<Value>(&old), None);
    }

    #[test]
    fn a_bound_key_signs_for_its_tenant_only() {
        let keys = Keys::new();
        let (own, other) = (personal_tenant(), TenantId::parse(OTHER).expect("a GUID"));
        let bound = keys.bind(own);
        assert_eq!(keys.signing(own).kid(), bound.kid());
        assert_ne!(keys.signing(other).kid(), bound.kid());
        assert_eq!(keys.of_another_tenant(other).kid(), bound.kid());
        let issuers = keys.jwks(|tenant| Some(tenant.to_owned()));
        let issuers: Vec<_> = issuers.iter().map(|jwk| jwk["issuer"].clone()).collect();
        assert_eq!(issuers, [json!("{tenantid}"), json!(own)]);
        keys.retire_old();
        assert_eq!(kids(&keys).len(), 2);
    }

    const OTHER: &str = "33333333-3333-4333-8333-333333333333";
}
