//! What other processes have changed is looked up while tokens from memory are still handed out.

use std::future::{Future, IntoFuture, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use cpv_consent::store::{
    Entry, Expect, Filter, Key, Page, Promises, Revision, Store, StoreError, Stored,
};
use cpv_consent::{Absence, Broker, Error, Resource, Token};
use tokio::sync::watch;

use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);
/// What is frozen, and which consents have changed.
const LISTS_OF_A_LOOK: usize = 2;

/// A store that keeps those waiting who ask for a list, as long as it is told to.
#[derive(Debug, Clone)]
struct Slow {
    inner: Arc<dyn Store>,
    shut: Arc<watch::Sender<bool>>,
    lists: Arc<AtomicUsize>,
}

impl Slow {
    fn new(inner: impl Store) -> Self {
        let shut = Arc::new(watch::Sender::new(false));
        Self { inner: Arc::new(inner), shut, lists: Arc::default() }
    }

    fn shut(&self, shut: bool) {
        self.shut.send_replace(shut);
    }

    fn lists(&self) -> usize {
        self.lists.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Store for Slow {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.inner.get(key).await
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        self.inner.put(key, entry, expect).await
    }

    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError> {
        self.inner.remove(key, at).await
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        self.lists.fetch_add(1, Ordering::SeqCst);
        let mut shut = self.shut.subscribe();
        shut.wait_for(|shut| !shut).await.expect("it can be opened");
        self.inner.list(filter).await
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        self.inner.realms().await
    }

    fn promises(&self) -> Promises {
        self.inner.promises()
    }
}

/// A broker that has just looked, with a token in memory.
async fn just_looked() -> (World, Broker, Slow) {
    let world = World::new().await;
    let store = Slow::new(world.store().await);
    let broker = world.builder(store.clone()).build().await.expect("a broker");
    world.onboard(&broker).await;
    ask(&world, &broker).await.expect("a token");
    world.clock.advance(6 * SECOND);
    ask(&world, &broker).await.expect("a token");
    (world, broker, store)
}

async fn ask(world: &World, broker: &Broker) -> Result<Token, Error> {
    broker.partner(world.contoso).customer(world.fabrikam).token(Resource::Graph).await
}

/// The token, if it is there without any waiting.
async fn at_once(world: &World, broker: &Broker) -> Option<Token> {
    let customer = broker.partner(world.contoso).customer(world.fabrikam);
    let mut asked = pin!(customer.token(Resource::Graph).into_future());
    let first = poll_fn(|context| Poll::Ready(asked.as_mut().poll(context))).await;
    match first {
        Poll::Ready(token) => Some(token.expect("a token")),
        Poll::Pending => None,
    }
}

async fn until(happened: impl AsyncFn() -> bool) {
    for _ in 0..10_000 {
        if happened().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it did not happen");
}

#[tokio::test]
async fn nobody_waits_for_a_store_that_says_in_two_seconds_what_has_changed() {
    let (world, broker, store) = just_looked().await;
    let before = store.lists();
    store.shut(true);
    for age in 1..=5 {
        world.clock.advance(SECOND);
        for _ in 0..100 {
            at_once(&world, &broker).await.expect("without waiting");
        }
        let looks = if age < 3 { 0 } else { LISTS_OF_A_LOOK };
        until(async || store.lists() == before + looks).await;
    }
    store.shut(false);
    world.clock.advance(SECOND);
    // Six seconds after the first look and three after the other one, which has an answer by now.
    until(async || at_once(&world, &broker).await.is_some()).await;
}

#[tokio::test]
async fn a_slower_store_is_waited_for_and_no_withdrawal_is_missed() {
    //
    let (world, broker, store) = just_looked().await;
    store.shut(true);
    world.clock.advance(3 * SECOND);
    at_once(&world, &broker).await.expect("without waiting");
    let other = world.broker().await;
    other.partner(world.contoso).withdraw().await.expect("let go");
    world.clock.advance(3 * SECOND);
    assert!(at_once(&world, &broker).await.is_none(), "the last answer is six seconds old");
    store.shut(false);
    let error = ask(&world, &broker).await.expect_err("withdrawn elsewhere");
    assert!(matches!(error, Error::NoConsent { absence: Absence::Withdrawn, .. }), "{error:?}");
}

#[test]
fn who_asks_outside_of_the_runtime_begins_nothing() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (world, broker, store) = runtime.block_on(just_looked());
    let handle = broker.partner(world.contoso).customer(world.fabrikam).access(Resource::Graph);
    let before = store.lists();
    world.clock.advance(4 * SECOND);
    let asked = handle.token();
    runtime.block_on(asked).expect("at hand");
    assert_eq!(store.lists(), before);
    runtime.block_on(async { handle.token().await }).expect("at hand");
    runtime.block_on(until(async || store.lists() == before + LISTS_OF_A_LOOK));
    runtime.block_on(async move { drop((world, broker, handle)) });
}
