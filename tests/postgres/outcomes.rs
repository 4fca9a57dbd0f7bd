//! Writes whose outcome was lost on the way: told as unknown, and found out by what is there.

use std::time::Duration;

use cpv_consent::store::{Expect, Kind, Postgres, Revision, Store, StoreError};
use cpv_consent::{Broker, Error, Remedy, Resource, Token};

use crate::proxy::{Cut, Proxy};
use crate::server::{self, Database};
use crate::world::{DAY, HOUR, World, accept, capture};
use crate::{entry, key, put};

/// A store with one connection by way of a wire, and a record in it. What it will ask is prepared.
async fn by_wire(database: &Database<'_>) -> (Proxy, Postgres, Revision) {
    let proxy = Proxy::to(database.server.port).await;
    let url = proxy.url(&database.url("panel"), database.server.port);
    let store = Postgres::at(&url).connections(1).connect().await.expect("a store");
    let place = key(Kind::Consent, "a");
    let first = put(&store, "a").await;
    let at = store.put(&place, entry("old"), Expect::At(first)).await.expect("unmoved");
    let removed = put(&store, "b").await;
    store.remove(&key(Kind::Consent, "b"), removed).await.expect("unmoved");
    store.get(&place).await.expect("readable");
    (proxy, store, at)
}

async fn text(store: &Postgres, id: &str) -> Option<Vec<u8>> {
    let stored = store.get(&key(Kind::Consent, id)).await.expect("readable");
    stored.map(|stored| stored.entry.sealed.as_bytes().to_vec())
}

fn assert_unknown<T: std::fmt::Debug>(outcome: Result<T, StoreError>) {
    assert!(matches!(outcome, Err(StoreError::Unavailable { .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_write_cut_off_before_the_server_saw_it_has_not_happened() {
    // F-12
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let (proxy, store, at) = by_wire(&database).await;
    let place = key(Kind::Consent, "a");
    proxy.cut(1, Cut::Before);
    assert_unknown(store.put(&place, entry("new"), Expect::At(at)).await);
    assert_eq!(text(&store, "a").await, Some(b"old".to_vec()));
    store.put(&place, entry("new"), Expect::At(at)).await.expect("unmoved");
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_has_happened() {
    // F-12
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let (proxy, store, at) = by_wire(&database).await;
    let place = key(Kind::Consent, "a");
    proxy.cut(1, Cut::After);
    assert_unknown(store.put(&place, entry("new"), Expect::At(at)).await);
    assert_eq!(text(&store, "a").await, Some(b"new".to_vec()));
    let again = store.put(&place, entry("again"), Expect::At(at)).await;
    assert_eq!(again, Err(StoreError::Conflict));
    let at = store.get(&place).await.expect("readable").expect("there").revision;
    store.get(&place).await.expect("readable");
    let removed = put(&store, "c").await;
    store.remove(&key(Kind::Consent, "c"), removed).await.expect("unmoved");
    proxy.cut(1, Cut::After);
    assert_unknown(store.remove(&place, at).await);
    assert_eq!(text(&store, "a").await, None);
}

#[tokio::test]
async fn a_write_cut_off_in_the_middle_may_happen_later_and_blocks_its_repetition() {
    // F-12
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let (proxy, store, at) = by_wire(&database).await;
    let place = key(Kind::Consent, "a");
    let holder = database.superuser().await;
    holder.batch_execute("BEGIN; SELECT FROM cpv_consent.clock FOR UPDATE").await.expect("a row");
    proxy.cut(1, Cut::During);
    assert_unknown(store.put(&place, entry("orphan"), Expect::At(at)).await);
    assert_eq!(text(&store, "a").await, Some(b"old".to_vec()), "nothing yet");
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while database.count(waiting).await < 1 {}
    let (repeated, ()) = tokio::join!(store.put(&place, entry("again"), Expect::At(at)), async {
        while database.count(waiting).await < 2 {}
        holder.batch_execute("COMMIT").await.expect("released");
    });
    assert_eq!(repeated, Err(StoreError::Conflict));
    assert_eq!(text(&store, "a").await, Some(b"orphan".to_vec()));
}

#[tokio::test]
async fn reads_are_asked_again() {
    // F-13
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let (proxy, store, _) = by_wire(&database).await;
    for cut in [Cut::Before, Cut::During, Cut::After] {
        proxy.cut(1, cut);
        assert_eq!(text(&store, "a").await, Some(b"old".to_vec()), "{cut:?}");
        assert!(!proxy.spare(), "{cut:?}");
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_holds_nobody() {
    // F-13, F-18
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let proxy = Proxy::to(server.port).await;
    let url = proxy.url(&database.url("panel"), server.port);
    let opening = Postgres::at(&url).connections(1).statements_within(Duration::from_millis(200));
    let store = opening.connect().await.expect("a store");
    let at = put(&store, "a").await;
    let place = key(Kind::Consent, "a");
    let at = store.put(&place, entry("old"), Expect::At(at)).await.expect("unmoved");
    proxy.cut(1, Cut::Silence);
    assert_unknown(store.put(&place, entry("new"), Expect::At(at)).await);
    assert_eq!(text(&store, "a").await, Some(b"new".to_vec()), "by a new connection");
}

/// A broker whose store lies behind a wire.
async fn broker(world: &World, database: &Database<'_>) -> (Proxy, Broker) {
    let proxy = Proxy::to(database.server.port).await;
    let url = proxy.url(&database.url("panel"), database.server.port);
    let store = Postgres::connect(&url).await.expect("a store");
    (proxy, world.builder(store).build().await.expect("a broker"))
}

#[tokio::test]
async fn a_confirmation_is_found_out_wherever_the_wire_is_cut() {
    // F-12
    let Some(server) = server::shared() else { return };
    for how in [Cut::Before, Cut::During, Cut::After] {
        for number in 1.. {
            let database = server.database().await;
            let world = World::new().await;
            let (proxy, broker) = broker(&world, &database).await;
            let pending = broker.partner(world.contoso).request_consent(world.account());
            let request = accept(&pending.await.expect("a flow"), &world.admin).await;
            let found = capture(&broker, &request).await.expect("everything holds");
            let id = found.id().clone();
            proxy.cut(number, how);
            let confirmed = found.confirm().await;
            let was_spared = proxy.spare();
            if let Err(error) = confirmed {
                assert!(
                    matches!(error.remedy(), Remedy::Retry { .. }),
                    "{how:?} {number}: {error}"
                );
                let found = broker.found(&id, request.headers()).await.expect("it waits");
                found.confirm().await.expect("once more");
            }
            let token = broker.partner(world.contoso).token(Resource::Graph).await;
            token.unwrap_or_else(|error| panic!("{how:?} {number}: {error}"));
            if was_spared {
                assert!(number > 2, "there were requests to cut");
                break;
            }
        }
    }
}

/// A token, while time passes: a lease whose return was lost lapses by the waiter's own clock.
async fn token_in_time(world: &World, broker: &Broker) -> Result<Token, Error> {
    let partner = broker.partner(world.contoso);
    let asked = partner.token(Resource::PartnerCenter).into_future();
    tokio::pin!(asked);
    loop {
        tokio::select! {
            token = &mut asked => return token,
            () = tokio::time::sleep(Duration::from_millis(5)) => {
                world.clock.advance(Duration::from_millis(100));
            }
        }
    }
}

#[tokio::test]
async fn a_rotation_is_found_out_wherever_the_wire_is_cut() {
    // F-12
    let Some(server) = server::shared() else { return };
    for how in [Cut::Before, Cut::During, Cut::After] {
        let database = server.database().await;
        let world = World::new().await;
        let (proxy, broker) = broker(&world, &database).await;
        world.onboard(&broker).await;
        for number in 1.. {
            world.clock.advance(8 * DAY);
            proxy.cut(number, how);
            let token = token_in_time(&world, &broker).await;
            let was_spared = proxy.spare();
            if let Err(error) = token {
                assert!(matches!(error, Error::Store { .. }), "{how:?} {number}: {error}");
            }
            world.clock.advance(2 * HOUR);
            let token = token_in_time(&world, &broker).await;
            token.unwrap_or_else(|error| panic!("{how:?} {number}: {error}"));
            if was_spared {
                assert!(number > 2, "there were requests to cut");
                break;
            }
        }
        let fresh = world.builder(database.open().await).build().await.expect("a broker");
        fresh.partner(world.contoso).token(Resource::Graph).await.expect("what was stored works");
    }
}
