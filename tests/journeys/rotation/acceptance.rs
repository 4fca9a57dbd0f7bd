//! Partners who were off-boarded, and a whole backup of the rows from before: with the ring of
//! today nothing of theirs opens, and everything of all others does.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use cpv_consent::emulator::User;
use cpv_consent::store::{Filter, Kind, Postgres, Selection, Sqlite, Store, Stored};
use cpv_consent::{
    Absence, Broker, Error, FoundId, KeyId, KeyRing, LocalKey, Refused, Resource, TenantId,
};
use http::HeaderMap;

use crate::server::{self, Database};
use crate::world::{MINUTE, World, accept, account, capture, raw, refused};

const RECORDS: &str = "records.sqlite3";

/// Where the rows lie, apart from the keys of partners.
enum Place<'s> {
    Files(PathBuf),
    Server(Database<'s>),
}

impl Place<'_> {
    async fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Files(folder) => Arc::new(Sqlite::open(folder).await.expect("a store")),
            Self::Server(database) => {
                Arc::new(Postgres::connect(&database.url("panel")).await.expect("a store"))
            }
        }
    }

    /// Waits until the files of others are closed, and their logs are empty.
    async fn settle(&self) {
        if let Self::Files(folder) = self {
            raw::closed(folder).await;
        }
    }

    /// Every row of every kind but partner keys.
    async fn backup(&self) -> Vec<u8> {
        self.settle().await;
        match self {
            Self::Files(folder) => fs::read(folder.join(RECORDS)).expect("the file of rows"),
            Self::Server(database) => {
                let rows = ["--data-only", "--table=cpv_consent.record"];
                database.server.dump(&database.name, &rows)
            }
        }
    }

    async fn restore(&self, backup: &[u8]) {
        self.settle().await;
        match self {
            Self::Files(folder) => fs::write(folder.join(RECORDS), backup).expect("room"),
            Self::Server(database) => {
                database.execute("TRUNCATE cpv_consent.record").await;
                database.server.restore(&database.name, backup);
            }
        }
    }
}

/// The key of that name, the same each time.
fn key(name: &str) -> LocalKey {
    let mut bytes = [9; 32];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    LocalKey::from_bytes(name, &bytes).expect("a key")
}

fn ring(names: &[&str]) -> KeyRing {
    let mut keys = names.iter().map(|name| key(name));
    let primary = KeyRing::new(keys.next().expect("a name"));
    keys.fold(primary, |ring, key| ring.readable(key).expect("another name"))
}

/// A partner with everything that a store can hold of it.
struct Known {
    tenant: TenantId,
    customer: TenantId,
    account: String,
    /// A finding that waits for its confirmation, and the browser that may confirm it.
    waiting: (FoundId, HeaderMap),
}

struct Office<'s> {
    world: World,
    place: Place<'s>,
}

impl Office<'_> {
    async fn broker(&self, names: &[&str]) -> Broker {
        let store = self.place.open().await;
        let builder = Broker::builder(self.world.app.clone(), store, ring(names));
        let builder = builder.clock(self.world.clock.clone()).share_access_tokens();
        builder.build().await.expect("a broker")
    }

    async fn onboard(&self, broker: &Broker, name: &str) -> Known {
        let entra = &self.world.entra;
        let tenant = entra.add_tenant(name);
        let admin = entra.add_user(tenant, &format!("admin@{name}.example"));
        let customer = entra.add_customer(tenant, &format!("{name}'s customer"));
        let client = self.world.app.client_id();
        entra.grant(customer, client, crate::world::GRAPH, &["Directory.Read.All"]);
        let account = format!("panel-{name}");
        let (id, headers) = found(broker, tenant, &account, &admin).await;
        let found_again = broker.found(&id, &headers).await.expect("it waits");
        found_again.confirm().await.expect("a consent");
        let partner = broker.partner(tenant);
        partner.token(Resource::PartnerCenter).await.expect("a token");
        partner.customer(customer).token(Resource::Graph).await.expect("a token");
        self.world.clock.advance(MINUTE);
        let waiting = found(broker, tenant, &account, &admin).await;
        Known { tenant, customer, account, waiting }
    }

    /// Of which kinds there are rows of a partner.
    async fn kinds_of(&self, partner: &Known) -> Vec<&'static str> {
        let (store, mut found) = (self.place.open().await, BTreeSet::new());
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::PartnerKey) {
            let (realm, selection, cursor) = (self.world.app.realm(), Selection::All, None);
            let filter = Filter { realm, kind, selection, cursor, limit: usize::MAX };
            let rows = store.list(filter).await.expect("readable").records;
            let is_theirs = |row: &Stored| row.key.partner() == Some(partner.tenant);
            found.extend(rows.iter().any(is_theirs).then_some(kind.name()));
        }
        found.into_iter().collect()
    }

    /// Nothing of it opens by any door, and Entra hears nothing of it.
    async fn assert_gone(&self, broker: &Broker, gone: &Known) {
        let asked = self.world.entra.ledger().len();
        let partner = broker.partner(gone.tenant);
        let account = broker.account(account(&gone.account));
        for outcome in [
            partner.token(Resource::PartnerCenter).await.map(drop),
            partner.token(Resource::Graph).await.map(drop),
            partner.customer(gone.customer).token(Resource::Graph).await.map(drop),
            partner.consent().await.map(drop),
            account.partner(gone.tenant).token(Resource::Graph).await.map(drop),
        ] {
            let is_gone = matches!(
                outcome,
                Err(Error::NoConsent { absence: Absence::Withdrawn, partner }) if partner == gone.tenant
            );
            assert!(is_gone, "{outcome:?}");
        }
        let (id, headers) = &gone.waiting;
        let found = refused(broker.found(id, headers).await);
        assert_eq!(found, Refused::Withdrawn(gone.tenant));
        assert_eq!(self.world.entra.ledger().len(), asked, "no request was made for it");
    }

    async fn assert_served(&self, broker: &Broker, known: &Known) {
        let partner = broker.partner(known.tenant);
        let consent = partner.consent().await.expect("readable").expect("there");
        assert_eq!(consent.account().as_str(), known.account);
        for token in
            [partner.token(Resource::PartnerCenter).await, partner.token(Resource::Graph).await]
        {
            assert_eq!(token.expect("served").tenant(), known.tenant);
        }
        let token = partner.customer(known.customer).token(Resource::Graph).await;
        assert_eq!(token.expect("served").tenant(), known.customer);
        let (id, headers) = &known.waiting;
        broker
            .found(id, headers)
            .await
            .expect("it waits as before")
            .confirm()
            .await
            .expect("a consent");
    }
}

/// The administrator has consented, and nobody has confirmed it yet.
async fn found(broker: &Broker, tenant: TenantId, of: &str, admin: &User) -> (FoundId, HeaderMap) {
    let pending = broker.partner(tenant).request_consent(account(of)).await.expect("a flow");
    let request = accept(&pending, admin).await;
    let found = capture(broker, &request).await.expect("everything holds");
    (found.id().clone(), request.headers().clone())
}

/// Six partners, of whom two are off-boarded after the backup; then the ring's key is replaced.
async fn off_boarded_partners_stay_gone(world: World, place: Place<'_>) {
    let office = Office { world, place };
    let broker = office.broker(&["old"]).await;
    let mut known = Vec::new();
    for name in ["adatum", "fourth", "litware", "tailspin", "wingtip", "northwind"] {
        known.push(office.onboard(&broker, name).await);
    }
    broker.close(MINUTE).await;
    let backup = office.place.backup().await;
    let broker = office.broker(&["new", "old"]).await;
    let gone: Vec<Known> = known.drain(..2).collect();
    for partner in &gone {
        assert_eq!(office.kinds_of(partner).await, ["access-token", "consent", "found"]);
        broker.partner(partner.tenant).shred().await.expect("a partner");
    }
    assert_eq!(broker.rotate_keys().run().await.expect("a rotation").left(), 0);
    broker.retire_key(&KeyId::new("old").expect("an id")).await.expect("nothing is under it");
    broker.close(MINUTE).await;

    office.place.restore(&backup).await;
    let broker = office.broker(&["new"]).await;
    for partner in &gone {
        let back = office.kinds_of(partner).await;
        assert_eq!(back, ["access-token", "consent", "found"], "the backup brought it all");
        office.assert_gone(&broker, partner).await;
    }
    for partner in &known {
        office.assert_served(&broker, partner).await;
    }
    let scanned = broker.scan().run().await.expect("a scan");
    assert!(scanned.is_sound(), "what was let go is no damage: {:?}", scanned.damaged());
    for partner in &gone {
        office.assert_gone(&broker, partner).await;
    }
}

#[tokio::test]
async fn no_backup_of_files_brings_an_off_boarded_partner_back() {
    // R-129, F-24
    let world = World::new().await;
    let place = Place::Files(world.store_folder());
    off_boarded_partners_stay_gone(world, place).await;
}

#[tokio::test]
async fn no_backup_of_a_servers_rows_brings_an_off_boarded_partner_back() {
    // R-129, F-24
    let Some(server) = server::shared() else { return };
    let place = Place::Server(server.database().await);
    off_boarded_partners_stay_gone(World::new().await, place).await;
}
