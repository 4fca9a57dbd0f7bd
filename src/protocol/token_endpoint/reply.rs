//! A token endpoint's reply, read strictly: tokens, a refusal, or neither.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value;

use crate::model::clock::later;
use crate::model::cloud::Cloud;
use crate::model::entra_error::{EntraError, Refusal};
use crate::model::scope::{Resource, Scopes};
use crate::model::secret::{AccessToken, RefreshToken};
use crate::protocol::json::{Members, Wrong, as_whole};
use crate::transport::http::retry_after;

use super::{BadReply, IdTokenText, TokenError, TokenReply};

/// What is known of the exchange besides the reply itself.
pub(super) struct Reading<'a> {
    /// How long ago the request was sent, by a clock that does not jump.
    pub(super) took: Duration,
    pub(super) received_at: SystemTime,
    pub(super) request_id: &'a str,
}

impl Reading<'_> {
    pub(super) fn read(
        &self,
        reply: &Response<Bytes>,
        resource: &Resource,
        cloud: &Cloud,
    ) -> Result<TokenReply, TokenError> {
        let members = Members::parse(reply.body());
        if reply.status() != StatusCode::OK {
            return Err(self.refused(reply, members));
        }
        let members = members.ok_or(BadReply("is not JSON, or names a member twice"))?;
        Ok(self.tokens(members, resource, cloud)?)
    }

    fn tokens(
        &self,
        mut members: Members<'_>,
        resource: &Resource,
        cloud: &Cloud,
    ) -> Result<TokenReply, BadReply> {
        if members.has("error") {
            return Err(BadReply("has an error and the status of a success"));
        }
        let kind = members.text("token_type")?.unwrap_or_default();
        if !kind.eq_ignore_ascii_case("Bearer") {
            return Err(BadReply("has no bearer token"));
        }
        let left = lifetime(members.whole_or_digits("expires_in")?).saturating_sub(self.took);
        let scope = members.text("scope")?;
        Ok(TokenReply {
            access_token: access_token(&mut members)?,
            took: self.took,
            left,
            expires_at: later(self.received_at, left),
            refresh_token: refresh_token(&mut members)?,
            id_token: id_token(&mut members)?,
            granted: scope.map(|text| Scopes::granted(&text, resource, cloud)),
        })
    }

    /// A gateway's page is judged by its status; a success without tokens is no refusal.
    fn refused(&self, reply: &Response<Bytes>, members: Option<Members<'_>>) -> TokenError {
        if reply.status().is_success() {
            return BadReply("has a status that no token endpoint gives").into();
        }
        let refusal = members.map(refusal).unwrap_or_default();
        let correlation_id = refusal.correlation_id.or_else(|| Some(self.request_id.to_owned()));
        TokenError::Entra(EntraError::new(Refusal {
            status: Some(reply.status().as_u16()),
            retry_after: retry_after(reply.headers(), self.received_at),
            correlation_id,
            ..refusal
        }))
    }
}

/// Members of the wrong type count as absent here: they could only have made a refusal milder or
/// more precise.
fn refusal(mut members: Members<'_>) -> Refusal {
    let numbered = members.has("error_codes");
    let codes = members.list("error_codes").ok().flatten().unwrap_or_default();
    let mut text = |name| members.text(name).ok().flatten();
    Refusal {
        error: text("error").unwrap_or_default(),
        suberror: text("suberror"),
        description: text("error_description").filter(|_| !numbered),
        codes: codes.iter().filter_map(code).collect(),
        claims: text("claims"),
        trace_id: text("trace_id"),
        correlation_id: text("correlation_id"),
        timestamp: text("timestamp"),
        ..Refusal::default()
    }
}

fn code(value: &Value) -> Option<u32> {
    as_whole(value).and_then(|code| code.try_into().ok())
}

fn access_token(members: &mut Members<'_>) -> Result<AccessToken, BadReply> {
    let text = members.text("access_token")?.ok_or(BadReply("has no access token"))?;
    AccessToken::new(text).map_err(|_| BadReply("has an access token that no header can carry"))
}

/// Empty is absent: managed identities answer so.
fn refresh_token(members: &mut Members<'_>) -> Result<Option<RefreshToken>, BadReply> {
    let text = members.text("refresh_token")?.filter(|text| !text.is_empty());
    let token = text.map(RefreshToken::new).transpose();
    token.map_err(|_| BadReply("has a refresh token with characters that none has"))
}

fn id_token(members: &mut Members<'_>) -> Result<Option<IdTokenText>, BadReply> {
    let Some(text) = members.text("id_token")?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let token = IdTokenText::new(text).ok_or(BadReply("has an ID token longer than any"))?;
    Ok(Some(token))
}

fn lifetime(seconds: Option<u64>) -> Duration {
    seconds.map_or(UNSTATED, Duration::from_secs).min(LONGEST)
}

impl From<Wrong> for BadReply {
    fn from(Wrong(_): Wrong) -> Self {
        Self("has a member of the wrong type")
    }
}

/// RFC 6749 leaves the life of a token open where `expires_in` is missing.
const UNSTATED: Duration = Duration::from_secs(300);
/// Entra's longest, for clients that take part in continuous access evaluation.
const LONGEST: Duration = Duration::from_secs(28 * 3600);
