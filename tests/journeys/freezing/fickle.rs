//! A store that keeps no freeze, or shows none, when told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use cpv_consent::store::{
    Entry, Expect, Filter, Key, Kind, Page, Promises, Revision, Store, StoreError, Stored,
};

/// It passes everything on, unless told otherwise.
#[derive(Debug, Clone)]
pub struct Fickle {
    inner: Arc<dyn Store>,
    refuses: Arc<AtomicBool>,
    hides: Arc<AtomicBool>,
}

impl Fickle {
    pub fn new(inner: impl Store) -> Self {
        Self { inner: Arc::new(inner), refuses: Arc::default(), hides: Arc::default() }
    }

    /// It takes no freeze.
    pub fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }

    /// It cannot say which freezes there are.
    pub fn hide(&self, hides: bool) {
        self.hides.store(hides, Ordering::SeqCst);
    }
}

#[async_trait]
impl Store for Fickle {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.inner.get(key).await
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        if key.kind() == Kind::Freeze && self.refuses.load(Ordering::SeqCst) {
            return Err(StoreError::Full);
        }
        self.inner.put(key, entry, expect).await
    }

    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError> {
        self.inner.remove(key, at).await
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        if filter.kind == Kind::Freeze && self.hides.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("on purpose"));
        }
        self.inner.list(filter).await
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        self.inner.realms().await
    }

    fn promises(&self) -> Promises {
        self.inner.promises()
    }
}
