//! Where clients find the endpoints and the keys.
//!
//! Source: OpenID Connect Discovery 1.0, section 4; Microsoft identity platform, "OpenID Connect".
//! Only what the emulator has is announced.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use crate::emulator::bearer::v1_issuer;
use crate::emulator::refusal::Refusal;
use crate::emulator::site::Site;
use crate::emulator::state::World;
use crate::emulator::state::flow::{Authority, Version};

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/{tenant}/v2.0/.well-known/openid-configuration", get(v2))
        .route("/{tenant}/.well-known/openid-configuration", get(v1))
        .route("/{tenant}/discovery/v2.0/keys", get(v2_keys))
        .route("/{tenant}/discovery/keys", get(v1_keys))
}

async fn v2(State(world): State<Arc<World>>, site: Site, Path(tenant): Path<String>) -> Response {
    configuration(&world, &site.login, &tenant, Version::V2)
}

async fn v1(State(world): State<Arc<World>>, site: Site, Path(tenant): Path<String>) -> Response {
    configuration(&world, &site.login, &tenant, Version::V1)
}

async fn v2_keys(
    State(world): State<Arc<World>>,
    site: Site,
    Path(tenant): Path<String>,
) -> Response {
    let login = &site.login;
    keys(&world, login, &tenant, |tenant| Some(format!("{login}/{tenant}/v2.0")))
}

/// Keys of the v1.0 endpoint name no issuer.
async fn v1_keys(
    State(world): State<Arc<World>>,
    site: Site,
    Path(tenant): Path<String>,
) -> Response {
    keys(&world, &site.login, &tenant, |_| None)
}

fn configuration(world: &World, login: &str, tenant: &str, version: Version) -> Response {
    let authority = match Authority::of(world, &tenant.to_ascii_lowercase()) {
        Ok(authority) => authority,
        Err(refusal) => return refused(world, login, refusal),
    };
    let base = format!("{login}/{authority}");
    let tenant = authority.named_tenant().map_or("{tenantid}".to_owned(), |t| t.to_string());
    let (part, issuer) = match version {
        Version::V1 => ("", v1_issuer(&tenant)),
        Version::V2 => ("v2.0/", format!("{login}/{tenant}/v2.0")),
    };
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{base}/oauth2/{part}authorize"),
        "token_endpoint": format!("{base}/oauth2/{part}token"),
        "end_session_endpoint": format!("{base}/oauth2/{part}logout"),
        "jwks_uri": format!("{base}/discovery/{part}keys"),
        "token_endpoint_auth_methods_supported":
            ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "response_types_supported": ["code"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "nonce", "preferred_username",
            "name", "tid", "ver",
        ],
        "http_logout_supported": true,
    }))
    .into_response()
}

/// The same keys whatever the tenant, each with a template for its issuer or, where it is bound to
/// a tenant, with that one's, as Entra has it.
fn keys(
    world: &World,
    login: &str,
    tenant: &str,
    issuer: impl Fn(&str) -> Option<String>,
) -> Response {
    if let Err(refusal) = Authority::of(world, &tenant.to_ascii_lowercase()) {
        return refused(world, login, refusal);
    }
    world.record().keys();
    Json(json!({ "keys": world.keys.jwks(issuer) })).into_response()
}

fn refused(world: &World, login: &str, refusal: Refusal) -> Response {
    world.spelled(refusal).into_reply(&world.trace(), login)
}
