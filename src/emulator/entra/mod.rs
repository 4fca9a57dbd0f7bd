//! Entra: where people sign in, consent, and tokens are issued.

use std::sync::Arc;

use axum::Router;

use super::state::World;

mod admin_consent;
mod admission;
mod agreement;
mod app_only;
mod assertion;
mod authority;
mod authorize;
mod brought;
mod callback;
mod claims;
mod client;
mod code;
mod discovery;
mod factors;
mod grants;
mod logout;
mod pages;
mod refresh;
mod reply;
mod screen;
mod sender;
mod session;
mod signin;
mod token;
mod tokens;
mod visit;

pub(super) fn routes(world: &Arc<World>) -> Router {
    authorize::routes()
        .merge(admin_consent::routes())
        .merge(signin::routes())
        .merge(logout::routes())
        .merge(token::routes())
        .merge(discovery::routes())
        .with_state(Arc::clone(world))
}
