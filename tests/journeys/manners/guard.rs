//! Many partners that fail at once are one failure, and not theirs.

use cpv_consent::emulator::{Failure, Rule};
use cpv_consent::{Broker, Cause, ConsentState, Event, FleetGuard, TenantId};

use crate::manners::{own, state};
use crate::world::{HOUR, MINUTE, World};

const PARTNERS: usize = 40;

async fn stage(guard: Option<FleetGuard>) -> (World, Broker, Vec<TenantId>) {
    let world = World::new().await;
    let mut builder = world.builder(cpv_consent::store::Memory::new());
    if let Some(guard) = guard {
        builder = builder.fleet_guard(guard);
    }
    let broker = builder.build().await.expect("a broker");
    let mut partners = Vec::new();
    for number in 0..PARTNERS {
        partners.push(world.onboard_another(&broker, &format!("partner-{number}")).await);
    }
    world.entra.access_tokens_live(HOUR, HOUR);
    world.clock.advance(2 * HOUR);
    for partner in &partners {
        own(&broker, *partner).await.expect("a token");
    }
    (world, broker, partners)
}

async fn suspended(broker: &Broker, partners: &[TenantId]) -> usize {
    let mut suspended = 0;
    for partner in partners {
        suspended += usize::from(state(broker, *partner).await != ConsentState::Live);
    }
    suspended
}

fn alarms(world: &World) -> Vec<Event> {
    let alarm = |event: &Event| matches!(event, Event::FleetHeld { .. } | Event::FleetReleased);
    world.events().into_iter().filter(alarm).collect()
}

fn changes(world: &World) -> usize {
    let change = |event: &&Event| matches!(event, Event::StateChanged { .. });
    world.events().iter().filter(change).count()
}

#[tokio::test]
async fn when_a_fleet_fails_few_states_are_written_and_valid_tokens_served() {
    // F-33, R-112
    let (world, broker, partners) = stage(None).await;
    world.clock.advance(HOUR - MINUTE);
    let scripted = world.entra.fail_tokens(Rule::any(), Failure::aadsts(50053));
    for _round in 0..3 {
        for partner in &partners {
            own(&broker, *partner).await.expect("still valid");
        }
    }
    assert_eq!(suspended(&broker, &partners).await, 9, "the tenth raised the alarm");
    assert_eq!(changes(&world), 9);
    let (leaving, of, cause) = (10, PARTNERS, Cause::AccountLocked);
    assert_eq!(alarms(&world), [Event::FleetHeld { leaving, of, cause }]);
    assert_eq!(scripted.hits(), PARTNERS as u64, "what is held rests as if it were suspended");

    scripted.clear();
    world.clock.advance(11 * MINUTE);
    for partner in &partners {
        world.clock.advance(MINUTE / 60);
        own(&broker, *partner).await.expect("all is well again");
    }
    assert_eq!(suspended(&broker, &partners).await, 0);
    assert_eq!(alarms(&world)[1..], [Event::FleetReleased]);
}

#[tokio::test]
async fn no_consent_ends_while_a_fleet_fails_and_states_are_written_again_after() {
    // F-33
    let (world, broker, partners) = stage(None).await;
    world.clock.advance(2 * HOUR);
    let revoked = world.entra.fail_tokens(Rule::any(), Failure::aadsts(50173));
    for partner in &partners[..10] {
        own(&broker, *partner).await.expect_err("revoked, says Entra");
    }
    assert_eq!(suspended(&broker, &partners).await, 9);
    world.clock.advance(8 * MINUTE);
    for partner in &partners[10..20] {
        own(&broker, *partner).await.expect_err("as many more as raise it");
    }
    world.clock.advance(8 * MINUTE);
    own(&broker, partners[0]).await.expect_err("the second look, which would end it");
    assert!(matches!(state(&broker, partners[0]).await, ConsentState::Suspended(_)));
    assert_eq!((changes(&world), alarms(&world).len()), (9, 1));

    world.clock.advance(11 * MINUTE);
    own(&broker, partners[0]).await.expect_err("the third look");
    assert!(matches!(state(&broker, partners[0]).await, ConsentState::Suspended(_)));
    assert_eq!((changes(&world), alarms(&world).len()), (9, 1), "as many fail still");

    revoked.clear();
    world.clock.advance(HOUR);
    for partner in &partners[..17] {
        world.clock.advance(MINUTE / 60);
        own(&broker, *partner).await.expect("Entra was wrong");
    }
    assert_eq!(alarms(&world)[1..], [Event::FleetReleased]);
    let _revoked = world.entra.fail_tokens(Rule::any(), Failure::aadsts(50173));
    own(&broker, partners[20]).await.expect_err("revoked, says Entra");
    world.clock.advance(16 * MINUTE);
    own(&broker, partners[20]).await.expect_err("and says so again");
    assert!(matches!(state(&broker, partners[20]).await, ConsentState::Ended { .. }));
}

#[tokio::test]
async fn newcomers_of_a_lasting_outage_are_held_like_the_others() {
    // F-33
    let (world, broker, partners) = stage(None).await;
    world.clock.advance(2 * HOUR);
    let _scripted = world.entra.fail_tokens(Rule::any(), Failure::aadsts(50053));
    for partner in &partners[..10] {
        own(&broker, *partner).await.expect_err("locked out");
    }
    for partner in &partners[10..20] {
        world.clock.advance(9 * MINUTE);
        own(&broker, *partner).await.expect_err("locked out");
    }
    assert_eq!((suspended(&broker, &partners).await, alarms(&world).len()), (9, 1));
}

#[tokio::test]
async fn a_small_fleet_is_not_held_back() {
    let (world, broker, partners) = stage(Some(FleetGuard::new(10, PARTNERS + 1))).await;
    world.clock.advance(2 * HOUR);
    let _scripted = world.entra.fail_tokens(Rule::any(), Failure::aadsts(50053));
    for partner in &partners {
        own(&broker, *partner).await.expect_err("locked out");
    }
    assert_eq!(suspended(&broker, &partners).await, PARTNERS);
    assert!(alarms(&world).is_empty());
}
