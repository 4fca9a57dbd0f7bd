//! A whole life of a consent, killed at every edge of store and network.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cpv_consent::ConsentState;
use cpv_consent::emulator::Emulator;

use crate::child::{Child, folder};
use crate::edges::Edges;
use crate::scene::{Scene, assert_sealed, secrets_of};

/// The child: consents if nobody has, or takes tokens; dies at the edge that it was told.
pub async fn played() {
    let scene = Scene::told();
    let edges = Edges::dies_at(scene.tell("EDGE").parse().expect("a number"));
    let folder = folder();
    let broker = scene.broker(&folder, edges).await;
    match scene.tell("PART") {
        "onboarding" => scene.onboard(&broker, &secrets_of(&folder)).await.expect("a consent"),
        _ => scene.take_tokens(&broker).await.expect("tokens"),
    }
    broker.close(std::time::Duration::from_secs(10)).await;
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
    let onboarded = parent.path().canonicalize().expect("it is there").join("onboarded");
    let broker = scene.broker(&onboarded, Edges::never()).await;
    scene.onboard(&broker, &secrets_of(&onboarded)).await.expect("a consent");
    closed(broker, &onboarded).await;
    let points =
        at_every_edge(&scene, "exchange", parent.path(), |folder| copy(&onboarded, folder)).await;
    assert!(points > 10, "{points} points");
}

/// Runs the part with ever later deaths until it lives; returns how many there were.
async fn at_every_edge(
    scene: &Scene,
    part: &'static str,
    parent: &Path,
    prepare: impl Fn(&Path),
) -> usize {
    let parent = parent.canonicalize().expect("it is there");
    for edge in 1.. {
        let folder = parent.join(format!("{part}-{edge}"));
        prepare(&folder);
        let child = Child::playing("life", &folder).told(&scene.0);
        let ended = child.tell("PART", part).tell("EDGE", edge).run().await;
        assert!(ended.killed || ended.well, "at edge {edge}: {}", ended.complaint);
        assert_sealed(&folder);
        finished(scene, &folder).await;
        if ended.well {
            return edge - 1;
        }
    }
    unreachable!("a part has an end")
}

/// The next healthy attempt succeeds, whatever was left, and leaves one consent that works.
async fn finished(scene: &Scene, folder: &Path) {
    let broker = scene.broker(folder, Edges::never()).await;
    match broker.partner(scene.partner()).consent().await.expect("readable") {
        Some(consent) => assert_eq!(*consent.state(), ConsentState::Live),
        None => scene.onboard(&broker, &secrets_of(folder)).await.expect("begun again"),
    }
    scene.take_tokens(&broker).await.expect("no repair is needed");
    scene.take_tokens(&broker).await.expect("and what was rotated was stored");
    closed(broker, folder).await;
    assert_eq!(consents(folder), 1);
    assert_sealed(folder);
}

fn consents(folder: &Path) -> i64 {
    let db = rusqlite::Connection::open(folder.join("records.sqlite3")).expect("a database");
    let sql = "SELECT count(*) FROM record WHERE kind = 'consent'";
    db.query_row(sql, [], |row| row.get(0)).expect("a count")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_while_it_waits_for_an_answer_leaves_the_old_token_which_works() {
    // F-02
    let entra = Emulator::builder().start().await.expect("free ports");
    let scene = Arc::new(Scene::on(&entra));
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().canonicalize().expect("it is there").join("store");
    let broker = scene.broker(&folder, Edges::never()).await;
    scene.onboard(&broker, &secrets_of(&folder)).await.expect("a consent");
    closed(broker, &folder).await;
    let before = sealed_consent(&folder);

    let hold = entra.hold_tokens();
    let child = Child::playing("life", &folder).told(&scene.0);
    let child = child.tell("PART", "exchange").tell("EDGE", usize::MAX);
    let mut process = child.command().spawn().expect("a process");
    hold.waiting(1).await;
    process.start_kill().expect("it runs");
    process.wait().await.expect("it has ended");
    hold.release();
    assert_eq!(sealed_consent(&folder), before, "the old token is stored");
    finished(&scene, &folder).await;
}

fn sealed_consent(folder: &Path) -> Vec<u8> {
    let db = rusqlite::Connection::open(folder.join("records.sqlite3")).expect("a database");
    let sql = "SELECT sealed FROM record WHERE kind = 'consent'";
    db.query_row(sql, [], |row| row.get(0)).expect("a consent")
}

async fn closed(broker: cpv_consent::Broker, folder: &Path) {
    broker.close(std::time::Duration::from_secs(10)).await;
    // Whoever opens it waits until the broker's own handle is closed, and empties its logs.
    let store = cpv_consent::store::Sqlite::open(folder).await.expect("a store");
    store.close().await.expect("nothing stands in the way");
}

fn copy(from: &Path, to: &Path) {
    use std::os::unix::fs::DirBuilderExt;

    fs::DirBuilder::new().mode(0o700).create(to).expect("a folder");
    for file in fs::read_dir(from).expect("a folder") {
        let path: PathBuf = file.expect("a file").path();
        fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("ours");
    }
    fs::copy(secrets_of(from), secrets_of(to)).expect("ours");
}
