//! What was asked of the emulator, and its doubts, as JSON. Times are seconds since 1970.

use serde_json::{Map, Value, json};

use crate::emulator::{Emulator, Grant, TokenRequest};
use crate::model::clock::unix_seconds;

pub(super) fn tokens(entra: &Emulator) -> Value {
    let tokens: Vec<Value> = entra.ledger().iter().map(token).collect();
    json!({ "tokens": tokens })
}

fn token(request: &TokenRequest) -> Value {
    let word = |word: &dyn std::fmt::Debug| snake_case(&format!("{word:?}"));
    json!({
        "at": unix_seconds(request.at), "tenant": request.tenant,
        "version": word(&request.version), "grant": request.grant.map(grant_type),
        "credential": word(&request.credential), "client": request.client,
        "resource": request.resource, "user": request.user,
        "refresh_token": request.refresh_token, "claims": request.claims,
        "beside": request.beside, "overlap": request.overlap,
        "aadsts": request.result.err(),
        "issued": {
            "access_token": request.issued.access_token, "id_token": request.issued.id_token,
            "refresh_token": request.issued.refresh_token,
        },
    })
}

/// As the request had it.
fn grant_type(grant: Grant) -> &'static str {
    match grant {
        Grant::Code => "authorization_code",
        Grant::RefreshToken => "refresh_token",
        Grant::ClientCredentials => "client_credentials",
    }
}

pub(super) fn partner_center(entra: &Emulator) -> Value {
    let calls = entra.partner_center_calls().into_iter().map(|call| {
        json!({
            "at": unix_seconds(call.at), "method": call.method.as_str(), "path": call.path,
            "tenant": call.tenant, "application": call.application, "customer": call.customer,
            "validates_mfa": call.validates_mfa, "request_id": call.request_id,
            "correlation_id": call.correlation_id, "status": call.status, "code": call.code,
        })
    });
    json!({ "calls": calls.collect::<Vec<_>>() })
}

pub(super) fn vault(entra: &Emulator) -> Value {
    let calls = entra.vault_calls().into_iter().map(|call| {
        json!({
            "at": unix_seconds(call.at), "method": call.method, "path": call.path,
            "client": call.client, "status": call.status,
        })
    });
    json!({ "calls": calls.collect::<Vec<_>>() })
}

/// Changes the doubts that are named; all or, where one is not known, none.
pub(super) fn doubt(entra: &Emulator, changes: Map<String, Value>) -> Result<(), String> {
    let mut outcome = Ok(());
    entra.doubts(|doubts| {
        let mut all = serde_json::to_value(&*doubts).expect("doubts are plain data");
        changes.into_iter().for_each(|(name, value)| all[name] = value);
        match serde_json::from_value(all) {
            Ok(changed) => *doubts = changed,
            Err(error) => outcome = Err(error.to_string()),
        }
    });
    outcome
}

/// `RefreshToken` as `refresh_token`.
fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}
