//! What a scan finds, and what it does not stumble over.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use cpv_consent::store::{Entry, Expect, Filter, Kind, Memory, Selection, Store, Stored};
use cpv_consent::{
    Broker, Damage, DamagedRecord, Error, Resource, Scanned, Sealed, TenantId, Unreadable,
};

use crate::transfer::close;
use crate::transfer::restore::put_back;
use crate::world::raw;
use crate::world::{World, accept, capture};

fn damaged(scanned: &Scanned) -> Vec<(Kind, Option<TenantId>, Unreadable)> {
    let named = |record: &DamagedRecord| (record.kind, record.partner, record.why.clone());
    scanned.damaged().iter().map(named).collect()
}

#[tokio::test]
async fn a_sound_store_is_found_sound() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    world.callback(&broker).await;
    let gone = world.onboard_another(&broker, "litware").await;
    broker.partner(gone).shred().await.expect("shredded");
    let before = raw::rows(&world.store_folder());
    let mut pages = 0;
    let scanned = broker.scan().progress(|_| pages += 1).run().await.expect("a scan");
    assert!(pages > 0);
    assert!(scanned.is_sound(), "what was shredded is not damaged: {scanned:?}");
    assert_eq!(raw::rows(&world.store_folder()), before, "a scan writes nothing");
    assert!(scanned.records() >= before.len() as u64);
}

/// Every row of the realm in a store.
async fn all(world: &World, store: &Memory) -> Vec<Stored> {
    let mut rows = Vec::new();
    for kind in Kind::ALL {
        let (realm, selection) = (world.app.realm(), Selection::All);
        let filter = Filter { realm, kind, selection, cursor: None, limit: 1000 };
        rows.extend(store.list(filter).await.expect("memory").records);
    }
    rows
}

#[tokio::test]
async fn a_damaged_record_of_any_kind_is_named_and_stops_nothing() {
    // F-22
    let world = World::new().await;
    let store = Arc::new(Memory::new());
    let broker = world.builder(store.clone()).build().await.expect("a broker");
    world.onboard(&broker).await;
    let pending = broker.partner(world.contoso).request_consent(world.account());
    let request = accept(&pending.await.expect("a flow"), &world.admin).await;
    capture(&broker, &request).await.expect("it waits");
    world.invite(&broker).await;
    let rows = all(&world, &store).await;
    let kinds: BTreeSet<Kind> = rows.iter().map(|row| row.key.kind()).collect();
    let needed = [Kind::Consent, Kind::Pending, Kind::Found, Kind::Invitation, Kind::PartnerKey];
    assert!(needed.iter().all(|kind| kinds.contains(kind)));
    for row in rows {
        let mut bytes = row.entry.sealed.as_bytes().to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let entry = Entry { sealed: Sealed::from_bytes(bytes), ..row.entry.clone() };
        let at = store.put(&row.key, entry, Expect::At(row.revision)).await.expect("unmoved");
        let mut each = Vec::new();
        let scan = broker.scan().each_damaged(|record: &DamagedRecord| each.push(record.clone()));
        let scanned = scan.run().await.expect("one record stops nothing");
        let found =
            each.iter().any(|record| record.kind == row.key.kind() && record.id == row.key.id());
        assert!(found, "{:?} is not among {each:?}", row.key);
        assert_eq!(scanned.damaged_in_all(), each.len() as u64);
        assert!(!scanned.is_sound());
        store.put(&row.key, row.entry, Expect::At(at)).await.expect("unmoved");
    }
    assert!(broker.scan().run().await.expect("a scan").is_sound(), "all is as it was");
}

#[tokio::test]
async fn a_consent_is_not_blamed_for_its_partners_key() {
    // F-22
    let world = World::new().await;
    world.onboard(&world.broker().await).await;
    let (folder, id) = (world.store_folder(), world.contoso.to_string());
    let whole = raw::row(&folder, "partner-key", &id).sealed;
    let mut tail = whole.clone();
    *tail.last_mut().expect("it is long") ^= 1;
    for harmed in [&whole[..20], &tail] {
        raw::overwrite(&folder, "partner-key", &id, harmed);
        let scanned = world.broker().await.scan().run().await.expect("a scan");
        let [consent, key] = scanned.damaged() else { panic!("{scanned:?}") };
        assert_eq!((consent.kind, key.kind), (Kind::Consent, Kind::PartnerKey));
        let said = consent.to_string();
        assert!(said.starts_with(&format!("consent {id}: its partner's key ")), "{said}");
        assert!(!key.to_string().contains("its partner's key"), "{key}");
    }
}

#[tokio::test]
async fn rows_that_changed_places_are_named_by_the_places_they_lie_in() {
    // F-23, R-122
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let litware = world.onboard_another(&broker, "litware").await;
    world.onboard_another(&broker, "wingtip").await;
    let folder = world.store_folder();
    let [one, other] = [world.contoso, litware].map(|tenant| tenant.to_string());
    let [first, second] = [&one, &other].map(|id| raw::row(&folder, "consent", id).sealed);
    raw::overwrite(&folder, "consent", &one, &second);
    raw::overwrite(&folder, "consent", &other, &first);
    let scanned = broker.scan().run().await.expect("a scan");
    let gone = Unreadable::Damaged(Damage::KeyGone);
    let mut expected = vec![
        (Kind::Consent, Some(world.contoso), gone.clone()),
        (Kind::Consent, Some(litware), gone),
    ];
    expected.sort_by_key(|(_, partner, _)| *partner);
    let mut found = damaged(&scanned);
    found.sort_by_key(|(_, partner, _)| *partner);
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_partner_column_that_was_edited_is_named_by_the_partner_whose_row_it_is() {
    // F-23, R-122
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let litware = world.onboard_another(&broker, "litware").await;
    let folder = world.store_folder();
    for column in [format!("'{}'", world.contoso), "NULL".to_owned(), "'nobody'".to_owned()] {
        let edit = format!("UPDATE record SET partner = {column} WHERE id = '{litware}'");
        raw::execute(&folder, "consent", &edit);
        let scanned = broker.scan().run().await.expect("a scan");
        let [(Kind::Consent, Some(partner), _)] = damaged(&scanned)[..] else {
            panic!("{column}: {scanned:?}")
        };
        assert_eq!(partner, litware, "{column}");
        let token = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
        assert_eq!(token.expect("healthy").tenant(), world.contoso);
    }
}

/// A store of eight partners, closed, with its file of records.
async fn eight_partners() -> (World, Vec<TenantId>) {
    let world = World::new().await;
    let store = Arc::new(world.store().await);
    let broker = world.builder(store.clone()).build().await.expect("a broker");
    world.onboard(&broker).await;
    let mut partners = vec![world.contoso];
    for number in 0..7 {
        partners.push(world.onboard_another(&broker, &format!("partner{number}")).await);
    }
    close(broker, store).await;
    (world, partners)
}

/// The number of the page of the file of records that these bytes begin on, counted from 0.
fn page_of(file: &[u8], bytes: &[u8]) -> usize {
    let found = file.windows(bytes.len()).position(|part| part == bytes);
    found.expect("they are in the file") / PAGE
}

fn ruin(file: &mut [u8], page: usize) {
    file[page * PAGE..(page + 1) * PAGE].fill(0xa5);
}

const PAGE: usize = 4096;

/// How each partner is served.
async fn served(broker: &Broker, partners: &[TenantId]) -> (Vec<TenantId>, Vec<TenantId>) {
    let (mut whole, mut harmed) = (Vec::new(), Vec::new());
    for partner in partners {
        match broker.partner(*partner).token(Resource::PartnerCenter).await {
            Ok(_) => whole.push(*partner),
            Err(Error::Damaged { kind: "consent", partner: Some(named) }) => {
                assert_eq!(named, *partner);
                harmed.push(*partner);
            }
            Err(error) => panic!("{partner}: {error:?}"),
        }
    }
    (whole, harmed)
}

#[tokio::test]
async fn a_corrupted_page_of_the_table_harms_only_the_partners_on_it() {
    // F-22
    let (world, partners) = eight_partners().await;
    let folder = world.store_folder();
    let path = folder.join("records.sqlite3");
    let mut file = std::fs::read(&path).expect("a file");
    let pages: Vec<usize> = partners
        .iter()
        .map(|partner| raw::row(&folder, "consent", &partner.to_string()).sealed)
        .map(|sealed| page_of(&file, &sealed[..40]))
        .collect();
    let bad = pages[3];
    let on_it = partners.iter().zip(&pages).filter(|(_, page)| **page == bad);
    let mut expected: Vec<TenantId> = on_it.map(|(partner, _)| *partner).collect();
    assert!(expected.len() < partners.len(), "they lie on several pages");
    ruin(&mut file, bad);
    std::fs::write(&path, file).expect("written");

    let broker = world.broker().await;
    let (whole, mut harmed) = served(&broker, &partners).await;
    expected.sort();
    harmed.sort();
    assert_eq!(harmed, expected);
    assert_eq!(whole.len() + harmed.len(), partners.len());
    let scanned = broker.scan().run().await.expect("a scan");
    let named = damaged(&scanned).into_iter().filter(|(kind, ..)| *kind == Kind::Consent);
    let mut named: Vec<_> = named.collect();
    named.sort_by_key(|(_, partner, _)| *partner);
    let row = Unreadable::Damaged(Damage::Row);
    let all = expected.iter().map(|partner| (Kind::Consent, Some(*partner), row.clone()));
    assert_eq!(named, all.collect::<Vec<_>>());
    assert_eq!(scanned.unlisted(), [], "the index leads around it");
}

#[tokio::test]
async fn a_corrupted_page_of_the_index_harms_only_the_partners_on_it() {
    // F-22: what SQLite allows. The list ends at the bad page; who is on another is served.
    let (world, partners) = eight_partners().await;
    let folder = world.store_folder();
    // Many more places, so that the index has many pages.
    let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)
        INSERT INTO record (realm, kind, id, partner, sealed, due, revision)
        SELECT 1, 'consent', printf('%02x%06x-0000-4000-8000-000000000000', i % 256, i), NULL,
               x'00', NULL, 1000000 + i FROM n;
        UPDATE clock SET revision = 2000000;
        PRAGMA wal_checkpoint(TRUNCATE);";
    raw::execute(&folder, "consent", fill);
    let path = folder.join("records.sqlite3");
    let mut file = std::fs::read(&path).expect("a file");
    let id = |partner: &TenantId| partner.to_string().into_bytes();
    let holds = |page: usize, partner: &TenantId| {
        let cells = cells(&file[page * PAGE..(page + 1) * PAGE]);
        cells.iter().any(|cell| cell.windows(36).any(|part| part == id(partner)))
    };
    let mut leaves = leaves_of_primary_key(&folder, &file).into_iter();
    let bad = leaves.find(|leaf| partners.iter().any(|partner| holds(*leaf, partner)));
    let bad = bad.expect("a leaf with a partner on it");
    let on_it = |partner: &&TenantId| holds(bad, partner);
    let mut expected: Vec<TenantId> = partners.iter().filter(on_it).copied().collect();
    assert!(expected.len() < partners.len(), "they lie on several pages");
    ruin(&mut file, bad);
    std::fs::write(&path, file).expect("written");

    let store = Arc::new(world.store().await);
    let broker = world.builder(store.clone()).build().await.expect("a broker");
    let (whole, mut harmed) = served(&broker, &partners).await;
    expected.sort();
    harmed.sort();
    assert_eq!(harmed, expected);
    assert_eq!(whole.len() + harmed.len(), partners.len());
    let scanned = broker.scan().run().await.expect("a scan never fails because of it");
    assert!(scanned.unlisted().iter().any(|(kind, _)| *kind == Kind::Consent));
    assert!(!scanned.is_sound());
    close(broker, store).await;

    let copy = world.folder.path().join("recovered.sqlite3");
    recover(&path, &copy);
    put_back(&world, &copy);
    let broker = world.broker().await;
    let (whole, harmed) = served(&broker, &partners).await;
    assert_eq!((whole.len(), harmed), (8, vec![]), "an index is made anew, and nothing was lost");
}

/// A new file from the tables alone, as `.recover` of SQLite's shell makes one.
fn recover(from: &Path, to: &Path) {
    let db = rusqlite::Connection::open(to).expect("a new file");
    db.execute("ATTACH ?1 AS bad", [from.to_str().expect("a path")]).expect("attached");
    let schema = "SELECT name, type, sql FROM bad.sqlite_schema WHERE sql NOT NULL ORDER BY rowid";
    let mut statement = db.prepare(schema).expect("a schema");
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let parts = statement.query_map([], row).expect("a schema");
    for part in parts {
        let (name, kind, sql): (String, String, String) = part.expect("a part");
        db.execute_batch(&sql).expect("made anew");
        if kind == "table" {
            let fill = format!(
                "INSERT INTO main.{name} SELECT * FROM bad.{name} NOT INDEXED WHERE rowid > 0"
            );
            db.execute_batch(&fill).expect("the table is whole");
        }
    }
    for pragma in ["application_id", "user_version"] {
        let value = db.pragma_query_value(Some("bad"), pragma, |row| row.get::<_, i64>(0));
        db.pragma_update(Some("main"), pragma, value.expect("a number")).expect("a header");
    }
}

/// The leaves of the index that belongs to the primary key, below its one interior page.
///
/// Source: <https://sqlite.org/fileformat2.html#b_tree_pages>
fn leaves_of_primary_key(folder: &Path, file: &[u8]) -> Vec<usize> {
    let db = rusqlite::Connection::open(folder.join("records.sqlite3")).expect("a database");
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_record_1'";
    let root: u32 = db.query_row(sql, [], |row| row.get(0)).expect("an index");
    let root = root as usize;
    let page = &file[(root - 1) * PAGE..root * PAGE];
    assert_eq!(page[0], 2, "the root has children");
    let number = |at: usize, length: usize| {
        page[at..at + length].iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
    };
    let cells = (0..number(3, 2)).map(|cell| number(number(12 + 2 * cell, 2), 4));
    cells.chain([number(8, 4)]).map(|child| child - 1).collect()
}

/// The cells that are in use on a leaf: where it was split, it still shows some that are not.
///
/// Source: "Database File Format", section 1.6, <https://sqlite.org/fileformat2.html>.
fn cells(leaf: &[u8]) -> Vec<&[u8]> {
    assert_eq!(leaf[0], 10, "a leaf of an index");
    let number = |at: usize| usize::from(leaf[at]) << 8 | usize::from(leaf[at + 1]);
    let cell = |number_of: usize| {
        let at = number(8 + 2 * number_of);
        let length = usize::from(leaf[at]);
        assert!(length < 128, "a length of one byte");
        &leaf[at..=at + length]
    };
    (0..number(3)).map(cell).collect()
}
