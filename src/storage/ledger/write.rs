//! Writes whose outcome the store could not tell: what is there now tells it.

use crate::storage::ledger::LedgerError;
use crate::storage::store::{Entry, Expect, Key, Revision, Store, StoreError, Stored};

/// Puts an entry. A row that has not moved says that a put of unknown outcome did not happen; the
/// sealed bytes of one that has say whose put it was, for no two entries have the same.
pub(super) async fn put(
    store: &dyn Store,
    key: &Key,
    entry: Entry,
    expect: Expect,
) -> Result<Revision, LedgerError> {
    let sealed = entry.sealed.clone();
    let unknown = match store.put(key, entry, expect).await {
        Err(error @ StoreError::Unavailable { .. }) => error,
        known => return Ok(known?),
    };
    match store.get(key).await {
        Ok(stored) if unchanged(stored.as_ref(), expect) => Err(unknown.into()),
        Ok(Some(stored)) if stored.entry.sealed == sealed => Ok(stored.revision),
        Ok(_) => Err(LedgerError::Conflict),
        Err(_) => Err(unknown.into()),
    }
}

/// Removes a record.
pub(super) async fn remove(store: &dyn Store, key: &Key, at: Revision) -> Result<(), LedgerError> {
    let unknown = match store.remove(key, at).await {
        Err(error @ StoreError::Unavailable { .. }) => error,
        known => return Ok(known?),
    };
    match store.get(key).await {
        Ok(None) => Ok(()),
        Ok(stored) if !unchanged(stored.as_ref(), Expect::At(at)) => Err(LedgerError::Conflict),
        _ => Err(unknown.into()),
    }
}

fn unchanged(stored: Option<&Stored>, expect: Expect) -> bool {
    match (stored, expect) {
        (None, Expect::Absent) => true,
        (Some(stored), Expect::At(revision)) => stored.revision == revision,
        _ => false,
    }
}
