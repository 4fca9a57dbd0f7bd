//! Whose consent it is: the ID token, believed only after every check.
//!
//! Sources: OpenID Connect Core, sections 2, 3.1.3.6 and 3.1.3.7; RFC 7515, RFC 7519 and RFC 8725;
//! Microsoft identity platform, "ID tokens" and "Access tokens".

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, crypto};

use crate::model::clock::{Clock, unix_seconds};
use crate::model::cloud::{Authority, Cloud, Directory};
use crate::model::registration::AppRegistration;
use crate::model::secret::AccessToken;
use crate::model::tenant::{ClientId, TenantId, UserId};
use crate::protocol::json::{Members, Wrong};
use crate::transport::http::{HttpError, Wire};

use super::token_endpoint::IdTokenText;

mod claims;
mod compact;
mod keys;

pub(crate) use claims::{AccountClaims, IdClaims, Identity};
use compact::Compact;
use keys::{KeyCache, SigningKey};

/// Why an ID token is not believed (OpenID Connect Core, section 3.1.3.7).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdTokenError {
    /// Not three parts of base64url with JSON in them, or a member that occurs twice.
    #[error("the ID token is not a signed JWT")]
    Malformed,
    /// Unsigned, signed by another algorithm than RS256, of another type, or with demands.
    #[error("the ID token has a header other than of a plain RS256 token")]
    Header,
    /// No trusted key of that name.
    #[error("the ID token is signed by an unknown key")]
    UnknownKey,
    /// The signature does not hold.
    #[error("the ID token's signature does not hold")]
    Signature,
    /// The keys could not be had; it may be tried again later.
    #[error("the signing keys could not be had: {0}")]
    KeysUnavailable(HttpError),
    /// What came instead of keys is no key set.
    #[error("the signing keys could not be read")]
    KeysUnreadable,
    /// A claim is missing.
    #[error("the ID token has no {0}")]
    Missing(&'static str),
    /// A claim has a type or value that it cannot have.
    #[error("the ID token's {0} cannot be right")]
    Wrong(&'static str),
    /// Issued by somebody else.
    #[error("the ID token's issuer is not the tenant's")]
    Issuer,
    /// Meant for somebody else.
    #[error("the ID token is meant for another application")]
    Audience,
    /// Made for another request.
    #[error("the ID token belongs to another request")]
    Nonce,
    /// Of another tenant than the one asked.
    #[error("the ID token is of tenant {found}, not of {expected}")]
    Tenant {
        /// Whose consent was asked for.
        expected: TenantId,
        /// Whose account signed in.
        found: TenantId,
    },
    /// A personal Microsoft account.
    #[error("the ID token is of a personal account")]
    PersonalAccount,
    /// Its time is over. Both times are seconds since 1970.
    #[error("the ID token ended at {ended}, and our clock shows {now}")]
    Expired {
        /// Its `exp`.
        ended: u64,
        /// Our clock.
        now: u64,
    },
    /// Its time has not begun. Both times are seconds since 1970.
    #[error("the ID token begins at {begins}, and our clock shows {now}")]
    NotYetValid {
        /// Its `nbf` or `iat`.
        begins: u64,
        /// Our clock.
        now: u64,
    },
    /// Issued too long ago to be an answer to our request.
    #[error("the ID token was issued too long ago")]
    Stale,
}

impl From<Wrong> for IdTokenError {
    fn from(Wrong(name): Wrong) -> Self {
        Self::Wrong(name)
    }
}

/// Verifies ID tokens of one application in one cloud.
#[derive(Debug)]
pub(crate) struct IdTokenVerifier {
    keys: KeyCache,
    cloud: Cloud,
    client_id: ClientId,
    clock: Arc<dyn Clock>,
}

impl IdTokenVerifier {
    pub(crate) fn new(app: &AppRegistration, wire: Wire, clock: Arc<dyn Clock>) -> Self {
        // jsonwebtoken cannot choose where another crate turns on its second provider, and panics;
        // an error says that the host's program has chosen.
        let _ = crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        Self {
            keys: KeyCache::new(wire, Arc::clone(&clock)),
            cloud: app.cloud().clone(),
            client_id: app.client_id(),
            clock,
        }
    }

    /// Verifies the ID token that came with a redeemed code, for the authority and the nonce of the
    /// request that it answers.
    pub(crate) async fn verify(
        &self,
        text: &IdTokenText,
        authority: &Authority,
        nonce: &str,
        access_token: &AccessToken,
    ) -> Result<IdClaims, IdTokenError> {
        let token = Compact::parse(text.expose())?;
        let mut members = token.claims()?;
        let identity = self.identity(&mut members, authority)?;
        self.check_signature(&token, authority, identity.tenant).await?;
        let now = unix_seconds(self.clock.now());
        let issued_at = claims::check_times(&members, now)?;
        check_nonce(&mut members, nonce)?;
        check_access_token(&mut members, access_token)?;
        claims::read(identity, issued_at, members)
    }

    /// Reads the ID token that came with a redeemed refresh token. It came over TLS from the
    /// endpoint that was asked, so its claims are compared and its signature need not be (OpenID
    /// Connect Core, 3.1.3.7, rule 6).
    pub(crate) fn read_from_tls(
        &self,
        text: &IdTokenText,
        authority: &Authority,
    ) -> Result<Identity, IdTokenError> {
        let token = Compact::parse(text.expose())?;
        self.identity(&mut token.claims()?, authority)
    }

    /// What an ID token that came as in [`read_from_tls`](Self::read_from_tls) says of the account.
    pub(crate) fn account_from_tls(
        &self,
        text: &IdTokenText,
        authority: &Authority,
    ) -> Result<AccountClaims, IdTokenError> {
        let token = Compact::parse(text.expose())?;
        let mut members = token.claims()?;
        let identity = self.identity(&mut members, authority)?;
        Ok(AccountClaims::read(&mut members, identity.tenant))
    }

    /// The `amr` of a Partner Center access token that came straight from the token endpoint, where
    /// it can be read and speaks of that user. Access tokens are opaque by contract: anything
    /// unexpected is no evidence, and no error.
    pub(crate) fn access_token_amr(
        &self,
        token: &AccessToken,
        tenant: TenantId,
        user: UserId,
    ) -> Option<Vec<String>> {
        let token = Compact::parse(token.expose()).ok()?;
        let mut members = token.claims().ok()?;
        let mut text = |name| members.text(name).ok().flatten();
        let same = text("tid")? == tenant.to_string()
            && text("oid")? == user.to_string()
            && text("appid").or_else(|| text("azp"))? == self.client_id.to_string()
            && text("aud")?.trim_end_matches('/') == self.cloud.partner_center_audience();
        if same { members.texts("amr").ok().flatten() } else { None }
    }

    /// Who it is, for whom, by whom: what needs no clock and no key.
    fn identity(
        &self,
        members: &mut Members<'_>,
        authority: &Authority,
    ) -> Result<Identity, IdTokenError> {
        let identity = Identity::read(members)?;
        if identity.tenant.is_personal() {
            return Err(IdTokenError::PersonalAccount);
        }
        if required(members, "iss")? != authority.issuer(identity.tenant) {
            return Err(IdTokenError::Issuer);
        }
        if required(members, "ver")? != "2.0" {
            return Err(IdTokenError::Wrong("ver"));
        }
        self.check_audience(members)?;
        match authority.directory() {
            Directory::Tenant(expected) if expected != identity.tenant => {
                Err(IdTokenError::Tenant { expected, found: identity.tenant })
            }
            _ => Ok(identity),
        }
    }

    fn check_audience(&self, members: &mut Members<'_>) -> Result<(), IdTokenError> {
        use serde_json::Value::{Array, String};

        let ours = self.client_id.to_string();
        let one = match members.value("aud").ok_or(IdTokenError::Missing("aud"))? {
            String(audience) => audience,
            Array(list) => match <[_; 1]>::try_from(list) {
                Ok([String(audience)]) => audience,
                _ => return Err(IdTokenError::Audience),
            },
            _ => return Err(IdTokenError::Wrong("aud")),
        };
        let party = members.text("azp")?;
        let foreign = one != ours || party.is_some_and(|party| party != ours);
        if foreign { Err(IdTokenError::Audience) } else { Ok(()) }
    }

    async fn check_signature(
        &self,
        token: &Compact<'_>,
        authority: &Authority,
        tenant: TenantId,
    ) -> Result<(), IdTokenError> {
        let issuer = authority.issuer(tenant);
        let fits = |key: &SigningKey| key.is_for(&issuer, tenant);
        let keys = self.keys.find(&authority.keys_url(), token.key_id(), fits).await?;
        let holds = |key: &SigningKey| {
            let signed = token.signed().as_bytes();
            crypto::verify(token.signature(), signed, key.decoding(), Algorithm::RS256)
                .unwrap_or(false)
        };
        if keys.iter().any(holds) { Ok(()) } else { Err(IdTokenError::Signature) }
    }
}

/// A claim that must be there, as text.
fn required(members: &mut Members<'_>, name: &'static str) -> Result<String, IdTokenError> {
    members.text(name)?.ok_or(IdTokenError::Missing(name))
}

fn check_nonce(members: &mut Members<'_>, expected: &str) -> Result<(), IdTokenError> {
    let nonce = required(members, "nonce")?;
    let same = verify_slices_are_equal(nonce.as_bytes(), expected.as_bytes());
    same.map_err(|_| IdTokenError::Nonce)
}

/// Where the token names the access token beside it, it must be that one.
fn check_access_token(members: &mut Members<'_>, token: &AccessToken) -> Result<(), IdTokenError> {
    let Some(named) = members.text("at_hash")? else { return Ok(()) };
    let whole = digest(&SHA256, token.expose().as_bytes());
    let half = URL_SAFE_NO_PAD.encode(&whole.as_ref()[..16]);
    let same = verify_slices_are_equal(named.as_bytes(), half.as_bytes());
    same.map_err(|_| IdTokenError::Wrong("at_hash"))
}

/// What RFC 7519, section 4.1.4, calls leeway: one for `exp`, `nbf` and `iat`.
const ALLOWANCE: u64 = 120;
/// An answer to our own request is minutes old; Entra dates tokens back by up to five.
const OLDEST: u64 = 3600;

#[cfg(test)]
mod tests;
