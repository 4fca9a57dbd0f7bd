use std::sync::atomic::Ordering::SeqCst;

use super::*;
use crate::storage::lease::tests::Fleet;

const SECOND: Duration = Duration::from_secs(1);
const WHOLE: u32 = 100;

/// A process with a budget, on the store of a fleet.
struct Process {
    budget: Budget,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Process {
    async fn start(fleet: &Fleet, name: &str) -> Self {
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let heard = events.clone();
        let listen = move |event: &Event| heard.lock().expect("no panic").push(event.clone());
        let observers = Observers::new(vec![Arc::new(listen)]);
        let whole = NonZeroU32::new(WHOLE).expect("not zero");
        let budget = Budget::new("tokens", whole, Arc::new(fleet.clock.clone()), observers);
        budget.begin(&fleet.ledger(), name).await;
        Self { budget, events }
    }

    /// How many requests it sends in so many seconds if it sends all it can.
    async fn sends(&self, fleet: &Fleet, time: Duration) -> usize {
        count(&[self], fleet, time).await[0]
    }
}

/// How many requests each sends within that time.
async fn count(processes: &[&Process], fleet: &Fleet, time: Duration) -> Vec<usize> {
    let sending: Vec<_> = processes.iter().map(|process| greedy(&process.budget)).collect();
    fleet.pass(time).await;
    let mut counts = Vec::new();
    for (sender, count) in sending {
        sender.abort();
        let _aborted = sender.await;
        counts.push(count.load(SeqCst));
    }
    counts
}

fn greedy(budget: &Budget) -> (tokio::task::JoinHandle<()>, Arc<std::sync::atomic::AtomicUsize>) {
    let count: Arc<std::sync::atomic::AtomicUsize> = Arc::default();
    let (sent, budget) = (count.clone(), budget.clone());
    let sender = tokio::spawn(async move {
        while let Ok(_ticket) = budget.ticket(Urgency::Caller).await {
            sent.fetch_add(1, SeqCst);
            tokio::task::yield_now().await;
        }
    });
    (sender, count)
}

async fn record(fleet: &Fleet) -> Option<BudgetRecord> {
    let held = fleet.ledger().load::<BudgetRecord>(None, "tokens").await.expect("readable");
    held.map(|held| held.record)
}

/// The clock of these tests advances by a quarter of a second, so a process sends what is due then
/// and no more: what counts is who may send at all.
#[tokio::test]
async fn processes_share_it_and_who_is_left_has_all() {
    let fleet = Fleet::new();
    let one = Process::start(&fleet, "one").await;
    assert_eq!(one.sends(&fleet, SECOND).await, 0, "nothing before it has settled");
    fleet.pass(2 * SECOND).await;
    assert!(one.sends(&fleet, 4 * SECOND).await > 0);

    let two = Process::start(&fleet, "two").await;
    fleet.pass(4 * SECOND).await;
    let shares =
        |record: BudgetRecord| record.parts.iter().map(|part| part.share).collect::<Vec<_>>();
    let half = Rate::per_second(NonZeroU32::new(WHOLE / 2).expect("not zero"));
    assert_eq!(record(&fleet).await.map(shares), Some(vec![half, half]));
    assert!(count(&[&one, &two], &fleet, 2 * SECOND).await.iter().all(|sent| *sent > 0));

    let leaving = two.budget.clone();
    leaving.give_back().await;
    assert_eq!(leaving.ticket(Urgency::Caller).await.err(), Some(Closed));
    fleet.pass(2 * SECOND).await;
    let whole = Rate::per_second(NonZeroU32::new(WHOLE).expect("not zero"));
    assert_eq!(record(&fleet).await.map(shares), Some(vec![whole]));
    one.budget.give_back().await;
    assert!(record(&fleet).await.is_none(), "the last takes the record along");
}

#[tokio::test]
async fn a_share_is_kept_as_long_as_anybody_can_spend_it_and_no_longer() {
    let fleet = Fleet::new();
    let process = Process::start(&fleet, "one").await;
    let kept = process.budget.clone();
    drop(process);
    fleet.pass(20 * SECOND).await;
    assert!(record(&fleet).await.is_some(), "one clone is left");
    drop(kept);
    fleet.pass(SECOND).await;
    assert!(record(&fleet).await.is_none());
    assert_eq!(fleet.clock.sleepers(), 0, "nobody is left");
}

#[tokio::test]
async fn a_store_that_takes_no_write_leaves_a_tenth_until_it_does_again() {
    // F-11
    let fleet = Fleet::new();
    let process = Process::start(&fleet, "one").await;
    fleet.pass(4 * SECOND).await;
    let told = || {
        let events = process.events.lock().expect("no panic");
        events.iter().filter(|event| matches!(event, Event::BudgetUnshared { .. })).count()
    };
    fleet.store.refuses_writes.store(true, SeqCst);
    fleet.pass(3 * SECOND).await;
    assert_eq!(told(), 0, "its share is its own for some seconds");
    fleet.pass(6 * SECOND).await;
    assert_eq!(told(), 1);
    let few = process.sends(&fleet, 4 * SECOND).await;
    fleet.store.refuses_writes.store(false, SeqCst);
    fleet.pass(3 * SECOND).await;
    let many = process.sends(&fleet, 4 * SECOND).await;
    assert!(0 < few && few < many, "{few}, {many}");
    assert_eq!(told(), 1);
}

#[tokio::test]
async fn who_always_comes_second_is_cut_off_and_says_so() {
    // F-11
    let fleet = Fleet::new();
    let process = Process::start(&fleet, "one").await;
    fleet.pass(4 * SECOND).await;
    fleet.store.is_late.store(true, SeqCst);
    fleet.pass(12 * SECOND).await;
    let events = process.events.lock().expect("no panic").clone();
    assert_eq!(events, [Event::BudgetUnshared { budget: "tokens" }]);
}

#[tokio::test]
async fn nothing_is_spent_after_the_end_where_nobody_shares_it_either() {
    use crate::storage::ledger::{Ledger, Stores};
    use crate::storage::store::Memory;

    // F-29
    let fleet = Fleet::new();
    let (clock, stores) =
        (Arc::new(fleet.clock.clone()), Stores::new(Arc::new(Memory::new()), None));
    let ledger = Ledger::new(stores, fleet.ring.clone(), Fleet::realm(), clock.clone());
    let whole = NonZeroU32::new(WHOLE).expect("not zero");
    let budget = Budget::new("tokens", whole, clock, Observers::default());
    budget.begin(&ledger, "one").await;
    let _ticket = budget.ticket(Urgency::Caller).await.expect("open");
    budget.give_back().await;
    assert_eq!(budget.ticket(Urgency::Caller).await.err(), Some(Closed));
}

#[tokio::test]
async fn a_caller_who_is_polled_no_more_holds_up_nobody() {
    // F-30
    let fleet = Fleet::new();
    let process = Process::start(&fleet, "one").await;
    let mut forgotten = pin!(process.budget.ticket(Urgency::SignIn));
    tokio::select! {
        biased;
        _ticket = &mut forgotten => panic!("nothing is allowed yet"),
        () = tokio::task::yield_now() => {}
    }
    assert!(process.sends(&fleet, 4 * SECOND).await > 0);
}

#[tokio::test]
async fn a_record_that_is_lost_or_does_not_open_is_written_anew() {
    let fleet = Fleet::new();
    let one = Process::start(&fleet, "one").await;
    let two = Process::start(&fleet, "two").await;
    fleet.pass(4 * SECOND).await;
    let at = fleet.ledger().revision::<BudgetRecord>(None, "tokens").await.expect("readable");
    let at = at.expect("written");
    fleet.ledger().remove::<BudgetRecord>(None, "tokens", at).await.expect("unmoved");
    fleet.pass(4 * SECOND).await;
    assert_eq!(record(&fleet).await.expect("written anew").parts.len(), 2);
    fleet.spoil("tokens").await;
    fleet.pass(4 * SECOND).await;
    assert_eq!(record(&fleet).await.expect("written anew").parts.len(), 2);
    assert!(count(&[&one, &two], &fleet, 2 * SECOND).await.iter().all(|sent| *sent > 0));
}

#[tokio::test]
async fn who_waits_for_long_is_told_of_and_not_every_time() {
    let fleet = Fleet::new();
    let process = Process::start(&fleet, "one").await;
    let early = greedy(&process.budget);
    fleet.pass(2 * SECOND).await;
    early.0.abort();
    assert!(process.events.lock().expect("no panic").is_empty(), "its start is no shortage");
    let waits: Vec<_> = (0..16).map(|_| greedy(&process.budget)).collect();
    fleet.pass(4 * SECOND).await;
    waits.iter().for_each(|(sender, _)| sender.abort());
    let events = process.events.lock().expect("no panic").clone();
    let [Event::BudgetShort { budget: "tokens", waited, .. }] = events[..] else {
        panic!("{events:?}")
    };
    assert!(waited >= SECOND);
}

impl Fleet {
    /// Puts bytes there that no key opens.
    async fn spoil(&self, id: &str) {
        use crate::storage::seal::Sealed;
        use crate::storage::store::{Entry, Expect, Key, Store};

        let key = Key::new(Self::realm(), Kind::Budget, None, id);
        let at = self.store.get(&key).await.expect("memory").expect("a record").revision;
        let entry = Entry { sealed: Sealed::from_bytes(vec![7; 40]), due: None };
        self.store.put(&key, entry, Expect::At(at)).await.expect("unmoved");
    }
}
