//! What a vault holds, and the rules it keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::model::clock::unix_seconds;
use crate::model::tenant::{ClientId, TenantId};

mod budget;
mod certificate;
mod key;
mod rights;

pub(crate) use budget::{Budget, Throttled};
pub(crate) use key::{KeyVersion, Pair};
pub use rights::{VaultRight, VaultUser};

use rights::Policies;

/// A call that the Key Vault answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VaultCall {
    /// When it was answered.
    pub at: SystemTime,
    /// Its method, such as `PUT`.
    pub method: String,
    /// Its path without the query, such as `/secrets/name`.
    pub path: String,
    /// The application of its token, where that was valid.
    pub client: Option<ClientId>,
    /// The status it was answered with.
    pub status: u16,
}

/// The one vault of an emulator. It shows itself to nobody: it holds secrets.
#[derive(Default)]
pub(crate) struct Vault {
    /// By name in lower case: names differ in more than case.
    pub(crate) secrets: BTreeMap<String, Secret>,
    /// By name in lower case, each with its versions, the oldest first.
    pub(crate) keys: BTreeMap<String, Vec<KeyVersion>>,
    /// The managed identities of the machine that the emulator stands for.
    pub(crate) identities: Vec<ClientId>,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) policies: Policies,
    pub(crate) retention: Retention,
    pub(crate) budget: Budget,
    /// What was called, oldest first.
    pub(crate) calls: Vec<VaultCall>,
}

/// How deletion goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    pub(crate) days: u64,
    pub(crate) purge_protection: bool,
    /// How long deleting, recovering and purging go on behind the reply.
    pub(crate) takes: Duration,
}

/// A secret with its versions, the oldest first; there is at least one.
pub(crate) struct Secret {
    pub(crate) name: String,
    pub(crate) versions: Vec<Version>,
    pub(crate) standing: Standing,
}

/// One value of a secret.
pub(crate) struct Version {
    pub(crate) id: String,
    pub(crate) value: SecretString,
    pub(crate) details: Details,
    pub(crate) created: SystemTime,
    pub(crate) updated: SystemTime,
}

/// What is said of a version beside its value.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Details {
    pub(crate) content_type: Option<String>,
    #[serde(default)]
    pub(crate) attributes: Attributes,
    pub(crate) tags: Option<BTreeMap<String, String>>,
}

/// Dates are for information: a version that has expired is read like any other.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
pub(crate) struct Attributes {
    pub(crate) enabled: Option<bool>,
    pub(crate) nbf: Option<u64>,
    pub(crate) exp: Option<u64>,
}

/// Whether a name is in use, and what is going on behind a reply that was given already.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Standing {
    /// In use since then; a recovery ends at a later time than it was answered.
    Live {
        since: SystemTime,
    },
    Deleted {
        on: SystemTime,
        settled: SystemTime,
        purged_on: SystemTime,
    },
    Purged {
        settled: SystemTime,
    },
}

/// What a [`Standing`] comes to at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Live,
    BeingDeleted,
    Deleted,
    BeingRecovered,
    BeingPurged,
}

impl Vault {
    /// Whoever is registered in the vault's tenant may do all but purge, unless told otherwise.
    pub(crate) fn rights_of(&self, user: VaultUser, registered: bool) -> BTreeSet<VaultRight> {
        let known = match user {
            VaultUser::Application(client) => registered || self.identities.contains(&client),
            VaultUser::Person(_) => false,
        };
        let all = VaultRight::ALL.into_iter().filter(|right| *right != VaultRight::SecretsPurge);
        let default = || if known { all.collect() } else { BTreeSet::new() };
        self.policies.of(user).unwrap_or_else(default)
    }

    /// Names in one phase, in the spelling of the first version.
    pub(crate) fn names(&self, phase: Phase, now: SystemTime) -> Vec<String> {
        let left = self.secrets.values().filter(|secret| !secret.standing.has_ended(now));
        let fitting = left.filter(|secret| secret.standing.phase(now) == phase);
        fitting.map(|secret| secret.name.clone()).collect()
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { days: 90, purge_protection: false, takes: Duration::ZERO }
    }
}

impl Retention {
    pub(crate) const fn length(&self) -> Duration {
        Duration::from_secs(self.days * 24 * 3600)
    }

    /// As "DeletionRecoveryLevel" lists them.
    const fn recovery_level(&self) -> &'static str {
        match (self.days < 90, self.purge_protection) {
            (false, false) => "Recoverable+Purgeable",
            (false, true) => "Recoverable",
            (true, false) => "CustomizedRecoverable+Purgeable",
            (true, true) => "CustomizedRecoverable",
        }
    }

    /// The `attributes` of anything in the vault.
    pub(crate) fn attributes(
        &self,
        attributes: Attributes,
        created: SystemTime,
        updated: SystemTime,
    ) -> Value {
        let mut shown = json!({ "enabled": attributes.enabled.unwrap_or(true) });
        for (name, date) in [("nbf", attributes.nbf), ("exp", attributes.exp)] {
            if let Some(date) = date {
                shown[name] = Value::from(date);
            }
        }
        shown["created"] = Value::from(unix_seconds(created));
        shown["updated"] = Value::from(unix_seconds(updated));
        shown["recoveryLevel"] = Value::from(self.recovery_level());
        shown["recoverableDays"] = Value::from(self.days);
        shown
    }
}

impl Secret {
    pub(crate) fn latest(&self) -> &Version {
        self.versions.last().expect("a secret is made with its first version")
    }

    /// A version by its id, or else the latest.
    pub(crate) fn version(&self, id: Option<&str>) -> Option<&Version> {
        match id {
            Some(id) => self.versions.iter().find(|version| version.id == id),
            None => self.versions.last(),
        }
    }

    pub(crate) fn version_mut(&mut self, id: Option<&str>) -> Option<&mut Version> {
        match id {
            Some(id) => self.versions.iter_mut().find(|version| version.id == id),
            None => self.versions.last_mut(),
        }
    }
}

impl Version {
    pub(crate) fn is_enabled(&self) -> bool {
        self.details.attributes.enabled.unwrap_or(true)
    }

    /// All but the value.
    pub(crate) fn shown(&self, id: String, retention: &Retention) -> Value {
        let attributes = self.details.attributes;
        let mut shown = json!({
            "id": id,
            "attributes": retention.attributes(attributes, self.created, self.updated),
        });
        if let Some(kind) = &self.details.content_type {
            shown["contentType"] = Value::from(kind.as_str());
        }
        if let Some(tags) = &self.details.tags {
            shown["tags"] = json!(tags);
        }
        shown
    }
}

impl Standing {
    pub(crate) fn phase(self, now: SystemTime) -> Phase {
        match self {
            Self::Live { since } if now < since => Phase::BeingRecovered,
            Self::Live { .. } => Phase::Live,
            Self::Deleted { settled, .. } if now < settled => Phase::BeingDeleted,
            Self::Deleted { .. } => Phase::Deleted,
            Self::Purged { .. } => Phase::BeingPurged,
        }
    }

    /// Whether nothing is left, and the name is free.
    pub(crate) fn has_ended(self, now: SystemTime) -> bool {
        match self {
            Self::Live { .. } => false,
            Self::Deleted { purged_on, .. } => now >= purged_on,
            Self::Purged { settled } => now >= settled,
        }
    }
}

/// How refusals name the vault.
pub(crate) const VAULT: &str = "emulated;location=westeurope";
