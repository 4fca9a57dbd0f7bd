//! Any order of everybody's steps: two redeemers, a new consent, a withdrawal, a key rotation, an
//! import. Nothing depends on luck: the order is the test's input, and shrinks.

#![allow(unreachable_pub)] // its modules are of one program

#[path = "interleavings/paper.rs"]
mod paper;
#[path = "interleavings/past.rs"]
mod past;
#[path = "interleavings/stage.rs"]
mod stage;
mod world;

use std::io::Cursor;
use std::sync::Arc;
use std::time::SystemTime;

use cpv_consent::store::{Expect, Memory, Sqlite, Store, Stored};
use cpv_consent::{
    Absence, Broker, Consent, ConsentState, Error, FoundId, KeyRing, Refused, Resource,
    VirtualClock,
};
use paper::Yes;
use past::Past;
use proptest::prelude::*;
use proptest::test_runner::Config;
use stage::{Stage, play};
use tempfile::TempDir;

/// What an actor does. Each is a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Redeems,
    RedeemsToo,
    Confirms,
    Withdraws,
    RotatesKeys,
    Imports,
}

const PARTS: [Part; 6] = [
    Part::Redeems,
    Part::RedeemsToo,
    Part::Confirms,
    Part::Withdraws,
    Part::RotatesKeys,
    Part::Imports,
];

/// A store that nobody has used, with what must live as long.
type Fresh = (Arc<dyn Store>, Option<TempDir>);

async fn memory() -> Fresh {
    (Arc::new(Memory::new()), None)
}

async fn sqlite() -> Fresh {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().canonicalize().expect("it is there").join("store");
    (Arc::new(Sqlite::open(path).await.expect("a store")), Some(folder))
}

/// One play: who is in it, and in which order the calls are let pass.
#[derive(Debug, Clone)]
struct Script {
    parts: Vec<Part>,
    order: Vec<u8>,
}

fn scripts() -> impl Strategy<Value = Script> {
    let parts = proptest::sample::subsequence(PARTS.to_vec(), 2..=PARTS.len());
    let order = proptest::collection::vec(any::<u8>(), 0..120);
    (parts, order).prop_map(|(parts, order)| Script { parts, order })
}

fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() }
}

proptest! {
    #![proptest_config(config(96))]

    // F-07, F-08, F-25, R-125, R-129
    #[test]
    fn in_memory_any_order_keeps_a_monotone_history(script in scripts()) {
        on_one_thread(async { perform(memory().await, &script).await });
    }

    // F-23
    #[test]
    fn nothing_opens_in_the_place_of_another(
        moves in proptest::collection::vec((any::<usize>(), any::<usize>()), 1..6)
    ) {
        on_one_thread(shuffle(&moves));
    }
}

proptest! {
    #![proptest_config(config(24))]

    // F-07, F-08, F-25, R-125, R-129
    #[test]
    fn in_sqlite_any_order_keeps_a_monotone_history(script in scripts()) {
        on_one_thread(async { perform(sqlite().await, &script).await });
    }
}

/// One thread for all, and one for what may block: see [`Stage::settle`].
fn on_one_thread(play: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .expect("a runtime");
    runtime.block_on(play);
}

async fn broker(past: &Past, clock: &VirtualClock, store: impl Store, keys: KeyRing) -> Broker {
    let builder = Broker::builder(past.app.clone(), store, keys);
    builder.clock(clock.clone()).http(Yes::default()).build().await.expect("a broker")
}

/// How an actor's part ended.
#[derive(Debug)]
enum Ended {
    Redeemed(Result<(), Error>),
    Confirmed(Result<Consent, Error>),
    Withdrawn(Result<Consent, Error>),
    Rotated(Result<u64, Error>),
    Imported(Result<u64, Error>),
}

async fn act(part: Part, broker: Broker, past: &'static Past) -> Ended {
    let partner = broker.partner(past.partner);
    match part {
        Part::Redeems | Part::RedeemsToo => {
            Ended::Redeemed(partner.token(Resource::PartnerCenter).await.map(drop))
        }
        Part::Confirms => {
            let id = FoundId::parse(&past.found).expect("as it was");
            let confirmed = match broker.found(&id, &past.headers).await {
                Ok(found) => found.confirm().await,
                Err(error) => Err(error),
            };
            Ended::Confirmed(confirmed)
        }
        Part::Withdraws => Ended::Withdrawn(partner.withdraw().await),
        Part::RotatesKeys => {
            let rotated = broker.rotate_keys().run().await;
            Ended::Rotated(rotated.map(|rotated| rotated.left()))
        }
        Part::Imports => {
            let (key, code) = (past.recipient(), past.code());
            let import = broker.import(&key, &code, Cursor::new(past.parcel.clone()));
            Ended::Imported(import.run().await.map(|report| report.taken()))
        }
    }
}

/// Plays a script on a new store, and looks at the partner's consent after every step.
async fn perform((store, _folder): Fresh, script: &Script) {
    let past = Past::recall();
    past.put_into(&store).await;
    let clock = VirtualClock::starting_at(past.now);
    let stage = Stage::default();
    let witness = broker(past, &clock, store.clone(), past.ring()).await;
    let mut actors = Vec::new();
    for part in &script.parts {
        let keys = match part {
            Part::RotatesKeys => past.next_ring(),
            _ => past.ring(),
        };
        let broker = broker(past, &clock, stage.gate(&store), keys).await;
        actors.push((broker.clone(), tokio::spawn(act(*part, broker, past))));
    }
    let mut history = History::default();
    let ended = || actors.iter().all(|(_, actor)| actor.is_finished());
    let look = async || history.look(past, &witness, &store).await;
    play(&stage, &clock, &script.order, ended, look).await;

    let mut outcomes = Vec::new();
    for (_, actor) in actors {
        outcomes.push(actor.await.expect("no actor panics"));
    }
    history.check(&outcomes);
    if history.is_withdrawn() {
        history.put_everything_back(past, &clock, &store).await;
    }
}

/// What the partner's consent has been, step by step.
#[derive(Debug, Default)]
struct History {
    consents: Vec<Consent>,
    rows: Vec<Stored>,
}

impl History {
    async fn look(&mut self, past: &Past, witness: &Broker, store: &Arc<dyn Store>) {
        let row = store.get(&past.place(past.partner)).await.expect("the store answers");
        let row = row.expect("the consent is there at every moment");
        if self.rows.last().is_none_or(|last| last.revision != row.revision) {
            self.rows.push(row);
        }
        let consent = witness.partner(past.partner).consent().await;
        let consent = consent.expect("it opens at every moment").expect("it is there");
        if let Some(last) = self.consents.last() {
            assert_follows(last, &consent);
        }
        self.consents.push(consent);
    }

    fn is_withdrawn(&self) -> bool {
        self.consents.last().is_some_and(is_withdrawn)
    }

    fn check(&self, outcomes: &[Ended]) {
        let partner = self.consents[0].partner();
        for outcome in outcomes {
            match outcome {
                Ended::Redeemed(Ok(())) => {}
                Ended::Redeemed(Err(error)) => assert!(
                    matches!(
                        error,
                        Error::NoConsent { absence: Absence::Withdrawn, .. }
                            | Error::Superseded { .. }
                    ),
                    "{error:?}"
                ),
                Ended::Confirmed(Ok(consent)) => assert_eq!(consent.generation(), 2),
                Ended::Confirmed(Err(error)) => assert!(
                    matches!(error, Error::Refused(Refused::Withdrawn(who)) if *who == partner)
                        || matches!(error, Error::Conflict),
                    "{error:?}"
                ),
                Ended::Withdrawn(withdrawn) => {
                    let tombstone = withdrawn.as_ref().expect("it wins in the end");
                    assert!(is_withdrawn(tombstone));
                    assert!(self.is_withdrawn(), "nothing comes after it: {self:?}");
                }
                Ended::Rotated(rotated) => {
                    assert_eq!(*rotated.as_ref().expect("it ends"), 0, "nothing is damaged");
                }
                Ended::Imported(imported) => {
                    imported.as_ref().expect("it ends");
                }
            }
        }
    }

    /// Restores every row that there ever was, and imports the old export once more.
    async fn put_everything_back(
        &self,
        past: &'static Past,
        clock: &VirtualClock,
        store: &Arc<dyn Store>,
    ) {
        let restored = broker(past, clock, store.clone(), past.ring()).await;
        let place = past.place(past.partner);
        for row in &self.rows {
            let present = store.get(&place).await.expect("the store answers").expect("a row");
            let put = store.put(&place, row.entry.clone(), Expect::At(present.revision));
            put.await.expect("nobody else writes");
            let consent = restored.partner(past.partner).consent().await;
            let consent = consent.expect("it opens").expect("it is there");
            assert!(is_withdrawn(&consent), "{consent:?}");
            let Ended::Imported(Ok(0)) = act(Part::Imports, restored.clone(), past).await else {
                panic!("an old export was taken")
            };
            let token = restored.partner(past.partner).token(Resource::PartnerCenter).await;
            let Err(Error::NoConsent { absence: Absence::Withdrawn, .. }) = token else {
                panic!("{token:?}")
            };
        }
    }
}

fn is_withdrawn(consent: &Consent) -> bool {
    matches!(consent.state(), ConsentState::Withdrawn { .. })
}

/// Generations only grow; within one the token only gets newer, and a tombstone stays one. Every
/// flow of these plays began before every withdrawal, so nobody comes back at all.
fn assert_follows(last: &Consent, next: &Consent) {
    let order =
        |consent: &Consent| -> (u64, SystemTime) { (consent.generation(), consent.deadline()) };
    let both = || format!("{last:?}\n{next:?}");
    assert!(next.generation() >= last.generation(), "{}", both());
    if next.generation() == last.generation() {
        assert!(order(next) >= order(last), "{}", both());
    }
    assert!(is_withdrawn(next) || !is_withdrawn(last), "{}", both());
}

/// Puts rows into the places of others, and asks for every partner.
async fn shuffle(moves: &[(usize, usize)]) {
    let past = Past::recall();
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    past.put_into(&store).await;
    let clock = VirtualClock::starting_at(past.now);
    let partners = [past.partner, past.other];
    let sound = broker(past, &clock, store.clone(), past.ring()).await;
    let mut own = Vec::new();
    for partner in partners {
        own.push(sound.partner(partner).consent().await.expect("readable").expect("stored"));
    }
    let rows = past.rows();
    let mut foreign = std::collections::BTreeSet::new();
    for (from, to) in moves {
        let (from, to) = (&rows[from % rows.len()], &rows[to % rows.len()]);
        let present = store.get(&to.key).await.expect("memory").expect("a row").revision;
        store.put(&to.key, from.entry.clone(), Expect::At(present)).await.expect("unmoved");
        let place = (to.key.kind(), to.key.id().to_owned());
        if from.key == to.key {
            foreign.remove(&place)
        } else {
            foreign.insert(place)
        };
    }
    let builder = Broker::builder(past.app.clone(), store, past.ring());
    let opened = builder.clock(clock).http(Yes::default()).build().await;
    let Ok(restarted) = opened else {
        // The key of what belongs to the application is found wrong at once.
        assert!(foreign.iter().any(|(_, id)| id == "application"), "{foreign:?}");
        return;
    };
    for (partner, own) in partners.into_iter().zip(own) {
        if let Ok(consent) = restarted.partner(partner).consent().await {
            assert_eq!(consent, Some(own));
        }
    }
    let scanned = restarted.scan().run().await.expect("a scan");
    for (kind, id) in foreign {
        let named = |record: &cpv_consent::DamagedRecord| record.kind == kind && record.id == id;
        assert!(scanned.damaged().iter().any(named), "{kind} {id}: {scanned:?}");
    }
}
