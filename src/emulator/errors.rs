//! The emulator's own table of AADSTS numbers, and how each is spelled on the wire.
//!
//! Source: Microsoft identity platform, "Authentication and authorization error codes", and the
//! replies that clients of it have published. Which `error` goes with a number is not a contract of
//! Microsoft's, so a [`Failure`](super::Failure) may say otherwise.

use std::time::{Duration, SystemTime};

use axum::Json;
use axum::http::header::{CACHE_CONTROL, PRAGMA, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use x509_cert::der::DateTime;

use super::random;

/// A refusal, on its way to becoming a JSON reply, a callback or a page.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) number: u32,
    pub(super) status: u16,
    pub(super) error: String,
    pub(super) suberror: Option<String>,
    pub(super) claims: Option<String>,
    pub(super) retry_after: Option<Duration>,
    about: String,
}

impl Refusal {
    pub(super) fn new(number: u32) -> Self {
        let (status, error, suberror) = spelling(number);
        Self {
            number,
            status,
            error: error.to_owned(),
            suberror: (!suberror.is_empty()).then(|| suberror.to_owned()),
            claims: None,
            retry_after: None,
            about: String::new(),
        }
    }

    /// Names what the text speaks of.
    pub(super) fn about(mut self, what: &str) -> Self {
        what.clone_into(&mut self.about);
        self
    }

    pub(super) fn with_error(mut self, error: &str) -> Self {
        error.clone_into(&mut self.error);
        self
    }

    pub(super) fn with_suberror(mut self, suberror: &str) -> Self {
        self.suberror = Some(suberror.to_owned());
        self
    }

    /// The first line of the description.
    pub(super) fn text(&self) -> String {
        let text = meaning(self.number);
        let gap = if self.about.is_empty() { "" } else { " " };
        format!("AADSTS{}: {text}{gap}{}", self.number, self.about)
    }

    /// The description as Entra ends it, with the identifiers that support asks for.
    pub(super) fn description(&self, trace: &Trace) -> String {
        let Trace { id, correlation, at } = trace;
        let text = self.text();
        format!("{text}\r\nTrace ID: {id}\r\nCorrelation ID: {correlation}\r\nTimestamp: {at}")
    }

    /// The token endpoint's reply.
    pub(super) fn into_reply(self, trace: &Trace, login: &str) -> Response {
        let mut body = json!({
            "error": self.error,
            "error_description": self.description(trace),
            "error_codes": [self.number],
            "timestamp": trace.at,
            "trace_id": trace.id,
            "correlation_id": trace.correlation,
            "error_uri": format!("{login}/error?code={}", self.number),
        });
        if let Some(suberror) = &self.suberror {
            body["suberror"] = Value::from(suberror.as_str());
        }
        if let Some(claims) = &self.claims {
            body["claims"] = Value::from(claims.as_str());
        }
        let mut reply = uncached(status(self.status), body);
        if let Some(wait) = self.retry_after {
            reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        reply
    }
}

/// What support asks for: one per request.
#[derive(Debug, Clone)]
pub(super) struct Trace {
    id: String,
    correlation: String,
    at: String,
}

impl Trace {
    pub(super) fn new(now: SystemTime, correlation: Option<&str>) -> Self {
        let id = random::guid().to_string();
        let correlation = correlation.map_or_else(|| random::guid().to_string(), str::to_owned);
        Self { id, correlation, at: timestamp(now) }
    }
}

/// JSON that no cache may keep (RFC 6749, section 5.1).
pub(super) fn uncached(status: StatusCode, body: Value) -> Response {
    let headers = [(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")];
    (status, headers, Json(body)).into_response()
}

pub(super) fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// `2026-11-22 21:46:00Z`, as error replies have it.
fn timestamp(now: SystemTime) -> String {
    DateTime::from_system_time(now).map_or_else(
        |_| "9999-12-31 23:59:59Z".to_owned(),
        |date| date.to_string().replacen('T', " ", 1),
    )
}

/// Status, `error` and `suberror` of a number; a number that is not listed is an `invalid_grant`.
const fn spelling(number: u32) -> (u16, &'static str, &'static str) {
    match number {
        70_002 | 7_000_215 | 7_000_222 | 7_000_218 | 700_025 | 700_027 | 700_030 | 700_021
        | 700_024 | 50_012 | 50_013 | 50_027 | 50_048 | 500_133 | 900_384 | 70_021 | 700_229 => {
            (401, "invalid_client", "")
        }
        650_052 | 650_053 | 650_054 | 50_194 => (400, "invalid_client", ""),
        700_016 | 700_011 | 70_001 | 7_000_112 | 1_000_031 | 7_000_229 | 53_005 => {
            (400, "unauthorized_client", "")
        }
        50_001 | 500_011 | 65_005 | 650_056 | 650_057 => (400, "invalid_resource", ""),
        70_011 | 28_002 | 700_022 | 700_023 => (400, "invalid_scope", ""),
        70_003 => (400, "unsupported_grant_type", ""),
        70_005 | 700_054 => (400, "unsupported_response_type", ""),
        28_000 | 28_003 | 50_011 | 70_004 | 70_007 | 90_002 | 90_014 | 90_019 | 90_023 | 90_038
        | 90_043 | 90_051 | 90_100 | 90_124 | 90_130 | 900_023 | 900_144 | 900_382 | 900_432
        | 900_971 | 901_002 | 9_000_411 | 9_001_023 | 9_002_313 | 1_000_104 | 50_059 | 50_128
        | 50_147 | 501_491 | 50_196 | 5_000_224 => (400, "invalid_request", ""),
        90_055 => (429, "temporarily_unavailable", ""),
        50_000 | 90_036 => (500, "server_error", ""),
        50_033 | 90_006 | 90_012 | 90_024 | 90_033 | 90_090 => (503, "temporarily_unavailable", ""),
        65_004 | 90_094 | 90_095 => (400, "access_denied", ""),
        50_058 => (400, "login_required", ""),
        65_001 | 90_008 | 90_099 => (400, "invalid_grant", "consent_required"),
        50_055 => (400, "invalid_grant", "user_password_expired"),
        50_072 | 50_074 | 50_076 | 50_078 | 50_079 | 50_158 => {
            (400, "invalid_grant", "basic_action")
        }
        50_097 | 50_155 | 50_187 | 53_000 | 53_001 | 53_002 => {
            (400, "invalid_grant", "additional_action")
        }
        53_003 | 53_004 | 53_010 | 53_011 | 530_032 | 530_034 | 530_035 => {
            (400, "invalid_grant", "message_only")
        }
        _ => (400, "invalid_grant", ""),
    }
}

/// What a number means, in the emulator's own words.
const fn meaning(number: u32) -> &'static str {
    match number {
        28_000 => {
            "The input parameter scope is not valid because it contains more than one resource."
        }
        28_003 => "The input parameter scope names no resource and the code has none either.",
        50_011 => "The redirect URI in the request is not one of those of the application.",
        50_013 => "The assertion's audience is not this token endpoint:",
        50_020 => "The user account does not exist in this tenant and no relationship admits it.",
        50_027 => "The client assertion is not a JSON Web Token of the expected form.",
        50_034 => "The user account does not exist in the directory.",
        50_048 => "The subject of the client assertion differs from its issuer.",
        50_053 => "The account is locked: too many sign-in attempts or a malicious address.",
        50_057 => "The user account is disabled.",
        50_058 => "A silent sign-in was asked for, but no user is signed in.",
        50_074 => "Strong authentication is required and the challenge was not passed.",
        50_076 => "Multi-factor authentication is required because of a policy or a new location.",
        50_079 => "The user must enrol for multi-factor authentication.",
        50_126 => "The name or the password is not right.",
        50_147 => "The code challenge has the wrong size.",
        501_481 => {
            "The code verifier does not match the code challenge of the authorization request."
        }
        501_491 => "The code challenge or its method is not valid.",
        50_173 => "The grant was revoked and a fresh one is needed.",
        53_003 => "Access was blocked by Conditional Access policies.",
        54_005 => "The authorization code was already redeemed.",
        500_011 => "The resource principal was not found in the tenant:",
        500_121 => "Authentication failed during the strong authentication request.",
        65_001 => "The user or an administrator has not consented to use of the application:",
        65_004 => "The user declined to consent to access the application.",
        650_053 => "The application asked for a scope that does not exist on the resource:",
        70_000 => "The grant is malformed, or was issued to another client.",
        70_001 => "The application was not found or is disabled.",
        70_003 => "The grant type is not supported.",
        70_005 => "The response type is not supported.",
        70_007 => "The response mode is not supported.",
        70_008 => "The authorization code or refresh token has expired; sign in again.",
        70_011 => "The value of the input parameter scope is not valid:",
        700_005 => "The authorization code was issued for another tenant than this endpoint's.",
        700_016 => "The application was not found in the directory:",
        700_021 => "The client assertion names another application than client_id.",
        700_024 => "The client assertion is not within its valid time range.",
        700_027 => {
            "The client assertion failed signature validation, or its certificate is unknown."
        }
        700_082 => "The refresh token has expired due to inactivity.",
        7_000_215 => "The client secret is not the application's.",
        7_000_218 => "The request must contain client_assertion or client_secret.",
        7_000_222 => "The client secret has expired.",
        90_002 => "The tenant was not found:",
        90_023 => "The request is not valid:",
        90_094 => "An administrator must grant what the application asks for.",
        90_099 => "The application is not authorised in the customer tenant for delegated access.",
        90_130 => "The application is not supported over this endpoint:",
        900_144 => "The request must contain the parameter:",
        901_002 => "The parameter resource is not supported.",
        9_000_411 => "The request is not properly formatted; a parameter is duplicated:",
        9_002_313 => "The request is malformed or invalid.",
        _ => "The request was refused.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_ends_as_entra_ends_it() {
        let trace = Trace::new(SystemTime::UNIX_EPOCH, Some("c"));
        let text = Refusal::new(65_001).about("'x'").description(&trace);
        assert!(text.starts_with("AADSTS65001: "), "{text}");
        assert!(text.contains(" 'x'\r\nTrace ID: "), "{text}");
        assert!(text.ends_with("Correlation ID: c\r\nTimestamp: 1970-01-01 00:00:00Z"), "{text}");
    }
}
