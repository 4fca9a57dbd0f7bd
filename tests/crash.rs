//! Processes killed at every point, disks that fill up or fail, and stores that panic: nothing that
//! was acknowledged is lost, and the next attempt succeeds without repair.
//!
//! A test here runs its own binary again as a process that may die; see `child`.

#![cfg(all(unix, feature = "sqlite"))]
#![allow(unreachable_pub)] // shared by the files of this test

#[path = "crash/child.rs"]
mod child;
#[path = "crash/disk.rs"]
mod disk;
#[path = "crash/edges.rs"]
mod edges;
#[path = "crash/ending.rs"]
mod ending;
#[path = "crash/life.rs"]
mod life;
mod mount;
#[path = "crash/network.rs"]
mod network;
#[path = "crash/panics.rs"]
mod panics;
#[path = "crash/puts.rs"]
mod puts;
#[path = "crash/scene.rs"]
mod scene;
#[path = "secrecy/searcher.rs"]
mod searcher;
#[path = "crash/size.rs"]
mod size;
#[path = "crash/strict.rs"]
mod strict;
#[path = "crash/want.rs"]
mod want;
