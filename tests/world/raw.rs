//! The raw rows of a SQLite store: what somebody who has its files can read and write.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, Row as SqlRow, params};

/// A record as it lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub kind: String,
    pub id: String,
    pub partner: Option<String>,
    pub sealed: Vec<u8>,
    pub revision: i64,
}

/// Waits until the last handle of a store is closed: then the logs of both files are empty, and gone.
pub async fn closed(folder: &Path) {
    let store = cpv_consent::store::Sqlite::open(folder).await.expect("a store");
    store.close().await.expect("nothing stands in the way");
    while has_logs(folder) {
        tokio::task::yield_now().await;
    }
}

fn has_logs(folder: &Path) -> bool {
    let files = fs::read_dir(folder).expect("a folder").flatten();
    let names = files.filter_map(|file| file.file_name().into_string().ok());
    names.into_iter().any(|name| name.ends_with("-wal") || name.ends_with("-shm"))
}

/// Every row of both files.
pub fn rows(folder: &Path) -> Vec<Row> {
    let mut all = Vec::new();
    for file in [RECORDS, PARTNER_KEYS] {
        let db = Connection::open(folder.join(file)).expect("a database");
        let sql = "SELECT kind, id, partner, sealed, revision FROM record ORDER BY kind, id, realm";
        let mut query = db.prepare(sql).expect("a table");
        let found = query.query_map([], read).expect("rows");
        all.extend(found.map(|row| row.expect("a row")));
    }
    all
}

/// The only row of that kind and id.
pub fn row(folder: &Path, kind: &str, id: &str) -> Row {
    let mut found = rows(folder).into_iter().filter(|row| row.kind == kind && row.id == id);
    let row = found.next().unwrap_or_else(|| panic!("no {kind} row {id}"));
    assert!(found.next().is_none(), "two {kind} rows {id}");
    row
}

/// Puts other bytes into a row that is there.
pub fn overwrite(folder: &Path, kind: &str, id: &str, sealed: &[u8]) {
    let sql = "UPDATE record SET sealed = ?1 WHERE kind = ?2 AND id = ?3";
    let changed = open(folder, kind).execute(sql, params![sealed, kind, id]).expect("writable");
    assert_eq!(changed, 1, "{kind} {id}");
}

/// Puts a row of a partner with a consent back as it lay there.
pub fn put_back(folder: &Path, row: &Row) {
    let sql = "INSERT INTO record SELECT realm, ?1, ?2, partner, ?3, NULL, ?4 FROM record
        WHERE kind = 'consent' AND partner = ?5";
    let Row { kind, id, partner, sealed, revision } = row;
    let changed = open(folder, kind).execute(sql, params![kind, id, sealed, revision, partner]);
    assert_eq!(changed.expect("writable"), 1, "{kind} {id}");
}

/// Runs a statement on the file that a kind lives in.
pub fn execute(folder: &Path, kind: &str, sql: &str) {
    open(folder, kind).execute_batch(sql).expect("a statement");
}

/// Every file of the store with its bytes, log and index included.
pub fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(folder).expect("a folder").map(|file| {
        let file = file.expect("a file");
        let bytes = fs::read(file.path()).expect("its bytes");
        (file.file_name().to_string_lossy().into_owned(), bytes)
    });
    files.collect()
}

fn open(folder: &Path, kind: &str) -> Connection {
    let file = if kind == "partner-key" { PARTNER_KEYS } else { RECORDS };
    Connection::open(folder.join(file)).expect("a database")
}

fn read(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        kind: row.get("kind")?,
        id: row.get("id")?,
        partner: row.get("partner")?,
        sealed: row.get("sealed")?,
        revision: row.get("revision")?,
    })
}

const RECORDS: &str = "records.sqlite3";
const PARTNER_KEYS: &str = "partner-keys.sqlite3";
