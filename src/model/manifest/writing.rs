//! What a registration needs, put into a manifest.
//!
//! A member that is indexed here was read before, so it is an object, or null, which becomes one.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::permission::{AZURE_AD_GRAPH, PARTNER_CENTER, Permission};
use crate::model::registration::{AppRegistration, Certificate, ClientCredential};

/// Accounts of every organisation, and no personal ones.
pub(super) const AUDIENCE: &str = "AzureADMultipleOrgs";
pub(super) const AUTH_TIME: &str = "auth_time";
pub(super) const ACCT: &str = "acct";

pub(super) fn fit(all: &mut Value, app: &AppRegistration) {
    all["signInAudience"] = json!(AUDIENCE);
    all["isFallbackPublicClient"] = json!(false);
    all["web"]["implicitGrantSettings"]["enableIdTokenIssuance"] = json!(false);
    all["web"]["implicitGrantSettings"]["enableAccessTokenIssuance"] = json!(false);
    all["servicePrincipalLockConfiguration"]["isEnabled"] = json!(true);
    all["servicePrincipalLockConfiguration"]["allProperties"] = json!(true);
    fit_api(&mut all["api"]);
    fit_redirects(all, app.redirect_uri().as_str());
    fit_permissions(&mut all["requiredResourceAccess"], app);
    fit_claims(all);
}

/// Tokens for the application itself, should it ever be an API, in the format of today. Consents do
/// not depend on it: the format of an access token is its API's choice.
fn fit_api(api: &mut Value) {
    api["requestedAccessTokenVersion"] = json!(2);
    if api["acceptMappedClaims"] == json!(true) {
        api["acceptMappedClaims"] = json!(false);
    }
}

fn fit_redirects(all: &mut Value, own: &str) {
    let web = list(&mut all["web"]["redirectUris"]);
    if !web.iter().any(|uri| uri == own) {
        web.push(json!(own));
    }
    for member in ["spa", "publicClient"] {
        let uris = all.get_mut(member).and_then(|platform| platform.get_mut("redirectUris"));
        let uris = uris.and_then(Value::as_array_mut).into_iter();
        uris.for_each(|uris| uris.retain(|uri| uri != own));
    }
}

fn fit_permissions(required: &mut Value, app: &AppRegistration) {
    let required = list(required);
    required.retain(|one| !names(one, AZURE_AD_GRAPH));
    for one in required.iter_mut().filter(|one| names(one, PARTNER_CENTER)) {
        list(&mut one["resourceAccess"]).retain(|access| access["type"] != "Role");
    }
    let asked = app.scopes().iter().filter_map(Permission::of);
    asked.chain(Permission::sign_in()).for_each(|permission| require(required, permission));
}

fn require(required: &mut Vec<Value>, permission: Permission) {
    let known = required.iter().position(|one| names(one, permission.resource));
    let at = known.unwrap_or_else(|| {
        required.push(json!({ "resourceAppId": permission.resource, "resourceAccess": [] }));
        required.len() - 1
    });
    let of_resource = required.iter().filter(|one| names(one, permission.resource));
    let mut accesses = of_resource.filter_map(|one| one["resourceAccess"].as_array()).flatten();
    if !accesses.any(|access| access["type"] == "Scope" && is(&access["id"], permission.id)) {
        let access = json!({ "id": permission.id, "type": "Scope" });
        list(&mut required[at]["resourceAccess"]).push(access);
    }
}

fn fit_claims(all: &mut Value) {
    let asked = list(&mut all["optionalClaims"]["idToken"]);
    for name in [AUTH_TIME, ACCT] {
        if !asked.iter().any(|claim| claim["name"] == name) {
            asked.push(json!({ "name": name, "essential": false, "additionalProperties": [] }));
        }
    }
    let groups = all["groupMembershipClaims"].as_str().unwrap_or("None");
    let words = groups.split(',').map(str::trim).filter(|word| !["", "None"].contains(word));
    let words: Vec<&str> = words.collect();
    if !words.iter().any(|word| ["DirectoryRole", "All"].contains(word)) {
        let asked = [words, vec!["DirectoryRole"]].concat().join(", ");
        all["groupMembershipClaims"] = json!(asked);
    }
}

/// The public side of a certificate, where the credential is one.
pub(super) fn add_certificate(all: &mut Value, credential: &ClientCredential) {
    let Some(certificate) = credential.as_certificate() else { return };
    list(&mut all["keyCredentials"]).push(json!({
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
        "key": STANDARD.encode(certificate.der()),
        "customKeyIdentifier": STANDARD.encode(thumbprint(certificate)),
    }));
}

/// By which Graph knows a certificate; nothing is proven by it.
pub(super) fn thumbprint(certificate: &Certificate) -> Vec<u8> {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate.der()).as_ref().to_vec()
}

fn names(required: &Value, resource: &str) -> bool {
    is(&required["resourceAppId"], resource)
}

fn is(value: &Value, id: &str) -> bool {
    value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(id))
}

/// The list, made where there is none yet.
fn list(value: &mut Value) -> &mut Vec<Value> {
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    value.as_array_mut().expect("it was made a list")
}
