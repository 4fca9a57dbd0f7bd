//! Listing what is left where a page of a file is damaged.
//!
//! A page of the table holds a few rows, and the indexes know their ids: those rows are named and
//! all others listed. A page of an index holds the places of many rows, and the list ends there,
//! though each row of another page can still be read; `.recover` of SQLite's shell makes a whole file
//! from the table.

use rusqlite::{Connection, ErrorCode, params, params_from_iter};

use crate::storage::store::sqlite::rows::{self, Spelled};
use crate::storage::store::{Cursor, Filter, Page};

/// One page of a list, around rows that the file does not give.
pub(super) fn page(db: &Connection, filter: &Filter) -> rusqlite::Result<Page> {
    match rows::page(db, filter) {
        Err(error) if is_corrupt(&error) => row_by_row(db, filter),
        page => page,
    }
}

fn row_by_row(db: &Connection, filter: &Filter) -> rusqlite::Result<Page> {
    let places = places(db, filter)?;
    let mut page = Page::default();
    for (row, number) in &places {
        match rows::add_one(db, &mut page, filter, *row) {
            Err(error) if is_corrupt(&error) => {
                let id = id_by_index(db, filter, *row)?;
                page.next = Some(Cursor { number: number.unsigned_abs(), id: id.clone() });
                page.damaged.push(id);
            }
            added => added?,
        }
    }
    page.next = page.next.filter(|_| places.len() == filter.limit.max(1));
    Ok(page)
}

/// Where the rows of this page lie, as an index alone knows it, with the numbers of their cursors.
fn places(db: &Connection, filter: &Filter) -> rusqlite::Result<Vec<(i64, i64)>> {
    let Spelled { place, condition, order, .. } = rows::spelled(filter);
    let schema = rows::schema_of(filter.kind);
    let sql = format!(
        "SELECT rowid, {place} FROM {schema}.record
         WHERE realm = (SELECT number FROM {schema}.realm WHERE name = ?1)
           AND kind = ?2 AND {condition} ORDER BY {order} LIMIT ?3"
    );
    let mut statement = db.prepare(&sql)?;
    let bound = params_from_iter(rows::bound(filter));
    let places = statement.query_map(bound, |row| Ok((row.get(0)?, row.get(1)?)))?;
    places.collect()
}

fn id_by_index(db: &Connection, filter: &Filter, row: i64) -> rusqlite::Result<String> {
    let schema = rows::schema_of(filter.kind);
    let sql = format!(
        "SELECT id FROM {schema}.record INDEXED BY sqlite_autoindex_record_1
         WHERE realm = (SELECT number FROM {schema}.realm WHERE name = ?1)
           AND kind = ?2 AND +rowid = ?3"
    );
    let place = params![filter.realm.to_string(), filter.kind.name(), row];
    db.query_row(&sql, place, |row| row.get(0))
}

fn is_corrupt(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt)
}
