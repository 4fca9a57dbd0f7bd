//! A little of Microsoft Graph: enough to see for whom and where a token is.
//!
//! Source: Microsoft Graph, "Get a user", "List organizations", "Error responses".

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::bearer::Bearer;
use super::errors::status;
use super::scopes::GRAPH;
use super::state::World;

pub(super) fn routes(world: &Arc<World>) -> Router {
    Router::new()
        .route("/v1.0/me", get(me))
        .route("/v1.0/organization", get(organization))
        .with_state(Arc::clone(world))
}

async fn me(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    let enough = ["User.Read", "User.Read.All", "Directory.Read.All"];
    answered(&world, &headers, &enough, |bearer| {
        let Bearer { oid, name, upn, .. } = bearer;
        json!({ "id": oid, "displayName": name, "userPrincipalName": upn })
    })
}

async fn organization(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    let enough = ["Organization.Read.All", "Directory.Read.All", "User.Read"];
    answered(&world, &headers, &enough, |bearer| {
        let directory = world.directory();
        let name = directory.tenant_name(bearer.tid);
        json!({ "value": [{ "id": bearer.tid, "displayName": name }] })
    })
}

/// Answers whoever has one of the permissions that are enough.
fn answered(
    world: &World,
    headers: &HeaderMap,
    enough: &[&str],
    answer: impl FnOnce(&Bearer) -> Value,
) -> Response {
    match Bearer::of(world, headers, GRAPH) {
        Ok(bearer) if enough.iter().any(|name| bearer.may(name)) => {
            Json(answer(&bearer)).into_response()
        }
        Ok(_) => fault(403, "Authorization_RequestDenied", "insufficient privileges"),
        Err(_) => fault(401, "InvalidAuthenticationToken", "the access token is not valid"),
    }
}

fn fault(code: u16, name: &str, message: &str) -> Response {
    (status(code), Json(json!({ "error": { "code": name, "message": message } }))).into_response()
}
