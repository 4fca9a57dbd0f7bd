//! Moving partner keys from one key of the ring to another.
//!
//! A row is read, opened, sealed anew under the ring's primary key, and put by compare-and-swap at
//! the revision that was read. So it is readable at every moment, whoever rewraps beside, and
//! whenever the work is broken off. Records are not touched: they are sealed under partner keys.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::model::clock::as_seconds;
use crate::model::cloud::Realm;
use crate::model::tenant::TenantId;
use crate::storage::keyring::{DataKey, KeyError, KeyId};
use crate::storage::ledger::{Held, Ledger, LedgerError, Record, identity, write};
use crate::storage::seal::{self, Damage};
use crate::storage::store::{
    Cursor, Entry, Expect, Filter, Kind, Page, Revision, Selection, StoreError, Stored,
};

/// Rows read at once.
const PAGE: usize = 512;

impl Ledger {
    /// The ring's key that wraps.
    pub(crate) fn primary_key(&self) -> &KeyId {
        self.keys.holder().primary()
    }

    /// Whether the ring has a key of this name.
    pub(crate) fn has_key(&self, id: &KeyId) -> bool {
        self.keys.holder().ids().any(|known| known == id)
    }

    /// That the store can be read with this ring, and that its primary key may be used. In a new
    /// store this makes the first key.
    pub(crate) async fn prove_ring(&self) -> Result<(), LedgerError> {
        let primary = self.primary_key();
        if self.retired(primary).await? {
            return Err(KeyError::Retired { id: primary.clone() }.into());
        }
        self.keys.for_writing(None).await.map(drop)
    }

    /// That what the primary key wraps can be unwrapped again, before much is wrapped under it.
    pub(crate) async fn prove_primary(&self) -> Result<(), LedgerError> {
        self.keys.holder().wrap(&DataKey::generate()?).await?;
        Ok(())
    }

    /// One page of partner keys and of the marks of those destroyed, as they lie there; those that
    /// were written first come first, for they lie beside each other. What is written meanwhile
    /// comes at the end.
    pub(crate) async fn key_page(&self, cursor: Option<Cursor>) -> Result<Page, LedgerError> {
        const ALL: Selection = Selection::ChangedAfter(Revision::new(0));
        self.page(Kind::PartnerKey, ALL, cursor, PAGE).await
    }

    /// What lies under a key of this name, in each realm of the store: several applications may
    /// share it, and the ring too.
    pub(crate) async fn uses_of(&self, id: &KeyId) -> Result<Vec<KeyUse>, LedgerError> {
        let odd = || StoreError::damaged("a realm has another shape");
        let mut uses = Vec::new();
        for printed in self.keys.store().realms().await? {
            let realm = Realm::parse(&printed).ok_or_else(odd)?;
            uses.push(self.use_in(realm, id).await?);
        }
        Ok(uses)
    }

    async fn use_in(&self, realm: Realm, id: &KeyId) -> Result<KeyUse, LedgerError> {
        let mut found = KeyUse { realm, under: 0, unreadable: 0 };
        let mut cursor = None;
        loop {
            let (realm, kind) = (found.realm.clone(), Kind::PartnerKey);
            let filter = Filter { realm, kind, selection: Selection::All, cursor, limit: PAGE };
            let page = self.keys.store().list(filter).await?;
            found.unreadable += page.damaged.len() as u64;
            page.records.iter().for_each(|stored| found.count(is_under(stored, id)));
            cursor = page.next;
            if cursor.is_none() {
                return Ok(found);
            }
        }
    }

    /// Whether a row is under the primary key already, as it says itself.
    pub(crate) fn is_rewrapped(&self, stored: &Stored) -> Result<bool, LedgerError> {
        let damaged = |damage| super::damaged(&stored.key, stored.revision, damage);
        is_under(stored, self.primary_key()).map_err(damaged)
    }

    /// That rows may be put under the primary key: to be asked for each page of them, for whoever
    /// slept was taken for dead, and the others may have taken that key out of their rings (F-25).
    pub(crate) async fn prove_unretired(&self) -> Result<(), LedgerError> {
        self.keys.refuse_retired(None).await
    }

    /// Seals a row under the primary key. False if somebody else did so, or removed it.
    pub(crate) async fn rewrap(&self, mut stored: Stored) -> Result<bool, LedgerError> {
        while !self.is_rewrapped(&stored)? {
            let Stored { key, revision, .. } = &stored;
            let row = self.keys.row(key, &stored)?;
            let sealed = row.rewrap(&identity(key), self.keys.holder()).await;
            let about = |error| LedgerError::Key { partner: key.partner(), error };
            let entry = Entry { sealed: sealed.map_err(about)?, due: stored.entry.due };
            match write::put(self.keys.store(), key, entry, Expect::At(*revision)).await {
                Err(LedgerError::Conflict) => {}
                put => return put.map(|_| true),
            }
            match self.keys.store().get(key).await? {
                Some(moved) => stored = moved,
                None => return Ok(false),
            }
        }
        Ok(false)
    }

    /// Notes that nothing may be wrapped under this key any more, though it may yet be seen in use.
    pub(crate) async fn begin_retiring(
        &self,
        id: &KeyId,
        at: SystemTime,
    ) -> Result<(), LedgerError> {
        match self.insert(&RetiredKey { id: id.clone(), at, done: false }).await {
            Err(LedgerError::Conflict) => Ok(()),
            inserted => inserted.map(drop),
        }
    }

    /// Notes that the key was seen to be unused since then: from now on nobody takes the note back.
    /// False if that is noted already; a conflict if it was taken back.
    pub(crate) async fn finish_retiring(&self, id: &KeyId) -> Result<bool, LedgerError> {
        let Held { record, revision } = self.note_of(id).await?.ok_or(LedgerError::Conflict)?;
        if record.done {
            return Ok(false);
        }
        self.replace(&RetiredKey { done: true, ..record }, revision).await?;
        Ok(true)
    }

    /// Takes the note back, unless the retirement is done: then the key may be gone from the rings.
    pub(crate) async fn reinstate(&self, id: &KeyId) -> Result<(), LedgerError> {
        match self.note_of(id).await? {
            Some(Held { record, revision }) if !record.done => {
                self.remove::<RetiredKey>(None, id.as_str(), revision).await
            }
            _ => Ok(()),
        }
    }

    /// Whether nothing may be wrapped under this key any more.
    pub(crate) async fn retired(&self, id: &KeyId) -> Result<bool, LedgerError> {
        Ok(self.note_of(id).await?.is_some())
    }

    async fn note_of(&self, id: &KeyId) -> Result<Option<Held<RetiredKey>>, LedgerError> {
        self.load(None, id.as_str()).await
    }
}

/// How many partner keys and marks of one realm are under one key of the ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyUse {
    pub(crate) realm: Realm,
    pub(crate) under: u64,
    /// Which may be under it, too.
    pub(crate) unreadable: u64,
}

impl KeyUse {
    fn count(&mut self, is_under: Result<bool, Damage>) {
        match is_under {
            Ok(is_under) => self.under += u64::from(is_under),
            Err(_) => self.unreadable += 1,
        }
    }
}

fn is_under(stored: &Stored, id: &KeyId) -> Result<bool, Damage> {
    seal::said_to_be_under(&stored.entry.sealed).map(|under| under == *id)
}

/// A key of the ring that is being retired, or was.
#[derive(Debug, Serialize, Deserialize)]
struct RetiredKey {
    id: KeyId,
    #[serde(with = "as_seconds")]
    at: SystemTime,
    /// Whether it was seen to be unused while this note stood.
    done: bool,
}

impl Record for RetiredKey {
    const KIND: Kind = Kind::RetiredKey;

    fn partner(&self) -> Option<TenantId> {
        None
    }

    fn id(&self) -> String {
        self.id.as_str().to_owned()
    }

    fn generation(&self) -> u64 {
        0
    }

    fn due(&self) -> Option<SystemTime> {
        None
    }
}
