//! Signed assertions: how often they are signed, and what is said before their certificate ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaKeyPair};
use cpv_consent::{
    ClientCredential, Clock as _, CredentialError, Error, Event, Remedy, Resource, SigningKey,
};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;

use crate::credentials::listing::Listing;
use crate::credentials::{ask, ask_all, certificate, customers, redemptions, secret, set_aside};
use crate::world::{DAY, HOUR, MINUTE, World, registration_proving};

/// A key that counts its signatures.
#[derive(Debug, Clone)]
struct Counting {
    key: Arc<RsaKeyPair>,
    signed: Arc<AtomicUsize>,
}

impl Counting {
    fn new(pem: &str) -> Self {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).expect("PKCS #8");
        let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).expect("RSA");
        Self { key: Arc::new(key), signed: Arc::default() }
    }

    fn signed(&self) -> usize {
        self.signed.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl SigningKey for Counting {
    async fn sign(&self, digest: &[u8; 32]) -> Result<Vec<u8>, CredentialError> {
        self.signed.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let digest = Digest::import_less_safe(digest, &SHA256).expect("its length");
        let mut signature = vec![0; self.key.public_modulus_len()];
        let signed = self.key.sign_digest(&RSA_PSS_SHA256, &digest, &mut signature);
        signed.map_err(|_| CredentialError::Signing)?;
        Ok(signature)
    }
}

#[tokio::test]
async fn an_endpoint_costs_one_signature_in_its_life() {
    let [pem, key] = certificate(60);
    let key = Counting::new(&key);
    let credential = ClientCredential::certificate_signed_by(&pem, key.clone()).expect("valid");
    let world = World::proving(credential).await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let customers = customers(&world, 100);
    assert_eq!(ask_all(&world, &broker, &customers).await, 0);
    assert_eq!(key.signed(), 101, "one at each tenant");
    world.clock.advance(3 * MINUTE);
    let before = redemptions(&world);
    broker.partner(world.contoso).token(Resource::Graph).await.expect("a token");
    assert_eq!(redemptions(&world), before + 1);
    assert_eq!(key.signed(), 101, "the partner's is still good");
    world.clock.advance(MINUTE);
    ask(&world, &broker, customers[0]).await.expect("a token from memory");
    assert_eq!(key.signed(), 101, "nothing is signed ahead of need");
}

#[tokio::test]
async fn what_was_refused_is_signed_anew() {
    //
    let [pem, key] = certificate(60);
    let key = Counting::new(&key);
    let credential = ClientCredential::certificate_signed_by(&pem, key.clone()).expect("valid");
    let world = World::proving(credential).await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let stranger = world.entra.add_customer(world.contoso, "Stranger");
    for signed in [2, 3] {
        ask(&world, &broker, stranger).await.expect_err("it has granted nothing");
        assert_eq!(key.signed(), signed);
    }
}

fn warnings(world: &World) -> Vec<SystemTime> {
    let ends = |event| match event {
        Event::CredentialEnding { ends, .. } => Some(ends),
        _ => None,
    };
    world.events().into_iter().filter_map(ends).collect()
}

#[tokio::test]
async fn the_end_of_a_certificate_is_told_at_thirty_seven_and_one_days() {
    //
    let credential = ClientCredential::certificate(&certificate(40).concat()).expect("valid");
    let end = credential.as_certificate().expect("one").not_after();
    let world = World::proving(credential).await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    for (days, told) in [(31, 0), (30, 1), (29, 1), (8, 1), (6, 2), (2, 2), (1, 3)] {
        let left = end.duration_since(world.clock.now()).expect("it is valid");
        world.clock.advance(left - days * DAY);
        ask(&world, &broker, world.fabrikam).await.expect("a token");
        assert_eq!(warnings(&world), vec![end; told], "{days} days are left");
    }
    world.clock.advance(DAY);
    let error = ask(&world, &broker, world.fabrikam).await.expect_err("it has ended");
    assert!(matches!(error, Error::Credential(CredentialError::Certificate(_))), "{error:?}");
    assert_eq!(error.remedy(), Remedy::FixRegistration);
}

#[tokio::test]
async fn a_certificate_that_ends_gives_way_to_the_next() {
    //
    let ending = ClientCredential::certificate(&certificate(2).concat()).expect("valid");
    let listing = Listing::of([ending.clone().named("ending"), secret("next")]);
    let world = World::proving(listing.credential()).await;
    let cloud = || world.app.cloud().clone();
    world.entra.register(&registration_proving(cloud(), ending));
    world.entra.register_beside(&registration_proving(cloud(), secret("next")));
    let broker = world.broker().await;
    world.onboard(&broker).await;
    world.clock.advance(Duration::from_secs(3 * 86_400));
    world.entra.forget_ledger();
    ask(&world, &broker, world.fabrikam).await.expect("by the secret");
    assert_eq!(set_aside(&world), ["ending"]);
    assert!(world.entra.ledger().iter().all(|request| request.result.is_ok()));
    world.clock.advance(HOUR);
    ask(&world, &broker, world.fabrikam).await.expect("by the secret");
}
