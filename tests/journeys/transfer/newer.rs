//! Two sites that each count for themselves: what is newer stays, and who was let go stays away.

use cpv_consent::emulator::{Failure, Rule};
use cpv_consent::store::{Kind, Memory};
use cpv_consent::{Broker, ConsentState, KeptBecause, Resource};

use crate::transfer::{elsewhere, export, import, kept_back};
use crate::world::late::Late;
use crate::world::{DAY, HOUR, MINUTE, World, capture, refused};

const KEY: [u8; 32] = *b"\x84another site's key, 32 bytes...";

async fn serves(broker: &Broker, world: &World) -> bool {
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.is_ok()
}

async fn another_site(world: &World) -> Broker {
    elsewhere(world, &world.app, Memory::new(), &KEY).await
}

#[tokio::test]
async fn a_withdrawal_from_before_a_consent_takes_nothing_from_it() {
    //
    let world = World::new().await;
    let here = world.broker().await;
    world.onboard(&here).await;
    world.clock.advance(MINUTE);
    here.partner(world.contoso).withdraw().await.expect("withdrawn");
    world.clock.advance(30 * DAY);
    let there = another_site(&world).await;
    world.onboard(&there).await;
    let report = import(&there, &export(&here).await).await.expect("an import");
    assert_eq!(kept_back(&report), [KeptBecause::NewerHere]);
    assert!(serves(&there, &world).await);
}

#[tokio::test]
async fn a_shredding_from_before_a_consent_takes_nothing_from_it() {
    //
    let world = World::new().await;
    let here = world.broker().await;
    world.onboard(&here).await;
    world.clock.advance(MINUTE);
    here.partner(world.contoso).shred().await.expect("shredded");
    world.clock.advance(MINUTE);
    let there = another_site(&world).await;
    world.onboard(&there).await;
    let report = import(&there, &export(&here).await).await.expect("an import");
    assert_eq!(kept_back(&report), [KeptBecause::NewerHere]);
    assert!(serves(&there, &world).await);
}

#[tokio::test]
async fn a_withdrawal_reaches_what_began_before_it_however_often_was_counted_here() {
    //
    let world = World::new().await;
    let here = world.broker().await;
    world.onboard(&here).await;
    let there = another_site(&world).await;
    for _ in 0..4 {
        world.onboard(&there).await;
        world.clock.advance(MINUTE);
    }
    here.partner(world.contoso).withdraw().await.expect("withdrawn");
    let live = export(&there).await;
    let report = import(&there, &export(&here).await).await.expect("an import");
    assert_eq!(report.withdrawn(), 1);
    assert!(!serves(&there, &world).await);
    let report = import(&there, &live).await.expect("an import");
    assert_eq!(kept_back(&report), [KeptBecause::WithdrawnHere]);
}

#[tokio::test]
async fn a_withdrawal_ends_the_tokens_also_where_its_import_was_given_up() {
    // F-30, R-123
    let world = World::new().await;
    let here = world.broker().await;
    world.onboard(&here).await;
    let store = Late::new(Memory::new());
    let there = elsewhere(&world, &world.app, store.clone(), &KEY).await;
    import(&there, &export(&here).await).await.expect("an import");
    assert!(serves(&there, &world).await);
    world.clock.advance(MINUTE);
    here.partner(world.contoso).withdraw().await.expect("withdrawn");
    let parcel = export(&here).await;
    store.hold(Kind::Consent);
    tokio::select! {
        _ = import(&there, &parcel) => panic!("it does not wait"),
        () = store.waiting() => {}
    }
    assert!(serves(&there, &world).await, "it is known only when it is stored");
    store.release();
    let mut tries = 0..10_000;
    while serves(&there, &world).await {
        tries.next().expect("its tokens go on");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_ended_consent_takes_the_place_of_none_that_works() {
    let world = World::new().await;
    let here = world.broker().await;
    world.onboard(&here).await;
    let there = another_site(&world).await;
    import(&there, &export(&here).await).await.expect("an import");
    assert!(serves(&there, &world).await);
    world.clock.advance(MINUTE);
    world.onboard(&here).await;
    for _ in 0..2 {
        world.entra.fail_tokens(Rule::any(), Failure::aadsts(700_082).times(1));
        assert!(!serves(&here, &world).await);
        world.clock.advance(2 * HOUR);
    }
    let ended = here.partner(world.contoso).consent().await.expect("readable").expect("stored");
    assert!(matches!(ended.state(), ConsentState::Ended { .. }), "{}", ended.state());
    let report = import(&there, &export(&here).await).await.expect("an import");
    assert_eq!(kept_back(&report), [KeptBecause::EndedThere]);
    assert!(serves(&there, &world).await);
}

#[tokio::test]
async fn an_older_token_takes_the_place_of_no_newer_one() {
    let world = World::new().await;
    let here = world.broker().await;
    world.onboard(&here).await;
    let there = another_site(&world).await;
    import(&there, &export(&here).await).await.expect("an import");
    world.clock.advance(MINUTE);
    world.onboard(&here).await;
    world.clock.advance(8 * DAY);
    assert!(serves(&there, &world).await, "and rotates");
    let report = import(&there, &export(&here).await).await.expect("an import");
    assert_eq!(kept_back(&report), [KeptBecause::NewerHere]);
}

#[tokio::test]
async fn who_was_shredded_stays_out_where_nobody_knew_it() {
    //
    let world = World::new().await;
    let here = world.broker().await;
    world.onboard(&here).await;
    let before = export(&here).await;
    world.clock.advance(MINUTE);
    here.partner(world.contoso).shred().await.expect("shredded");
    let after = export(&here).await;
    let there = another_site(&world).await;
    let report = import(&there, &after).await.expect("an import");
    assert_eq!(report.first_withdrawn(), [world.contoso]);
    let again = import(&there, &after).await.expect("an import");
    assert_eq!(kept_back(&again), [KeptBecause::HereAlready]);
    let older = import(&there, &before).await.expect("an import");
    assert_eq!(kept_back(&older), [KeptBecause::WithdrawnHere]);
    assert!(!serves(&there, &world).await);
}

#[tokio::test]
async fn who_was_shredded_elsewhere_comes_back_by_what_began_later() {
    //
    let world = World::new().await;
    let here = world.broker().await;
    let [there, elsewhere] = [another_site(&world).await, another_site(&world).await];
    world.onboard(&here).await;
    let early = world.callback(&there).await;
    world.clock.advance(MINUTE);
    here.partner(world.contoso).shred().await.expect("shredded");
    let gone = export(&here).await;
    for site in [&there, &elsewhere] {
        assert_eq!(import(site, &gone).await.expect("an import").withdrawn(), 1);
    }
    refused(capture(&there, &early).await);
    world.clock.advance(MINUTE);
    let back = world.onboard(&here).await;
    assert_eq!(import(&there, &export(&here).await).await.expect("an import").taken(), 1);
    assert!(serves(&there, &world).await);
    assert_eq!(world.onboard(&elsewhere).await.generation(), back.generation());
}

#[tokio::test]
async fn an_export_names_who_was_shredded_also_once_the_row_is_swept() {
    //
    let world = World::new().await;
    let here = world.broker().await;
    world.onboard(&here).await;
    let litware = world.onboard_another(&here, "litware").await;
    let before = export(&here).await;
    here.partner(litware).shred().await.expect("shredded");
    world.clock.advance(2 * HOUR);
    here.sweep().await.expect("swept");
    assert!(here.partner(litware).consent().await.expect("readable").is_none());
    let swept = export(&here).await;
    assert_eq!((swept.report.consents(), swept.report.tombstones()), (1, 1));
    let there = another_site(&world).await;
    let report = import(&there, &swept).await.expect("an import");
    assert_eq!((report.taken(), report.first_withdrawn()), (1, [litware].as_slice()));
    let further = export(&there).await;
    assert_eq!(further.report.tombstones(), 1, "it is passed on");
    let older = import(&there, &before).await.expect("an import");
    assert_eq!(kept_back(&older).len(), 2);
    assert!(there.partner(litware).consent().await.expect("readable").is_none());
}
