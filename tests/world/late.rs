//! A store that answers when it is told to, or badly.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cpv_consent::Sealed;
use cpv_consent::store::{
    Entry, Expect, Filter, Key, Kind, Page, Promises, Revision, Store, StoreError, Stored,
};
use tokio::sync::watch;

/// It passes everything on. Clones share all of it.
#[derive(Debug, Clone)]
pub struct Late {
    inner: Arc<dyn Store>,
    held: watch::Sender<Option<Kind>>,
    held_back: watch::Sender<Option<Kind>>,
    waiting: watch::Sender<usize>,
    loses: Arc<AtomicBool>,
    lost: Arc<AtomicBool>,
    keeps: Arc<AtomicBool>,
    harms: Arc<AtomicBool>,
    denied: Arc<Mutex<Option<(Kind, StoreError)>>>,
}

impl Late {
    pub fn new(inner: impl Store) -> Self {
        let (held, held_back) = (watch::Sender::new(None), watch::Sender::new(None));
        Self {
            inner: Arc::new(inner),
            held,
            held_back,
            waiting: watch::Sender::new(0),
            loses: Arc::default(),
            lost: Arc::default(),
            keeps: Arc::default(),
            harms: Arc::default(),
            denied: Arc::default(),
        }
    }

    /// From now on what is written of this kind is there before anybody is told so, and lists of it
    /// are begun late.
    pub fn hold(&self, kind: Kind) {
        self.held.send_replace(Some(kind));
    }

    /// From now on what is to be written of this kind is written late.
    pub fn hold_back(&self, kind: Kind) {
        self.held_back.send_replace(Some(kind));
    }

    pub fn release(&self) {
        self.held.send_replace(None);
        self.held_back.send_replace(None);
    }

    /// Until somebody waits for an answer that is held.
    pub async fn waiting(&self) {
        let mut waiting = self.waiting.subscribe();
        waiting.wait_for(|waiting| *waiting > 0).await.expect("its sender is ours");
    }

    /// The next consent is written, then the store is out of reach until it is told otherwise.
    pub fn lose_answers(&self, loses: bool) {
        self.loses.store(loses, Ordering::SeqCst);
        self.lost.store(false, Ordering::SeqCst);
    }

    /// Nothing is removed.
    pub fn keep_all(&self) {
        self.keeps.store(true, Ordering::SeqCst);
    }

    /// Consents are read with a bit changed.
    pub fn harm_consents(&self) {
        self.harms.store(true, Ordering::SeqCst);
    }

    /// What is to be written of this kind is not, and this is the answer.
    pub fn deny(&self, kind: Kind, error: StoreError) {
        *self.denied.lock().expect("not poisoned") = Some((kind, error));
    }

    /// All is written again.
    pub fn allow(&self) {
        *self.denied.lock().expect("not poisoned") = None;
    }

    async fn pass(&self, gate: &watch::Sender<Option<Kind>>, kind: Kind) {
        let mut held = gate.subscribe();
        if *held.borrow_and_update() == Some(kind) {
            self.waiting.send_modify(|waiting| *waiting += 1);
            held.wait_for(|held| *held != Some(kind)).await.expect("its sender is ours");
            self.waiting.send_modify(|waiting| *waiting -= 1);
        }
    }
}

#[async_trait]
impl Store for Late {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        if self.lost.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("on purpose"));
        }
        let mut stored = self.inner.get(key).await?;
        if let Some(stored) = stored.as_mut()
            && key.kind() == Kind::Consent
            && self.harms.load(Ordering::SeqCst)
        {
            let mut sealed = stored.entry.sealed.as_bytes().to_vec();
            sealed.last_mut().into_iter().for_each(|last| *last ^= 1);
            stored.entry.sealed = Sealed::from_bytes(sealed);
        }
        Ok(stored)
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        self.pass(&self.held_back, key.kind()).await;
        match &*self.denied.lock().expect("not poisoned") {
            Some((kind, error)) if *kind == key.kind() => return Err(error.clone()),
            _ => {}
        }
        let put = self.inner.put(key, entry, expect).await;
        self.pass(&self.held, key.kind()).await;
        if key.kind() == Kind::Consent && self.loses.load(Ordering::SeqCst) {
            self.lost.store(true, Ordering::SeqCst);
            return Err(StoreError::unavailable("on purpose"));
        }
        put
    }

    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError> {
        if self.keeps.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("on purpose"));
        }
        self.inner.remove(key, at).await
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        self.pass(&self.held, filter.kind).await;
        self.inner.list(filter).await
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        self.inner.realms().await
    }

    fn promises(&self) -> Promises {
        self.inner.promises()
    }
}
