//! Rows and the statements that read and write them. Values are bound, never spelled into SQL.
//!
//! Under `READ COMMITTED` a statement that waited for a lock looks again at the newest version of the
//! row, and writes it only if it is still the one that was expected. Every statement that locks more
//! than one row locks the clock's first, so that none waits for another in a circle.

use std::time::SystemTime;

use tokio_postgres::Row;

use crate::model::clock::{from_unix_seconds, unix_seconds};
use crate::model::tenant::TenantId;
use crate::storage::seal::Sealed;
use crate::storage::store::postgres::connections::{Connections, Question, Value};
use crate::storage::store::{
    Cursor, Entry, Expect, Filter, Key, Kind, Page, Revision, Selection, StoreError, Stored,
};

/// The table that a kind lives in.
const fn table_of(kind: Kind) -> &'static str {
    match kind {
        Kind::PartnerKey => "cpv_consent.partner_key",
        _ => "cpv_consent.record",
    }
}

pub(super) async fn read(db: &Connections, key: &Key) -> Result<Option<Stored>, StoreError> {
    let table = table_of(key.kind());
    let sql = format!("SELECT {RECORD} FROM {table} WHERE {PLACE}").into();
    let rows = db.read(&Question { sql, values: place(key) }).await?;
    rows.first().map(|row| stored(key.clone(), row).ok_or_else(other_shape)).transpose()
}

/// Writes the record if the store is as expected.
pub(super) fn put(key: &Key, entry: &Entry, expect: Expect) -> Question {
    match expect {
        Expect::Absent => insert(key, entry),
        Expect::At(at) => update(key, entry, at),
    }
}

fn insert(key: &Key, entry: &Entry) -> Question {
    let table = table_of(key.kind());
    let sql = format!(
        "WITH tick AS ({TICK}), written AS (
             INSERT INTO {table} (realm, kind, id, partner, sealed, due, revision)
             SELECT realm.number, $2::text, $3::bytea, $4::text::uuid, $5::bytea, $6::bigint,
                    tick.revision
             FROM tick, cpv_consent.realm WHERE realm.name = $1::text
             ON CONFLICT (realm, kind, substring(id FROM 1 FOR 1000), sha256(id)) DO NOTHING
             RETURNING revision
         ) {OUTCOME}"
    );
    let values = place(key).into_iter().chain(contents(key, entry)).collect();
    Question { sql: sql.into(), values }
}

fn update(key: &Key, entry: &Entry, at: Revision) -> Question {
    let table = table_of(key.kind());
    let sql = format!(
        "WITH tick AS ({TICK}), written AS (
             UPDATE {table} AS record SET partner = $4::text::uuid, sealed = $5, due = $6,
                    revision = tick.revision
             FROM tick WHERE {PLACE} AND record.revision = $7
             RETURNING record.revision
         ) {OUTCOME}"
    );
    let at: Value = Box::new(signed(at.number()));
    let values = place(key).into_iter().chain(contents(key, entry)).chain([at]).collect();
    Question { sql: sql.into(), values }
}

/// What came of a put.
pub(super) enum Put {
    Written(Revision),
    Conflict,
    /// No record of its realm was ever written: the realm is to be named first.
    UnknownRealm,
}

/// Reads the answer to a [`put`].
pub(super) fn outcome(rows: &[Row]) -> Result<Put, StoreError> {
    let row = rows.first().ok_or_else(other_shape)?;
    let of = |column| row.try_get::<_, Option<i64>>(column).map_err(|_| other_shape());
    match (of("tick")?, of("written")?, of("realm")?) {
        (None, ..) => Err(StoreError::damaged("its clock is missing")),
        (_, Some(revision), _) => Ok(Put::Written(Revision::new(revision.unsigned_abs()))),
        (_, None, None) => Ok(Put::UnknownRealm),
        (_, None, Some(_)) => Ok(Put::Conflict),
    }
}

/// Names a realm, unless somebody else has.
pub(super) fn add_realm(key: &Key) -> Question {
    const SQL: &str =
        "INSERT INTO cpv_consent.realm (name) VALUES ($1) ON CONFLICT (name) DO NOTHING";
    Question { sql: SQL.into(), values: vec![Box::new(key.realm().to_string())] }
}

/// Removes the record that was written at this revision. The clock stands still.
pub(super) async fn remove(db: &Connections, key: &Key, at: Revision) -> Result<(), StoreError> {
    let table = table_of(key.kind());
    let sql = format!("DELETE FROM {table} WHERE {PLACE} AND revision = $4 RETURNING revision");
    let at: Value = Box::new(signed(at.number()));
    let values = place(key).into_iter().chain([at]).collect();
    let removed = db.write(&Question { sql: sql.into(), values }).await?;
    if removed.is_empty() { Err(StoreError::Conflict) } else { Ok(()) }
}

/// A page ends at a record whose id is text, for a cursor must name it. So rows of other ids, which
/// somebody wrote by hand, are read past until there is one.
pub(super) async fn page(db: &Connections, filter: &Filter) -> Result<Page, StoreError> {
    let mut limit = filter.limit.max(1);
    loop {
        let rows = listed(db, filter, limit).await?;
        let is_last = rows.len() < limit;
        let page = gathered(filter, &rows, is_last);
        if is_last || page.next.is_some() {
            return Ok(page);
        }
        limit = limit.saturating_mul(2);
    }
}

async fn listed(db: &Connections, filter: &Filter, limit: usize) -> Result<Vec<Row>, StoreError> {
    let Spelled { place, condition, order, values: bound } = spelled(filter);
    let table = table_of(filter.kind);
    let sql = format!(
        "SELECT id, {place} AS place, {RECORD} FROM {table}
         WHERE realm = (SELECT number FROM cpv_consent.realm WHERE name = $1) AND kind = $2
           AND {condition} ORDER BY {order} LIMIT $3"
    );
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut values: Vec<Value> =
        vec![Box::new(filter.realm.to_string()), Box::new(filter.kind.name()), Box::new(most)];
    values.extend(bound);
    db.read(&Question { sql: sql.into(), values }).await
}

fn gathered(filter: &Filter, rows: &[Row], is_last: bool) -> Page {
    let limit = filter.limit.max(1);
    let (mut page, mut unnamed) = (Page::default(), Vec::new());
    for row in rows {
        match named(filter, row) {
            Err(id) => unnamed.push(id),
            Ok(_) if page.records.len() + page.damaged.len() >= limit && page.next.is_some() => {
                return page;
            }
            Ok((cursor, key)) => {
                page.damaged.append(&mut unnamed);
                match stored(key, row) {
                    Some(stored) => page.records.push(stored),
                    None => page.damaged.push(cursor.id.clone()),
                }
                page.next = Some(cursor);
            }
        }
    }
    if is_last {
        page.damaged.append(&mut unnamed);
        page.next = None;
    }
    page
}

pub(super) async fn realms(db: &Connections) -> Result<Vec<String>, StoreError> {
    const SQL: &str = "SELECT name FROM cpv_consent.realm
         WHERE EXISTS (SELECT FROM cpv_consent.record WHERE record.realm = realm.number)
            OR EXISTS (SELECT FROM cpv_consent.partner_key WHERE partner_key.realm = realm.number)";
    let rows = db.read(&Question::plain(SQL)).await?;
    rows.iter().map(|row| row.try_get("name").map_err(|_| other_shape())).collect()
}

/// What is read of a record.
const RECORD: &str = "partner::text AS partner, sealed, due, revision";

/// A record's place, bound to `$1` to `$3`. An id may be longer than an index holds, hence its head,
/// which orders, and its digest, which tells apart.
const PLACE: &str = "realm = (SELECT number FROM cpv_consent.realm WHERE name = $1) AND kind = $2
     AND substring(id FROM 1 FOR 1000) = substring($3::bytea FROM 1 FOR 1000)
     AND sha256(id) = sha256($3::bytea)";

/// Advances the clock, whose lock is held to the commit.
const TICK: &str = "UPDATE cpv_consent.clock SET revision = revision + 1 RETURNING revision";

/// Whether there are a clock and the realm, and at which mark the record was written, if it was.
const OUTCOME: &str = "SELECT (SELECT revision FROM tick) AS tick,
            (SELECT revision FROM written) AS written,
            (SELECT number::bigint FROM cpv_consent.realm WHERE name = $1::text) AS realm";

fn place(key: &Key) -> Vec<Value> {
    let id = key.id().as_bytes().to_vec();
    vec![Box::new(key.realm().to_string()), Box::new(key.kind().name()), Box::new(id)]
}

fn contents(key: &Key, entry: &Entry) -> [Value; 3] {
    let partner = key.partner().map(|partner| partner.to_string());
    let sealed = entry.sealed.as_bytes().to_vec();
    [Box::new(partner), Box::new(sealed), Box::new(entry.due.map(seconds))]
}

/// Where a listed row stands, or its id as far as it can be shown.
fn named(filter: &Filter, row: &Row) -> Result<(Cursor, Key), String> {
    let id: &[u8] = row.try_get("id").unwrap_or_default();
    let number: i64 = row.try_get("place").unwrap_or_default();
    let text = std::str::from_utf8(id).map_err(|_| String::from_utf8_lossy(id).into_owned())?;
    let key = Key::new(filter.realm.clone(), filter.kind, None, text);
    Ok((Cursor { number: number.unsigned_abs(), id: text.to_owned() }, key))
}

/// The record, unless someone wrote into the row what the store never would.
fn stored(key: Key, row: &Row) -> Option<Stored> {
    let partner: Option<&str> = row.try_get("partner").ok()?;
    let partner = partner.map(TenantId::parse).transpose().ok()?;
    let due: Option<i64> = row.try_get("due").ok()?;
    let due = due.map(u64::try_from).transpose().ok()?.map(from_unix_seconds);
    let revision = u64::try_from(row.try_get::<_, i64>("revision").ok()?).ok()?;
    let entry = Entry { sealed: Sealed::from_bytes(row.try_get("sealed").ok()?), due };
    let key = Key::new(key.realm().clone(), key.kind(), partner, key.id());
    Some(Stored { key, entry, revision: Revision::new(revision) })
}

/// A selection as SQL, so that an index leads straight to the page.
struct Spelled {
    /// The number of a record's [`Cursor`].
    place: &'static str,
    condition: &'static str,
    order: &'static str,
    /// What the condition binds, from `$4` on.
    values: Vec<Value>,
}

fn spelled(filter: &Filter) -> Spelled {
    let (place, order) = match filter.selection {
        Selection::All => ("0::bigint", "substring(id FROM 1 FOR 1000), id"),
        Selection::DueBy(_) => ("due", "due, substring(id FROM 1 FOR 1000), id"),
        Selection::ChangedAfter(_) => ("revision", "revision"),
    };
    let (condition, values): (_, Vec<Value>) = match (filter.selection, &filter.cursor) {
        (Selection::All, None) => ("true", vec![]),
        (Selection::All, Some(after)) => (
            "(substring(id FROM 1 FOR 1000), id)
                    > (substring($4::bytea FROM 1 FOR 1000), $4::bytea)",
            vec![bytes(after)],
        ),
        (Selection::DueBy(by), None) => ("due <= $4", vec![Box::new(seconds(by))]),
        (Selection::DueBy(by), Some(after)) => (
            "due <= $4 AND (due, substring(id FROM 1 FOR 1000), id)
                    > ($5, substring($6::bytea FROM 1 FOR 1000), $6::bytea)",
            vec![Box::new(seconds(by)), Box::new(signed(after.number)), bytes(after)],
        ),
        (Selection::ChangedAfter(mark), after) => {
            let after = after.as_ref().map_or(0, |after| after.number);
            ("revision > $4", vec![Box::new(signed(after.max(mark.number())))])
        }
    };
    Spelled { place, condition, order, values }
}

fn bytes(after: &Cursor) -> Value {
    Box::new(after.id.clone().into_bytes())
}

fn seconds(time: SystemTime) -> i64 {
    signed(unix_seconds(time))
}

/// PostgreSQL's numbers have a sign; neither a revision nor a due time comes near it.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn other_shape() -> StoreError {
    StoreError::damaged("a row has another shape")
}
