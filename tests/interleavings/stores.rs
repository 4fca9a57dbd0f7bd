//! The stores that are played on, each as if nobody had used it.

use std::sync::Arc;

use cpv_consent::store::{Filter, KeyVaultSecrets, Kind, Memory, Selection, Sqlite, Store};
use cpv_consent::{Broker, BrokerBuilder, KeyRing, KeyVault};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::bench::Hurried;
use crate::past::Past;
use crate::server::{Database, Server};
use crate::stage::Gate;

/// Where consents lie, and all else if that is elsewhere.
#[derive(Debug, Clone)]
pub struct Stores {
    consents: Arc<dyn Store>,
    working: Option<Arc<dyn Store>>,
}

impl Stores {
    fn one(store: impl Store) -> Self {
        Self { consents: Arc::new(store), working: None }
    }

    pub fn of(&self, kind: Kind) -> &Arc<dyn Store> {
        match (&self.working, kind) {
            (Some(working), kind) if kind != Kind::Consent => working,
            _ => &self.consents,
        }
    }

    /// The same ones by the gates of a process.
    pub fn by(&self, gate: impl Fn(&Arc<dyn Store>) -> Gate) -> Self {
        let by = |store: &Arc<dyn Store>| Arc::new(gate(store)) as Arc<dyn Store>;
        Self { consents: by(&self.consents), working: self.working.as_ref().map(by) }
    }

    pub fn builder(self, past: &Past, keys: KeyRing) -> BrokerBuilder {
        let builder = Broker::builder(past.app.clone(), self.consents, keys);
        match self.working {
            Some(working) => builder.working_store(working),
            None => builder,
        }
    }
}

/// Stores, with what must live as long.
pub type Fresh<K> = (Stores, K);

pub async fn memory() -> Fresh<()> {
    (Stores::one(Memory::new()), ())
}

pub async fn sqlite() -> Fresh<TempDir> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().canonicalize().expect("it is there").join("store");
    (Stores::one(Sqlite::open(path).await.expect("a store")), folder)
}

/// One database for all plays, emptied before each.
pub async fn postgres(server: &'static Server) -> Fresh<MutexGuard<'static, ()>> {
    static DATABASE: OnceCell<Database<'static>> = OnceCell::const_new();
    static ALONE: Mutex<()> = Mutex::const_new(());
    let alone = ALONE.lock().await;
    let database = DATABASE.get_or_init(|| server.database()).await;
    database.execute(EMPTY).await;
    (Stores::one(database.open().await), alone)
}

const EMPTY: &str = "
    TRUNCATE cpv_consent.record, cpv_consent.partner_key, cpv_consent.realm;
    UPDATE cpv_consent.clock SET revision = 0;
";

/// The emulator's vault, emptied before each play; what is no consent lies in memory.
pub async fn key_vault(past: &Past) -> Fresh<MutexGuard<'static, ()>> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    let alone = ALONE.lock().await;
    let vault = KeyVault::builder(&past.app, past.entra.key_vault_origin());
    // Its pauses pass at once, for both sides.
    let mut clock = Hurried::default();
    clock.inner = past.clock.clone();
    let vault = vault.expect("a loopback origin").clock(clock).connect().await.expect("a vault");
    let consents = KeyVaultSecrets::open(vault).await.expect("a store");
    let (realm, selection) = (past.app.realm(), Selection::All);
    let left = Filter { realm, kind: Kind::Consent, selection, cursor: None, limit: 1000 };
    for left in consents.list(left).await.expect("a list").records {
        consents.remove(&left.key, left.revision).await.expect("unmoved");
    }
    assert!(past.entra.vault_secret_names().is_empty(), "the vault is empty");
    (Stores { working: Some(Arc::new(Memory::new())), ..Stores::one(consents) }, alone)
}
