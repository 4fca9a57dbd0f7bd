//! Several processes on one store: who comes second loses nothing and overwrites nothing.

use std::sync::atomic::Ordering;

use cpv_consent::emulator::{Failure, Rule};
use cpv_consent::{Absence, Broker, ConsentState, Error, Event, Remedy, Resource};

use crate::exchange::moody::{Moody, unleased};
use crate::exchange::{CHORES, ask, expire_tokens, redemptions, rotations, state_of};
use crate::world::{self, MINUTE, World, raw};

const PARTNER_CENTER: &str = "https://api.partnercenter.microsoft.com";

/// How many waits a redemption that is held at Entra has under way: its deadline, and the next beat
/// of its lease.
const HELD: usize = 2;

#[tokio::test]
async fn a_state_that_another_process_wrote_meanwhile_does_not_cost_the_new_token() {
    let world = World::new().await;
    let (one, other) = (unleased(&world).await, unleased(&world).await);
    let before = world.onboard(&one).await;
    expire_tokens(&world);
    let hold = world.entra.hold_tokens_of(Rule::any().resource(PARTNER_CENTER));
    let rotating = {
        let (one, contoso) = (one.clone(), world.contoso);
        tokio::spawn(async move { one.partner(contoso).token(Resource::PartnerCenter).await })
    };
    hold.waiting(1).await;
    let locked =
        world.entra.fail_tokens(Rule::any().resource(world::GRAPH), Failure::aadsts(50053));
    let error = other.partner(world.contoso).token(Resource::Graph).await;
    error.expect_err("the other process sees a lock-out and writes it down");
    assert!(matches!(state_of(&world, &one).await, ConsentState::Suspended(_)));
    locked.clear();
    hold.release();
    rotating.await.expect("no panic").expect("a token");
    let after = one.partner(world.contoso).consent().await.expect("readable").expect("stored");
    assert!(after.deadline() > before.deadline(), "it had not replaced the token");
    assert_eq!(*after.state(), ConsentState::Live);
}

#[tokio::test]
async fn two_processes_that_ask_at_once_go_one_after_the_other_and_rotate_once() {
    // F-07
    let world = World::new().await;
    let (one, other) = (world.broker().await, world.broker().await);
    world.onboard(&one).await;
    expire_tokens(&world);
    let hold = world.entra.hold_tokens();
    let first = ask(&world, &one, Resource::PartnerCenter);
    hold.waiting(1).await;
    let second = ask(&world, &other, Resource::PartnerCenter);
    while world.clock.sleepers() < 2 * CHORES + HELD + 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(redemptions(&world), 0, "the other waits for the lease, which is kept alive");
    hold.release();
    first.await.expect("no panic").expect("a token");
    world.clock.advance(std::time::Duration::from_secs(1));
    second.await.expect("no panic").expect("a token of its own");
    assert_eq!((redemptions(&world), rotations(&world)), (2, 1));
}

#[tokio::test]
async fn a_caller_waits_for_other_processes_no_longer_than_a_minute() {
    // F-09
    let world = World::new().await;
    let store = Moody::new(world.store().await);
    let broker = world.builder(store.clone()).build().await.expect("a broker");
    world.onboard(&broker).await;
    expire_tokens(&world);
    store.others_have_leases.store(true, Ordering::SeqCst);
    let asked = ask(&world, &broker, Resource::PartnerCenter);
    let began = cpv_consent::Clock::monotonic(&world.clock);
    while !asked.is_finished() {
        // Time stands still while somebody is at the store.
        if world.clock.sleepers() == CHORES + 1 {
            world.clock.advance(std::time::Duration::from_millis(200));
        }
        tokio::task::yield_now().await;
    }
    let error = asked.await.expect("no panic").expect_err("others have it");
    assert!(matches!(error, Error::Busy { partner } if partner == world.contoso), "{error:?}");
    assert!(matches!(error.remedy(), Remedy::Retry { .. }));
    let waited = cpv_consent::Clock::monotonic(&world.clock) - began;
    assert!(waited >= MINUTE && waited < MINUTE + MINUTE / 30, "{waited:?}");
    assert_eq!(redemptions(&world), 0);
}

#[tokio::test]
async fn processes_that_share_access_tokens_cause_one_exchange() {
    //
    let world = World::new().await;
    let open = async || {
        let builder = world.builder(world.store().await).share_access_tokens();
        builder.build().await.expect("a broker")
    };
    let (one, other) = (open().await, open().await);
    world.onboard(&one).await;
    expire_tokens(&world);
    for broker in [&one, &other] {
        let partner = broker.partner(world.contoso);
        partner.token(Resource::PartnerCenter).await.expect("a token");
        partner.customer(world.fabrikam).token(Resource::Graph).await.expect("a token");
    }
    assert_eq!(redemptions(&world), 2, "one for each ask");
    assert_eq!(world::rows(&world.store_folder(), "access-token"), 2);
    one.partner(world.contoso).withdraw().await.expect("a tombstone");
    assert_eq!(world::rows(&world.store_folder(), "access-token"), 0);
}

#[tokio::test]
async fn processes_without_leases_that_rotate_at_once_keep_one_good_token() {
    let world = World::new().await;
    let (one, other) = (unleased(&world).await, unleased(&world).await);
    world.onboard(&one).await;
    expire_tokens(&world);
    let hold = world.entra.hold_tokens();
    let first = ask(&world, &one, Resource::PartnerCenter);
    let second = ask(&world, &other, Resource::PartnerCenter);
    hold.waiting(2).await;
    assert!(world.events().contains(&Event::Unleased { partner: world.contoso }));
    hold.release();
    first.await.expect("no panic").expect("a token");
    second.await.expect("no panic").expect("a token, and the winner's refresh token is kept");
    expire_tokens(&world);
    one.partner(world.contoso).token(Resource::PartnerCenter).await.expect("still good");
}

#[tokio::test]
async fn no_token_of_a_lost_consent_is_handed_out_under_the_next_of_its_generation() {
    //
    let world = World::new().await;
    let (one, other) = (world.broker().await, world.broker().await);
    let first = world.onboard(&one).await;
    let of_the_first = [token_of(&world, &one).await, token_of(&world, &other).await];
    let lost = format!("DELETE FROM record WHERE kind = 'consent' AND id = '{}'", world.contoso);
    raw::execute(&world.store_folder(), "consent", &lost);
    let second = world.onboard(&one).await;
    assert_eq!(first.generation(), second.generation(), "the count began anew");
    world.clock.advance(std::time::Duration::from_secs(6));
    for broker in [&one, &other] {
        assert!(!of_the_first.contains(&token_of(&world, broker).await));
    }
}

#[tokio::test]
async fn a_withdrawal_in_one_process_holds_in_all_within_five_seconds() {
    //
    let world = World::new().await;
    let (one, other) = (world.broker().await, world.broker().await);
    world.onboard(&one).await;
    other.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a token");
    one.partner(world.contoso).withdraw().await.expect("a tombstone");
    world.clock.advance(std::time::Duration::from_secs(6));
    let error = other.partner(world.contoso).token(Resource::PartnerCenter).await;
    assert!(matches!(error, Err(Error::NoConsent { absence: Absence::Withdrawn, .. })));
}

#[tokio::test]
async fn a_write_in_flight_cannot_revive_a_withdrawn_partner() {
    let world = World::new().await;
    let (one, other) = (world.broker().await, world.broker().await);
    world.onboard(&one).await;
    expire_tokens(&world);
    let hold = world.entra.hold_tokens();
    let asked = {
        let (other, contoso) = (other.clone(), world.contoso);
        tokio::spawn(async move { other.partner(contoso).token(Resource::PartnerCenter).await })
    };
    hold.waiting(1).await;
    one.partner(world.contoso).withdraw().await.expect("a tombstone");
    hold.release();
    let outcome = asked.await.expect("no panic");
    assert!(matches!(outcome, Err(Error::Superseded { .. })), "{outcome:?}");
    let state = state_of(&world, &one).await;
    assert!(matches!(state, ConsentState::Withdrawn { .. }));
}

async fn token_of(world: &World, broker: &Broker) -> String {
    let token = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
    token.expect("a token").secret().expose().to_owned()
}
