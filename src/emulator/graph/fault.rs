//! How Graph says no, and the ids that every reply carries.
//!
//! Source: Microsoft Graph, "Error responses and resource types".

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use x509_cert::der::DateTime;

use crate::emulator::site::Site;
use crate::emulator::state::World;

/// A refusal; its body is written once the ids of the request are known.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Fault {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(super) fn invalid_token(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message)
    }

    /// The application has no service principal in the tenant of the token.
    pub(super) fn unknown_application() -> Self {
        let message = "The identity of the calling application could not be established.";
        Self::new(StatusCode::UNAUTHORIZED, "Authorization_IdentityNotFound", message)
    }

    pub(super) fn denied() -> Self {
        let message = "Insufficient privileges to complete the operation.";
        Self::new(StatusCode::FORBIDDEN, "Authorization_RequestDenied", message)
    }

    pub(super) fn not_found(id: &str) -> Self {
        let message = format!(
            "Resource '{id}' does not exist or one of its queried reference-property objects are \
             not present."
        );
        Self::new(StatusCode::NOT_FOUND, "Request_ResourceNotFound", message)
    }

    pub(super) fn bad_query(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_UnsupportedQuery", message)
    }

    pub(super) fn expired_page() -> Self {
        let message = "The specified page token value has expired or is invalid.";
        Self::new(StatusCode::BAD_REQUEST, "Directory_ExpiredPageToken", message)
    }

    pub(super) fn no_version() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", "Invalid version.")
    }

    pub(super) fn no_segment() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", "Resource not found for the segment.")
    }

    pub(super) fn no_method() -> Self {
        let message = "Specified HTTP method is not allowed for the request target.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "Request_BadRequest", message)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Gives every reply its ids, and a refusal its body.
pub(super) async fn with_ids(
    State(world): State<Arc<World>>,
    request: Request,
    next: Next,
) -> Response {
    let id = HeaderValue::try_from(world.chance.guid().to_string()).expect("a GUID is ASCII");
    let named = request.headers().get(CLIENT_REQUEST_ID).cloned();
    let client_id = named.unwrap_or_else(|| id.clone());
    let site = Site::of(request.extensions());
    let mut response = next.run(request).await;
    if let Some(fault) = response.extensions_mut().remove::<Fault>() {
        response = body(&world, &site, &fault, [&id, &client_id]);
    }
    response.headers_mut().insert(REQUEST_ID, id);
    response.headers_mut().insert(CLIENT_REQUEST_ID, client_id);
    response
}

fn body(world: &World, site: &Site, fault: &Fault, ids: [&HeaderValue; 2]) -> Response {
    let [id, client_id] = ids.map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
    let date = DateTime::from_system_time(world.now()).map(|date| date.to_string());
    let error = json!({
        "code": fault.code,
        "message": fault.message,
        "innerError": {
            "date": date.unwrap_or_default().trim_end_matches('Z'),
            "request-id": id,
            "client-request-id": client_id,
        },
    });
    let mut response = (fault.status, Json(json!({ "error": error }))).into_response();
    if fault.status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge(site));
    }
    response
}

fn challenge(site: &Site) -> HeaderValue {
    let login = &site.login;
    let text = format!(
        "Bearer realm=\"\", authorization_uri=\"{login}/common/oauth2/authorize\", \
         client_id=\"00000003-0000-0000-c000-000000000000\""
    );
    HeaderValue::try_from(text).expect("an origin is visible ASCII")
}

const REQUEST_ID: &str = "request-id";
const CLIENT_REQUEST_ID: &str = "client-request-id";
