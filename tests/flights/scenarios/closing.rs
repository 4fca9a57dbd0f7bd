//! A broker that closes while others ask.

use shuttle::future::block_on;

use super::world::{World, end};

/// Once it has closed nothing is under way any more, and nothing takes off.
pub fn nothing_takes_off_once_all_have_landed() {
    let world = World::new();
    let tasks = [world.asks(), world.asks()];
    block_on(world.exchange.finish());
    let (requests, under_way) = world.exchange.0.entra.state();
    assert_eq!(under_way, 0);
    tasks.into_iter().for_each(|task| drop(end(task)));
    assert_eq!(world.exchange.0.entra.state(), (requests, 0));
}
