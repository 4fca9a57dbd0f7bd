//! Ids of any shape, rows that somebody broke by hand, and what a page costs.

use cpv_consent::Sealed;
use cpv_consent::store::{
    Cursor, Entry, Expect, Filter, Key, Kind, Postgres, Selection, Store, StoreError,
};
use std::time::{Duration, SystemTime};

use crate::server::{self, Database};
use crate::{entry, key, put, realm};

fn filter(selection: Selection, cursor: Option<Cursor>, limit: usize) -> Filter {
    Filter { realm: realm(), kind: Kind::Consent, selection, cursor, limit }
}

/// The ids of a whole list, and those that are damaged.
async fn listed(
    store: &Postgres,
    selection: Selection,
    limit: usize,
) -> (Vec<String>, Vec<String>) {
    let (mut ids, mut damaged, mut cursor) = (Vec::new(), Vec::new(), None);
    for _ in 0..1000 {
        let page = store.list(filter(selection, cursor, limit)).await.expect("a page");
        assert!(page.records.len() <= limit);
        ids.extend(page.records.iter().map(|stored| stored.key.id().to_owned()));
        damaged.extend(page.damaged);
        cursor = page.next;
        if cursor.is_none() {
            return (ids, damaged);
        }
    }
    panic!("the list has no end");
}

/// Text of so many characters that nothing compresses.
fn noise(length: usize, seed: u64) -> String {
    let mut state = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + u8::try_from((state >> 33) % 90).expect("less than 90"))
    };
    (0..length).map(|_| next()).collect()
}

#[tokio::test]
async fn ids_of_any_length_and_character_stay_apart_and_in_order() {
    // R-133
    let Some(server) = server::shared() else { return };
    let store = server.database().await.open().await;
    let common = noise(9_999, 1);
    let mut ids = vec![
        String::new(),
        "\0".to_owned(),
        "a".to_owned(),
        "a\0".to_owned(),
        "a\0\0".to_owned(),
        "\u{430}".to_owned(), // Cyrillic, looks like a
        "x'); DROP TABLE cpv_consent.record; --".to_owned(),
        "\\x00".to_owned(),
        "$1".to_owned(),
        noise(999, 2),
        noise(1000, 2),
        noise(1001, 2),
        noise(9_999, 3),
        format!("{common}\0"),
        format!("{common}1"),
        format!("{common}2"),
        common,
    ];
    for id in &ids {
        put(&store, id).await;
    }
    for id in &ids {
        let found = store.get(&key(Kind::Consent, id)).await.expect("readable").expect("there");
        assert_eq!(found.entry, entry(id));
        let again = store.put(&key(Kind::Consent, id), entry("x"), Expect::Absent).await;
        assert_eq!(again, Err(StoreError::Conflict));
    }
    ids.sort();
    for limit in [1, 2, 5, 100] {
        assert_eq!(listed(&store, Selection::All, limit).await, (ids.clone(), vec![]), "{limit}");
    }
}

#[tokio::test]
async fn due_records_with_long_ids_come_in_order_on_every_page() {
    // R-133
    let Some(server) = server::shared() else { return };
    let store = server.database().await.open().await;
    let head = noise(1500, 9);
    let mut expected = Vec::new();
    for number in 0..12_u64 {
        let id = format!("{head}{:02}", 11 - number);
        let due = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + number / 4);
        let entry = Entry { sealed: Sealed::from_bytes(vec![1]), due: Some(due) };
        store.put(&key(Kind::Consent, &id), entry, Expect::Absent).await.expect("absent");
        expected.push((number / 4, id));
    }
    expected.sort();
    let expected: Vec<String> = expected.into_iter().map(|(_, id)| id).collect();
    let by = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
    for limit in [1, 5, 100] {
        assert_eq!(listed(&store, Selection::DueBy(by), limit).await.0, expected, "{limit}");
    }
}

#[tokio::test]
async fn rows_that_somebody_broke_hide_no_others() {
    // F-22
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let store = database.open().await;
    for id in ["a", "b", "c", "d", "e", "f", "g"] {
        put(&store, id).await;
    }
    break_rows(&database).await;
    for selection in [Selection::All, Selection::ChangedAfter(cpv_consent::store::Revision::ZERO)] {
        for limit in [1, 2, 3, 100] {
            let (ids, mut damaged) = listed(&store, selection, limit).await;
            assert_eq!(ids, ["a", "c", "f"], "{selection:?} {limit}");
            damaged.sort();
            assert_eq!(
                damaged,
                ["b", "d\u{fffd}", "e\u{fffd}", "g\u{fffd}"],
                "{selection:?} {limit}"
            );
        }
    }
    let read = store.get(&key(Kind::Consent, "b")).await;
    assert!(matches!(read, Err(StoreError::Damaged { .. })), "{read:?}");
}

/// `b` is of nobody; `d`, `e` and `g` are no text any more.
async fn break_rows(database: &Database<'_>) {
    let sql = r"UPDATE cpv_consent.record SET partner = '00000000-0000-0000-0000-000000000000'
            WHERE id = 'b';
        UPDATE cpv_consent.record SET id = id || '\xff'::bytea WHERE id IN ('d', 'e', 'g')";
    database.execute(sql).await;
}

#[tokio::test]
async fn nobody_can_write_a_revision_or_a_due_time_that_is_none() {
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    put(&database.open().await, "a").await;
    let superuser = database.superuser().await;
    for sql in [
        "UPDATE cpv_consent.record SET revision = 0",
        "UPDATE cpv_consent.record SET due = -1",
        "UPDATE cpv_consent.record SET partner = 'nobody'",
        "INSERT INTO cpv_consent.clock (revision) VALUES (1)",
    ] {
        superuser.batch_execute(sql).await.expect_err(sql);
    }
}

#[tokio::test]
async fn a_page_reads_its_own_rows_and_no_others() {
    // F-27
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let store = database.open().await;
    put(&store, "first").await;
    let fill = "INSERT INTO cpv_consent.record (realm, kind, id, sealed, due, revision)
            SELECT 1, 'consent', lpad(n::text, 8, '0')::bytea, '\\x00', n, n + 10
            FROM generate_series(1, 20000) AS n;
        UPDATE cpv_consent.clock SET revision = 30000;
        ANALYZE cpv_consent.record";
    database.execute(fill).await;
    let by = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let after = |number, id: &str| Some(Cursor { number, id: id.to_owned() });
    for (selection, cursor) in [
        (Selection::All, None),
        (Selection::All, after(0, "00010000")),
        (Selection::DueBy(by(15_000)), None),
        (Selection::DueBy(by(15_000)), after(9_000, "00009000")),
        (Selection::ChangedAfter(cpv_consent::store::Revision::new(15_000)), None),
    ] {
        let before = rows_read(&database).await;
        let reader = database.open().await;
        let page = reader.list(filter(selection, cursor, 10)).await.expect("a page");
        assert_eq!(page.records.len(), 10);
        drop(reader);
        let read = rows_read(&database).await - before;
        assert!(read <= 12, "{selection:?} read {read} rows");
    }
}

/// How many rows of records were read so far, once all who read have gone and told it.
async fn rows_read(database: &Database<'_>) -> i64 {
    let others = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'panel'
        AND datname = current_database()";
    while database.count(others).await > 1 {}
    let read = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables
        WHERE relname = 'record'";
    database.count(read).await
}

#[tokio::test]
async fn partner_keys_lie_in_a_table_of_their_own_that_a_dump_leaves_out() {
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let store = database.open().await;
    put(&store, "a").await;
    let secret = key(Kind::PartnerKey, "k");
    store.put(&secret, entry("canary-wrapped-key"), Expect::Absent).await.expect("absent");
    let holds = |dump: &[u8]| {
        let hex: String = b"canary-wrapped-key".iter().map(|byte| format!("{byte:02x}")).collect();
        String::from_utf8_lossy(dump).contains(&hex)
    };
    assert!(holds(&server.dump(&database.name, &[])));
    let apart = server.dump(&database.name, &["--exclude-table-data=cpv_consent.partner_key"]);
    assert!(!holds(&apart));
    let restored = server.empty_database().await;
    server.restore(&restored.name, &apart);
    let keys = server.dump(&database.name, &["--data-only", "--table=cpv_consent.partner_key"]);
    server.restore(&restored.name, &keys);
    let restored = restored.open().await;
    assert!(restored.get(&secret).await.expect("readable").is_some());
    assert!(restored.get(&key(Kind::Consent, "a")).await.expect("readable").is_some());
}

#[tokio::test]
async fn keys_restored_from_a_later_backup_take_the_clock_along() {
    // F-24
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let store = database.open().await;
    let place = key(Kind::PartnerKey, "k");
    let at = store.put(&place, entry("key"), Expect::Absent).await.expect("absent");
    database.execute("UPDATE cpv_consent.clock SET revision = 0").await;
    assert!(put(&database.open().await, "a").await > at);
}

#[tokio::test]
async fn a_clock_that_is_gone_is_damage_and_no_conflict() {
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let store = database.open().await;
    let at = put(&store, "a").await;
    database.execute("DELETE FROM cpv_consent.clock").await;
    let place = key(Kind::Consent, "a");
    for expect in [Expect::Absent, Expect::At(at)] {
        let written = store.put(&place, entry("b"), expect).await;
        assert!(matches!(written, Err(StoreError::Damaged { .. })), "{written:?}");
    }
}

#[tokio::test]
async fn a_key_and_its_look_alike_of_another_realm_are_two() {
    // R-133
    let Some(server) = server::shared() else { return };
    let store = server.database().await.open().await;
    let production = key(Kind::Consent, "a");
    put(&store, "a").await;
    let keys = Key::new(realm(), Kind::PartnerKey, None, "a");
    assert_eq!(store.get(&keys).await, Ok(None));
    assert_eq!(store.realms().await.expect("names"), [production.realm().to_string()]);
}
