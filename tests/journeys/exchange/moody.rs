//! A store that refuses to write consents, or leases, when told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use cpv_consent::store::{
    Entry, Expect, Filter, Key, Kind, Page, Promises, Revision, Store, StoreError, Stored,
};
use cpv_consent::{Broker, Sealed};

use crate::world::World;

/// It passes everything on, unless told otherwise.
#[derive(Debug, Clone)]
pub struct Moody {
    inner: Arc<dyn Store>,
    refuses: Arc<AtomicBool>,
    refuses_leases: Arc<AtomicBool>,
    pub others_have_leases: Arc<AtomicBool>,
    looks: Arc<AtomicU64>,
}

impl Moody {
    pub fn new(inner: impl Store) -> Self {
        Self {
            inner: Arc::new(inner),
            refuses: Arc::default(),
            refuses_leases: Arc::default(),
            others_have_leases: Arc::default(),
            looks: Arc::default(),
        }
    }

    pub fn refuse_consents(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }
}

#[async_trait]
impl Store for Moody {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        if key.kind() == Kind::Lease && self.others_have_leases.load(Ordering::SeqCst) {
            // Its owner lives: it has moved at every look.
            let revision = Revision::new(self.looks.fetch_add(1, Ordering::SeqCst));
            let entry = Entry { sealed: Sealed::from_bytes(Vec::new()), due: None };
            return Ok(Some(Stored { key: key.clone(), entry, revision }));
        }
        self.inner.get(key).await
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        let refused = match key.kind() {
            Kind::Consent => self.refuses.load(Ordering::SeqCst),
            Kind::Lease => self.refuses_leases.load(Ordering::SeqCst),
            _ => false,
        };
        if refused {
            return Err(StoreError::Full);
        }
        self.inner.put(key, entry, expect).await
    }

    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError> {
        self.inner.remove(key, at).await
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        self.inner.list(filter).await
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        self.inner.realms().await
    }

    fn promises(&self) -> Promises {
        self.inner.promises()
    }
}

/// A broker whose store takes no leases.
pub async fn unleased(world: &World) -> Broker {
    let store = Moody::new(world.store().await);
    store.refuses_leases.store(true, Ordering::SeqCst);
    world.builder(store).build().await.expect("a broker")
}
