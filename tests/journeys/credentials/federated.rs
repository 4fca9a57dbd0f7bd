//! The token of an issuer that the registration trusts, in place of a credential of our own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cpv_consent::emulator::FederatedIssuer;
use cpv_consent::{
    AssertionSource, Broker, ClientCredential, CredentialError, Error, FederatedAssertion, Remedy,
};

use crate::credentials::{ask, ask_all, customers};
use crate::world::{HOUR, MINUTE, World, registration_proving};

/// A workload that is given tokens for an hour.
#[derive(Debug, Clone)]
struct Workload {
    issuer: FederatedIssuer,
    asked: Arc<AtomicUsize>,
    /// Which of its tokens has ended by the time it is shown.
    late: usize,
}

#[async_trait]
impl AssertionSource for Workload {
    async fn assertion(&self) -> Result<FederatedAssertion, CredentialError> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let lifetime = if number == self.late { Duration::ZERO } else { HOUR };
        let token = self.issuer.token(lifetime);
        FederatedAssertion::new(token, HOUR).map_err(CredentialError::withheld)
    }
}

async fn world(late: usize) -> (World, Broker, Arc<AtomicUsize>) {
    let mut world = World::new().await;
    let issuer = world.entra.federate(world.app.client_id(), "workload").expect("registered");
    let asked = Arc::new(AtomicUsize::new(0));
    let source = Workload { issuer, asked: asked.clone(), late };
    let credential = ClientCredential::federated(source);
    world.app = registration_proving(world.app.cloud().clone(), credential);
    world.entra.expire_secrets(world.app.client_id());
    let broker = world.broker().await;
    (world, broker, asked)
}

#[tokio::test]
async fn one_token_serves_every_endpoint_until_near_its_end() {
    let (world, broker, asked) = world(0).await;
    world.onboard(&broker).await;
    assert_eq!(ask_all(&world, &broker, &customers(&world, 20)).await, 0);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    world.clock.advance(56 * MINUTE);
    assert_eq!(ask_all(&world, &broker, &customers(&world, 20)).await, 0);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_refusal_that_is_not_its_own_leaves_it_in_use() {
    let (world, broker, asked) = world(0).await;
    world.onboard(&broker).await;
    let stranger = world.entra.add_customer(world.contoso, "Stranger");
    ask(&world, &broker, stranger).await.expect_err("it has granted nothing");
    ask(&world, &broker, world.fabrikam).await.expect("a token");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn one_that_was_refused_is_not_shown_again() {
    let (world, broker, asked) = world(2).await;
    world.onboard(&broker).await;
    world.clock.advance(HOUR);
    let error = ask(&world, &broker, world.fabrikam).await.expect_err("it has ended");
    assert!(matches!(error, Error::Entra { .. }), "{error:?}");
    assert_eq!(error.remedy(), Remedy::FixRegistration);
    assert!(!format!("{error} {error:?} {:?}", world.events()).contains("eyJ"));
    world.clock.advance(2 * MINUTE); // what the vendor has to mend is left alone so long
    ask(&world, &broker, world.fabrikam).await.expect("the next one holds");
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}
