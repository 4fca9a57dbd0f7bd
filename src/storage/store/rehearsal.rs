//! One record's life in a store, put there for a trial and taken out again.
//!
//! It is the shortest look at what [`Store`] promises: for the whole of it there is
//! [`conformance`](super::conformance).

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::model::clock::{from_unix_seconds, unix_seconds};
use crate::model::cloud::Realm;
use crate::model::secret::random;
use crate::storage::seal::Sealed;
use crate::storage::store::{
    Entry, Expect, Filter, Key, Kind, Selection, Store, StoreError, Stored,
};

/// How far a store was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tried {
    /// A record was written, read, replaced and removed.
    Written,
    /// It was read only: it keeps consents alone, and a made-up one could be taken for somebody's.
    Read,
}

/// Why a store is none to begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unkept {
    Failed(StoreError),
    /// What was promised and not kept.
    Promise(&'static str),
}

impl From<StoreError> for Unkept {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// Tries a store in this realm, under an id that nobody else has. What is left behind when the store
/// fails half-way is due at `now`, so that a sweep takes it.
pub(crate) async fn rehearse(
    store: &dyn Store,
    realm: &Realm,
    now: SystemTime,
) -> Result<Tried, Unkept> {
    let promises = store.promises();
    let id = format!("rehearsal-{}", URL_SAFE_NO_PAD.encode(random::<16>()));
    let kinds = promises.kinds;
    if !kinds.contains(&Kind::Lease) {
        let kind = kinds.first().copied().unwrap_or(Kind::Consent);
        read_only(store, Key::new(realm.clone(), kind, None, id)).await?;
        return Ok(Tried::Read);
    }
    let key = Key::new(realm.clone(), Kind::Lease, None, id);
    let lived = live(store, &key, now).await;
    if lived.is_err() {
        clear(store, &key).await;
    }
    lived.map(|()| Tried::Written)
}

async fn read_only(store: &dyn Store, key: Key) -> Result<(), Unkept> {
    ensure(store.get(&key).await?.is_none(), "a_put_is_read_back")?;
    let (realm, kind) = (key.realm().clone(), key.kind());
    let filter = Filter { realm, kind, selection: Selection::All, cursor: None, limit: 1 };
    Ok(store.list(filter).await.map(drop)?)
}

async fn live(store: &dyn Store, key: &Key, now: SystemTime) -> Result<(), Unkept> {
    ensure(store.get(key).await?.is_none(), "a_put_is_read_back")?;
    let first = store.put(key, entry(now), Expect::Absent).await?;
    let again = store.put(key, entry(now), Expect::Absent).await;
    ensure_conflict(again, "absent_means_absent")?;
    let entry = entry(now);
    let second = store.put(key, entry.clone(), Expect::At(first)).await?;
    ensure(second > first, "revisions_grow_and_are_never_reused")?;
    let stale = store.put(key, entry.clone(), Expect::At(first)).await;
    ensure_conflict(stale, "a_moved_revision_conflicts")?;
    let found = store.get(key).await?;
    let same = |found: Stored| found.entry == entry && found.revision == second;
    ensure(found.is_some_and(same), "a_put_is_read_back")?;
    store.remove(key, second).await?;
    ensure(store.get(key).await?.is_none(), "a_removed_record_is_gone")
}

/// Best effort: a sweep does the rest.
async fn clear(store: &dyn Store, key: &Key) {
    if let Ok(Some(left)) = store.get(key).await {
        let _ = store.remove(key, left.revision).await;
    }
}

/// Bytes that nobody can open, in whole seconds as every store keeps them.
fn entry(now: SystemTime) -> Entry {
    let sealed = Sealed::from_bytes(random::<256>().to_vec());
    Entry { sealed, due: Some(from_unix_seconds(unix_seconds(now))) }
}

fn ensure(holds: bool, promise: &'static str) -> Result<(), Unkept> {
    if holds { Ok(()) } else { Err(Unkept::Promise(promise)) }
}

fn ensure_conflict<T>(put: Result<T, StoreError>, promise: &'static str) -> Result<(), Unkept> {
    match put {
        Err(StoreError::Conflict) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err(Unkept::Promise(promise)),
    }
}
