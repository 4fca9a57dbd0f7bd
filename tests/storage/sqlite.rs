//! SQLite at work: what lies where, and several processes at once.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use cpv_consent::store::{Expect, Filter, Kind, Selection, Store, StoreError};
use rusqlite::Connection;

use crate::place::{closed_store, contents, entry, key, mode, opened, place, realm};

#[tokio::test]
async fn folder_and_files_are_their_owners_alone() {
    //
    let (_folder, path) = place();
    let store = opened(&path).await;
    store.put(&key(Kind::Consent, "a"), entry("text"), Expect::Absent).await.expect("absent");
    store.put(&key(Kind::PartnerKey, "a"), entry("text"), Expect::Absent).await.expect("absent");
    assert_eq!(mode(&path), 0o700);
    let files = contents(&path);
    assert_eq!(files.len(), 6, "two files, each with its log and index: {files:?}");
    for (file, mode, _) in files {
        assert_eq!(mode, 0o600, "{file:?}");
    }
}

#[tokio::test]
async fn partner_keys_live_apart_from_records() {
    let (_folder, path) = place();
    closed_store(&path).await;
    let count = |name: &str, kind: &str| -> i64 {
        let db = Connection::open(path.join(name)).expect("a database");
        let sql = "SELECT count(*) FROM record WHERE kind = ?1";
        db.query_row(sql, [kind], |row| row.get(0)).expect("a table")
    };
    assert_eq!(count("records.sqlite3", "consent"), 1);
    assert_eq!(count("records.sqlite3", "partner-key"), 0);
    assert_eq!(count("partner-keys.sqlite3", "partner-key"), 1);
    assert_eq!(count("partner-keys.sqlite3", "consent"), 0);
}

#[tokio::test]
async fn no_byte_of_a_removed_partner_key_is_left_in_a_file() {
    //
    const MARKER: &str = "canary-4d5e-wrapped-partner-key";
    let (_folder, path) = place();
    let store = opened(&path).await;
    let place = key(Kind::PartnerKey, "gone");
    let holds = || {
        contents(&path).into_iter().any(|(_, _, bytes)| {
            bytes.windows(MARKER.len()).any(|window| window == MARKER.as_bytes())
        })
    };
    let at = store.put(&place, entry(MARKER), Expect::Absent).await.expect("absent");
    assert!(holds());
    store.remove(&place, at).await.expect("unmoved");
    assert!(!holds());
}

#[tokio::test]
async fn a_destroyed_key_leaves_the_log_once_no_reader_holds_it() {
    //
    const MARKER: &str = "canary-7a10-wrapped-partner-key";
    let (_folder, path) = place();
    let store = opened(&path).await;
    let holds = || {
        contents(&path).into_iter().any(|(_, _, bytes)| {
            bytes.windows(MARKER.len()).any(|window| window == MARKER.as_bytes())
        })
    };
    let place = key(Kind::PartnerKey, "gone");
    let at = store.put(&place, entry(MARKER), Expect::Absent).await.expect("absent");
    let reader = Connection::open(path.join("partner-keys.sqlite3")).expect("a database");
    reader.execute_batch("BEGIN; SELECT count(*) FROM record").expect("a snapshot");
    store.remove(&place, at).await.expect("unmoved");
    assert!(holds(), "the reader needs it");
    reader.execute_batch("COMMIT").expect("it had only read");
    store.put(&key(Kind::Consent, "a"), entry("text"), Expect::Absent).await.expect("absent");
    assert!(!holds());
}

// F-14
#[tokio::test]
async fn files_that_were_replaced_under_it_are_neither_written_nor_read_for_long() {
    let ((_folder, path), (_other, foreign)) = (place(), place());
    let store = opened(&path).await;
    let place = key(Kind::Consent, "a");
    store.put(&place, entry("text"), Expect::Absent).await.expect("absent");
    opened(&foreign).await.close().await.expect("nothing is under way");
    fs::rename(foreign.join("records.sqlite3"), path.join("records.sqlite3")).expect("ours");
    let written = store.put(&key(Kind::Consent, "b"), entry("text"), Expect::Absent).await;
    assert!(matches!(written, Err(StoreError::Unusable { .. })), "{written:?}");
    let noticed = async {
        while store.get(&place).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        store.get(&place).await
    };
    let read = tokio::time::timeout(Duration::from_secs(10), noticed).await.expect("noticed");
    assert!(matches!(read, Err(StoreError::Unusable { .. })), "{read:?}");
}

#[tokio::test]
async fn a_clock_at_its_end_is_damage_and_ends_no_writer() {
    let (_folder, path) = place();
    let store = opened(&path).await;
    let db = Connection::open(path.join("records.sqlite3")).expect("a database");
    let place = key(Kind::Consent, "a");
    db.execute("UPDATE clock SET revision = ?1", [i64::MAX]).expect("ours");
    let failed = store.put(&place, entry("text"), Expect::Absent).await;
    assert!(matches!(failed, Err(StoreError::Damaged { .. })), "{failed:?}");
    db.execute("UPDATE clock SET revision = 1", []).expect("ours");
    store.put(&place, entry("text"), Expect::Absent).await.expect("mended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_that_write_at_once_exactly_one_wins() {
    // F-07, F-08
    let (_folder, path) = place();
    let handles = [opened(&path).await, opened(&path).await].map(Arc::new);
    let place = key(Kind::Consent, "contested");
    let mut at = handles[0].put(&place, entry("0"), Expect::Absent).await.expect("absent");
    for round in 0..20 {
        let race = handles.clone().map(|handle| {
            let (place, text) = (place.clone(), format!("{round} {handle:p}"));
            tokio::spawn(async move { handle.put(&place, entry(&text), Expect::At(at)).await })
        });
        let [first, second] = race;
        let results = [first.await.expect("no panic"), second.await.expect("no panic")];
        let won: Vec<_> = results.iter().flatten().collect();
        let lost = results.iter().filter(|result| **result == Err(StoreError::Conflict)).count();
        assert_eq!((won.len(), lost), (1, 1), "{results:?}");
        at = *won[0];
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_of_one_handle_all_succeed() {
    let (_folder, path) = place();
    let store = Arc::new(opened(&path).await);
    let writers: Vec<_> = (0..200)
        .map(|number| {
            let (store, place) = (Arc::clone(&store), key(Kind::Consent, &number.to_string()));
            tokio::spawn(async move { store.put(&place, entry("text"), Expect::Absent).await })
        })
        .collect();
    let mut revisions = Vec::new();
    for writer in writers {
        revisions.push(writer.await.expect("no panic").expect("absent"));
    }
    revisions.sort();
    revisions.dedup();
    assert_eq!(revisions.len(), 200);
}

#[tokio::test]
async fn a_write_whose_caller_has_gone_happens_or_does_not() {
    // F-30
    let (_folder, path) = place();
    let store = opened(&path).await;
    let place = key(Kind::Consent, "a");
    {
        let write = store.put(&place, entry("text"), Expect::Absent);
        tokio::pin!(write);
        let polled =
            std::future::poll_fn(|context| std::task::Poll::Ready(write.as_mut().poll(context)));
        assert!(polled.await.is_pending(), "a commit takes longer than one poll");
    }
    // This one queues behind it: there is one writer.
    let second = store.put(&place, entry("other"), Expect::Absent).await;
    assert_eq!(second, Err(StoreError::Conflict));
}

#[tokio::test]
async fn a_row_that_names_no_tenant_is_damaged_and_hides_no_other() {
    // F-22
    let (_folder, path) = place();
    let store = opened(&path).await;
    for id in ["a", "b", "c"] {
        store.put(&key(Kind::Consent, id), entry("text"), Expect::Absent).await.expect("absent");
    }
    let db = Connection::open(path.join("records.sqlite3")).expect("a database");
    db.execute("UPDATE record SET partner = 'nobody' WHERE id = 'b'", []).expect("a row");
    let filter = Filter {
        realm: realm(),
        kind: Kind::Consent,
        selection: Selection::All,
        cursor: None,
        limit: 2,
    };
    let first = store.list(filter.clone()).await.expect("a page");
    let second = store.list(Filter { cursor: first.next, ..filter }).await.expect("a page");
    assert_eq!(first.damaged, ["b"]);
    let ids = first.records.iter().chain(&second.records).map(|stored| stored.key.id());
    assert_eq!(ids.collect::<Vec<_>>(), ["a", "c"]);
    let read = store.get(&key(Kind::Consent, "b")).await;
    assert!(matches!(read, Err(StoreError::Damaged { .. })), "{read:?}");
}

#[tokio::test]
async fn a_write_that_failed_is_told_and_the_next_one_succeeds() {
    // F-11
    let (_folder, path) = place();
    let store = opened(&path).await;
    let db = Connection::open(path.join("records.sqlite3")).expect("a database");
    db.execute_batch("ALTER TABLE clock RENAME TO hidden").expect("ours");
    let failed = store.put(&key(Kind::Consent, "a"), entry("text"), Expect::Absent).await;
    assert!(matches!(failed, Err(StoreError::Unavailable { .. })), "{failed:?}");
    db.execute_batch("ALTER TABLE hidden RENAME TO clock").expect("ours");
    store.put(&key(Kind::Consent, "a"), entry("text"), Expect::Absent).await.expect("absent");
}

#[tokio::test]
async fn a_closed_store_needs_no_log() {
    let (_folder, path) = place();
    closed_store(&path).await;
    let names: Vec<_> = contents(&path)
        .into_iter()
        .map(|(path, ..)| path.file_name().expect("a name").to_owned())
        .collect();
    assert_eq!(names, ["partner-keys.sqlite3", "records.sqlite3"]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn opening_a_store_twice_in_one_process_keeps_its_locks() {
    let (_folder, path) = place();
    let locks = || {
        let inode = fs::metadata(path.join("records.sqlite3")).expect("it is there").ino();
        let locks = fs::read_to_string("/proc/locks").expect("Linux tells its locks");
        locks.lines().filter(|lock| lock.contains(&format!(":{inode} "))).count()
    };
    // What a write takes besides is given back soon after it is answered.
    let come_to = async |number: usize| {
        for _ in 0..2000 {
            if locks() == number {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        false
    };
    let first = opened(&path).await;
    first.put(&key(Kind::Consent, "a"), entry("text"), Expect::Absent).await.expect("absent");
    assert!(come_to(1).await, "a connection holds a lock as long as it is open");
    opened(&path).await.close().await.expect("nothing stands in the way");
    assert!(come_to(1).await, "{} are left", locks());
    first.close().await.expect("nothing stands in the way");
    assert!(come_to(0).await, "{} are left", locks());
}
