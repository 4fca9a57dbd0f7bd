//! Attackers: one who writes into the database, one who crafts callbacks, one with an account.

#![allow(unreachable_pub)] // its modules are of one program

#[path = "hostile/callbacks.rs"]
mod callbacks;
#[path = "hostile/credentials.rs"]
mod credentials;
#[path = "hostile/damage.rs"]
mod damage;
#[path = "hostile/forgery.rs"]
mod forgery;
#[cfg(unix)]
#[path = "hostile/openings.rs"]
mod openings;
#[path = "hostile/people.rs"]
mod people;
#[path = "hostile/realms.rs"]
mod realms;
#[cfg(unix)]
#[allow(dead_code)] // another program uses the rest of it
#[path = "postgres/server.rs"]
mod server;
mod world;
