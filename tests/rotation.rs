//! The life of keys: from one key of the ring to the next under traffic, and a partner's key until
//! it is destroyed.

#![cfg(feature = "sqlite")]
#![allow(unreachable_pub)] // its modules are of one program

#[cfg(unix)]
#[allow(dead_code)] // another program uses the rest of it
#[path = "postgres/server.rs"]
mod server;
mod world;

#[cfg(unix)]
#[path = "rotation/acceptance.rs"]
mod acceptance;
#[path = "rotation/ring.rs"]
mod ring;
#[path = "rotation/shredding.rs"]
mod shredding;
