//! One check's share of the store: a realm that no application has.

use std::sync::Arc;
use std::time::SystemTime;

use crate::model::clock::from_unix_seconds;
use crate::model::cloud::{Cloud, Environment, Origins, Realm};
use crate::model::tenant::{ClientId, TenantId};
use crate::storage::seal::Sealed;
use crate::storage::store::{
    Cursor, Entry, Expect, Filter, Key, Kind, Page, Revision, Selection, Store, StoreError, Stored,
};

/// A store and the realm in which one check works.
pub(super) struct Trial {
    pub(super) store: Arc<dyn Store>,
    pub(super) realm: Realm,
}

/// What went wrong, in words.
pub(super) type Kept<T = ()> = Result<T, String>;

impl Trial {
    pub(super) fn key(&self, id: &str) -> Key {
        self.key_of(Kind::Consent, id)
    }

    pub(super) fn key_of(&self, kind: Kind, id: &str) -> Key {
        Key::new(self.realm.clone(), kind, None, id)
    }

    /// The record, which must be there.
    pub(super) async fn present(&self, key: &Key) -> Kept<Stored> {
        let stored = self.store.get(key).await.map_err(|error| format!("a get failed: {error}"))?;
        stored.ok_or_else(|| "a record that was put is not there".to_owned())
    }

    pub(super) async fn absent(&self, key: &Key) -> Kept {
        let stored = self.store.get(key).await.map_err(|error| format!("a get failed: {error}"))?;
        ensure(stored.is_none(), "a record is there that should not be")
    }

    pub(super) async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Kept<Revision> {
        let revision = self.store.put(key, entry, expect).await;
        revision.map_err(|error| format!("a put as expected failed: {error}"))
    }

    /// Puts a new record that is due at `due`, with a body made of its id.
    pub(super) async fn new_record(&self, id: &str, due: Option<u64>) -> Kept<Revision> {
        self.put(&self.key(id), entry(id, due), Expect::Absent).await
    }

    pub(super) async fn remove(&self, key: &Key, at: Revision) -> Kept {
        let removed = self.store.remove(key, at).await;
        removed.map_err(|error| format!("a removal as expected failed: {error}"))
    }

    pub(super) async fn page(
        &self,
        selection: Selection,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Kept<Page> {
        let (realm, kind) = (self.realm.clone(), Kind::Consent);
        let filter = Filter { realm, kind, selection, cursor, limit };
        self.store.list(filter).await.map_err(|error| format!("a list failed: {error}"))
    }

    /// The ids of a whole list, read in pages of `limit`.
    pub(super) async fn ids(&self, selection: Selection, limit: usize) -> Kept<Vec<String>> {
        let mut ids = Vec::new();
        let mut cursor = None;
        for _ in 0..MOST_PAGES {
            let page = self.page(selection, cursor, limit).await?;
            ensure(page.damaged.is_empty(), "a record that was put is called damaged")?;
            ensure(page.records.len() <= limit, "a page is longer than its limit")?;
            ids.extend(page.records.into_iter().map(|stored| stored.key.id().to_owned()));
            cursor = page.next;
            if cursor.is_none() {
                return Ok(ids);
            }
        }
        Err("a list has no end".to_owned())
    }
}

/// The realm of one check; its cloud has a name that no real one has.
pub(super) fn realm(number: u32) -> Realm {
    let origins = Origins {
        login: "https://login.invalid",
        partner_center: "https://partner-center.invalid",
        graph: "https://graph.invalid",
    };
    let cloud = Cloud::custom("conformance", origins).expect("https origins");
    let application = ClientId::parse(&format!("c0f0c0f0-0000-4000-8000-{number:012x}"));
    Realm::new(&cloud, Environment::Sandbox, application.expect("a GUID"))
}

pub(super) fn partner() -> TenantId {
    TenantId::parse("72f988bf-86f1-41af-91ab-2d7cd011db47").expect("a GUID")
}

pub(super) fn entry(text: &str, due: Option<u64>) -> Entry {
    let sealed = Sealed::from_bytes(text.as_bytes().to_vec());
    Entry { sealed, due: due.map(at) }
}

pub(super) fn at(seconds: u64) -> SystemTime {
    from_unix_seconds(1_800_000_000 + seconds)
}

pub(super) fn ensure(holds: bool, otherwise: &str) -> Kept {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

pub(super) fn ensure_conflict<T>(result: Result<T, StoreError>, otherwise: &str) -> Kept {
    match result {
        Err(StoreError::Conflict) => Ok(()),
        Err(error) => Err(format!("{otherwise}: instead of a conflict, {error}")),
        Ok(_) => Err(format!("{otherwise}: it succeeded")),
    }
}

const MOST_PAGES: usize = 1000;
