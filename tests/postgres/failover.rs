//! A server that dies under its processes, and a standby that takes its place.

use std::process::Command;
use std::time::Duration;

use cpv_consent::store::{Key, Kind, Postgres, Revision, Store, StoreError};
use cpv_consent::{Broker, Consent, ConsentState, Error, Event, Remedy, Resource, TenantId};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::server::{self, Database, Server};
use crate::world::{HOUR, World};

/// The address of a database on any of these ports.
fn url(ports: [u16; 2], database: &Database<'_>) -> String {
    let [first, second] = ports;
    format!("postgres://panel@127.0.0.1:{first},127.0.0.1:{second}/{}", database.name)
}

/// Some partners whose tokens are two hours old.
async fn partners(world: &World, broker: &Broker) -> Vec<TenantId> {
    world.onboard(broker).await;
    let mut partners = vec![world.contoso];
    for name in ["adatum", "litware", "wingtip", "tailspin"] {
        partners.push(world.onboard_another(broker, name).await);
    }
    world.clock.advance(2 * HOUR);
    partners
}

/// What is stored of each, and at which mark.
async fn stored(
    world: &World,
    store: &Postgres,
    broker: &Broker,
    partners: &[TenantId],
) -> Vec<(Consent, Revision)> {
    let mut stored = Vec::new();
    for partner in partners {
        let key = Key::new(world.app.realm(), Kind::Consent, Some(*partner), partner.to_string());
        let row = store.get(&key).await.expect("readable").expect("it is not lost");
        let consent = broker.partner(*partner).consent().await.expect("it opens");
        stored.push((consent.expect("it is not lost"), row.revision));
    }
    stored
}

/// What comes of it while time passes: a lease whose owner died lapses by the waiter's own clock.
async fn in_time<T>(world: &World, asked: impl IntoFuture<Output = T>) -> T {
    let mut asked = std::pin::pin!(asked.into_future());
    loop {
        tokio::select! {
            answer = &mut asked => return answer,
            () = tokio::time::sleep(Duration::from_millis(5)) => {
                world.clock.advance(Duration::from_millis(100));
            }
        }
    }
}

/// The process by which a standby follows, stopped: what its server commits waits for it.
struct Laggard(String);

impl Laggard {
    async fn of(standby: &Server) -> Self {
        let sql = "SELECT pid::text FROM pg_stat_wal_receiver";
        let superuser = standby.superuser("postgres").await;
        let laggard = Self(superuser.query_one(sql, &[]).await.expect("it follows").get(0));
        laggard.signal("-STOP");
        laggard
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.0]).status();
        assert!(sent.expect("the program kill").success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_in_the_midst_of_rotations_and_no_consent_is_lost() {
    // F-12, F-13
    let Some(primary) = server::own() else { return };
    let database = primary.database().await;
    let standby = primary.standby().await;
    let url = url([primary.port, standby.port], &database);
    let world = World::new().await;
    let store = Postgres::connect(&url).await.expect("the first takes writes");
    let broker = world.builder(Postgres::connect(&url).await.expect("a store"));
    let broker = broker.build().await.expect("a broker");
    let partners = partners(&world, &broker).await;
    let before = stored(&world, &store, &broker, &partners).await;

    // One write is committed here and not there, the others wait for their turn.
    let hold = world.entra.hold_tokens();
    let mut callers = JoinSet::new();
    for partner in partners.clone() {
        let broker = broker.clone();
        callers.spawn(async move { broker.partner(partner).token(Resource::PartnerCenter).await });
    }
    hold.waiting(partners.len()).await;
    let laggard = Laggard::of(&standby).await;
    hold.release();
    let committing = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    while database.count(committing).await < 1 {}
    primary.stop_at_once();
    laggard.signal("-CONT");

    // Meanwhile: callers have what was redeemed, and whoever asks the store is told to come again.
    while let Some(token) = in_time(&world, callers.join_next()).await {
        token.expect("no panic").expect("it came, and is kept in memory");
    }
    let told = |event: fn(TenantId) -> Event| {
        let events = world.events();
        partners.iter().filter(|partner| events.contains(&event(**partner))).count()
    };
    assert_eq!(told(|partner| Event::Unsaved { partner }), partners.len());
    let error = store.realms().await.expect_err("the standby takes no writes yet");
    let StoreError::Unavailable { because } = error else { panic!("{error:?}") };
    assert!(because.ends_with("takes writes"), "{because}");
    let error = broker.partner(world.contoso).consent().await.expect_err("nobody answers");
    assert!(matches!(error, Error::Store(_)), "{error:?}");
    assert!(matches!(error.remedy(), Remedy::Retry { .. }), "{error:?}");

    standby.promote();
    let all_saved = async {
        while told(|partner| Event::Saved { partner }) < partners.len() {
            tokio::task::yield_now().await;
        }
    };
    in_time(&world, all_saved).await;
    let restarted = world.builder(Postgres::connect(&url).await.expect("the second takes writes"));
    let restarted = restarted.build().await.expect("a broker");
    let after = stored(&world, &store, &restarted, &partners).await;
    for ((before, at), (after, now)) in before.iter().zip(&after) {
        assert_eq!((after.generation(), after.state()), (before.generation(), &ConsentState::Live));
        assert!(
            after.deadline() > before.deadline(),
            "the rotated token is the one that is stored"
        );
        assert!(now > at, "marks grow over the change of servers");
    }
    world.clock.advance(2 * HOUR);
    for partner in &partners {
        let partner = restarted.partner(*partner);
        in_time(&world, partner.token(Resource::PartnerCenter))
            .await
            .expect("what was stored works");
    }
    let withdrawn = restarted.partner(world.contoso).withdraw().await.expect("withdrawn");
    assert_eq!(withdrawn.generation(), before[0].0.generation() + 1);
}

#[tokio::test]
async fn a_host_that_does_not_answer_leaves_time_for_the_next() {
    // F-13
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let deaf = socket.listen(1).expect("a listener");
    let place = deaf.local_addr().expect("bound");
    // Two wait to be let in; of more the kernel takes no notice.
    let _waiting = [TcpStream::connect(place).await, TcpStream::connect(place).await];
    let opening = Postgres::at(&url([place.port(), server.port], &database))
        .wait_at_most(Duration::from_secs(1));
    let store = opening.connect().await.expect("the second one answers");
    store.realms().await.expect("readable");
}
