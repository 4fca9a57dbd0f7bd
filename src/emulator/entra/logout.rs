//! Signing out of a browser.
//!
//! Source: OpenID Connect RP-Initiated Logout 1.0; Microsoft identity platform, "OpenID Connect",
//! send a sign-out request. Refresh tokens outlive it.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::response::Response;
use axum::routing::get;
use url::Url;

use super::callback::redirect;
use super::pages;
use super::session;
use super::visit::Visit;
use crate::emulator::state::World;
use crate::emulator::state::flow::Authority;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/{tenant}/oauth2/v2.0/logout", get(logout).post(logout))
        .route("/{tenant}/oauth2/logout", get(logout).post(logout))
}

async fn logout(State(world): State<Arc<World>>, visit: Visit) -> Response {
    if let Err(refusal) = Authority::of(&world, &visit.tenant) {
        return pages::refusal(&visit.trace(&world), &refusal);
    }
    let cookie = session::end(&world, &visit);
    let mut response = match way_on(&world, &visit) {
        Some(url) => redirect(url),
        None => pages::signed_out(),
    };
    response.headers_mut().append(SET_COOKIE, cookie);
    response
}

/// Back to an application, if the address is one that an application registered.
fn way_on(world: &World, visit: &Visit) -> Option<Url> {
    let asked = visit.fields.find("post_logout_redirect_uri")?;
    if !world.directory().knows_redirect(asked) {
        return None;
    }
    let mut url = Url::parse(asked).ok()?;
    if let Some(state) = visit.fields.find("state") {
        url.query_pairs_mut().append_pair("state", state);
    }
    Some(url)
}
