//! Processes that are told to end while they work.

use std::path::Path;
use std::time::Duration;

use cpv_consent::emulator::Emulator;
use cpv_consent::{Broker, ConsentState, Error, KeyRing, LocalKey, Resource};
use tokio::signal::unix::{SignalKind, signal};

use crate::child::{Child, folder, say};
use crate::edges::{self, Edges};
use crate::life::{closed, copy, count, onboarded, sealed_consent};
use crate::scene::{RING_KEY, Scene, assert_sealed};

/// What a process that is told to end is given, on its hasty clock.
const GRACE: Duration = Duration::from_secs(8);

/// The child: works, and closes its broker when it is told to end.
pub async fn played() {
    let scene = Scene::told();
    let mut told = signal(SignalKind::terminate()).expect("a handler");
    let edge = scene.tell("EDGE").parse().expect("a number");
    let edges = Edges::stalls_at(edge, || say("stalled"));
    let folder = folder();
    let broker = tokio::select! {
        broker = scene.broker_with(&folder, edges, new_ring()) => broker,
        _ = told.recv() => return say("closed"),
    };
    let work = tokio::spawn(works(scene, broker.clone()));
    told.recv().await;
    say("told");
    broker.close(GRACE).await;
    if work.is_finished() {
        work.await.expect("no panic");
    }
    say("closed");
}

/// Says what came of it.
async fn works(scene: Scene, broker: Broker) {
    let done = match scene.tell("PART") {
        "rotation" => broker.rotate_keys().run().await.map(drop),
        _ => broker.partner(scene.partner()).token(Resource::PartnerCenter).await.map(drop),
    };
    match done {
        Ok(()) => say("done"),
        Err(Error::Closed) => say("not begun"),
        Err(error) => say(format!("failed: {error}")),
    }
}

/// The ring after a new key was put first.
fn new_ring() -> KeyRing {
    let old = LocalKey::from_base64("crash-1", RING_KEY).expect("a random key");
    new_ring_without_the_old().readable(old).expect("two names")
}

fn new_ring_without_the_old() -> KeyRing {
    let mut bytes = *b"not so random, and yet not plain";
    bytes[0] = 0xff;
    KeyRing::new(LocalKey::from_bytes("crash-2", &bytes).expect("a key"))
}

/// The next process rotates what is left, and the partner is served under the new key alone.
async fn finished(scene: &Scene, folder: &Path) {
    let scene = &scene.later();
    let broker = scene.broker_with(folder, Edges::never(), new_ring()).await;
    let consent = broker.partner(scene.partner()).consent().await.expect("readable");
    assert_eq!(*consent.expect("stored").state(), ConsentState::Live);
    scene.take_tokens(&broker).await.expect("no repair is needed");
    let rotated = broker.rotate_keys().run().await.expect("it goes on from where it was");
    assert_eq!(rotated.left(), 0);
    closed(broker, folder).await;
    assert_eq!(count(folder, "lease"), 0);
    assert_sealed(folder);
    let new = new_ring_without_the_old();
    let broker = scene.later().broker_with(folder, Edges::never(), new).await;
    scene.take_tokens(&broker).await.expect("what was rotated was stored, under the new key");
    closed(broker, folder).await;
}

/// Tells a process to end at each edge of its work, where somebody then stays for ever.
async fn told_at_every_edge(part: &'static str) -> usize {
    let entra = Emulator::builder().start().await.expect("free ports");
    let scene = Scene::on(&entra);
    let parent = tempfile::tempdir().expect("a folder");
    let first = onboarded(&scene, parent.path()).await;
    for edge in edges::to_try() {
        let folder = first.with_file_name(format!("{part}-{edge}"));
        copy(&first, &folder);
        let child = Child::playing("told to end", &folder).told(&scene.later().0);
        let mut child = child.tell("PART", part).tell("EDGE", edge).begin();
        let stalled = child.says().await.expect("it stalls, or it works") == "stalled";
        child.signal("-TERM");
        let said = child.ends_well().await;
        assert_eq!(said.last().map(String::as_str), Some("closed"), "edge {edge}: {said:?}");
        assert_sealed(&folder);
        finished(&scene, &folder).await;
        if !stalled {
            return edge - 1;
        }
    }
    unreachable!("work has an end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_told_to_end_at_any_edge_of_an_exchange_loses_no_token() {
    // F-29, and the invariants I1 to I5
    let points = told_at_every_edge("exchange").await;
    assert!(points > 10, "{points} points");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_told_to_end_at_any_edge_of_a_key_rotation_leaves_one_that_goes_on() {
    // F-29, F-25, R-125
    let points = told_at_every_edge("rotation").await;
    assert!(points > 10, "{points} points");
}

/// A process that waits for Entra's answer, and another that waits for its lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_told_to_end_while_it_waits_for_an_answer_finishes_if_it_comes_in_time() {
    // F-29
    let entra = Emulator::builder().start().await.expect("free ports");
    let scene = Scene::on(&entra);
    let parent = tempfile::tempdir().expect("a folder");
    let folder = onboarded(&scene, parent.path()).await;
    let scene = scene.later();
    for comes_in_time in [true, false] {
        let stored = sealed_consent(&folder);
        let before = count(&folder, "lease");
        let hold = entra.hold_tokens();
        let child = Child::playing("told to end", &folder).told(&scene.0);
        let mut child = child.tell("PART", "exchange").tell("EDGE", usize::MAX).begin();
        hold.waiting(1).await;
        assert_eq!((before, count(&folder, "lease")), (0, 1));
        child.signal("-TERM");
        assert_eq!(child.says().await.as_deref(), Some("told"));
        if comes_in_time {
            hold.release();
            assert_eq!(child.ends_well().await, ["done", "closed"]);
            assert!(sealed_consent(&folder) != stored, "the new token is stored");
        } else {
            assert_eq!(child.ends_well().await, ["closed"]);
            hold.release();
        }
        assert_eq!((count(&folder, "lease"), count(&folder, "process")), (0, 0), "handed over");
    }
    finished(&scene, &folder).await;
}
