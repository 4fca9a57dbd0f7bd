//! What a host does with a broker, on the real emulator: one program, so that it is linked once.
#![allow(unreachable_pub)] // its modules are of one program

mod credentials;
mod customers;
mod diagnosis;
mod doctor;
mod door;
mod exchange;
mod freezing;
mod hand_out;
mod hostile;
mod manners;
mod onboarding;
mod policy;
mod receipts;
mod reconsent;
#[cfg(feature = "sqlite")]
mod rotation;
mod rows;
mod transfer;
mod verification;

#[path = "../secrecy/searcher.rs"]
mod searcher;
#[cfg(unix)]
#[allow(dead_code)] // another program uses the rest of it
#[path = "../postgres/server.rs"]
mod server;
#[path = "../world/mod.rs"]
mod world;
