//! Processes that run out of something: files to open, memory, room for flows.

use std::fs::{self, File};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use cpv_consent::emulator::Emulator;
use cpv_consent::store::{Expect, Filter, Kind, Memory, Selection, Sqlite, Store, StoreError};
use cpv_consent::{AccountId, Broker, Error, Remedy, Resource, TenantId, VirtualClock};

use crate::child::{Child, folder, say};
use crate::edges::Edges;
use crate::life::{copy, finished, onboarded};
use crate::mount::Mounted;
use crate::puts::{body, place};
use crate::scene::Scene;

/// The child: opens files until there are no more, and says what the store says then.
pub async fn files_used_up_played() {
    let store = Sqlite::open(folder()).await.expect("a store");
    let place = place(Kind::Consent);
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    let read = store.get(&place).await.expect_err("a reader needs a file");
    assert!(matches!(read, StoreError::Unavailable { .. }), "{read}");
    let opened = Sqlite::open(folder()).await.expect_err("a store needs files");
    assert!(matches!(opened, StoreError::Unavailable { .. }), "{opened}");
    drop(files);
    store.get(&place).await.expect("readable");
    store.put(&place, body(1), Expect::Absent).await.expect("absent");
    store.close().await.expect("nothing stands in the way");
    say("recovered");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_without_files_to_open_is_told_so_and_recovers() {
    // F-28
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().canonicalize().expect("it is there").join("store");
    let child = Child::playing("files used up", &folder).under(&["prlimit", "--nofile=64:64"]);
    let ended = child.run().await;
    assert!(ended.well, "{}", ended.complaint);
    assert_eq!(ended.said, ["recovered"]);
}

/// The child: a broker asks for tokens while no file is left to open, and once there are some.
pub async fn broker_without_files_played() {
    let scene = Scene::told();
    let store = Sqlite::open(folder()).await.expect("a store");
    let broker = scene.builder(store).build().await.expect("a broker");
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    let refused = scene.take_tokens(&broker).await.expect_err("a connection needs a file");
    assert!(matches!(refused.remedy(), Remedy::Retry { .. }), "{refused:?}");
    drop(files);
    scene.take_tokens(&broker).await.expect("nothing is held");
    scene.begins(&broker).await.expect("a flow");
    broker.close(Duration::from_secs(10)).await;
    say("recovered");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_without_files_to_open_says_so_and_recovers() {
    // F-28
    let entra = Emulator::builder().start().await.expect("free ports");
    let scene = Scene::on(&entra);
    let parent = tempfile::tempdir().expect("a folder");
    let folder = onboarded(&scene, parent.path()).await;
    let child = Child::playing("files used up by a broker", &folder).told(&scene.later().0);
    let ended = child.under(&["prlimit", "--nofile=64:64"]).run().await;
    assert!(ended.well, "{}", ended.complaint);
    assert_eq!(ended.said, ["recovered"]);
    finished(&scene, &folder).await;
}

/// The child: asks for tokens while all memory but so many bytes is used up. Where Rust's allocator
/// finds none it ends the process, so the rest may never be reached.
pub async fn memory_used_up_played() {
    let scene = Scene::told();
    let left: usize = scene.tell("LEFT").parse().expect("a number");
    let broker = scene.broker(&folder(), Edges::never()).await;
    let customer = broker.partner(scene.partner()).customer(scene.customer());
    customer.token(Resource::Graph).await.expect("a token");
    limit_memory();
    let mut hoard = Vec::new();
    for size in [1 << 20, 1 << 16, 1 << 12] {
        let mut block: Vec<u8> = Vec::new();
        while block.try_reserve_exact(size).is_ok() {
            hoard.push(std::mem::take(&mut block));
        }
    }
    let kept = hoard.iter().map(Vec::capacity).scan(0, |sum, size| {
        *sum += size;
        Some(*sum)
    });
    let given_up = kept.take_while(|sum| *sum < left).count();
    hoard.drain(..given_up);
    say("short");
    let outcome = scene.take_tokens(&broker).await;
    drop(hoard);
    match outcome {
        Ok(()) => say("served"),
        Err(error) => say(format!("refused: {error}")),
    }
    scene.take_tokens(&broker).await.expect("there is memory again");
    say("recovered");
}

/// Lets this process have little more address space than it has.
fn limit_memory() {
    const MORE: u64 = 64 << 20;
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).expect("a line");
    let size: u64 = size.trim().trim_end_matches(" kB").parse().expect("a number");
    let limit = format!("--as={0}:{0}", size * 1024 + MORE);
    let mut limited = Command::new("prlimit");
    limited.args(["--pid", &std::process::id().to_string(), &limit]);
    assert!(limited.status().expect("the program prlimit").success());
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_runs_out_of_memory_loses_nothing() {
    // F-28, and the invariants I1 to I5
    let entra = Emulator::builder().start().await.expect("free ports");
    let scene = Scene::on(&entra);
    let parent = tempfile::tempdir().expect("a folder");
    let first = onboarded(&scene, parent.path()).await;
    let mut unserved = 0;
    for left in [0, 8, 16, 32, 64, 128, 256, 512, 1024, 4096] {
        let folder = first.with_file_name(format!("left-{left}"));
        copy(&first, &folder);
        let child = Child::playing("memory used up", &folder).told(&scene.later().0);
        let ended = child.tell("LEFT", left << 10).run().await;
        assert_eq!(ended.said.first().map(String::as_str), Some("short"), "{}", ended.complaint);
        let is_out_of_memory = ended.complaint.contains("memory allocation of");
        assert!(ended.well || is_out_of_memory, "with {left} KiB: {}", ended.complaint);
        unserved += usize::from(!ended.said.contains(&"served".to_owned()));
        finished(&scene, &folder).await;
    }
    assert!(unserved > 0, "memory was never short");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_flows_begun_and_left_are_swept_and_stand_in_nobodys_way() {
    // F-28
    const FLOWS: usize = 10_000;
    let clock = VirtualClock::default();
    let entra = Emulator::builder().clock(clock.clone()).start().await.expect("free ports");
    let scene = Scene::on(&entra);
    let store = Arc::new(Memory::new());
    let flows = async || {
        let (realm, selection) = (scene.app().realm(), Selection::All);
        let (kind, cursor, limit) = (Kind::Pending, None, usize::MAX);
        let page = store.list(Filter { realm, kind, selection, cursor, limit }).await;
        page.expect("memory").records.len()
    };
    let broker = Broker::builder(scene.app(), store.clone(), Scene::ring()).clock(clock.clone());
    let broker = broker.build().await.expect("a broker");
    let partner: TenantId = scene.partner();
    let beginners = (0..4).map(|_| {
        let broker = broker.clone();
        tokio::spawn(async move {
            for _ in 0..FLOWS / 4 {
                let account = AccountId::new("panel-1").expect("plain text");
                let pending = broker.partner(partner).request_consent(account).await;
                pending.expect("a flow");
            }
        })
    });
    for beginner in beginners.collect::<Vec<_>>() {
        beginner.await.expect("no panic");
    }
    let folder = tempfile::tempdir().expect("a folder");
    scene.onboard(&broker, &folder.path().join("secrets")).await.expect("in nobody's way");
    assert!(flows().await >= FLOWS);
    clock.advance(Duration::from_secs(2 * 3600));
    broker.sweep().await.expect("memory");
    assert_eq!(flows().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flows_begun_without_end_fill_the_disk_are_refused_and_are_swept_once_there_is_room() {
    // F-28, F-11
    const TEST: &str =
        "flows_begun_without_end_fill_the_disk_are_refused_and_are_swept_once_there_is_room";
    let Some(mounted) = Mounted::of(8 << 20, TEST) else { return };
    let reserve = mounted.path().join("reserve");
    fs::write(&reserve, vec![1; 4 << 20]).expect("room");
    let clock = VirtualClock::default();
    let entra = Emulator::builder().clock(clock.clone()).start().await.expect("free ports");
    let scene = Scene::on(&entra);
    let store = Sqlite::open(mounted.path().join("store")).await.expect("a store");
    let broker = Broker::builder(scene.app(), store, Scene::ring()).clock(clock.clone());
    let broker = broker.build().await.expect("a broker");
    let folder = tempfile::tempdir().expect("a folder");
    let secrets = folder.path().join("secrets");
    scene.onboard(&broker, &secrets).await.expect("a consent");
    let mut begun = 0;
    let refused = loop {
        match scene.begins(&broker).await {
            Ok(_) => begun += 1,
            Err(refused) => break refused,
        }
        assert!(begun < 20_000, "they never fill it");
    };
    assert!(matches!(refused, Error::Store(StoreError::Full)), "after {begun}: {refused:?}");
    assert_eq!(refused.remedy(), Remedy::FixRegistration);
    let partner = broker.partner(scene.partner());
    let token = || in_time(&clock, partner.token(Resource::PartnerCenter));
    token().await.expect("the partner is served");
    clock.advance(Duration::from_secs(2 * 3600));
    let full = in_time(&clock, broker.sweep()).await;
    let full = full.expect_err("the log of a removal needs room too");
    assert!(matches!(full, Error::Store(StoreError::Full)), "{full:?}");
    token().await.expect("the partner is served from memory");
    fs::remove_file(&reserve).expect("an operator makes room");
    in_time(&clock, broker.sweep()).await.expect("what is over goes");
    in_time(&clock, scene.begins(&broker)).await.expect("room again");
    token().await.expect("the partner is served");
}

/// Time passes until it ends: a lease that could not be given back, and a second try, are waited for
/// by the clock.
async fn in_time<T>(clock: &VirtualClock, work: impl IntoFuture<Output = T>) -> T {
    let mut work = std::pin::pin!(work.into_future());
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = tokio::time::sleep(Duration::from_millis(50)) => {
                clock.advance(Duration::from_secs(1));
            }
        }
    }
}
