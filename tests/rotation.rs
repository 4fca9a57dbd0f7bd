//! The life of keys: from one key of the ring to the next under traffic, and a partner's key until
//! it is destroyed.

#![cfg(feature = "sqlite")]

mod world;

#[path = "rotation/ring.rs"]
mod ring;
#[path = "rotation/shredding.rs"]
mod shredding;
