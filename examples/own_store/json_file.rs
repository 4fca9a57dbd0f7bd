//! One file of JSON, replaced as a whole by each write: small rather than fast.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{Error, ErrorKind};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use cpv_consent::store::{
    Entry, Expect, Filter, Key, Kind, Page, Promises, Revision, Store, StoreError, Stored,
};
use cpv_consent::{Realm, Sealed, TenantId};

pub(crate) struct JsonFile {
    path: PathBuf,
    contents: Mutex<Contents>,
}

/// The last revision; and by realm, then by kind and id, the rows.
type Contents = (u64, BTreeMap<String, BTreeMap<String, Row>>);
/// Partner, due time in seconds, sealed bytes, revision.
type Row = (Option<TenantId>, Option<u64>, Vec<u8>, u64);

impl JsonFile {
    pub(crate) fn open(path: PathBuf) -> Result<Self, StoreError> {
        let contents = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Contents::default(),
            read => serde_json::from_slice(&read.map_err(told)?)
                .map_err(|_| StoreError::damaged("its file is not as it wrote it"))?,
        };
        Ok(Self { path, contents: Mutex::new(contents) })
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Without an await in it, so that it happens whole even if the caller goes away.
    fn write(&self, key: &Key, entry: Option<Entry>, at: Expect) -> Result<Revision, StoreError> {
        let mut contents = self.contents();
        let (last, mut shelves) = contents.clone();
        let shelf = shelves.entry(key.realm().to_string()).or_default();
        let place = format!("{} {}", key.kind(), key.id());
        let found = shelf.remove(&place).map(|row| Expect::At(Revision::new(row.3)));
        if found.unwrap_or(Expect::Absent) != at {
            return Err(StoreError::Conflict);
        }
        if let Some(Entry { sealed, due }) = entry {
            let due = due.map(|due| due.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
            let row = (key.partner(), due, sealed.as_bytes().to_vec(), last + 1);
            shelf.insert(place, row);
        }
        shelves.retain(|_, shelf| !shelf.is_empty());
        *contents = self.saved((last + 1, shelves)).map_err(told)?;
        Ok(Revision::new(last + 1))
    }

    fn saved(&self, contents: Contents) -> Result<Contents, Error> {
        let next = self.path.with_extension("next");
        fs::write(&next, serde_json::to_vec(&contents)?)?;
        File::open(&next)?.sync_all()?;
        fs::rename(next, &self.path)?;
        File::open(self.path.parent().ok_or(ErrorKind::NotFound)?)?.sync_all()?;
        Ok(contents)
    }

    fn shelf(&self, realm: &Realm, kind: Kind) -> Vec<Stored> {
        let rows = self.contents().1.get(&realm.to_string()).cloned().unwrap_or_default();
        let stored = |(place, (partner, due, sealed, revision)): (String, Row)| {
            let id = place.strip_prefix(kind.name())?.strip_prefix(' ')?;
            let due = due.map(|due| UNIX_EPOCH + Duration::from_secs(due));
            let entry = Entry { sealed: Sealed::from_bytes(sealed), due };
            let key = Key::new(realm.clone(), kind, partner, id);
            Some(Stored { key, entry, revision: Revision::new(revision) })
        };
        rows.into_iter().filter_map(stored).collect()
    }
}

/// Derived, it would show what is in the records.
impl fmt::Debug for JsonFile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "JsonFile({:?})", self.path)
    }
}

fn told(error: Error) -> StoreError {
    StoreError::unavailable(error.kind().to_string())
}

#[async_trait]
impl Store for JsonFile {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let shelf = self.shelf(key.realm(), key.kind());
        Ok(shelf.into_iter().find(|stored| stored.key.id() == key.id()))
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        self.promises().admit(key, &entry)?;
        self.write(key, Some(entry), expect)
    }

    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError> {
        self.write(key, None, Expect::At(at)).map(drop)
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        let Filter { realm, kind, selection, cursor, limit } = filter;
        let mut records = self.shelf(&realm, kind);
        let after = |place| cursor.as_ref().is_none_or(|cursor| place > *cursor);
        records.retain(|stored| selection.admits(stored) && after(selection.place(stored)));
        records.sort_by_key(|stored| selection.place(stored));
        let more = records.len() > limit.max(1);
        records.truncate(limit.max(1));
        let next = records.last().filter(|_| more).map(|last| selection.place(last));
        Ok(Page { records, next, ..Page::default() })
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.contents().1.keys().cloned().collect())
    }

    fn promises(&self) -> Promises {
        let (longest_record, longest_id) = (8 << 10, 500);
        let mine = Promises { longest_record, longest_id, ..Promises::NONE };
        Promises { compare_and_swap: true, durable: true, ..mine }
    }
}
