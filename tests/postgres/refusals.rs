//! What is refused on opening, each by an error of its own, and nothing changed by it.

use cpv_consent::store::{Expect, Kind, Postgres, PostgresBuilder, Store, StoreError};

use crate::server::{self, Database};
use crate::{entry, key, put};

/// Why this is no store that may be used.
async fn unusable(opening: PostgresBuilder) -> String {
    match opening.connect().await.expect_err("it must be refused") {
        StoreError::Unusable { because } => because.into_owned(),
        other => panic!("{other}"),
    }
}

async fn refusal(url: &str) -> String {
    unusable(Postgres::at(url)).await
}

#[tokio::test]
async fn a_database_without_tables_names_migrate_and_stays_empty() {
    let Some(server) = server::shared() else { return };
    let database = server.empty_database().await;
    for role in ["panel", "owner", "postgres"] {
        assert!(refusal(&database.url(role)).await.contains("run migrate"), "{role}");
    }
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'cpv_consent'";
    assert_eq!(database.count(schemas).await, 0);
}

#[tokio::test]
async fn a_schema_that_is_not_ours_is_left_alone() {
    let Some(server) = server::shared() else { return };
    let database = server.empty_database().await;
    database.execute("CREATE SCHEMA cpv_consent; CREATE TABLE cpv_consent.theirs ()").await;
    assert!(refusal(&database.url("postgres")).await.contains("not made by migrate"));
    let migrated = Postgres::migrate(&database.url("postgres")).await;
    assert!(matches!(migrated, Err(StoreError::Unusable { .. })), "{migrated:?}");
    assert_eq!(tables(&database).await, 1);
}

async fn tables(database: &Database<'_>) -> i64 {
    let sql = "SELECT count(*) FROM pg_tables WHERE schemaname = 'cpv_consent'";
    database.count(sql).await
}

#[tokio::test]
async fn the_next_version_is_served_and_the_one_after_it_refused() {
    // F-26
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let old = database.open().await;
    put(&old, "before").await;
    let expand = "UPDATE cpv_consent.store SET version = version + 1;
        ALTER TABLE cpv_consent.record ADD COLUMN added text DEFAULT 'something';
        CREATE TABLE cpv_consent.added ();";
    database.execute(expand).await;
    put(&old, "while it runs").await;
    put(&database.open().await, "after").await;
    Postgres::migrate(&database.url("owner")).await.expect("nothing to do");
    database.execute("UPDATE cpv_consent.store SET version = version + 1").await;
    assert!(refusal(&database.url("panel")).await.contains("use a newer crate"));
    let migrated = Postgres::migrate(&database.url("owner")).await.expect_err("too new");
    assert!(migrated.to_string().contains("use a newer crate"), "{migrated}");
    assert_eq!(database.count("SELECT version::bigint FROM cpv_consent.store").await, 3);
}

#[tokio::test]
async fn tables_of_an_older_version_name_migrate() {
    // F-26
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    database.execute("UPDATE cpv_consent.store SET version = 0").await;
    assert!(refusal(&database.url("panel")).await.contains("run migrate first"));
}

#[tokio::test]
async fn each_right_that_a_role_lacks_is_named() {
    //
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    for (right, on) in [
        ("SELECT", "store"),
        ("SELECT", "clock"),
        ("UPDATE", "clock"),
        ("SELECT", "realm"),
        ("INSERT", "realm"),
        ("SELECT", "record"),
        ("INSERT", "record"),
        ("UPDATE", "record"),
        ("DELETE", "record"),
        ("DELETE", "partner_key"),
    ] {
        database.execute(&format!("REVOKE {right} ON cpv_consent.{on} FROM panel")).await;
        let told = refusal(&database.url("panel")).await;
        assert!(told.contains(&format!("lacks {right} on {on}:")), "{told}");
        database.execute(&format!("GRANT {right} ON cpv_consent.{on} TO panel")).await;
    }
    database.execute("REVOKE USAGE ON SCHEMA cpv_consent FROM panel").await;
    assert!(refusal(&database.url("panel")).await.contains("USAGE on the schema"));
    database.execute("GRANT USAGE ON SCHEMA cpv_consent TO panel").await;
    database.open().await;
}

#[tokio::test]
async fn the_role_of_the_processes_can_change_no_table() {
    //
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let url = database.url("panel");
    let (panel, connection) =
        tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("a server");
    tokio::spawn(connection);
    for sql in [
        "DROP TABLE cpv_consent.record",
        "ALTER TABLE cpv_consent.record ADD COLUMN more text",
        "CREATE TABLE cpv_consent.more ()",
        "TRUNCATE cpv_consent.record",
        "CREATE SCHEMA more",
    ] {
        panel.batch_execute(sql).await.expect_err(sql);
    }
    let url = server.empty_database().await.url("panel");
    let refused = Postgres::migrate(&url).await.expect_err("it may not").to_string();
    assert!(refused.contains("migrate needs a role"), "{refused}");
}

#[tokio::test]
async fn who_and_where_are_told_apart() {
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let told = refusal(&server.url("panel", "no_such_database")).await;
    assert!(told.contains("no such database"), "{told}");
    let told = refusal(&database.url("locked:wrong-password")).await;
    assert!(told.contains("role or password") && told.contains("correct the URL"), "{told}");
    assert!(!told.contains("wrong-password"));
    let told = refusal(&database.url("locked")).await;
    assert!(told.contains("its URL has none"), "{told}");
    let told = refusal(&database.url("nobody")).await;
    assert!(told.contains("pg_hba.conf"), "{told}");
    Postgres::connect(&database.url("locked:right-password")).await.expect("admitted");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("bound").port();
    drop(free);
    let url = format!("postgres://panel@127.0.0.1:{port}/store");
    let refused = Postgres::connect(&url).await.expect_err("nobody listens");
    let StoreError::Unavailable { because } = refused else { panic!("{refused}") };
    assert!(because.contains(&format!("no server answers at 127.0.0.1:{port} (")), "{because}");
    assert!(because.contains("start it, or correct the URL"), "{because}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("bound").port();
    let url = format!("postgres://panel@127.0.0.1:{port}/store");
    let opening = Postgres::at(&url).wait_at_most(std::time::Duration::from_millis(50));
    let refused = opening.connect().await.expect_err("nobody answers");
    let StoreError::Unavailable { because } = refused else { panic!("{refused}") };
    assert!(because.contains(&format!("in time at 127.0.0.1:{port}:")), "{because}");
}

#[tokio::test]
async fn what_follows_an_at_sign_in_a_password_is_not_told_as_the_host() {
    //
    for url in ["postgres://a:half@canary@db.invalid/b", "postgres://a:half@canary/x@db.invalid/b"]
    {
        let told = refusal(url).await;
        assert!(told.contains("%40") && !told.contains("canary"), "{told}");
    }
}

#[tokio::test]
async fn a_server_that_may_forget_is_refused() {
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let forget = format!("ALTER DATABASE {} SET synchronous_commit = off", database.name);
    database.execute(&forget).await;
    let told = refusal(&database.url("panel")).await;
    assert!(told.contains("turn synchronous_commit on"), "{told}");
}

#[tokio::test]
async fn what_a_database_has_set_does_not_change_how_we_speak_to_it() {
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let superuser = database.superuser().await;
    for setting in [
        "default_transaction_isolation = 'serializable'",
        "search_path = 'public'",
        "statement_timeout = '1ms'",
    ] {
        let sql = format!("ALTER DATABASE {} SET {setting}", database.name);
        superuser.batch_execute(&sql).await.expect("a setting");
    }
    let shadow = "CREATE FUNCTION public.sha256(bytea) RETURNS bytea LANGUAGE sql AS 'SELECT $1'";
    superuser.batch_execute(shadow).await.expect("a function");
    let store = database.open().await;
    let at = put(&store, "a").await;
    let changed = store.put(&key(Kind::Consent, "a"), entry("b"), Expect::At(at)).await;
    changed.expect("unmoved");
    let isolation = "SELECT count(*) FROM pg_locks WHERE mode = 'SIReadLock'";
    let serializable: i64 = superuser.query_one(isolation, &[]).await.expect("a count").get(0);
    assert_eq!(serializable, 0);
}

#[tokio::test]
async fn migrations_at_once_and_again_leave_one_store() {
    // F-26
    let Some(server) = server::shared() else { return };
    let database = server.empty_database().await;
    let url = database.url("owner");
    let racing: Vec<_> = (0..8)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { Postgres::migrate(&url).await })
        })
        .collect();
    for migration in racing {
        migration.await.expect("no panic").expect("one after the other");
    }
    Postgres::migrate(&url).await.expect("nothing to do");
    assert_eq!(database.count("SELECT count(*) FROM cpv_consent.store").await, 1);
    assert_eq!(database.count("SELECT count(*) FROM cpv_consent.clock").await, 1);
}

#[tokio::test]
async fn a_migration_that_is_cut_short_has_changed_nothing() {
    // F-26
    let Some(server) = server::shared() else { return };
    let database = server.empty_database().await;
    // The last step of the first version fails.
    let trap = "CREATE FUNCTION public.trap() RETURNS event_trigger LANGUAGE plpgsql AS $$
        BEGIN IF EXISTS (SELECT FROM pg_class WHERE relname = 'partner_key_changed')
        THEN RAISE EXCEPTION 'cut short'; END IF; END $$;
        CREATE EVENT TRIGGER trap ON ddl_command_end EXECUTE FUNCTION public.trap();";
    database.execute(trap).await;
    Postgres::migrate(&database.url("owner")).await.expect_err("it fails at its last step");
    assert_eq!(tables(&database).await, 0);
    database.execute("DROP EVENT TRIGGER trap").await;
    Postgres::migrate(&database.url("owner")).await.expect("nothing in the way");
    assert_eq!(tables(&database).await, 5);
}
