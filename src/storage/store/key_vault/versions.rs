//! Old versions and deleted secrets: what an earlier write leaves behind must not stay readable.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::storage::store::StoreError;
use crate::storage::store::key_vault::failure;
use crate::storage::store::key_vault::label::{is_removed, is_surely_ours};
use crate::transport::key_vault::{KeyVault, KeyVaultError, SecretInfo};

/// What is still in the vault though it should be no more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Secrets with an old version that may still be readable.
    pub readable: usize,
    /// Secrets of removed records that are not deleted yet, or not purged.
    pub unpurged: usize,
}

/// What is known of the vault's leftovers in this process.
#[derive(Debug, Default)]
pub(super) struct Remains {
    of: Mutex<HashMap<String, Standing>>,
    /// The caller was told that it may not purge, or that nothing may be purged here.
    keeps: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Only the latest version is enabled.
    Tidy,
    /// An older version may be.
    Readable,
    /// The record is gone, the secret is not.
    Unpurged,
}

impl Remains {
    pub(super) fn count(&self) -> Leftovers {
        let of = self.of();
        let count = |wanted| of.values().filter(|standing| **standing == wanted).count();
        Leftovers { readable: count(Standing::Readable), unpurged: count(Standing::Unpurged) }
    }

    /// Before a new version is made: from now until it is settled, older ones may be readable.
    pub(super) fn begin(&self, name: &str) -> bool {
        self.of().insert(name.to_owned(), Standing::Readable) == Some(Standing::Tidy)
    }

    /// Disables what came before `current`. Where this process has seen to the name before, that is
    /// one version, otherwise any. What fails is kept in mind and tried again with the next write.
    pub(super) async fn settle(
        &self,
        vault: &KeyVault,
        name: &str,
        current: &str,
        before: Option<&str>,
        was_tidy: bool,
    ) {
        let disabled = match before {
            Some(before) if was_tidy => vault.disable_version(name, before, None).await,
            _ => disable_all_but(vault, name, current).await,
        };
        match disabled {
            Ok(()) => drop(self.of().insert(name.to_owned(), Standing::Tidy)),
            Err(error) => {
                self.of().insert(name.to_owned(), Standing::Readable);
                tracing::warn!(%error, "an old version of a secret may be readable");
            }
        }
    }

    /// A name that an earlier write could not settle.
    pub(super) fn unsettled(&self, other_than: &str) -> Option<String> {
        let of = self.of();
        let unsettled = of.iter().filter(|(_, standing)| **standing == Standing::Readable);
        let mut names = unsettled.map(|(name, _)| name.clone());
        names.find(|name| name != other_than)
    }

    /// Deletes the secret of a removed record, and purges it if the caller may.
    pub(super) async fn discard(&self, vault: &KeyVault, name: &str) {
        self.keep_in_mind(name);
        match vault.delete_secret(name).await {
            Ok(()) | Err(KeyVaultError::NotFound { .. }) => self.purge(vault, name).await,
            Err(error) => {
                tracing::warn!(%error, "the secret of a removed record is disabled, not deleted");
            }
        }
    }

    /// Purges a deleted secret, if the caller may.
    pub(super) async fn purge(&self, vault: &KeyVault, name: &str) {
        self.keep_in_mind(name);
        match self.purged(vault, name).await {
            Ok(()) => drop(self.of().remove(name)),
            Err(error) => tracing::debug!(%error, "the secret of a removed record is not purged"),
        }
    }

    /// The removed record of this name is still in the vault.
    pub(super) fn keep_in_mind(&self, name: &str) {
        self.of().insert(name.to_owned(), Standing::Unpurged);
    }

    /// A purge has to wait until the deletion is through.
    async fn purged(&self, vault: &KeyVault, name: &str) -> Result<(), KeyVaultError> {
        if self.keeps.load(Ordering::Relaxed) {
            return Err(KeyVaultError::Forbidden { operation: "secrets/purge" });
        }
        for pause in PAUSES.into_iter().take(SHORT) {
            match vault.purge_secret(name).await {
                Err(KeyVaultError::Underway | KeyVaultError::NotFound { .. }) => {
                    vault.pause(pause).await;
                }
                Err(error @ KeyVaultError::Forbidden { .. }) => {
                    self.keeps.store(true, Ordering::Relaxed);
                    return Err(error);
                }
                done => return done,
            }
        }
        Err(KeyVaultError::Underway)
    }

    /// Looks again whether it may purge: rights change.
    pub(super) fn try_purging_again(&self) {
        self.keeps.store(false, Ordering::Relaxed);
    }

    fn of(&self) -> MutexGuard<'_, HashMap<String, Standing>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn disable_all_but(vault: &KeyVault, name: &str, current: &str) -> Result<(), KeyVaultError> {
    for info in vault.versions(name).await? {
        match info.version {
            Some(version) if info.enabled && version != current => {
                vault.disable_version(name, &version, None).await?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Makes a deleted name free for a new version, if nothing readable comes back by it.
pub(super) async fn recover(vault: &KeyVault, name: &str) -> Result<(), StoreError> {
    for pause in PAUSES {
        let outcome = match vault.deleted_is_readable(name).await {
            Ok(Some(true)) => return Err(StoreError::unusable(BY_HAND)),
            Ok(Some(false)) => vault.recover_secret(name).await,
            Ok(None) => Err(KeyVaultError::Underway),
            Err(error) => Err(error),
        };
        match outcome {
            Err(KeyVaultError::Underway | KeyVaultError::NotFound { .. }) => {
                vault.pause(pause).await;
            }
            outcome => return outcome.map_err(|error| failure(&error)),
        }
    }
    Err(failure(&KeyVaultError::Underway))
}

/// The removed records of the vault, deleted already.
pub(super) async fn deleted(vault: &KeyVault) -> Result<Vec<SecretInfo>, KeyVaultError> {
    let deleted = vault.deleted_secrets().await?;
    Ok(deleted.into_iter().filter(|info| is_surely_ours(info) && is_removed(info)).collect())
}

const BY_HAND: &str = "a secret of this store was deleted by hand and could be read again once \
                       recovered; purge it, or recover it";
/// Of those, what a removal waits for: what is not purged then waits for [`tidy`].
///
/// [`tidy`]: crate::storage::store::KeyVaultSecrets::tidy
const SHORT: usize = 4;
/// Deleting, recovering and purging take seconds, sometimes a minute.
pub(super) const PAUSES: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
    Duration::from_secs(32),
];
