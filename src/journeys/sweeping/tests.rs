use std::sync::atomic::Ordering::SeqCst;
use std::time::SystemTime;

use super::*;
use crate::storage::lease::tests::Fleet;
use crate::storage::seal::Sealed;
use crate::storage::store::{Entry, Expect, Filter, Key, Selection, Store};

impl Fleet {
    fn sweeper(&self) -> Sweeper {
        let (ledger, clock) = (self.ledger(), Arc::new(self.clock.clone()));
        let leases = Leases::new(ledger.clone(), clock.clone(), "one".to_owned());
        let cache = Arc::new(Cache::new(0));
        Sweeper { ledger, clock, cache, leases: Some(leases) }
    }

    /// Records that nobody could open: what is due needs no key to be erased.
    async fn litter(&self, kind: Kind, numbers: std::ops::Range<usize>, due: Option<SystemTime>) {
        for number in numbers {
            let key = Key::new(Self::realm(), kind, None, format!("{number:06}"));
            let entry = Entry { sealed: Sealed::from_bytes(vec![7; 40]), due };
            self.store.put(&key, entry, Expect::Absent).await.expect("memory");
        }
    }

    async fn ids(&self, kind: Kind) -> Vec<String> {
        let realm = Self::realm();
        let filter = Filter { realm, kind, selection: Selection::All, cursor: None, limit: 9999 };
        let page = self.store.list(filter).await.expect("memory");
        page.records.iter().map(|row| row.key.id().to_owned()).collect()
    }
}

fn numbered(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("{number:06}")).collect()
}

#[tokio::test]
async fn much_litter_goes_by_small_pages_and_nothing_that_is_not_due() {
    // F-27
    const MUCH: usize = 3000;
    let fleet = Fleet::new();
    let now = fleet.clock.now();
    let later = now + Duration::from_secs(1);
    for kind in LITTER {
        fleet.litter(kind, 0..MUCH, Some(now)).await;
        fleet.litter(kind, MUCH..MUCH + 20, Some(later)).await;
        fleet.litter(kind, MUCH + 20..MUCH + 40, None).await;
    }
    fleet.litter(Kind::Consent, 0..20, Some(now)).await;
    fleet.litter(Kind::PartnerKey, 0..20, Some(now)).await;
    let (one, other) = (fleet.sweeper(), fleet.sweeper());
    let (one, other) = tokio::join!(one.sweep(), other.sweep());
    let (one, other) = (one.expect("swept"), other.expect("swept"));
    assert!(fleet.store.longest_page.load(SeqCst) <= 100, "a page at a time is in memory");
    for kind in LITTER {
        assert_eq!(one.of(kind) + other.of(kind), MUCH, "{kind}: each counted once");
        assert_eq!(fleet.ids(kind).await, numbered(MUCH..MUCH + 40), "{kind}");
    }
    for kind in [Kind::Consent, Kind::PartnerKey] {
        assert_eq!(fleet.ids(kind).await, numbered(0..20), "{kind}: due, and no litter");
    }
    assert_eq!(one.total() + other.total(), MUCH * LITTER.len());
}

#[tokio::test]
async fn a_broker_sweeps_by_itself_one_process_at_a_time() {
    let fleet = Fleet::new();
    fleet.litter(Kind::Found, 0..10, Some(fleet.clock.now())).await;
    let (stop, told) = watch::channel(false);
    let tasks = [0; 3].map(|_| tokio::spawn(fleet.sweeper().run(told.clone())));
    fleet.waiting(tasks.len()).await;
    assert_eq!(fleet.ids(Kind::Found).await.len(), 10, "not at once");
    fleet.clock.advance(INTERVAL);
    fleet.pass(Duration::from_secs(5)).await;
    assert_eq!(fleet.ids(Kind::Found).await.len(), 0);
    assert_eq!(fleet.ids(Kind::Lease).await.len(), 0, "each gave its lease back");
    stop.send_replace(true);
    for task in tasks {
        task.await.expect("it ends when told");
    }
}
