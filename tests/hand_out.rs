//! What lies between a caller and Entra: successors ahead of time, tokens that an API refuses, a
//! road that is shared fairly, and a look at what other processes do.

#![allow(unreachable_pub)] // its modules are of one program

#[path = "hand_out/ahead.rs"]
mod ahead;
#[path = "hand_out/asleep.rs"]
mod asleep;
#[path = "hand_out/compromise.rs"]
mod compromise;
#[path = "hand_out/fairness.rs"]
mod fairness;
#[path = "hand_out/refusals.rs"]
mod refusals;
#[path = "hand_out/views.rs"]
mod views;
#[path = "hand_out/watching.rs"]
mod watching;
#[path = "hand_out/wires.rs"]
mod wires;
mod world;
