//! The way back to the application: by query, or by a form that posts itself.
//!
//! Source: RFC 6749, section 4.1.2; OAuth 2.0 Form Post Response Mode.

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, LOCATION};
use axum::response::{IntoResponse, Response};
use url::Url;

use super::errors::{Refusal, Trace};
use super::pages;
use super::random;
use super::state::World;

/// Where and how an application wants its answer, and the state it gave.
#[derive(Clone)]
pub(super) struct ReturnTo {
    pub(super) redirect_uri: String,
    pub(super) mode: ReturnMode,
    pub(super) state: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReturnMode {
    Query,
    FormPost,
}

impl ReturnMode {
    pub(super) fn of(text: Option<&str>) -> Result<Self, Refusal> {
        match text {
            None | Some("query") => Ok(Self::Query),
            Some("form_post") => Ok(Self::FormPost),
            Some(_) => Err(Refusal::new(70_007)),
        }
    }
}

impl ReturnTo {
    pub(super) fn code(&self, code: &str) -> Response {
        let session = random::guid().to_string();
        self.send(&[("code", code), ("session_state", &session)])
    }

    pub(super) fn refuse(&self, world: &World, refusal: &Refusal) -> Response {
        let description = refusal.description(&Trace::new(world.now(), None));
        self.send(&[("error", &refusal.error), ("error_description", &description)])
    }

    /// The person pressed a button that says no.
    pub(super) fn cancel(&self, world: &World, refusal: &Refusal) -> Response {
        let description = refusal.description(&Trace::new(world.now(), None));
        let fields = [
            ("error", refusal.error.as_str()),
            ("error_subcode", "cancel"),
            ("error_description", &description),
        ];
        self.send(&fields)
    }

    fn send(&self, fields: &[(&str, &str)]) -> Response {
        let state = self.state.as_deref().map(|state| ("state", state));
        let fields: Vec<_> = fields.iter().copied().chain(state).collect();
        match self.mode {
            ReturnMode::Query => redirect(&self.redirect_uri, &fields),
            ReturnMode::FormPost => pages::form_post(&self.redirect_uri, &fields),
        }
    }
}

fn redirect(to: &str, fields: &[(&str, &str)]) -> Response {
    let mut url = Url::parse(to).expect("a redirect address was registered as a URL");
    url.query_pairs_mut().extend_pairs(fields);
    let headers = [(LOCATION, url.to_string()), (CACHE_CONTROL, "no-store".to_owned())];
    (StatusCode::FOUND, headers).into_response()
}
