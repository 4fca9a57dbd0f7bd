//! A successor is fetched while its predecessor still serves.

use std::time::Duration;

use cpv_consent::emulator::{Failure, Rule};
use cpv_consent::{Broker, Event, Resource, Token};

use crate::world::{MINUTE, World};

/// Emulated access tokens live at least so long, and their successors are fetched later than this.
const YOUNG: Duration = Duration::from_secs(40 * 60);

async fn token(world: &World, broker: &Broker) -> Token {
    let customer = broker.partner(world.contoso).customer(world.fabrikam);
    customer.token(Resource::Graph).await.expect("a token")
}

/// Lets everything happen that can happen without time passing.
async fn settle(world: &World, until: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if until() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it did not happen: {:?}", world.events());
}

/// Five minutes before its end: within the early window, before the late one.
fn aged(world: &World, token: &Token) {
    let left = token.expires_at().duration_since(cpv_consent::Clock::now(&world.clock));
    world.clock.advance(left.expect("it lives") - 5 * MINUTE);
    world.entra.forget_ledger();
}

#[tokio::test]
async fn the_one_at_hand_is_served_while_one_request_fetches_the_next() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let first = token(&world, &broker).await;
    world.clock.advance(YOUNG);
    world.entra.forget_ledger();
    assert_eq!(token(&world, &broker).await.secret().expose(), first.secret().expose());
    tokio::task::yield_now().await;
    assert_eq!(world.entra.ledger().len(), 0, "too early");
    aged(&world, &first);
    let hold = world.entra.hold_tokens();
    for _ in 0..100 {
        assert_eq!(token(&world, &broker).await.secret().expose(), first.secret().expose());
    }
    hold.release();
    settle(&world, || world.entra.ledger().len() == 1).await;
    let mut next = token(&world, &broker).await;
    while next.secret().expose() == first.secret().expose() {
        tokio::time::sleep(Duration::from_millis(1)).await;
        next = token(&world, &broker).await;
    }
    assert_eq!(world.entra.ledger().len(), 1);
}

#[tokio::test]
async fn a_successor_that_is_not_to_be_had_is_told_and_tried_again_a_while_later() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let first = token(&world, &broker).await;
    aged(&world, &first);
    world.entra.fail_tokens(Rule::any(), Failure::status(503));
    let degraded = || {
        let events = world.events();
        events.iter().filter(|event| matches!(event, Event::ServedWhileFailing { .. })).count()
    };
    let asleep = world.clock.sleepers();
    token(&world, &broker).await;
    settle(&world, || degraded() == 1 && world.clock.sleepers() > asleep).await;
    for _ in 0..10 {
        assert_eq!(token(&world, &broker).await.secret().expose(), first.secret().expose());
    }
    assert_eq!(world.entra.ledger().len(), 1, "one try in half a minute");
    world.clock.advance(MINUTE);
    // Whoever asks once the pause is over begins the next try.
    for _ in 0..1000 {
        token(&world, &broker).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(degraded(), 2);
    assert_eq!(world.entra.ledger().len(), 2);
}
