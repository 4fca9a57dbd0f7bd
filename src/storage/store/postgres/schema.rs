//! The tables: made and changed by `migrate` alone, checked before they are used.

use deadpool_postgres::GenericClient;
use tokio_postgres::{Error, Row};

use crate::storage::store::StoreError;
use crate::storage::store::postgres::connections::{Connections, Question};
use crate::storage::store::postgres::failure;

/// What each version changed, from version 1 on. A change leaves the tables such that the version
/// before reads and writes them further: it adds; what is then of no use goes one version later.
const CHANGES: [&str; 1] = [FIRST];

/// The version that this crate makes. It serves the next one too.
const VERSION: i32 = CHANGES.len() as i32;

/// Brings the tables up to this version, in one transaction.
pub(super) async fn migrate(connections: &Connections) -> Result<(), StoreError> {
    let mut connection = connections.borrow().await?;
    let asking = |error: Error| failed(&error);
    let change = connection.transaction().await.map_err(asking)?;
    change.batch_execute(ALONE).await.map_err(asking)?;
    let found = change.query_opt(FOUND, &[]).await.map_err(asking)?;
    let version = match found.map(|schema| schema.get("ours")) {
        None => 0,
        Some(false) => return Err(StoreError::unusable(NOT_OURS)),
        Some(true) => number(&change.query(NUMBER, &[]).await.map_err(asking)?)?,
    };
    refuse_newer(version)?;
    for step in CHANGES.iter().skip(version.unsigned_abs() as usize) {
        change.batch_execute(step).await.map_err(asking)?;
    }
    if version < VERSION {
        let sql = "UPDATE cpv_consent.store SET version = $1";
        change.execute(sql, &[&VERSION]).await.map_err(asking)?;
    }
    change.commit().await.map_err(asking)?;
    connection.give_back();
    Ok(())
}

/// Whether there is a store that this version and this role may use. Where there is none, nothing is
/// changed.
pub(super) async fn check(connections: &Connections) -> Result<(), StoreError> {
    let ask = async |sql| connections.read(&Question::plain(sql)).await;
    let found = ask(FOUND).await?;
    let found = found.first().ok_or_else(|| StoreError::unusable(NOT_MIGRATED))?;
    if !found.get::<_, bool>("ours") {
        return Err(StoreError::unusable(NOT_OURS));
    }
    if let Some(lacking) = found.get::<_, Option<String>>("lacking") {
        let because = format!("its role lacks {lacking}: let the owner of cpv_consent grant it");
        return Err(StoreError::unusable(because));
    }
    let version = number(&ask(NUMBER).await?)?;
    if version < VERSION {
        let because = format!(
            "its tables are of version {version} and this crate's are {VERSION}: run migrate first"
        );
        return Err(StoreError::unusable(because));
    }
    refuse_newer(version)?;
    let careless = ask(CARELESS).await?.first().map(|row| row.get::<_, String>("name"));
    if let Some(setting) = careless {
        let because = format!("its server forgets what it acknowledged: turn {setting} on");
        return Err(StoreError::unusable(because));
    }
    // A database that only reads can be opened, so nothing is written while all is well.
    if !ask(BEHIND).await?.is_empty() {
        connections.write(&Question::plain(CATCH_UP)).await?;
    }
    Ok(())
}

fn refuse_newer(version: i32) -> Result<(), StoreError> {
    if version <= VERSION + 1 {
        return Ok(());
    }
    let because = format!(
        "its tables are of version {version} and this crate's are {VERSION}: use a newer crate"
    );
    Err(StoreError::unusable(because))
}

fn number(rows: &[Row]) -> Result<i32, StoreError> {
    let [row] = rows else { return Err(broken()) };
    row.try_get("version").map_err(|_| broken())
}

fn broken() -> StoreError {
    StoreError::damaged("its schema does not say which version it is")
}

fn failed(error: &Error) -> StoreError {
    match failure::asking(error).error {
        StoreError::Unusable { .. } => StoreError::unusable(NO_DDL),
        error => error,
    }
}

const NOT_MIGRATED: &str = "the database holds no tables of this crate: run migrate on it first";
const NOT_OURS: &str = "the schema cpv_consent is there and was not made by migrate";
const NO_DDL: &str = "migrate needs a role that may create a schema in the database, \
                      or the one that owns cpv_consent";

/// One migration at a time, which gives way to a database at work rather than hold it up. The
/// number is nobody else's.
const ALONE: &str = "
    SET LOCAL lock_timeout = '10s';
    SELECT pg_advisory_xact_lock(7148250115318275);
";

/// Asks the catalogue alone, which every role may read: the tables would refuse without saying
/// what is missing.
const FOUND: &str = "
    SELECT
        EXISTS (
            SELECT FROM pg_class WHERE relnamespace = schema.oid AND relname = 'store'
        ) AS ours,
        CASE WHEN has_schema_privilege(schema.oid, 'USAGE') THEN (
            SELECT string_agg(may || ' on ' || name, ', ')
            FROM (VALUES
                ('store', 'SELECT'), ('clock', 'SELECT'), ('clock', 'UPDATE'),
                ('realm', 'SELECT'), ('realm', 'INSERT'),
                ('record', 'SELECT'), ('record', 'INSERT'), ('record', 'UPDATE'),
                ('record', 'DELETE'),
                ('partner_key', 'SELECT'), ('partner_key', 'INSERT'), ('partner_key', 'UPDATE'),
                ('partner_key', 'DELETE')
            ) AS needed (name, may)
            JOIN pg_class ON relnamespace = schema.oid AND relname = name
            WHERE NOT has_table_privilege(pg_class.oid, may)
        ) ELSE 'USAGE on the schema' END AS lacking
    FROM pg_namespace AS schema WHERE nspname = 'cpv_consent'
";

const NUMBER: &str = "SELECT version FROM cpv_consent.store";

const CARELESS: &str = "
    SELECT name FROM pg_settings
    WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off'
";

/// Partner keys may have been restored from a later backup than the clock. A number that no clock
/// reaches (half of all there are) was written by hand, and would leave the clock nowhere to go.
const BEHIND: &str = "
    SELECT FROM cpv_consent.clock
    WHERE revision < (
        SELECT max(revision) FROM cpv_consent.partner_key WHERE revision < 4611686018427387904
    )
";

const CATCH_UP: &str = "
    UPDATE cpv_consent.clock SET revision = latest.revision
    FROM (
        SELECT max(revision) AS revision FROM cpv_consent.partner_key
        WHERE revision < 4611686018427387904
    ) AS latest
    WHERE clock.revision < latest.revision
";

/// Bodies are ciphertext, which does not compress; where one fits into a page it lies in its row, and
/// not in a table beside it that would be written, too. The clock's row is rewritten with every write, in
/// a page that is kept free for it.
const FIRST: &str = "
    CREATE SCHEMA cpv_consent;

    CREATE TABLE cpv_consent.store (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        version integer NOT NULL
    );
    INSERT INTO cpv_consent.store (version) VALUES (0);

    CREATE TABLE cpv_consent.clock (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        revision bigint NOT NULL
    ) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
    INSERT INTO cpv_consent.clock (revision) VALUES (0);

    CREATE TABLE cpv_consent.realm (
        number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text NOT NULL UNIQUE
    );

    CREATE TABLE cpv_consent.record (
        realm integer NOT NULL,
        kind text COLLATE \"C\" NOT NULL,
        id bytea NOT NULL,
        partner uuid,
        sealed bytea NOT NULL,
        due bigint CHECK (due >= 0),
        revision bigint NOT NULL CHECK (revision > 0)
    ) WITH (toast_tuple_target = 8160);
    ALTER TABLE cpv_consent.record ALTER COLUMN sealed SET STORAGE EXTERNAL;
    CREATE UNIQUE INDEX record_place ON cpv_consent.record
        (realm, kind, substring(id FROM 1 FOR 1000), sha256(id));
    CREATE INDEX record_due ON cpv_consent.record
        (realm, kind, due, substring(id FROM 1 FOR 1000)) WHERE due IS NOT NULL;
    CREATE INDEX record_changed ON cpv_consent.record (realm, kind, revision);

    CREATE TABLE cpv_consent.partner_key (LIKE cpv_consent.record INCLUDING ALL);
    CREATE UNIQUE INDEX partner_key_changed ON cpv_consent.partner_key (revision);
";
