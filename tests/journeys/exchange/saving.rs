//! The new refresh token is stored first; where the store refuses it, nobody loses a token.

use cpv_consent::{Error, Event, Resource};

use crate::exchange::moody::Moody;
use crate::exchange::{CHORES, expire_tokens, redemptions};
use crate::world::{HOUR, MINUTE, World};

#[tokio::test]
async fn a_rotated_refresh_token_is_on_disk_before_the_caller_has_the_access_token() {
    // R-100, F-05
    let world = World::new().await;
    let broker = world.broker().await;
    let before = world.onboard(&broker).await;
    expire_tokens(&world);
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a token");
    let elsewhere = world.broker().await;
    let after = elsewhere.partner(world.contoso).consent().await.expect("readable");
    assert_eq!(after.expect("stored").deadline(), before.deadline() + 2 * HOUR);
}

#[tokio::test]
async fn a_store_that_refuses_the_write_costs_nobody_a_token() {
    // F-11
    let world = World::new().await;
    let store = Moody::new(world.store().await);
    let broker = world.builder(store.clone()).build().await.expect("a broker");
    world.onboard(&broker).await;
    expire_tokens(&world);
    store.refuse_consents(true);
    let partner = broker.partner(world.contoso);
    let token = partner.token(Resource::PartnerCenter).await.expect("from the exchange");
    assert!(world.events().contains(&Event::Unsaved { partner: world.contoso }));
    let same = partner.token(Resource::PartnerCenter).await.expect("from memory");
    assert_eq!(same.secret().expose(), token.secret().expose());
    let other = partner.token(Resource::Graph).await.expect_err("nothing more is redeemed");
    assert!(matches!(other, Error::Unsaved { .. }), "{other:?}");
    assert_eq!(redemptions(&world), 1);

    store.refuse_consents(false);
    while world.clock.sleepers() < CHORES + 1 {
        tokio::task::yield_now().await;
    }
    world.clock.advance(MINUTE);
    while !world.events().contains(&Event::Saved { partner: world.contoso }) {
        tokio::task::yield_now().await;
    }
    partner.token(Resource::Graph).await.expect("saved, so the next is redeemed");
    assert_eq!(redemptions(&world), 2);
    let elsewhere = world.broker().await;
    elsewhere.partner(world.contoso).token(Resource::PartnerCenter).await.expect("stored");
}

#[tokio::test]
async fn an_unsaved_token_is_redeemed_only_once_its_access_token_has_ended() {
    // F-11
    let world = World::new().await;
    let store = Moody::new(world.store().await);
    let broker = world.builder(store.clone()).build().await.expect("a broker");
    world.onboard(&broker).await;
    expire_tokens(&world);
    store.refuse_consents(true);
    let partner = broker.partner(world.contoso);
    partner.token(Resource::PartnerCenter).await.expect("from the exchange");
    expire_tokens(&world);
    partner.token(Resource::PartnerCenter).await.expect("the newest token still works");
    assert_eq!(redemptions(&world), 1);
    store.refuse_consents(false);
    broker.close(MINUTE).await;
    let elsewhere = world.broker().await;
    elsewhere.partner(world.contoso).token(Resource::PartnerCenter).await.expect("closed in order");
}

#[tokio::test]
async fn an_unsaved_token_is_redeemed_by_nobody_once_another_process_has_withdrawn() {
    // F-11, R-129
    let world = World::new().await;
    let store = Moody::new(world.store().await);
    let broker = world.builder(store.clone()).build().await.expect("a broker");
    let other = world.broker().await;
    world.onboard(&broker).await;
    expire_tokens(&world);
    store.refuse_consents(true);
    let partner = broker.partner(world.contoso);
    partner.token(Resource::PartnerCenter).await.expect("from the exchange");
    partner.customer(world.fabrikam).token(Resource::Graph).await.expect("with what is unsaved");
    assert_eq!(redemptions(&world), 2);
    other.partner(world.contoso).withdraw().await.expect("a tombstone");
    let late = partner.customer(world.fabrikam).token(Resource::PartnerCenter).await;
    assert!(matches!(late, Err(Error::Superseded { .. })), "{late:?}");
    assert_eq!(redemptions(&world), 2);
}

#[tokio::test]
async fn closing_tries_to_save_until_its_grace_is_over() {
    // F-11, F-29
    let world = World::new().await;
    let store = Moody::new(world.store().await);
    let broker = world.builder(store.clone()).build().await.expect("a broker");
    let consent = world.onboard(&broker).await;
    expire_tokens(&world);
    store.refuse_consents(true);
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("unsaved");
    let closing = tokio::spawn(broker.close(HOUR));
    for _ in 0..3 {
        while world.clock.sleepers() < CHORES + 3 {
            tokio::task::yield_now().await;
        }
        assert!(!closing.is_finished(), "an hour has not passed");
        world.clock.advance(std::time::Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    store.refuse_consents(false);
    while !closing.is_finished() {
        world.clock.advance(std::time::Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    let after = world.broker().await.partner(world.contoso).consent().await.expect("readable");
    assert!(after.expect("stored").deadline() > consent.deadline(), "the rotated token was saved");
}

#[tokio::test]
async fn a_closed_broker_takes_no_work() {
    // F-29
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let clone = broker.clone();
    broker.close(MINUTE).await;
    let error = clone.partner(world.contoso).token(Resource::PartnerCenter).await;
    assert!(matches!(error, Err(Error::Closed)));
}
