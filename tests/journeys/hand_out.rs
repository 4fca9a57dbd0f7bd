//! What lies between a caller and Entra: successors ahead of time, tokens that an API refuses, a
//! road that is shared fairly, and a look at what other processes do.

mod ahead;
mod asleep;
mod compromise;
mod fairness;
mod refusals;
mod views;
mod watching;
mod wires;
