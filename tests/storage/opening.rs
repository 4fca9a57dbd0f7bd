//! What is refused on opening, each in its own words, and left as it was.

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cpv_consent::store::{Expect, Kind, Sqlite, Store, StoreError};
use rusqlite::Connection;

use crate::mount::Mounted;
use crate::place::{
    closed_store, contents, entry, key, mode, opened, place, refusal, set_mode, untouched,
};

const RECORDS: &str = "records.sqlite3";
const PARTNER_KEYS: &str = "partner-keys.sqlite3";

/// The refusal has these words in it, and nothing is changed or made.
async fn refused_untouched(path: &Path, words: &str) {
    let before = untouched(path);
    let because = refusal(path).await;
    assert!(because.contains(words), "{because}");
    assert!(because.starts_with(path.to_str().expect("a path")), "it names no folder: {because}");
    let advice = because.split_once([';', ',']).map_or("", |(_, advice)| advice);
    assert!(!advice.is_empty(), "it does not say what to do: {because}");
    assert_eq!(untouched(path), before, "{because}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_is_another_users_is_refused() {
    //
    let (_folder, path) = place();
    closed_store(&path).await;
    for name in ["", RECORDS, PARTNER_KEYS] {
        let given = path.join(name);
        let owner = fs::metadata(&given).expect("it is there").uid();
        // Only root may give a file away; whoever is not root finds folders of root.
        if chown(&given, Some(owner + 1), None).is_ok() {
            refused_untouched(&path, "another user's").await;
            chown(&given, Some(owner), None).expect("still root");
        } else {
            assert!(refusal(Path::new("/usr")).await.contains("another user's"));
        }
    }
    opened(&path).await;
}

#[tokio::test]
async fn what_is_open_to_others_is_refused() {
    //
    let (_folder, path) = place();
    closed_store(&path).await;
    for name in ["", RECORDS, PARTNER_KEYS] {
        for bit in [0o040, 0o020, 0o010, 0o004, 0o002, 0o001] {
            let wide = path.join(name);
            let was = mode(&wide);
            set_mode(&wide, was | bit);
            let named = if name.is_empty() { "its folder" } else { name };
            refused_untouched(&path, &format!("{named} is open to others")).await;
            set_mode(&wide, was);
        }
    }
    opened(&path).await;
}

#[tokio::test]
async fn a_symbolic_link_anywhere_in_the_path_is_refused() {
    //
    let (folder, path) = place();
    closed_store(&path).await;
    let root = folder.path().canonicalize().expect("it is there");
    symlink(&path, root.join("link")).expect("a link");
    symlink(&root, root.join("above")).expect("a link");
    for linked in [root.join("link"), root.join("above").join("store")] {
        assert!(refusal(&linked).await.contains("symbolic link"), "{linked:?}");
    }
    fs::rename(path.join(RECORDS), root.join("elsewhere")).expect("ours");
    symlink(root.join("elsewhere"), path.join(RECORDS)).expect("a link");
    refused_untouched(&path, "link").await;
}

#[tokio::test]
async fn what_is_no_folder_or_has_no_parent_is_refused_and_not_made() {
    let (folder, path) = place();
    fs::write(&path, "a file").expect("ours");
    assert!(refusal(&path).await.contains("no folder"));
    assert_eq!(fs::read(&path).expect("it is there"), b"a file");
    let orphan = folder.path().canonicalize().expect("it is there").join("missing").join("store");
    assert!(refusal(&orphan).await.contains("parent of its folder is missing"));
    assert!(!orphan.parent().expect("it has one").exists());
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused() {
    // F-14
    let (_folder, path) = place();
    fs::DirBuilder::new().mode(0o700).create(&path).expect("a folder");
    for name in [RECORDS, PARTNER_KEYS] {
        let file = path.join(name);
        let foreign = Connection::open(&file).expect("a database");
        foreign.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (a)").expect("a table");
        drop(foreign);
        let foreign = fs::read(&file).expect("its bytes");
        for bytes in [foreign, b"not a database".to_vec(), vec![0; 4096]] {
            fs::write(&file, bytes).expect("ours");
            set_mode(&file, 0o600);
            refused_untouched(&path, &format!("{name} is no store of this crate")).await;
        }
        fs::remove_file(&file).expect("ours");
    }
}

#[tokio::test]
async fn records_without_their_partner_keys_are_refused() {
    let (_folder, path) = place();
    closed_store(&path).await;
    fs::remove_file(path.join(PARTNER_KEYS)).expect("ours");
    refused_untouched(&path, "partner keys is missing").await;
}

#[tokio::test]
async fn partner_keys_of_another_store_are_refused() {
    // F-14
    let (_folder, path) = place();
    let (_other_folder, other) = place();
    closed_store(&path).await;
    closed_store(&other).await;
    fs::copy(other.join(PARTNER_KEYS), path.join(PARTNER_KEYS)).expect("ours");
    refused_untouched(&path, "belong to another store").await;
}

#[tokio::test]
async fn partner_keys_of_another_store_are_refused_though_a_crash_left_its_logs() {
    // F-14
    let (_folder, path) = place();
    let (_other_folder, other) = place();
    crashed_copy(&path).await;
    closed_store(&other).await;
    fs::copy(other.join(PARTNER_KEYS), path.join(PARTNER_KEYS)).expect("ours");
    fs::remove_file(path.join("partner-keys.sqlite3-wal")).expect("ours");
    let bytes = |name| fs::read(path.join(name)).expect("it is there");
    let before = [RECORDS, PARTNER_KEYS, "records.sqlite3-wal"].map(bytes);
    assert!(refusal(&path).await.contains("belong to another store"));
    assert_eq!([RECORDS, PARTNER_KEYS, "records.sqlite3-wal"].map(bytes), before);
}

/// Files as a process leaves them that was killed: all that it wrote is in the logs.
async fn crashed_copy(path: &Path) {
    let (_folder, alive) = place();
    let store = opened(&alive).await;
    for kind in [Kind::Consent, Kind::PartnerKey] {
        store.put(&key(kind, "kept"), entry("text"), Expect::Absent).await.expect("absent");
    }
    fs::DirBuilder::new().mode(0o700).create(path).expect("a folder");
    for (file, mode, bytes) in contents(&alive) {
        let name = file.file_name().expect("a name");
        if !name.to_string_lossy().ends_with("-shm") {
            fs::write(path.join(name), bytes).expect("ours");
            set_mode(&path.join(name), mode);
        }
    }
}

#[tokio::test]
async fn what_a_killed_process_left_in_the_log_is_there() {
    // F-14
    let (_folder, path) = place();
    crashed_copy(&path).await;
    let log = fs::metadata(path.join("records.sqlite3-wal")).expect("it is there");
    assert!(log.len() > 0, "everything is in the log");
    let store = opened(&path).await;
    for kind in [Kind::Consent, Kind::PartnerKey] {
        let stored = store.get(&key(kind, "kept")).await.expect("readable").expect("a record");
        assert_eq!(stored.entry, entry("text"));
    }
}

#[tokio::test]
async fn files_replaced_under_an_open_store_are_neither_written_nor_believed() {
    // F-14
    let (_folder, path) = place();
    let (_other_folder, other) = place();
    closed_store(&other).await;
    for name in [RECORDS, PARTNER_KEYS] {
        let _ = fs::remove_dir_all(&path);
        let store = opened(&path).await;
        store.put(&key(Kind::Consent, "a"), entry("text"), Expect::Absent).await.expect("absent");
        fs::remove_file(path.join(name)).expect("ours");
        fs::copy(other.join(name), path.join(name)).expect("ours");
        let there = fs::read(path.join(name)).expect("it is there");
        let put = store.put(&key(Kind::Consent, "b"), entry("text"), Expect::Absent).await;
        let read = store.get(&key(Kind::Consent, "a")).await;
        for refused in [put.expect_err("replaced"), read.expect_err("replaced")] {
            assert!(refused.to_string().contains("replaced or moved"), "{refused}");
        }
        store.close().await.expect("nothing stands in the way");
        assert_eq!(fs::read(path.join(name)).expect("it is there"), there);
    }
}

#[tokio::test]
async fn a_read_only_file_system_is_named_as_such() {
    // F-11
    let test = "a_read_only_file_system_is_named_as_such";
    let Some(mounted) = Mounted::of(4 << 20, test) else { return };
    let path = mounted.path().join("store");
    closed_store(&path).await;
    mounted.make_read_only();
    let before = untouched(&path);
    assert_eq!(Sqlite::open(&path).await.expect_err("read only"), StoreError::ReadOnly);
    assert_eq!(untouched(&path), before);
    let fresh = Sqlite::open(mounted.path().join("fresh")).await;
    assert_eq!(fresh.expect_err("read only"), StoreError::ReadOnly);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_longer_than_told_for_a_process_that_hangs() {
    // F-14: the machine's own time, for the waits are SQLite's and the operating system's
    let (_folder, path) = place();
    let (_other_folder, opening) = place();
    let store = Arc::new(opened(&path).await);
    let hangs = Connection::open(path.join(RECORDS)).expect("a database");
    hangs.execute_batch("BEGIN IMMEDIATE").expect("no other writer");
    fs::DirBuilder::new().mode(0o700).create(&opening).expect("a folder");
    let opens = File::open(&opening).expect("a folder");
    opens.lock().expect("nobody has it");
    let begun = Instant::now();
    let writers: Vec<_> = (0..200)
        .map(|number| {
            let (store, place) = (store.clone(), key(Kind::Consent, &number.to_string()));
            tokio::spawn(async move { store.put(&place, entry("text"), Expect::Absent).await })
        })
        .collect();
    let refused = Sqlite::open(&opening).await.expect_err("another process opens it");
    assert!(matches!(refused, StoreError::Unavailable { .. }), "{refused}");
    for writer in writers {
        let refused = writer.await.expect("no panic").expect_err("another process writes");
        assert!(matches!(refused, StoreError::Unavailable { .. }), "{refused}");
    }
    let waited = begun.elapsed();
    assert!(waited < Duration::from_secs(15), "{waited:?}");
    assert_eq!(store.get(&key(Kind::Consent, "0")).await, Ok(None), "readers do not wait");
    hangs.execute_batch("ROLLBACK").expect("begun");
    store.put(&key(Kind::Consent, "0"), entry("text"), Expect::Absent).await.expect("absent");
}
