//! What a browser has just answered. The page that says so says it to that browser, and to no other that
//! opens its address.

use bytes::Bytes;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use maud::html;

use super::pages::Pages;
use super::phrase::Phrase;
use super::{WebDoor, reply};
use crate::protocol::authorization::Cookies;

/// An answer that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// An administrator approved.
    Approved,
    /// A person confirmed.
    Confirmed,
    /// A person declined.
    Declined,
}

impl Answered {
    /// The one whose page has this name.
    pub(super) fn of(page: &str) -> Option<Self> {
        [Self::Approved, Self::Confirmed, Self::Declined].into_iter().find(|one| one.page() == page)
    }

    const fn page(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Confirmed => "done",
            Self::Declined => "declined",
        }
    }

    /// A note for the browser itself, for as long as somebody may look again. Nothing is decided by it:
    /// whoever makes one by hand is told what they told themselves. `Lax`, since an approval comes back
    /// from Microsoft's site.
    fn cookie(self) -> HeaderValue {
        let name = self.cookie_name();
        let text = format!("{name}=1; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=Lax");
        HeaderValue::try_from(text).expect("names and attributes are ASCII")
    }

    fn cookie_name(self) -> String {
        format!("__Host-cpv-consent-{}", self.page())
    }

    fn is_noted(self, headers: &HeaderMap) -> bool {
        let cookies = Cookies::read(headers);
        cookies.is_ok_and(|cookies| cookies.find(&self.cookie_name()).is_some())
    }
}

impl WebDoor {
    /// Leads to the page that says so, and lets this browser read it.
    pub(super) fn lead_to(&self, answered: Answered) -> Response<Bytes> {
        let mut response = reply::see_other(&self.site.path(&format!("/{}", answered.page())));
        response.headers_mut().insert(SET_COOKIE, answered.cookie());
        response
    }
}

impl Pages<'_> {
    /// What this browser has answered; to any other nothing.
    pub(super) fn answered(&self, answered: Answered, headers: &HeaderMap) -> Response<Bytes> {
        if !answered.is_noted(headers) {
            return self.plain(Phrase::UnansweredTitle, Phrase::UnansweredText);
        }
        match answered {
            Answered::Approved => self.approved(),
            Answered::Confirmed => self.plain(Phrase::DoneTitle, Phrase::DoneText),
            Answered::Declined => self.plain(Phrase::DeclinedTitle, Phrase::DeclinedText),
        }
    }

    fn plain(&self, title: Phrase, text: Phrase) -> Response<Bytes> {
        let body = html! { p { (self.says(text)) } (self.home()) };
        self.page(StatusCode::OK, title, &body)
    }
}
