//! A request as it came in.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use url::form_urlencoded;

use super::faults::Fault;

/// A request, read to its end.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl<S: Send + Sync> FromRequest<S> for Call {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (method, headers) = (request.method().clone(), request.headers().clone());
        let path = request.uri().path().to_owned();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let body =
            Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        Ok(Self { method, path, query, headers, body })
    }
}

impl Call {
    /// A parameter of the query, by a name in any case.
    pub(super) fn parameter(&self, wanted: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.query.as_bytes());
        let (_, value) = pairs.find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
        Some(value.into_owned())
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn json(&self) -> Result<Value, Fault> {
        serde_json::from_slice(&self.body).map_err(|_| Fault::invalid_input("the body is no JSON"))
    }

    /// The customer in the path, or nothing.
    pub(super) fn customer(&self) -> &str {
        self.segment(3)
    }

    /// The application in the path, or nothing.
    pub(super) fn application(&self) -> &str {
        self.segment(5)
    }

    pub(super) fn is_for_consents(&self) -> bool {
        self.segment(4) == "applicationconsents"
    }

    pub(super) fn validates_mfa(&self) -> bool {
        self.header("ValidateMfa").is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Of `/v1/customers/{customer}/applicationconsents/{application}`, counted from 1.
    fn segment(&self, number: usize) -> &str {
        self.path.split('/').nth(number).unwrap_or_default()
    }
}

/// A member of a JSON object, by a name in any case.
pub(super) fn member<'v>(object: &'v Value, wanted: &str) -> Option<&'v Value> {
    let mut members = object.as_object()?.iter();
    members.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
}

/// The same, where it is text.
pub(super) fn text<'v>(object: &'v Value, wanted: &str) -> Option<&'v str> {
    member(object, wanted)?.as_str()
}
