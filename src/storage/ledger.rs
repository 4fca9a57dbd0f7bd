//! One store and one key ring: records go in and come out typed, and lie there sealed.

mod beside;
mod lapsed;
mod litter;
mod partner_keys;
mod repair;
mod rewrap;
mod scan;
mod shred;
mod stores;
mod withdrawal;
mod write;

use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::model::clock::Clock;
use crate::model::cloud::Realm;
use crate::model::tenant::TenantId;
use crate::storage::keyring::{KeyError, KeyRing};
use crate::storage::ledger::partner_keys::PartnerKeys;
use crate::storage::seal::{self, Damage, Identity, Opened, PartnerKey};
use crate::storage::store::{
    Cursor, Entry, Expect, Filter, Key, Kind, Page, Promises, Revision, Selection, StoreError,
    Stored,
};

pub(crate) use self::beside::Part;
pub(crate) use self::rewrap::KeyUse;
pub use self::scan::{DamagedRecord, Unreadable};
pub(crate) use self::stores::Stores;

/// What can be kept: implemented beside each type.
pub(crate) trait Record: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What it is.
    const KIND: Kind;
    /// Whose it is; `None` for what belongs to the application.
    fn partner(&self) -> Option<TenantId>;
    /// Which of its kind it is.
    fn id(&self) -> String;
    /// Which state of it this is: bound into the envelope, and equal to it when opened.
    fn generation(&self) -> u64;
    /// When it wants attention.
    fn due(&self) -> Option<SystemTime>;
    /// What is left of it, being of this generation or older, once its partner was let go: it was
    /// put back from a backup.
    #[must_use]
    fn let_go(self, _generation: u64, _at: SystemTime) -> Self
    where
        Self: Sized,
    {
        self
    }
}

/// A record as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Held<R> {
    pub(crate) record: R,
    pub(crate) revision: Revision,
}

/// Some records of a list; one that does not open hides no other.
#[derive(Debug)]
pub(crate) struct Listing<R> {
    pub(crate) records: Vec<Result<Held<R>, LedgerError>>,
    pub(crate) next: Option<Cursor>,
}

/// Why a record could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// Another writer came first.
    #[error("the record was changed by another writer")]
    Conflict,
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
    /// The key ring failed.
    #[error("{error}{}", of(*partner))]
    Key {
        /// Whose key it was about, where it was about one.
        partner: Option<TenantId>,
        /// What it says.
        error: KeyError,
    },
    /// The partner's key was destroyed: nothing of it opens, and nothing is sealed for it before it
    /// consents anew.
    #[error("the key of partner {partner} was destroyed")]
    Shredded {
        /// The partner.
        partner: TenantId,
        /// The last generation that was destroyed.
        generation: u64,
        /// When.
        at: SystemTime,
    },
    /// This one record does not open; all others are as they were.
    #[error("the {kind} record {id} is damaged: {damage}")]
    Damaged {
        /// What the record is.
        kind: Kind,
        /// Whose it is, as far as the store can say.
        partner: Option<TenantId>,
        /// Which of its kind it is.
        id: String,
        /// At which mark it lies in the store, as far as the store can say.
        revision: Option<Revision>,
        /// What is wrong with it.
        damage: Damage,
    },
}

impl LedgerError {
    /// Whether one record, or one partner's key, is lost, rather than all of them out of reach.
    pub(crate) const fn is_of_one_record(&self) -> bool {
        matches!(
            self,
            Self::Damaged { .. } | Self::Key { partner: Some(_), error: KeyError::Refused { .. } }
        )
    }

    /// The store has not answered in time: a store that hangs is one that fails.
    pub(crate) fn too_late() -> Self {
        Self::Store(StoreError::unavailable("it took too long"))
    }
}

fn of(partner: Option<TenantId>) -> String {
    partner.map(|partner| format!(" (partner {partner})")).unwrap_or_default()
}

impl From<KeyError> for LedgerError {
    fn from(error: KeyError) -> Self {
        Self::Key { partner: None, error }
    }
}

impl From<StoreError> for LedgerError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::Conflict,
            error => Self::Store(error),
        }
    }
}

/// Reads and writes the sealed records of one realm.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    stores: Stores,
    realm: Realm,
    keys: Arc<PartnerKeys>,
}

impl Ledger {
    pub(crate) fn new(stores: Stores, ring: KeyRing, realm: Realm, clock: Arc<dyn Clock>) -> Self {
        let keys = Arc::new(PartnerKeys::new(stores.clone(), ring, realm.clone(), clock));
        Self { stores, realm, keys }
    }

    pub(crate) const fn realm(&self) -> &Realm {
        &self.realm
    }

    /// What the store of this kind can do.
    pub(crate) fn promises(&self, kind: Kind) -> Promises {
        self.stores.of(kind).promises()
    }

    /// Whether the marks of these two kinds can be compared.
    pub(crate) fn is_one_store(&self, one: Kind, other: Kind) -> bool {
        std::ptr::addr_eq(self.stores.of(one), self.stores.of(other))
    }

    /// The record of this partner with this id.
    pub(crate) async fn load<R: Record>(
        &self,
        partner: Option<TenantId>,
        id: &str,
    ) -> Result<Option<Held<R>>, LedgerError> {
        let key = self.key(R::KIND, partner, id);
        match self.stores.of(R::KIND).get(&key).await {
            Ok(Some(stored)) => self.open(&key, &stored).await.map(Some),
            Ok(None) => Ok(None),
            Err(StoreError::Damaged { .. }) => Err(unreadable(R::KIND, partner, id.to_owned())),
            Err(error) => Err(error.into()),
        }
    }

    /// At which mark a record lies, without opening it.
    pub(crate) async fn revision<R: Record>(
        &self,
        partner: Option<TenantId>,
        id: &str,
    ) -> Result<Option<Revision>, LedgerError> {
        let key = self.key(R::KIND, partner, id);
        let stored = self.stores.of(R::KIND).get(&key).await?;
        Ok(stored.map(|stored| stored.revision))
    }

    /// The row of a record, unopened; `None` also where the store cannot make it out.
    pub(crate) async fn row_of(
        &self,
        kind: Kind,
        partner: Option<TenantId>,
        id: &str,
    ) -> Result<Option<Stored>, LedgerError> {
        match self.stores.of(kind).get(&self.key(kind, partner, id)).await {
            Err(StoreError::Damaged { .. }) => Ok(None),
            row => Ok(row?),
        }
    }

    /// Writes a record that is not there yet.
    pub(crate) async fn insert<R: Record>(&self, record: &R) -> Result<Revision, LedgerError> {
        self.write(record, Expect::Absent).await
    }

    /// Writes a record over the one that was read at this revision.
    pub(crate) async fn replace<R: Record>(
        &self,
        record: &R,
        at: Revision,
    ) -> Result<Revision, LedgerError> {
        self.write(record, Expect::At(at)).await
    }

    /// Removes a record that was read at this revision.
    pub(crate) async fn remove<R: Record>(
        &self,
        partner: Option<TenantId>,
        id: &str,
        at: Revision,
    ) -> Result<(), LedgerError> {
        let key = self.key(R::KIND, partner, id);
        write::remove(self.stores.of(R::KIND), &key, at).await
    }

    /// One page of this realm's records of one type.
    pub(crate) async fn list<R: Record>(
        &self,
        selection: Selection,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<Listing<R>, LedgerError> {
        let kind = R::KIND;
        let page = self.page(kind, selection, cursor, limit).await?;
        let rows = page.damaged.into_iter();
        let rows = rows.map(|id| Err(unreadable(kind, scan::partner_by_id(kind, &id), id)));
        let mut records: Vec<_> = rows.collect();
        for stored in page.records {
            records.push(self.open(&stored.key, &stored).await);
        }
        Ok(Listing { records, next: page.next })
    }

    /// One page of this realm's records of one kind, unopened.
    pub(crate) async fn page(
        &self,
        kind: Kind,
        selection: Selection,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, LedgerError> {
        let realm = self.realm.clone();
        let filter = Filter { realm, kind, selection, cursor, limit };
        Ok(self.stores.of(kind).list(filter).await?)
    }

    async fn write<R: Record>(&self, record: &R, expect: Expect) -> Result<Revision, LedgerError> {
        let key = self.key(R::KIND, record.partner(), &record.id());
        let partner_key = self.keys.for_writing(record.partner()).await?;
        let plaintext = plaintext(record);
        let sealed = seal::seal(&identity(&key), record.generation(), &partner_key, plaintext)?;
        let entry = Entry { sealed, due: record.due() };
        write::put(self.stores.of(R::KIND), &key, entry, expect).await
    }

    /// `key` is the place that was asked for, which the row must prove that it was sealed for.
    async fn open<R: Record>(&self, key: &Key, stored: &Stored) -> Result<Held<R>, LedgerError> {
        let (opened, partner_key) = self.unseal(key, stored).await?;
        let other = || damaged(key, stored.revision, Damage::Contents);
        let record: R = serde_json::from_slice(&opened.plaintext).map_err(|_| other())?;
        if record.generation() != opened.generation {
            return Err(other());
        }
        let outlived = partner_key.let_go().filter(|mark| opened.generation <= mark.generation);
        let record = match outlived {
            Some(mark) => record.let_go(mark.generation, mark.at),
            None => record,
        };
        Ok(Held { record, revision: stored.revision })
    }

    /// What was sealed for this place, and the partner's key that it was sealed under.
    async fn unseal(
        &self,
        key: &Key,
        stored: &Stored,
    ) -> Result<(Opened, Arc<PartnerKey>), LedgerError> {
        let damaged = |damage| damaged(key, stored.revision, damage);
        let sealed = &stored.entry.sealed;
        let said = seal::said(sealed).map_err(damaged)?;
        let partner_key = self.keys.for_reading(key.partner(), said).await?;
        let partner_key = partner_key.ok_or_else(|| damaged(Damage::KeyGone))?;
        let opened = seal::open(&identity(key), &partner_key, sealed).map_err(damaged)?;
        Ok((opened, partner_key))
    }

    fn key(&self, kind: Kind, partner: Option<TenantId>, id: &str) -> Key {
        Key::new(self.realm.clone(), kind, partner, id)
    }
}

fn identity(key: &Key) -> Identity<'_> {
    Identity { realm: key.realm(), kind: key.kind().name(), partner: key.partner(), id: key.id() }
}

fn damaged(key: &Key, at: Revision, damage: Damage) -> LedgerError {
    let (kind, partner, id) = (key.kind(), key.partner(), key.id().to_owned());
    LedgerError::Damaged { kind, partner, id, revision: Some(at), damage }
}

/// A record that the store itself cannot make out: it may serve all others.
const fn unreadable(kind: Kind, partner: Option<TenantId>, id: String) -> LedgerError {
    LedgerError::Damaged { kind, partner, id, revision: None, damage: Damage::Row }
}

/// The record as JSON, measured first: a buffer that grows leaves pieces of it behind.
pub(crate) fn plaintext(record: &impl Serialize) -> Zeroizing<Vec<u8>> {
    let mut length = Length(0);
    serde_json::to_writer(&mut length, record).expect("records are plain structs");
    let mut text = Zeroizing::new(Vec::with_capacity(length.0));
    serde_json::to_writer(&mut *text, record).expect("records are plain structs");
    text
}

struct Length(usize);

impl std::io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
