//! SQLite: its folder, its files, and several processes at once.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cpv_consent::Sealed;
use cpv_consent::store::conformance;
use cpv_consent::store::{Entry, Expect, Filter, Key, Kind, Selection, Sqlite, Store, StoreError};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::{KEPT_BY_ALL, realm};

/// A place for a store, which is not there yet. The folder goes away with the first value.
fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().canonicalize().expect("it is there").join("store");
    (folder, path)
}

fn key(kind: Kind, id: &str) -> Key {
    Key::new(realm(), kind, None, id)
}

fn entry(text: &str) -> Entry {
    Entry { sealed: Sealed::from_bytes(text.as_bytes().to_vec()), due: None }
}

async fn opened(path: &Path) -> Sqlite {
    Sqlite::open(path).await.expect("a store")
}

async fn refusal(path: &Path) -> String {
    match Sqlite::open(path).await.expect_err("it must be refused") {
        StoreError::Unusable { because } => because.into_owned(),
        other => panic!("{other}"),
    }
}

/// Every file of a folder with its mode and bytes.
fn contents(folder: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|file| file.expect("a file").path())
        .map(|path| (mode(&path), fs::read(&path).expect("its bytes"), path))
        .map(|(mode, bytes, path)| (path, mode, bytes))
        .collect();
    files.sort();
    files
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("it is there").mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
}

/// A folder with a closed store of two records in it.
async fn closed_store(path: &Path) {
    let store = opened(path).await;
    for kind in [Kind::Consent, Kind::PartnerKey] {
        store.put(&key(kind, "kept"), entry("text"), Expect::Absent).await.expect("absent");
    }
    store.close().await.expect("nothing stands in the way");
}

#[tokio::test]
async fn sqlite_keeps_its_promises() {
    let (_folder, path) = place();
    let open = || async { Ok(Arc::new(Sqlite::open(&path).await?) as Arc<dyn Store>) };
    let report = conformance::check(open).await.expect("it keeps its promises");
    assert_eq!(report.kept.len(), KEPT_BY_ALL + 1);
    assert_eq!(report.unpromised, [""; 0]);
}

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
async fn what_is_open_to_others_is_refused_and_left_as_it_was() {
    //
    let (_folder, path) = place();
    closed_store(&path).await;
    for name in ["", "records.sqlite3", "partner-keys.sqlite3"] {
        let wide = path.join(name);
        let was = mode(&wide);
        set_mode(&wide, was | 0o040);
        let before = contents(&path);
        assert!(refusal(&path).await.contains("open to others"), "{name}");
        assert_eq!(contents(&path), before, "{name}");
        set_mode(&wide, was);
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
    fs::rename(path.join("records.sqlite3"), root.join("elsewhere")).expect("ours");
    symlink(root.join("elsewhere"), path.join("records.sqlite3")).expect("a link");
    assert!(refusal(&path).await.contains("link"));
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused_and_left_as_it_was() {
    // F-14
    let (_folder, path) = place();
    fs::DirBuilder::new().mode(0o700).create(&path).expect("a folder");
    let file = path.join("records.sqlite3");
    let foreign = Connection::open(&file).expect("a database");
    foreign.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (a)").expect("a table");
    drop(foreign);
    let foreign = fs::read(&file).expect("its bytes");
    for bytes in [foreign, b"not a database".to_vec(), vec![0; 4096]] {
        fs::write(&file, bytes).expect("ours");
        set_mode(&file, 0o600);
        let before = contents(&path);
        assert!(refusal(&path).await.contains("no store"));
        assert_eq!(contents(&path), before);
    }
}

#[tokio::test]
async fn a_store_made_for_a_newer_version_is_refused_and_left_as_it_was() {
    // F-26
    for name in ["records.sqlite3", "partner-keys.sqlite3"] {
        let (_folder, path) = place();
        closed_store(&path).await;
        let db = Connection::open(path.join(name)).expect("a database");
        db.pragma_update(None, "user_version", 2).expect("ours");
        drop(db);
        let before = contents(&path);
        assert!(refusal(&path).await.contains("newer version"), "{name}");
        assert_eq!(contents(&path), before, "{name}");
    }
}

#[tokio::test]
async fn records_without_their_partner_keys_are_refused() {
    let (_folder, path) = place();
    closed_store(&path).await;
    fs::remove_file(path.join("partner-keys.sqlite3")).expect("ours");
    let before = contents(&path);
    assert!(refusal(&path).await.contains("partner keys is missing"));
    assert_eq!(contents(&path), before);
}

#[tokio::test]
async fn partner_keys_of_another_store_are_refused() {
    // F-14
    let (_folder, path) = place();
    let (_other_folder, other) = place();
    closed_store(&path).await;
    closed_store(&other).await;
    let name = "partner-keys.sqlite3";
    fs::copy(other.join(name), path.join(name)).expect("ours");
    assert!(refusal(&path).await.contains("another store"));
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
    let first = opened(&path).await;
    first.put(&key(Kind::Consent, "a"), entry("text"), Expect::Absent).await.expect("absent");
    let held = locks();
    assert!(held > 0, "a connection holds a lock as long as it is open");
    opened(&path).await.close().await.expect("nothing stands in the way");
    assert_eq!(locks(), held);
    first.close().await.expect("nothing stands in the way");
    assert_eq!(locks(), 0);
}
