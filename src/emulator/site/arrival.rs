//! By which address a client came: whatever a reply names must be reached by the same.
//!
//! A `Host` that is not one of ours is refused (RFC 9110, section 15.5.20), so that neither a page of
//! another site nor a header chooses an issuer or an address.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::origins::Origins;

/// Every service's origin by the scheme and host that the client used: `site.login`, `site.graph`.
#[derive(Debug, Clone)]
pub(in crate::emulator) struct Site(Arc<Origins>);

impl Site {
    pub(super) fn new(origins: Origins) -> Self {
        Self(Arc::new(origins))
    }

    /// By which the request with these extensions came.
    pub(in crate::emulator) fn of(extensions: &Extensions) -> Self {
        extensions.get::<Self>().cloned().expect("every request comes by a site")
    }
}

impl Deref for Site {
    type Target = Origins;

    fn deref(&self) -> &Origins {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for Site {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        parts.extensions.get().cloned().ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// The hosts that a listener answers to, each with the site it belongs to.
#[derive(Debug)]
pub(super) struct Hosts {
    known: Vec<(String, Site)>,
}

impl Hosts {
    pub(super) fn new(port: u16, sites: &[(&str, Site)]) -> Self {
        let with_port = |(host, site): &(&str, Site)| (format!("{host}:{port}"), site.clone());
        Self { known: sites.iter().map(with_port).collect() }
    }

    fn site(&self, asked: &str) -> Option<&Site> {
        let (_, site) = self.known.iter().find(|(host, _)| host.eq_ignore_ascii_case(asked))?;
        Some(site)
    }
}

/// Tells the handlers by which [`Site`] the request came.
pub(super) async fn arrive(
    State(hosts): State<Arc<Hosts>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(asked) = host(&request) else {
        return (StatusCode::BAD_REQUEST, "a request needs one Host\n").into_response();
    };
    let Some(site) = hosts.site(asked).cloned() else {
        let ours = "this is 127.0.0.1 or localhost, with the port\n";
        return (StatusCode::MISDIRECTED_REQUEST, ours).into_response();
    };
    request.extensions_mut().insert(site);
    next.run(request).await
}

/// The host in the request's target counts before the header (RFC 9112, section 3.2.2).
fn host(request: &Request) -> Option<&str> {
    match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => only_host(request.headers()),
    }
}

fn only_host(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(HOST).iter();
    let first = all.next()?;
    if all.next().is_some() {
        return None;
    }
    first.to_str().ok()
}
