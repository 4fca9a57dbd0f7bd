//! A partner's delegated administration of its customers.
//!
//! Source: Microsoft Graph, "List delegatedAdminRelationships", "Get delegatedAdminRelationship",
//! "List accessAssignments".

use std::time::SystemTime;

use axum::Json;
use axum::extract::Path;
use serde_json::{Value, json};
use x509_cert::der::DateTime;

use super::call::Call;
use super::fault::Fault;
use crate::emulator::state::directory::{GroupId, Relationship};
use crate::model::clock::age;
use crate::model::tenant::TenantId;

pub(super) async fn list(call: Call) -> Result<Json<Value>, Fault> {
    call.needs(&READ)?;
    let all: Vec<Value> = {
        let (directory, now) = (call.world.directory(), call.world.now());
        let all = directory.relationships(call.bearer.tid);
        all.map(|(customer, name, found)| relationship(customer, name, found, now)).collect()
    };
    call.page(RELATIONSHIPS, &["status", "displayName", "customer/tenantId"], all)
}

pub(super) async fn one(
    call: Call,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Value>, Fault> {
    call.needs(&READ)?;
    let found = {
        let (directory, now) = (call.world.directory(), call.world.now());
        let mut all = directory.relationships(call.bearer.tid);
        let found = all.find(|(_, _, known)| known.id == id);
        found.map(|(customer, name, found)| relationship(customer, name, found, now))
    };
    found.map(|found| call.entity(RELATIONSHIPS, found)).ok_or_else(|| Fault::not_found(&id))
}

pub(super) async fn assignments(
    call: Call,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Value>, Fault> {
    call.needs(&READ)?;
    let found = {
        let directory = call.world.directory();
        let mut all = directory.relationships(call.bearer.tid);
        all.find(|(_, _, known)| known.id == id).map(|(_, _, found)| found.clone())
    };
    let found = found.ok_or_else(|| Fault::not_found(&id))?;
    let all = found.assignments.iter().map(|(group, roles)| assignment(*group, roles, &found));
    call.page("accessAssignments", &["status"], all)
}

fn relationship(customer: TenantId, name: &str, found: &Relationship, now: SystemTime) -> Value {
    let days = age(found.ends, found.begins).as_secs() / (24 * 3600);
    let status = found.status_at(now).as_str();
    json!({
        "@odata.type": "#microsoft.graph.delegatedAdminRelationship",
        "@odata.etag": format!("W/\"{status}\""),
        "id": found.id,
        "displayName": found.name,
        "duration": format!("P{days}D"),
        "autoExtendDuration": "PT0S",
        "customer": { "tenantId": customer, "displayName": name },
        "status": status,
        "accessDetails": { "unifiedRoles": roles(&found.roles) },
        "createdDateTime": date(found.begins),
        "activatedDateTime": date(found.begins),
        "lastModifiedDateTime": date(found.begins),
        "endDateTime": date(found.ends),
    })
}

fn assignment(group: GroupId, given: &[String], of: &Relationship) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.delegatedAdminAccessAssignment",
        "@odata.etag": "W/\"active\"",
        "id": group.to_string(),
        "status": "active",
        "accessContainer": {
            "accessContainerId": group.to_string(), "accessContainerType": "securityGroup",
        },
        "accessDetails": { "unifiedRoles": roles(given) },
        "createdDateTime": date(of.begins),
        "lastModifiedDateTime": date(of.begins),
    })
}

fn roles(ids: &[String]) -> Vec<Value> {
    ids.iter().map(|id| json!({ "roleDefinitionId": id })).collect()
}

fn date(time: SystemTime) -> String {
    DateTime::from_system_time(time)
        .map_or_else(|_| "9999-12-31T23:59:59Z".to_owned(), |date| date.to_string())
}

const RELATIONSHIPS: &str = "tenantRelationships/delegatedAdminRelationships";
const READ: [&str; 2] =
    ["DelegatedAdminRelationship.Read.All", "DelegatedAdminRelationship.ReadWrite.All"];
