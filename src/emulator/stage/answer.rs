//! Answers that no service gave.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use http_body::{Frame, SizeHint};
use serde_json::{Value, json};
use x509_cert::der::DateTime;

use crate::emulator::refusal::status;
use crate::emulator::script::failure::{self, Answer, Spelling};
use crate::emulator::state::World;

/// An answer, but for the headers that the script gives it.
pub(super) fn response(world: &World, answer: &Answer, request: &HeaderMap) -> Response {
    let code = status(answer.status);
    match &answer.body {
        failure::Body::Plain(bytes) => (code, bytes.clone()).into_response(),
        failure::Body::Huge(bytes, announced) => {
            (code, Body::new(Huge { rest: *bytes, announced: *announced })).into_response()
        }
        failure::Body::Spelled(form, name, description) => {
            let ids = form.ids(world, request);
            let body = form.spell(world, name, description, &ids);
            let mut response = (code, body.to_string()).into_response();
            let headers = response.headers_mut();
            headers.extend(form.headers(answer.status));
            headers.extend(ids);
            response
        }
    }
}

impl Spelling {
    /// The ids that a service gives with its replies: those of the request, or new ones.
    fn ids(self, world: &World, request: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
        let names: &[&'static str] = match self {
            Self::PartnerCenter => &["ms-requestid", "ms-correlationid"],
            Self::Graph => &["request-id", "client-request-id"],
            Self::KeyVault => &["x-ms-request-id"],
        };
        let id = |name: &&'static str| {
            let made = || HeaderValue::try_from(world.chance.guid().to_string());
            let id = request.get(*name).cloned();
            (HeaderName::from_static(name), id.unwrap_or_else(|| made().expect("a GUID is ASCII")))
        };
        names.iter().map(id).collect()
    }

    fn spell(
        self,
        world: &World,
        code: &str,
        description: &str,
        ids: &[(HeaderName, HeaderValue)],
    ) -> Value {
        match self {
            Self::PartnerCenter => json!({
                "code": code, "description": description, "data": [], "source": "PartnerApi",
            }),
            Self::KeyVault => json!({ "error": { "code": code, "message": description } }),
            Self::Graph => {
                let date = DateTime::from_system_time(world.now()).map(|date| date.to_string());
                let mut inner = json!({ "date": date.unwrap_or_default().trim_end_matches('Z') });
                for (name, id) in ids {
                    inner[name.as_str()] = String::from_utf8_lossy(id.as_bytes()).into();
                }
                json!({ "error": { "code": code, "message": description, "innerError": inner } })
            }
        }
    }

    fn headers(self, code: u16) -> Option<(HeaderName, HeaderValue)> {
        match (self, code) {
            (Self::KeyVault, _) => Some((CACHE_CONTROL, HeaderValue::from_static("no-cache"))),
            (Self::PartnerCenter, 401) => {
                let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                Some((WWW_AUTHENTICATE, challenge))
            }
            (Self::Graph, 401) => Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            _ => None,
        }
    }
}

/// A body that is made as it is read.
struct Huge {
    rest: u64,
    announced: bool,
}

impl http_body::Body for Huge {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest == 0 {
            return Poll::Ready(None);
        }
        let piece = Bytes::from_static(&PIECE);
        let length = usize::try_from(self.rest).map_or(PIECE.len(), |rest| rest.min(PIECE.len()));
        self.rest -= length as u64;
        Poll::Ready(Some(Ok(Frame::data(piece.slice(..length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest == 0
    }

    fn size_hint(&self) -> SizeHint {
        if self.announced { SizeHint::with_exact(self.rest) } else { SizeHint::default() }
    }
}

/// Blanks, which a reader of JSON skips until its own limit.
static PIECE: [u8; 64 * 1024] = [b' '; 64 * 1024];
