//! One store and one key ring: records go in and come out typed, and lie there sealed.

mod partner_keys;
mod write;

use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::model::cloud::Realm;
use crate::model::tenant::TenantId;
use crate::storage::keyring::{KeyError, KeyRing};
use crate::storage::ledger::partner_keys::PartnerKeys;
use crate::storage::seal::{self, Damage, Identity};
use crate::storage::store::{
    Cursor, Entry, Expect, Filter, Key, Kind, Revision, Selection, Store, StoreError, Stored,
};

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
    /// This one record does not open; all others are as they were.
    #[error("the {kind} record {id} is damaged: {damage}")]
    Damaged {
        /// What the record is.
        kind: Kind,
        /// Whose it is, as far as the store can say.
        partner: Option<TenantId>,
        /// Which of its kind it is.
        id: String,
        /// What is wrong with it.
        damage: Damage,
    },
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
    store: Arc<dyn Store>,
    realm: Realm,
    keys: Arc<PartnerKeys>,
}

impl Ledger {
    pub(crate) fn new(store: Arc<dyn Store>, ring: KeyRing, realm: Realm) -> Self {
        let keys = Arc::new(PartnerKeys::new(Arc::clone(&store), ring, realm.clone()));
        Self { store, realm, keys }
    }

    /// The record of this partner with this id.
    pub(crate) async fn load<R: Record>(
        &self,
        partner: Option<TenantId>,
        id: &str,
    ) -> Result<Option<Held<R>>, LedgerError> {
        let key = self.key(R::KIND, partner, id);
        match self.store.get(&key).await? {
            Some(stored) => self.open(&key, &stored).await.map(Some),
            None => Ok(None),
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
        write::remove(self.store.as_ref(), &self.key(R::KIND, partner, id), at).await
    }

    /// One page of this realm's records of one type.
    pub(crate) async fn list<R: Record>(
        &self,
        selection: Selection,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<Listing<R>, LedgerError> {
        let (realm, kind) = (self.realm.clone(), R::KIND);
        let filter = Filter { realm, kind, selection, cursor, limit };
        let page = self.store.list(filter).await?;
        let unreadable = page
            .damaged
            .into_iter()
            .map(|id| Err(LedgerError::Damaged { kind, partner: None, id, damage: Damage::Row }));
        let mut records: Vec<_> = unreadable.collect();
        for stored in page.records {
            records.push(self.open(&stored.key, &stored).await);
        }
        Ok(Listing { records, next: page.next })
    }

    /// The records that are due, the longest due first. Damaged ones come along and do not count,
    /// so that they can never crowd out the others.
    pub(crate) async fn due<R: Record>(
        &self,
        by: SystemTime,
        limit: usize,
    ) -> Result<Vec<Result<Held<R>, LedgerError>>, LedgerError> {
        let mut due = Vec::new();
        let (mut cursor, mut wanted) = (None, limit);
        while wanted > 0 {
            let listing = self.list(Selection::DueBy(by), cursor, wanted).await?;
            wanted -= listing.records.iter().filter(|record| counts(record)).count();
            due.extend(listing.records);
            cursor = listing.next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(due)
    }

    async fn write<R: Record>(&self, record: &R, expect: Expect) -> Result<Revision, LedgerError> {
        let key = self.key(R::KIND, record.partner(), &record.id());
        let partner_key = self.keys.for_writing(record.partner()).await?;
        let plaintext = plaintext(record);
        let sealed = seal::seal(&identity(&key), record.generation(), &partner_key, plaintext)?;
        let entry = Entry { sealed, due: record.due() };
        write::put(self.store.as_ref(), &key, entry, expect).await
    }

    /// `key` is the place that was asked for, which the row must prove that it was sealed for.
    async fn open<R: Record>(&self, key: &Key, stored: &Stored) -> Result<Held<R>, LedgerError> {
        let damaged = |damage| damaged(key, damage);
        let sealed = &stored.entry.sealed;
        let under = seal::sealed_under(sealed).map_err(damaged)?;
        let partner_key = self.keys.for_reading(key.partner(), under).await?;
        let partner_key = partner_key.ok_or_else(|| damaged(Damage::KeyGone))?;
        let opened = seal::open(&identity(key), &partner_key, sealed).map_err(damaged)?;
        let record: R =
            serde_json::from_slice(&opened.plaintext).map_err(|_| damaged(Damage::Contents))?;
        if record.generation() != opened.generation {
            return Err(damaged(Damage::Contents));
        }
        Ok(Held { record, revision: stored.revision })
    }

    fn key(&self, kind: Kind, partner: Option<TenantId>, id: &str) -> Key {
        Key::new(self.realm.clone(), kind, partner, id)
    }
}

fn counts<R>(record: &Result<Held<R>, LedgerError>) -> bool {
    !matches!(record, Err(LedgerError::Damaged { .. }))
}

fn identity(key: &Key) -> Identity<'_> {
    Identity { realm: key.realm(), kind: key.kind().name(), partner: key.partner(), id: key.id() }
}

fn damaged(key: &Key, damage: Damage) -> LedgerError {
    let (kind, partner, id) = (key.kind(), key.partner(), key.id().to_owned());
    LedgerError::Damaged { kind, partner, id, damage }
}

/// The record as JSON, measured first: a buffer that grows leaves pieces of it behind.
fn plaintext(record: &impl Serialize) -> Zeroizing<Vec<u8>> {
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
