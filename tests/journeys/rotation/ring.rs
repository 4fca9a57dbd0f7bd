//! Keys of the ring: rotated, retired, wrong and missing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cpv_consent::{
    Broker, Error, HttpFault, KeyError, KeyId, KeyRefusal, KeyRing, LedgerError, LocalKey, Remedy,
    Resource, TenantId, Token,
};

use crate::world::raw::{self, Row};
use crate::world::{MINUTE, World};

fn id(name: &str) -> KeyId {
    KeyId::new(name).expect("an id")
}

/// The key of that name, the same each time.
fn key(name: &str) -> LocalKey {
    let mut bytes = [7; 32];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    LocalKey::from_bytes(name, &bytes).expect("a key")
}

/// The first goes first.
fn ring(names: &[&str]) -> KeyRing {
    let mut keys = names.iter().map(|name| key(name));
    let primary = KeyRing::new(keys.next().expect("a name"));
    keys.fold(primary, |ring, key| ring.readable(key).expect("another name"))
}

async fn built(world: &World, ring: KeyRing) -> Result<Broker, Error> {
    let events = world.events.clone();
    Broker::builder(world.app.clone(), world.store().await, ring)
        .clock(world.clock.clone())
        .observer(move |event: &_| events.lock().expect("events").push(Clone::clone(event)))
        .build()
        .await
}

async fn broker(world: &World, names: &[&str]) -> Broker {
    built(world, ring(names)).await.expect("a broker")
}

/// Closed in order, so that no other process waits to see whether it lives.
async fn closed(broker: Broker) {
    broker.close(MINUTE).await;
}

/// Some partners whose keys are under `old`.
async fn partners(world: &World) -> Vec<TenantId> {
    let broker = broker(world, &["old"]).await;
    world.onboard(&broker).await;
    let mut partners = vec![world.contoso];
    for name in ["litware", "wingtip", "adatum", "tailspin"] {
        partners.push(world.onboard_another(&broker, name).await);
    }
    closed(broker).await;
    partners
}

async fn assert_serves(broker: &Broker, partners: &[TenantId]) {
    for partner in partners {
        let token = broker.partner(*partner).token(Resource::PartnerCenter).await;
        assert_eq!(token.expect("served").tenant(), *partner);
    }
}

fn key_rows(world: &World) -> Vec<Row> {
    raw::rows(&world.store_folder()).into_iter().filter(|row| row.kind == "partner-key").collect()
}

fn key_error(outcome: Result<impl std::fmt::Debug, Error>) -> KeyError {
    match outcome {
        Err(Error::Key { error, .. }) => error,
        other => panic!("{other:?}"),
    }
}

/// The others move the clock: a request under way may meet its deadline, and no key has failed.
fn was_served(token: Result<Token, Error>) -> bool {
    match token {
        Ok(_) => true,
        Err(Error::Http(error)) if error.fault() == HttpFault::Timeout => false,
        Err(error) => panic!("no failed read: {error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_goes_from_first_to_gone_and_no_token_is_missed() {
    //
    let world = World::new().await;
    let partners = partners(&world).await;
    let broker = broker(&world, &["new", "old"]).await;
    let over = Arc::new(AtomicBool::new(false));
    let mut traffic = tokio::task::JoinSet::new();
    for partner in partners.clone() {
        let (broker, clock, over) = (broker.clone(), world.clock.clone(), over.clone());
        let customer = world.fabrikam;
        traffic.spawn(async move {
            let mut served = 0;
            while !over.load(Ordering::Relaxed) || served == 0 {
                let partner = broker.partner(partner);
                let was_served = was_served(partner.token(Resource::PartnerCenter).await);
                partner.consent().await.expect("no failed read").expect("no lost row");
                let _may_lack_a_grant = partner.customer(customer).token(Resource::Graph).await;
                // Tokens end, so that they are had anew.
                clock.advance(MINUTE / 2);
                served += u32::from(was_served);
            }
        });
    }
    let mut seen = Vec::new();
    let rotation = broker.rotate_keys().progress(|rotation| seen.push(*rotation));
    let rotated = rotation.run().await.expect("a rotation");
    over.store(true, Ordering::Relaxed);
    traffic.join_all().await;
    let rows = partners.len() as u64 + 1;
    assert_eq!((rotated.rewrapped(), rotated.left()), (rows, 0));
    assert_eq!((seen[0].done(), seen[0].total()), (0, rows));
    let last = seen.last().expect("some");
    assert_eq!((last.done(), last.total()), (rows, rows));

    broker.retire_key(&id("old")).await.expect("nothing is under it");
    closed(broker).await;
    let without = built(&world, ring(&["new"])).await.expect("the old key can go");
    assert_serves(&without, &partners).await;
    closed(without).await;
    let back = key_error(built(&world, ring(&["old", "new"])).await);
    assert_eq!(back, KeyError::Retired { id: id("old") });
    assert_eq!(back.to_string(), "key old was retired: put a newer one first in the key ring");
}

#[tokio::test]
async fn a_row_under_a_key_that_was_taken_out_is_reported_by_name() {
    // F-24
    let world = World::new().await;
    let partners = partners(&world).await;
    let contoso = partners[0];
    let old = raw::row(&world.store_folder(), "partner-key", &contoso.to_string()).sealed;
    let both = broker(&world, &["new", "old"]).await;
    both.rotate_keys().run().await.expect("a rotation");
    closed(both).await;
    raw::overwrite(&world.store_folder(), "partner-key", &contoso.to_string(), &old);
    let without = broker(&world, &["new"]).await;
    let unknown = KeyError::Unknown { id: id("old") };
    let token = without.partner(contoso).token(Resource::PartnerCenter).await;
    assert_eq!(key_error(token), unknown);
    assert_serves(&without, &partners[1..]).await;
    let rotated = without.rotate_keys().run().await.expect("it stops nothing");
    assert_eq!((rotated.rewrapped(), rotated.left()), (0, 1));
    let named = &rotated.named()[0];
    assert_eq!((named.partner(), named.id()), (Some(contoso), contoso.to_string().as_str()));
    assert_eq!(*named.because(), LedgerError::Key { partner: Some(contoso), error: unknown });
    closed(without).await;
    let both = broker(&world, &["new", "old"]).await;
    assert_serves(&both, &partners).await;
    let refused = both.retire_key(&id("old")).await.expect_err("something is under it");
    let in_use = KeyRefusal::InUse { key: id("old"), rows: 1 };
    assert!(matches!(&refused, Error::KeyRefused(why) if *why == in_use), "{refused:?}");
    assert_eq!(refused.remedy(), Remedy::FixRegistration);
}

#[tokio::test]
async fn a_process_that_cannot_read_the_new_key_is_named_and_waited_for() {
    // F-25
    let world = World::new().await;
    partners(&world).await;
    let behind = broker(&world, &["old"]).await;
    // This one must be able to read both, or it could not open the store.
    let ahead = broker(&world, &["new", "old"]).await;
    let before = key_rows(&world);
    let rotation = tokio::spawn({
        let ahead = ahead.clone();
        async move { ahead.rotate_keys().run().await }
    });
    // Two chores of each broker wait, and the rotation, which looks twice who lives.
    while !rotation.is_finished() {
        while world.clock.sleepers() < 5 && !rotation.is_finished() {
            tokio::task::yield_now().await;
        }
        world.clock.advance(MINUTE / 2);
    }
    let refused = rotation.await.expect("no panic").expect_err("one cannot read it");
    let Error::KeyRefused(KeyRefusal::UnreadableBy { key, process }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((key, process.as_str()), (id("new"), behind.process_id()));
    let unmoved = |row: &Row| before.iter().any(|old| old.sealed == row.sealed);
    assert!(key_rows(&world).iter().all(unmoved), "nothing was changed");
    closed(behind).await;
    let rotated = ahead.rotate_keys().run().await.expect("nobody is in the way");
    assert_eq!(rotated.rewrapped(), before.len() as u64);
}

#[tokio::test]
async fn a_wrong_key_is_refused_at_the_start_and_nothing_is_changed() {
    //
    let world = World::new().await;
    partners(&world).await;
    let before = raw::rows(&world.store_folder());
    let wrong = KeyRing::new(LocalKey::generate("old").expect("a key"));
    assert_eq!(key_error(built(&world, wrong).await), KeyError::Refused { id: id("old") });
    let missing = key_error(built(&world, ring(&["new"])).await);
    assert_eq!(missing, KeyError::Unknown { id: id("old") });
    let said = "no key old in the key ring: put it back by KeyRing::readable; \
                nothing else opens what is under it";
    assert_eq!(missing.to_string(), said);
    assert_eq!(raw::rows(&world.store_folder()), before);
}
