use std::sync::atomic::Ordering::SeqCst;
use std::time::SystemTime;

use serde_json::json;

use super::*;
use crate::model::clock::unix_seconds;
use crate::model::consent::StoredConsent;
use crate::model::tenant::TenantId;
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

const DAY: Duration = Duration::from_secs(86_400);

fn partner(number: usize) -> TenantId {
    TenantId::parse(&format!("22222222-2222-4222-8222-{number:012}")).expect("a GUID")
}

/// A consent that has taken the place of another of the same user, which may be put back for so long.
fn replaced(number: usize, within: Duration, now: SystemTime) -> StoredConsent {
    let (id, seconds) = (partner(number), unix_seconds(now));
    let user = json!({ "id": id, "subject": "sub", "name": null, "guest": "no", "roles": null });
    let stored = json!({
        "consent": {
            "partner": id, "account": "panel-1", "user": user, "scopes": [], "mfa": null,
            "flow": "flow", "generation": 1, "withdrawn_at": null, "begun_at": seconds,
            "confirmed_at": seconds, "token_issued_at": seconds, "state": "Live",
        },
        "token": "refresh-token",
    });
    let old: StoredConsent = serde_json::from_value(stored).expect("a consent");
    let past = old.past_of_next(old.consent.user.id, Vec::new(), within, now);
    StoredConsent { past, ..old }
}

#[tokio::test]
async fn a_consent_that_cannot_be_put_back_any_more_is_dropped_and_no_other_record_is_read() {
    // F-27
    let fleet = Fleet::new();
    let (ledger, begun) = (fleet.ledger(), fleet.clock.now());
    for number in 0..130 {
        ledger.insert(&replaced(number, DAY, begun)).await.expect("absent");
    }
    for number in 130..500 {
        let within = if number < 300 { 2 * DAY } else { Duration::ZERO };
        ledger.insert(&replaced(number, within, begun)).await.expect("absent");
    }
    fleet.clock.advance(DAY);
    let (one, other) = (fleet.sweeper(), fleet.sweeper());
    let (one, other) = tokio::join!(one.sweep(), other.sweep());
    let (one, other) = (one.expect("swept"), other.expect("swept"));
    assert_eq!((one.lapsed() + other.lapsed(), one.total() + other.total()), (130, 0));
    let listed = fleet.store.listed.swap(0, SeqCst);
    assert!(listed <= 2 * 130, "{listed} were read for what 130 hold");
    for (number, is_kept) in [(0, false), (129, false), (130, true), (299, true), (300, false)] {
        let held = ledger.consent(partner(number)).await.expect("readable").expect("stored");
        assert_eq!(held.record.past.behind().is_some(), is_kept, "{number}");
        assert!(held.record.token.is_some(), "{number}: what stands stays");
    }
    let again = fleet.sweeper().sweep().await.expect("swept");
    assert_eq!((again.lapsed(), fleet.store.listed.load(SeqCst)), (0, 0));
}

#[tokio::test]
async fn a_store_that_takes_no_writes_says_so_and_what_lapsed_waits_for_the_next_sweep() {
    let fleet = Fleet::new();
    let ledger = fleet.ledger();
    ledger.insert(&replaced(1, DAY, fleet.clock.now())).await.expect("absent");
    fleet.clock.advance(DAY);
    fleet.store.refuses_writes.store(true, SeqCst);
    assert!(fleet.sweeper().sweep().await.is_err());
    fleet.store.refuses_writes.store(false, SeqCst);
    fleet.store.is_late.store(true, SeqCst);
    let raced = fleet.sweeper().sweep().await.expect("somebody else has written it");
    assert_eq!(raced.lapsed(), 0);
    fleet.store.is_late.store(false, SeqCst);
    assert_eq!(fleet.sweeper().sweep().await.expect("swept").lapsed(), 1);
}
