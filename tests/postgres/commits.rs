//! Puts that wait for each other share one commit, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use cpv_consent::store::{Expect, Key, Kind, Postgres, Store, StoreError};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::proxy::{Cut, Proxy};
use crate::server::{self, Database};
use crate::{entry, key, put};

type Putting = JoinHandle<Result<cpv_consent::store::Revision, StoreError>>;

fn putting(store: &Arc<Postgres>, id: &str) -> Putting {
    let (store, place, entry) = (Arc::clone(store), key(Kind::Consent, id), entry(id));
    tokio::spawn(async move { store.put(&place, entry, Expect::Absent).await })
}

/// A clock that stands still until the holder commits, and a put that waits for it.
async fn held(database: &Database<'_>, store: &Arc<Postgres>, id: &str) -> (Client, Putting) {
    let holder = database.superuser().await;
    holder.batch_execute("BEGIN; SELECT FROM cpv_consent.clock FOR UPDATE").await.expect("a row");
    let first = putting(store, id);
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND usename = 'panel' AND wait_event_type = 'Lock'";
    while database.count(waiting).await < 1 {}
    (holder, first)
}

async fn release(holder: Client, first: Putting) {
    holder.batch_execute("COMMIT").await.expect("released");
    first.await.expect("no panic").expect("absent");
}

/// Puts that begin while the clock is held, and what came of them.
async fn together(
    database: &Database<'_>,
    store: &Arc<Postgres>,
    first: &str,
    ids: &[&str],
    before: impl FnOnce(),
) -> Vec<Result<(), StoreError>> {
    let (holder, blocked) = held(database, store, first).await;
    let waiting: Vec<_> = ids.iter().map(|id| putting(store, id)).collect();
    // They run as far as they can: into the line.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    before();
    release(holder, blocked).await;
    let mut outcomes = Vec::new();
    for put in waiting {
        outcomes.push(put.await.expect("no panic").map(drop));
    }
    outcomes
}

/// How many transactions wrote the records with these ids.
async fn commits(database: &Database<'_>, like: &str) -> i64 {
    let sql = format!(
        "SELECT count(DISTINCT xmin::text) FROM cpv_consent.record
        WHERE convert_from(id, 'UTF8') LIKE '{like}'"
    );
    database.count(&sql).await
}

#[tokio::test]
async fn puts_that_wait_go_into_one_commit() {
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let store = Arc::new(database.open().await);
    put(&store, "taken").await;
    let ids = ["many a", "many b", "taken", "many c"];
    let outcomes = together(&database, &store, "first", &ids, || ()).await;
    assert_eq!(outcomes, [Ok(()), Ok(()), Err(StoreError::Conflict), Ok(())]);
    assert_eq!(commits(&database, "many %").await, 1);
    assert_eq!(commits(&database, "%").await, 3);
}

#[tokio::test]
async fn a_put_that_cannot_be_made_takes_no_other_down() {
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let trap = "CREATE FUNCTION public.trap() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = '53100'; END $$;
        CREATE TRIGGER trap BEFORE INSERT ON cpv_consent.record FOR EACH ROW
            WHEN (NEW.id = 'broken') EXECUTE FUNCTION public.trap();";
    database.execute(trap).await;
    let store = Arc::new(database.open().await);
    put(&store, "known realm").await;
    let outcomes = together(&database, &store, "first", &["a", "broken", "c"], || ()).await;
    assert_eq!(outcomes, [Ok(()), Err(StoreError::Full), Ok(())]);
    for id in ["a", "c"] {
        let stored = store.get(&key(Kind::Consent, id)).await.expect("readable");
        assert_eq!(stored.expect("written").entry, entry(id));
    }
}

/// Counts how often somebody tries to move the clock, whatever comes of it.
const COUNTED: &str = "CREATE SEQUENCE public.tries;
    CREATE FUNCTION public.try() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN PERFORM nextval('public.tries'); RETURN NULL; END $$;
    CREATE TRIGGER tries BEFORE UPDATE ON cpv_consent.clock
        FOR EACH STATEMENT EXECUTE FUNCTION public.try();";

#[tokio::test]
async fn a_lock_that_nobody_gives_back_is_waited_for_once_and_not_by_each() {
    // F-09
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let url = database.url("panel");
    let store = Postgres::at(&url).statements_within(Duration::from_secs(1)).connect().await;
    let store = Arc::new(store.expect("a store"));
    put(&store, "known realm").await;
    database.execute(COUNTED).await;
    let (holder, first) = held(&database, &store, "first").await;
    let waiting = ["a", "b", "c", "d"].map(|id| putting(&store, id));
    for put in [first].into_iter().chain(waiting) {
        let late = Err(StoreError::unavailable("the statement took too long"));
        assert_eq!(put.await.expect("no panic"), late);
    }
    let tries = database.count("SELECT last_value FROM public.tries").await;
    assert_eq!(tries, 2, "the first alone, the others together");
    holder.batch_execute("COMMIT").await.expect("released");
    for id in ["first", "a", "b", "c", "d"] {
        put(&store, id).await;
    }
}

#[tokio::test]
async fn a_put_that_was_given_up_while_others_were_tried_does_not_happen() {
    // F-12, F-30
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let trap = "CREATE FUNCTION public.trap() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.id = 'broken' THEN RAISE EXCEPTION 'disk full' USING ERRCODE = '53100'; END IF;
            PERFORM pg_advisory_xact_lock(7);
            RETURN NEW;
        END $$;
        CREATE TRIGGER trap BEFORE INSERT ON cpv_consent.record FOR EACH ROW
            WHEN (NEW.id IN ('broken', 'slow')) EXECUTE FUNCTION public.trap();";
    database.execute(trap).await;
    let store = Arc::new(database.open().await);
    put(&store, "known realm").await;
    let (holder, first) = held(&database, &store, "first").await;
    let lock = database.superuser().await;
    lock.batch_execute("SELECT pg_advisory_lock(7)").await.expect("free");
    let (broken, slow) = (putting(&store, "broken"), putting(&store, "slow"));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let place = key(Kind::Consent, "given up");
    {
        let mut given_up = store.put(&place, entry("x"), Expect::Absent);
        let polled = std::future::poll_fn(|context| {
            std::task::Poll::Ready(given_up.as_mut().poll(context).is_pending())
        });
        assert!(polled.await, "it waits in the line");
        release(holder, first).await;
        assert_eq!(broken.await.expect("no panic"), Err(StoreError::Full));
        let waits = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event = 'advisory'";
        while database.count(waits).await < 1 {}
    }
    lock.batch_execute("SELECT pg_advisory_unlock(7)").await.expect("held");
    slow.await.expect("no panic").expect("absent");
    put(&store, "later").await;
    assert_eq!(store.get(&place).await, Ok(None));
}

#[tokio::test]
async fn the_first_records_of_realms_nobody_knows_are_written_too() {
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let store = Arc::new(database.open().await);
    let outcomes = together(&database, &store, "first", &["a", "b"], || ()).await;
    assert_eq!(outcomes, [Ok(()), Ok(())]);
}

#[tokio::test]
async fn puts_of_one_commit_share_the_fate_of_its_answer() {
    // F-12
    let Some(server) = server::shared() else { return };
    for (how, happened) in [(Cut::Before, false), (Cut::After, true)] {
        let database = server.database().await;
        let proxy = Proxy::to(server.port).await;
        let url = proxy.url(&database.url("panel"), server.port);
        let store = Postgres::at(&url).connections(1).connect().await.expect("a store");
        let store = Arc::new(store);
        put(&store, "known realm").await;
        // What a commit of several needs is prepared.
        together(&database, &store, "first", &["x", "y"], || ()).await;
        let cut = || proxy.cut(1, how);
        let outcomes = together(&database, &store, "second", &["a", "b", "c"], cut).await;
        for (id, outcome) in ["a", "b", "c"].iter().zip(outcomes) {
            assert!(matches!(outcome, Err(StoreError::Unavailable { .. })), "{how:?} {outcome:?}");
            let stored = store.get(&key(Kind::Consent, id)).await.expect("readable");
            assert_eq!(stored.is_some(), happened, "{how:?} {id}");
        }
        assert!(!proxy.spare());
    }
}

#[tokio::test]
async fn a_put_that_was_given_up_in_the_line_does_not_happen() {
    // F-30
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let store = Arc::new(database.open().await);
    put(&store, "known realm").await;
    let (holder, first) = held(&database, &store, "first").await;
    let places: [Key; 2] = ["given up", "kept"].map(|id| key(Kind::Consent, id));
    {
        let mut given_up = store.put(&places[0], entry("x"), Expect::Absent);
        let polled = std::future::poll_fn(|context| {
            std::task::Poll::Ready(given_up.as_mut().poll(context).is_pending())
        });
        assert!(polled.await, "it waits in the line");
    }
    let kept = putting(&store, "kept");
    release(holder, first).await;
    kept.await.expect("no panic").expect("absent");
    assert_eq!(store.get(&places[0]).await, Ok(None));
}
