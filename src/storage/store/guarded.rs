//! A host's store that panics: an error like another, and nobody's lock stays held.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use async_trait::async_trait;

use crate::storage::store::{
    Entry, Expect, Filter, Key, Page, Promises, Revision, Store, StoreError, Stored,
};

/// Passes every call on, and takes a panic for a call of unknown outcome, or for a store that
/// promises nothing.
pub(crate) struct Guarded(Arc<dyn Store>);

impl Guarded {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }
}

#[async_trait]
impl Store for Guarded {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        caught(async { self.0.get(key).await }).await
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        caught(async { self.0.put(key, entry, expect).await }).await
    }

    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError> {
        caught(async { self.0.remove(key, at).await }).await
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        caught(async { self.0.list(filter).await }).await
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        caught(async { self.0.realms().await }).await
    }

    fn promises(&self) -> Promises {
        catch_unwind(AssertUnwindSafe(|| self.0.promises())).unwrap_or(Promises::NONE)
    }
}

impl fmt::Debug for Guarded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// A call that has panicked is not polled again, so nothing that it left half done is looked at.
async fn caught<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let mut call = pin!(call);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(context)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(StoreError::unavailable("it panicked"))))
    })
    .await
}
