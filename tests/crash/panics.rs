//! Stores of hosts that panic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use cpv_consent::emulator::Emulator;
use cpv_consent::store::{
    Entry, Expect, Filter, Key, Kind, Memory, Page, Promises, Revision, Store, StoreError, Stored,
};
use cpv_consent::{Error, Resource};

use crate::scene::Scene;

/// A store that panics when it is asked for consents, when told to.
#[derive(Debug, Default)]
struct Clumsy {
    inner: Memory,
    on_reads: AtomicBool,
    on_writes: AtomicBool,
}

impl Clumsy {
    fn stumble(&self, over: &AtomicBool, key: &Key) {
        let stumbles = key.kind() == Kind::Consent && over.load(Ordering::SeqCst);
        assert!(!stumbles, "on purpose");
    }
}

#[async_trait]
impl Store for Clumsy {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.stumble(&self.on_reads, key);
        self.inner.get(key).await
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        self.stumble(&self.on_writes, key);
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

#[tokio::test]
async fn a_panic_in_the_hosts_store_is_an_error_and_holds_nobody_up() {
    // F-31, R-138
    let entra = Emulator::builder().start().await.expect("free ports");
    let scene = Scene::on(&entra);
    let store = Arc::new(Clumsy::default());
    let broker = scene.builder(store.clone()).build().await.expect("a broker");
    let folder = tempfile::tempdir().expect("a folder");
    scene.onboard(&broker, &folder.path().join("secrets")).await.expect("a consent");

    store.on_writes.store(true, Ordering::SeqCst);
    scene.take_tokens(&broker).await.expect("what could not be saved waits in memory");
    store.on_reads.store(true, Ordering::SeqCst);
    let stranger = scene.builder(store.clone()).build().await.expect("a broker");
    let partner = stranger.partner(scene.partner());
    for _ in 0..3 {
        let refused = partner.token(Resource::PartnerCenter).await.expect_err("it panics");
        assert!(matches!(refused, Error::Store(StoreError::Unavailable { .. })), "{refused}");
    }
    store.on_reads.store(false, Ordering::SeqCst);
    store.on_writes.store(false, Ordering::SeqCst);
    scene.take_tokens(&stranger).await.expect("nobody holds the partner's lane");
}
