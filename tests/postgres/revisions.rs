//! Revisions between processes: unique, growing, and committed in the order in which they are given.

use std::sync::Arc;

use cpv_consent::store::{Expect, Filter, Kind, Postgres, Revision, Selection, Store, StoreError};

use crate::server::{self, Database};
use crate::{entry, key, put, realm};

/// Ids changed after a mark, and the last revision among them.
async fn changes(store: &Postgres, mark: Revision) -> (Vec<String>, Revision) {
    let selection = Selection::ChangedAfter(mark);
    let (realm, kind) = (realm(), Kind::Consent);
    let page = store.list(Filter { realm, kind, selection, cursor: None, limit: 10_000 });
    let records = page.await.expect("a page").records;
    let last = records.last().map_or(mark, |stored| stored.revision);
    (records.into_iter().map(|stored| stored.key.id().to_owned()).collect(), last)
}

/// Waits until so many of the store's connections wait for a lock.
async fn until_waiting(database: &Database<'_>, count: i64) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND usename = 'panel' AND wait_event_type = 'Lock'";
    while database.count(waiting).await < count {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_after_a_mark_misses_no_change_that_is_committed_later() {
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let [writer, reader] = [database.open().await, database.open().await].map(Arc::new);
    let first = put(&writer, "first").await;
    // Another process is between its write and its commit.
    let slow = database.superuser().await;
    let write = "BEGIN;
        WITH tick AS (UPDATE cpv_consent.clock SET revision = revision + 1 RETURNING revision)
        INSERT INTO cpv_consent.record (realm, kind, id, sealed, revision)
        SELECT 1, 'consent', 'slow', '\\x00', revision FROM tick";
    slow.batch_execute(write).await.expect("a row");
    let quick = {
        let writer = Arc::clone(&writer);
        tokio::spawn(async move { put(&writer, "quick").await })
    };
    until_waiting(&database, 1).await;
    let (seen, mark) = changes(&reader, first).await;
    assert_eq!((seen, mark), (vec![], first), "nothing newer can be seen before the slow one is");
    slow.batch_execute("COMMIT").await.expect("committed");
    let quick = quick.await.expect("no panic");
    assert_eq!(changes(&reader, mark).await, (vec!["slow".into(), "quick".into()], quick));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_changes_beside_many_writers_sees_each_once() {
    // F-10
    const WRITERS: usize = 8;
    const EACH: usize = 40;
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let stores = [database.open().await, database.open().await].map(Arc::new);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&stores[writer % 2]);
            tokio::spawn(async move {
                for number in 0..EACH {
                    put(&store, &format!("{writer}-{number}")).await;
                }
            })
        })
        .collect();
    let reader = database.open().await;
    let (mut seen, mut mark) = (Vec::new(), Revision::ZERO);
    let mut at_rest = false;
    while !at_rest {
        at_rest = writers.iter().all(|writer| writer.is_finished());
        let (new, last) = changes(&reader, mark).await;
        seen.extend(new);
        mark = last;
    }
    assert_eq!(seen.len(), WRITERS * EACH);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), WRITERS * EACH);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_writers_that_waited_for_the_same_row_one_wins() {
    // F-07, F-08
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let stores = [database.open().await, database.open().await].map(Arc::new);
    let third = database.open().await;
    let place = key(Kind::Consent, "contested");
    let at = put(&stores[0], "contested").await;
    let holder = database.superuser().await;
    let hold = "BEGIN; SELECT FROM cpv_consent.clock FOR UPDATE";
    holder.batch_execute(hold).await.expect("the clock");
    // Both have read the row's old version before either may write.
    let racing = stores.clone().map(|store| {
        let place = place.clone();
        tokio::spawn(async move { store.put(&place, entry("new"), Expect::At(at)).await })
    });
    let beside = tokio::spawn(async move { put(&third, "fresh").await });
    until_waiting(&database, 3).await;
    holder.batch_execute("COMMIT").await.expect("released");
    let mut outcomes = Vec::new();
    for writer in racing {
        outcomes.push(writer.await.expect("no panic"));
    }
    let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let lost = outcomes.iter().filter(|outcome| **outcome == Err(StoreError::Conflict)).count();
    assert_eq!((won, lost), (1, 1), "{outcomes:?}");
    beside.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_and_a_removal_that_race_do_not_both_succeed() {
    // F-08
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let stores = [database.open().await, database.open().await].map(Arc::new);
    for round in 0..30 {
        let place = key(Kind::Consent, &round.to_string());
        let at = stores[0].put(&place, entry("old"), Expect::Absent).await.expect("absent");
        let (writer, remover) = (Arc::clone(&stores[0]), Arc::clone(&stores[1]));
        let (here, there) = (place.clone(), place.clone());
        let write =
            tokio::spawn(async move { writer.put(&here, entry("new"), Expect::At(at)).await });
        let removal = tokio::spawn(async move { remover.remove(&there, at).await });
        let (write, removal) = (write.await.expect("no panic"), removal.await.expect("no panic"));
        assert_ne!(write.is_ok(), removal.is_ok(), "{write:?} {removal:?}");
        let left = stores[0].get(&place).await.expect("readable");
        assert_eq!(left.is_some(), write.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_writers_of_one_realm_at_once_all_succeed() {
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let store = Arc::new(database.open().await);
    let writers: Vec<_> = (0..20)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { put(&store, &number.to_string()).await })
        })
        .collect();
    for writer in writers {
        writer.await.expect("no panic");
    }
    assert_eq!(database.count("SELECT count(*) FROM cpv_consent.realm").await, 1);
}

#[tokio::test]
async fn a_number_written_by_hand_does_not_stop_the_clock() {
    // F-22
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    put(&database.open().await, "first").await;
    let hand = database.superuser().await;
    let planted = "INSERT INTO cpv_consent.partner_key (realm, kind, id, sealed, revision)
        VALUES (1, 'partner-key', 'planted', '\\x00', 9223372036854775807)";
    hand.batch_execute(planted).await.expect("a row");
    let store = database.open().await;
    put(&store, "second").await;
    let end = "UPDATE cpv_consent.clock SET revision = 9223372036854775807";
    hand.batch_execute(end).await.expect("a row");
    let place = key(Kind::Consent, "third");
    let failed = store.put(&place, entry("third"), Expect::Absent).await;
    assert_eq!(failed, Err(StoreError::damaged("its clock is at its end")));
}
