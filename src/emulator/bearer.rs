//! Access tokens as an API reads them.
//!
//! Source: RFC 6750, section 2.1.

use std::fmt::Display;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::state::World;
use super::state::directory::Person;
use crate::model::clock::unix_seconds;
use crate::model::tenant::{ClientId, TenantId, UserId};

/// The claims an API looks at.
#[derive(Debug, Deserialize)]
pub(super) struct Bearer {
    pub(super) tid: TenantId,
    pub(super) oid: UserId,
    pub(super) amr: Vec<String>,
    pub(super) upn: String,
    pub(super) name: String,
    pub(super) appid: ClientId,
    idp: Option<String>,
    aud: String,
    scp: String,
    exp: u64,
}

/// Why a request has no standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoBearer {
    Missing,
    Invalid,
}

impl Bearer {
    /// The token of a request, if it was issued here, for `audience`, and has not ended.
    pub(super) fn of(world: &World, headers: &HeaderMap, audience: &str) -> Result<Self, NoBearer> {
        if !headers.contains_key(AUTHORIZATION) {
            return Err(NoBearer::Missing);
        }
        let bearer = token_of(headers).and_then(|token| read_access_token::<Self>(world, token));
        let bearer = bearer.ok_or(NoBearer::Invalid)?;
        let alive = unix_seconds(world.now()) < bearer.exp;
        if alive && bearer.aud == audience { Ok(bearer) } else { Err(NoBearer::Invalid) }
    }

    /// The account at home that this one is, or acts for.
    pub(super) fn person(&self) -> Person {
        let home = self.idp.as_deref().and_then(|idp| idp.strip_prefix(V1_ISSUERS));
        let home = home.and_then(|home| TenantId::parse(home.trim_end_matches('/')).ok());
        Person { tenant: home.unwrap_or(self.tid), user: self.oid }
    }

    pub(super) fn may(&self, permission: &str) -> bool {
        self.scp.split_ascii_whitespace().any(|granted| granted == permission)
    }

    pub(super) fn proved_mfa(&self) -> bool {
        self.amr.iter().any(|factor| factor == "mfa")
    }
}

/// The token that a request bears.
pub(super) fn token_of(headers: &HeaderMap) -> Option<&str> {
    credentials(headers, "Bearer")
}

/// What a request shows by one scheme, whose name may be written in any case (RFC 9110, section
/// 11.1).
pub(super) fn credentials<'h>(headers: &'h HeaderMap, scheme: &str) -> Option<&'h str> {
    let (named, shown) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    named.eq_ignore_ascii_case(scheme).then(|| shown.trim_start_matches(' '))
}

/// The issuer of v1.0 tokens of a tenant, whichever origin they were asked for at.
pub(super) fn v1_issuer(tenant: impl Display) -> String {
    format!("{V1_ISSUERS}{tenant}/")
}

/// The claims of an access token of this emulator, whichever way it was made.
pub(super) fn read_access_token<T: DeserializeOwned>(world: &World, token: &str) -> Option<T> {
    world.seal.open(OPAQUE, token).or_else(|| world.keys.verified(token))
}

const V1_ISSUERS: &str = "https://sts.windows.net/";

/// What opaque access tokens begin with.
pub(super) const OPAQUE: &str = "2.";
