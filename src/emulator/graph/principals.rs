//! Service principals.
//!
//! Source: Microsoft Graph, "List servicePrincipals", "Get servicePrincipal".

use axum::Json;
use axum::extract::Path;
use serde_json::{Value, json};
use uuid::Uuid;

use super::call::Call;
use super::fault::Fault;
use crate::emulator::state::directory::Directory;
use crate::model::tenant::{ClientId, TenantId};

pub(super) async fn list(call: Call) -> Result<Json<Value>, Fault> {
    call.needs(&READ)?;
    let all: Vec<Value> = {
        let directory = call.world.directory();
        let tenant = call.bearer.tid;
        let found = directory.principals(tenant).into_iter();
        found.map(|(client, id)| principal(&directory, client, id)).collect()
    };
    call.page("servicePrincipals", &["id", "appId", "displayName"], all)
}

pub(super) async fn by_id(
    call: Call,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Value>, Fault> {
    call.needs(&READ)?;
    let found = {
        let directory = call.world.directory();
        let client = with_id(&directory, call.bearer.tid, &id);
        client.map(|(client, id)| principal(&directory, client, id))
    };
    found.map(|found| call.entity("servicePrincipals", found)).ok_or_else(|| Fault::not_found(&id))
}

pub(super) async fn by_key(
    call: Call,
    Path((_, keyed)): Path<(String, String)>,
) -> Result<Json<Value>, Fault> {
    let app_id = app_id_of(&keyed)?;
    call.needs(&READ)?;
    let found = {
        let directory = call.world.directory();
        let found = with_app_id(&directory, call.bearer.tid, app_id);
        found.map(|(client, id)| principal(&directory, client, id))
    };
    let missing = || Fault::not_found(app_id);
    found.map(|found| call.entity("servicePrincipals", found)).ok_or_else(missing)
}

/// The application id in `servicePrincipals(appId='…')`.
pub(super) fn app_id_of(keyed: &str) -> Result<&str, Fault> {
    let key = keyed.strip_prefix("servicePrincipals(appId='");
    key.and_then(|key| key.strip_suffix("')")).ok_or_else(Fault::no_segment)
}

pub(super) fn with_app_id(
    directory: &Directory,
    tenant: TenantId,
    app_id: &str,
) -> Option<(ClientId, Uuid)> {
    let client = ClientId::parse(app_id).ok()?;
    Some((client, directory.principal(tenant, client)?))
}

pub(super) fn with_id(
    directory: &Directory,
    tenant: TenantId,
    id: &str,
) -> Option<(ClientId, Uuid)> {
    let id = Uuid::try_parse(id).ok()?;
    directory.principals(tenant).into_iter().find(|(_, known)| *known == id)
}

/// An application's principal, or a resource's with the permissions that it offers.
fn principal(directory: &Directory, client: ClientId, id: Uuid) -> Value {
    let text = client.to_string();
    let application = directory.application(client).ok();
    let uri = directory.catalogue.resource_of(&text);
    let of_resource = uri.and_then(|uri| directory.catalogue.name(uri));
    let name = application.map(|app| app.name.as_str()).or(of_resource).unwrap_or(&text);
    let owner = application.map_or_else(|| MICROSOFT.to_owned(), |app| app.home.to_string());
    let names: Vec<&str> = [Some(text.as_str()), uri].into_iter().flatten().collect();
    let permissions = uri.into_iter().flat_map(|uri| directory.catalogue.permissions(uri));
    let scopes: Vec<Value> = permissions
        .map(|(value, id)| json!({ "id": id, "value": value, "isEnabled": true }))
        .collect();
    json!({
        "id": id.to_string(),
        "appId": text,
        "displayName": name,
        "appDisplayName": name,
        "appOwnerOrganizationId": owner,
        "accountEnabled": application.is_none_or(|app| !app.disabled),
        "servicePrincipalType": "Application",
        "servicePrincipalNames": names,
        "oauth2PermissionScopes": scopes,
        "appRoles": [],
    })
}

const READ: [&str; 4] = [
    "Application.Read.All",
    "Application.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
/// The tenant that Microsoft's own applications belong to.
const MICROSOFT: &str = "f8cdef31-a31e-4b4a-93e4-5f571e91255a";
