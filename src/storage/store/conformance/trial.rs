//! One check's share of the store: a realm that no application has.

use std::sync::{Arc, Weak};
use std::time::SystemTime;

use uuid::Uuid;

use crate::model::clock::from_unix_seconds;
use crate::model::cloud::{Cloud, Environment, Origins, Realm};
use crate::model::tenant::{ClientId, TenantId};
use crate::storage::seal::Sealed;
use crate::storage::store::{
    Cursor, Entry, Expect, Filter, Key, Kind, Page, Promises, Revision, Selection, Store,
    StoreError, Stored,
};

/// The store as it was opened, twice if it promises to be shared.
pub(super) struct Handles {
    first: Arc<dyn Store>,
    second: Option<Arc<dyn Store>>,
}

impl Handles {
    pub(super) fn new(first: Arc<dyn Store>, second: Option<Arc<dyn Store>>) -> Self {
        Self { first, second }
    }

    pub(super) fn promises(&self) -> Promises {
        self.first.promises()
    }

    /// Lets go of them, and tells by which one sees whether anybody else has not.
    pub(super) fn close(self) -> Vec<Weak<dyn Store>> {
        [Some(self.first), self.second].iter().flatten().map(Arc::downgrade).collect()
    }

    /// A realm in which nothing is.
    pub(super) fn trial(&self) -> Trial {
        let store = Arc::clone(&self.first);
        let other = Arc::clone(self.second.as_ref().unwrap_or(&self.first));
        Trial { promises: store.promises(), store, other, realm: realm() }
    }
}

/// A store and the realm in which one check works.
pub(super) struct Trial {
    pub(super) store: Arc<dyn Store>,
    /// The same store, by a handle of its own where it may have two.
    pub(super) other: Arc<dyn Store>,
    pub(super) realm: Realm,
    pub(super) promises: Promises,
}

/// What went wrong, in words.
pub(super) type Kept<T = ()> = Result<T, String>;

impl Trial {
    /// The same store and another realm.
    pub(super) fn beside(&self) -> Self {
        let (store, other) = (Arc::clone(&self.store), Arc::clone(&self.other));
        Self { store, other, realm: realm(), promises: self.promises }
    }

    /// This trial by one handle or the other.
    pub(super) fn by_turns(&self, turn: usize) -> Self {
        let store = Arc::clone(if turn.is_multiple_of(2) { &self.store } else { &self.other });
        let (other, realm) = (Arc::clone(&self.other), self.realm.clone());
        Self { store, other, realm, promises: self.promises }
    }

    /// The kind that most checks are made with.
    pub(super) fn kind(&self) -> Kind {
        self.promises.kinds[0]
    }

    pub(super) fn key(&self, id: &str) -> Key {
        self.key_of(self.kind(), id)
    }

    pub(super) fn key_of(&self, kind: Kind, id: &str) -> Key {
        Key::new(self.realm.clone(), kind, None, id)
    }

    pub(super) async fn found(&self, key: &Key) -> Kept<Option<Stored>> {
        self.store.get(key).await.map_err(|error| format!("a get failed: {error}"))
    }

    /// The record, which must be there.
    pub(super) async fn present(&self, key: &Key) -> Kept<Stored> {
        self.found(key).await?.ok_or_else(|| "a record that was put is not there".to_owned())
    }

    pub(super) async fn absent(&self, key: &Key) -> Kept {
        ensure(self.found(key).await?.is_none(), "a record is there that should not be")
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
        kind: Kind,
        selection: Selection,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Kept<Page> {
        let filter = Filter { realm: self.realm.clone(), kind, selection, cursor, limit };
        let page = self.store.list(filter).await;
        let page = page.map_err(|error| format!("a list failed: {error}"))?;
        ensure(page.damaged.is_empty(), "a record that was put is called damaged")?;
        ensure(page.records.len() <= limit, "a page is longer than its limit")?;
        Ok(page)
    }

    /// The ids of a whole list, read in pages of `limit`.
    pub(super) async fn ids(&self, selection: Selection, limit: usize) -> Kept<Vec<String>> {
        self.ids_of(self.kind(), selection, limit).await
    }

    pub(super) async fn ids_of(
        &self,
        kind: Kind,
        selection: Selection,
        limit: usize,
    ) -> Kept<Vec<String>> {
        let mut ids = Vec::new();
        let mut cursor = None;
        for _ in 0..MOST_PAGES {
            let page = self.page(kind, selection, cursor, limit).await?;
            ids.extend(page.records.into_iter().map(|stored| stored.key.id().to_owned()));
            cursor = page.next;
            if cursor.is_none() {
                return Ok(ids);
            }
        }
        Err("a list has no end".to_owned())
    }
}

/// A realm of its own; its cloud has a name that no real one has.
fn realm() -> Realm {
    let origins = Origins {
        login: "https://login.invalid",
        partner_center: "https://partner-center.invalid",
        graph: "https://graph.invalid",
    };
    let cloud = Cloud::custom("conformance", origins).expect("https origins");
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random).expect("an operating system has random bytes");
    let application = ClientId::parse(&Uuid::from_bytes(random).to_string());
    Realm::new(&cloud, Environment::Sandbox, application.expect("a GUID"))
}

pub(super) fn partner() -> TenantId {
    TenantId::parse("72f988bf-86f1-41af-91ab-2d7cd011db47").expect("a GUID")
}

pub(super) fn entry(text: &str, due: Option<u64>) -> Entry {
    let sealed = Sealed::from_bytes(text.as_bytes().to_vec());
    Entry { sealed, due: due.map(at) }
}

/// So many characters in which nothing repeats, so that no compression makes them fit.
pub(super) fn noise(length: usize) -> String {
    const LETTERS: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
    let mut state = 0_u64;
    let mut letter = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(LETTERS[(state >> 58) as usize])
    };
    (0..length).map(|_| letter()).collect()
}

pub(super) fn every_selection() -> [Selection; 3] {
    [Selection::All, Selection::DueBy(at(1_000_000)), Selection::ChangedAfter(Revision::ZERO)]
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
