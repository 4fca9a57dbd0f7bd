//! A token that is at hand costs no allocation and no call to the operating system.

mod world;

use std::alloc::System;
use std::fs;
use std::process::Command;

use cpv_consent::{Access, Broker, Resource, SystemClock};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::runtime::{Builder, Runtime};
use world::World;

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How many hits a child makes.
const HITS: &str = "CPV_HITS";
/// One that counts its allocations, rather than being traced.
const COUNT: &str = "count";

#[test]
fn a_hit_allocates_nothing() {
    let child = child(COUNT).status().expect("a child");
    assert!(child.success());
}

#[test]
fn a_hit_makes_no_system_call() {
    let Some(few) = calls_with("1") else {
        eprintln!("not run: a_hit_makes_no_system_call: strace is not here, or may not trace");
        return;
    };
    let many = calls_with("1000000").expect("it traced a moment ago");
    assert!(few > 100, "the thread's own calls are seen: {few}");
    assert!(many <= few + 8, "{few} calls with one hit, {many} with a million");
}

/// A process of its own, where no other test allocates.
#[test]
#[ignore = "run by the other tests, as a process of its own"]
fn plays_its_role() {
    let Ok(hits) = std::env::var(HITS) else { return };
    // What tidies up takes its time, and would be seen.
    runtime().block_on(async {
        if hits == COUNT { count().await } else { ask(hits.parse().expect("a number")).await }
    });
    std::process::exit(0);
}

async fn count() {
    let (world, broker, handle) = onboarded().await;
    hit(&world, &broker, &handle, 1).await;
    let region = Region::new(COUNTING);
    hit(&world, &broker, &handle, 1000).await;
    assert_eq!(region.change().allocations, 0);
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(region.change().allocations, 1, "what is allocated is counted");
}

async fn ask(hits: u32) {
    let (world, broker, handle) = onboarded().await;
    hit(&world, &broker, &handle, hits).await;
}

async fn hit(world: &World, broker: &Broker, handle: &Access, times: u32) {
    let partner = broker.partner(world.contoso);
    for _ in 0..times {
        let own = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
        std::hint::black_box(own.expect("at hand"));
        let theirs = partner.customer(world.fabrikam).token(Resource::Graph).await;
        std::hint::black_box(theirs.expect("at hand"));
        std::hint::black_box(handle.token().await.expect("at hand"));
    }
}

/// A broker by the machine's own clock, as in a panel.
async fn onboarded() -> (World, Broker, Access) {
    let world = World::new().await;
    let store = cpv_consent::store::Memory::new();
    let broker = world.builder(store).clock(SystemClock::new()).build().await.expect("a broker");
    world.onboard(&broker).await;
    let handle = broker.partner(world.contoso).access(Resource::PartnerCenter);
    hit(&world, &broker, &handle, 1).await;
    (world, broker, handle)
}

/// The child's one thread asks; others serve.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn child(hits: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "plays_its_role", "--ignored", "--test-threads=1"]).env(HITS, hits);
    command
}

/// How many calls the asking thread makes in all, the emulator's and the broker's start included.
/// The tests' harness runs it beside the main thread, so it is the one that calls the most.
fn calls_with(hits: &str) -> Option<usize> {
    let traced = Command::new("strace").args(["-qq", "-e", "trace=none", "true"]).output();
    traced.ok().filter(|output| output.status.success())?;
    let folder = tempfile::tempdir().expect("a folder");
    let child = child(hits);
    let mut strace = Command::new("strace");
    strace.args(["-ff", "-qq", "-o"]).arg(folder.path().join("calls"));
    strace.arg(child.get_program()).args(child.get_args()).env(HITS, hits);
    assert!(strace.status().expect("a child").success());
    let logs = fs::read_dir(folder.path()).expect("logs").map(|log| log.expect("a log").path());
    logs.map(|log| fs::read_to_string(log).expect("a log").lines().count()).max()
}
