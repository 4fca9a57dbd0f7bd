//! One file of JSON, read by each call and replaced by each write. For reading, not for production:
//! it blocks its thread, and protects its file no further than the umask does.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Error, ErrorKind};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use base64::prelude::{BASE64_STANDARD, Engine};
use cpv_consent::store::{
    Entry, Expect, Filter, Key, Kind, Page, Promises, Revision, Store, StoreError, Stored,
};
use cpv_consent::{Realm, Sealed, TenantId};

/// The last revision, and a row for each record.
type Contents = (u64, Vec<Row>);
/// Realm, kind and id; partner; due time; sealed bytes as base64; revision.
type Row = ([String; 3], Option<TenantId>, Option<SystemTime>, String, u64);

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
            let sealed = BASE64_STANDARD.encode(sealed.as_bytes());
            rows.push((place, key.partner(), due, sealed, last + 1));
        }
        self.replace(&(last + 1, rows)).map(|()| Revision::new(last + 1)).map_err(told)
    }

    fn replace(&self, contents: &Contents) -> Result<(), Error> {
        let next = self.path.with_extension("next");
        fs::write(&next, serde_json::to_vec(contents)?)?;
        File::open(&next)?.sync_all()?;
        let folder = File::open(self.path.parent().ok_or(ErrorKind::NotFound)?)?;
        fs::rename(next, &self.path)?;
        folder.sync_all().map_err(Error::other) // now nobody knows whether it happened
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
        let record = |([of, kept_as, id], partner, due, sealed, at): Row| {
            let sealed = Sealed::from_bytes(BASE64_STANDARD.decode(sealed).unwrap_or_default());
            let key = Key::new(realm.clone(), kind, partner, id);
            let stored = Stored { key, entry: Entry { sealed, due }, revision: Revision::new(at) };
            (of == printed && kept_as == kind.name()).then_some(stored)
        };
        Ok(self.contents()?.1.into_iter().filter_map(record).collect())
    }
}

fn told(error: Error) -> StoreError {
    match error.kind() {
        ErrorKind::StorageFull => StoreError::Full,
        ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly,
        kind => StoreError::unavailable(kind.to_string()),
    }
}

#[async_trait]
impl Store for JsonFile {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        Ok(self.records(key.realm(), key.kind())?.into_iter().find(|it| it.key.id() == key.id()))
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
        let rest = records.split_off(limit.max(1).min(records.len()));
        let next = records.last().filter(|_| !rest.is_empty()).map(|it| selection.place(it));
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
