//! One file of JSON, read by each call and replaced by each write: small rather than fast.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Error, ErrorKind};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use base64::prelude::{BASE64_STANDARD, Engine};
use cpv_consent::store::{
    Entry, Expect, Filter, Key, Kind, Page, Promises, Revision, Store, StoreError, Stored,
};
use cpv_consent::{Realm, Sealed, TenantId};

/// The last revision, and a row for each record.
type Contents = (u64, Vec<Row>);
/// Realm, kind and id; partner; due time in seconds; sealed bytes as base64; revision.
type Row = ([String; 3], Option<TenantId>, Option<u64>, String, u64);

/// Writes take turns; who reads sees the file before or after.
#[derive(Debug)]
pub(crate) struct JsonFile {
    pub(crate) path: PathBuf,
    pub(crate) turn: Mutex<()>,
}

impl JsonFile {
    /// Without an await in it, so that it happens whole even if the caller goes away.
    fn write(&self, key: &Key, entry: Option<Entry>, at: Expect) -> Result<Revision, StoreError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, mut rows) = self.contents()?;
        let place = [key.realm().to_string(), key.kind().to_string(), key.id().to_owned()];
        let found = rows.iter().position(|row| row.0 == place).map(|found| rows.swap_remove(found));
        if found.map_or(Expect::Absent, |row| Expect::At(Revision::new(row.4))) != at {
            return Err(StoreError::Conflict);
        }
        if let Some(Entry { sealed, due }) = entry {
            let due = due.map(|due| due.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
            let sealed = BASE64_STANDARD.encode(sealed.as_bytes());
            rows.push((place, key.partner(), due, sealed, last + 1));
        }
        self.replace(&(last + 1, rows)).map_err(told)?;
        Ok(Revision::new(last + 1))
    }

    fn replace(&self, contents: &Contents) -> Result<(), Error> {
        let next = self.path.with_extension("next");
        fs::write(&next, serde_json::to_vec(contents)?)?;
        File::open(&next)?.sync_all()?;
        fs::rename(next, &self.path)?;
        File::open(self.path.parent().ok_or(ErrorKind::NotFound)?)?.sync_all()
    }

    fn contents(&self) -> Result<Contents, StoreError> {
        match fs::read(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Contents::default()),
            read => serde_json::from_slice(&read.map_err(told)?)
                .map_err(|_| StoreError::damaged("its file is not as it wrote it")),
        }
    }

    fn records(&self, realm: &Realm, kind: Kind) -> Result<Vec<Stored>, StoreError> {
        let printed = realm.to_string();
        let record = |([of, kept_as, id], partner, due, sealed, revision): Row| {
            let due = due.map(|due| UNIX_EPOCH + Duration::from_secs(due));
            let sealed = BASE64_STANDARD.decode(sealed).unwrap_or_default();
            let entry = Entry { sealed: Sealed::from_bytes(sealed), due };
            let key = Key::new(realm.clone(), kind, partner, id);
            let stored = Stored { key, entry, revision: Revision::new(revision) };
            (of == printed && kept_as == kind.name()).then_some(stored)
        };
        Ok(self.contents()?.1.into_iter().filter_map(record).collect())
    }
}

fn told(error: Error) -> StoreError {
    StoreError::unavailable(error.kind().to_string())
}

#[async_trait]
impl Store for JsonFile {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let records = self.records(key.realm(), key.kind())?;
        Ok(records.into_iter().find(|stored| stored.key.id() == key.id()))
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
        let mut records = self.records(&realm, kind)?;
        let after = |place| cursor.as_ref().is_none_or(|cursor| place > *cursor);
        records.retain(|stored| selection.admits(stored) && after(selection.place(stored)));
        records.sort_by_key(|stored| selection.place(stored));
        let more = records.len() > limit.max(1);
        records.truncate(limit.max(1));
        let next = records.last().filter(|_| more).map(|last| selection.place(last));
        Ok(Page { records, next, ..Page::default() })
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        let realms = self.contents()?.1.into_iter().map(|([realm, ..], ..)| realm);
        Ok(BTreeSet::from_iter(realms).into_iter().collect())
    }

    fn promises(&self) -> Promises {
        let longest_record = 8 << 10;
        Promises { compare_and_swap: true, durable: true, longest_record, ..Promises::NONE }
    }
}
