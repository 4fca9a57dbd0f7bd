//! Stores and key providers of hosts that panic, at each of their calls.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cpv_consent::emulator::Emulator;
use cpv_consent::store::{
    Entry, Expect, Filter, Key, Kind, Memory, Page, Promises, Revision, Selection, Store,
    StoreError, Stored,
};
use cpv_consent::{
    Broker, ConsentState, DataKey, Error, KeyError, KeyId, KeyRing, KeyWrap, LocalKey,
};

use crate::edges;
use crate::scene::{RING_KEY, Scene};

/// Which of the calls to come panics, if any. Clones share it.
#[derive(Debug, Clone, Default)]
struct Stumble {
    /// One less at each call; at the step from one to nothing it panics.
    left: Arc<AtomicUsize>,
    has_stumbled: Arc<AtomicBool>,
}

impl Stumble {
    fn at(&self, call: usize) {
        self.has_stumbled.store(false, Ordering::SeqCst);
        self.left.store(call, Ordering::SeqCst);
    }

    fn never(&self) {
        self.left.store(0, Ordering::SeqCst);
    }

    fn has_stumbled(&self) -> bool {
        self.has_stumbled.load(Ordering::SeqCst)
    }

    fn step(&self) {
        let next = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next) == Ok(1) {
            self.has_stumbled.store(true, Ordering::SeqCst);
            panic!("on purpose");
        }
    }
}

/// A store that several processes may share, and that panics before or after one of its calls.
#[derive(Debug, Default)]
struct Clumsy {
    inner: Memory,
    stumble: Stumble,
}

impl Clumsy {
    async fn between<T>(&self, call: impl Future<Output = T>) -> T {
        self.stumble.step();
        let done = call.await;
        self.stumble.step();
        done
    }

    async fn count(&self, scene: &Scene, kind: Kind) -> usize {
        let (realm, selection, cursor) = (scene.app().realm(), Selection::All, None);
        let filter = Filter { realm, kind, selection, cursor, limit: usize::MAX };
        self.inner.list(filter).await.expect("memory").records.len()
    }
}

#[async_trait]
impl Store for Clumsy {
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
        self.stumble.step();
        Promises { shared_between_processes: true, durable: true, ..self.inner.promises() }
    }
}

/// A key whose provider panics before or after one of its calls.
#[derive(Debug)]
struct ClumsyKey {
    inner: LocalKey,
    stumble: Stumble,
}

#[async_trait]
impl KeyWrap for ClumsyKey {
    fn id(&self) -> &KeyId {
        self.inner.id()
    }

    async fn wrap(&self, key: &DataKey) -> Result<Vec<u8>, KeyError> {
        self.stumble.step();
        let wrapped = self.inner.wrap(key).await;
        self.stumble.step();
        wrapped
    }

    async fn unwrap(&self, wrapped: &[u8]) -> Result<DataKey, KeyError> {
        self.stumble.step();
        let key = self.inner.unwrap(wrapped).await;
        self.stumble.step();
        key
    }

    fn origin(&self) -> &DataKey {
        self.stumble.step();
        self.inner.origin()
    }
}

/// What the host brings, and what is done with it.
struct Host {
    scene: Scene,
    store: Arc<Clumsy>,
    key: Stumble,
    folder: tempfile::TempDir,
}

impl Host {
    fn of(scene: Scene) -> Arc<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        Arc::new(Self { scene, store: Arc::default(), key: Stumble::default(), folder })
    }

    async fn broker(&self, scene: &Scene) -> Result<Broker, Error> {
        let inner = LocalKey::from_base64("crash-1", RING_KEY).expect("a random key");
        let key = ClumsyKey { inner, stumble: self.key.clone() };
        // So that each use asks for the key again.
        let ring = KeyRing::new(key).cached_for(Duration::ZERO);
        scene.builder_with(self.store.clone(), ring).build().await
    }

    /// A broker is built; the partner consents if it has not, and takes tokens.
    async fn lives(&self, scene: &Scene) -> Result<(), Error> {
        let broker = self.broker(scene).await?;
        let lived = self.uses(&broker).await;
        broker.close(Duration::from_secs(10)).await;
        lived
    }

    async fn uses(&self, broker: &Broker) -> Result<(), Error> {
        if broker.partner(self.scene.partner()).consent().await?.is_none() {
            self.scene.onboard(broker, &self.folder.path().join("secrets")).await?;
        }
        self.scene.take_tokens(broker).await
    }

    /// The partner's consent works, nobody holds the partner up, and no lease is left behind.
    async fn assert_whole(&self, call: usize) {
        let later = self.scene.later().later();
        self.lives(&later)
            .await
            .unwrap_or_else(|error| panic!("after a panic at call {call}: {error}"));
        let broker = self.broker(&later).await.expect("a broker");
        let consent = broker.partner(self.scene.partner()).consent().await.expect("readable");
        assert_eq!(*consent.expect("stored").state(), ConsentState::Live);
        broker.close(Duration::from_secs(10)).await;
        assert_eq!(self.store.count(&self.scene, Kind::Lease).await, 0, "call {call}");
    }
}

/// A first life, or one of a partner who has consented, again and again with a later panic, until
/// one has none; returns how many there were.
async fn lives_with_every_panic(onboarded: bool, of: fn(&Host) -> &Stumble) -> usize {
    let entra = Emulator::builder().start().await.expect("free ports");
    for call in edges::to_try() {
        let host = Host::of(Scene::on(&entra));
        if onboarded {
            host.lives(&host.scene).await.expect("nothing panics yet");
        }
        of(&host).at(call);
        let life = {
            let host = host.clone();
            tokio::spawn(async move { host.lives(&host.scene.later()).await })
        };
        let lived = life.await.unwrap_or_else(|_| panic!("the panic at call {call} got through"));
        of(&host).never();
        if !of(&host).has_stumbled() {
            lived.expect("nothing panicked");
            return call - 1;
        }
        if let Err(error) = lived {
            assert_typed(&error, call);
        }
        host.assert_whole(call).await;
    }
    unreachable!("a life has an end")
}

/// It says what broke its word.
fn assert_typed(error: &Error, call: usize) {
    let typed = match error {
        Error::Store(StoreError::Unavailable { because }) => because.contains("panicked"),
        Error::Key { error: KeyError::Panicked { id }, .. } => id.as_str() == "crash-1",
        // What the store promises is not known, so the broker is not built.
        Error::Setting(invalid) => invalid.field() == "store",
        _ => false,
    };
    assert!(typed, "at call {call}: {error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_at_any_call_of_the_hosts_store_is_an_error_and_holds_nobody_up() {
    // F-31, R-138
    for (onboarded, least) in [(false, 60), (true, 30)] {
        let calls = lives_with_every_panic(onboarded, |host| &host.store.stumble).await;
        assert!(calls > least, "{calls} calls");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_at_any_call_of_the_hosts_key_provider_is_an_error_and_holds_nobody_up() {
    // F-31, R-138
    for (onboarded, least) in [(false, 6), (true, 6)] {
        let calls = lives_with_every_panic(onboarded, |host| &host.key).await;
        assert!(calls > least, "{calls} calls");
    }
}
