//! Access tokens as an API reads them.
//!
//! Source: RFC 6750, section 2.1.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use serde::Deserialize;

use super::state::World;
use super::tokens::mint::read_access_token;
use crate::model::clock::unix_seconds;
use crate::model::tenant::{TenantId, UserId};

/// The claims an API looks at.
#[derive(Debug, Deserialize)]
pub(super) struct Bearer {
    pub(super) tid: TenantId,
    pub(super) oid: UserId,
    pub(super) amr: Vec<String>,
    pub(super) upn: String,
    pub(super) name: String,
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
        let header = headers.get(AUTHORIZATION).ok_or(NoBearer::Missing)?;
        let text = header.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
        let claims = text.and_then(|token| read_access_token(world, token));
        let claims = claims.ok_or(NoBearer::Invalid)?;
        let bearer: Self = serde_json::from_value(claims).map_err(|_| NoBearer::Invalid)?;
        let alive = unix_seconds(world.now()) < bearer.exp;
        if alive && bearer.aud == audience { Ok(bearer) } else { Err(NoBearer::Invalid) }
    }

    pub(super) fn may(&self, permission: &str) -> bool {
        self.scp.split_ascii_whitespace().any(|granted| granted == permission)
    }

    pub(super) fn proved_mfa(&self) -> bool {
        self.amr.iter().any(|factor| factor == "mfa")
    }
}
