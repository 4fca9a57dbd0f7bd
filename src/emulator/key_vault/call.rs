//! One call of a vault's REST API, and what was called.

use std::sync::MutexGuard;
use std::time::SystemTime;

use axum::Json;
use axum::body::Bytes;
use axum::http::header::CACHE_CONTROL;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::caller::Caller;
use super::fault::Fault;
use super::paging::Query;
use crate::emulator::site::Site;
use crate::emulator::state::World;
use crate::emulator::state::vault::Vault;
use crate::emulator::state::vault::VaultRight;

/// A call whose caller is known.
pub(super) struct Call<'r> {
    pub(super) world: &'r World,
    site: &'r Site,
    pub(super) now: SystemTime,
    pub(super) method: &'r str,
    /// The parts of the path; a slash too many does not count.
    pub(super) path: Vec<&'r str>,
    query: Query,
    caller: Caller,
    body: &'r [u8],
}

impl<'r> Call<'r> {
    pub(super) fn read(
        world: &'r World,
        site: &'r Site,
        caller: Caller,
        method: &'r Method,
        uri: &'r Uri,
        body: &'r Bytes,
    ) -> Result<Self, Fault> {
        let query = Query::parse(uri.query().unwrap_or_default())?;
        let path = uri.path().split('/').filter(|part| !part.is_empty()).collect();
        let (now, method) = (world.now(), method.as_str());
        Ok(Self { world, site, now, method, path, query, caller, body })
    }

    /// Where this vault is to the client, as identifiers begin.
    pub(super) fn origin(&self) -> &'r str {
        &self.site.key_vault
    }

    /// A page of the list that the path names.
    pub(super) fn page(&self, items: Vec<(String, Value)>) -> Value {
        self.query.page(&format!("{}/{}", self.origin(), self.path.join("/")), items)
    }

    /// The vault, without what has ended by now.
    pub(super) fn vault(&self) -> MutexGuard<'r, Vault> {
        let mut vault = self.world.vault();
        vault.secrets.retain(|_, secret| !secret.standing.has_ended(self.now));
        vault
    }

    pub(super) fn require(&self, right: VaultRight) -> Result<(), Fault> {
        if self.caller.may(right) { Ok(()) } else { Err(Fault::lacks(&self.caller, right)) }
    }

    /// The body, as a JSON object of that shape. What is wrong with it is not repeated: it may hold
    /// a secret.
    pub(super) fn body<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        let invalid = |_| Fault::bad_parameter("Property  has invalid value\r\n");
        serde_json::from_slice(self.body).map_err(invalid)
    }
}

/// What has no body answers null.
pub(super) fn reply(body: Value) -> Response {
    let uncached = [(CACHE_CONTROL, "no-cache")];
    if body.is_null() {
        return (StatusCode::NO_CONTENT, uncached).into_response();
    }
    (uncached, Json(body)).into_response()
}

/// Refuses names that cannot be ("Object identifiers": letters, digits and hyphens).
pub(super) fn check_name(name: &str) -> Result<(), Fault> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if plain && (1..=127).contains(&name.len()) {
        return Ok(());
    }
    Err(Fault::bad_parameter(format!("The request URI contains an invalid name: {name}")))
}
