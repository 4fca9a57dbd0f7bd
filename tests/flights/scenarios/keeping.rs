//! Tokens in memory: what they weigh together, and who fetches a successor.

use std::sync::Arc;

use shuttle::thread;

use super::world::{issued, partner};
use crate::journeys::cache::{Cache, Place};
use crate::model::clock::{Clock, VirtualClock};

/// Whoever takes tokens out while others put some in leaves the sum of their weights right.
pub fn the_weight_is_never_less_than_what_is_kept() {
    let (clock, cache) = (VirtualClock::default(), Arc::new(Cache::new(usize::MAX)));
    let keeper = |offer| {
        let (clock, cache) = (clock.clone(), cache.clone());
        thread::spawn(move || cache.keep(place(offer), issued(&clock), clock.glance()))
    };
    let (one, other) = (keeper(1), keeper(1));
    cache.drop_all();
    one.join().expect("no panic");
    other.join().expect("no panic");
    cache.drop_all();
    let shown = format!("{cache:?}");
    assert!(shown.contains("weight: 0"), "{shown}");
}

/// Of all who are handed a token that grows old, one fetches its successor.
pub fn one_caller_begins_the_renewal() {
    let clock = VirtualClock::default();
    let token = issued(&clock);
    let first = |_| {
        let token = token.clone();
        thread::spawn(move || usize::from(token.begins_renewal()))
    };
    let tasks: Vec<_> = (0..2).map(first).collect();
    let begun: usize = tasks.into_iter().map(|task| task.join().expect("no panic")).sum();
    assert_eq!(begun, 1);
}

fn place(offer: u16) -> Place {
    Place { partner: partner(), tenant: partner(), offer }
}
