//! The vendor's side, broken: settings, credential to show, keys, store.

use std::sync::Arc;

use async_trait::async_trait;
use cpv_consent::store::{
    Entry, Expect, Filter, Key, Kind, Memory, Page, Promises, Revision, Store, StoreError, Stored,
};
use cpv_consent::web::{Brand, WebDoor};
use cpv_consent::{
    Broker, Checked, ClientCredential, CredentialError, CredentialProvider, DataKey, Error,
    KeyError, KeyId, KeyRing, KeyWrap, LocalKey, ReceiptKey, ReceiptPublicKey, ReceiptSigner,
    Topic, Trouble,
};

use super::bench::{builder, look, only, outcome};
use crate::world::{World, rows};

/// What is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    ReadOnly,
    Away,
    IgnoresAbsent,
    IgnoresRevisions,
    Forgets,
    KeepsWhatIsRemoved,
    NoCompareAndSwap,
    Volatile,
}

/// A store that promises to last, broken in one way.
#[derive(Debug)]
struct Broken {
    fault: Fault,
    store: Arc<Memory>,
}

impl Broken {
    fn new(fault: Fault) -> Self {
        Self { fault, store: Arc::default() }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }
}

#[async_trait]
impl Store for Broken {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        match self.fault {
            Fault::Away => Err(StoreError::unavailable("it is down")),
            Fault::Forgets => Ok(None),
            _ => self.store.get(key).await,
        }
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        let present = self.store.get(key).await?.map(|stored| stored.revision);
        let blind = present.map_or(Expect::Absent, Expect::At);
        match (self.fault, expect) {
            (Fault::Away, _) => Err(StoreError::unavailable("it is down")),
            (Fault::ReadOnly, _) => Err(StoreError::ReadOnly),
            (Fault::IgnoresAbsent, Expect::Absent) | (Fault::IgnoresRevisions, Expect::At(_)) => {
                self.store.put(key, entry, blind).await
            }
            _ => self.store.put(key, entry, expect).await,
        }
    }

    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError> {
        if self.is(Fault::KeepsWhatIsRemoved) { Ok(()) } else { self.store.remove(key, at).await }
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        self.store.list(filter).await
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        self.store.realms().await
    }

    fn promises(&self) -> Promises {
        Promises {
            durable: !self.is(Fault::Volatile),
            compare_and_swap: !self.is(Fault::NoCompareAndSwap),
            ..self.store.promises()
        }
    }
}

#[tokio::test]
async fn a_store_that_does_not_keep_what_it_should_is_found() {
    let world = World::new().await;
    for (fault, expected) in [
        (Fault::ReadOnly, Trouble::Store(StoreError::ReadOnly)),
        (Fault::Away, Trouble::Store(StoreError::unavailable("it is down"))),
        (Fault::IgnoresAbsent, Trouble::BrokenPromise("absent_means_absent")),
        (Fault::IgnoresRevisions, Trouble::BrokenPromise("a_moved_revision_conflicts")),
        (Fault::Forgets, Trouble::BrokenPromise("a_put_is_read_back")),
        (Fault::KeepsWhatIsRemoved, Trouble::BrokenPromise("a_removed_record_is_gone")),
        (Fault::Volatile, Trouble::Forgetful),
    ] {
        let checkup = look(&world, &world.builder(Broken::new(fault))).await;
        assert_eq!(only(&checkup, Topic::Store), expected, "{fault:?}");
    }
}

#[tokio::test]
async fn nothing_is_left_in_the_store() {
    let world = World::new().await;
    assert!(look(&world, &builder(&world).await).await.is_healthy());
    for kind in Kind::ALL {
        assert_eq!(rows(&world.store_folder(), kind.name()), 0, "{kind}");
    }
}

#[tokio::test]
async fn what_a_broker_would_not_be_built_with_is_found_without_building() {
    let world = World::new().await;
    let checkup = look(&world, &world.builder(Broken::new(Fault::NoCompareAndSwap))).await;
    let Trouble::Setting(invalid) = only(&checkup, Topic::Settings) else { panic!("{checkup}") };
    assert_eq!(invalid.field(), "store");
    let checkup = look(&world, &builder(&world).await.mfa_probe("customers")).await;
    let Trouble::Setting(invalid) = only(&checkup, Topic::Settings) else { panic!("{checkup}") };
    assert_eq!(invalid.field(), "mfa probe");
}

#[tokio::test]
async fn a_start_page_that_build_refuses_is_found_in_the_same_words() {
    let world = World::new().await;
    for page in ["invited", "https://other.example/invited", "https://panel.example/invited?x=1"] {
        let builder = builder(&world).await.start_page(page);
        let found = only(&look(&world, &builder).await, Topic::Settings);
        let Err(Error::Setting(refused)) = builder.build().await else { panic!("{page}") };
        assert_eq!(found, Trouble::Setting(refused), "{page}");
    }
}

#[tokio::test]
async fn what_the_web_door_refuses_is_found_in_the_same_words_where_there_is_one() {
    let world = World::new().await;
    let elsewhere = builder(&world).await.start_page("https://panel.example/invited");
    assert!(look(&world, &elsewhere).await.is_healthy(), "pages of one's own may stand there");
    let found = only(&elsewhere.doctor().web_door().await, Topic::Settings);
    let broker = elsewhere.build().await.expect("a broker");
    let refused = WebDoor::new(broker, Brand::new("Panel").expect("a name"))
        .expect_err("it stands elsewhere");
    assert_eq!(found, Trouble::Setting(refused));

    let beside = builder(&world).await.start_page("https://panel.example/consent/invited");
    assert!(beside.doctor().web_door().await.is_healthy());
    let wrong = builder(&world).await.start_page("invited");
    only(&wrong.doctor().web_door().await, Topic::Settings);
}

#[tokio::test]
async fn a_working_store_is_looked_at_too_and_need_not_last() {
    let world = World::new().await;
    let checkup = look(&world, &builder(&world).await.working_store(Memory::new())).await;
    assert!(checkup.is_healthy(), "{checkup}");
    assert!(matches!(outcome(&checkup, Topic::WorkingStore), Checked::Passed));
    let broken = Broken::new(Fault::ReadOnly);
    let checkup = look(&world, &builder(&world).await.working_store(broken)).await;
    let trouble = only(&checkup, Topic::WorkingStore);
    assert_eq!(trouble, Trouble::Store(StoreError::ReadOnly));
}

/// A key that does not do its work.
#[derive(Debug)]
struct Lame(LocalKey, KeyError);

#[async_trait]
impl KeyWrap for Lame {
    fn id(&self) -> &KeyId {
        self.0.id()
    }

    async fn wrap(&self, key: &DataKey) -> Result<Vec<u8>, KeyError> {
        self.0.wrap(key).await
    }

    async fn unwrap(&self, _: &[u8]) -> Result<DataKey, KeyError> {
        Err(self.1.clone())
    }

    fn origin(&self) -> &DataKey {
        self.0.origin()
    }
}

#[tokio::test]
async fn a_key_that_does_not_open_what_it_sealed_is_found() {
    let world = World::new().await;
    let id = KeyId::new("lame").expect("a key's name");
    for error in [
        KeyError::Refused { id: id.clone() },
        KeyError::Unavailable { id: id.clone(), because: "no network".into() },
        KeyError::Forbidden { id, because: "no right to unwrap".into() },
    ] {
        let key = Lame(LocalKey::generate("lame").expect("a key"), error.clone());
        let store = world.store().await;
        let builder = Broker::builder(world.app.clone(), store, KeyRing::new(key));
        let checkup = look(&world, &builder.clock(world.clock.clone())).await;
        assert_eq!(only(&checkup, Topic::Keys), Trouble::Key(error));
    }
}

#[tokio::test]
async fn a_retired_key_is_found_before_a_broker_refuses_it() {
    let world = World::new().await;
    let [old, new] = [1, 2].map(|from| std::array::from_fn::<u8, 32, _>(|at| from + at as u8));
    let key = |name, bytes| LocalKey::from_bytes(name, bytes).expect("a key");
    let ring = KeyRing::new(key("new", &new)).readable(key("old", &old)).expect("another name");
    let store: Arc<dyn Store> = Arc::new(world.store().await);
    let with =
        |ring| Broker::builder(world.app.clone(), store.clone(), ring).clock(world.clock.clone());
    let broker = with(ring).build().await.expect("a broker");
    broker.retire_key(&KeyId::new("old").expect("a name")).await.expect("nothing is under it");
    let ring = KeyRing::new(key("old", &old)).readable(key("new", &new)).expect("another name");
    let checkup = look(&world, &with(ring)).await;
    assert!(matches!(only(&checkup, Topic::Keys), Trouble::Key(KeyError::Retired { .. })));
}

#[derive(Debug)]
struct Lists(Result<Vec<ClientCredential>, CredentialError>);

#[async_trait]
impl CredentialProvider for Lists {
    async fn credentials(&self) -> Result<Vec<ClientCredential>, CredentialError> {
        self.0.clone()
    }
}

#[tokio::test]
async fn a_credential_that_cannot_be_shown_is_found() {
    for (listed, expected) in [
        (Ok(Vec::new()), CredentialError::NoneListed),
        (
            Err(CredentialError::withheld("no right to read it")),
            CredentialError::withheld("no right to read it"),
        ),
    ] {
        let world = World::proving(ClientCredential::from_provider(Lists(listed))).await;
        let checkup = look(&world, &builder(&world).await).await;
        assert_eq!(only(&checkup, Topic::CredentialShown), Trouble::Credential(expected));
        assert!(matches!(outcome(&checkup, Topic::CredentialTaken), Checked::NotChecked(_)));
    }
}

/// Names one key, and signs with another.
#[derive(Debug)]
struct Mistaken {
    named: ReceiptKey,
    used: ReceiptKey,
}

#[async_trait]
impl ReceiptSigner for Mistaken {
    fn public(&self) -> &ReceiptPublicKey {
        self.named.public()
    }

    async fn sign(&self, text: &[u8]) -> Result<[u8; 64], KeyError> {
        self.used.sign(text).await
    }
}

#[tokio::test]
async fn receipts_that_would_not_verify_are_found() {
    let world = World::new().await;
    let key = || ReceiptKey::new(&LocalKey::generate("receipts").expect("a key"));
    let without = look(&world, &builder(&world).await).await;
    assert!(without.lines().iter().all(|line| line.topic() != Topic::ReceiptKey), "{without}");
    let with = look(&world, &builder(&world).await.receipts(key())).await;
    assert!(matches!(outcome(&with, Topic::ReceiptKey), Checked::Passed), "{with}");
    let mistaken = Mistaken { named: key(), used: key() };
    let id = mistaken.public().id().clone();
    let found = look(&world, &builder(&world).await.receipts(mistaken)).await;
    let refused = Trouble::ReceiptKey(KeyError::Refused { id });
    assert_eq!(only(&found, Topic::ReceiptKey), refused);
}
