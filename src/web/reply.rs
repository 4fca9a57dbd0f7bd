//! The headers of every page.

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use url::Url;

/// What keeps a page to itself. Its address may hold a secret, so it goes nowhere: no referrer, no
/// store, no frame, and nothing is loaded from elsewhere.
#[derive(Debug, Clone)]
pub(super) struct Headers {
    policy: HeaderValue,
    /// Of pages with a form that leads to Entra.
    policy_away: HeaderValue,
}

impl Headers {
    /// A form may lead to Entra, and from there to whatever server signs a partner's people in: browsers
    /// check each address that a form is redirected to (Content Security Policy Level 3,
    /// `form-action`).
    pub(super) fn new(login: &str, logo: Option<&Url>) -> Self {
        let images = logo.map_or("'none'".to_owned(), |logo| logo.origin().ascii_serialization());
        let policy = |forms: &str| {
            let policy = format!(
                "default-src 'none'; style-src 'self'; img-src {images}; form-action 'self'{forms}; \
                 frame-ancestors 'none'; base-uri 'none'"
            );
            HeaderValue::try_from(policy).expect("origins are ASCII")
        };
        Self { policy: policy(""), policy_away: policy(&format!(" {login} https:")) }
    }

    pub(super) fn seal(&self, response: &mut Response<Bytes>, leads_away: bool) {
        let policy = if leads_away { &self.policy_away } else { &self.policy };
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, policy.clone());
        for (name, value) in FIXED {
            headers.entry(name).or_insert(HeaderValue::from_static(value));
        }
    }
}

const FIXED: [(HeaderName, &str); 6] = [
    (CACHE_CONTROL, "no-store"),
    (REFERRER_POLICY, "no-referrer"),
    (X_FRAME_OPTIONS, "DENY"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Elsewhere, by GET (RFC 9110, section 15.4.4).
pub(super) fn see_other(address: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let mut location = HeaderValue::try_from(address).expect("addresses are ASCII");
    location.set_sensitive(true); // it holds a state, or names a finding
    response.headers_mut().insert(LOCATION, location);
    response
}
