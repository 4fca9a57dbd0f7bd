//! Delegated permission grants.
//!
//! Source: Microsoft Graph, "List oauth2PermissionGrants", "List oauth2PermissionGrants granted to
//! a service principal", the `oAuth2PermissionGrant` resource.

use axum::Json;
use axum::extract::Path;
use serde_json::{Value, json};
use uuid::Uuid;

use super::call::Call;
use super::fault::Fault;
use super::principals::{app_id_of, with_app_id, with_id};
use crate::emulator::state::directory::{Directory, GrantView};
use crate::model::tenant::{ClientId, TenantId};

pub(super) async fn list(call: Call) -> Result<Json<Value>, Fault> {
    call.needs(&READ)?;
    let all = every_grant(&call);
    call.page("oauth2PermissionGrants", &FILTERABLE, all)
}

pub(super) async fn one(
    call: Call,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Value>, Fault> {
    call.needs(&READ)?;
    let found = every_grant(&call).into_iter().find(|grant| grant["id"] == id.as_str());
    let missing = || Fault::not_found(&id);
    found.map(|grant| call.entity("oauth2PermissionGrants", grant)).ok_or_else(missing)
}

pub(super) async fn of_id(
    call: Call,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Value>, Fault> {
    let found = with_id(&call.world.directory(), call.bearer.tid, &id);
    call.grants_of(found, &id)
}

pub(super) async fn of_key(
    call: Call,
    Path((_, keyed)): Path<(String, String)>,
) -> Result<Json<Value>, Fault> {
    let app_id = app_id_of(&keyed)?;
    let found = with_app_id(&call.world.directory(), call.bearer.tid, app_id);
    call.grants_of(found, app_id)
}

impl Call {
    fn grants_of(&self, of: Option<(ClientId, Uuid)>, named: &str) -> Result<Json<Value>, Fault> {
        self.needs(&READ)?;
        let found = of.ok_or_else(|| Fault::not_found(named))?;
        let grants = grants(&self.world.directory(), self.bearer.tid, found);
        self.page("oauth2PermissionGrants", &FILTERABLE, grants)
    }
}

fn every_grant(call: &Call) -> Vec<Value> {
    let directory = call.world.directory();
    let tenant = call.bearer.tid;
    let clients = directory.grantees(tenant);
    let principals =
        clients.filter_map(|client| Some((client, directory.principal(tenant, client)?)));
    principals.flat_map(|of| grants(&directory, tenant, of)).collect()
}

fn grants(
    directory: &Directory,
    tenant: TenantId,
    (client, principal): (ClientId, Uuid),
) -> Vec<Value> {
    let grants = directory.grants_of(tenant, client);
    grants.iter().map(|grant| spelled(directory, tenant, principal, grant)).collect()
}

fn spelled(directory: &Directory, tenant: TenantId, principal: Uuid, grant: &GrantView) -> Value {
    let scope: Vec<&str> = grant.permissions.iter().map(String::as_str).collect();
    let resource = directory.resource_principal(tenant, &grant.resource);
    json!({
        "id": grant.id,
        "clientId": principal.to_string(),
        "consentType": if grant.user.is_some() { "Principal" } else { "AllPrincipals" },
        "principalId": grant.user,
        "resourceId": resource.map(|id| id.to_string()),
        "scope": scope.join(" "),
    })
}

const FILTERABLE: [&str; 4] = ["clientId", "consentType", "principalId", "resourceId"];

const READ: [&str; 3] =
    ["Directory.Read.All", "DelegatedPermissionGrant.ReadWrite.All", "Directory.ReadWrite.All"];
