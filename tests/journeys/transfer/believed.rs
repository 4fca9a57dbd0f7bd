//! What an import does not take over, though the export is whole.

use std::sync::Arc;

use cpv_consent::store::{Expect, Key, Kind, Memory, Store, Stored};
use cpv_consent::{
    Absence, Broker, Clock, Error, KeptBecause, KeyRing, LocalKey, Resource, VirtualClock,
};

use crate::transfer::{elsewhere, export, import, kept_back};
use crate::world::{HOUR, MINUTE, World, accept, capture};

const KEY: [u8; 32] = *b"\x82another site's key, 32 bytes...";

#[tokio::test]
async fn a_consent_from_before_a_shredding_stays_out_once_the_partner_is_back() {
    //
    let world = World::new().await;
    let here = world.broker().await;
    world.onboard(&here).await;
    let there = elsewhere(&world, &world.app, Memory::new(), &KEY).await;
    import(&there, &export(&here).await).await.expect("an import");
    for _ in 0..4 {
        world.clock.advance(MINUTE);
        world.onboard(&there).await;
    }
    world.clock.advance(MINUTE);
    here.partner(world.contoso).shred().await.expect("shredded");
    world.clock.advance(MINUTE);
    let back = world.onboard(&here).await;
    world.clock.advance(2 * HOUR);
    there.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a newer token");
    let report = import(&here, &export(&there).await).await.expect("an import");
    assert_eq!(kept_back(&report), [KeptBecause::WithdrawnHere]);
    let standing = here.partner(world.contoso).consent().await.expect("readable");
    assert_eq!(standing, Some(back));
    let report = import(&there, &export(&here).await).await.expect("an import");
    assert_eq!(report.taken(), 0, "a lower generation");
}

#[tokio::test]
async fn another_users_consent_replaces_none() {
    //
    let world = World::new().await;
    let here = world.broker().await;
    world.onboard(&here).await;
    let there = elsewhere(&world, &world.app, Memory::new(), &KEY).await;
    import(&there, &export(&here).await).await.expect("an import");
    world.clock.advance(MINUTE);
    let intern = world.entra.add_user(world.contoso, "intern@contoso.example");
    let pending = there.partner(world.contoso).request_consent(world.account());
    let request = accept(&pending.await.expect("a flow"), &intern).await;
    let found = capture(&there, &request).await.expect("everything holds");
    found.confirm_instead_of(world.admin.id).await.expect("both were named");
    let report = import(&here, &export(&there).await).await.expect("an import");
    assert_eq!(kept_back(&report), [KeptBecause::OtherUserHere]);
    let standing = here.partner(world.contoso).consent().await.expect("readable");
    assert_eq!(standing.expect("stored").user().id(), world.admin.id);
}

/// The partner's record of this kind.
async fn record(world: &World, store: &Memory, kind: Kind) -> Stored {
    let partner = world.contoso;
    let key = Key::new(world.app.realm(), kind, Some(partner), partner.to_string());
    store.get(&key).await.expect("memory").expect("stored")
}

/// Puts the record back as it was.
async fn put_back(world: &World, store: &Memory, was: Stored) {
    let now = record(world, store, was.key.kind()).await;
    store.put(&was.key, was.entry, Expect::At(now.revision)).await.expect("unmoved");
}

#[tokio::test]
async fn a_tombstone_whose_mark_was_not_written_gets_it_when_it_is_imported_again() {
    // F-24
    let world = World::new().await;
    let here = world.broker().await;
    world.onboard(&here).await;
    let store = Arc::new(Memory::new());
    let there = elsewhere(&world, &world.app, store.clone(), &KEY).await;
    import(&there, &export(&here).await).await.expect("an import");
    let consent = record(&world, &store, Kind::Consent).await;
    let unmarked = record(&world, &store, Kind::PartnerKey).await;
    here.partner(world.contoso).withdraw().await.expect("withdrawn");
    let gone = export(&here).await;
    assert_eq!(import(&there, &gone).await.expect("an import").withdrawn(), 1);
    // The process ended between the two writes.
    put_back(&world, &store, unmarked).await;
    let there = elsewhere(&world, &world.app, store.clone(), &KEY).await;
    let again = import(&there, &gone).await.expect("an import");
    assert_eq!(kept_back(&again), [KeptBecause::HereAlready]);
    // A backup of the records is put back.
    put_back(&world, &store, consent).await;
    let there = elsewhere(&world, &world.app, store, &KEY).await;
    let token = there.partner(world.contoso).token(Resource::PartnerCenter).await;
    assert!(matches!(token, Err(Error::NoConsent { absence: Absence::Withdrawn, .. })));
}

#[tokio::test]
async fn a_consent_of_tomorrow_stays_out() {
    // F-10
    let world = World::new().await;
    let here = world.broker().await;
    world.onboard(&here).await;
    let parcel = export(&here).await;
    let slow = VirtualClock::starting_at(world.clock.now() - HOUR - MINUTE);
    let keys = KeyRing::new(LocalKey::from_bytes("elsewhere", &KEY).expect("a random key"));
    let there = Broker::builder(world.app.clone(), Memory::new(), keys).clock(slow.clone());
    let there = there.build().await.expect("a broker");
    let report = import(&there, &parcel).await.expect("an import");
    assert_eq!(kept_back(&report), [KeptBecause::Implausible]);
    slow.advance(MINUTE);
    assert_eq!(import(&there, &parcel).await.expect("an import").taken(), 1, "clocks may differ");
}
