//! No secret in the database, in a log line, in an event, in an error, in a `Debug`.
//!
//! Whole journeys run while every crate logs at its most talkative. Then every secret that went over
//! the wire is searched for in all that was written or shown, in each form that it could take.

#![allow(unreachable_pub)] // its modules are of one program

#[path = "secrecy/logs.rs"]
mod logs;
#[path = "secrecy/searcher.rs"]
mod searcher;
#[path = "secrecy/witness.rs"]
mod witness;
mod world;

#[path = "secrecy/audit.rs"]
mod audit;
#[path = "secrecy/door.rs"]
mod door;
#[path = "secrecy/failures.rs"]
mod failures;
#[path = "secrecy/http2.rs"]
mod http2;
#[path = "secrecy/journeys.rs"]
mod journeys;
#[path = "secrecy/panics.rs"]
mod panics;
