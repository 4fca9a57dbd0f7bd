//! Any order of everybody's steps, on every store: two redeemers, a new consent, a withdrawal, a key
//! rotation, an import. Nothing depends on luck: the order is the test's input, and shrinks.

#![cfg(unix)]
#![allow(unreachable_pub)] // its modules are of one program

#[allow(dead_code)] // another program uses the rest of it
#[path = "key_vault/bench.rs"]
mod bench;
#[path = "interleavings/history.rs"]
mod history;
#[path = "interleavings/paper.rs"]
mod paper;
#[path = "interleavings/past.rs"]
mod past;
#[allow(dead_code)] // another program uses the rest of it
#[path = "postgres/server.rs"]
mod server;
#[path = "interleavings/stage.rs"]
mod stage;
#[path = "interleavings/stores.rs"]
mod stores;
mod world;

use std::io::Cursor;

use cpv_consent::store::{Expect, Kind, Store};
use cpv_consent::{Broker, Consent, Error, FoundId, KeyRing, Resource, VirtualClock};
use history::History;
use paper::Yes;
use past::Past;
use proptest::prelude::*;
use proptest::test_runner::Config;
use stage::{Stage, play};
use stores::{Fresh, Stores};
use tokio::task::JoinHandle;

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

/// One play: who is in it, in which order the calls are let pass, and whether the first redeemer's
/// write stays under way until the partner is withdrawn.
#[derive(Debug, Clone)]
struct Script {
    parts: Vec<Part>,
    order: Vec<u8>,
    holds: bool,
}

fn scripts() -> impl Strategy<Value = Script> {
    let parts = proptest::sample::subsequence(PARTS.to_vec(), 2..=PARTS.len());
    (parts, orders()).prop_map(|(parts, order)| Script { parts, order, holds: false })
}

/// Plays in which a redeemer's write arrives after the withdrawal that it knows nothing of.
fn late_writes() -> impl Strategy<Value = Script> {
    let others = [Part::RedeemsToo, Part::Confirms, Part::RotatesKeys, Part::Imports];
    let others = proptest::sample::subsequence(others.to_vec(), 0..=others.len());
    (others, orders()).prop_map(|(others, order)| {
        let parts = [vec![Part::Redeems, Part::Withdraws], others].concat();
        Script { parts, order, holds: true }
    })
}

fn orders() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..120)
}

fn config(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 200,
        max_shrink_time: 60_000,
        ..Config::default()
    }
}

/// Both properties, on one store: with so many cases each.
macro_rules! on {
    ($store:ident, $cases:literal, $fresh:expr) => {
        mod $store {
            use super::*;

            proptest! {
                #![proptest_config(config($cases))]

                // F-07, F-08, F-25, R-125, R-129
                #[test]
                fn any_order_keeps_a_monotone_history(script in scripts()) {
                    Stage::run(|stage| async { perform(stage, $fresh, &script).await });
                }

                // F-08, F-24, R-123, R-129
                #[test]
                fn a_write_under_way_a_backup_and_an_old_export_revive_nobody(
                    script in late_writes()
                ) {
                    Stage::run(|stage| async { perform(stage, $fresh, &script).await });
                }
            }
        }
    };
}

on!(memory, 96, stores::memory().await);
on!(sqlite, 24, stores::sqlite().await);
on!(key_vault, 24, stores::key_vault(Past::recall()).await);
on!(postgres, 24, {
    let Some(server) = server::shared() else { return };
    stores::postgres(server).await
});

proptest! {
    #![proptest_config(config(96))]

    // F-23
    #[test]
    fn nothing_opens_in_the_place_of_another(
        moves in proptest::collection::vec((any::<usize>(), any::<usize>()), 1..6)
    ) {
        Stage::run(|_| shuffle(&moves));
    }
}

async fn broker(past: &Past, clock: &VirtualClock, stores: Stores, keys: KeyRing) -> Broker {
    let builder = stores.builder(past, keys).clock(clock.clone()).http(Yes::default());
    builder.build().await.expect("a broker")
}

/// How an actor's part ended.
#[derive(Debug)]
enum Ended {
    Redeemed(Result<(), Error>),
    Confirmed(Result<Consent, Error>),
    /// And whether a write was under way meanwhile.
    Withdrawn {
        withdrawn: Result<Consent, Error>,
        over_a_write: bool,
    },
    Rotated(Result<u64, Error>),
    Imported(Result<u64, Error>),
}

async fn act(part: Part, broker: Broker, past: &'static Past, stage: Stage) -> Ended {
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
        Part::Withdraws => {
            let withdrawn = partner.withdraw().await;
            Ended::Withdrawn { withdrawn, over_a_write: stage.release() }
        }
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
async fn perform<K>(stage: Stage, (stores, _kept): Fresh<K>, script: &Script) {
    let past = Past::recall();
    past.put_into(&stores).await;
    let clock = VirtualClock::starting_at(past.now);
    let witness = broker(past, &clock, stores.clone(), past.ring()).await;
    let mut brokers = Vec::new();
    for part in &script.parts {
        let (gated, keys) = match part {
            Part::Redeems => (stores.by(|store| stage.slow_gate(store)), past.ring()),
            Part::RotatesKeys => (stores.by(|store| stage.gate(store)), past.next_ring()),
            _ => (stores.by(|store| stage.gate(store)), past.ring()),
        };
        brokers.push(broker(past, &clock, gated, keys).await);
    }
    // Nobody moves before all are there.
    stage.close(script.holds);
    let mut actors = Vec::new();
    for (part, broker) in script.parts.iter().zip(&brokers) {
        let acting = act(*part, broker.clone(), past, stage.clone());
        actors.push(tokio::spawn(stage.clone().follow(acting)));
    }
    let mut history = History::default();
    let ended = || actors.iter().all(JoinHandle::is_finished);
    let look = async || history.look(past, &witness, &stores).await;
    play(&stage, &clock, &script.order, ended, look).await;

    let mut outcomes = Vec::new();
    for actor in actors {
        outcomes.push(actor.await.expect("no actor panics"));
    }
    history.check(&outcomes, script.holds);
    if history.is_withdrawn() {
        history.put_everything_back(past, &clock, &stores).await;
    }
}

/// Puts rows into the places of others, and asks for every partner.
async fn shuffle(moves: &[(usize, usize)]) {
    let past = Past::recall();
    let (stores, ()) = stores::memory().await;
    past.put_into(&stores).await;
    let store = stores.of(Kind::Consent);
    let clock = VirtualClock::starting_at(past.now);
    let partners = [past.partner, past.other];
    let sound = broker(past, &clock, stores.clone(), past.ring()).await;
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
    let builder = stores.builder(past, past.ring());
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
