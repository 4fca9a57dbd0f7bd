//! What happens when nothing that is listed is taken.

use cpv_consent::emulator::{Failure, Rule};
use cpv_consent::{ClientCredential, CredentialError, Error, Remedy};

use crate::credentials::listing::Listing;
use crate::credentials::{
    WRONG_SECRET, ask, ask_all, customers, redemptions, refused, secret, set_aside,
};
use crate::world::{HOUR, MINUTE, SECRET, World, registration_proving};

/// A partner that works, and then only wrong credentials.
async fn with_only_wrong_ones(listing: &Listing) -> (World, cpv_consent::Broker) {
    let right = ClientCredential::secret(SECRET).expect("plain");
    listing.now([right.clone()]);
    let world = World::proving(listing.credential()).await;
    world.entra.register(&registration_proving(world.app.cloud().clone(), right));
    let broker = world.broker().await;
    world.onboard(&broker).await;
    listing.now([secret("first"), secret("second")]);
    world.clock.advance(2 * HOUR);
    world.entra.forget_ledger();
    (world, broker)
}

#[tokio::test]
async fn only_when_every_credential_was_refused_does_a_request_fail() {
    // F-34
    let listing = Listing::default();
    let (world, broker) = with_only_wrong_ones(&listing).await;
    let error = ask(&world, &broker, world.fabrikam).await.expect_err("both are wrong");
    assert!(matches!(error, Error::Entra { .. }), "{error:?}");
    assert_eq!(error.remedy(), Remedy::FixRegistration);
    assert_eq!(set_aside(&world), ["first", "second"]);
    assert_eq!(redemptions(&world), 2, "each was tried once");
    let another = world.entra.add_customer(world.contoso, "Another");
    ask(&world, &broker, another).await.expect_err("still");
    assert_eq!(redemptions(&world), 3, "no second try without hope");
    let (reads, a_third) = (listing.reads(), world.entra.add_customer(world.contoso, "A third"));
    ask(&world, &broker, a_third).await.expect_err("still");
    assert_eq!(redemptions(&world), 4);
    assert_eq!(listing.reads(), reads, "the list had nothing new a moment ago");
    let consent = broker.partner(world.contoso).consent().await.expect("readable");
    assert_eq!(*consent.expect("stored").state(), cpv_consent::ConsentState::Live);
}

#[tokio::test]
async fn one_tenants_refusals_set_no_proven_credential_aside_for_the_others() {
    // R-113, F-34
    let right = ClientCredential::secret(SECRET).expect("plain").named("right");
    let listing = Listing::of([right.clone(), secret("wrong")]);
    let world = World::proving(listing.credential()).await;
    world.entra.register(&registration_proving(world.app.cloud().clone(), right));
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let (customers, rule) = (customers(&world, 20), Rule::any().tenant(world.fabrikam));
    world.entra.fail_tokens(rule, Failure::aadsts(WRONG_SECRET));
    ask(&world, &broker, world.fabrikam).await.expect_err("it refuses everything");
    assert_eq!(set_aside(&world), ["wrong"], "which nobody has ever taken");
    assert_eq!(ask_all(&world, &broker, &customers[..10]).await, 0);
    assert_eq!(refused(&world), 2);
    for _ in 0..2 {
        world.clock.advance(MINUTE * 11);
        ask(&world, &broker, world.fabrikam).await.expect_err("it refuses everything");
    }
    assert_eq!(ask_all(&world, &broker, &customers[10..]).await, 0, "even so");
}

#[tokio::test]
async fn no_name_of_a_credential_is_a_secret() {
    let listing = Listing::default();
    let (world, broker) = with_only_wrong_ones(&listing).await;
    let error = ask(&world, &broker, world.fabrikam).await.expect_err("both are wrong");
    let unnamed = ClientCredential::secret("canary-unnamed").expect("plain");
    let shown = format!(
        "{error} {error:?} {:?} {broker:?} {:?} {} {unnamed:?}",
        world.events(),
        listing.credential(),
        unnamed.name(),
    );
    assert!(!shown.contains("canary"), "{shown}");
}

#[tokio::test]
async fn a_provider_that_never_answered_is_waited_for() {
    let listing = Listing::default();
    let world = World::proving(listing.credential()).await;
    world.entra.register(&registration_proving(world.app.cloud().clone(), secret("right")));
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    listing.is_down(true);
    let error = crate::world::capture(&broker, &request).await.expect_err("no credential");
    let down = CredentialError::unavailable("it is down");
    assert!(matches!(&error, Error::Credential(found) if *found == down), "{error:?}");
    assert!(matches!(error.remedy(), Remedy::Retry { .. }));
    assert_eq!(world.entra.ledger().len(), 0);
    listing.is_down(false);
    let request = world.callback(&broker).await;
    let error = crate::world::capture(&broker, &request).await.expect_err("none is listed");
    assert!(matches!(error, Error::Credential(CredentialError::NoneListed)), "{error:?}");
    listing.now([ClientCredential::from_provider(Listing::default())]);
    let request = world.callback(&broker).await;
    let error = crate::world::capture(&broker, &request).await.expect_err("a list in a list");
    assert_eq!(error.remedy(), Remedy::FixRegistration);
    listing.now([secret("right")]);
    world.clock.advance(HOUR);
    world.onboard(&broker).await;
}
