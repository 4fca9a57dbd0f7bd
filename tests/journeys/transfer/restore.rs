//! Yesterday's backup is put back.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cpv_consent::store::Sqlite;
use cpv_consent::{Absence, Broker, ConsentState, Error, KeptBecause, Refused, Resource, TenantId};

use crate::transfer::{close, export, import};
use crate::world::raw;
use crate::world::{DAY, MINUTE, World, accept, account, capture, refused};

const RECORDS: &str = "records.sqlite3";

/// A broker with a store that can be closed before its files are exchanged.
struct Site {
    broker: Broker,
    store: Arc<Sqlite>,
}

impl Site {
    async fn open(world: &World) -> Self {
        let store = Arc::new(world.store().await);
        let broker = world.builder(store.clone()).build().await.expect("a broker");
        Self { broker, store }
    }

    async fn close(self) {
        close(self.broker, self.store).await;
    }
}

/// A copy of the rows, without the keys of partners.
fn back_up(world: &World) -> PathBuf {
    let copy = world.folder.path().join("backup.sqlite3");
    let db = rusqlite::Connection::open(world.store_folder().join(RECORDS)).expect("a database");
    let _ = fs::remove_file(&copy);
    db.execute("VACUUM INTO ?1", [copy.to_str().expect("a path")]).expect("a copy");
    copy
}

pub fn put_back(world: &World, backup: &Path) {
    let folder = world.store_folder();
    for log in ["records.sqlite3-wal", "records.sqlite3-shm"] {
        let _ = fs::remove_file(folder.join(log));
    }
    let restored = folder.join(RECORDS);
    fs::copy(backup, &restored).expect("restored");
    fs::set_permissions(restored, fs::Permissions::from_mode(0o600)).expect("ours");
}

/// Three partners as they were yesterday: one stays, one is withdrawn today, one is shredded today.
struct Yesterday {
    world: World,
    withdrawn: TenantId,
    shredded: TenantId,
}

async fn restored(clock_goes_on: std::time::Duration) -> Yesterday {
    let world = World::new().await;
    let site = Site::open(&world).await;
    let broker = &site.broker;
    world.onboard(broker).await;
    let withdrawn = world.onboard_another(broker, "litware").await;
    let shredded = world.onboard_another(broker, "wingtip").await;
    let backup = back_up(&world);
    world.clock.advance(clock_goes_on);
    broker.partner(withdrawn).withdraw().await.expect("withdrawn");
    broker.partner(shredded).shred().await.expect("shredded");
    site.close().await;
    put_back(&world, &backup);
    let rows = raw::rows(&world.store_folder());
    assert_eq!(rows.iter().filter(|row| row.kind == "consent").count(), 3);
    Yesterday { world, withdrawn, shredded }
}

#[tokio::test]
async fn partners_let_go_since_the_backup_do_not_come_back_with_it() {
    // F-24, R-123, R-129
    let Yesterday { world, withdrawn, shredded } = restored(DAY).await;
    let broker = world.broker().await;
    world.entra.forget_ledger();
    for partner in [withdrawn, shredded] {
        let outcome = broker.partner(partner).token(Resource::PartnerCenter).await;
        let Err(Error::NoConsent { absence: Absence::Withdrawn, .. }) = outcome else {
            panic!("{partner}: {outcome:?}")
        };
    }
    assert_eq!(world.entra.ledger().len(), 0, "no request was made for either");
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("all others work");
    let tombstone = broker.partner(withdrawn).consent().await.expect("readable").expect("a row");
    assert!(matches!(tombstone.state(), ConsentState::Withdrawn { .. }));
    broker.partner(withdrawn).withdraw().await.expect("it is already");
}

#[tokio::test]
async fn an_export_of_restored_rows_says_who_was_let_go() {
    // F-24
    let Yesterday { world, .. } = restored(DAY).await;
    let broker = world.broker().await;
    let parcel = export(&broker).await;
    assert_eq!((parcel.report.consents(), parcel.report.tombstones()), (1, 2));
}

#[tokio::test]
async fn a_partner_withdrawn_since_the_backup_comes_back_by_a_new_consent_alone() {
    // F-24
    let Yesterday { world, withdrawn, .. } = restored(DAY).await;
    let broker = world.broker().await;
    let admin = world.entra.add_user(withdrawn, "second@litware.example");
    let pending = broker.partner(withdrawn).request_consent(account("panel-litware"));
    let early = accept(&pending.await.expect("a flow"), &admin).await;
    let same_second = refused(capture(&broker, &early).await);
    assert_eq!(same_second, Refused::Withdrawn(withdrawn));
    world.clock.advance(MINUTE);
    let stranger = broker.partner(withdrawn).request_consent(account("panel-2")).await;
    assert_eq!(refused(stranger), Refused::NotYours(withdrawn), "it is bound as it was");
    let pending = broker.partner(withdrawn).request_consent(account("panel-litware"));
    let request = accept(&pending.await.expect("a flow"), &admin).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    let consent = found.confirm().await.expect("a consent");
    assert_eq!(consent.generation(), 3, "above the tombstone that the backup lost");
    broker.partner(withdrawn).token(Resource::PartnerCenter).await.expect("it works");
}

#[tokio::test]
async fn an_old_export_after_a_restore_revives_nobody() {
    // F-24
    let world = World::new().await;
    let site = Site::open(&world).await;
    let empty = back_up(&world);
    world.onboard(&site.broker).await;
    let parcel = export(&site.broker).await;
    world.clock.advance(DAY);
    site.broker.partner(world.contoso).withdraw().await.expect("withdrawn");
    site.close().await;
    put_back(&world, &empty);
    let broker = world.broker().await;
    assert!(broker.partner(world.contoso).consent().await.expect("readable").is_none());
    let report = import(&broker, &parcel).await.expect("an import");
    let because: Vec<_> = report.kept_back().iter().map(|kept| kept.because).collect();
    assert_eq!(because, [KeptBecause::WithdrawnHere]);
    assert!(broker.partner(world.contoso).consent().await.expect("readable").is_none());
}

#[tokio::test]
async fn a_flow_that_was_spent_before_the_restore_is_not_spent_again() {
    // F-24, R-016, R-017
    let world = World::new().await;
    let site = Site::open(&world).await;
    let request = world.callback(&site.broker).await;
    let backup = back_up(&world);
    let found = capture(&site.broker, &request).await.expect("everything holds");
    found.confirm().await.expect("a consent");
    site.close().await;
    put_back(&world, &backup);
    world.entra.forget_ledger();

    // Within its half hour the state is as it was, and the code is not: it is good only once.
    let site = Site::open(&world).await;
    let replayed = capture(&site.broker, &request).await;
    assert!(matches!(replayed, Err(Error::Entra { .. })), "{replayed:?}");
    assert!(site.broker.partner(world.contoso).consent().await.expect("readable").is_none());
    site.close().await;

    put_back(&world, &backup);
    world.clock.advance(30 * MINUTE);
    world.entra.forget_ledger();
    let broker = world.broker().await;
    assert_eq!(refused(capture(&broker, &request).await), Refused::StateExpired);
    assert_eq!(world.entra.ledger().len(), 0, "nothing was sent anywhere");
}

#[tokio::test]
async fn what_waited_for_its_confirmation_before_the_restore_waits_no_longer() {
    // F-24
    let world = World::new().await;
    let site = Site::open(&world).await;
    let request = world.callback(&site.broker).await;
    let found = capture(&site.broker, &request).await.expect("everything holds");
    let id = found.id().clone();
    let backup = back_up(&world);
    found.decline().await.expect("erased");
    site.close().await;
    put_back(&world, &backup);
    world.clock.advance(10 * MINUTE);
    let broker = world.broker().await;
    let again = broker.found(&id, request.headers()).await;
    assert_eq!(refused(again), Refused::NothingToConfirm);
}

#[tokio::test]
async fn partners_whose_key_an_older_copy_lacks_are_damaged_and_nobody_takes_them_over() {
    // F-24, R-032
    let world = World::new().await;
    let site = Site::open(&world).await;
    world.onboard(&site.broker).await;
    site.broker.partner(world.contoso).withdraw().await.expect("withdrawn");
    world.clock.advance(MINUTE);
    world.onboard(&site.broker).await;
    site.close().await;
    let keys = world.store_folder().join("partner-keys.sqlite3");
    let copy = fs::read(&keys).expect("the keys");

    let site = Site::open(&world).await;
    world.clock.advance(MINUTE);
    site.broker.partner(world.contoso).shred().await.expect("shredded");
    world.clock.advance(MINUTE);
    world.onboard(&site.broker).await;
    site.close().await;
    fs::write(&keys, copy).expect("put back");

    let broker = world.broker().await;
    let token = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
    assert!(matches!(token, Err(Error::Damaged { kind: "consent", .. })), "{token:?}");
    let scanned = broker.scan().run().await.expect("a scan");
    assert_eq!(scanned.damaged_in_all(), 1);
    world.clock.advance(MINUTE);
    let intern = world.entra.add_user(world.contoso, "intern@contoso.example");
    let pending = broker.first_consent(account("panel-2")).await.expect("a flow");
    let found = capture(&broker, &accept(&pending, &intern).await).await.expect("it holds");
    assert!(found.replaces_damaged());
    let taken_over = found.confirm().await;
    assert!(matches!(taken_over, Err(Error::Damaged { .. })), "{taken_over:?}");
}

#[tokio::test]
async fn an_older_mark_in_place_of_a_newer_key_lets_go_of_nothing() {
    // F-24, R-129
    let world = World::new().await;
    let site = Site::open(&world).await;
    world.onboard(&site.broker).await;
    site.broker.partner(world.contoso).shred().await.expect("shredded");
    site.close().await;
    let keys = world.store_folder().join("partner-keys.sqlite3");
    let older = fs::read(&keys).expect("the keys");

    let site = Site::open(&world).await;
    world.clock.advance(MINUTE);
    world.onboard(&site.broker).await;
    site.close().await;
    let newer = fs::read(&keys).expect("the keys");
    fs::write(&keys, older).expect("put back");

    let site = Site::open(&world).await;
    let token = site.broker.partner(world.contoso).token(Resource::PartnerCenter).await;
    assert!(matches!(token, Err(Error::Damaged { kind: "consent", .. })), "{token:?}");
    world.clock.advance(DAY);
    site.broker.sweep().await.expect("a sweep");
    site.close().await;
    fs::write(&keys, newer).expect("put back");
    let broker = world.broker().await;
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("nothing is lost");
}
