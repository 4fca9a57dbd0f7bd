//! How Partner Center says no.
//!
//! Source: Partner Center REST, "REST error codes" and "API throttling guidance".

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

use super::MfaMissing;
use crate::protocol::json::{Members, as_whole};
use crate::transport::http::retry_after;

/// Why Partner Center refused, in the words of what can be done about it.
///
/// Source: Partner Center REST, "REST error codes".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PartnerCenterCause {
    /// Passes by itself.
    Transient,
    /// Too much was asked; `Retry-After` says how long to wait.
    Throttled,
    /// The token was not taken.
    TokenRefused,
    /// The token was made without a second factor.
    MfaMissing,
    /// The partner has no relationship with this customer.
    RelationshipMissing,
    /// The user may not do this: a role of Partner Center, or in the customer's tenant, is missing.
    RoleMissing,
    /// The partner is not, or no more, in the programme.
    NotEnrolled,
    /// There is nothing of that name.
    NotFound,
    /// It is there already, though perhaps not as asked.
    Exists,
    /// The request itself was refused: something in it is unknown there.
    Malformed,
    /// None of the above.
    Unknown,
}

impl PartnerCenterCause {
    /// The name under which it is logged and counted.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Throttled => "throttled",
            Self::TokenRefused => "token_refused",
            Self::MfaMissing => "mfa_missing",
            Self::RelationshipMissing => "relationship_missing",
            Self::RoleMissing => "role_missing",
            Self::NotEnrolled => "not_enrolled",
            Self::NotFound => "not_found",
            Self::Exists => "exists",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for PartnerCenterCause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.as_str().replace('_', " "))
    }
}

/// Partner Center's refusal: numbers and identifiers to search for, no text that a person wrote.
///
/// Source: Partner Center REST, "REST error codes".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerCenterError(Arc<Said>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    status: u16,
    code: Option<u64>,
    cause: PartnerCenterCause,
    retry_after: Option<Duration>,
    request_id: Option<String>,
    correlation_id: Option<String>,
}

impl PartnerCenterError {
    pub(crate) fn read(reply: &Response<Bytes>, now: SystemTime) -> Self {
        let (status, headers) = (reply.status(), reply.headers());
        let (code, exists) = said_in(reply.body());
        let missing = MfaMissing::in_reply(status, headers, reply.body());
        let cause = match missing {
            Some(MfaMissing) => PartnerCenterCause::MfaMissing,
            None => cause_of(status, code, exists),
        };
        Self(Arc::new(Said {
            status: status.as_u16(),
            code,
            cause,
            retry_after: retry_after(headers, now),
            request_id: guid_in(headers, "MS-RequestId"),
            correlation_id: guid_in(headers, "MS-CorrelationId"),
        }))
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// Partner Center's own number, such as 20002.
    #[must_use]
    pub fn code(&self) -> Option<u64> {
        self.0.code
    }

    /// What it comes to.
    #[must_use]
    pub fn cause(&self) -> PartnerCenterCause {
        self.0.cause
    }

    /// How long Partner Center asks to be left alone, an hour at most.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Microsoft's support asks for it.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The same for a call that was made of several requests.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&str> {
        self.0.correlation_id.as_deref()
    }
}

impl fmt::Display for PartnerCenterError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Partner Center refused: {} (status {}", self.cause(), self.status())?;
        if let Some(code) = self.code() {
            write!(out, ", code {code}")?;
        }
        if let Some(id) = self.correlation_id() {
            write!(out, ", correlation id {id}")?;
        }
        out.write_str(")")
    }
}

impl std::error::Error for PartnerCenterError {}

fn cause_of(status: StatusCode, code: Option<u64>, exists: bool) -> PartnerCenterCause {
    match (status.as_u16(), code) {
        (429, _) => PartnerCenterCause::Throttled,
        (401, _) => PartnerCenterCause::TokenRefused,
        (409, _) => PartnerCenterCause::Exists,
        (400..=499, _) if exists => PartnerCenterCause::Exists,
        (403, Some(NO_RELATIONSHIP)) => PartnerCenterCause::RelationshipMissing,
        (403, Some(PROGRAMME_INACTIVE)) => PartnerCenterCause::NotEnrolled,
        (403, _) => PartnerCenterCause::RoleMissing,
        (404, Some(TENANT_UNKNOWN)) => PartnerCenterCause::RelationshipMissing,
        (404, _) => PartnerCenterCause::NotFound,
        (408 | 500..=599, _) => PartnerCenterCause::Transient,
        (400..=499, _) => PartnerCenterCause::Malformed,
        _ => PartnerCenterCause::Unknown,
    }
}

/// The number in a refusal, and whether it says that a consent is there: the text is Graph's own, under
/// whatever status. It is kept no longer than that.
fn said_in(body: &[u8]) -> (Option<u64>, bool) {
    let Some(mut members) = Members::parse_marked(body) else { return (None, false) };
    let code = members.spelled("code").find_map(|code| as_whole(&code));
    let text = members.text("description").ok().flatten().unwrap_or_default();
    (code, text.to_ascii_lowercase().contains(EXISTS))
}

/// Only what can be an id: others may be anything.
fn guid_in(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    uuid::Uuid::try_parse(text).ok().map(|id| id.to_string())
}

const NO_RELATIONSHIP: u64 = 20_002;
const PROGRAMME_INACTIVE: u64 = 900_149;
const TENANT_UNKNOWN: u64 = 60_003;
const EXISTS: &str = "permission entry already exists";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> PartnerCenterError {
        let mut reply = Response::new(Bytes::copy_from_slice(body.as_bytes()));
        *reply.status_mut() = StatusCode::from_u16(status).expect("a status");
        PartnerCenterError::read(&reply, SystemTime::UNIX_EPOCH)
    }

    fn coded(code: &str) -> String {
        format!("{{\"code\":\"{code}\",\"description\":\"canary\",\"data\":[],\"source\":\"x\"}}")
    }

    #[test]
    fn what_it_comes_to_is_read_from_status_and_number() {
        for (status, body, cause) in [
            (400, coded("3000"), PartnerCenterCause::Malformed),
            (400, coded("900118"), PartnerCenterCause::Malformed),
            (400, String::new(), PartnerCenterCause::Malformed),
            (401, coded("800001"), PartnerCenterCause::TokenRefused),
            (401, coded("900421"), PartnerCenterCause::MfaMissing),
            (401, String::new(), PartnerCenterCause::TokenRefused),
            (403, coded("20002"), PartnerCenterCause::RelationshipMissing),
            (403, coded("2032"), PartnerCenterCause::RoleMissing),
            (403, coded("900150"), PartnerCenterCause::RoleMissing),
            (403, coded("900149"), PartnerCenterCause::NotEnrolled),
            (403, coded("900421"), PartnerCenterCause::RoleMissing),
            (404, coded("1000"), PartnerCenterCause::NotFound),
            (404, coded("60003"), PartnerCenterCause::RelationshipMissing),
            (409, String::new(), PartnerCenterCause::Exists),
            (429, "{\"statusCode\":429}".to_owned(), PartnerCenterCause::Throttled),
            (500, coded("20002"), PartnerCenterCause::Transient),
            (503, "<html>".to_owned(), PartnerCenterCause::Transient),
            (412, String::new(), PartnerCenterCause::Malformed),
            (305, String::new(), PartnerCenterCause::Unknown),
        ] {
            assert_eq!(read(status, &body).cause(), cause, "{status} {body}");
        }
    }

    #[test]
    fn that_a_consent_exists_is_read_from_the_phrase_under_any_refusal_of_the_request() {
        let body = r#"{"code":"x","description":"...: Permission entry already exists."}"#;
        for status in [400, 403, 404, 409, 417] {
            assert_eq!(read(status, body).cause(), PartnerCenterCause::Exists, "{status}");
        }
        for (status, cause) in [
            (401, PartnerCenterCause::TokenRefused),
            (429, PartnerCenterCause::Throttled),
            (500, PartnerCenterCause::Transient),
        ] {
            assert_eq!(read(status, body).cause(), cause, "{status}");
        }
    }

    #[test]
    fn numbers_and_ids_stay_and_texts_do_not() {
        let mut reply = Response::new(Bytes::from(coded("20002")));
        *reply.status_mut() = StatusCode::FORBIDDEN;
        let id = "8a7b2d39-1f1c-4a7e-9a70-6b1b6d1a2c3d";
        for (name, value) in
            [("MS-CorrelationId", id), ("MS-RequestId", "canary"), ("Retry-After", "7")]
        {
            reply.headers_mut().insert(name, value.parse().expect("plain"));
        }
        let error = PartnerCenterError::read(&reply, SystemTime::UNIX_EPOCH);
        assert_eq!((error.code(), error.correlation_id()), (Some(20_002), Some(id)));
        assert_eq!((error.request_id(), error.retry_after()), (None, Some(Duration::from_secs(7))));
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("canary"), "{shown}");
        assert!(
            shown.starts_with("Partner Center refused: relationship missing (status 403, code")
        );
    }
}
