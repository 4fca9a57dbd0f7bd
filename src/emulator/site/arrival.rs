//! By which address a client came: whatever a reply names must be reached by the same.
//!
//! A `Host` that is not one of ours is refused (RFC 9110, section 15.5.20), so that neither a page of
//! another site nor a header chooses an issuer or an address.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::{FromRequestParts, Request};
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::serve::IncomingStream;
use tower_service::Service;

use super::Serves;
use super::line::Line;
use super::listener::Door;
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

    /// By which site a request came, or why it may not.
    fn admit(&self, request: &Request) -> Result<&Site, (StatusCode, &'static str)> {
        let none = (StatusCode::BAD_REQUEST, "a request needs one Host\n");
        let other = "this is 127.0.0.1 or localhost, with the port\n";
        let asked = host(request).ok_or(none)?;
        let known = self.known.iter().find(|(host, _)| host.eq_ignore_ascii_case(asked));
        known.map(|(_, site)| site).ok_or((StatusCode::MISDIRECTED_REQUEST, other))
    }
}

/// Makes a [`Reception`] for every connection.
pub(super) struct Receptions<S> {
    pub(super) hosts: Arc<Hosts>,
    pub(super) service: S,
}

/// Stands before a service and tells it by which [`Line`] and [`Site`] a request came. It is no layer,
/// for that would be around each route, at some cost to every request.
#[derive(Clone)]
pub(super) struct Reception<S> {
    hosts: Arc<Hosts>,
    line: Line,
    service: S,
}

impl<S: Clone> Service<IncomingStream<'_, Door>> for Receptions<S> {
    type Response = Reception<S>;
    type Error = Infallible;
    type Future = Ready<Result<Reception<S>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, connection: IncomingStream<'_, Door>) -> Self::Future {
        let (hosts, line) = (Arc::clone(&self.hosts), connection.io().line().clone());
        ready(Ok(Reception { hosts, line, service: self.service.clone() }))
    }
}

impl<S: Serves> Service<Request> for Reception<S> {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let site = match self.hosts.admit(&request) {
            Ok(site) => site.clone(),
            Err(refusal) => return Box::pin(ready(Ok(refusal.into_response()))),
        };
        request.extensions_mut().insert(site);
        request.extensions_mut().insert(self.line.clone());
        Box::pin(self.service.call(request))
    }
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
