//! Writes of SQLite, killed at every system call that writes.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use cpv_consent::Sealed;
use cpv_consent::store::{Entry, Expect, Key, Kind, Revision, Sqlite, Store, StoreError};

use crate::child::{Child, folder, say};
use crate::scene::Scene;

const ROUNDS: u64 = 3;
const WRITES: &str = "pwrite64,write,ftruncate,fdatasync,fsync,unlink,rename";

pub fn place(kind: Kind) -> Key {
    let told = HashMap::from([
        ("LOGIN".to_owned(), "http://127.0.0.1:1".to_owned()),
        ("PARTNER_CENTER".to_owned(), "http://127.0.0.1:2".to_owned()),
        ("GRAPH".to_owned(), "http://127.0.0.1:3".to_owned()),
    ]);
    Key::new(Scene(told).app().realm(), kind, None, "contested")
}

/// Larger than a page of SQLite, so that half of it would show.
pub fn body(round: u64) -> Entry {
    Entry { sealed: Sealed::from_bytes(round.to_be_bytes().repeat(900)), due: None }
}

/// The round that a body is of, which must be whole.
fn round_of(entry: &Entry) -> u64 {
    let bytes = entry.sealed.as_bytes();
    let round = u64::from_be_bytes(*bytes.first_chunk().expect("a body"));
    assert_eq!(*entry, body(round), "a body of halves");
    round
}

/// The child: writes both files by turns, says what was acknowledged, and closes the store.
pub async fn played() {
    let store = Sqlite::open(folder()).await.expect("a store");
    let mut at = [Expect::Absent; 2];
    for round in 1..=ROUNDS {
        for (kind, expect) in [Kind::Consent, Kind::PartnerKey].into_iter().zip(&mut at) {
            let revision = store.put(&place(kind), body(round), *expect).await.expect("unmoved");
            *expect = Expect::At(revision);
            say(format!("{kind} {round}"));
        }
    }
    store.close().await.expect("nothing stands in the way");
}

/// The child: opens a store that is not there yet.
pub async fn opening_played() {
    let store = Sqlite::open(folder()).await.expect("a store");
    say("opened");
    store.close().await.expect("nothing stands in the way");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_names_of_a_new_store_are_on_disk_before_anything_is_in_it() {
    // F-04
    if !can_trace("the_names_of_a_new_store_are_on_disk_before_anything_is_in_it") {
        return;
    }
    let parent = tempfile::tempdir().expect("a folder");
    let parent = parent.path().canonicalize().expect("it is there");
    let (folder, log) = (parent.join("store"), parent.join("trace"));
    let log_name = log.to_str().expect("Unicode");
    let words =
        ["strace", "-f", "-qq", "-y", "-o", log_name, "-e", "trace=mkdir,openat,fsync,pwrite64"];
    let ended = Child::playing("opening", &folder).under(&words).run().await;
    assert!(ended.well, "{}", ended.complaint);
    let trace = std::fs::read_to_string(log).expect("a trace");
    let first = |call: &str, path: &str| {
        let of = |line: &str| line.contains(call) && line.contains(path);
        trace.lines().position(of).unwrap_or_else(|| panic!("no {call} of {path}: {trace}"))
    };
    let (parent, folder) = (format!("<{}>", parent.display()), format!("<{}>", folder.display()));
    let made = ["/records.sqlite3\"", "/partner-keys.sqlite3\""].map(|n| first("O_EXCL", n));
    let filled = ["/records.sqlite3>", "/partner-keys.sqlite3>"].map(|n| first("pwrite64(", n));
    let synced = [&parent, &folder].map(|path| first("fsync(", path));
    assert!(first("mkdir(", "/store\"") < synced[0], "{trace}");
    assert!(made.iter().max() < synced.iter().min(), "{trace}");
    assert!(synced.iter().max() < filled.iter().min(), "{trace}");
}

/// Whether `strace` is on this machine and may trace; otherwise a word about the test.
pub fn can_trace(test: &str) -> bool {
    let traced = Command::new("strace").args(["-qq", "-e", "trace=none", "true"]).output();
    let can = traced.is_ok_and(|output| output.status.success());
    if !can {
        eprintln!("not run: {test}: strace is not on this machine, or may not trace");
    }
    can
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_killed_at_any_system_call_is_whole_or_absent_and_no_acknowledged_one_is_lost() {
    // F-04
    const TEST: &str =
        "a_write_killed_at_any_system_call_is_whole_or_absent_and_no_acknowledged_one_is_lost";
    if !can_trace(TEST) {
        return;
    }
    let parent = tempfile::tempdir().expect("a folder");
    let parent = parent.path().canonicalize().expect("it is there");
    let mut points = 0;
    for call in 1.. {
        let folder = parent.join(call.to_string());
        Sqlite::open(&folder).await.expect("a store").close().await.expect("closed");
        let acknowledged = match killed_at(call, &folder, "puts").await {
            Some(said) => said,
            None => break,
        };
        points = call;
        check(&folder, &acknowledged).await;
    }
    assert!(points > 20, "{points} points");
}

/// What the child said before it was killed, or `None` if it lived.
async fn killed_at(call: u32, folder: &Path, role: &'static str) -> Option<Vec<String>> {
    let inject = format!("inject={WRITES}:signal=KILL:when={call}");
    let trace = format!("trace={WRITES}");
    // The counts are each thread's own: only what the thread that writes touches is counted.
    let files = ["records.sqlite3", "partner-keys.sqlite3"].map(|name| folder.join(name));
    let logs = files.clone().map(|file| file.with_extension("sqlite3-wal"));
    let mut words = vec!["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    if role == "puts" {
        for file in files.iter().chain(&logs) {
            words.extend(["-P", file.to_str().expect("Unicode")]);
        }
    }
    let ended = Child::playing(role, folder).under(&words).run().await;
    assert!(ended.killed || ended.well, "at call {call}: {}", ended.complaint);
    ended.killed.then_some(ended.said)
}

async fn check(folder: &Path, acknowledged: &[String]) {
    let store = Sqlite::open(folder).await.expect("it opens after a crash");
    for kind in [Kind::Consent, Kind::PartnerKey] {
        let last =
            acknowledged.iter().filter_map(|said| said.strip_prefix(kind.name())).next_back();
        let least: u64 = last.map_or(0, |round| round.trim().parse().expect("a number"));
        let stored = store.get(&place(kind)).await.expect("readable");
        let round = stored.as_ref().map_or(0, |stored| round_of(&stored.entry));
        assert!(
            (least..=least + 1).contains(&round),
            "{kind}: {least} acknowledged, {round} there"
        );
        let expect = stored.map_or(Expect::Absent, |stored| Expect::At(stored.revision));
        let next: Result<Revision, StoreError> = store.put(&place(kind), body(9), expect).await;
        next.expect("the next attempt succeeds");
    }
    store.close().await.expect("nothing stands in the way");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_whose_making_was_killed_at_any_system_call_opens() {
    // F-26
    if !can_trace("a_store_whose_making_was_killed_at_any_system_call_opens") {
        return;
    }
    let parent = tempfile::tempdir().expect("a folder");
    let parent = parent.path().canonicalize().expect("it is there");
    let mut points = 0;
    for call in 1.. {
        let folder = parent.join(call.to_string());
        if killed_at(call, &folder, "opening").await.is_none() {
            break;
        }
        points = call;
        check(&folder, &[]).await;
    }
    assert!(points > 10, "{points} points");
}
