//! A freeze while the store fails, and one whose row does not open.

use std::collections::BTreeSet;
use std::time::Duration;

use cpv_consent::store::Kind;
use cpv_consent::{Error, Event, FreezeScope, Remedy};

use crate::freezing::fickle::Fickle;
use crate::freezing::{CHORES, INTERVAL, ask, freeze, frozen_by};
use crate::world::{self, MINUTE, World, raw};

#[tokio::test]
async fn where_the_store_takes_no_freeze_this_process_stops_at_once_and_the_others_later() {
    let world = World::new().await;
    let store = Fickle::new(world.store().await);
    let one = world.builder(store.clone()).build().await.expect("a broker");
    let other = world.broker().await;
    world.onboard(&one).await;
    ask(&world, &other).await.expect("a token");
    store.refuse(true);
    let scope = FreezeScope::Partner(world.contoso);
    let error = one.freeze(scope, "a stolen laptop").await.expect_err("the store is full");
    assert_eq!(error.remedy(), Remedy::FixRegistration);
    let Error::FreezeUnsaved { freeze, .. } = error else { panic!("{error:?}") };
    assert_eq!(frozen_by(ask(&world, &one).await), *freeze, "here it holds");
    world.clock.advance(INTERVAL);
    assert_eq!(frozen_by(ask(&world, &one).await), *freeze, "a look does not lift it");
    ask(&world, &other).await.expect("nobody told the other");

    store.refuse(false);
    while world::rows(&world.store_folder(), "freeze") == 0 {
        world.clock.advance(INTERVAL);
        tokio::task::yield_now().await;
    }
    world.clock.advance(INTERVAL);
    assert_eq!(frozen_by(ask(&world, &other).await), *freeze);
    assert!(other.lift(freeze.name()).await.expect("removed"));
    world.clock.advance(INTERVAL);
    ask(&world, &one).await.expect("a token");
}

#[tokio::test]
async fn who_freezes_again_after_a_failure_gets_the_freeze_that_stands() {
    let world = World::new().await;
    let store = Fickle::new(world.store().await);
    let broker = world.builder(store.clone()).build().await.expect("a broker");
    store.refuse(true);
    let again = async || broker.freeze(FreezeScope::Application, "a test").await;
    let mut names = BTreeSet::new();
    for _ in 0..3 {
        let Err(Error::FreezeUnsaved { freeze, .. }) = again().await else { panic!("it is full") };
        names.insert(freeze.name().to_owned());
    }
    let other = broker.freeze(FreezeScope::Application, "another test").await;
    other.expect_err("full, and for another reason another freeze");
    assert_eq!(broker.freezes().await.expect("readable").len(), 2);
    // Each is tried again by one task, however often somebody asked.
    while world.clock.sleepers() < CHORES + 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.clock.sleepers(), CHORES + 2);

    store.refuse(false);
    names.insert(again().await.expect("stored").name().to_owned());
    names.insert(again().await.expect("it stands").name().to_owned());
    assert_eq!(names.len(), 1, "{names:?}");
    broker.close(MINUTE).await;
    assert_eq!(world::rows(&world.store_folder(), "freeze"), 2);
}

#[tokio::test]
async fn a_freeze_that_was_lifted_elsewhere_a_moment_ago_is_not_taken_for_one_that_stands() {
    let world = World::new().await;
    let (one, other) = (world.broker().await, world.broker().await);
    world.onboard(&one).await;
    let first = freeze(&world, &one).await;
    assert_eq!(freeze(&world, &one).await, first);
    assert!(other.lift(first.name()).await.expect("removed"));
    let second = freeze(&world, &one).await;
    assert_ne!(second.name(), first.name());
    world.clock.advance(INTERVAL);
    assert_eq!(frozen_by(ask(&world, &other).await), second);
}

#[tokio::test]
async fn a_freeze_that_is_lifted_before_it_was_stored_is_never_stored() {
    let world = World::new().await;
    let store = Fickle::new(world.store().await);
    let broker = world.builder(store.clone()).build().await.expect("a broker");
    world.onboard(&broker).await;
    store.refuse(true);
    let error = broker.freeze(FreezeScope::Application, "a test").await.expect_err("full");
    let Error::FreezeUnsaved { freeze, .. } = error else { panic!("{error:?}") };
    assert_eq!(broker.freezes().await.expect("readable"), [freeze.as_ref().clone()]);
    while world.clock.sleepers() < CHORES + 1 {
        tokio::task::yield_now().await;
    }
    assert!(broker.lift(freeze.name()).await.expect("nothing to remove"));
    store.refuse(false);
    world.clock.advance(Duration::from_secs(1));
    while world.clock.sleepers() > CHORES {
        tokio::task::yield_now().await;
    }
    assert_eq!(world::rows(&world.store_folder(), "freeze"), 0);
    ask(&world, &broker).await.expect("a token");
}

#[tokio::test]
async fn closing_stores_the_freeze_that_the_store_had_refused() {
    // F-29
    let world = World::new().await;
    let store = Fickle::new(world.store().await);
    let broker = world.builder(store.clone()).build().await.expect("a broker");
    store.refuse(true);
    broker.freeze(FreezeScope::Application, "a test").await.expect_err("full");
    store.refuse(false);
    broker.close(MINUTE).await;
    assert_eq!(world::rows(&world.store_folder(), "freeze"), 1);
}

#[tokio::test]
async fn a_process_that_cannot_read_freezes_goes_by_the_last_it_knew() {
    let world = World::new().await;
    let store = Fickle::new(world.store().await);
    let one = world.broker().await;
    let other = world.builder(store.clone()).build().await.expect("a broker");
    world.onboard(&one).await;
    let frozen = freeze(&world, &one).await;
    frozen_by(ask(&world, &other).await);
    store.hide(true);
    one.lift(frozen.name()).await.expect("removed");
    world.clock.advance(INTERVAL);
    assert_eq!(frozen_by(ask(&world, &other).await), frozen);
    assert!(world.events().contains(&Event::StoreUnreadable { partner: world.contoso }));
    assert!(other.freezes().await.is_err(), "it does not pass off what it knew as what there is");
    store.hide(false);
    ask(&world, &other).await.expect("a token");
}

#[tokio::test]
async fn a_process_that_cannot_read_freezes_at_its_start_does_not_start() {
    let world = World::new().await;
    let store = Fickle::new(world.store().await);
    store.hide(true);
    let error = world.builder(store.clone()).build().await.expect_err("who knows what is frozen");
    assert!(matches!(error, Error::Store(_)), "{error:?}");
    assert!(matches!(error.remedy(), Remedy::Retry { .. }));
}

#[tokio::test]
async fn a_freeze_that_does_not_open_stops_everybody_who_did_not_know_it() {
    //
    let world = World::new().await;
    let one = world.broker().await;
    world.onboard(&one).await;
    let tailspin = world.onboard_another(&one, "Tailspin").await;
    let frozen = freeze(&world, &one).await;
    let spoil = "UPDATE record SET sealed = zeroblob(length(sealed)), revision = revision + 1000 \
                 WHERE kind = 'freeze'";
    raw::execute(&world.store_folder(), "freeze", spoil);

    world.clock.advance(INTERVAL);
    assert_eq!(frozen_by(ask(&world, &one).await), frozen, "who knew it knows whom it meant");
    let unconcerned = async |broker: &cpv_consent::Broker| {
        broker.partner(tailspin).token(cpv_consent::Resource::PartnerCenter).await
    };
    unconcerned(&one).await.expect("a token");
    let other = world.broker().await;
    let unread = frozen_by(unconcerned(&other).await);
    assert_eq!((unread.name(), unread.scope()), (frozen.name(), &FreezeScope::Application));
    let scanned = other.scan().run().await.expect("scanned");
    assert!(scanned.damaged().iter().any(|damaged| damaged.kind == Kind::Freeze));
    assert!(other.lift(unread.name()).await.expect("removed unread"));
    unconcerned(&other).await.expect("a token");
}

#[tokio::test]
async fn what_is_withdrawn_elsewhere_stops_also_while_no_freeze_can_be_read() {
    let world = World::new().await;
    let one = world.broker().await;
    let store = Fickle::new(world.store().await);
    let other = world.builder(store.clone()).build().await.expect("a broker");
    world.onboard(&one).await;
    ask(&world, &other).await.expect("a token");
    store.hide(true);
    one.partner(world.contoso).withdraw().await.expect("withdrawn");
    for _ in 0..3 {
        world.clock.advance(INTERVAL);
        let error = ask(&world, &other).await.expect_err("withdrawn");
        assert!(matches!(error, Error::NoConsent { .. }), "{error:?}");
    }
}
