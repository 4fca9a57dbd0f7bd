//! Secrets that were deleted: kept, brought back, or purged.
//!
//! Source: "Delete Secret", "Get Deleted Secret", "Recover Deleted Secret", "Purge Deleted Secret";
//! "Soft-delete overview". Each of them goes on after it has been answered; until a deletion is
//! through, the deleted secret is not found, and the end of a purge cannot be seen at all.

use std::time::SystemTime;

use serde_json::Value;

use super::call::{Call, check_name};
use super::fault::Fault;
use super::secrets::{bundle, check_enabled, not_found, unversioned};
use crate::emulator::state::vault::VaultRight;
use crate::emulator::state::vault::{Phase, Secret, Standing, Vault};
use crate::model::clock::{later, unix_seconds};

pub(super) fn perform(call: &Call<'_>, rest: &[&str]) -> Result<Value, Fault> {
    match (call.method, rest) {
        ("GET", []) => list(call),
        ("GET", [name]) => read(call, name),
        ("DELETE", [name]) => purge(call, name),
        ("POST", [name, "recover"]) => recover(call, name),
        _ => Err(Fault::no_such_operation()),
    }
}

/// Deletes a secret with all its versions.
pub(super) fn delete(call: &Call<'_>, name: &str) -> Result<Value, Fault> {
    call.require(VaultRight::SecretsDelete)?;
    check_name(name)?;
    let mut vault = call.vault();
    let retention = vault.retention;
    let secret = vault.secrets.get_mut(&name.to_ascii_lowercase());
    let secret = secret.ok_or_else(|| not_found(name))?;
    match secret.standing.phase(call.now) {
        Phase::Live => {}
        Phase::BeingRecovered => return Err(being(name, "ObjectIsBeingRecovered", "recovered")),
        _ => return Err(not_found(name)),
    }
    secret.standing = Standing::Deleted {
        on: call.now,
        settled: later(call.now, retention.takes),
        purged_on: later(call.now, retention.length()),
    };
    let latest = bundle(call, secret, secret.latest(), &retention);
    Ok(with_dates(call, secret, latest))
}

fn read(call: &Call<'_>, name: &str) -> Result<Value, Fault> {
    call.require(VaultRight::SecretsGet)?;
    check_name(name)?;
    let vault = call.vault();
    let secret = vault.secrets.get(&name.to_ascii_lowercase());
    let secret = secret.filter(|secret| secret.standing.phase(call.now) == Phase::Deleted);
    let secret = secret.ok_or_else(|| deleted_not_found(name))?;
    check_enabled(secret.latest())?;
    Ok(with_dates(call, secret, bundle(call, secret, secret.latest(), &vault.retention)))
}

fn list(call: &Call<'_>) -> Result<Value, Fault> {
    call.require(VaultRight::SecretsList)?;
    let vault = call.vault();
    let secrets = vault.secrets.iter();
    let deleted = secrets.filter(|(_, secret)| secret.standing.phase(call.now) == Phase::Deleted);
    let items = deleted.map(|(name, secret)| {
        let shown = secret.latest().shown(unversioned(call, secret), &vault.retention);
        (name.clone(), with_dates(call, secret, shown))
    });
    Ok(call.page(items.collect()))
}

fn recover(call: &Call<'_>, name: &str) -> Result<Value, Fault> {
    call.require(VaultRight::SecretsRecover)?;
    check_name(name)?;
    let mut vault = call.vault();
    let retention = vault.retention;
    let secret = settled(&mut vault, name, call.now)?;
    secret.standing = Standing::Live { since: later(call.now, retention.takes) };
    Ok(bundle(call, secret, secret.latest(), &retention))
}

fn purge(call: &Call<'_>, name: &str) -> Result<Value, Fault> {
    call.require(VaultRight::SecretsPurge)?;
    check_name(name)?;
    let mut vault = call.vault();
    let retention = vault.retention;
    let secret = settled(&mut vault, name, call.now)?;
    if retention.purge_protection {
        let message = "Operation \"purge\" is not allowed because purge protection is enabled for \
                       this vault. Key Vault service will automatically purge it after the \
                       retention period has passed.";
        return Err(Fault::forbidden(message));
    }
    secret.standing = Standing::Purged { settled: later(call.now, retention.takes) };
    Ok(Value::Null)
}

/// A deleted secret whose deletion is through.
fn settled<'v>(vault: &'v mut Vault, name: &str, now: SystemTime) -> Result<&'v mut Secret, Fault> {
    let secret = vault.secrets.get_mut(&name.to_ascii_lowercase());
    let secret = secret.ok_or_else(|| deleted_not_found(name))?;
    match secret.standing.phase(now) {
        Phase::Deleted => Ok(secret),
        Phase::BeingDeleted => Err(being(name, "ObjectIsBeingDeleted", "deleted")),
        Phase::BeingRecovered => Err(being(name, "ObjectIsBeingRecovered", "recovered")),
        Phase::Live | Phase::BeingPurged => Err(deleted_not_found(name)),
    }
}

fn with_dates(call: &Call<'_>, secret: &Secret, mut shown: Value) -> Value {
    let Standing::Deleted { on, purged_on, .. } = secret.standing else { return shown };
    let recovery = format!("{}/deletedsecrets/{}", call.origin(), secret.name);
    shown["recoveryId"] = Value::from(recovery);
    shown["deletedDate"] = Value::from(unix_seconds(on));
    shown["scheduledPurgeDate"] = Value::from(unix_seconds(purged_on));
    shown
}

fn deleted_not_found(name: &str) -> Fault {
    Fault::not_found("SecretNotFound", format!("Deleted Secret not found: {name}"))
}

fn being(name: &str, inner: &'static str, what: &str) -> Fault {
    Fault::conflict(inner, format!("Secret {name} is currently being {what}."))
}
