//! What is wrong before anything begins: each has an error of its own that says what to do, and the
//! store is left as it was.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cpv_consent::store::{Postgres, Sqlite, Store, StoreError};
use cpv_consent::{Broker, Error, KeyRing, LocalKey, Remedy};

use crate::server::{self, Database};
use crate::world::{MINUTE, World, raw};

const RECORDS: &str = "records.sqlite3";
const PARTNER_KEYS: &str = "partner-keys.sqlite3";

/// What somebody is told who opens a store in vain, once each.
#[derive(Default)]
struct Told(BTreeSet<String>);

impl Told {
    fn note(&mut self, error: Error, words: &str) {
        let told = error.to_string();
        assert!(told.contains(words), "{told}");
        assert_eq!(error.remedy(), Remedy::FixRegistration, "{told}");
        assert!(self.0.insert(told), "two causes with one error: {error}");
    }
}

/// A broker of the vendor with this ring, on this store.
async fn built(world: &World, store: Arc<dyn Store>, ring: KeyRing) -> Result<Broker, Error> {
    let builder = Broker::builder(world.app.clone(), store, ring);
    builder.clock(world.clock.clone()).build().await
}

/// A ring with another key under this name.
fn ring(name: &str) -> KeyRing {
    KeyRing::new(LocalKey::generate(name).expect("a key"))
}

async fn opened(path: &Path) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(Sqlite::open(path).await?))
}

/// Every file and folder with its mode and bytes.
fn everything(folder: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let mut all = Vec::new();
    for found in fs::read_dir(folder).expect("a folder") {
        let path = found.expect("it is there").path();
        let kind = fs::symlink_metadata(&path).expect("it is there");
        let mode = kind.permissions().mode();
        if kind.is_dir() {
            all.extend(everything(&path));
        }
        let bytes = if kind.is_file() { fs::read(&path).expect("ours") } else { Vec::new() };
        all.push((path, mode, bytes));
    }
    all.sort();
    all
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
}

/// A store with a partner in it, closed in order.
async fn onboarded(world: &World) -> PathBuf {
    let broker = world.broker().await;
    world.onboard(&broker).await;
    broker.close(MINUTE).await;
    raw::closed(&world.store_folder()).await;
    world.folder.path().canonicalize().expect("it is there")
}

/// What is done to the files, the words of the refusal, and what undoes it.
type Wrong = (fn(&Path), &'static str, fn(&Path));

const WRONG: [Wrong; 5] = [
    (
        |store| set_mode(&store.join(RECORDS), 0o644),
        "make it 0600",
        |store| set_mode(&store.join(RECORDS), 0o600),
    ),
    (|store| set_mode(store, 0o755), "make it 0700", |store| set_mode(store, 0o700)),
    (
        |store| {
            fs::rename(store, store.with_extension("real")).expect("ours");
            symlink(store.with_extension("real"), store).expect("a link");
        },
        "give the path that it leads to",
        |store| {
            fs::remove_file(store).expect("ours");
            fs::rename(store.with_extension("real"), store).expect("ours");
        },
    ),
    (
        |store| change_header(&store.join(RECORDS), |header| header[63] = 3),
        "two ahead or more; open it with that one",
        |store| change_header(&store.join(RECORDS), |header| header[63] = 1),
    ),
    (
        |store| change_header(&store.join(PARTNER_KEYS), |header| header[0] ^= 1),
        "no store of this crate",
        |store| change_header(&store.join(PARTNER_KEYS), |header| header[0] ^= 1),
    ),
];

fn change_header(path: &Path, change: impl FnOnce(&mut [u8])) {
    let mut bytes = fs::read(path).expect("ours");
    change(&mut bytes);
    fs::write(path, bytes).expect("ours");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_refused_each_in_its_own_words_and_left_as_they_are() {
    // F-14, F-26, R-127, R-128, R-131
    let world = World::new().await;
    let folder = onboarded(&world).await;
    let store = folder.join("store");
    let mut told = Told::default();
    for (wrong, words, undo) in WRONG {
        wrong(&store);
        let before = everything(&folder);
        told.note(Error::Store(opened(&store).await.expect_err(words)), words);
        assert_eq!(everything(&folder), before, "{words}");
        undo(&store);
    }
    let orphan = folder.join("missing").join("store");
    let refused = opened(&orphan).await.expect_err("no parent");
    told.note(Error::Store(refused), "make it first");

    let before = everything(&folder);
    for (name, words) in [
        ("test-1", "give the ring the key that bore this name"),
        ("test-2", "put it back by KeyRing::readable"),
    ] {
        let store = opened(&store).await.expect("a store");
        told.note(built(&world, store, ring(name)).await.expect_err(words), words);
        raw::closed(&world.store_folder()).await;
        assert_eq!(everything(&folder), before, "{words}");
    }
    world.broker().await.partner(world.contoso).consent().await.expect("readable").expect("there");
}

/// Everything in a database as SQL, and which schemas it has.
async fn dump(database: &Database<'_>) -> (String, i64) {
    let dump = database.server.dump(&database.name, &[]);
    let dump = String::from_utf8(dump).expect("text");
    // Each dump has a word of its own there.
    let lines = dump.lines().filter(|line| !line.contains("restrict "));
    let lines = lines.collect::<Vec<_>>().join("\n");
    (lines, database.count("SELECT count(*) FROM pg_namespace").await)
}

async fn connected(database: &Database<'_>) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(Postgres::connect(&database.url("panel")).await?))
}

#[tokio::test]
async fn databases_that_cannot_be_used_are_refused_each_in_its_own_words_and_left_as_they_are() {
    // F-26, R-127, R-128, R-132
    let Some(server) = server::shared() else { return };
    let world = World::new().await;
    let mut told = Told::default();
    let empty = server.empty_database().await;
    let before = dump(&empty).await;
    told.note(Error::Store(connected(&empty).await.expect_err("no tables")), "run migrate");
    assert_eq!(dump(&empty).await, before);
    let missing = Postgres::connect(&server.url("panel", "no_such_database")).await;
    told.note(Error::Store(missing.expect_err("no database")), "no such database");

    let database = server.database().await;
    let store = connected(&database).await.expect("a store");
    let broker = built(&world, store, world.keys()).await.expect("a broker");
    world.onboard(&broker).await;
    broker.close(MINUTE).await;
    for (wrong, words, undo) in [
        (
            "REVOKE INSERT ON cpv_consent.record FROM panel",
            "lacks INSERT on record:",
            "GRANT INSERT ON cpv_consent.record TO panel",
        ),
        (
            "UPDATE cpv_consent.store SET version = version + 2",
            "use a newer crate",
            "UPDATE cpv_consent.store SET version = version - 2",
        ),
        (
            "UPDATE cpv_consent.store SET version = 0",
            "run migrate first",
            "UPDATE cpv_consent.store SET version = 1",
        ),
    ] {
        database.execute(wrong).await;
        let before = dump(&database).await;
        told.note(Error::Store(connected(&database).await.expect_err(words)), words);
        assert_eq!(dump(&database).await, before, "{words}");
        database.execute(undo).await;
    }
    let before = dump(&database).await;
    for (name, words) in [
        ("test-1", "give the ring the key that bore this name"),
        ("test-2", "put it back by KeyRing::readable"),
    ] {
        let store = connected(&database).await.expect("a store");
        told.note(built(&world, store, ring(name)).await.expect_err(words), words);
        assert_eq!(dump(&database).await, before, "{words}");
    }
    let store = connected(&database).await.expect("a store");
    let broker = built(&world, store, world.keys()).await.expect("as before");
    broker.partner(world.contoso).consent().await.expect("readable").expect("there");
}
