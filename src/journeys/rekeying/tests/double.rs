//! A store and keys that fail on cue.

use std::sync::atomic::AtomicU64;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::*;
use crate::storage::keyring::{DataKey, KeyWrap};
use crate::storage::store::{Filter, Page, Promises, StoreError};

/// What becomes of one put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    HangsBefore,
    HangsAfter,
    Waits,
    LostBefore,
    LostAfter,
    Panics,
}

/// A store that processes share, and in which one put meets its fate.
#[derive(Debug)]
pub(super) struct Stage {
    inner: Arc<Memory>,
    puts: AtomicU64,
    cue: Option<(u64, Fate)>,
    damaged: bool,
    hung: Notify,
    waiting: Notify,
}

impl Stage {
    pub(super) fn over(inner: Arc<Memory>) -> Self {
        Self {
            inner,
            puts: AtomicU64::new(0),
            cue: None,
            damaged: false,
            hung: Notify::new(),
            waiting: Notify::new(),
        }
    }

    pub(super) fn at_put(self, number: u64, fate: Fate) -> Self {
        Self { cue: Some((number, fate)), ..self }
    }

    /// Whether each list of partner keys names a row that it cannot make out.
    pub(super) fn damaged(self, damaged: bool) -> Self {
        Self { damaged, ..self }
    }

    pub(super) async fn hung(&self) {
        self.hung.notified().await;
    }

    pub(super) fn go_on(&self) {
        self.waiting.notify_one();
    }

    async fn hang<T>(&self) -> T {
        self.hung.notify_one();
        std::future::pending().await
    }
}

#[async_trait]
impl Store for Stage {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.inner.get(key).await
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        let number = self.puts.fetch_add(1, Ordering::SeqCst);
        let lost = || Err(StoreError::unavailable("the answer was lost"));
        match self.cue.filter(|(at, _)| *at == number).map(|(_, fate)| fate) {
            None => self.inner.put(key, entry, expect).await,
            Some(Fate::HangsBefore) => self.hang().await,
            Some(Fate::HangsAfter) => {
                self.inner.put(key, entry, expect).await?;
                self.hang().await
            }
            Some(Fate::Waits) => {
                self.hung.notify_one();
                self.waiting.notified().await;
                self.inner.put(key, entry, expect).await
            }
            Some(Fate::LostBefore) => lost(),
            Some(Fate::LostAfter) => {
                self.inner.put(key, entry, expect).await?;
                lost()
            }
            Some(Fate::Panics) => panic!("on purpose"),
        }
    }

    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError> {
        self.inner.remove(key, at).await
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        let damaged = self.damaged && filter.kind == Kind::PartnerKey;
        let mut page = self.inner.list(filter).await?;
        page.damaged.extend(damaged.then(|| "torn".to_owned()));
        Ok(page)
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        self.inner.realms().await
    }

    fn promises(&self) -> Promises {
        Promises { shared_between_processes: true, ..self.inner.promises() }
    }
}

/// A key that is gone after some calls, until it comes back. Clones are one.
#[derive(Debug, Clone)]
pub(super) struct Fading(Arc<(LocalKey, AtomicU64)>);

impl Fading {
    pub(super) fn new(key: LocalKey, calls: u64) -> Self {
        Self(Arc::new((key, AtomicU64::new(calls))))
    }

    pub(super) fn comes_back(&self) {
        self.0.1.store(u64::MAX, Ordering::SeqCst);
    }

    fn call(&self) -> Result<&LocalKey, KeyError> {
        let (key, left) = &*self.0;
        let one_less = |left: u64| left.checked_sub(1);
        let gone = |_| KeyError::Gone { id: key.id().clone(), because: "it was deleted".into() };
        left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).map_err(gone)?;
        Ok(key)
    }
}

#[async_trait]
impl KeyWrap for Fading {
    fn id(&self) -> &KeyId {
        self.0.0.id()
    }

    async fn wrap(&self, key: &DataKey) -> Result<Vec<u8>, KeyError> {
        self.call()?.wrap(key).await
    }

    async fn unwrap(&self, wrapped: &[u8]) -> Result<DataKey, KeyError> {
        self.call()?.unwrap(wrapped).await
    }

    fn origin(&self) -> &DataKey {
        self.0.0.origin()
    }
}

/// A key that wraps, after some calls, another key than it was given.
#[derive(Debug)]
pub(super) struct Forgetful {
    key: LocalKey,
    sound: AtomicU64,
}

impl Forgetful {
    pub(super) fn after(sound: u64, key: LocalKey) -> Self {
        Self { key, sound: AtomicU64::new(sound) }
    }
}

#[async_trait]
impl KeyWrap for Forgetful {
    fn id(&self) -> &KeyId {
        self.key.id()
    }

    async fn wrap(&self, key: &DataKey) -> Result<Vec<u8>, KeyError> {
        let one_less = |left: u64| left.checked_sub(1);
        match self.sound.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less) {
            Ok(_) => self.key.wrap(key).await,
            Err(_) => self.key.wrap(&DataKey::generate()?).await,
        }
    }

    async fn unwrap(&self, wrapped: &[u8]) -> Result<DataKey, KeyError> {
        self.key.unwrap(wrapped).await
    }

    fn origin(&self) -> &DataKey {
        self.key.origin()
    }
}
