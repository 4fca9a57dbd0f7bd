//! The managed identity endpoint of the machine that the emulator stands for.
//!
//! Source: "How to use managed identities for Azure resources on an Azure VM to acquire an access
//! token". Every integer of its replies is a string, and there is an empty refresh token.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::RESOURCE;
use super::caller::vault_tenant;
use crate::emulator::app_token;
use crate::emulator::state::World;
use crate::model::clock::unix_seconds;
use crate::model::tenant::ClientId;

pub(crate) fn routes(world: &Arc<World>) -> Router {
    Router::new().route("/metadata/identity/oauth2/token", get(token)).with_state(Arc::clone(world))
}

async fn token(
    State(world): State<Arc<World>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    match issue(&world, &query.unwrap_or_default(), &headers) {
        Ok(reply) => Json(reply).into_response(),
        Err(refused) => refused.into_response(),
    }
}

/// Why there is no token; all of it is an error of design.
struct Refused {
    error: &'static str,
    description: String,
}

fn issue(world: &World, query: &str, headers: &HeaderMap) -> Result<Value, Refused> {
    check_headers(headers)?;
    let field = |name: &str| find(query, name);
    let need = |name: &str| {
        field(name).ok_or_else(|| invalid(format!("Required query variable '{name}' is missing")))
    };
    if need("api-version")? != "2018-02-01" {
        return Err(invalid("The api-version is not supported"));
    }
    let resource = need("resource")?;
    if resource != RESOURCE {
        let description = format!("AADSTS500011: The resource principal {resource} was not found");
        return Err(Refused { error: "invalid_resource", description });
    }
    let client = chosen(world, field("client_id").as_deref())?;
    let tenant = vault_tenant(world).ok_or_else(|| invalid("Identity not found"))?;
    let principal = world.directory().add_principal(tenant, client);
    let token = app_token::mint(world, (client, principal), tenant, RESOURCE, LIFE);
    let now = world.now();
    Ok(json!({
        "access_token": token, "client_id": client, "token_type": "Bearer", "resource": RESOURCE,
        "expires_in": LIFE.as_secs().to_string(), "ext_expires_in": LIFE.as_secs().to_string(),
        "expires_on": unix_seconds(now + LIFE).to_string(),
        "not_before": unix_seconds(now).to_string(), "refresh_token": "",
    }))
}

/// A request that somebody was tricked into sending has no header of its own, and one that came
/// through a proxy is not the machine's.
fn check_headers(headers: &HeaderMap) -> Result<(), Refused> {
    if headers.get("Metadata").is_none_or(|value| value.as_bytes() != b"true") {
        return Err(invalid("Required metadata header not specified"));
    }
    if headers.contains_key("X-Forwarded-For") {
        return Err(invalid("The request must not be forwarded"));
    }
    Ok(())
}

/// The identity that was named, or the only one there is.
fn chosen(world: &World, named: Option<&str>) -> Result<ClientId, Refused> {
    let vault = world.vault();
    let identities = &vault.identities;
    let several = "Multiple user assigned identities exist, please specify the clientId / \
                   resourceId of the identity in the token request";
    match (named, identities.as_slice()) {
        (Some(named), _) => {
            let named = ClientId::parse(named).ok().filter(|named| identities.contains(named));
            named.ok_or_else(|| invalid("Identity not found"))
        }
        (None, [only]) => Ok(*only),
        (None, []) => Err(invalid("Identity not found")),
        (None, _) => Err(invalid(several)),
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "error_description": self.description });
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    }
}

fn invalid(description: impl Into<String>) -> Refused {
    Refused { error: "invalid_request", description: description.into() }
}

fn find(query: &str, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// Managed identities have tokens of a day.
const LIFE: Duration = Duration::from_secs(24 * 3600);
