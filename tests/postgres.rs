//! PostgreSQL, a real server: what it promises, whom it refuses, and what it survives.

#![cfg(unix)]
#![allow(unreachable_pub)] // its modules are of one program

#[path = "secrecy/logs.rs"]
mod logs;
mod mount;
#[path = "secrecy/searcher.rs"]
mod searcher;
#[allow(dead_code)] // it serves other programs too
#[path = "secrecy/witness.rs"]
mod witness;
mod world;

#[path = "postgres/commits.rs"]
mod commits;
#[allow(dead_code)] // it serves other programs too
#[path = "crash/edges.rs"]
mod edges;
#[path = "postgres/failover.rs"]
mod failover;
#[path = "postgres/faults.rs"]
mod faults;
#[path = "postgres/fleet.rs"]
mod fleet;
#[path = "postgres/full.rs"]
mod full;
#[path = "postgres/kills.rs"]
mod kills;
#[path = "postgres/member.rs"]
mod member;
#[path = "postgres/outcomes.rs"]
mod outcomes;
#[path = "postgres/proxy.rs"]
mod proxy;
#[path = "postgres/refusals.rs"]
mod refusals;
#[path = "postgres/restarts.rs"]
mod restarts;
#[path = "postgres/revisions.rs"]
mod revisions;
#[path = "postgres/rows.rs"]
mod rows;
#[allow(dead_code)] // it serves other programs too
#[path = "crash/scene.rs"]
mod scene;
#[path = "postgres/secrecy.rs"]
mod secrecy;
#[path = "postgres/server.rs"]
mod server;
#[path = "postgres/tls.rs"]
mod tls;

use std::sync::Arc;

use cpv_consent::store::conformance;
use cpv_consent::store::{Entry, Expect, Key, Kind, Postgres, Revision, Store};
use cpv_consent::{AppRegistration, ClientCredential, ClientId, Cloud, Realm, Sealed, TenantId};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_its_promises() {
    //
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let url = database.url("panel");
    let open = || async { Ok(Arc::new(Postgres::connect(&url).await?) as Arc<dyn Store>) };
    let report = conformance::check(open).await.expect("it keeps its promises");
    assert_eq!(report.kept.len(), 16);
    assert_eq!(report.unpromised, [""; 0]);
}

fn realm() -> Realm {
    const GUID: &str = "11111111-1111-4111-8111-111111111111";
    let home = TenantId::parse(GUID).expect("a GUID");
    let application = ClientId::parse(GUID).expect("a GUID");
    let credential = ClientCredential::secret("a-secret").expect("plain text");
    let redirect = "https://panel.example/callback";
    AppRegistration::new(Cloud::Global, home, application, credential, redirect)
        .expect("a registration")
        .realm()
}

fn key(kind: Kind, id: &str) -> Key {
    Key::new(realm(), kind, None, id)
}

fn entry(text: &str) -> Entry {
    Entry { sealed: Sealed::from_bytes(text.as_bytes().to_vec()), due: None }
}

/// A new consent record with this id.
async fn put(store: &Postgres, id: &str) -> Revision {
    let put = store.put(&key(Kind::Consent, id), entry(id), Expect::Absent).await;
    put.expect("there is none")
}
