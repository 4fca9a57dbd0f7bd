//! What takes its time, and what does not wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cpv_consent::store::{Expect, KeyVaultSecrets, Revision, Store, StoreError};
use cpv_consent::{Http, HttpError, Reqwest, VirtualClock};
use http::{Method, Request, Response, StatusCode};
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::bench::{Bench, base64, entry};
use crate::store::all;

/// A vault that takes its time for some requests: until it is let.
#[derive(Debug)]
struct Slow {
    inner: Reqwest,
    is_slow: fn(&Request<Bytes>) -> bool,
    met: Arc<Notify>,
    let_go: Arc<Notify>,
}

#[async_trait]
impl Http for Slow {
    async fn send(
        &self,
        request: Request<Bytes>,
        longest: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        if (self.is_slow)(&request) {
            self.met.notify_one();
            self.let_go.notified().await;
        }
        self.inner.send(request, longest).await
    }
}

/// What others do while a put waits in one slow request.
struct Scene {
    bench: Bench,
    store: KeyVaultSecrets,
    met: Arc<Notify>,
    let_go: Arc<Notify>,
}

impl Scene {
    async fn slow_where(is_slow: fn(&Request<Bytes>) -> bool) -> Self {
        let bench = Bench::new().await;
        bench.entra.purge_protection(true);
        let (met, let_go) = (Arc::<Notify>::default(), Arc::<Notify>::default());
        let inner = Reqwest::new().expect("a client");
        let slow = Slow { inner, is_slow, met: Arc::clone(&met), let_go: Arc::clone(&let_go) };
        let store = KeyVaultSecrets::open(bench.vault_over(slow).await).await.expect("a store");
        Self { bench, store, met, let_go }
    }

    /// A put that is slow, and what a list and two puts came to beside it.
    async fn beside_a_slow_put(&self) -> (Revision, [Revision; 2]) {
        let others = async {
            self.met.notified().await;
            let meanwhile = async {
                let first = self.bench.put(&self.store, "b", "other").await;
                let listed = self.store.list(all(&self.bench, 10)).await.expect("a page");
                assert_eq!(listed.records.len(), 1);
                [first, self.bench.put(&self.store, "c", "another").await]
            };
            let others = timeout(Duration::from_secs(20), meanwhile).await.expect("nobody waits");
            self.let_go.notify_one();
            others
        };
        tokio::join!(self.bench.put(&self.store, "a", "slow"), others)
    }
}

#[tokio::test]
async fn a_put_that_waits_for_its_name_holds_up_no_list_and_no_other_put() {
    let scene = Scene::slow_where(|request| request.uri().path().ends_with("/recover")).await;
    let removed = scene.bench.put(&scene.store, "a", "first").await;
    scene.store.remove(&scene.bench.place("a"), removed).await.expect("unmoved");
    let (slow, others) = scene.beside_a_slow_put().await;
    assert!(slow > others[1], "its revision is of the moment in which it came to be there");
}

#[tokio::test]
async fn a_put_under_way_holds_up_no_list_and_no_other_put() {
    let sets = |request: &Request<Bytes>| {
        let body = String::from_utf8_lossy(request.body());
        request.method() == Method::PUT && body.contains(&base64("slow"))
    };
    let scene = Scene::slow_where(sets).await;
    let (slow, others) = scene.beside_a_slow_put().await;
    assert!(slow < others[0] && others[0] < others[1]);
}

/// A vault that keeps a name taken, however often its secret is recovered, and whose list of secrets
/// has no end. Both take time.
#[derive(Debug)]
struct Endless {
    inner: Reqwest,
    clock: VirtualClock,
    asked: Arc<AtomicU32>,
}

impl Endless {
    async fn store(bench: &Bench) -> (KeyVaultSecrets, Arc<AtomicU32>) {
        let (inner, asked) = (Reqwest::new().expect("a client"), Arc::<AtomicU32>::default());
        let endless = Self { inner, clock: bench.clock.inner.clone(), asked: Arc::clone(&asked) };
        let store = KeyVaultSecrets::open(bench.vault_over(endless).await).await.expect("a store");
        asked.store(0, Ordering::SeqCst);
        (store, asked)
    }
}

#[async_trait]
impl Http for Endless {
    async fn send(
        &self,
        request: Request<Bytes>,
        longest: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let deleted =
            json!({ "id": request.uri().to_string(), "attributes": { "enabled": false } });
        let taken =
            json!({ "error": { "innererror": { "code": "ObjectIsDeletedButRecoverable" } } });
        let more = json!({ "value": [], "nextLink": request.uri().to_string() });
        let signed = request.headers().contains_key("authorization");
        let (status, body) = match (request.method(), request.uri().path()) {
            (&Method::PUT, _) => (StatusCode::CONFLICT, taken),
            (&Method::GET, "/secrets") if signed => (StatusCode::OK, more),
            (_, path) if path.starts_with("/deletedsecrets/") => {
                self.clock.advance(Duration::from_secs(25));
                return Ok(reply(StatusCode::OK, &deleted));
            }
            _ => return self.inner.send(request, longest).await,
        };
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.clock.advance(Duration::from_secs(1));
        Ok(reply(status, &body))
    }
}

fn reply(status: StatusCode, body: &serde_json::Value) -> Response<Bytes> {
    let reply = Response::builder().status(status).body(body.to_string().into());
    reply.expect("a status and a body")
}

#[tokio::test]
async fn a_put_that_waits_for_its_name_ends() {
    // F-09
    let bench = Bench::new().await;
    let (store, sets) = Endless::store(&bench).await;
    let put = store.put(&bench.place("a"), entry("text"), Expect::Absent).await;
    assert!(matches!(put, Err(StoreError::Unavailable { .. })), "{put:?}");
    assert_eq!(sets.load(Ordering::SeqCst), 3, "51 seconds each, and none begins after 120");
}

#[tokio::test]
async fn a_list_without_end_ends() {
    // F-09
    let bench = Bench::new().await;
    let (store, pages) = Endless::store(&bench).await;
    let listed = store.list(all(&bench, 10)).await;
    let because = "the Key Vault's reply is a list without end";
    assert_eq!(listed.map(drop), Err(StoreError::unavailable(because)));
    assert_eq!(pages.load(Ordering::SeqCst), 3600, "an hour, at a second each");
}
