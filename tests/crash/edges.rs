//! Wrappers around what the host brings, which end the process at one of their edges.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use cpv_consent::store::{
    Entry, Expect, Filter, Key, Page, Promises, Revision, Store, StoreError, Stored,
};
use cpv_consent::{Http, HttpError, Reqwest};
use http::{Request, Response};
use url::form_urlencoded;

/// The edges to try, from the first: each, where `CPV_EVERY_EDGE` is set, else every eighth.
pub fn to_try() -> impl Iterator<Item = usize> {
    let every = std::env::var_os("CPV_EVERY_EDGE").is_some();
    (1..).step_by(if every { 1 } else { 8 })
}

/// How many edges are left to pass, and what happens at the last. Clones share it.
#[derive(Debug, Clone)]
pub struct Edges {
    left: Arc<AtomicUsize>,
    /// Who is told that somebody stays there for ever; otherwise the process ends.
    stalled: Option<fn()>,
}

impl Edges {
    pub fn dies_at(edge: usize) -> Self {
        Self { left: Arc::new(AtomicUsize::new(edge)), stalled: None }
    }

    /// Whoever comes to this edge never passes it.
    pub fn stalls_at(edge: usize, stalled: fn()) -> Self {
        Self { stalled: Some(stalled), ..Self::dies_at(edge) }
    }

    pub fn never() -> Self {
        Self::dies_at(usize::MAX)
    }

    async fn pass(&self) {
        if self.left.fetch_sub(1, Ordering::SeqCst) != 1 {
            return;
        }
        let Some(stalled) = self.stalled else { die() };
        stalled();
        std::future::pending().await
    }
}

/// As `kill -9` does: nothing is finished, nothing is flushed.
fn die() -> ! {
    let _ = Command::new("kill").args(["-9", &std::process::id().to_string()]).status();
    loop {
        std::thread::park();
    }
}

/// A store with an edge before and after each call.
#[derive(Debug)]
pub struct EdgedStore<S> {
    pub inner: S,
    pub edges: Edges,
}

impl<S> EdgedStore<S> {
    async fn between<T>(&self, call: impl Future<Output = T>) -> T {
        self.edges.pass().await;
        let done = call.await;
        self.edges.pass().await;
        done
    }
}

#[async_trait]
impl<S: Store> Store for EdgedStore<S> {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.between(self.inner.get(key)).await
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        self.between(self.inner.put(key, entry, expect)).await
    }

    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError> {
        self.between(self.inner.remove(key, at)).await
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        self.between(self.inner.list(filter)).await
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        self.between(self.inner.realms()).await
    }

    fn promises(&self) -> Promises {
        self.inner.promises()
    }
}

/// The crate's own client with an edge before and after each request. What must never lie in a
/// store is written down beside it, as soon as it is known.
#[derive(Debug, Clone)]
pub struct EdgedHttp {
    pub inner: Reqwest,
    pub edges: Edges,
    pub secrets: PathBuf,
}

impl EdgedHttp {
    fn note_request(&self, body: &[u8]) {
        for (name, value) in form_urlencoded::parse(body) {
            if ["code", "code_verifier", "refresh_token"].contains(&&*name) {
                note(&self.secrets, &name, &value);
            }
        }
    }

    fn note_reply(&self, body: &[u8]) {
        let reply: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        for name in ["access_token", "refresh_token", "id_token"] {
            if let Some(value) = reply.get(name).and_then(|value| value.as_str()) {
                note(&self.secrets, name, value);
            }
        }
    }
}

pub fn note(secrets: &PathBuf, name: &str, value: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(secrets).expect("a file");
    writeln!(file, "{name} {value}").expect("room");
}

#[async_trait]
impl Http for EdgedHttp {
    async fn send(
        &self,
        request: Request<Bytes>,
        longest_body: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        self.note_request(request.body());
        self.edges.pass().await;
        let reply = self.inner.send(request, longest_body).await?;
        self.note_reply(reply.body());
        self.edges.pass().await;
        Ok(reply)
    }
}
