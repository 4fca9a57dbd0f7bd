//! Whose tokens a freeze keeps back, and in which processes.

use cpv_consent::{Error, Event, FreezeScope, Refused, Resource};

use crate::freezing::{INTERVAL, ask, ask_customer, freeze, frozen_by, redemptions};
use crate::world::{self, HOUR, World, account};

#[tokio::test]
async fn a_frozen_partner_gets_no_token_in_any_process_until_one_of_them_lifts_it() {
    //
    let world = World::new().await;
    let (one, other) = (world.broker().await, world.broker().await);
    world.onboard(&one).await;
    let contoso_too = world.onboard_another(&one, "Tailspin").await;
    for broker in [&one, &other] {
        ask(&world, broker).await.expect("a token");
        ask_customer(&world, broker).await.expect("a token");
    }
    let made = redemptions(&world);
    let frozen = freeze(&world, &one).await;
    assert_eq!(frozen_by(ask(&world, &one).await), frozen, "here at once");
    world.clock.advance(INTERVAL);
    for broker in [&one, &other] {
        assert_eq!(frozen_by(ask(&world, broker).await), frozen);
        assert_eq!(frozen_by(ask_customer(&world, broker).await), frozen);
        let unconcerned = broker.partner(contoso_too).token(Resource::PartnerCenter).await;
        unconcerned.expect("another partner's token");
    }

    assert!(other.lift(frozen.name()).await.expect("removed"));
    ask(&world, &other).await.expect("a token, here at once");
    world.clock.advance(INTERVAL);
    ask(&world, &one).await.expect("a token");
    let for_tailspin = 2; // one in each process
    assert_eq!(redemptions(&world), made + for_tailspin, "what was in memory stayed there");
}

#[tokio::test]
async fn every_process_says_when_a_freeze_begins_and_ends_for_it() {
    let world = World::new().await;
    let (one, other) = (world.broker().await, world.broker().await);
    world.onboard(&one).await;
    let frozen = freeze(&world, &one).await;
    let (name, scope) = (frozen.name().to_owned(), frozen.scope().clone());
    let began = Event::Frozen {
        name: name.clone(),
        scope: scope.clone(),
        reason: "a stolen laptop".to_owned(),
    };
    let ended = Event::Lifted { name, scope };
    let count = |wanted: &Event| world.events().iter().filter(|event| *event == wanted).count();
    assert_eq!((count(&began), count(&ended)), (1, 0));
    frozen_by(ask(&world, &other).await);
    assert_eq!(count(&began), 2);
    one.lift(frozen.name()).await.expect("removed");
    world.clock.advance(INTERVAL);
    ask(&world, &other).await.expect("a token");
    assert_eq!((count(&began), count(&ended)), (2, 2));
}

#[tokio::test]
async fn an_accounts_freeze_stops_its_partners_at_every_door_and_no_others() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let tailspin = world.onboard_another(&broker, "Tailspin").await;
    broker.freeze(FreezeScope::Account(world.account()), "unpaid").await.expect("stored");
    let frozen = frozen_by(ask(&world, &broker).await);
    assert_eq!(
        (frozen.scope(), frozen.reason()),
        (&FreezeScope::Account(world.account()), "unpaid")
    );
    let own_door = broker.account(world.account()).partner(world.contoso);
    frozen_by(own_door.token(Resource::PartnerCenter).await);
    let foreign_door = broker.account(account("panel-Tailspin")).partner(world.contoso);
    let refused = world::refused(foreign_door.token(Resource::PartnerCenter).await);
    assert_eq!(refused, Refused::NotYours(world.contoso), "another account learns of no freeze");
    broker.partner(tailspin).token(Resource::PartnerCenter).await.expect("a token");
}

#[tokio::test]
async fn the_applications_freeze_stops_everybody_and_others_outlive_it() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let tailspin = world.onboard_another(&broker, "Tailspin").await;
    let everybody = broker.freeze(FreezeScope::Application, "a leaked key").await.expect("stored");
    assert_eq!(frozen_by(ask(&world, &broker).await), everybody);
    let other = broker.partner(tailspin).token(Resource::PartnerCenter).await;
    assert_eq!(frozen_by(other), everybody);
    world.clock.advance(INTERVAL);
    let one = freeze(&world, &broker).await;
    assert_eq!(broker.freezes().await.expect("readable"), [everybody.clone(), one.clone()]);
    assert!(broker.lift(everybody.name()).await.expect("removed"));
    assert_eq!(frozen_by(ask(&world, &broker).await), one);
    broker.partner(tailspin).token(Resource::PartnerCenter).await.expect("a token");
}

#[tokio::test]
async fn a_token_that_arrives_during_a_freeze_is_not_handed_out() {
    // F-30
    let world = World::new().await;
    let (one, other) = (world.broker().await, world.broker().await);
    world.onboard(&one).await;
    world.clock.advance(2 * HOUR);
    world.entra.forget_ledger();
    let hold = world.entra.hold_tokens();
    let (contoso, fabrikam) = (world.contoso, world.fabrikam);
    let (own, at_customer) = (other.clone(), other.clone());
    let asked = [
        tokio::spawn(async move { own.partner(contoso).token(Resource::PartnerCenter).await }),
        tokio::spawn(async move {
            at_customer.partner(contoso).customer(fabrikam).token(Resource::Graph).await
        }),
    ];
    hold.waiting(2).await;
    let frozen = freeze(&world, &one).await;
    world.clock.advance(INTERVAL);
    hold.release();
    for outcome in asked {
        assert_eq!(frozen_by(outcome.await.expect("no panic")), frozen);
    }
    assert_eq!(redemptions(&world), 2);
    other.lift(frozen.name()).await.expect("removed");
    ask(&world, &other).await.expect("what had arrived");
    ask_customer(&world, &other).await.expect("what had arrived");
    assert_eq!(redemptions(&world), 2, "nothing was lost");
}

#[tokio::test]
async fn what_processes_share_is_kept_back_too() {
    let world = World::new().await;
    let open = async || {
        let builder = world.builder(world.store().await).share_access_tokens();
        builder.build().await.expect("a broker")
    };
    let (one, other) = (open().await, open().await);
    world.onboard(&one).await;
    ask_customer(&world, &one).await.expect("a token, shared");
    assert_eq!(world::rows(&world.store_folder(), "access-token"), 1);
    let made = redemptions(&world);
    freeze(&world, &one).await;
    frozen_by(ask_customer(&world, &other).await);
    assert_eq!(redemptions(&world), made);
}

#[tokio::test]
async fn a_reason_that_is_no_line_freezes_nothing() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let error = broker.freeze(FreezeScope::Application, "two\nlines").await.expect_err("refused");
    assert!(matches!(error, Error::Setting(_)), "{error:?}");
    ask(&world, &broker).await.expect("a token");
    assert_eq!(world::rows(&world.store_folder(), "freeze"), 0);
}
