//! How a vault says no.
//!
//! Source: Key Vault, "REST API error codes"; the wording is that of published replies.

use std::fmt;
use std::time::Duration;

use axum::Json;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::emulator::state::vault::VAULT;
use crate::emulator::state::vault::VaultRight;

/// A refusal on its way to becoming a reply.
#[derive(Debug)]
pub(super) struct Fault {
    status: StatusCode,
    code: &'static str,
    inner: Option<&'static str>,
    message: String,
    challenge: Option<String>,
    retry_after: Option<Duration>,
}

impl Fault {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, code, inner: None, message, challenge: None, retry_after: None }
    }

    pub(super) fn bad_parameter(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadParameter", message)
    }

    pub(super) fn no_such_operation() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", "The operation does not exist.")
    }

    pub(super) fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message)
    }

    pub(super) fn conflict(inner: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "Conflict", message).with_inner(inner)
    }

    pub(super) fn throttled(retry_after: Option<Duration>) -> Self {
        let message = "Request was not processed because too many requests were received. \
                       Reason: VaultRequestTypeLimitReached";
        let fault = Self::new(StatusCode::TOO_MANY_REQUESTS, "Throttled", message);
        Self { retry_after, ..fault }
    }

    /// No standing at all: the challenge says where a token for what is to be had.
    pub(super) fn unauthorized(challenge: String, message: impl Into<String>) -> Self {
        let fault = Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", message);
        Self { challenge: Some(challenge), ..fault }
    }

    /// The caller is known and lacks a right.
    pub(super) fn lacks(caller: &impl fmt::Display, right: VaultRight) -> Self {
        let message = format!(
            "The user, group or application '{caller}' does not have {right} permission on key \
             vault '{VAULT}'. For help resolving this issue, please see \
             https://go.microsoft.com/fwlink/?linkid=2125287",
        );
        Self::forbidden(message).with_inner("ForbiddenByPolicy")
    }

    pub(super) fn with_inner(self, inner: &'static str) -> Self {
        Self { inner: Some(inner), ..self }
    }

    pub(super) fn into_response(self) -> Response {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(inner) = self.inner {
            error["innererror"] = json!({ "code": inner });
        }
        let body = json!({ "error": error });
        let mut response =
            (self.status, [(CACHE_CONTROL, "no-cache")], Json::<Value>(body)).into_response();
        let headers = response.headers_mut();
        if let Some(value) = self.challenge.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(WWW_AUTHENTICATE, value);
        }
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response
    }
}
