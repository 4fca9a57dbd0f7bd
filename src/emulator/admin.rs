//! The same hands for other languages: what a test lays out, scripts and asks, as JSON over HTTP.
//!
//! `POST /v1/{operation}` with a JSON object; operations and their members bear the names of
//! [`Emulator`]'s methods. Who may is decided by a token that every start makes anew; a page in a
//! browser may not, whatever it knows: the listener turns a foreign `Host` away, and here there must
//! be no `Origin`.

use std::fmt;
use std::sync::Weak;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::{Path, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::{Emulator, Running};
use crate::model::secret;

mod ask;
mod forms;
mod operation;
mod script;

use operation::Operation;

/// Where the admin endpoint is, and the token that opens it.
#[derive(Clone)]
pub struct Admin {
    url: String,
    token: String,
}

impl Admin {
    pub(super) fn at(url: &str) -> Self {
        Self { url: url.to_owned(), token: URL_SAFE_NO_PAD.encode(secret::random::<32>()) }
    }

    /// What operations are posted under, such as `http://127.0.0.1:8405`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What a request brings as `Authorization: Bearer`.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Whether a request may pass, and with what status it may not.
    fn admits(&self, headers: &HeaderMap) -> Result<(), StatusCode> {
        if headers.contains_key(ORIGIN) {
            return Err(StatusCode::FORBIDDEN);
        }
        let token = token_of(headers).unwrap_or_default();
        let same = verify_slices_are_equal(token.as_bytes(), self.token.as_bytes());
        same.map_err(|_| StatusCode::UNAUTHORIZED)
    }
}

/// The scheme's name is case-insensitive (RFC 9110, section 11.1).
fn token_of(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then_some(token)
}

impl fmt::Debug for Admin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Admin").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What an operation needs: the emulator itself, as long as somebody holds it.
#[derive(Clone)]
struct Door {
    admin: Admin,
    emulator: Weak<Running>,
}

pub(super) fn routes(admin: Admin, emulator: Weak<Running>) -> Router {
    Router::new().route("/v1/{operation}", post(operate)).with_state(Door { admin, emulator })
}

async fn operate(
    State(door): State<Door>,
    Path(operation): Path<String>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Response {
    if let Err(status) = door.admin.admits(&headers) {
        return status.into_response();
    }
    let Some(running) = door.emulator.upgrade() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let outcome =
        Operation::read(&operation, &body).and_then(|asked| asked.run(&Emulator { running }));
    let (status, reply) = match outcome {
        Ok(reply) => (StatusCode::OK, reply),
        Err(mistake) => (StatusCode::BAD_REQUEST, json!({ "error": mistake })),
    };
    (status, [(CACHE_CONTROL, "no-store")], Json(reply)).into_response()
}
