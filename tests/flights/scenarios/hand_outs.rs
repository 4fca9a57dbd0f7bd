//! From the cache or from Entra to the caller, while consents change.

use shuttle::future::{JoinHandle, block_on, spawn, yield_now};
use tokio::sync::watch;

use super::world::{World, consent, end};
use crate::error::Error;
use crate::journeys::token::Token;

/// Callers without a token cause one request, also where their view must be read first.
pub fn a_herd_causes_one_request() {
    let world = World::new();
    let tasks = [world.asks(), world.asks(), world.asks()];
    assert!(tasks.into_iter().all(|task| end(task).is_ok()));
    assert_eq!(world.exchange.0.entra.requests(), 1);
}

/// Whoever asks after this process withdrew a consent gets nothing, whatever is under way.
pub fn a_withdrawal_here_stops_whoever_asks_after_it(warm: bool) {
    let world = World::new();
    if warm {
        world.token().expect("a token");
    }
    let before = world.asks();
    let after = {
        let world = world.clone();
        spawn(async move {
            world.withdraw_here();
            world.asks().await.expect("nobody cancels it")
        })
    };
    assert!(end(after).is_err());
    drop(end(before));
    assert!(world.token().is_err());
}

/// Nothing of a consent that was withdrawn elsewhere is handed out once the interval is over, not
/// even beside the very look that finds it.
pub fn a_withdrawal_elsewhere_stops_everybody() {
    let world = World::new();
    let access = world.access();
    block_on(access.token()).expect("a token");
    world.withdrawn_elsewhere();
    let held = spawn(async move { access.token().await });
    let tasks = [world.asks(), held, world.asks()];
    assert!(tasks.into_iter().all(|task| end(task).is_err()));
}

/// A flight may take longer than that: its landing is worth what the consent is worth then.
pub fn a_flight_lands_in_vain_after_a_withdrawal_elsewhere() {
    let world = World::new();
    let (withdrawn, seen) = watch::channel(false);
    world.during_a_request(move |world| {
        world.withdrawn_elsewhere();
        withdrawn.send_replace(true);
    });
    let (flies, after) = (world.asks(), asks_once(world.clone(), seen));
    assert!(end(flies).is_err() && end(after).is_err());
}

/// A flight of the consent that was replaced leaves nothing to the one that took its place.
pub fn a_replaced_consent_leaves_no_token(generation: u64) {
    let world = World::new();
    let (replaced, seen) = watch::channel(false);
    world.during_a_request(move |world| {
        world.written_elsewhere(consent(generation, "second"));
        replaced.send_replace(true);
    });
    let (flies, after) = (world.asks(), asks_once(world.clone(), seen));
    assert!(end(flies).is_err());
    // Under the same generation it is the old flight that is joined, in vain.
    let after = end(after).map(|token| token.secret().expose() == "second");
    assert!(after.unwrap_or(generation == 1));
    assert_eq!(world.token().expect("a token").secret().expose(), "second");
}

/// Who waits for another's look believes it only if it is no older than their own would be.
pub fn a_look_that_took_long_is_not_shared() {
    let world = World::new();
    world.token().expect("a token");
    world.clock_runs();
    let (withdrawn, seen) = watch::channel(false);
    world.after_a_list(move |world| {
        world.withdrawn_elsewhere();
        withdrawn.send_replace(true);
    });
    let first = world.asks();
    assert!(end(asks_once(world.clone(), seen)).is_err());
    drop(end(first));
}

/// A row that was read before a change and noted after it makes no view hold.
pub fn a_row_from_before_a_change_is_not_trusted() {
    let world = World::new();
    world.token().expect("a token");
    world.touched_elsewhere();
    let (withdrawn, seen) = watch::channel(false);
    world.after_a_row(move |world| {
        world.withdrawn_elsewhere();
        withdrawn.send_replace(true);
    });
    let reader = world.asks();
    let after = spawn(looks_again_and_again(world.clone(), seen));
    assert!(end(after).into_iter().flatten().all(|generation| generation == 2));
    drop(end(reader));
    assert!(world.token().is_err());
}

/// A token that an API refused is handed to nobody, and one request fetches another for all.
pub fn a_refused_token_is_replaced_once() {
    let world = World::new();
    let refused = world.token().expect("a token");
    let tasks = [world.asks_instead_of(&refused), world.asks_instead_of(&refused)];
    assert!(tasks.into_iter().all(good));
    assert!(refused.is_taken_back());
    assert_eq!(world.exchange.0.entra.requests(), 2);
    assert!(good(world.asks()));
}

/// Somebody who asks after this has happened, and not before.
fn asks_once(
    world: World,
    mut happened: watch::Receiver<bool>,
) -> JoinHandle<Result<Token, Error>> {
    spawn(async move {
        happened.wait_for(|happened| *happened).await.expect("it happens");
        world.asks().await.expect("nobody cancels it")
    })
}

/// Looks after the withdrawal, and says which generation holds then, and a little later.
async fn looks_again_and_again(
    world: World,
    mut withdrawn: watch::Receiver<bool>,
) -> [Option<u64>; 3] {
    withdrawn.wait_for(|withdrawn| *withdrawn).await.expect("it happens");
    let mut holding = [None; 3];
    for known in &mut holding {
        *known = world.holding().await;
        yield_now().await;
    }
    holding
}

fn good(task: JoinHandle<Result<Token, Error>>) -> bool {
    end(task).is_ok_and(|token| !token.is_taken_back())
}
