//! The embedded store: its folder, its files, what it refuses, and what it survives.

#![cfg(all(unix, feature = "sqlite"))]

mod mount;
#[path = "storage/opening.rs"]
mod opening;
#[path = "storage/place.rs"]
mod place;
#[path = "storage/sqlite.rs"]
mod sqlite;
#[path = "storage/upgrade.rs"]
mod upgrade;
