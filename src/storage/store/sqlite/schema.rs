//! The tables, and the connections to them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::storage::store::StoreError;
use crate::storage::store::sqlite::folder::{self, PARTNER_KEYS, RECORDS};
use crate::storage::store::sqlite::store_error;

/// Marks a file as ours: "CPVC".
pub(super) const APPLICATION_ID: u32 = 0x4350_5643;

/// What a program must know to use a store: kept as `user_version`, and raised only when a program
/// that does not know the change would do harm, so that the version before can serve beside it.
pub(super) const VERSION: u32 = 1;

/// The names under which the two files are open in one connection.
pub(super) const MAIN: &str = "main";
pub(super) const KEYS: &str = "partner_keys";

/// Makes what is missing, checks what is there, and returns a connection that writes, with the
/// folder that is to be held beside every connection.
pub(super) fn set_up(folder: &Path) -> Result<(Connection, Arc<Path>), StoreError> {
    let prepared = folder::prepare(folder)?;
    let mut db = attached(&prepared.folder).map_err(|error| store_error(&error))?;
    create(&mut db, KEYS, FIRST_IN_KEYS)
        .and_then(|()| create(&mut db, MAIN, FIRST_IN_MAIN))
        .map_err(|error| store_error(&error))?;
    check(&db)?;
    for schema in [MAIN, KEYS] {
        let mode: Result<String, _> =
            db.query_row(&format!("PRAGMA {schema}.journal_mode = WAL"), [], |row| row.get(0));
        if mode.map_err(|error| store_error(&error))? != "wal" {
            return Err(StoreError::unusable("its file system cannot hold a write-ahead log"));
        }
    }
    Ok((db, Arc::clone(&prepared.folder)))
}

/// A connection that writes, to files that were set up.
pub(super) fn connect(folder: &Path) -> Result<Connection, StoreError> {
    let db = attached(folder).map_err(|error| store_error(&error))?;
    check(&db)?;
    Ok(db)
}

/// A connection that cannot write.
pub(super) fn connect_to_read(folder: &Path) -> Result<Connection, StoreError> {
    let db = connect(folder)?;
    db.pragma_update(None, "query_only", true).map_err(|error| store_error(&error))?;
    Ok(db)
}

fn attached(folder: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let db = Connection::open_with_flags(folder.join(RECORDS), flags)?;
    db.busy_timeout(BUSY)?;
    let keys = folder.join(PARTNER_KEYS);
    let keys = keys.to_str().ok_or_else(|| rusqlite::Error::InvalidPath(keys.clone()))?;
    db.execute("ATTACH DATABASE ?1 AS partner_keys", [keys])?;
    db.execute_batch(SETTINGS)?;
    Ok(db)
}

/// Makes the tables of one file, unless it has some.
fn create(db: &mut Connection, schema: &str, first: &str) -> rusqlite::Result<()> {
    let change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let count = format!("SELECT count(*) FROM {schema}.sqlite_schema");
    if change.query_row(&count, [], |row| row.get::<_, i64>(0))? == 0 {
        change.execute_batch(&TABLES.replace("{schema}", schema))?;
        change.execute_batch(first)?;
        change.pragma_update(Some(schema), "application_id", APPLICATION_ID)?;
        change.pragma_update(Some(schema), "user_version", VERSION)?;
    }
    change.commit()
}

/// Whether both files are ours, not too new, and belong to each other.
fn check(db: &Connection) -> Result<(), StoreError> {
    let number = |schema, pragma| db.pragma_query_value(Some(schema), pragma, |row| row.get(0));
    for schema in [MAIN, KEYS] {
        let application: u32 = number(schema, "application_id").map_err(|e| store_error(&e))?;
        if application != APPLICATION_ID {
            return Err(StoreError::unusable("a file of its folder is no store of this crate"));
        }
        if number(schema, "user_version").map_err(|e| store_error(&e))? > VERSION {
            return Err(StoreError::unusable("it was made for a newer version of this crate"));
        }
    }
    let same = db.query_row(SAME_STORE, [], |row| row.get(0));
    match same.map_err(|error| store_error(&error))? {
        true => Ok(()),
        false => Err(StoreError::unusable("its partner keys belong to another store")),
    }
}

const BUSY: Duration = Duration::from_secs(5);

const SETTINGS: &str = "
    PRAGMA main.synchronous = FULL;
    PRAGMA partner_keys.synchronous = FULL;
    PRAGMA main.secure_delete = ON;
    PRAGMA partner_keys.secure_delete = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA trusted_schema = OFF;
";

/// Rowid tables: with bodies of this size a table without is twice as large and slower to read.
const TABLES: &str = "
    CREATE TABLE {schema}.identity (store BLOB NOT NULL) STRICT;
    CREATE TABLE {schema}.realm (
        number INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE {schema}.record (
        realm INTEGER NOT NULL,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        partner TEXT,
        sealed BLOB NOT NULL,
        due INTEGER,
        revision INTEGER NOT NULL UNIQUE,
        PRIMARY KEY (realm, kind, id)
    ) STRICT;
    CREATE INDEX {schema}.record_due ON record (realm, kind, due, id) WHERE due IS NOT NULL;
    CREATE INDEX {schema}.record_changed ON record (realm, kind, revision);
";

const FIRST_IN_KEYS: &str = "INSERT INTO partner_keys.identity VALUES (randomblob(16))";

const FIRST_IN_MAIN: &str = "
    CREATE TABLE main.clock (revision INTEGER NOT NULL) STRICT;
    INSERT INTO main.clock VALUES (0);
    INSERT INTO main.identity SELECT store FROM partner_keys.identity;
";

const SAME_STORE: &str = "
    SELECT count(*) = 1 FROM main.identity
    JOIN partner_keys.identity AS keys ON keys.store = main.identity.store
";
