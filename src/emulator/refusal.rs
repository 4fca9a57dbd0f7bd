//! A refusal, on its way to becoming a JSON reply, a callback or a page.
//!
//! Source: RFC 6749, section 5.2; Microsoft identity platform, "OAuth 2.0 authorization code flow",
//! error response.

use std::collections::BTreeMap;
use std::time::SystemTime;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use x509_cert::der::DateTime;

use super::aadsts::Aadsts;
use super::chance::Chance;

/// A refusal, on its way to becoming a JSON reply, a callback or a page.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) number: u32,
    pub(super) status: u16,
    pub(super) error: String,
    pub(super) suberror: Option<String>,
    pub(super) claims: Option<String>,
    /// A script spelled it out, so no doubt changes it.
    pub(super) spelled_out: bool,
    about: String,
}

impl Refusal {
    pub(super) fn new(number: u32) -> Self {
        let row = Aadsts::of(number);
        Self {
            number,
            status: row.status,
            error: row.error.to_owned(),
            suberror: row.suberror.map(str::to_owned),
            claims: None,
            spelled_out: false,
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

    /// With what the next sign-in must satisfy.
    pub(super) fn with_claims(mut self, claims: String) -> Self {
        self.claims = Some(claims);
        self
    }

    /// With the spelling that its number has been given instead of the table's.
    pub(super) fn paired(mut self, pairings: &Pairings) -> Self {
        if let Some((status, error, suberror)) = pairings.get(&self.number)
            && !self.spelled_out
        {
            self.status = *status;
            self.error.clone_from(error);
            self.suberror.clone_from(suberror);
        }
        self
    }

    /// The first line of the description.
    pub(super) fn text(&self) -> String {
        let text = Aadsts::of(self.number).meaning;
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
        uncached(status(self.status), body.to_string())
    }
}

/// Status, `error` and `suberror` by AADSTS number.
pub(super) type Pairings = BTreeMap<u32, (u16, String, Option<String>)>;

/// What support asks for: one per request.
#[derive(Debug, Clone)]
pub(super) struct Trace {
    id: String,
    correlation: String,
    at: String,
}

impl Trace {
    pub(super) fn new(chance: &Chance, now: SystemTime, correlation: Option<&str>) -> Self {
        let id = chance.guid().to_string();
        let correlation = correlation.map_or_else(|| chance.guid().to_string(), str::to_owned);
        Self { id, correlation, at: timestamp(now) }
    }
}

/// JSON that no cache may keep (RFC 6749, section 5.1).
pub(super) fn uncached(status: StatusCode, json: impl Into<Body>) -> Response {
    let headers = [
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (PRAGMA, HeaderValue::from_static("no-cache")),
        (CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8")),
    ];
    (status, headers, json.into()).into_response()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_ends_as_entra_ends_it() {
        let trace = Trace::new(&Chance::new(None), SystemTime::UNIX_EPOCH, Some("c"));
        let text = Refusal::new(65_001).about("'x'").description(&trace);
        assert!(text.starts_with("AADSTS65001: "), "{text}");
        assert!(text.contains(" 'x'\r\nTrace ID: "), "{text}");
        assert!(text.ends_with("Correlation ID: c\r\nTimestamp: 1970-01-01 00:00:00Z"), "{text}");
    }
}
