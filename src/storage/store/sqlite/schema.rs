//! The tables, and the connections to them.

use std::path::Path;
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params_from_iter};

use crate::storage::store::StoreError;
use crate::storage::store::sqlite::folder::{self, Content, LONGEST_WAIT, Prepared, Site};
use crate::storage::store::sqlite::marks::{
    APPLICATION_ID, IDENTITY, NEWEST_SERVED, NO_STORE, OTHER_KEYS, PARTNER_KEYS, RECORDS, TOO_NEW,
    VERSION,
};
use crate::storage::store::sqlite::store_error;

/// The names under which the two files are open in one connection.
pub(super) const MAIN: &str = "main";
pub(super) const KEYS: &str = "partner_keys";

/// Makes what is missing, checks what is there, and returns a connection that writes, with what is
/// to be held beside every connection.
pub(super) fn set_up(folder: &Path) -> Result<(Connection, Arc<Site>), StoreError> {
    let prepared = folder::prepare(folder)?;
    make_missing(&prepared).map_err(|error| store_error(&error))?;
    let db = attached(&prepared.folder).map_err(|error| store_error(&error))?;
    let identity = accepted(&db)?;
    for schema in [MAIN, KEYS] {
        let mode: Result<String, _> =
            db.query_row(&format!("PRAGMA {schema}.journal_mode = WAL"), [], |row| row.get(0));
        if mode.map_err(|error| store_error(&error))? != "wal" {
            const BECAUSE: &str = "its file system holds no write-ahead log; move it to a disk";
            return Err(StoreError::unusable(BECAUSE));
        }
    }
    level_clocks(&db).map_err(|error| store_error(&error))?;
    let site = Site::of(Arc::clone(&prepared.folder), identity)?;
    Ok((db, Arc::new(site)))
}

/// No revision is given twice: after a loss of power, or with an older file of records, that of the
/// keys may know of later ones.
fn level_clocks(db: &Connection) -> rusqlite::Result<()> {
    const BEHIND: &str = "revision < (SELECT revision FROM partner_keys.clock)";
    let sql = format!("SELECT {BEHIND} FROM main.clock");
    if db.query_row(&sql, [], |row| row.get(0))? {
        const LATER: &str = "SET revision = (SELECT revision FROM partner_keys.clock)";
        db.execute(&format!("UPDATE main.clock {LATER} WHERE {BEHIND}"), [])?;
    }
    Ok(())
}

/// A connection that writes, to the files that were set up.
pub(super) fn connect(site: &Site) -> Result<Connection, StoreError> {
    site.check_in_place()?;
    let db = attached(&site.folder).map_err(|error| store_error(&error))?;
    match accepted(&db)? == site.identity {
        true => Ok(db),
        false => Err(StoreError::unusable(folder::REPLACED)),
    }
}

/// A connection that cannot write.
pub(super) fn connect_to_read(site: &Site) -> Result<Connection, StoreError> {
    let db = connect(site)?;
    db.pragma_update(None, "query_only", true).map_err(|error| store_error(&error))?;
    Ok(db)
}

fn attached(folder: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(folder.join(RECORDS), FLAGS)?;
    db.busy_timeout(LONGEST_WAIT)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let keys = folder.join(PARTNER_KEYS);
    let keys = keys.to_str().ok_or_else(|| rusqlite::Error::InvalidPath(keys.clone()))?;
    db.execute("ATTACH DATABASE ?1 AS partner_keys", [keys])?;
    db.execute_batch(SETTINGS)?;
    Ok(db)
}

/// Makes each file by a transaction of its own; keys first, so that no record is without.
fn make_missing(prepared: &Prepared) -> rusqlite::Result<()> {
    let keys = prepared.folder.join(PARTNER_KEYS);
    if prepared.partner_keys == Content::None {
        make(&keys, "randomblob(16)", [])?;
    }
    if prepared.records == Content::None {
        let identity = alone(&keys)?.query_row(IDENTITY, [], |row| row.get::<_, Vec<u8>>(0))?;
        make(&prepared.folder.join(RECORDS), "?1", [identity])?;
    }
    Ok(())
}

fn make<const N: usize>(path: &Path, sql: &str, identity: [Vec<u8>; N]) -> rusqlite::Result<()> {
    let mut db = alone(path)?;
    let change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    change.execute_batch(TABLES)?;
    change.execute(&format!("INSERT INTO identity VALUES ({sql})"), params_from_iter(identity))?;
    change.pragma_update(None, "application_id", APPLICATION_ID)?;
    change.pragma_update(None, "user_version", VERSION)?;
    change.commit()
}

/// One file by itself, as it is made.
fn alone(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(path, FLAGS)?;
    db.busy_timeout(LONGEST_WAIT)?;
    db.execute_batch("PRAGMA synchronous = FULL")?;
    Ok(db)
}

/// The identity of both files, if they are ours, not too new, and belong to each other. Only then
/// may closing the connection empty their logs: a store that is refused is left as it is.
fn accepted(db: &Connection) -> Result<Vec<u8>, StoreError> {
    let number = |schema, pragma| db.pragma_query_value(Some(schema), pragma, |row| row.get(0));
    for (schema, name) in [(MAIN, RECORDS), (KEYS, PARTNER_KEYS)] {
        let application: u32 = number(schema, "application_id").map_err(|e| store_error(&e))?;
        if application != APPLICATION_ID {
            return Err(StoreError::unusable(format!("{name} {NO_STORE}")));
        }
        if number(schema, "user_version").map_err(|e| store_error(&e))? > NEWEST_SERVED {
            return Err(StoreError::unusable(format!("{name} {TOO_NEW}")));
        }
    }
    let identity = |schema: &str| {
        let sql = format!("SELECT store FROM {schema}.identity");
        db.query_row(&sql, [], |row| row.get(0)).map_err(|error| store_error(&error))
    };
    let (records, keys): (Vec<u8>, Vec<u8>) = (identity(MAIN)?, identity(KEYS)?);
    if records != keys {
        return Err(StoreError::unusable(OTHER_KEYS));
    }
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)
        .map_err(|error| store_error(&error))?;
    Ok(records)
}

const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE
    .union(OpenFlags::SQLITE_OPEN_NO_MUTEX)
    .union(OpenFlags::SQLITE_OPEN_NOFOLLOW)
    .union(OpenFlags::SQLITE_OPEN_EXRESCODE);

/// More than there are kinds of questions.
const STATEMENTS: usize = 48;

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
    CREATE TABLE identity (store BLOB NOT NULL) STRICT;
    CREATE TABLE clock (revision INTEGER NOT NULL) STRICT;
    INSERT INTO clock VALUES (0);
    CREATE TABLE realm (
        number INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE record (
        realm INTEGER NOT NULL,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        partner TEXT,
        sealed BLOB NOT NULL,
        due INTEGER,
        revision INTEGER NOT NULL,
        PRIMARY KEY (realm, kind, id)
    ) STRICT;
    CREATE INDEX record_due ON record (realm, kind, due, id) WHERE due IS NOT NULL;
    CREATE INDEX record_changed ON record (realm, kind, revision);
";
