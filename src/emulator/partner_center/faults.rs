//! What Partner Center answers.
//!
//! Source: Partner Center REST, "REST error codes" and "API throttling guidance".

use axum::http::header::{HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::{Value, json};

/// What a call comes to.
pub(super) type Outcome = Result<Reply, Fault>;

/// A success.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Option<Value>,
}

impl Reply {
    pub(super) fn ok(body: Value) -> Self {
        Self { status: 200, body: Some(body) }
    }
}

/// A failure.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// With a body that names a code, which is mostly a number.
    Coded { status: u16, code: String, description: String },
    /// Too many requests.
    Throttled,
    /// Without a body; a challenge names the token as the reason.
    Bare { status: u16, challenge: bool },
}

impl Fault {
    pub(super) fn new(status: u16, code: &str, description: &str) -> Self {
        Self::Coded { status, code: code.to_owned(), description: description.to_owned() }
    }

    pub(super) fn access_denied() -> Self {
        Self::new(403, "2032", "access denied")
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, "1000", "not found")
    }

    pub(super) fn invalid_property(description: &str) -> Self {
        Self::new(400, "3000", description)
    }

    pub(super) fn invalid_input(description: &str) -> Self {
        Self::new(400, "800002", description)
    }

    pub(super) const fn status(&self) -> u16 {
        match self {
            Self::Coded { status, .. } | Self::Bare { status, .. } => *status,
            Self::Throttled => 429,
        }
    }

    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Self::Coded { code, .. } => Some(code),
            Self::Throttled | Self::Bare { .. } => None,
        }
    }

    pub(super) fn body(&self) -> Option<Value> {
        match self {
            Self::Coded { code, description, .. } => Some(json!({
                "code": code, "description": description, "data": [], "source": "PartnerApi",
            })),
            Self::Throttled => Some(json!({
                "statusCode": 429, "message": "Rate limit is exceeded. Try again in 1 seconds.",
            })),
            Self::Bare { .. } => None,
        }
    }

    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match self {
            Self::Coded { status: 401, .. } | Self::Bare { challenge: true, .. } => {
                let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
            Self::Throttled => drop(headers.insert(RETRY_AFTER, HeaderValue::from(1))),
            _ => {}
        }
        headers
    }
}
