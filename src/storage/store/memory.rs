//! A store that forgets everything with the process: for tests, and for working records.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::model::clock::{from_unix_seconds, unix_seconds};
use crate::storage::store::{
    Entry, Expect, Filter, Key, Kind, Page, Promises, Revision, Store, StoreError, Stored,
};

/// Keeps records in memory.
#[derive(Default)]
pub struct Memory {
    shelves: Mutex<Shelves>,
}

#[derive(Default)]
struct Shelves {
    records: BTreeMap<Identity, Stored>,
    last: u64,
}

type Identity = (String, Kind, String);

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for Memory {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        Ok(self.shelves().records.get(&identity(key)).cloned())
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        self.promises().admit(key, &entry)?;
        self.shelves().put(key, entry, expect)
    }

    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError> {
        let mut shelves = self.shelves();
        shelves.check(key, Expect::At(at))?;
        shelves.records.remove(&identity(key));
        Ok(())
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        Ok(self.shelves().page(&filter))
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        let mut realms: Vec<String> =
            self.shelves().records.keys().map(|(realm, ..)| realm.clone()).collect();
        realms.dedup();
        Ok(realms)
    }

    fn promises(&self) -> Promises {
        Promises { compare_and_swap: true, ..Promises::NONE }
    }
}

impl Shelves {
    fn put(&mut self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        self.check(key, expect)?;
        self.last += 1;
        let revision = Revision::new(self.last);
        let due = entry.due.map(|due| from_unix_seconds(unix_seconds(due)));
        let stored = Stored { key: key.clone(), entry: Entry { due, ..entry }, revision };
        self.records.insert(identity(key), stored);
        Ok(revision)
    }

    fn check(&self, key: &Key, expect: Expect) -> Result<(), StoreError> {
        let present = self.records.get(&identity(key)).map(|stored| stored.revision);
        let expected = match expect {
            Expect::Absent => None,
            Expect::At(revision) => Some(revision),
        };
        if present == expected { Ok(()) } else { Err(StoreError::Conflict) }
    }

    fn page(&self, filter: &Filter) -> Page {
        let realm = filter.realm.to_string();
        let mut listed: Vec<_> = self
            .records
            .iter()
            .filter(|((of_realm, of_kind, _), _)| *of_realm == realm && *of_kind == filter.kind)
            .filter(|(_, stored)| filter.selection.admits(stored))
            .map(|(_, stored)| (filter.selection.place(stored), stored))
            .filter(|(place, _)| filter.cursor.as_ref().is_none_or(|cursor| place > cursor))
            .collect();
        listed.sort_by(|(first, _), (second, _)| first.cmp(second));
        let limit = filter.limit.max(1);
        let next = listed.get(limit).map(|_| listed[limit - 1].0.clone());
        let records = listed.into_iter().take(limit).map(|(_, stored)| stored.clone()).collect();
        Page { records, damaged: Vec::new(), next }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Memory({} records)", self.shelves().records.len())
    }
}

fn identity(key: &Key) -> Identity {
    (key.realm().to_string(), key.kind(), key.id().to_owned())
}
