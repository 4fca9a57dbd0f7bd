//! Partners let go for good.

use std::fs;
use std::ops::Range;
use std::path::Path;

use cpv_consent::{Absence, Broker, Error, Event, Refused, Resource, TenantId};

use crate::world::raw;
use crate::world::{HOUR, MINUTE, World, accept, account, capture, refused};

const RECORDS: &str = "records.sqlite3";

/// Two partners with consents.
async fn scene() -> (World, Broker, [TenantId; 2]) {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let litware = world.onboard_another(&broker, "litware").await;
    let partners = [world.contoso, litware];
    (world, broker, partners)
}

async fn absence(broker: &Broker, partner: TenantId) -> Absence {
    match broker.partner(partner).token(Resource::PartnerCenter).await {
        Err(Error::NoConsent { partner: whose, absence }) if whose == partner => absence,
        other => panic!("{other:?}"),
    }
}

async fn assert_serves(broker: &Broker, partner: TenantId) {
    let token = broker.partner(partner).token(Resource::PartnerCenter).await;
    assert_eq!(token.expect("served").tenant(), partner);
}

/// Closes the store in order and copies the file of rows.
async fn backup(world: &World, broker: Broker) -> Vec<u8> {
    broker.close(MINUTE).await;
    raw::closed(&world.store_folder()).await;
    fs::read(world.store_folder().join(RECORDS)).expect("the file of rows")
}

fn restore(folder: &Path, backup: &[u8]) {
    for beside in ["-wal", "-shm"] {
        let _not_there = fs::remove_file(folder.join(format!("{RECORDS}{beside}")));
    }
    fs::write(folder.join(RECORDS), backup).expect("room");
}

#[tokio::test]
async fn no_backup_of_the_rows_brings_a_shredded_partner_back() {
    // R-129, F-24
    let (world, broker, [contoso, litware]) = scene().await;
    let copy = backup(&world, broker).await;
    let broker = world.broker().await;
    broker.partner(contoso).shred().await.expect("a partner");
    assert_eq!(absence(&broker, contoso).await, Absence::Withdrawn);
    backup(&world, broker).await;
    restore(&world.store_folder(), &copy);
    world.entra.forget_ledger();
    let broker = world.broker().await;
    let consent = raw::row(&world.store_folder(), "consent", &contoso.to_string());
    assert!(consent.sealed.len() > 500, "the whole consent is back, with its token");
    assert_eq!(absence(&broker, contoso).await, Absence::Withdrawn);
    let shown = broker.partner(contoso).consent().await;
    assert!(matches!(shown, Err(Error::NoConsent { .. })), "{shown:?}");
    assert_eq!(world.entra.ledger().len(), 0, "no request was made for it");
    assert_serves(&broker, litware).await;
    let shown = broker.partner(litware).consent().await.expect("readable").expect("there");
    assert_eq!(shown.partner(), litware);
}

#[tokio::test]
async fn shredding_is_heard_of_and_done_once() {
    //
    let (world, broker, [contoso, _]) = scene().await;
    for _ in 0..2 {
        broker.partner(contoso).shred().await.expect("a partner, or shredded before");
    }
    let told = |event: &&Event| matches!(event, Event::Shredded { partner } if *partner == contoso);
    assert_eq!(world.events().iter().filter(told).count(), 1);
    let withdrawn = broker.partner(contoso).withdraw().await;
    let gone = matches!(withdrawn, Err(Error::NoConsent { absence: Absence::Withdrawn, .. }));
    assert!(gone, "{withdrawn:?}");
    let nobody = TenantId::parse("99999999-9999-4999-8999-999999999999").expect("a GUID");
    let never = broker.partner(nobody).shred().await;
    let never = matches!(never, Err(Error::NoConsent { absence: Absence::Never, .. }));
    assert!(never, "a typing error leaves no mark");
}

#[tokio::test]
async fn other_processes_notice_within_five_seconds() {
    //
    let (world, broker, [contoso, litware]) = scene().await;
    let other = world.broker().await;
    assert_serves(&other, contoso).await;
    broker.partner(contoso).shred().await.expect("a partner");
    world.clock.advance(std::time::Duration::from_secs(6));
    assert_eq!(absence(&other, contoso).await, Absence::Withdrawn);
    assert_serves(&other, litware).await;
}

#[tokio::test]
async fn other_processes_notice_also_where_the_consent_was_damaged() {
    // R-129, F-22
    let (world, broker, [contoso, litware]) = scene().await;
    let other = world.broker().await;
    assert_serves(&other, contoso).await;
    let (folder, id) = (world.store_folder(), contoso.to_string());
    let mut sealed = raw::row(&folder, "consent", &id).sealed;
    *sealed.last_mut().expect("some") ^= 1;
    raw::overwrite(&folder, "consent", &id, &sealed);
    broker.partner(contoso).shred().await.expect("the vendor's own door");
    world.clock.advance(std::time::Duration::from_secs(6));
    assert_eq!(absence(&other, contoso).await, Absence::Withdrawn);
    assert_serves(&other, litware).await;
}

#[tokio::test]
async fn shredding_again_tells_the_processes_that_the_first_time_left_out() {
    // R-129, F-03
    let (world, broker, [contoso, _]) = scene().await;
    let (folder, id) = (world.store_folder(), contoso.to_string());
    broker.partner(contoso).shred().await.expect("a partner");
    let before = raw::row(&folder, "consent", &id);
    broker.partner(contoso).shred().await.expect("shredded before");
    let after = raw::row(&folder, "consent", &id);
    assert!(after.revision > before.revision, "written anew, for others to see");
    assert_eq!(after.sealed, before.sealed);
}

#[tokio::test]
async fn other_processes_notice_within_five_minutes_where_the_consent_is_gone() {
    //
    let (world, broker, [contoso, _]) = scene().await;
    let other = world.broker().await;
    assert_serves(&other, contoso).await;
    let gone = format!("DELETE FROM record WHERE kind = 'consent' AND id = '{contoso}'");
    raw::execute(&world.store_folder(), "consent", &gone);
    broker.partner(contoso).shred().await.expect("its key is there");
    world.clock.advance(5 * MINUTE);
    let token = other.partner(contoso).token(Resource::PartnerCenter).await;
    assert!(matches!(token, Err(Error::NoConsent { .. })), "{token:?}");
}

#[tokio::test]
async fn a_flow_begun_before_revives_nobody() {
    //
    let (world, broker, [contoso, _]) = scene().await;
    let pending = broker.partner(contoso).request_consent(world.account()).await.expect("a flow");
    let request = accept(&pending, &world.admin).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    world.clock.advance(MINUTE);
    broker.partner(contoso).shred().await.expect("a partner");
    let confirmed = found.confirm().await;
    assert_eq!(refused(confirmed), Refused::Withdrawn(contoso));
    assert_eq!(absence(&broker, contoso).await, Absence::Withdrawn);
}

#[tokio::test]
async fn no_backup_of_what_waited_for_a_confirmation_opens_after_shredding() {
    // R-129, F-24
    let (world, broker, [contoso, litware]) = scene().await;
    world.clock.advance(MINUTE);
    let request = world.callback(&broker).await;
    let captured = capture(&broker, &request).await;
    let id = captured.map(|found| found.id().clone()).expect("everything holds");
    let waiting = raw::row(&world.store_folder(), "found", &id.to_string());
    assert_eq!(waiting.partner, Some(contoso.to_string()), "under its partner's key");
    let copy = backup(&world, broker).await;
    let broker = world.broker().await;
    let found = broker.found(&id, request.headers()).await.expect("the backup holds it");
    found.confirm().await.expect("a consent");
    world.clock.advance(MINUTE);
    broker.partner(contoso).shred().await.expect("a partner");
    backup(&world, broker).await;
    restore(&world.store_folder(), &copy);
    let broker = world.broker().await;
    let restored = raw::row(&world.store_folder(), "found", &id.to_string());
    assert_eq!(restored.sealed, waiting.sealed);
    let opened = broker.found(&id, request.headers()).await;
    assert_eq!(refused(opened), Refused::Withdrawn(contoso));
    assert_eq!(absence(&broker, contoso).await, Absence::Withdrawn);

    world.clock.advance(MINUTE);
    world.onboard(&broker).await;
    let opened = broker.found(&id, request.headers()).await;
    assert_eq!(refused(opened), Refused::Withdrawn(contoso), "its next key opens no more");
    assert_serves(&broker, litware).await;
}

#[tokio::test]
async fn a_finding_that_nobody_confirms_brings_no_shredded_partner_back() {
    //
    let (world, broker, [contoso, litware]) = scene().await;
    broker.partner(contoso).shred().await.expect("a partner");
    world.clock.advance(MINUTE);
    let first = capture(&broker, &world.callback(&broker).await).await.expect("begun later");
    let second = capture(&broker, &world.callback(&broker).await).await.expect("begun later");
    first.decline().await.expect("erased");
    assert_eq!(absence(&broker, contoso).await, Absence::Withdrawn);
    let shown = broker.partner(contoso).consent().await;
    let gone =
        |shown: &Error| matches!(shown, Error::NoConsent { absence: Absence::Withdrawn, .. });
    assert!(gone(&shown.expect_err("it stays shredded")));
    let withdrawn = broker.partner(contoso).withdraw().await;
    assert!(gone(&withdrawn.expect_err("it stays shredded")));
    assert!(broker.scan().run().await.expect("a scan").is_sound(), "somebody wanted it so");
    let consent = second.confirm().await.expect("the other one still waits");
    assert_eq!(consent.generation(), 3, "one consent, one shredding, one consent");
    assert_serves(&broker, contoso).await;
    assert_serves(&broker, litware).await;
}

#[tokio::test]
async fn shredding_takes_along_what_waits_for_a_confirmation() {
    //
    let (world, broker, [contoso, _]) = scene().await;
    broker.partner(contoso).shred().await.expect("a partner");
    for wait in [MINUTE, 2 * HOUR] {
        world.clock.advance(wait);
        broker.sweep().await.expect("a sweep");
        let found = capture(&broker, &world.callback(&broker).await).await.expect("begun later");
        world.clock.advance(MINUTE);
        broker.partner(contoso).shred().await.expect("its key is back");
        assert_eq!(refused(found.confirm().await), Refused::Withdrawn(contoso));
    }
    let newcomer = world.entra.add_tenant("Wingtip");
    let admin = world.entra.add_user(newcomer, "admin@wingtip.example");
    let pending = broker.first_consent(world.account()).await.expect("a flow");
    let found = capture(&broker, &accept(&pending, &admin).await).await.expect("a first contact");
    world.clock.advance(MINUTE);
    broker.partner(newcomer).shred().await.expect("it has a key, and no consent yet");
    assert_eq!(refused(found.confirm().await), Refused::Withdrawn(newcomer));
    world.clock.advance(MINUTE);
    assert_eq!(world.onboard(&broker).await.generation(), 3, "no generation comes twice");
}

#[tokio::test]
async fn a_door_of_another_account_shreds_nobody() {
    let (_world, broker, [contoso, _]) = scene().await;
    let door = broker.account(account("panel-litware"));
    let outcome = door.partner(contoso).shred().await;
    assert_eq!(refused(outcome), Refused::NotYours(contoso));
    assert_serves(&broker, contoso).await;
    let own = broker.account(account("panel-1"));
    own.partner(contoso).shred().await.expect("its own");
    assert_eq!(absence(&broker, contoso).await, Absence::Withdrawn);
}

#[tokio::test]
async fn a_partner_whose_row_is_damaged_is_shredded_by_the_vendor_only() {
    // R-129, F-22
    let (world, broker, [contoso, litware]) = scene().await;
    let folder = world.store_folder();
    let mut sealed = raw::row(&folder, "consent", &contoso.to_string()).sealed;
    *sealed.last_mut().expect("some") ^= 1;
    raw::overwrite(&folder, "consent", &contoso.to_string(), &sealed);
    let door = broker.account(world.account());
    let outcome = door.partner(contoso).shred().await;
    assert!(matches!(outcome, Err(Error::Damaged { .. })), "{outcome:?}");
    broker.partner(contoso).shred().await.expect("the vendor's own door");
    assert_eq!(absence(&broker, contoso).await, Absence::Withdrawn);
    assert_serves(&broker, litware).await;
}

#[tokio::test]
async fn what_is_left_of_the_row_is_swept_an_hour_later_and_the_mark_stays() {
    //
    let (world, broker, [contoso, litware]) = scene().await;
    let id = contoso.to_string();
    let copy = raw::row(&world.store_folder(), "consent", &id).sealed;
    broker.partner(contoso).shred().await.expect("a partner");
    let left = || -> Vec<String> {
        let rows = raw::rows(&world.store_folder());
        rows.into_iter().filter(|row| row.id == id).map(|row| row.kind).collect()
    };
    world.clock.advance(HOUR - MINUTE);
    broker.sweep().await.expect("a sweep");
    assert_eq!(left(), ["consent", "partner-key"], "others are still to notice");
    world.clock.advance(2 * MINUTE);
    broker.sweep().await.expect("a sweep");
    assert_eq!(left(), ["partner-key"], "the mark, and nothing else");
    assert_serves(&broker, litware).await;
    // A row that an old backup brings back stays shut.
    let litware_row =
        format!("UPDATE record SET id = '{id}', partner = '{id}' WHERE id = '{litware}'");
    raw::execute(&world.store_folder(), "consent", &litware_row);
    raw::overwrite(&world.store_folder(), "consent", &id, &copy);
    let restarted = world.broker().await;
    assert_eq!(absence(&restarted, contoso).await, Absence::Withdrawn);
}

#[tokio::test]
async fn what_is_left_of_the_row_is_swept_though_a_flow_came_after() {
    //
    let (world, broker, [contoso, litware]) = scene().await;
    for partner in [contoso, litware] {
        broker.partner(partner).shred().await.expect("a partner");
    }
    world.clock.advance(MINUTE);
    let admin = world.entra.add_user(litware, "other-admin@litware.example");
    let pending = broker.first_consent(world.account()).await.expect("a flow");
    let found = capture(&broker, &accept(&pending, &admin).await).await.expect("begun later");
    found.decline().await.expect("erased");
    world.onboard(&broker).await;
    world.clock.advance(2 * HOUR);
    broker.sweep().await.expect("a sweep");
    let left: Vec<_> = consents(&world).collect();
    assert_eq!(left, [contoso.to_string()], "what died is gone, what came after is not");
    assert_serves(&broker, contoso).await;
}

#[tokio::test]
async fn a_row_that_the_store_cannot_make_out_stops_no_sweep() {
    // R-129, F-22
    let (world, broker, [contoso, litware]) = scene().await;
    for partner in [contoso, litware] {
        broker.partner(partner).shred().await.expect("a partner");
    }
    let first = contoso.min(litware);
    let torn = format!("UPDATE record SET partner = 'nobody' WHERE id = '{first}'");
    raw::execute(&world.store_folder(), "consent", &torn);
    world.clock.advance(2 * HOUR);
    broker.sweep().await.expect("a sweep");
    assert_eq!(consents(&world).collect::<Vec<_>>(), [first.to_string()]);
    let mended = format!("UPDATE record SET partner = '{first}' WHERE id = '{first}'");
    raw::execute(&world.store_folder(), "consent", &mended);
    broker.sweep().await.expect("a sweep");
    assert_eq!(consents(&world).count(), 0, "it was kept in mind");
}

/// The partners whose consents lie in the store, whatever became of them.
fn consents(world: &World) -> impl Iterator<Item = String> {
    let rows = raw::rows(&world.store_folder()).into_iter();
    rows.filter(|row| row.kind == "consent").map(|row| row.id)
}

#[tokio::test]
async fn a_partner_whose_row_claims_the_highest_generation_comes_back_after_shredding() {
    // R-129, F-22
    let (world, broker, [contoso, _]) = scene().await;
    let (folder, id) = (world.store_folder(), contoso.to_string());
    let mut sealed = raw::row(&folder, "consent", &id).sealed;
    sealed[GENERATION].fill(0xff);
    raw::overwrite(&folder, "consent", &id, &sealed);
    broker.partner(contoso).shred().await.expect("the vendor's own door");
    world.clock.advance(MINUTE);
    world.onboard(&broker).await;
    assert_serves(&broker, contoso).await;
    broker.partner(contoso).withdraw().await.expect("there is a generation above it");
    assert_eq!(absence(&broker, contoso).await, Absence::Withdrawn);
}

/// Where the header of a record says of which generation it is.
const GENERATION: Range<usize> = 6..14;
