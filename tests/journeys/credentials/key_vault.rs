//! A certificate whose key lies in Key Vault.

use cpv_consent::emulator::{CredentialKind, Grant};
use cpv_consent::{
    ClientCredential, CredentialError, Error, KeyVault, ManagedIdentity, Remedy, Resource,
};

use crate::credentials::listing::Listing;
use crate::credentials::{ask, ask_all, customers, set_aside};
use crate::world::{DAY, HOUR, SECRET, World, registration_proving};

/// A world with a vault that believes this machine's identity.
async fn with_vault() -> (World, KeyVault) {
    let world = World::new().await;
    world.entra.add_managed_identity();
    let at = world.entra.managed_identity_origin();
    let identity = ManagedIdentity::danger_loopback(at).expect("a loopback origin");
    let (cloud, home) = (world.app.cloud().clone(), world.app.home());
    let vault = KeyVault::for_identity(&cloud, home, world.entra.key_vault_origin(), identity);
    let vault = vault.expect("a loopback origin").clock(world.clock.clone());
    let vault = vault.connect().await.expect("a vault");
    (world, vault)
}

fn signatures(world: &World) -> usize {
    let calls = world.entra.vault_calls();
    calls.iter().filter(|call| call.path.ends_with("/sign")).count()
}

fn prove_with(world: &mut World, credential: ClientCredential) {
    world.app = registration_proving(world.app.cloud().clone(), credential);
    world.entra.register(&world.app);
}

#[tokio::test]
async fn the_key_signs_in_the_vault_once_for_each_endpoint() {
    //
    let (mut world, vault) = with_vault().await;
    let kid = world.entra.create_vault_key("panel");
    let pem = world.entra.vault_certificate(&kid, 60 * DAY).expect("a key");
    prove_with(&mut world, ClientCredential::key_vault(&pem, &vault, &kid).expect("its key"));
    let broker = world.broker().await;
    world.onboard(&broker).await;
    assert_eq!(signatures(&world), 1, "code and proofs went to one endpoint");
    assert_eq!(ask_all(&world, &broker, &customers(&world, 10)).await, 0);
    assert_eq!(signatures(&world), 11);
    let ledger = world.entra.ledger();
    let kinds = ledger.iter().map(|request| request.credential);
    assert!(kinds.into_iter().all(|kind| kind == CredentialKind::AssertionPs256));
    let own = world.entra.count_tokens(|r| r.grant == Some(Grant::ClientCredentials));
    assert_eq!(own, 0, "the vault was asked by the machine, not by the application");
}

#[tokio::test]
async fn a_thousand_who_ask_at_once_cost_one_signature() {
    let (mut world, vault) = with_vault().await;
    let kid = world.entra.create_vault_key("panel");
    let pem = world.entra.vault_certificate(&kid, 60 * DAY).expect("a key");
    prove_with(&mut world, ClientCredential::key_vault(&pem, &vault, &kid).expect("its key"));
    let broker = world.broker().await;
    world.onboard(&broker).await;
    world.clock.advance(2 * HOUR);
    let before = signatures(&world);
    let asking = (0..1000).map(|number| {
        let (broker, contoso) = (broker.clone(), world.contoso);
        let resource = if number % 2 == 0 { Resource::Graph } else { Resource::PartnerCenter };
        tokio::spawn(async move { broker.partner(contoso).token(resource).await })
    });
    for asked in asking.collect::<Vec<_>>() {
        asked.await.expect("no panic").expect("a token");
    }
    assert_eq!(signatures(&world) - before, 1);
}

#[tokio::test]
async fn another_key_than_the_certificates_own_sends_nothing() {
    //
    let (mut world, vault) = with_vault().await;
    let (kid, other) =
        (world.entra.create_vault_key("panel"), world.entra.create_vault_key("other"));
    let pem = world.entra.vault_certificate(&kid, 60 * DAY).expect("a key");
    assert!(ClientCredential::key_vault(&pem, &vault, "https://elsewhere/keys/a/b").is_err());
    prove_with(&mut world, ClientCredential::key_vault(&pem, &vault, &other).expect("a key"));
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    let error = crate::world::capture(&broker, &request).await.expect_err("it is not its own");
    assert!(matches!(error, Error::Credential(CredentialError::Certificate(_))), "{error:?}");
    assert_eq!(error.remedy(), Remedy::FixRegistration);
    assert_eq!(world.entra.ledger().len(), 0);
}

#[tokio::test]
async fn a_vault_that_refuses_is_replaced_by_the_next_credential() {
    // F-34
    let (mut world, vault) = with_vault().await;
    let kid = world.entra.create_vault_key("panel");
    let pem = world.entra.vault_certificate(&kid, 60 * DAY).expect("a key");
    let key = ClientCredential::key_vault(&pem, &vault, &kid).expect("its key").named("vault");
    let secret = ClientCredential::secret(SECRET).expect("plain");
    let listing = Listing::of([key.clone(), secret.clone()]);
    prove_with(&mut world, key);
    let beside = registration_proving(world.app.cloud().clone(), secret);
    world.entra.register_beside(&beside);
    world.app = registration_proving(world.app.cloud().clone(), listing.credential());
    let broker = world.broker().await;
    world.onboard(&broker).await;
    world.entra.vault_key_enabled(&kid, false);
    world.clock.advance(2 * HOUR);
    world.entra.forget_ledger();
    ask(&world, &broker, world.fabrikam).await.expect("by the secret");
    assert_eq!(set_aside(&world), ["vault"]);
    let ledger = world.entra.ledger();
    assert!(
        ledger.iter().all(|r| r.credential == CredentialKind::SecretInBody && r.result.is_ok())
    );
}
