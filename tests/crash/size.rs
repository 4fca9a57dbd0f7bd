//! Stores of many records.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use cpv_consent::store::{Expect, Filter, Kind, Selection, Sqlite, Store};
use rusqlite::Connection;

use crate::child::{Child, folder, say};
use crate::puts::{body, place};

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
