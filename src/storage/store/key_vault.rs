//! Consents as secrets of an Azure Key Vault, sealed like any other record.
//!
//! A vault has no conditional write, so a put reads, compares, sets and reads back. That is enough
//! for one writing process, and for no more.
//!
//! Source: "About Azure Key Vault secrets"; "Soft-delete overview".

mod label;
mod listing;
mod revisions;
mod versions;

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::sync::Mutex;

use crate::storage::seal::Sealed;
use crate::storage::store::key_vault::label::{
    Label, is_removed, is_surely_ours, removed, secret_name,
};
use crate::storage::store::key_vault::listing::Listing;
use crate::storage::store::key_vault::revisions::Revisions;
use crate::storage::store::key_vault::versions::{PAUSES, Remains, deleted, recover};
use crate::storage::store::{
    Entry, Expect, Filter, Key, Kind, Page, Promises, Revision, Store, StoreError, Stored,
};
use crate::transport::key_vault::{KeyVault, KeyVaultError, NewVersion, Secret, SecretInfo, Tags};

pub use self::versions::Leftovers;

/// Keeps consents in an Azure Key Vault, one secret for each.
///
/// It keeps no other kind: flows, leases and the keys of partners need compare-and-swap, so the
/// broker wants a [`working_store`](crate::BrokerBuilder::working_store) beside it.
///
/// **One process writes to a vault.** Two that write the same consent in the same moment are told
/// apart only as far as reading back goes, so [`promises`](Store::promises) names no
/// compare-and-swap. Revisions come from the machine's clock in microseconds: they grow within this
/// process whatever it does, and from one process to the next as long as it is not set back.
///
/// Setting a secret leaves its old versions readable, and with them old refresh tokens, sealed; so
/// each put disables them. What could not be disabled, deleted or purged is counted by
/// [`leftovers`](Self::leftovers) and tried again by [`tidy`](Self::tidy). A removed record is
/// disabled first, then deleted, then purged if the caller may; where it may not, or the vault has
/// purge protection, the vault keeps the sealed bytes for its retention time.
///
/// The caller needs the rights to get, list and set; `secrets/delete` and `secrets/recover` where
/// consents are removed and asked for again; `secrets/purge` if it shall purge.
///
/// ```no_run
/// use cpv_consent::{AppRegistration, Broker, Error, KeyRing, KeyVault, store};
///
/// # async fn broker(app: AppRegistration, ring: KeyRing) -> Result<Broker, Box<dyn std::error::Error>> {
/// let vault = KeyVault::builder(&app, "contoso-consents")?.connect().await?;
/// let consents = store::KeyVaultSecrets::open(vault).await?;
/// let working = store::Memory::new();     // better: SQLite, which keeps the keys of partners
/// Ok(Broker::builder(app, consents, ring).working_store(working).build().await?)
/// # }
/// ```
pub struct KeyVaultSecrets {
    vault: KeyVault,
    turns: [Mutex<()>; TURNS],
    revisions: Revisions,
    listing: Listing,
    remains: Remains,
}

/// A record and the version of its secret.
struct Found {
    stored: Stored,
    version: String,
    tags: Tags,
}

impl KeyVaultSecrets {
    /// Opens a vault as a store, and sees that its secrets may be listed. Nothing is changed there.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when they may not; [`StoreError::Unavailable`].
    pub async fn open(vault: KeyVault) -> Result<Self, StoreError> {
        vault.prove_listing().await.map_err(|error| failure(&error))?;
        Ok(Self {
            vault,
            turns: [const { Mutex::const_new(()) }; TURNS],
            revisions: Revisions::default(),
            listing: Listing::default(),
            remains: Remains::default(),
        })
    }

    /// What this process knows to be in the vault though it should be no more.
    #[must_use]
    pub fn leftovers(&self) -> Leftovers {
        self.remains.count()
    }

    /// Goes through the whole vault: disables old versions, deletes and purges what is left of
    /// removed records, and says what it could not. A secret that this store did not write, or whose
    /// tags somebody changed, is let alone. Run it at start and once a day: a process that was
    /// killed may have left something.
    ///
    /// # Errors
    /// What the vault says when it cannot be listed.
    pub async fn tidy(&self) -> Result<Leftovers, StoreError> {
        self.remains.try_purging_again();
        for info in self.vault.secrets().await.map_err(|error| failure(&error))? {
            if is_surely_ours(&info) {
                self.tidy_one(&info.name).await;
            }
        }
        for info in deleted(&self.vault).await.map_err(|error| failure(&error))? {
            let _turn = self.turn(&info.name).lock().await;
            self.remains.purge(&self.vault, &info.name).await;
        }
        Ok(self.leftovers())
    }

    async fn tidy_one(&self, name: &str) {
        let _turn = self.turn(name).lock().await;
        match latest(&self.vault, name).await {
            Ok(None) => {}
            Ok(Some(latest)) if is_removed(latest.info()) => {
                self.remains.discard(&self.vault, name).await;
            }
            Ok(Some(latest)) => self.settle(name, latest.version(), None, false).await,
            Err(error) => tracing::warn!(%error, "a secret could not be tidied"),
        }
    }

    async fn settle(&self, name: &str, current: &str, before: Option<&str>, was_tidy: bool) {
        self.remains.settle(&self.vault, name, current, before, was_tidy).await;
    }

    /// What an earlier write could not settle, unless somebody writes there just now.
    async fn settle_another(&self, than: &str) {
        let Some(name) = self.remains.unsettled(than) else { return };
        let Ok(_turn) = self.turn(&name).try_lock() else { return };
        if let Ok(Some(latest)) = latest(&self.vault, &name).await {
            self.settle(&name, latest.version(), None, false).await;
        }
    }

    /// The record at this key, if it is not removed.
    async fn find(&self, key: &Key, name: &str) -> Result<Option<Found>, StoreError> {
        let secret = match latest(&self.vault, name).await.map_err(|error| failure(&error))? {
            None => return Ok(None),
            Some(latest) if is_removed(latest.info()) => return Ok(None),
            Some(Latest::Disabled(_)) => return Err(StoreError::damaged(DISABLED)),
            Some(Latest::Readable(secret)) => secret,
        };
        let found = found(key, secret).ok_or_else(|| StoreError::damaged(ALIEN))?;
        self.revisions.seen(found.stored.revision);
        Ok(Some(found))
    }

    /// A new version of the secret. Its name may have to be freed first, which may take a minute and
    /// holds up nobody else; each try draws a revision of its own.
    async fn set(
        &self,
        key: &Key,
        entry: &Entry,
        present: Option<Revision>,
    ) -> Result<(Revision, String), StoreError> {
        let (name, value) = (secret_name(key), BASE64_STANDARD.encode(entry.sealed.as_bytes()));
        let until = self.vault.clock().monotonic() + LONGEST_PUT;
        for pause in PAUSES {
            let writing = self.revisions.draw(self.now(), present);
            let revision = writing.revision;
            let tags = Label::new(key, entry.due, revision).tags()?;
            let new = NewVersion { value: &value, content_type: CONTENT_TYPE, tags: &tags };
            let set = self.vault.set_secret(&name, &new).await;
            drop(writing);
            match set {
                Ok(info) => {
                    let version = info.version.ok_or_else(|| StoreError::unavailable(NAMELESS));
                    return Ok((revision, version?));
                }
                Err(KeyVaultError::Deleted) => recover(&self.vault, &name).await?,
                Err(KeyVaultError::Underway) => self.vault.pause(pause).await,
                Err(error) => return Err(failure(&error)),
            }
            if self.vault.clock().monotonic() >= until {
                break;
            }
        }
        Err(failure(&KeyVaultError::Underway))
    }

    /// The version that was set must be the latest: if it is not, somebody else writes here.
    async fn read_back(&self, name: &str, version: &str) -> Result<(), StoreError> {
        match latest(&self.vault, name).await {
            Ok(Some(latest)) if latest.version() == version => Ok(()),
            Ok(_) => Err(StoreError::Conflict),
            Err(error) => Err(StoreError::unavailable(error.to_string())),
        }
    }

    fn settled_until(&self) -> Revision {
        self.revisions.settled_until(self.now())
    }

    fn now(&self) -> u64 {
        let now = self.vault.clock().now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
    }

    fn turn(&self, name: &str) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let turns = TURNS as u64;
        &self.turns[usize::try_from(hasher.finish() % turns).expect("less than that many")]
    }
}

#[async_trait]
impl Store for KeyVaultSecrets {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        if key.kind() != Kind::Consent {
            return Ok(None);
        }
        let found = self.find(key, &secret_name(key)).await?;
        Ok(found.map(|found| found.stored))
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        self.promises().admit(key, &entry)?;
        let name = secret_name(key);
        let revision = {
            let _turn = self.turn(&name).lock().await;
            self.put_in_turn(key, &name, entry, expect).await?
        };
        self.settle_another(&name).await;
        Ok(revision)
    }

    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError> {
        let name = secret_name(key);
        let _turn = self.turn(&name).lock().await;
        let Some(Found { version, tags, .. }) =
            self.as_expected(key, &name, Expect::At(at)).await?
        else {
            return Err(StoreError::Conflict);
        };
        let marked = self.vault.disable_version(&name, &version, Some(&removed(tags))).await;
        marked.map_err(|error| failure(&error))?;
        match self.read_back(&name, &version).await {
            Ok(()) => self.remains.discard(&self.vault, &name).await,
            Err(StoreError::Conflict) => return Err(StoreError::Conflict),
            // It is removed; whether somebody else has written since is seen by the next look.
            Err(_) => self.remains.keep_in_mind(&name),
        }
        Ok(())
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        self.page(&filter).await
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        let snapshot = self.listing.read(self, false).await?;
        let labels = snapshot.infos.iter().filter_map(|info| Label::read(&info.tags));
        let mut realms: Vec<String> = labels.map(|label| label.realm).collect();
        realms.sort_unstable();
        realms.dedup();
        Ok(realms)
    }

    fn promises(&self) -> Promises {
        Promises {
            durable: true,
            kinds: &[Kind::Consent],
            longest_record: LONGEST_VALUE / 4 * 3,
            longest_id: LONGEST_ID,
            ..Promises::NONE
        }
    }
}

impl KeyVaultSecrets {
    async fn put_in_turn(
        &self,
        key: &Key,
        name: &str,
        entry: Entry,
        expect: Expect,
    ) -> Result<Revision, StoreError> {
        let present = self.as_expected(key, name, expect).await?;
        let was_tidy = self.remains.begin(name);
        let at = present.as_ref().map(|found| found.stored.revision);
        let (revision, version) = self.set(key, &entry, at).await?;
        self.read_back(name, &version).await?;
        let before = present.as_ref().map(|found| found.version.as_str());
        self.settle(name, &version, before, was_tidy).await;
        Ok(revision)
    }

    /// The record, if it is as the caller believes.
    async fn as_expected(
        &self,
        key: &Key,
        name: &str,
        expect: Expect,
    ) -> Result<Option<Found>, StoreError> {
        let present = self.find(key, name).await?;
        match (&present, expect) {
            (None, Expect::Absent) => Ok(None),
            (Some(found), Expect::At(at)) if found.stored.revision == at => Ok(present),
            _ => Err(StoreError::Conflict),
        }
    }
}

impl fmt::Debug for KeyVaultSecrets {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "KeyVaultSecrets({})", self.vault.host())
    }
}

/// The latest version of a secret.
enum Latest {
    Readable(Secret),
    Disabled(SecretInfo),
}

impl Latest {
    const fn info(&self) -> &SecretInfo {
        match self {
            Self::Readable(secret) => &secret.info,
            Self::Disabled(info) => info,
        }
    }

    fn version(&self) -> &str {
        self.info().version.as_deref().unwrap_or_default()
    }
}

/// Of a disabled version the vault tells nothing but in the list of versions, which has no order.
async fn latest(vault: &KeyVault, name: &str) -> Result<Option<Latest>, KeyVaultError> {
    match vault.secret(name).await {
        Ok(secret) => Ok(secret.map(Latest::Readable)),
        Err(KeyVaultError::Disabled { .. }) => {
            let revision = |info: &SecretInfo| Label::read(&info.tags).map(|label| label.revision);
            let versions = vault.versions(name).await?;
            Ok(versions.into_iter().max_by_key(revision).map(Latest::Disabled))
        }
        Err(error) => Err(error),
    }
}

/// Nothing, if this is not how the store writes the record of this key.
fn found(key: &Key, secret: Secret) -> Option<Found> {
    let Secret { info, value } = secret;
    let label = Label::read(&info.tags)?;
    let there = (label.realm.as_str(), label.kind.as_str(), label.id.as_str());
    if there != (key.realm().to_string().as_str(), key.kind().name(), key.id()) {
        return None;
    }
    let sealed = Sealed::from_bytes(BASE64_STANDARD.decode(value.as_bytes()).ok()?);
    let key = Key::new(key.realm().clone(), key.kind(), label.partner, key.id());
    let entry = Entry { sealed, due: label.due };
    let stored = Stored { key, entry, revision: label.revision };
    Some(Found { stored, version: info.version?, tags: info.tags })
}

fn failure(error: &KeyVaultError) -> StoreError {
    let because = error.to_string();
    if error.may_pass() || error.may_have_happened() {
        StoreError::unavailable(because)
    } else {
        StoreError::unusable(because)
    }
}

const CONTENT_TYPE: &str = "application/vnd.cpv-consent.sealed";
/// 25 kB, and Microsoft does not say which: the smaller.
const LONGEST_VALUE: usize = 25_000;
/// As much as a tag holds as base64.
const LONGEST_ID: usize = 192;
/// How many names may be written at once, more or less.
const TURNS: usize = 64;
/// After it, a put that waits for its name to be free begins no further try.
const LONGEST_PUT: Duration = Duration::from_secs(120);
const DISABLED: &str = "the current version of a secret was disabled by hand; enable it again";
const ALIEN: &str = "a secret is not as this store wrote it; restore the version before it";
const NAMELESS: &str = "the Key Vault did not say which version it made";
