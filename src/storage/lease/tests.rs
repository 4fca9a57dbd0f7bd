use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;

use super::*;
use crate::model::clock::VirtualClock;
use crate::model::cloud::{Cloud, Environment, Realm};
use crate::model::tenant::ClientId;
use crate::storage::keyring::{KeyRing, LocalKey};
use crate::storage::ledger::Stores;
use crate::storage::store::{
    Entry, Expect, Filter, Key, Memory, Page, Promises, Store, StoreError, Stored,
};

/// A store that processes share, in memory, and that refuses what it is told to refuse.
#[derive(Debug, Default)]
pub(crate) struct Common {
    inner: Memory,
    pub(crate) refuses_writes: AtomicBool,
    pub(crate) refuses_lists: AtomicBool,
    /// Somebody else always writes first.
    pub(crate) is_late: AtomicBool,
    pub(crate) hangs: AtomicBool,
    /// The longest page that anybody asked for.
    pub(crate) longest_page: AtomicUsize,
    /// How many records were listed.
    pub(crate) listed: AtomicUsize,
}

#[async_trait]
impl Store for Common {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.inner.get(key).await
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        if self.refuses_writes.load(Ordering::SeqCst) {
            return Err(StoreError::Full);
        }
        if self.is_late.load(Ordering::SeqCst) {
            return Err(StoreError::Conflict);
        }
        self.inner.put(key, entry, expect).await
    }

    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError> {
        self.inner.remove(key, at).await
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        if self.refuses_lists.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("on purpose"));
        }
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.longest_page.fetch_max(filter.limit, Ordering::SeqCst);
        let page = self.inner.list(filter).await?;
        self.listed.fetch_add(page.records.len(), Ordering::SeqCst);
        Ok(page)
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        self.inner.realms().await
    }

    fn promises(&self) -> Promises {
        Promises { compare_and_swap: true, shared_between_processes: true, ..Promises::NONE }
    }
}

/// Processes that share a store, a ring and a clock.
pub(crate) struct Fleet {
    pub(crate) store: Arc<Common>,
    pub(crate) ring: KeyRing,
    pub(crate) clock: VirtualClock,
}

impl Fleet {
    pub(crate) fn new() -> Self {
        let ring = KeyRing::new(LocalKey::generate("2026-11").expect("a key"));
        Self { store: Arc::default(), ring, clock: VirtualClock::default() }
    }

    pub(crate) fn realm() -> Realm {
        let application = ClientId::parse("11111111-1111-4111-8111-111111111111").expect("a GUID");
        Realm::new(&Cloud::Global, Environment::Production, application)
    }

    /// What another process would open.
    pub(crate) fn ledger(&self) -> Ledger {
        let stores = Stores::new(self.store.clone(), None);
        Ledger::new(stores, self.ring.clone(), Self::realm(), Arc::new(self.clock.clone()))
    }

    fn leases(&self, owner: &str) -> Leases {
        Leases::new(self.ledger(), Arc::new(self.clock.clone()), owner.to_owned())
    }

    /// Lets tasks run until so many of them wait for the clock.
    pub(crate) async fn waiting(&self, sleepers: usize) {
        while self.clock.sleepers() < sleepers {
            tokio::task::yield_now().await;
        }
    }

    /// Time passes in small steps, and every task runs after each.
    pub(crate) async fn pass(&self, time: Duration) {
        let step = Duration::from_millis(250);
        for _ in 0..time.as_millis() / step.as_millis() {
            self.clock.advance(step);
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
        }
    }
}

fn errand() -> Errand {
    Errand { name: "work".to_owned(), partner: None }
}

const PATIENCE: Duration = Duration::from_secs(60);

fn waiter(leases: &Leases) -> JoinHandle<Result<Lease, LeaseError>> {
    let leases = leases.clone();
    tokio::spawn(async move { leases.take(errand(), PATIENCE).await })
}

#[tokio::test]
async fn one_at_a_time_has_a_lease_and_the_next_gets_it_once_it_is_given_back() {
    // F-07
    let fleet = Fleet::new();
    let lease = fleet.leases("one").take(errand(), PATIENCE).await.expect("free");
    let next = waiter(&fleet.leases("other"));
    fleet.pass(Duration::from_secs(30)).await;
    assert!(!next.is_finished(), "its owner lives, and moves it every three seconds");
    lease.release().await;
    fleet.pass(Duration::from_secs(1)).await;
    next.await.expect("no panic").expect("given back").release().await;
    let left = fleet.ledger().revision::<LeaseRecord>(None, "work").await.expect("readable");
    assert_eq!(left, None, "what is given back leaves nothing");
}

#[tokio::test]
async fn a_lease_whose_owner_died_is_taken_once_it_has_not_moved_for_its_length() {
    // F-01, F-08: no date is compared, so no host's clock can be wrong (F-10)
    let fleet = Fleet::new();
    let dead = fleet.leases("dead").0;
    dead.ledger.insert(&dead.record(&errand())).await.expect("a lease that nobody moves");
    let next = waiter(&fleet.leases("other"));
    fleet.pass(LENGTH - Duration::from_millis(500)).await;
    assert!(!next.is_finished(), "it may still be alive");
    fleet.pass(Duration::from_secs(2)).await;
    next.await.expect("no panic").expect("taken over").release().await;
}

#[tokio::test]
async fn an_owner_that_lost_its_lease_lets_go_of_it() {
    // F-08
    let fleet = Fleet::new();
    let slow = fleet.leases("slow").take(errand(), PATIENCE).await.expect("free");
    let other = fleet.leases("other").0;
    let at = other.ledger.revision::<LeaseRecord>(None, "work").await.expect("readable");
    let taken = other.ledger.replace(&other.record(&errand()), at.expect("a lease")).await;
    fleet.pass(BEAT + BEAT).await;
    slow.release().await;
    let now = other.ledger.revision::<LeaseRecord>(None, "work").await.expect("readable");
    assert_eq!(now, Some(taken.expect("taken over")), "the new owner's lease is untouched");
}

#[tokio::test]
async fn nobody_waits_longer_than_it_said() {
    // F-09
    let fleet = Fleet::new();
    let lease = fleet.leases("one").take(errand(), PATIENCE).await.expect("free");
    let next = waiter(&fleet.leases("other"));
    fleet.pass(PATIENCE + Duration::from_secs(1)).await;
    assert_eq!(next.await.expect("no panic").expect_err("too long"), LeaseError::Busy);
    lease.release().await;
}

#[tokio::test]
async fn a_lease_that_is_dropped_is_given_back_too() {
    // F-31
    let fleet = Fleet::new();
    drop(fleet.leases("one").take(errand(), PATIENCE).await.expect("free"));
    let next = waiter(&fleet.leases("other"));
    fleet.pass(Duration::from_secs(1)).await;
    next.await.expect("no panic").expect("given back").release().await;
}

#[tokio::test]
async fn a_store_that_refuses_leases_says_so_and_a_lease_in_hand_outlives_it() {
    // F-11
    let fleet = Fleet::new();
    let lease = fleet.leases("one").take(errand(), PATIENCE).await.expect("free");
    fleet.store.refuses_writes.store(true, Ordering::SeqCst);
    let other = Errand { name: "other work".to_owned(), partner: None };
    let refused = fleet.leases("two").take(other, PATIENCE).await.expect_err("full");
    assert_eq!(refused, LeaseError::Ledger(LedgerError::Store(StoreError::Full)));
    fleet.pass(BEAT).await;
    fleet.store.refuses_writes.store(false, Ordering::SeqCst);
    let next = waiter(&fleet.leases("two"));
    fleet.pass(LENGTH + LENGTH).await;
    assert!(!next.is_finished(), "it is moved again");
    lease.release().await;
    fleet.pass(Duration::from_secs(1)).await;
    next.await.expect("no panic").expect("given back").release().await;
}
