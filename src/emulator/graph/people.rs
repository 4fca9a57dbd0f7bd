//! The person whose token it is, and the tenant that it is for.
//!
//! Source: Microsoft Graph, "Get a user", "List a user's memberships", "List organizations".

use axum::Json;
use serde_json::{Value, json};

use super::call::Call;
use super::fault::Fault;
use crate::emulator::state::directory::{Group, role};

pub(super) async fn me(call: Call) -> Result<Json<Value>, Fault> {
    call.needs(&[
        "User.Read",
        "User.ReadWrite",
        "User.ReadBasic.All",
        "User.Read.All",
        "User.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    ])?;
    call.check_account()?;
    let user = json!({
        "id": call.bearer.oid,
        "displayName": call.bearer.name,
        "userPrincipalName": call.bearer.upn,
    });
    Ok(call.entity("users", user))
}

/// Groups are not nested here, so direct and transitive memberships are the same.
pub(super) async fn memberships(call: Call) -> Result<Json<Value>, Fault> {
    let enough: &[&str] = &["User.Read", "User.Read.All", "User.ReadWrite.All"];
    call.needs(&[enough, &READ_GROUPS, &READ_ROLES].concat())?;
    call.check_account()?;
    let (tenant, user) = (call.bearer.tid, call.bearer.oid);
    let (groups, roles) = {
        let directory = call.world.directory();
        let account = directory.account(tenant, user);
        let roles = account.map_or_else(Vec::new, |account| account.roles.clone());
        let object = |id: String| (directory.role_object(tenant, &id), id);
        let roles: Vec<_> = roles.into_iter().map(object).collect();
        (directory.groups_of(tenant, user), roles)
    };
    let groups = groups.iter().map(|found| group(found, call.may(&READ_GROUPS)));
    let roles = roles.iter().map(|(id, of)| role(&id.to_string(), of, call.may(&READ_ROLES)));
    call.page("directoryObjects", &[], groups.chain(roles))
}

/// What a token may not read is null ("Limited information returned").
fn group(group: &Group, named: bool) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.group",
        "id": group.id.to_string(),
        "displayName": named.then_some(&group.name),
        "securityEnabled": named.then_some(true),
        "mailEnabled": named.then_some(false),
    })
}

fn role(id: &str, template: &str, named: bool) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.directoryRole",
        "id": id,
        "displayName": role::name(template).filter(|_| named),
        "roleTemplateId": named.then_some(template),
    })
}

pub(super) async fn organization(call: Call) -> Result<Json<Value>, Fault> {
    call.needs(&[
        "User.Read",
        "User.Read.All",
        "User.ReadWrite.All",
        "Organization.Read.All",
        "Organization.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    ])?;
    let tenant = call.bearer.tid;
    let organization = {
        let directory = call.world.directory();
        let domains = directory.domains(tenant).iter().enumerate().map(|(index, name)| {
            json!({ "name": name, "isInitial": index == 0, "isDefault": index == 0 })
        });
        json!({
            "id": tenant,
            "displayName": directory.tenant_name(tenant),
            "tenantType": "AAD",
            "verifiedDomains": domains.collect::<Vec<_>>(),
        })
    };
    call.page("organization", &[], [organization])
}

impl Call {
    /// A delegated administrator has no account in the customer's tenant.
    fn check_account(&self) -> Result<(), Fault> {
        let known = self.world.directory().account(self.bearer.tid, self.bearer.oid).is_some();
        if known { Ok(()) } else { Err(Fault::not_found(&self.bearer.oid.to_string())) }
    }
}

const READ_GROUPS: [&str; 6] = [
    "GroupMember.Read.All",
    "GroupMember.ReadWrite.All",
    "Group.Read.All",
    "Group.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];

const READ_ROLES: [&str; 4] = [
    "RoleManagement.Read.Directory",
    "RoleManagement.ReadWrite.Directory",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
