//! Persons who are erased, and receipts that somebody deleted.

use cpv_consent::{Checkpoint, Error, Refused, UserId};

use crate::receipts::{Notary, as_file, broker_on, told};
use crate::world::{MINUTE, World, accept, capture, raw, refused};

#[tokio::test]
async fn a_person_is_erased_and_the_chain_verifies_as_before() {
    let (world, notary) = (World::new().await, Notary::new());
    let broker = broker_on(&world, &notary, world.store().await).await;
    world.onboard(&broker).await;
    let jane = world.admin.id;
    let erased = broker.erase_person(world.contoso, jane).await;
    assert_eq!(refused(erased), Refused::StillNamed(world.contoso));
    let before = broker.checkpoint_receipts().await.expect("a checkpoint");

    let john = world.entra.add_user(world.contoso, "john@contoso.example");
    world.clock.advance(MINUTE);
    let pending = broker.partner(world.contoso).request_consent(world.account());
    let request = accept(&pending.await.expect("a flow"), &john).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    found.confirm_instead_of(jane).await.expect("both were named");
    let nobody = UserId::parse("99999999-9999-4999-8999-999999999999").expect("a GUID");
    assert_eq!(broker.erase_person(world.contoso, nobody).await.expect("readable"), 0);
    assert_eq!(broker.erase_person(world.contoso, jane).await.expect("readable"), 1);
    assert_eq!(broker.erase_person(world.contoso, jane).await.expect("readable"), 0);

    let receipts = broker.receipts(world.contoso).await.expect("readable");
    let named: Vec<_> = receipts.iter().map(|receipt| receipt.personal("user.name")).collect();
    assert_eq!(named, [None, Some("john@contoso.example")]);
    let audit = as_file(&receipts).verify(&notary.keys(), Some(&before));
    assert_eq!((audit.is_sound(), audit.undisclosed()), (true, 1), "{audit:?}");
    let mut file = Vec::new();
    receipts.write_to(&mut file).expect("a vector takes all");
    let text = String::from_utf8(file).expect("UTF-8");
    assert!(!text.contains("admin@") && !text.contains(&jane.to_string()));
    // Also where it waits: what is changed next brings nobody back.
    broker.partner(world.contoso).withdraw().await.expect("a tombstone");
    let receipts = broker.receipts(world.contoso).await.expect("readable");
    assert!(receipts.iter().all(|receipt| receipt.personal("user.id") != Some(&jane.to_string())));
}

#[tokio::test]
async fn a_person_whose_receipt_waits_is_erased_from_the_consent_too() {
    let (world, notary) = (World::new().await, Notary::new());
    let broker = broker_on(&world, &notary, world.store().await).await;
    notary.is_away(true);
    world.onboard(&broker).await;
    let john = world.entra.add_user(world.contoso, "john@contoso.example");
    world.clock.advance(MINUTE);
    let pending = broker.partner(world.contoso).request_consent(world.account());
    let request = accept(&pending.await.expect("a flow"), &john).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    found.confirm_instead_of(world.admin.id).await.expect("both were named");
    let only_hers = broker.partner(world.contoso).invite(world.account()).only_for(world.admin.id);
    let only_hers = only_hers.await.expect("an invitation");
    let erased = broker.erase_person(world.contoso, world.admin.id).await;
    assert!(matches!(erased, Err(Error::Key { .. })), "her receipt is not written: {erased:?}");
    let partner = broker.partner(world.contoso);
    let previous = partner.previous_consent().await.expect("readable");
    assert_eq!(previous, None, "for her refresh token nobody has to sign");
    let only_hers = broker.invitations().find(only_hers.invitation().id()).await.expect("kept");
    assert_eq!(only_hers.status().to_string(), "revoked");
    notary.is_away(false);
    assert_eq!(broker.erase_person(world.contoso, world.admin.id).await.expect("readable"), 1);
    assert_eq!(told(&world, &broker, &notary).await, ["confirmed", "confirmed"]);
    let receipts = broker.receipts(world.contoso).await.expect("readable");
    assert_eq!(receipts.iter().next().expect("one").personal("user.name"), None);
}

#[tokio::test]
async fn a_tail_and_a_chain_that_were_deleted_from_the_store_are_missed() {
    let (world, notary) = (World::new().await, Notary::new());
    let broker = broker_on(&world, &notary, world.store().await).await;
    world.onboard(&broker).await;
    broker.partner(world.contoso).withdraw().await.expect("a tombstone");
    world.clock.advance(MINUTE);
    world.onboard(&broker).await;
    let fabrikam = world.onboard_another(&broker, "fabrikam").await;
    let checkpoint = broker.checkpoint_receipts().await.expect("a checkpoint").to_text();
    let checkpoint = Checkpoint::read(&checkpoint).expect("as written");
    assert_eq!(checkpoint.partners().count(), 2);
    let sql = |sql: &str| {
        let file = world.store_folder().join("records.sqlite3");
        let db = rusqlite::Connection::open(file).expect("a database");
        db.execute(sql, []).expect("done")
    };
    let sql_of =
        |what: &str| format!("DELETE FROM record WHERE kind = 'receipt' AND id LIKE '{what}'");
    assert_eq!(sql(&sql_of(&format!("{fabrikam}.%"))), 1);
    assert_eq!(sql(&sql_of(&format!("{}.%3", world.contoso))), 1);

    // Without a broker that could write the last ones again, since their notes are still there.
    drop(broker);
    let silent = world.broker().await;
    let mut receipts = silent.receipts(world.contoso).await.expect("readable");
    receipts.extend([silent.receipts(fabrikam).await.expect("readable")]);
    let audit = receipts.verify(&notary.keys(), Some(&checkpoint));
    let found: Vec<_> = audit.findings().iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    let tail = format!("receipts are missing after receipt 2 of partner {}: 1", world.contoso);
    assert!(found.contains(&tail), "{found:?}");
    assert!(found.iter().any(|found| found.contains(&format!("partner {fabrikam} is missing"))));
}

#[tokio::test]
async fn a_receipt_that_does_not_open_is_named_and_keeps_nobody_from_a_checkpoint() {
    // F-22
    let (world, notary) = (World::new().await, Notary::new());
    let broker = broker_on(&world, &notary, world.store().await).await;
    world.onboard(&broker).await;
    let litware = world.onboard_another(&broker, "litware").await;
    broker.partner(world.contoso).withdraw().await.expect("a tombstone");
    let id = format!("{}.{:020}", world.contoso, 1);
    let sound = raw::row(&world.store_folder(), "receipt", &id).sealed;
    let mut harmed = sound.clone();
    *harmed.last_mut().expect("bytes") ^= 1;
    raw::overwrite(&world.store_folder(), "receipt", &id, &harmed);

    let point = broker.checkpoint_receipts().await.expect("of all others");
    let unreadable: Vec<_> = point.unreadable().map(|at| (at.partner, at.sequence)).collect();
    assert_eq!(unreadable, [(world.contoso, 1)]);
    assert_eq!(Checkpoint::read(&point.to_text()).expect("as written"), point);
    assert_eq!(point.partners().count(), 2, "the second receipt opens");
    let lost = broker.receipts(world.contoso).await;
    let named = matches!(&lost, Err(Error::Damaged { kind: "receipt", partner: Some(partner) })
        if *partner == world.contoso);
    assert!(named, "{lost:?}");
    let others = broker.receipts(litware).await.expect("untouched");
    assert!(others.verify(&notary.keys(), Some(&point.only(litware))).is_sound());

    raw::overwrite(&world.store_folder(), "receipt", &id, &sound);
    let receipts = broker.receipts(world.contoso).await.expect("restored");
    assert!(receipts.verify(&notary.keys(), Some(&point.only(world.contoso))).is_sound());
}

#[tokio::test]
async fn the_last_receipt_that_does_not_open_is_missed_by_whoever_verifies() {
    // F-22
    let (world, notary) = (World::new().await, Notary::new());
    let broker = broker_on(&world, &notary, world.store().await).await;
    world.onboard(&broker).await;
    let id = format!("{}.{:020}", world.contoso, 1);
    let mut harmed = raw::row(&world.store_folder(), "receipt", &id).sealed;
    *harmed.last_mut().expect("bytes") ^= 1;
    raw::overwrite(&world.store_folder(), "receipt", &id, &harmed);
    let point = broker.checkpoint_receipts().await.expect("of all that opens");
    assert_eq!(point.unreadable().count(), 1);
    let audit = cpv_consent::Receipts::default().verify(&notary.keys(), Some(&point));
    let [cpv_consent::ReceiptFinding::NotRestored { place }] = audit.findings() else {
        panic!("{audit:?}")
    };
    assert_eq!((place.partner, place.sequence), (world.contoso, 1));
}

#[tokio::test]
async fn a_partner_whose_key_does_not_open_keeps_nobody_from_a_checkpoint() {
    // F-22
    let (world, notary) = (World::new().await, Notary::new());
    let broker = broker_on(&world, &notary, world.store().await).await;
    world.onboard(&broker).await;
    let id = world.contoso.to_string();
    let mut harmed = raw::row(&world.store_folder(), "partner-key", &id).sealed;
    *harmed.last_mut().expect("bytes") ^= 1;
    raw::overwrite(&world.store_folder(), "partner-key", &id, &harmed);
    world.clock.advance(10 * MINUTE); // its key is read again
    let point = broker_on(&world, &notary, world.store().await).await.checkpoint_receipts().await;
    assert_eq!(point.expect("of all that opens").partners().count(), 1);
}

#[tokio::test]
async fn a_key_is_not_destroyed_while_a_receipt_stands_behind_one_that_does_not_open() {
    // R-129, F-22
    let (world, notary) = (World::new().await, Notary::new());
    let broker = broker_on(&world, &notary, world.store().await).await;
    world.onboard(&broker).await;
    let id = format!("{}.{:020}", world.contoso, 1);
    let sound = raw::row(&world.store_folder(), "receipt", &id).sealed;
    let mut harmed = sound.clone();
    *harmed.last_mut().expect("bytes") ^= 1;
    raw::overwrite(&world.store_folder(), "receipt", &id, &harmed);
    let shredded = broker.partner(world.contoso).shred().await;
    assert!(matches!(shredded, Err(Error::Damaged { kind: "receipt", .. })), "{shredded:?}");
    raw::overwrite(&world.store_folder(), "receipt", &id, &sound);
    assert_eq!(told(&world, &broker, &notary).await, ["confirmed", "withdrawn"]);
    broker.partner(world.contoso).shred().await.expect("nothing waits");
    assert_eq!(told(&world, &broker, &notary).await, ["confirmed", "withdrawn", "shredded"]);
}

#[tokio::test]
async fn a_partner_comes_back_only_once_its_shredding_has_a_receipt() {
    let (world, notary) = (World::new().await, Notary::new());
    let broker = broker_on(&world, &notary, world.store().await).await;
    world.onboard(&broker).await;
    notary.signs_only(1); // the withdrawal's
    broker.partner(world.contoso).shred().await.expect("its key is gone");
    world.clock.advance(MINUTE);
    notary.is_away(true);
    let request = world.callback(&broker).await;
    let captured = capture(&broker, &request).await.map(drop);
    assert!(matches!(captured, Err(Error::Key { partner: None, .. })), "{captured:?}");
    notary.is_away(false);
    let request = world.callback(&broker).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    found.confirm().await.expect("a consent");
    let expected = ["confirmed", "withdrawn", "shredded", "confirmed"];
    assert_eq!(told(&world, &broker, &notary).await, expected);
}
