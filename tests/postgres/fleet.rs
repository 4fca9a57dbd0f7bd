//! Two processes on one PostgreSQL: what one does, the other need not do again.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cpv_consent::emulator::{Emulator, Grant};
use cpv_consent::store::Postgres;
use cpv_consent::{Clock, Resource, Sleep, VirtualClock};

use crate::member::{Member, say, until_told};
use crate::scene::Scene;
use crate::server::{self, Database};

const CALLERS: usize = 1000;
const EIGHT_DAYS: Duration = Duration::from_secs(8 * 86_400);

/// A process of the fleet: when it is told, a thousand callers ask for one token that has expired.
pub async fn played() {
    let scene = Scene::told();
    let store = Postgres::connect(scene.tell("STORE")).await.expect("a store");
    let haste = scene.tell("HASTE").parse().expect("a number");
    let mut builder = scene.builder(store).clock(Later::hurrying(haste));
    if scene.tell("SHARED") == "yes" {
        builder = builder.share_access_tokens();
    }
    let broker = Arc::new(builder.build().await.expect("a broker"));
    say("ready");
    until_told().await;
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (broker, partner) = (Arc::clone(&broker), scene.partner());
            tokio::spawn(async move {
                let token = broker.partner(partner).token(Resource::PartnerCenter).await;
                token.expect("a token").secret().expose().to_owned()
            })
        })
        .collect();
    let mut tokens = HashSet::new();
    for caller in callers {
        tokens.insert(caller.await.expect("no panic"));
    }
    say(format!("{} token", tokens.len()));
    until_told().await;
}

/// Eight days from now, with waits that pass so many times as fast.
#[derive(Debug)]
struct Later {
    started: Instant,
    haste: u32,
}

impl Later {
    fn hurrying(haste: u32) -> Self {
        Self { started: Instant::now(), haste }
    }
}

impl Clock for Later {
    fn now(&self) -> SystemTime {
        SystemTime::now() + EIGHT_DAYS
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed() * self.haste
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration / self.haste))
    }
}

/// An emulator and a store in which a partner consented eight days ago.
struct Fleet<'s> {
    entra: Emulator,
    database: Database<'s>,
    scene: Scene,
}

impl<'s> Fleet<'s> {
    async fn new(server: &'s server::Server, shared: bool, haste: u32) -> Self {
        let clock = VirtualClock::default();
        let entra = Emulator::builder().clock(clock.clone()).start().await.expect("free ports");
        let database = server.database().await;
        let mut scene = Scene::on(&entra);
        entra.access_tokens_live(Duration::from_secs(3600), Duration::from_secs(3600));
        scene.0.insert("STORE".to_owned(), database.url("panel"));
        scene.0.insert("SHARED".to_owned(), if shared { "yes" } else { "no" }.to_owned());
        scene.0.insert("HASTE".to_owned(), haste.to_string());
        let broker = scene.builder(database.open().await).build().await.expect("a broker");
        let secrets = std::env::temp_dir().join(format!("{}.secrets", database.name));
        scene.onboard(&broker, &secrets).await.expect("a consent");
        let _ = std::fs::remove_file(secrets);
        broker.close(Duration::from_secs(5)).await;
        clock.advance(EIGHT_DAYS);
        entra.forget_ledger();
        database.execute(WITNESS).await;
        Self { entra, database, scene }
    }

    async fn member(&self) -> Member {
        let mut member = Member::playing("caller", &self.scene.0);
        assert_eq!(member.says().await, "ready");
        member
    }

    fn exchanges(&self) -> usize {
        self.entra.count_tokens(|request| request.grant == Some(Grant::RefreshToken))
    }

    /// How often a consent was written since.
    async fn rotations(&self) -> i64 {
        self.database.count("SELECT count(*) FROM public.written").await
    }

    /// What is stored works.
    async fn assert_nothing_is_lost(&self) {
        let store = self.database.open().await;
        let builder = self.scene.builder(store).clock(Later::hurrying(1));
        let broker = builder.build().await.expect("a broker");
        let partner = broker.partner(self.scene.partner());
        partner.token(Resource::Graph).await.expect("what was stored works");
    }
}

const WITNESS: &str = "
    CREATE TABLE public.written (at bigint);
    CREATE FUNCTION public.witness() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN INSERT INTO public.written VALUES (NEW.revision); RETURN NEW; END $$;
    CREATE TRIGGER witness AFTER UPDATE ON cpv_consent.record FOR EACH ROW
        WHEN (NEW.kind = 'consent') EXECUTE FUNCTION public.witness();
";

async fn herd(shared: bool) -> Option<(usize, i64)> {
    let fleet = Fleet::new(server::shared()?, shared, 1).await;
    let mut members = [fleet.member().await, fleet.member().await];
    for member in &mut members {
        member.go().await;
    }
    for member in &mut members {
        assert_eq!(member.says().await, "1 token");
    }
    let counted = (fleet.exchanges(), fleet.rotations().await);
    for mut member in members {
        member.go().await;
        member.end().await;
    }
    fleet.assert_nothing_is_lost().await;
    Some(counted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_herd_over_two_processes_costs_one_rotation_and_one_exchange_each() {
    // F-07, F-09
    let Some((exchanges, rotations)) = herd(false).await else { return };
    assert_eq!((exchanges, rotations), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_herd_that_shares_access_tokens_costs_one_exchange_in_total() {
    // F-07, F-09
    let Some((exchanges, rotations)) = herd(true).await else { return };
    assert_eq!((exchanges, rotations), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_killed_in_the_middle_costs_one_more_and_loses_nothing() {
    // F-02, F-08
    for shared in [false, true] {
        let Some(server) = server::shared() else { return };
        // What the killed one held lapses without keeping the test.
        let fleet = Fleet::new(server, shared, 4).await;
        let hold = fleet.entra.hold_tokens();
        let [mut owner, mut other] = [fleet.member().await, fleet.member().await];
        owner.go().await;
        hold.waiting(1).await;
        other.go().await;
        owner.kill().await;
        hold.release();
        assert_eq!(other.says().await, "1 token");
        let (exchanges, rotations) = (fleet.exchanges(), fleet.rotations().await);
        assert!(exchanges <= 2, "shared {shared}: {exchanges}");
        assert_eq!(rotations, 1, "shared {shared}");
        other.go().await;
        other.end().await;
        fleet.assert_nothing_is_lost().await;
    }
}
