//! Rows and the statements that read and write them. Values are bound, never spelled into SQL.
//! What is asked on every call is prepared once for each connection.

use std::time::SystemTime;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params, params_from_iter};

use crate::model::clock::{from_unix_seconds, unix_seconds};
use crate::model::tenant::TenantId;
use crate::storage::seal::Sealed;
use crate::storage::store::{
    Cursor, Entry, Expect, Filter, Key, Kind, Page, Revision, Selection, StoreError, Stored,
};

/// The file that a kind lives in.
const fn file_of(kind: Kind) -> &'static File {
    match kind {
        Kind::PartnerKey => &File::KEYS,
        _ => &File::MAIN,
    }
}

/// The statements for one of the two files.
struct File {
    schema: &'static str,
    read: &'static str,
    add_realm: &'static str,
    insert: &'static str,
    update: &'static str,
    remove: &'static str,
}

macro_rules! file {
    ($schema:literal) => {
        File {
            schema: $schema,
            read: concat!(
                "SELECT partner, sealed, due, revision FROM ",
                $schema,
                ".record
                 WHERE realm = (SELECT number FROM ",
                $schema,
                ".realm WHERE name = ?1)
                   AND kind = ?2 AND id = ?3"
            ),
            add_realm: concat!(
                "INSERT INTO ",
                $schema,
                ".realm (name) VALUES (?1) ON CONFLICT DO NOTHING"
            ),
            insert: concat!(
                "INSERT INTO ",
                $schema,
                ".record
                   (realm, kind, id, partner, sealed, due, revision)
                 VALUES ((SELECT number FROM ",
                $schema,
                ".realm WHERE name = ?1),
                   ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (realm, kind, id) DO NOTHING"
            ),
            update: concat!(
                "UPDATE ",
                $schema,
                ".record
                 SET partner = ?4, sealed = ?5, due = ?6, revision = ?7
                 WHERE realm = (SELECT number FROM ",
                $schema,
                ".realm WHERE name = ?1)
                   AND kind = ?2 AND id = ?3 AND revision = ?8"
            ),
            remove: concat!(
                "DELETE FROM ",
                $schema,
                ".record
                 WHERE realm = (SELECT number FROM ",
                $schema,
                ".realm WHERE name = ?1)
                   AND kind = ?2 AND id = ?3 AND revision = ?4"
            ),
        }
    };
}

impl File {
    const MAIN: Self = file!("main");
    const KEYS: Self = file!("partner_keys");
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
    let mut statement = db.prepare_cached(file_of(key.kind()).read)?;
    let place = params![key.realm().as_str(), key.kind().name(), key.id()];
    statement.query_row(place, |row| Row::found(key.clone(), row)).optional()
}

/// Writes if the store is as expected; `None` if it is not.
pub(super) fn put(
    db: &Connection,
    key: &Key,
    entry: &Entry,
    expect: Expect,
    clock: &mut Clock,
) -> rusqlite::Result<Option<Revision>> {
    let revision = clock.tick();
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
    clock: &mut Clock,
) -> rusqlite::Result<Option<Revision>> {
    let revision = clock.tick();
    let realm = key.realm().as_str();
    let place = params![realm, key.kind().name(), key.id(), signed(at.number())];
    let removed = db.prepare_cached(file_of(key.kind()).remove)?.execute(place)?;
    Ok((removed == 1).then_some(Revision::new(revision.unsigned_abs())))
}

/// The revisions that one transaction gives. To take them is its first statement, so that it is what
/// waits for other writers.
pub(super) struct Clock {
    given: i64,
}

impl Clock {
    /// Takes one for each change. The file of keys knows how far it went, too: a loss of power may
    /// save it and not the other one, and a backup may bring back older records.
    pub(super) fn advance(
        db: &Connection,
        changes: usize,
        in_keys: bool,
    ) -> rusqlite::Result<Self> {
        const TAKE: &str = "UPDATE main.clock SET revision = revision + ?1";
        const LAST: &str = "SELECT revision FROM main.clock";
        let changes = i64::try_from(changes).unwrap_or(i64::MAX);
        db.prepare_cached(TAKE)?.execute([changes])?;
        let last: i64 = db.prepare_cached(LAST)?.query_row([], |row| row.get(0))?;
        if in_keys {
            db.prepare_cached("UPDATE partner_keys.clock SET revision = ?1")?.execute([last])?;
        }
        Ok(Self { given: last - changes })
    }

    const fn tick(&mut self) -> i64 {
        self.given += 1;
        self.given
    }
}

pub(super) fn page(db: &Connection, filter: &Filter) -> rusqlite::Result<Page> {
    let Spelled { place, condition, order, .. } = spelled(filter);
    let file = schema_of(filter.kind);
    let sql = format!(
        "SELECT id, {place} AS place, partner, sealed, due, revision FROM {file}.record
         WHERE realm = (SELECT number FROM {file}.realm WHERE name = ?1)
           AND kind = ?2 AND {condition} ORDER BY {order} LIMIT ?3"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(bound(filter)))?;
    let mut page = Page::default();
    while let Some(row) = rows.next()? {
        add(&mut page, filter, row)?;
    }
    let found = page.records.len() + page.damaged.len();
    page.next = page.next.filter(|_| found == filter.limit.max(1));
    Ok(page)
}

/// What a page's query binds: realm, kind, limit, and what its condition wants.
pub(super) fn bound(filter: &Filter) -> impl Iterator<Item = Value> {
    let most = i64::try_from(filter.limit.max(1)).unwrap_or(i64::MAX);
    let first = [filter.realm.to_string().into(), text(filter.kind.name()), most.into()];
    first.into_iter().chain(spelled(filter).values)
}

/// The name of the file that a kind lives in.
pub(super) const fn schema_of(kind: Kind) -> &'static str {
    file_of(kind).schema
}

/// The record in one row of the table.
pub(super) fn add_one(
    db: &Connection,
    page: &mut Page,
    filter: &Filter,
    row: i64,
) -> rusqlite::Result<()> {
    let (place, file) = (spelled(filter).place, schema_of(filter.kind));
    let sql = format!(
        "SELECT id, {place} AS place, partner, sealed, due, revision FROM {file}.record
         WHERE rowid = ?1"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query([row])?;
    match rows.next()? {
        Some(row) => add(page, filter, row),
        None => Ok(()),
    }
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
pub(super) struct Spelled {
    /// The number of a record's [`Cursor`].
    pub(super) place: &'static str,
    pub(super) condition: &'static str,
    pub(super) order: &'static str,
    /// What the condition binds, from `?4` on.
    values: Vec<Value>,
}

pub(super) fn spelled(filter: &Filter) -> Spelled {
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
    let realm = key.realm().as_str();
    db.prepare_cached(file.add_realm)?.execute([realm])?;
    let (partner, due) = (partner_of(key), entry.due.map(seconds));
    let sealed = entry.sealed.as_bytes();
    let row = params![realm, key.kind().name(), key.id(), partner, sealed, due, revision];
    db.prepare_cached(file.insert)?.execute(row)
}

fn update(
    db: &Connection,
    key: &Key,
    entry: &Entry,
    at: Revision,
    revision: i64,
) -> rusqlite::Result<usize> {
    db.prepare_cached(file_of(key.kind()).update)?.execute(params![
        key.realm().as_str(),
        key.kind().name(),
        key.id(),
        partner_of(key),
        entry.sealed.as_bytes(),
        entry.due.map(seconds),
        revision,
        signed(at.number()),
    ])
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
