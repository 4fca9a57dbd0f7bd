//! What the suite asks of a store that is far away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use cpv_consent::store::conformance;
use cpv_consent::store::{
    Entry, Expect, Filter, Key, Kind, Memory, Page, Promises, Revision, Store, StoreError, Stored,
};

/// A store for consents alone, with short records and ids, that gives no guarantee between writers.
#[derive(Debug, Default)]
struct Modest {
    inner: Memory,
    calls: AtomicUsize,
}

impl Modest {
    fn inner(&self) -> &Memory {
        self.calls.fetch_add(1, Ordering::Relaxed);
        &self.inner
    }
}

#[async_trait]
impl Store for Modest {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.inner().get(key).await
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        self.promises().admit(key, &entry)?;
        self.inner().put(key, entry, expect).await
    }

    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError> {
        self.inner().remove(key, at).await
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        self.inner().list(filter).await
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        self.inner().realms().await
    }

    fn promises(&self) -> Promises {
        const CONSENTS: [Kind; 1] = [Kind::Consent];
        Promises { kinds: &CONSENTS, longest_record: 50, longest_id: 60, ..Promises::NONE }
    }
}

#[tokio::test]
async fn a_modest_store_is_asked_little_and_for_nothing_that_it_does_not_promise() {
    let modest = Arc::new(Modest::default());
    let store: Arc<dyn Store> = modest.clone();
    let report = conformance::check(|| async { Ok(store.clone()) }).await;
    let report = report.expect("it promises no more than it keeps");
    let unpromised = ["one_of_many_racing_writers_wins", "what_was_written_survives_reopening"];
    assert_eq!(report.unpromised, unpromised);
    let calls = modest.calls.load(Ordering::Relaxed);
    assert!(calls < 600, "{calls} calls");
}

#[tokio::test]
async fn the_suite_can_be_run_again_on_the_store_that_it_has_filled() {
    let store: Arc<dyn Store> = Arc::new(Modest::default());
    for _ in 0..2 {
        let report = conformance::check(|| async { Ok(store.clone()) }).await;
        report.expect("it promises no more than it keeps");
    }
}
