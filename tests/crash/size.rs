//! Stores of many records, and processes without room for more.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cpv_consent::emulator::Emulator;
use cpv_consent::store::{Expect, Filter, Kind, Memory, Selection, Sqlite, Store, StoreError};
use cpv_consent::{AccountId, Broker, TenantId, VirtualClock};
use rusqlite::Connection;

use crate::child::{Child, folder, say};
use crate::puts::{body, place};
use crate::scene::Scene;

/// The child: says how many bytes it reads to open a store, find one record, and list what is due.
pub async fn played() {
    let before = bytes_read();
    let store = Sqlite::open(folder()).await.expect("a store");
    say(format!("open {}", bytes_read() - before));
    let before = bytes_read();
    store.get(&place(Kind::Consent)).await.expect("readable").expect("a record");
    let (selection, cursor, limit) = (Selection::DueBy(SystemTime::now()), None, 10);
    let realm = place(Kind::Consent).realm().clone();
    let filter = Filter { realm, kind: Kind::Consent, selection, cursor, limit };
    assert_eq!(store.list(filter).await.expect("readable").records.len(), 10);
    say(format!("use {}", bytes_read() - before));
}

/// What this process has read from files so far.
fn bytes_read() -> u64 {
    let io = fs::read_to_string("/proc/self/io").expect("Linux tells what was read");
    let line = io.lines().find_map(|line| line.strip_prefix("rchar: ")).expect("a line");
    line.parse().expect("a number")
}

/// A store with one record of ours among so many others.
async fn filled(folder: &Path, records: u32) {
    let store = Sqlite::open(folder).await.expect("a store");
    store.put(&place(Kind::Consent), body(1), Expect::Absent).await.expect("absent");
    store.close().await.expect("nothing stands in the way");
    let db = Connection::open(folder.join("records.sqlite3")).expect("a database");
    db.execute_batch(&format!(
        "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF;
         INSERT INTO record (realm, kind, id, partner, sealed, due, revision)
         WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {records})
         SELECT (SELECT min(number) FROM realm), 'consent', printf('%08d', n), NULL,
                randomblob(100), n, 1000 + n
         FROM number;
         UPDATE clock SET revision = 1000 + {records};
         PRAGMA journal_mode = WAL;"
    ))
    .expect("ours");
}

async fn reads_of(records: u32) -> Vec<(String, u64)> {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().canonicalize().expect("it is there").join("store");
    filled(&folder, records).await;
    let ended = Child::playing("size", &folder).run().await;
    assert!(ended.well, "{}", ended.complaint);
    let said = ended.said.iter().filter_map(|said| said.split_once(' '));
    said.map(|(what, bytes)| (what.to_owned(), bytes.parse().expect("a number"))).collect()
}

/// Opening reads the same few pages, and a record costs one level of its tree more at most.
async fn assert_as_with_few(records: u32) {
    const PAGE: u64 = 4096;
    let (few, many) = (reads_of(100).await, reads_of(records).await);
    for ((what, few), (_, many)) in few.into_iter().zip(many) {
        let most = few + 16 * PAGE;
        assert!(many <= most, "{what}: {many} bytes of {records} records, {few} of a hundred");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opening_and_using_a_store_of_many_records_reads_as_little_as_of_few() {
    // F-27
    assert_as_with_few(50_000).await;
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "makes a file of half a gigabyte"]
async fn opening_and_using_a_store_of_a_million_records_reads_as_little_as_of_few() {
    // F-27
    if std::env::var_os("ROLE").is_none() {
        assert_as_with_few(1_000_000).await;
    }
}

/// The child: opens files until there are no more, and says what the store says then.
pub async fn files_used_up_played() {
    let store = Sqlite::open(folder()).await.expect("a store");
    let place = place(Kind::Consent);
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    let read = store.get(&place).await.expect_err("a reader needs a file");
    assert!(matches!(read, StoreError::Unavailable { .. }), "{read}");
    let opened = Sqlite::open(folder()).await.expect_err("a store needs files");
    assert!(matches!(opened, StoreError::Unavailable { .. }), "{opened}");
    drop(files);
    store.get(&place).await.expect("readable");
    store.put(&place, body(1), Expect::Absent).await.expect("absent");
    store.close().await.expect("nothing stands in the way");
    say("recovered");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_without_files_to_open_is_told_so_and_recovers() {
    // F-28
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().canonicalize().expect("it is there").join("store");
    let child = Child::playing("files used up", &folder).under(&["prlimit", "--nofile=64:64"]);
    let ended = child.run().await;
    assert!(ended.well, "{}", ended.complaint);
    assert_eq!(ended.said, ["recovered"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_flows_begun_and_left_are_swept_and_stand_in_nobodys_way() {
    // F-28
    const FLOWS: usize = 10_000;
    let clock = VirtualClock::default();
    let entra = Emulator::builder().clock(clock.clone()).start().await.expect("free ports");
    let scene = Scene::on(&entra);
    let store = Arc::new(Memory::new());
    let flows = async || {
        let (realm, selection) = (scene.app().realm(), Selection::All);
        let (kind, cursor, limit) = (Kind::Pending, None, usize::MAX);
        let page = store.list(Filter { realm, kind, selection, cursor, limit }).await;
        page.expect("memory").records.len()
    };
    let broker = Broker::builder(scene.app(), store.clone(), Scene::ring()).clock(clock.clone());
    let broker = broker.build().await.expect("a broker");
    let partner: TenantId = scene.partner();
    let beginners = (0..4).map(|_| {
        let broker = broker.clone();
        tokio::spawn(async move {
            for _ in 0..FLOWS / 4 {
                let account = AccountId::new("panel-1").expect("plain text");
                let pending = broker.partner(partner).request_consent(account).await;
                pending.expect("a flow");
            }
        })
    });
    for beginner in beginners.collect::<Vec<_>>() {
        beginner.await.expect("no panic");
    }
    let folder = tempfile::tempdir().expect("a folder");
    scene.onboard(&broker, &folder.path().join("secrets")).await.expect("in nobody's way");
    assert!(flows().await >= FLOWS);
    clock.advance(Duration::from_secs(2 * 3600));
    broker.sweep().await.expect("memory");
    assert_eq!(flows().await, 0);
}
