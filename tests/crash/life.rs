//! A whole life of a consent, killed at every edge of store and network.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cpv_consent::emulator::{Emulator, Failure, Grant, Rule};
use cpv_consent::{Callback, ConsentState, Error, Refused, Remedy, Resource};

use crate::child::{Child, folder};
use crate::edges::{self, Edges};
use crate::scene::{Scene, assert_sealed, secrets_of};

/// The child: consents if nobody has, or takes tokens; dies at the edge that it was told.
pub async fn played() {
    let scene = Scene::told();
    let edges = Edges::dies_at(scene.tell("EDGE").parse().expect("a number"));
    let folder = folder();
    let broker = scene.broker(&folder, edges).await;
    match scene.tell("PART") {
        "onboarding" => scene.onboard(&broker, &secrets_of(&folder)).await.expect("a consent"),
        "capturing" => {
            let callback = Callback::from_request(&scene.told_callback()).expect("a callback");
            broker.capture_consent(callback).await.map(drop).expect("found");
        }
        "rolling back" => {
            broker.partner(scene.partner()).roll_back().await.map(drop).expect("in time");
        }
        "own token" => {
            let partner = broker.partner(scene.partner());
            partner.token(Resource::PartnerCenter).await.map(drop).expect("a token");
        }
        _ => scene.take_tokens(&broker).await.expect("tokens"),
    }
    broker.close(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_at_any_edge_of_an_onboarding_leaves_all_or_nothing() {
    // F-06, R-119, and the invariants I1 to I5
    let entra = Emulator::builder().start().await.expect("free ports");
    let scene = Scene::on(&entra);
    let parent = tempfile::tempdir().expect("a folder");
    let points = at_every_edge(&scene, "onboarding", parent.path(), |_| {}).await;
    assert!(points > 20, "{points} points");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_at_any_edge_of_an_exchange_leaves_a_token_that_works() {
    // F-01, F-03, F-05, R-119, and the invariants I1 to I5
    let entra = Emulator::builder().start().await.expect("free ports");
    let scene = Scene::on(&entra);
    let parent = tempfile::tempdir().expect("a folder");
    let onboarded = onboarded(&scene, parent.path()).await;
    let scene = scene.later();
    let points =
        at_every_edge(&scene, "exchange", parent.path(), |folder| copy(&onboarded, folder)).await;
    assert!(points > 10, "{points} points");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_at_any_edge_of_a_roll_back_leaves_one_consent_or_the_other() {
    // and the invariants I1 to I5
    let entra = Emulator::builder().start().await.expect("free ports");
    let scene = Scene::on(&entra);
    let parent = tempfile::tempdir().expect("a folder");
    let replaced = onboarded(&scene, parent.path()).await;
    let scene = scene.later();
    let broker = scene.broker(&replaced, Edges::never()).await;
    scene.onboard(&broker, &secrets_of(&replaced)).await.expect("consents once more");
    closed(broker, &replaced).await;
    let points =
        at_every_edge(&scene, "rolling back", parent.path(), |folder| copy(&replaced, folder));
    let points = points.await;
    assert!(points > 8, "{points} points");
}

/// The first consent, or the second; and whoever asks again has the first.
async fn rolled_back(scene: &Scene, folder: &Path, well: bool) {
    let broker = scene.broker(folder, Edges::never()).await;
    let partner = broker.partner(scene.partner());
    let stands = partner.consent().await.expect("readable").expect("one or the other");
    let (generation, first) = (stands.generation(), stands.deadline());
    let previous = partner.previous_consent().await.expect("readable");
    let before = previous.map(|previous| previous.consent().deadline());
    match generation {
        2 => assert!(!well && before.is_some_and(|before| before < first), "not yet"),
        3 => assert_eq!(before, None, "done"),
        other => panic!("generation {other}"),
    }
    let back = partner.roll_back().await.expect("once more");
    assert_eq!(back.generation(), 3);
    assert_eq!(back.deadline(), before.unwrap_or(first), "with the token of before");
    closed(broker, folder).await;
}

/// A store in which the partner has consented, closed in order.
pub async fn onboarded(scene: &Scene, parent: &Path) -> PathBuf {
    let folder = parent.canonicalize().expect("it is there").join("onboarded");
    let broker = scene.broker(&folder, Edges::never()).await;
    scene.onboard(&broker, &secrets_of(&folder)).await.expect("a consent");
    closed(broker, &folder).await;
    folder
}

/// Runs the part with ever later deaths until it lives; returns how many there were.
async fn at_every_edge(
    scene: &Scene,
    part: &'static str,
    parent: &Path,
    prepare: impl Fn(&Path),
) -> usize {
    let parent = parent.canonicalize().expect("it is there");
    for edge in edges::to_try() {
        let folder = parent.join(format!("{part}-{edge}"));
        prepare(&folder);
        let before = (part == "exchange").then(|| sealed_consent(&folder));
        let child = Child::playing("life", &folder).told(&scene.0);
        let ended = child.tell("PART", part).tell("EDGE", edge).run().await;
        assert!(ended.killed || ended.well, "at edge {edge}: {}", ended.complaint);
        assert_sealed(&folder);
        if part == "rolling back" {
            rolled_back(scene, &folder, ended.well).await;
        }
        if part == "exchange" || ended.well {
            assert_eq!(count(&folder, "consent"), 1, "lost at edge {edge}");
            assert!(!ended.well || before != Some(sealed_consent(&folder)), "it rotates");
        }
        finished(scene, &folder).await;
        if ended.well {
            return edge - 1;
        }
    }
    unreachable!("a part has an end")
}

/// The next healthy attempt succeeds, whatever was left, and leaves one consent that works.
pub async fn finished(scene: &Scene, folder: &Path) {
    let scene = &scene.later();
    let broker = scene.broker(folder, Edges::never()).await;
    match broker.partner(scene.partner()).consent().await.expect("readable") {
        Some(consent) => assert_eq!(*consent.state(), ConsentState::Live),
        None => scene.onboard(&broker, &secrets_of(folder)).await.expect("begun again"),
    }
    scene.take_tokens(&broker).await.expect("no repair is needed");
    closed(broker, folder).await;
    let before = sealed_consent(folder);
    let scene = scene.later();
    let broker = scene.broker(folder, Edges::never()).await;
    scene.take_tokens(&broker).await.expect("and what was rotated was stored");
    closed(broker, folder).await;
    assert!(sealed_consent(folder) != before, "it was rotated again");
    assert_eq!(count(folder, "consent"), 1);
    assert_sealed(folder);
}

pub fn count(folder: &Path, kind: &str) -> i64 {
    let db = rusqlite::Connection::open(folder.join("records.sqlite3")).expect("a database");
    let sql = "SELECT count(*) FROM record WHERE kind = ?1";
    db.query_row(sql, [kind], |row| row.get(0)).expect("a count")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_while_it_waits_for_an_answer_leaves_the_old_token_which_works() {
    // F-02
    let entra = Emulator::builder().start().await.expect("free ports");
    let scene = Arc::new(Scene::on(&entra));
    let parent = tempfile::tempdir().expect("a folder");
    let folder = onboarded(&scene, parent.path()).await;
    let before = sealed_consent(&folder);

    let hold = entra.hold_tokens();
    let child = Child::playing("life", &folder).told(&scene.later().0);
    let child = child.tell("PART", "exchange").tell("EDGE", usize::MAX);
    let mut process = child.command().spawn().expect("a process");
    hold.waiting(1).await;
    process.start_kill().expect("it runs");
    process.wait().await.expect("it has ended");
    hold.release();
    assert_eq!(sealed_consent(&folder), before, "the old token is stored");
    finished(&scene, &folder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_while_it_redeems_a_code_leaves_a_flow_that_is_begun_again() {
    // F-06, R-016, R-017
    let entra = Emulator::builder().start().await.expect("free ports");
    let scene = Scene::on(&entra);
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().canonicalize().expect("it is there").join("store");
    let broker = scene.broker(&folder, Edges::never()).await;
    let pending = scene.begins(&broker).await.expect("a flow");
    let callback = scene.callback(&pending).await;
    let slowly = Failure::drip(1, Duration::from_secs(3600)).times(1);
    let dripping = entra.fail_tokens(Rule::any().grant(Grant::Code), slowly);
    let child = Child::playing("life", &folder).told(&scene.telling(&callback).0);
    let child = child.tell("PART", "capturing").tell("EDGE", usize::MAX);
    let mut process = child.command().spawn().expect("a process");
    let redeemed = || entra.count_tokens(|request| request.grant == Some(Grant::Code));
    while redeemed() == 0 {
        tokio::task::yield_now().await;
    }
    process.start_kill().expect("it waits for the answer");
    process.wait().await.expect("it has ended");
    dripping.clear();

    for _ in 0..2 {
        let again = Callback::from_request(&callback).expect("the browser sends it again");
        let refused = broker.capture_consent(again).await.expect_err("its code is spent");
        assert!(matches!(refused, Error::Refused(Refused::StateReplayed)), "{refused:?}");
        assert_eq!(refused.remedy(), Remedy::AskConsentAgain { claims: None });
    }
    assert_eq!(redeemed(), 1, "no second request with the same code");
    let absent = broker.partner(scene.partner()).consent().await.expect("readable");
    assert!(absent.is_none(), "no half consent: {absent:?}");
    assert_eq!((count(&folder, "consent"), count(&folder, "found")), (0, 0));
    closed(broker, &folder).await;
    finished(&scene, &folder).await;
}

pub fn sealed_consent(folder: &Path) -> Vec<u8> {
    let db = rusqlite::Connection::open(folder.join("records.sqlite3")).expect("a database");
    let sql = "SELECT sealed FROM record WHERE kind = 'consent'";
    db.query_row(sql, [], |row| row.get(0)).expect("a consent")
}

pub async fn closed(broker: cpv_consent::Broker, folder: &Path) {
    broker.close(Duration::from_secs(10)).await;
    // Whoever opens it waits until the broker's own handle is closed, and empties its logs.
    let store = cpv_consent::store::Sqlite::open(folder).await.expect("a store");
    store.close().await.expect("nothing stands in the way");
}

fn has_logs(folder: &Path) -> bool {
    let files = fs::read_dir(folder).expect("a folder").flatten();
    let names = files.filter_map(|file| file.file_name().into_string().ok());
    names.into_iter().any(|name| name.ends_with("-wal") || name.ends_with("-shm"))
}

/// Copies a store that was closed, once its last handle is: until then its logs come and go.
pub fn copy(from: &Path, to: &Path) {
    use std::os::unix::fs::DirBuilderExt;

    while has_logs(from) {
        std::thread::sleep(Duration::from_millis(1));
    }
    fs::DirBuilder::new().mode(0o700).create(to).expect("a folder");
    for file in fs::read_dir(from).expect("a folder") {
        let path: PathBuf = file.expect("a file").path();
        fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("ours");
    }
    fs::copy(secrets_of(from), secrets_of(to)).expect("ours");
}
