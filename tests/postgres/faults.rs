//! What a server does to its clients: ends them, undoes their work, runs out, goes down.

use std::sync::Arc;
use std::time::Duration;

use cpv_consent::store::{Expect, Kind, Postgres, Store, StoreError};

use crate::server::{self, Database};
use crate::{entry, key, put};

const HOLD_CLOCK: &str = "BEGIN; SELECT FROM cpv_consent.clock FOR UPDATE";

/// Ends every connection of the store, and waits until they are gone.
async fn terminate(database: &Database<'_>) {
    database
        .execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
        WHERE datname = current_database() AND usename = 'panel'",
        )
        .await;
}

async fn until_waiting(database: &Database<'_>, count: i64) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND usename = 'panel' AND wait_event_type = 'Lock'";
    while database.count(waiting).await < count {}
}

fn because<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> String {
    match outcome {
        Err(StoreError::Unavailable { because }) => because.into_owned(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn connections_that_were_ended_while_idle_are_replaced() {
    // F-13
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let store = database.open().await;
    let at = put(&store, "a").await;
    for _ in 0..3 {
        terminate(&database).await;
        store.get(&key(Kind::Consent, "a")).await.expect("asked again");
    }
    store.put(&key(Kind::Consent, "a"), entry("b"), Expect::At(at)).await.expect("unmoved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_ended_in_a_write_leaves_its_outcome_open() {
    // F-13
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let store = Arc::new(database.open().await);
    let at = put(&store, "a").await;
    let holder = database.superuser().await;
    holder.batch_execute(HOLD_CLOCK).await.expect("a row");
    let write = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            store.put(&key(Kind::Consent, "a"), entry("new"), Expect::At(at)).await
        })
    };
    until_waiting(&database, 1).await;
    terminate(&database).await;
    because(write.await.expect("no panic"));
    holder.batch_execute("COMMIT").await.expect("released");
    store.put(&key(Kind::Consent, "a"), entry("new"), Expect::At(at)).await.expect("unmoved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_a_deadlock_undid_is_repeated() {
    // F-13
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    // Ours looks for a circle first, and is the one that gives way.
    let patience = format!("ALTER DATABASE {} SET deadlock_timeout = '2s'", database.name);
    database.execute(&patience).await;
    let store = Arc::new(database.open().await);
    let at = put(&store, "a").await;
    let operator = database.superuser().await;
    let hold = "SET deadlock_timeout = '1h'; BEGIN; SELECT FROM cpv_consent.record FOR UPDATE";
    operator.batch_execute(hold).await.expect("a row");
    let write = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            store.put(&key(Kind::Consent, "a"), entry("new"), Expect::At(at)).await
        })
    };
    until_waiting(&database, 1).await;
    let circle = "UPDATE cpv_consent.clock SET revision = revision + 100; COMMIT";
    operator.batch_execute(circle).await.expect("the other gave way");
    write.await.expect("no panic").expect("repeated");
    let undone =
        format!("SELECT deadlocks FROM pg_stat_database WHERE datname = '{}'", database.name);
    drop(store);
    while database.count(&undone).await < 1 {}
}

/// Makes the first writes of a record fail as if another had been served first.
async fn fail_first(database: &Database<'_>, count: u32) {
    let trap = format!(
        "CREATE SEQUENCE public.attempts;
        CREATE FUNCTION public.trap() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN IF nextval('public.attempts') <= {count}
        THEN RAISE EXCEPTION 'not now' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER trap BEFORE INSERT ON cpv_consent.record
            FOR EACH ROW EXECUTE FUNCTION public.trap();"
    );
    database.execute(&trap).await;
}

#[tokio::test]
async fn a_serialization_failure_is_repeated_a_few_times() {
    // F-13
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    fail_first(&database, 3).await;
    put(&database.open().await, "a").await;
    let database = server.database().await;
    fail_first(&database, 1000).await;
    let store = database.open().await;
    let put = store.put(&key(Kind::Consent, "a"), entry("a"), Expect::Absent).await;
    assert!(because(put).contains("40001"));
    // Once for a realm that was not known, then four times.
    let attempts = database.count("SELECT last_value FROM public.attempts").await;
    assert_eq!(attempts, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_finds_no_free_connection_waits_no_longer_than_told() {
    // F-13, F-28
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let opening = Postgres::at(&database.url("panel"))
        .connections(1)
        .wait_at_most(Duration::from_millis(50))
        .connect();
    let store = Arc::new(opening.await.expect("a store"));
    put(&store, "a").await;
    let holder = database.superuser().await;
    holder.batch_execute(HOLD_CLOCK).await.expect("a row");
    let write = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { put(&store, "b").await })
    };
    until_waiting(&database, 1).await;
    let crowded = because(store.get(&key(Kind::Consent, "a")).await);
    assert!(crowded.contains("no connection became free"), "{crowded}");
    holder.batch_execute("COMMIT").await.expect("released");
    write.await.expect("no panic");
    store.get(&key(Kind::Consent, "a")).await.expect("a connection is free");
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_undone() {
    // F-13
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let opening =
        Postgres::at(&database.url("panel")).statements_within(Duration::from_millis(100));
    let store = opening.connect().await.expect("a store");
    let at = put(&store, "a").await;
    let holder = database.superuser().await;
    holder.batch_execute(HOLD_CLOCK).await.expect("a row");
    let write = store.put(&key(Kind::Consent, "a"), entry("new"), Expect::At(at)).await;
    assert!(because(write).contains("took too long"));
    holder.batch_execute("COMMIT").await.expect("released");
    store.put(&key(Kind::Consent, "a"), entry("new"), Expect::At(at)).await.expect("unmoved");
}

#[tokio::test]
async fn a_server_without_connections_says_so() {
    // F-13
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let limit = format!("ALTER DATABASE {} CONNECTION LIMIT 0", database.name);
    server.superuser("postgres").await.batch_execute(&limit).await.expect("a limit");
    let refused = Postgres::connect(&database.url("panel")).await;
    assert!(because(refused).contains("no connection left"));
}

#[tokio::test]
async fn a_server_that_only_reads_says_so_until_it_writes_again() {
    // F-11, F-13
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    put(&database.open().await, "a").await;
    let set = |value| {
        format!("ALTER DATABASE {} SET default_transaction_read_only = {value}", database.name)
    };
    let superuser = server.superuser("postgres").await;
    superuser.batch_execute(&set("on")).await.expect("a setting");
    let store = database.open().await;
    let written = store.put(&key(Kind::Consent, "b"), entry("b"), Expect::Absent).await;
    assert_eq!(written, Err(StoreError::ReadOnly));
    store.get(&key(Kind::Consent, "a")).await.expect("readable");
    superuser.batch_execute(&set("off")).await.expect("a setting");
    terminate(&database).await;
    store.get(&key(Kind::Consent, "a")).await.expect("readable");
    put(&store, "b").await;
}

#[tokio::test]
async fn a_call_that_is_dropped_half_way_takes_its_connection_along() {
    // F-30
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let store =
        Postgres::at(&database.url("panel")).connections(1).connect().await.expect("a store");
    let place = key(Kind::Consent, "a");
    let at = put(&store, "a").await;
    let holder = database.superuser().await;
    holder.batch_execute(HOLD_CLOCK).await.expect("a row");
    tokio::select! {
        _ = store.put(&place, entry("dropped"), Expect::At(at)) => {
            unreachable!("the clock is held");
        }
        () = until_waiting(&database, 1) => {}
    }
    store.get(&place).await.expect("by a new connection, while the old one waits");
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    assert!(database.count(waiting).await > 0, "the read waited for the write that was dropped");
    holder.batch_execute("COMMIT").await.expect("released");
    let write = store.put(&place, entry("new"), Expect::At(at)).await;
    let text = store.get(&place).await.expect("readable").expect("there");
    match write {
        Ok(_) => assert_eq!(text.entry, entry("new")),
        Err(error) => {
            assert_eq!(error, StoreError::Conflict);
            assert_eq!(text.entry, entry("dropped"));
        }
    }
}
