//! The application's credential has come into wrong hands.

use async_trait::async_trait;
use cpv_consent::emulator::{Grant, Rule};
use cpv_consent::store::Kind;
use cpv_consent::{
    Broker, ClientCredential, CredentialError, CredentialProvider, Error, Remedy, Resource, Token,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::world::late::Late;
use crate::world::{SECRET, World, registration_proving};

/// A broker that shares its tokens by a store that may be late.
async fn sharing(world: &World) -> (Late, Broker) {
    let store = Late::new(world.store().await);
    let broker = world.builder(store.clone()).share_access_tokens().build().await;
    (store, broker.expect("a broker"))
}

async fn own(world: &World, broker: &Broker) -> Result<Token, Error> {
    broker.partner(world.contoso).token(Resource::PartnerCenter).await
}

async fn customer(world: &World, broker: &Broker) -> Result<Token, Error> {
    broker.partner(world.contoso).customer(world.fabrikam).token(Resource::Graph).await
}

fn compromised(broker: &Broker) -> JoinHandle<Result<(), Error>> {
    let broker = broker.clone();
    tokio::spawn(async move { broker.credential_compromised().await })
}

fn redemptions(world: &World) -> usize {
    world.entra.count_tokens(|request| request.grant == Some(Grant::RefreshToken))
}

#[tokio::test]
async fn after_a_compromise_no_token_of_before_is_handed_out() {
    // F-34
    let world = World::new().await;
    let (_, broker) = sharing(&world).await;
    world.onboard(&broker).await;
    let handle = broker.partner(world.contoso).access(Resource::PartnerCenter);
    let before = handle.token().await.expect("a token");
    broker.credential_compromised().await.expect("erased");
    world.entra.forget_ledger();
    let after = handle.token().await.expect("another");
    assert_ne!(before.secret().expose(), after.secret().expose());
    assert_eq!(redemptions(&world), 1, "not from the store either");
}

#[tokio::test]
async fn whoever_asks_while_the_shared_ones_are_being_erased_brings_none_back() {
    // F-34
    let world = World::new().await;
    let (store, broker) = sharing(&world).await;
    world.onboard(&broker).await;
    let before = own(&world, &broker).await.expect("a token");
    store.hold(Kind::AccessToken);
    let erasing = compromised(&broker);
    store.waiting().await;
    let meanwhile = own(&world, &broker).await.expect("a token");
    assert_eq!(meanwhile.secret().expose(), before.secret().expose(), "it is still shared");
    store.release();
    erasing.await.expect("no panic").expect("erased");
    let after = own(&world, &broker).await.expect("a token");
    assert_ne!(after.secret().expose(), before.secret().expose());
}

#[tokio::test]
async fn what_a_flight_of_before_brings_is_neither_handed_out_nor_shared() {
    // F-34
    let world = World::new().await;
    let (_, broker) = sharing(&world).await;
    world.onboard(&broker).await;
    let hold = world.entra.hold_tokens_of(Rule::any().tenant(world.fabrikam));
    let flight = {
        let (broker, contoso, fabrikam) = (broker.clone(), world.contoso, world.fabrikam);
        tokio::spawn(async move {
            broker.partner(contoso).customer(fabrikam).token(Resource::Graph).await
        })
    };
    hold.waiting(1).await;
    broker.credential_compromised().await.expect("erased");
    own(&world, &broker).await.expect("the consent is known again");
    hold.release();
    let error = flight.await.expect("no panic").expect_err("it began before");
    assert!(matches!(error.remedy(), Remedy::Retry { .. }), "{error}");
    world.entra.forget_ledger();
    customer(&world, &broker).await.expect("a token");
    assert_eq!(redemptions(&world), 1, "neither at hand nor shared");
}

#[tokio::test]
async fn what_is_shared_late_is_taken_back() {
    // F-34
    let world = World::new().await;
    let (store, broker) = sharing(&world).await;
    let (_, other) = sharing(&world).await;
    world.onboard(&broker).await;
    store.hold_back(Kind::AccessToken);
    let flight = {
        let (broker, contoso, fabrikam) = (broker.clone(), world.contoso, world.fabrikam);
        tokio::spawn(async move {
            broker.partner(contoso).customer(fabrikam).token(Resource::Graph).await
        })
    };
    store.waiting().await;
    broker.credential_compromised().await.expect("erased");
    store.release();
    flight.await.expect("no panic").expect_err("it began before");
    world.entra.forget_ledger();
    customer(&world, &other).await.expect("a token");
    assert_eq!(redemptions(&world), 1, "it is not shared");
}

/// A provider whose answers wait while it is shut, and which fails on demand.
#[derive(Debug, Clone)]
struct Slow {
    list: watch::Sender<Result<&'static str, CredentialError>>,
    shut: watch::Sender<bool>,
    asked: watch::Sender<usize>,
}

impl Slow {
    fn of(secret: &'static str) -> Self {
        let list = watch::Sender::new(Ok(secret));
        Self { list, shut: watch::Sender::new(false), asked: watch::Sender::new(0) }
    }

    async fn asked(&self, times: usize) {
        let mut asked = self.asked.subscribe();
        asked.wait_for(|asked| *asked >= times).await.expect("its sender is ours");
    }
}

#[async_trait]
impl CredentialProvider for Slow {
    async fn credentials(&self) -> Result<Vec<ClientCredential>, CredentialError> {
        let listed = self.list.borrow().clone();
        self.asked.send_modify(|asked| *asked += 1);
        self.shut.subscribe().wait_for(|shut| !shut).await.expect("its sender is ours");
        let secret = ClientCredential::secret(listed?).map_err(CredentialError::withheld)?;
        Ok(vec![secret])
    }
}

async fn listed_by(provider: &Slow) -> (World, Broker) {
    let world = World::proving(ClientCredential::from_provider(provider.clone())).await;
    entra_takes(&world, SECRET);
    let broker = world.broker().await;
    world.onboard(&broker).await;
    (world, broker)
}

fn entra_takes(world: &World, secret: &str) {
    let credential = ClientCredential::secret(secret).expect("plain text");
    world.entra.register(&registration_proving(world.app.cloud().clone(), credential));
}

#[tokio::test]
async fn a_list_that_was_being_read_before_does_not_count() {
    // F-34
    let provider = Slow::of(SECRET);
    let (world, broker) = listed_by(&provider).await;
    world.clock.advance(crate::world::HOUR);
    provider.shut.send_replace(true);
    let before = *provider.asked.borrow();
    let asking = {
        let (broker, contoso) = (broker.clone(), world.contoso);
        tokio::spawn(async move { broker.partner(contoso).token(Resource::Graph).await })
    };
    provider.asked(before + 1).await;
    let _before = provider.list.send_replace(Ok("canary-the-next"));
    let next = ClientCredential::secret("canary-the-next").expect("plain text");
    world.entra.register_beside(&registration_proving(world.app.cloud().clone(), next));
    let renewing = compromised(&broker);
    for _ in 0..1000 {
        tokio::task::yield_now().await; // it waits for the reading of before
    }
    provider.shut.send_replace(false);
    renewing.await.expect("no panic").expect("listed");
    assert_eq!(*provider.asked.borrow(), before + 2, "read once more");
    asking.await.expect("no panic").expect_err("it began before");
    entra_takes(&world, "canary-the-next");
    world.entra.forget_ledger();
    own(&world, &broker).await.expect("a token");
    assert_eq!(redemptions(&world), 1, "by the new secret at once");
}

#[tokio::test]
async fn a_provider_that_fails_is_an_error_and_the_tokens_are_gone_all_the_same() {
    // F-34
    let provider = Slow::of(SECRET);
    let (world, broker) = listed_by(&provider).await;
    let before = own(&world, &broker).await.expect("a token");
    let _before = provider.list.send_replace(Err(CredentialError::unavailable("it is down")));
    let error = broker.credential_compromised().await.expect_err("the old one may go on");
    assert!(matches!(&error, Error::Credential(CredentialError::Unavailable { .. })), "{error}");
    assert!(matches!(error.remedy(), Remedy::Retry { .. }));
    let after = own(&world, &broker).await.expect("by the old one");
    assert_ne!(after.secret().expose(), before.secret().expose());
    let _before = provider.list.send_replace(Ok(SECRET));
    broker.credential_compromised().await.expect("listed");
}
