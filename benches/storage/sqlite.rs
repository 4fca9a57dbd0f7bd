//! The embedded store, beside bare SQLite with the same settings and rows of the same size.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cpv_consent::measure::{Shelf, partner};
use cpv_consent::store::{Entry, Expect, Key, Kind, Revision, Sqlite, Store};
use cpv_consent::{KeyRing, LocalKey, Realm, Sealed};
use rusqlite::{Connection, params};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::{JoinSet, spawn_blocking};

use crate::duel::{Duel, median};
use crate::{Outcome, TOKEN, realm};

/// What a consent with a token of that size comes to once it is sealed.
pub(crate) const SEALED: usize = TOKEN + 700;
const CALLERS: u64 = 64;
const OPENINGS: usize = 10;

/// A write that is on disk when it is answered.
pub(crate) struct SinglePut {
    runtime: Runtime,
    puts: Puts,
    bare: Bare,
    _folder: TempDir,
}

impl Duel for SinglePut {
    const NAME: &'static str = "sqlite_single_put";
    const GOAL: f64 = 1.3;

    fn prepare() -> Outcome<Self> {
        let (runtime, folder) = (Runtime::new()?, TempDir::new()?);
        let store = runtime.block_on(Sqlite::open(folder.path().join("ours")))?;
        let puts = runtime.block_on(Puts::new(Arc::new(store), 1))?;
        let bare = Bare::new(&folder.path().join("bare.sqlite3"), 1, SEALED)?;
        Ok(Self { runtime, puts, bare, _folder: folder })
    }

    fn ours(&mut self, rounds: u64) -> Outcome<Duration> {
        self.runtime.block_on(self.puts.one_after_another(rounds))
    }

    fn bare(&mut self, rounds: u64) -> Outcome<Duration> {
        self.bare.updates(rounds, 1)
    }
}

/// Writes by many callers at once, which share their commits; a round is one by each.
pub(crate) struct PutsAtOnce {
    runtime: Runtime,
    puts: Puts,
    bare: Bare,
    log: PathBuf,
    _folder: TempDir,
}

impl Duel for PutsAtOnce {
    const NAME: &'static str = "sqlite_64_puts_at_once";
    const GOAL: f64 = 1.5;

    fn prepare() -> Outcome<Self> {
        let (runtime, folder) = (Runtime::new()?, TempDir::new()?);
        let path = folder.path().join("ours");
        let store = runtime.block_on(Sqlite::open(&path))?;
        let puts = runtime.block_on(Puts::new(Arc::new(store), CALLERS))?;
        let bare = Bare::new(&folder.path().join("bare.sqlite3"), CALLERS, SEALED)?;
        let log = path.join("records.sqlite3-wal");
        Ok(Self { runtime, puts, bare, log, _folder: folder })
    }

    fn ours(&mut self, rounds: u64) -> Outcome<Duration> {
        self.runtime.block_on(self.puts.all_at_once(rounds))
    }

    fn bare(&mut self, rounds: u64) -> Outcome<Duration> {
        self.bare.updates(rounds * CALLERS, CALLERS)
    }
}

/// Says how many records shared a commit, which costs one `fsync`.
impl Drop for PutsAtOnce {
    fn drop(&mut self) {
        const ROUNDS: u64 = 4;
        let before = commits(&self.log).expect("a log");
        self.ours(ROUNDS).expect("it writes");
        let commits = commits(&self.log).expect("a log").abs_diff(before);
        let shared = (ROUNDS * CALLERS) as f64 / commits as f64;
        println!("ratio sqlite_records_per_sync {shared:.1} goal 16.0 or more");
    }
}

/// From a partner's name to its consent, opened and parsed.
pub(crate) struct GetAndOpen {
    runtime: Runtime,
    shelf: Shelf,
    bare: Arc<Mutex<Bare>>,
    next: u64,
    _folder: TempDir,
}

impl Duel for GetAndOpen {
    const NAME: &'static str = "sqlite_get_and_open";
    const GOAL: f64 = 1.3;

    fn prepare() -> Outcome<Self> {
        let (runtime, folder) = (Runtime::new()?, TempDir::new()?);
        let path = folder.path().join("ours");
        let store = Arc::new(runtime.block_on(Sqlite::open(&path))?);
        let shelf = Shelf::new(store, KeyRing::new(LocalKey::generate("bench")?), realm()?);
        runtime.block_on(fill(&shelf, 0..PARTNERS, TOKEN))?;
        println!("size sqlite {} bytes per partner", size(&path)? / PARTNERS);
        let bare = Bare::new(&folder.path().join("bare.sqlite3"), PARTNERS, SEALED)?;
        Ok(Self { runtime, shelf, bare: Arc::new(Mutex::new(bare)), next: 0, _folder: folder })
    }

    fn ours(&mut self, rounds: u64) -> Outcome<Duration> {
        let begun = Instant::now();
        for _ in 0..rounds {
            self.next = (self.next + 1) % PARTNERS;
            assert!(self.runtime.block_on(self.shelf.open(self.next))?);
        }
        Ok(begun.elapsed())
    }

    fn bare(&mut self, rounds: u64) -> Outcome<Duration> {
        let begun = Instant::now();
        for _ in 0..rounds {
            self.next = (self.next + 1) % PARTNERS;
            let (bare, number) = (Arc::clone(&self.bare), self.next);
            let read = move || bare.lock().map_err(|_| "poisoned")?.read(number);
            let row = self.runtime.block_on(async { spawn_blocking(read).await })??;
            assert_eq!(row.len(), SEALED);
        }
        Ok(begun.elapsed())
    }
}

const PARTNERS: u64 = 3000;

pub(crate) const OPEN_A_MILLION: &str = "sqlite_open_a_million_ms";

/// Opens a store with a million records and reads one of them.
pub(crate) fn open_a_million() -> Outcome<()> {
    let (runtime, folder) = million()?;
    let mut took = Vec::new();
    for _ in 0..OPENINGS {
        let begun = Instant::now();
        runtime.block_on(open_one(folder.path()))?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    println!("ratio {OPEN_A_MILLION} {:.1} goal 50.0", median(took));
    Ok(())
}

async fn open_one(folder: &Path) -> Outcome<()> {
    let store = Sqlite::open(folder.join("ours")).await?;
    assert!(store.get(&place(&realm()?, 0)).await?.is_some());
    Ok(store.close().await?)
}

fn million() -> Outcome<(Runtime, TempDir)> {
    let (runtime, folder) = (Runtime::new()?, TempDir::new()?);
    let path = folder.path().join("ours");
    let store = runtime.block_on(Sqlite::open(&path))?;
    runtime.block_on(store.put(&place(&realm()?, 0), entry(0), Expect::Absent))?;
    runtime.block_on(store.close())?;
    multiply(&path.join("records.sqlite3"), 1_000_000)?;
    Ok((runtime, folder))
}

/// Puts over records that are there.
pub(crate) struct Puts {
    store: Arc<dyn Store>,
    keys: Vec<(Key, Revision)>,
}

impl Puts {
    pub(crate) async fn new(store: Arc<dyn Store>, records: u64) -> Outcome<Self> {
        let mut keys = Vec::new();
        for number in 0..records {
            let key = place(&realm()?, number);
            let revision = store.put(&key, entry(0), Expect::Absent).await?;
            keys.push((key, revision));
        }
        Ok(Self { store, keys })
    }

    pub(crate) async fn one_after_another(&mut self, rounds: u64) -> Outcome<Duration> {
        let begun = Instant::now();
        let (key, revision) = &mut self.keys[0];
        for round in 0..rounds {
            *revision = self.store.put(key, entry(round), Expect::At(*revision)).await?;
        }
        Ok(begun.elapsed())
    }

    async fn all_at_once(&mut self, rounds: u64) -> Outcome<Duration> {
        let begun = Instant::now();
        let mut callers = JoinSet::new();
        for (key, mut revision) in self.keys.drain(..) {
            let store = Arc::clone(&self.store);
            callers.spawn(async move {
                for round in 0..rounds {
                    revision = store.put(&key, entry(round), Expect::At(revision)).await?;
                }
                Ok::<_, cpv_consent::store::StoreError>((key, revision))
            });
        }
        while let Some(done) = callers.join_next().await {
            self.keys.push(done??);
        }
        Ok(begun.elapsed())
    }
}

/// SQLite as it is, in the thread that asks.
pub(crate) struct Bare {
    db: Connection,
    rows: u64,
    length: usize,
}

impl Bare {
    pub(crate) fn new(path: &Path, rows: u64, length: usize) -> Outcome<Self> {
        let db = Connection::open(path)?;
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
             CREATE TABLE record (id TEXT PRIMARY KEY, sealed BLOB NOT NULL) STRICT;",
        )?;
        let bare = Self { db, rows, length };
        bare.db.execute_batch("BEGIN")?;
        let mut insert = bare.db.prepare("INSERT INTO record VALUES (?1, ?2)")?;
        for number in 0..rows {
            insert.execute(params![partner(number).to_string(), vec![0_u8; length]])?;
        }
        drop(insert);
        bare.db.execute_batch("COMMIT")?;
        Ok(bare)
    }

    /// So many updates, so many of them in a commit.
    pub(crate) fn updates(&self, updates: u64, in_commit: u64) -> Outcome<Duration> {
        let sql = "UPDATE record SET sealed = ?2 WHERE id = ?1";
        let mut update = self.db.prepare(sql)?;
        let begun = Instant::now();
        for number in 0..updates {
            if number % in_commit == 0 {
                self.db.execute_batch("BEGIN IMMEDIATE")?;
            }
            let id = partner(number % self.rows).to_string();
            let changed = update.execute(params![id, body(number, self.length)])?;
            assert_eq!(changed, 1);
            if (number + 1) % in_commit == 0 || number + 1 == updates {
                self.db.execute_batch("COMMIT")?;
            }
        }
        Ok(begun.elapsed())
    }

    fn read(&self, number: u64) -> Outcome<Vec<u8>> {
        let sql = "SELECT sealed FROM record WHERE id = ?1";
        let mut select = self.db.prepare_cached(sql)?;
        Ok(select.query_row([partner(number).to_string()], |row| row.get(0))?)
    }
}

pub(crate) async fn fill(
    shelf: &Shelf,
    partners: std::ops::Range<u64>,
    token: usize,
) -> Outcome<()> {
    let mut under_way = JoinSet::new();
    for number in partners {
        if under_way.len() == 64 {
            under_way.join_next().await.ok_or("nothing under way")???;
        }
        let shelf = shelf.clone();
        under_way.spawn(async move { shelf.insert(number, token).await });
    }
    while let Some(done) = under_way.join_next().await {
        done??;
    }
    Ok(())
}

/// Copies the one row of a store until there are so many.
fn multiply(records: &Path, rows: u64) -> Outcome<()> {
    let db = Connection::open(records)?;
    db.execute(
        "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?1)
         INSERT INTO record (realm, kind, id, partner, sealed, due, revision)
         SELECT realm, kind, id || '/' || n, partner, sealed, due, revision + n
         FROM record, number",
        [i64::try_from(rows - 1)?],
    )?;
    db.execute("UPDATE clock SET revision = (SELECT max(revision) FROM record)", [])?;
    Ok(())
}

/// The commits in a write-ahead log: frames that say how large the file is after them.
///
/// Source: "WAL-mode File Format", section 4, <https://sqlite.org/walformat.html>.
fn commits(log: &Path) -> Outcome<usize> {
    let bytes = std::fs::read(log)?;
    let number = |at: usize| -> Outcome<usize> {
        let four: [u8; 4] = bytes.get(at..at + 4).ok_or("a short log")?.try_into()?;
        Ok(u32::from_be_bytes(four) as usize)
    };
    let (page, salt) = (number(8)?, (number(16)?, number(20)?));
    let (mut at, mut commits) = (32, 0);
    while at + 24 + page <= bytes.len() && (number(at + 8)?, number(at + 12)?) == salt {
        commits += usize::from(number(at + 4)? > 0);
        at += 24 + page;
    }
    Ok(commits)
}

fn size(folder: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    for file in std::fs::read_dir(folder)? {
        bytes += file?.metadata()?.len();
    }
    Ok(bytes)
}

pub(crate) fn place(realm: &Realm, number: u64) -> Key {
    let partner = partner(number);
    Key::new(realm.clone(), Kind::Consent, Some(partner), partner.to_string())
}

pub(crate) fn entry(round: u64) -> Entry {
    Entry { sealed: Sealed::from_bytes(body(round, SEALED)), due: None }
}

/// Bytes that nothing compresses, as ciphertext is: xorshift, by G. Marsaglia.
pub(crate) fn body(round: u64, length: usize) -> Vec<u8> {
    let mut state = round.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut body = Vec::with_capacity(length + 8);
    while body.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        body.extend_from_slice(&state.to_be_bytes());
    }
    body.truncate(length);
    body
}
