//! From a link to a consent, and every way in which it must not get there.

#![allow(unreachable_pub)] // its modules are of one program

#[path = "onboarding/accounts.rs"]
mod accounts;
#[path = "onboarding/callbacks.rs"]
mod callbacks;
#[path = "onboarding/confirming.rs"]
mod confirming;
#[path = "onboarding/cut_off.rs"]
mod cut_off;
#[path = "onboarding/people.rs"]
mod people;
#[path = "onboarding/second_factor.rs"]
mod second_factor;
#[path = "onboarding/the_way.rs"]
mod the_way;
#[path = "onboarding/tokens.rs"]
mod tokens;
#[path = "onboarding/withdrawal.rs"]
mod withdrawal;
mod world;
