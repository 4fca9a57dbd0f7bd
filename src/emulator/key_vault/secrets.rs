//! Secrets in use: set, read, described, listed.
//!
//! Source: "Set Secret", "Get Secret", "Update Secret", "Get Secret Versions", "Get Secrets".

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::call::{Call, check_name};
use super::fault::Fault;
use super::guid;
use crate::emulator::state::vault::VaultRight;
use crate::emulator::state::vault::{
    Attributes, Details, Phase, Retention, Secret, Standing, Version,
};

/// The body of a PUT.
#[derive(Deserialize)]
struct NewVersion {
    value: String,
    #[serde(flatten)]
    details: Details,
}

pub(super) fn perform(call: &Call<'_>, rest: &[&str]) -> Result<Value, Fault> {
    match (call.method, rest) {
        ("GET", []) => list(call),
        ("PUT", [name]) => set(call, name),
        ("GET", [name]) => read(call, name, None),
        ("GET", [name, "versions"]) => versions(call, name),
        ("GET", [name, version]) => read(call, name, Some(version)),
        ("PATCH", [name]) => update(call, name, None),
        ("PATCH", [name, version]) => update(call, name, Some(version)),
        _ => Err(Fault::no_such_operation()),
    }
}

fn set(call: &Call<'_>, name: &str) -> Result<Value, Fault> {
    call.require(VaultRight::SecretsSet)?;
    check_name(name)?;
    let NewVersion { value, details } = call.body()?;
    let value = SecretString::from(value);
    check_value(&value)?;
    details.check()?;
    let id = guid(call.world).simple().to_string();
    let version = Version { id, value, details, created: call.now, updated: call.now };
    let mut vault = call.vault();
    let retention = vault.retention;
    let secret = vault.secrets.entry(name.to_ascii_lowercase()).or_insert_with(|| Secret {
        name: name.to_owned(),
        versions: Vec::new(),
        standing: Standing::Live { since: call.now },
    });
    check_free(name, secret.standing.phase(call.now))?;
    secret.versions.push(version);
    let latest = secret.latest();
    Ok(with_value(bundle(call, secret, latest, &retention), latest))
}

fn read(call: &Call<'_>, name: &str, version: Option<&str>) -> Result<Value, Fault> {
    call.require(VaultRight::SecretsGet)?;
    check_name(name)?;
    let vault = call.vault();
    let secret = vault.secrets.get(&name.to_ascii_lowercase());
    let secret = secret.filter(|secret| secret.standing.phase(call.now) == Phase::Live);
    let secret = secret.ok_or_else(|| not_found(name))?;
    let version = secret.version(version).ok_or_else(|| not_found(name))?;
    check_enabled(version)?;
    Ok(with_value(bundle(call, secret, version, &vault.retention), version))
}

/// Changes what is said of a version; its value never changes.
fn update(call: &Call<'_>, name: &str, version: Option<&str>) -> Result<Value, Fault> {
    call.require(VaultRight::SecretsSet)?;
    check_name(name)?;
    let details: Details = call.body()?;
    details.check()?;
    let mut vault = call.vault();
    let retention = vault.retention;
    let secret = vault.secrets.get_mut(&name.to_ascii_lowercase());
    let secret = secret.filter(|secret| secret.standing.phase(call.now) == Phase::Live);
    let secret = secret.ok_or_else(|| not_found(name))?;
    let changed = secret.version_mut(version).ok_or_else(|| not_found(name))?;
    changed.details.take(details);
    changed.updated = call.now;
    let changed = secret.version(version).ok_or_else(|| not_found(name))?;
    Ok(bundle(call, secret, changed, &retention))
}

/// The versions of a name that nobody uses are none, which is no error. Their order means nothing.
fn versions(call: &Call<'_>, name: &str) -> Result<Value, Fault> {
    call.require(VaultRight::SecretsList)?;
    check_name(name)?;
    let vault = call.vault();
    let secret = vault.secrets.get(&name.to_ascii_lowercase());
    let secret = secret.filter(|secret| secret.standing.phase(call.now) == Phase::Live);
    let items = secret.into_iter().flat_map(|secret| {
        let item = |version: &Version| bundle(call, secret, version, &vault.retention);
        secret.versions.iter().map(move |version| (version.id.clone(), item(version)))
    });
    Ok(call.page(items.collect()))
}

fn list(call: &Call<'_>) -> Result<Value, Fault> {
    call.require(VaultRight::SecretsList)?;
    let vault = call.vault();
    let secrets = vault.secrets.iter();
    let live = secrets.filter(|(_, secret)| secret.standing.phase(call.now) == Phase::Live);
    let items = live.map(|(name, secret)| {
        (name.clone(), secret.latest().shown(unversioned(call, secret), &vault.retention))
    });
    Ok(call.page(items.collect()))
}

/// A version without its value, under its own identifier.
pub(super) fn bundle(
    call: &Call<'_>,
    secret: &Secret,
    version: &Version,
    retention: &Retention,
) -> Value {
    version.shown(format!("{}/{}", unversioned(call, secret), version.id), retention)
}

/// The identifier of a secret whichever its version.
pub(super) fn unversioned(call: &Call<'_>, secret: &Secret) -> String {
    format!("{}/secrets/{}", call.origin(), secret.name)
}

pub(super) fn not_found(name: &str) -> Fault {
    let message = format!(
        "A secret with (name/id) {name} was not found in this key vault. If you recently deleted \
         this secret you may be able to recover it using the correct recovery command. For help \
         resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"
    );
    Fault::not_found("SecretNotFound", message)
}

pub(super) fn check_enabled(version: &Version) -> Result<(), Fault> {
    if version.is_enabled() {
        return Ok(());
    }
    let message = "Operation get is not allowed on a disabled secret.";
    Err(Fault::forbidden(message).with_inner("SecretDisabled"))
}

/// Refuses a new version under a name whose deletion, recovery or retention has not ended.
fn check_free(name: &str, phase: Phase) -> Result<(), Fault> {
    let going_on = |inner, what| {
        let message = format!(
            "Secret {name} is currently being {what} and cannot be re-created; retry later."
        );
        Err(Fault::conflict(inner, message))
    };
    match phase {
        Phase::Live => Ok(()),
        Phase::BeingDeleted | Phase::BeingPurged => going_on("ObjectIsBeingDeleted", "deleted"),
        Phase::BeingRecovered => going_on("ObjectIsBeingRecovered", "recovered"),
        Phase::Deleted => {
            let message = format!(
                "Secret {name} is currently in a deleted but recoverable state, and its name \
                 cannot be reused; in this state, the secret can only be recovered or purged."
            );
            Err(Fault::conflict("ObjectIsDeletedButRecoverable", message))
        }
    }
}

fn check_value(value: &SecretString) -> Result<(), Fault> {
    if value.expose_secret().len() <= LONGEST_VALUE {
        return Ok(());
    }
    Err(Fault::bad_parameter("Property  has invalid value\r\n"))
}

fn with_value(mut bundle: Value, version: &Version) -> Value {
    bundle["value"] = Value::from(version.value.expose_secret());
    bundle
}

impl Details {
    fn check(&self) -> Result<(), Fault> {
        let short = |text: &str, longest| text.chars().count() <= longest;
        let kind = self.content_type.as_deref().is_none_or(|kind| short(kind, 255));
        let tags = self.tags.as_ref().is_none_or(|tags: &BTreeMap<String, String>| {
            let fits = |(name, value): (&String, &String)| short(name, 256) && short(value, 256);
            tags.len() <= 15 && tags.iter().all(fits)
        });
        if kind && tags {
            return Ok(());
        }
        Err(Fault::bad_parameter("Property  has invalid value\r\n"))
    }

    /// Takes over what `other` says; what it leaves out stays.
    fn take(&mut self, other: Self) {
        let (new, old) = (other.attributes, self.attributes);
        self.attributes = Attributes {
            enabled: new.enabled.or(old.enabled),
            nbf: new.nbf.or(old.nbf),
            exp: new.exp.or(old.exp),
        };
        self.content_type = other.content_type.or(self.content_type.take());
        self.tags = other.tags.or(self.tags.take());
    }
}

/// 25 kB ("About Azure Key Vault secrets").
const LONGEST_VALUE: usize = 25_600;
