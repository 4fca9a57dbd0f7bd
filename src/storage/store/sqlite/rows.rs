//! Rows and the statements that read and write them. Values are bound, never spelled into SQL.

use std::time::SystemTime;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params, params_from_iter};

use crate::model::clock::{from_unix_seconds, unix_seconds};
use crate::model::tenant::TenantId;
use crate::storage::seal::Sealed;
use crate::storage::store::sqlite::schema::{KEYS, MAIN};
use crate::storage::store::{
    Cursor, Entry, Expect, Filter, Key, Kind, Page, Revision, Selection, StoreError, Stored,
};

/// The file that a kind lives in.
const fn file_of(kind: Kind) -> &'static str {
    match kind {
        Kind::PartnerKey => KEYS,
        _ => MAIN,
    }
}

/// A row as it was found: which partner it names is not believed yet.
pub(super) struct Row {
    key: Key,
    partner: Option<String>,
    entry: Entry,
    revision: Revision,
}

impl Row {
    /// The record, unless someone wrote into the row what the store never would.
    pub(super) fn into_stored(self) -> Result<Stored, StoreError> {
        let Self { key, partner, entry, revision } = self;
        let partner = partner.map(|text| TenantId::parse(&text)).transpose();
        let partner = partner.map_err(|_| StoreError::damaged("a row names no tenant"))?;
        let key = Key::new(key.realm().clone(), key.kind(), partner, key.id());
        Ok(Stored { key, entry, revision })
    }

    fn found(key: Key, row: &SqlRow<'_>) -> rusqlite::Result<Self> {
        let due: Option<i64> = row.get("due")?;
        let due = due.map(|due| from_unix_seconds(due.unsigned_abs()));
        let entry = Entry { sealed: Sealed::from_bytes(row.get("sealed")?), due };
        let revision = Revision::new(row.get::<_, i64>("revision")?.unsigned_abs());
        Ok(Self { key, partner: row.get("partner")?, entry, revision })
    }
}

pub(super) fn read(db: &Connection, key: &Key) -> rusqlite::Result<Option<Row>> {
    let file = file_of(key.kind());
    let sql = format!(
        "SELECT partner, sealed, due, revision FROM {file}.record
         WHERE realm = (SELECT number FROM {file}.realm WHERE name = ?1)
           AND kind = ?2 AND id = ?3"
    );
    let place = params![key.realm().to_string(), key.kind().name(), key.id()];
    db.query_row(&sql, place, |row| Row::found(key.clone(), row)).optional()
}

/// Writes if the store is as expected; `None` if it is not.
pub(super) fn put(
    db: &Connection,
    key: &Key,
    entry: &Entry,
    expect: Expect,
) -> rusqlite::Result<Option<Revision>> {
    let revision = next_revision(db)?;
    let written = match expect {
        Expect::Absent => insert(db, key, entry, revision)?,
        Expect::At(at) => update(db, key, entry, at, revision)?,
    };
    Ok((written == 1).then_some(Revision::new(revision.unsigned_abs())))
}

/// Removes if the record is at this revision; `None` if it is not.
pub(super) fn remove(
    db: &Connection,
    key: &Key,
    at: Revision,
) -> rusqlite::Result<Option<Revision>> {
    let revision = next_revision(db)?;
    let file = file_of(key.kind());
    let sql = format!(
        "DELETE FROM {file}.record
         WHERE realm = (SELECT number FROM {file}.realm WHERE name = ?1)
           AND kind = ?2 AND id = ?3 AND revision = ?4"
    );
    let realm = key.realm().to_string();
    let place = params![realm, key.kind().name(), key.id(), signed(at.number())];
    let removed = db.execute(&sql, place)?;
    Ok((removed == 1).then_some(Revision::new(revision.unsigned_abs())))
}

pub(super) fn page(db: &Connection, filter: &Filter) -> rusqlite::Result<Page> {
    let limit = filter.limit.max(1);
    let Spelled { place, condition, order, values } = spelled(filter);
    let file = file_of(filter.kind);
    let sql = format!(
        "SELECT id, {place} AS place, partner, sealed, due, revision FROM {file}.record
         WHERE realm = (SELECT number FROM {file}.realm WHERE name = ?1)
           AND kind = ?2 AND {condition} ORDER BY {order} LIMIT ?3"
    );
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let first = [filter.realm.to_string().into(), text(filter.kind.name()), most.into()];
    let mut statement = db.prepare(&sql)?;
    let mut rows = statement.query(params_from_iter(first.into_iter().chain(values)))?;
    let mut page = Page::default();
    while let Some(row) = rows.next()? {
        add(&mut page, filter, row)?;
    }
    let found = page.records.len() + page.damaged.len();
    page.next = page.next.filter(|_| found == limit);
    Ok(page)
}

pub(super) fn realms(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = db.prepare(
        "SELECT name FROM main.realm AS realm
         WHERE EXISTS (SELECT 1 FROM main.record WHERE realm = realm.number)
         UNION
         SELECT name FROM partner_keys.realm AS realm
         WHERE EXISTS (SELECT 1 FROM partner_keys.record WHERE realm = realm.number)",
    )?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}

/// One record more, or one that is damaged; either way the next page begins after it.
fn add(page: &mut Page, filter: &Filter, row: &SqlRow<'_>) -> rusqlite::Result<()> {
    let id = String::from_utf8_lossy(row.get_ref("id")?.as_bytes()?).into_owned();
    let number = row.get::<_, i64>("place")?.unsigned_abs();
    page.next = Some(Cursor { number, id: id.clone() });
    let key = Key::new(filter.realm.clone(), filter.kind, None, id.clone());
    match Row::found(key, row).ok().and_then(|found| found.into_stored().ok()) {
        Some(stored) => page.records.push(stored),
        None => page.damaged.push(id),
    }
    Ok(())
}

/// A selection as SQL, so that an index leads straight to the page.
struct Spelled {
    /// The number of a record's [`Cursor`].
    place: &'static str,
    condition: &'static str,
    order: &'static str,
    /// What the condition binds, from `?4` on.
    values: Vec<Value>,
}

fn spelled(filter: &Filter) -> Spelled {
    let (place, order) = match filter.selection {
        Selection::All => ("0", "id"),
        Selection::DueBy(_) => ("due", "due, id"),
        Selection::ChangedAfter(_) => ("revision", "revision"),
    };
    let (condition, values) = match (filter.selection, &filter.cursor) {
        (Selection::All, None) => ("true", vec![]),
        (Selection::All, Some(after)) => ("id > ?4", vec![text(&after.id)]),
        (Selection::DueBy(by), None) => ("due <= ?4", vec![seconds(by).into()]),
        (Selection::DueBy(by), Some(after)) => (
            "due <= ?4 AND (due, id) > (?5, ?6)",
            vec![seconds(by).into(), signed(after.number).into(), text(&after.id)],
        ),
        (Selection::ChangedAfter(mark), after) => {
            let after = after.as_ref().map_or(0, |after| after.number);
            ("revision > ?4", vec![signed(after.max(mark.number())).into()])
        }
    };
    Spelled { place, condition, order, values }
}

fn insert(db: &Connection, key: &Key, entry: &Entry, revision: i64) -> rusqlite::Result<usize> {
    let file = file_of(key.kind());
    let realm = key.realm().to_string();
    let name = format!("INSERT INTO {file}.realm (name) VALUES (?1) ON CONFLICT DO NOTHING");
    db.execute(&name, [&realm])?;
    let sql = format!(
        "INSERT INTO {file}.record (realm, kind, id, partner, sealed, due, revision)
         VALUES ((SELECT number FROM {file}.realm WHERE name = ?1), ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (realm, kind, id) DO NOTHING"
    );
    let (partner, due) = (partner_of(key), entry.due.map(seconds));
    let sealed = entry.sealed.as_bytes();
    db.execute(&sql, params![realm, key.kind().name(), key.id(), partner, sealed, due, revision])
}

fn update(
    db: &Connection,
    key: &Key,
    entry: &Entry,
    at: Revision,
    revision: i64,
) -> rusqlite::Result<usize> {
    let file = file_of(key.kind());
    let sql = format!(
        "UPDATE {file}.record SET partner = ?4, sealed = ?5, due = ?6, revision = ?7
         WHERE realm = (SELECT number FROM {file}.realm WHERE name = ?1)
           AND kind = ?2 AND id = ?3 AND revision = ?8"
    );
    db.execute(
        &sql,
        params![
            key.realm().to_string(),
            key.kind().name(),
            key.id(),
            partner_of(key),
            entry.sealed.as_bytes(),
            entry.due.map(seconds),
            revision,
            signed(at.number()),
        ],
    )
}

/// Advances the one clock of both files. A loss of power may save the file of keys and not the
/// clock, so the keys have a say.
fn next_revision(db: &Connection) -> rusqlite::Result<i64> {
    const SQL: &str = "
        UPDATE main.clock SET revision = 1 + max(
            revision, (SELECT coalesce(max(revision), 0) FROM partner_keys.record)
        ) RETURNING revision";
    db.query_row(SQL, [], |row| row.get(0))
}

fn partner_of(key: &Key) -> Option<String> {
    key.partner().map(|partner| partner.to_string())
}

fn seconds(time: SystemTime) -> i64 {
    signed(unix_seconds(time))
}

/// SQLite's numbers have a sign; neither a revision nor a due time comes near it.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}
