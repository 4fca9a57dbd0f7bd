//! Looking is a read: it goes through the doors, costs what it says and leaves things as they are.

use std::time::Duration;

use cpv_consent::{AccountId, Error, Event, Refused, Resource};

use crate::verification::{consented, redemptions, verified};
use crate::world::{MINUTE, raw, refused};

#[tokio::test]
async fn another_accounts_door_opens_nothing_and_asks_nobody() {
    let (world, broker) = consented().await;
    let stranger = broker.account(AccountId::new("panel-2").expect("plain"));
    let looked = stranger.partner(world.contoso).verify().await;
    assert_eq!(refused(looked), Refused::NotYours(world.contoso));
    assert_eq!(redemptions(&world), 0);
    let own = broker.account(world.account()).partner(world.contoso).verify().await;
    assert!(own.expect("its own").is_sound());
}

#[tokio::test]
async fn of_whom_nothing_is_held_nothing_is_found() {
    let (world, broker) = consented().await;
    let looked = broker.partner(world.fabrikam).verify().await;
    assert!(matches!(looked, Err(Error::NoConsent { .. })), "{looked:?}");
    let partner = world.contoso;
    let other = broker.clone();
    broker.close(Duration::from_secs(1)).await;
    let looked = other.partner(partner).verify().await;
    assert!(matches!(looked, Err(Error::Closed)), "{looked:?}");
}

#[tokio::test]
async fn a_look_costs_one_redemption_per_api_and_one_question() {
    let (world, broker) = consented().await;
    verified(&world, &broker).await;
    assert_eq!(redemptions(&world), 2, "Partner Center and Graph");
    let calls = world.entra.partner_center_calls();
    assert_eq!(calls.len(), 1);
    assert!(calls[0].validates_mfa);
    // What was had on the way serves the next callers.
    broker.partner(world.contoso).token(Resource::Graph).await.expect("at hand");
    assert_eq!(redemptions(&world), 2);
}

#[tokio::test]
async fn a_look_writes_nothing_but_a_rotation_that_is_due() {
    let (world, broker) = consented().await;
    let row = || raw::row(&world.store_folder(), "consent", &world.contoso.to_string());
    let before = row();
    verified(&world, &broker).await;
    assert_eq!(row(), before, "its token is younger than ten minutes");

    world.clock.advance(11 * MINUTE);
    let deadline = async || {
        let consent = broker.partner(world.contoso).consent().await.expect("readable");
        consent.expect("stored").deadline()
    };
    let old = deadline().await;
    verified(&world, &broker).await;
    assert_eq!(deadline().await, old + 11 * MINUTE);
    let is_rotation = |event: &Event| matches!(event, Event::Exchanged { rotated: true, .. });
    let rotations = world.events().into_iter().filter(is_rotation).count();
    assert_eq!(rotations, 1, "of four redemptions");
}

#[tokio::test]
async fn a_look_that_is_broken_off_loses_no_rotation() {
    let (world, broker) = consented().await;
    let before = broker.partner(world.contoso).consent().await.expect("readable").expect("stored");
    world.clock.advance(11 * MINUTE);
    let held = world.entra.hold_tokens();
    let looking = {
        let (broker, partner) = (broker.clone(), world.contoso);
        tokio::spawn(async move { broker.partner(partner).verify().await })
    };
    held.waiting(1).await;
    looking.abort();
    assert!(looking.await.expect_err("broken off").is_cancelled());
    held.release();
    // Whoever asks now shares what was begun.
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a token");
    assert_eq!(redemptions(&world), 1);
    let after = broker.partner(world.contoso).consent().await.expect("readable").expect("stored");
    assert_eq!(after.deadline(), before.deadline() + 11 * MINUTE);
}

#[tokio::test]
async fn callers_share_the_redemption_of_a_look() {
    let (world, broker) = consented().await;
    let held = world.entra.hold_tokens();
    let partner = broker.partner(world.contoso);
    let asking = async {
        held.waiting(1).await;
        held.release();
        partner.token(Resource::PartnerCenter).await.expect("a token");
    };
    let (looked, ()) = tokio::join!(partner.verify(), asking);
    assert!(looked.expect("a look").is_sound());
    assert_eq!(redemptions(&world), 2);
}

#[tokio::test]
async fn a_look_never_takes_what_was_asked_for_before_it() {
    let (world, broker) = consented().await;
    let held = world.entra.hold_tokens();
    let partner = broker.partner(world.contoso);
    let looking = async {
        held.waiting(1).await;
        held.release();
        partner.verify().await.expect("a look")
    };
    let (token, looked) = tokio::join!(partner.token(Resource::PartnerCenter), looking);
    token.expect("a token");
    assert!(looked.is_sound());
    assert_eq!(redemptions(&world), 3);
}
