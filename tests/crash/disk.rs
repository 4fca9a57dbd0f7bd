//! Disks that are full, and disks that fail.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cpv_consent::emulator::Emulator;
use cpv_consent::store::{Expect, Kind, Sqlite, Store, StoreError};
use cpv_consent::{Broker, Event, KeyRing, LocalKey, Resource, VirtualClock};

use crate::child::{Child, folder, say};
use crate::mount::Mounted;
use crate::puts::{body, can_trace, place};
use crate::scene::{RING_KEY, Scene};

/// Fills the file system; removing the file makes room again.
fn fill(folder: &Path) {
    let mut file = File::create(folder.join("filler")).expect("ours");
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

#[tokio::test]
async fn a_full_disk_is_typed_leaves_the_old_row_and_is_written_again_when_there_is_room() {
    // F-11
    const TEST: &str =
        "a_full_disk_is_typed_leaves_the_old_row_and_is_written_again_when_there_is_room";
    let Some(mounted) = Mounted::of(1 << 20, TEST) else { return };
    let store = Sqlite::open(mounted.path().join("store")).await.expect("a store");
    let place = place(Kind::Consent);
    let at = store.put(&place, body(1), Expect::Absent).await.expect("room");
    fill(&mounted.path());
    let mut refused = Ok(at);
    for _ in 0..100 {
        refused = store.put(&place, body(2), Expect::At(at)).await;
        assert_eq!(refused, Err(StoreError::Full));
        let stored = store.get(&place).await.expect("readable").expect("the old row");
        assert_eq!((stored.entry, stored.revision), (body(1), at));
    }
    drop(refused);
    fs::remove_file(mounted.path().join("filler")).expect("ours");
    store.put(&place, body(2), Expect::At(at)).await.expect("room again");
    store.close().await.expect("nothing stands in the way");
    let store = Sqlite::open(mounted.path().join("store")).await.expect("a store");
    let stored = store.get(&place).await.expect("readable").expect("the new row");
    assert_eq!(stored.entry, body(2));
}

#[tokio::test]
async fn a_broker_on_a_full_disk_answers_from_memory_and_saves_when_there_is_room() {
    // F-11
    const TEST: &str = "a_broker_on_a_full_disk_answers_from_memory_and_saves_when_there_is_room";
    let Some(mounted) = Mounted::of(1 << 20, TEST) else { return };
    let clock = VirtualClock::default();
    let entra = Emulator::builder().clock(clock.clone()).start().await.expect("free ports");
    let scene = Scene::on(&entra);
    entra.access_tokens_live(Duration::from_secs(3600), Duration::from_secs(3600));
    let events: Arc<Mutex<Vec<Event>>> = Arc::default();
    let store = mounted.path().join("store");
    let open = async || {
        let (store, seen) = (Sqlite::open(&store).await.expect("a store"), events.clone());
        let ring = KeyRing::new(LocalKey::from_base64("crash-1", RING_KEY).expect("a key"));
        Broker::builder(scene.app(), store, ring)
            .clock(clock.clone())
            .observer(move |event: &Event| seen.lock().expect("no panic").push(event.clone()))
            .build()
            .await
            .expect("a broker")
    };
    let broker = open().await;
    scene.onboard(&broker, &mounted.path().join("secrets")).await.expect("a consent");
    clock.advance(Duration::from_secs(7200));
    fill(&mounted.path());
    let partner = broker.partner(scene.partner());
    let token = partner.token(Resource::PartnerCenter).await.expect("from the exchange");
    let told = |event: Event| events.lock().expect("no panic").contains(&event);
    assert!(told(Event::Unsaved { partner: scene.partner() }));
    let same = partner.token(Resource::PartnerCenter).await.expect("from memory");
    assert_eq!(same.secret().expose(), token.secret().expose());

    fs::remove_file(mounted.path().join("filler")).expect("ours");
    while !told(Event::Saved { partner: scene.partner() }) {
        clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    broker.close(Duration::ZERO).await;
    clock.advance(Duration::from_secs(7200));
    let again = open().await;
    let partner = again.partner(scene.partner());
    partner.token(Resource::PartnerCenter).await.expect("what was saved works");
}

/// The child: writes while the disk fails to sync once.
pub async fn played() {
    let store = Sqlite::open(folder()).await.expect("a store");
    let place = place(Kind::Consent);
    let mut expect = Expect::Absent;
    for round in 1..=ROUNDS {
        match store.put(&place, body(round), expect).await {
            Ok(revision) => {
                say(format!("put {round}"));
                expect = Expect::At(revision);
                // Its connection stays open, so that the writer's is not the last.
                store.get(&place).await.expect("readable").expect("a record");
            }
            Err(error) => {
                say(format!("failed {round}: {error}"));
                // Nobody knows, so it is read back.
                match store.get(&place).await {
                    Ok(stored) => {
                        let same = stored.as_ref().is_some_and(|s| s.entry == body(round));
                        say(format!("read {round}: {same}"));
                        expect = stored.map_or(Expect::Absent, |s| Expect::At(s.revision));
                    }
                    Err(error) => say(format!("unread {round}: {error}")),
                }
            }
        }
    }
    store.close().await.expect("nothing stands in the way");
}

const ROUNDS: u64 = 6;

/// What the child says and does when its syncs numbered `when` fail with EIO.
async fn with_failing_syncs(when: &str) -> (Vec<String>, String) {
    let parent = tempfile::tempdir().expect("a folder");
    let parent = parent.path().canonicalize().expect("it is there");
    let folder = parent.join("store");
    Sqlite::open(&folder).await.expect("a store").close().await.expect("closed");
    let (log, trace) = (parent.join("trace"), "trace=openat,fdatasync,fsync,pwrite64");
    let inject = format!("inject=fdatasync,fsync:error=EIO:when={when}");
    let log_name = log.to_str().expect("Unicode");
    let words = ["strace", "-f", "-qq", "-y", "-o", log_name, "-e", trace, "-e", &inject];
    let ended = Child::playing("failing disk", &folder).under(&words).run().await;
    assert!(ended.well, "{}", ended.complaint);
    (ended.said, fs::read_to_string(log).expect("a trace"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_sync_that_failed_what_the_kernel_remembers_is_not_believed() {
    // F-11, F-12
    if !can_trace("after_a_sync_that_failed_what_the_kernel_remembers_is_not_believed") {
        return;
    }
    let (said, trace) = with_failing_syncs("5").await;
    let failed: Vec<_> = said.iter().filter(|said| said.starts_with("failed")).collect();
    assert_eq!(failed.len(), 1, "{said:?}");
    assert!(failed[0].contains("unavailable"), "nobody knows whether it happened: {failed:?}");
    assert_eq!(said.last().map(String::as_str), Some("put 6"), "{said:?}");
    let after = trace.split_once("EIO").expect("one sync failed").1;
    let first = |words: [&str; 2]| {
        let found = after.lines().position(|line| words.iter().all(|word| line.contains(word)));
        found.unwrap_or_else(|| panic!("no {words:?} after the failure: {after}"))
    };
    let order = [
        first(["openat(", "/records.sqlite3-wal\""]), // the connection was dropped, and another made
        first(["pwrite64(", "/records.sqlite3>"]),    // and what was in the log is written anew
        first(["sync(", "/records.sqlite3>"]),
        first(["pwrite64(", "/records.sqlite3-wal>"]), // before anything else is
    ];
    assert!(order.is_sorted(), "{order:?}: {after}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_for_good_is_neither_written_nor_believed() {
    // F-11
    if !can_trace("a_disk_that_fails_for_good_is_neither_written_nor_believed") {
        return;
    }
    let (said, trace) = with_failing_syncs("5+").await;
    let begin = said.iter().position(|said| said.starts_with("failed")).expect("it fails");
    for said in &said[begin..] {
        let is_refusal = said.starts_with("failed") || said.starts_with("unread");
        assert!(is_refusal && said.contains("unavailable"), "{said}: {trace}");
    }
}
