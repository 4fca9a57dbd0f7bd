//! A process killed at every edge of store and network, on PostgreSQL.

use std::path::PathBuf;
use std::time::Duration;

use cpv_consent::emulator::Emulator;
use cpv_consent::store::Postgres;
use cpv_consent::{Broker, ConsentState, Reqwest};

use crate::edges::{self, EdgedHttp, EdgedStore, Edges};
use crate::member::{End, Member};
use crate::scene::Scene;
use crate::server::{self, Database};

/// The process: consents, or takes tokens; dies at the edge that it was told.
pub async fn played() {
    let scene = Scene::told();
    let edges = Edges::dies_at(scene.tell("EDGE").parse().expect("a number"));
    let broker = broker(&scene, scene.tell("STORE"), edges).await;
    match scene.tell("PART") {
        "onboarding" => scene.onboard(&broker, &secrets()).await.expect("a consent"),
        _ => scene.take_tokens(&broker).await.expect("tokens"),
    }
    broker.close(Duration::from_secs(10)).await;
}

async fn broker(scene: &Scene, url: &str, edges: Edges) -> Broker {
    let inner = Postgres::connect(url).await.expect("a store");
    let store = EdgedStore { inner, edges: edges.clone() };
    let inner = Reqwest::new().expect("root certificates");
    let http = EdgedHttp { inner, edges, secrets: secrets() };
    scene.builder(store).http(http).build().await.expect("a broker")
}

/// What the edges note is searched elsewhere.
fn secrets() -> PathBuf {
    PathBuf::from("/dev/null")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_at_any_edge_of_an_onboarding_leaves_all_or_nothing() {
    // F-04, F-06
    let Some(server) = server::shared() else { return };
    let entra = Emulator::builder().start().await.expect("free ports");
    let scene = Scene::on(&entra);
    let database = server.database().await;
    let points = at_every_edge(&scene, "onboarding", &database).await;
    assert!(points > 20, "{points} points");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_at_any_edge_of_an_exchange_leaves_a_token_that_works() {
    // F-01, F-03, F-04, F-05
    let Some(server) = server::shared() else { return };
    let entra = Emulator::builder().start().await.expect("free ports");
    let scene = Scene::on(&entra);
    let database = server.database().await;
    let broker = broker(&scene, &database.url("panel"), Edges::never()).await;
    scene.onboard(&broker, &secrets()).await.expect("a consent");
    broker.close(Duration::from_secs(10)).await;
    let points = at_every_edge(&scene.later(), "exchange", &database).await;
    assert!(points > 10, "{points} points");
}

/// Plays the part on copies of the database with ever later deaths, until it lives; returns how many
/// deaths there were.
async fn at_every_edge(scene: &Scene, part: &str, prepared: &Database<'_>) -> usize {
    for edge in edges::to_try() {
        let database = prepared.copy().await;
        let mut told = scene.0.clone();
        told.extend([
            ("STORE".to_owned(), database.url("panel")),
            ("PART".to_owned(), part.to_owned()),
            ("EDGE".to_owned(), edge.to_string()),
        ]);
        let end = Member::playing("life", &told).end().await;
        let consents = "SELECT count(*) FROM cpv_consent.record WHERE kind = 'consent'";
        if part == "exchange" || end == End::Well {
            assert_eq!(database.count(consents).await, 1, "lost at edge {edge}");
        }
        finished(scene, &database).await;
        if end == End::Well {
            return edge - 1;
        }
    }
    unreachable!("a part has an end")
}

/// The next healthy attempt succeeds, whatever was left, and leaves one consent that works.
async fn finished(scene: &Scene, database: &Database<'_>) {
    let scene = &scene.later();
    let broker = broker(scene, &database.url("panel"), Edges::never()).await;
    match broker.partner(scene.partner()).consent().await.expect("readable") {
        Some(consent) => assert_eq!(*consent.state(), ConsentState::Live),
        None => scene.onboard(&broker, &secrets()).await.expect("begun again"),
    }
    scene.take_tokens(&broker).await.expect("no repair is needed");
    broker.close(Duration::from_secs(10)).await;
    let later = scene.later();
    let broker = self::broker(&later, &database.url("panel"), Edges::never()).await;
    later.take_tokens(&broker).await.expect("and what was rotated was stored");
    broker.close(Duration::from_secs(10)).await;
    let consents = "SELECT count(*) FROM cpv_consent.record WHERE kind = 'consent'";
    assert_eq!(database.count(consents).await, 1);
}
