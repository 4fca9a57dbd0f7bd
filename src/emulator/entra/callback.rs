//! The way back to the application: by query, by fragment, or by a form that posts itself.
//!
//! Source: RFC 6749, section 4.1.2; OAuth 2.0 Multiple Response Type Encoding Practices, section 2.1;
//! OAuth 2.0 Form Post Response Mode; Microsoft identity platform, "Admin consent".

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, LOCATION};
use axum::response::{IntoResponse, Response};
use url::{Url, form_urlencoded};

use super::pages;
use super::visit::trace;
use crate::emulator::refusal::{Refusal, Trace};
use crate::emulator::state::World;
use crate::emulator::state::flow::{Goal, ReturnMode, ReturnTo};

impl ReturnTo {
    pub(super) fn trace(&self, world: &World) -> Trace {
        trace(world, self.correlation)
    }

    pub(super) fn refuse(&self, world: &World, refusal: &Refusal) -> Response {
        let refusal = world.spelled(refusal.clone());
        let description = refusal.description(&self.trace(world));
        self.answer(&[("error", &refusal.error), ("error_description", &description)])
    }

    /// The person pressed a button that says no.
    pub(super) fn cancel(&self, world: &World, refusal: &Refusal) -> Response {
        if self.goal == Goal::AdminConsent {
            return self.refuse(world, refusal);
        }
        let refusal = world.spelled(refusal.clone());
        let description = refusal.description(&self.trace(world));
        self.answer(&[
            ("error", refusal.error.as_str()),
            ("error_subcode", "cancel"),
            ("error_description", &description),
        ])
    }

    /// Adds what every answer carries; those about admin consent say `True` even when they refuse.
    pub(super) fn answer(&self, fields: &[(&str, &str)]) -> Response {
        let mut fields = fields.to_vec();
        if self.goal == Goal::AdminConsent {
            fields.insert(0, ("admin_consent", "True"));
        }
        fields.extend(self.state.as_deref().map(|state| ("state", state)));
        match self.mode {
            ReturnMode::Query => redirect(self.url(|url| {
                url.query_pairs_mut().extend_pairs(fields);
            })),
            ReturnMode::Fragment => redirect(self.url(|url| {
                let mut encoded = form_urlencoded::Serializer::new(String::new());
                url.set_fragment(Some(&encoded.extend_pairs(fields).finish()));
            })),
            ReturnMode::FormPost => pages::form_post(&self.redirect_uri, &fields),
        }
    }

    fn url(&self, add: impl FnOnce(&mut Url)) -> Url {
        let mut url = Url::parse(&self.redirect_uri).expect("an address is registered as a URL");
        add(&mut url);
        url
    }
}

pub(super) fn redirect(to: Url) -> Response {
    let headers = [(LOCATION, String::from(to)), (CACHE_CONTROL, "no-store".to_owned())];
    (StatusCode::FOUND, headers).into_response()
}
