//! A process that dies at any call of its store: no receipt is lost, and none is written twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use cpv_consent::store::{
    Entry, Expect, Filter, Key, Memory, Page, Promises, Revision, Store, StoreError, Stored,
};
use cpv_consent::{Broker, ConsentState, Error};
use tokio::sync::Notify;

use crate::receipts::{Notary, told};
use crate::world::{MINUTE, World};

/// A store whose process dies: after so many steps it never answers again. There is a step before
/// each call and one after it.
#[derive(Debug)]
struct Mortal {
    inner: Arc<Memory>,
    left: AtomicUsize,
    died: Arc<Notify>,
}

impl Mortal {
    async fn step(&self) {
        let lives = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lives).is_err() {
            self.died.notify_one();
            std::future::pending::<()>().await;
        }
    }

    async fn between<T>(&self, call: impl Future<Output = T>) -> T {
        self.step().await;
        let done = call.await;
        self.step().await;
        done
    }
}

#[async_trait]
impl Store for Mortal {
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
        self.inner.realms().await
    }

    fn promises(&self) -> Promises {
        self.inner.promises()
    }
}

const LIFE: [&str; 3] = ["confirmed", "withdrawn", "shredded"];

/// Lets the partner go, then for good, from wherever it stands.
async fn lives(world: &World, broker: &Broker) {
    world.onboard(broker).await;
    lets_go(world, broker).await;
}

async fn lets_go(world: &World, broker: &Broker) {
    broker.partner(world.contoso).withdraw().await.expect("a tombstone");
    broker.partner(world.contoso).shred().await.expect("shredded");
}

/// How much of the life is told by what stands.
async fn lived(world: &World, broker: &Broker) -> usize {
    match broker.partner(world.contoso).consent().await {
        Ok(None) => 0,
        Ok(Some(consent)) if matches!(consent.state(), ConsentState::Withdrawn { .. }) => 2,
        Ok(Some(_)) => 1,
        Err(Error::NoConsent { .. }) => 3,
        Err(error) => panic!("{error}"),
    }
}

/// The steps to try: each, where `CPV_EVERY_EDGE` is set, else every third.
fn to_try() -> impl Iterator<Item = usize> {
    let every = std::env::var_os("CPV_EVERY_EDGE").is_some();
    (0..).step_by(if every { 1 } else { 3 })
}

#[tokio::test]
async fn a_process_that_dies_at_any_call_loses_no_receipt_and_repeats_none() {
    let (world, notary) = (World::new().await, Notary::new());
    let mut deaths = [0; 4];
    for steps in to_try() {
        let (inner, died) = (Arc::new(Memory::new()), Arc::new(Notify::new()));
        // The first broker's making is not what is tried.
        drop(world.builder(inner.clone()).build().await.expect("a broker"));
        let left = AtomicUsize::new(usize::MAX);
        let mortal = Arc::new(Mortal { inner: inner.clone(), left, died: died.clone() });
        let builder = world.builder(mortal.clone()).receipts(notary.clone());
        let broker = builder.build().await.expect("a broker");
        mortal.left.store(steps, Ordering::SeqCst);
        let has_lived = tokio::select! {
            () = lives(&world, &broker) => true,
            () = died.notified() => false,
        };
        let next = world.builder(inner).receipts(notary.clone()).build().await.expect("a broker");
        let lived = lived(&world, &next).await;
        deaths[lived] += usize::from(!has_lived);
        assert_eq!(told(&world, &next, &notary).await, LIFE[..lived], "after {steps} steps");
        world.clock.advance(MINUTE);
        match lived {
            0 => lives(&world, &next).await,
            3 => {}
            _ => lets_go(&world, &next).await,
        }
        assert_eq!(told(&world, &next, &notary).await, LIFE, "after {steps} steps, and the rest");
        if has_lived {
            assert!(deaths.iter().all(|deaths| *deaths > 0), "{deaths:?}");
            return;
        }
    }
}
