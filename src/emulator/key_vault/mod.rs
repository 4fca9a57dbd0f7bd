//! A Key Vault: secrets with versions and soft deletion, and keys that never leave it; beside it
//! the managed identity endpoint, whose tokens it takes.
//!
//! Source: Key Vault REST API reference, api-versions 7.4 and 2025-07-01; "About Azure Key Vault
//! secrets"; "Soft-delete overview"; where those are silent, recordings of the service that
//! Microsoft's client libraries publish with their tests.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use axum::response::Response;
use serde_json::Value;
use uuid::Uuid;

use super::site::Site;
use super::state::World;
use super::state::vault::{Throttled, VaultCall};

mod call;
mod caller;
mod deleted;
mod fault;
pub(super) mod identity;
mod keys;
mod paging;
mod secrets;

use call::Call;
use caller::Caller;
use fault::Fault;

/// What a token for a vault is for, as `aud` and as the challenge have it.
const RESOURCE: &str = "https://vault.azure.net";

pub(super) fn routes(world: &Arc<World>) -> Router {
    Router::new().fallback(answer).with_state(Arc::clone(world))
}

async fn answer(
    State(world): State<Arc<World>>,
    site: Site,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let caller = Caller::of(&world, &site, &headers);
    let client = caller.as_ref().ok().map(|caller| caller.client);
    let outcome = caller.and_then(|caller| {
        world
            .vault()
            .budget
            .spend(world.now())
            .map_err(|Throttled(wait)| Fault::throttled(wait))?;
        Call::read(&world, &site, caller, &method, &uri, &body)?.perform()
    });
    let mut response = outcome.map_or_else(Fault::into_response, call::reply);
    let request = HeaderValue::try_from(guid(&world).to_string()).expect("a GUID is ASCII");
    response.headers_mut().insert("x-ms-request-id", request);
    world.vault().calls.push(VaultCall {
        at: world.now(),
        method: method.as_str().to_owned(),
        path: uri.path().to_owned(),
        client,
        status: response.status().as_u16(),
    });
    response
}

impl Call<'_> {
    /// Does what the path asks for; what has no body, such as a purge, answers null.
    fn perform(&self) -> Result<Value, Fault> {
        match self.path.as_slice() {
            ["secrets", name] if self.method == "DELETE" => deleted::delete(self, name),
            ["secrets", rest @ ..] => secrets::perform(self, rest),
            ["deletedsecrets", rest @ ..] => deleted::perform(self, rest),
            ["keys", rest @ ..] => keys::perform(self, rest),
            _ => Err(Fault::no_such_operation()),
        }
    }
}

fn guid(world: &World) -> Uuid {
    world.chance.guid()
}
