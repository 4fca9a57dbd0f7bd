//! Where clients find the endpoints and the keys.
//!
//! Source: OpenID Connect Discovery 1.0, section 4; Microsoft identity platform, "OpenID Connect".

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::authorize::Authority;
use super::errors::{Refusal, Trace};
use super::state::World;
use super::tokens::jwt::signer;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/{tenant}/v2.0/.well-known/openid-configuration", get(configuration))
        .route("/{tenant}/discovery/v2.0/keys", get(keys))
}

async fn configuration(State(world): State<Arc<World>>, Path(tenant): Path<String>) -> Response {
    let authority = match Authority::of(&world, &tenant.to_ascii_lowercase()) {
        Ok(authority) => authority,
        Err(refusal) => return refused(&world, refusal),
    };
    let login = &world.origins.login;
    let issuer = authority.named_tenant().map_or("{tenantid}".to_owned(), |t| t.to_string());
    let base = format!("{login}/{authority}");
    Json(json!({
        "issuer": format!("{login}/{issuer}/v2.0"),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "response_modes_supported": ["query", "form_post"],
        "response_types_supported": ["code"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }))
    .into_response()
}

/// The same keys whatever the tenant, each with a template for its issuer, as Entra has it.
async fn keys(State(world): State<Arc<World>>, Path(tenant): Path<String>) -> Response {
    if let Err(refusal) = Authority::of(&world, &tenant.to_ascii_lowercase()) {
        return refused(&world, refusal);
    }
    world.record().keys();
    let issuer = format!("{}/{{tenantid}}/v2.0", world.origins.login);
    Json(json!({ "keys": [signer().jwk(&issuer)] })).into_response()
}

fn refused(world: &World, refusal: Refusal) -> Response {
    refusal.into_reply(&Trace::new(world.now(), None), &world.origins.login)
}
