//! The vendor's own credential while the application runs: rotated, retired, refused, signed
//! elsewhere, supplied by another issuer.
//!
//! All of it over real HTTP against the emulator, which counts what it was asked.

mod assertions;
mod federated;
mod key_vault;
mod listing;
mod refused;
mod rotation;

use std::time::{Duration, SystemTime};

use crate::world::{DAY, GRAPH, World};
use cpv_consent::emulator::Grant;
use cpv_consent::{Broker, ClientCredential, Error, Event, Resource, TenantId, Token};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use tokio::task::JoinSet;

/// AADSTS: the secret is wrong.
const WRONG_SECRET: u32 = 7_000_215;

/// A certificate with its key, valid for some days from the machine's present time.
fn certificate(days: u32) -> [String; 2] {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
    let mut params = CertificateParams::new(vec![]).expect("no names");
    let now = SystemTime::now();
    (params.not_before, params.not_after) = ((now - DAY).into(), (now + days * DAY).into());
    let certificate = params.self_signed(&key).expect("a certificate");
    [certificate.pem(), key.serialize_pem()]
}

fn secret(name: &str) -> ClientCredential {
    ClientCredential::secret(format!("canary-{name}")).expect("visible ASCII").named(name)
}

/// So many customers that have granted what is asked for.
fn customers(world: &World, count: usize) -> Vec<TenantId> {
    let granted = |number| {
        let customer = world.entra.add_customer(world.contoso, &format!("Customer {number}"));
        world.entra.grant(customer, world.app.client_id(), GRAPH, &["Directory.Read.All"]);
        customer
    };
    (0..count).map(granted).collect()
}

/// Asks for a token at each customer, eight at a time; says how many failed.
async fn ask_all(world: &World, broker: &Broker, customers: &[TenantId]) -> usize {
    let (mut asking, mut failed) = (JoinSet::new(), 0);
    for customer in customers.iter().copied() {
        if asking.len() == 8 {
            failed += asking.join_next().await.map_or(0, failure);
        }
        let (broker, partner) = (broker.clone(), world.contoso);
        asking.spawn(async move {
            broker.partner(partner).customer(customer).token(Resource::Graph).await
        });
    }
    while let Some(landed) = asking.join_next().await {
        failed += failure(landed);
    }
    failed
}

fn failure(landed: Result<Result<Token, Error>, tokio::task::JoinError>) -> usize {
    usize::from(landed.expect("no panic").is_err())
}

async fn ask(world: &World, broker: &Broker, customer: TenantId) -> Result<Token, Error> {
    broker.partner(world.contoso).customer(customer).token(Resource::Graph).await
}

/// How many refresh tokens were sent to Entra.
fn redemptions(world: &World) -> usize {
    world.entra.count_tokens(|request| request.grant == Some(Grant::RefreshToken))
}

/// How many requests Entra refused for the credential.
fn refused(world: &World) -> usize {
    world.entra.count_tokens(|request| request.result == Err(WRONG_SECRET))
}

/// The credentials that were set aside, in order.
fn set_aside(world: &World) -> Vec<String> {
    let name = |event| match event {
        Event::CredentialSetAside { credential, .. } => Some(credential),
        _ => None,
    };
    world.events().into_iter().filter_map(name).collect()
}

fn proven(world: &World) -> Vec<String> {
    let name = |event| match event {
        Event::CredentialProven { credential } => Some(credential),
        _ => None,
    };
    world.events().into_iter().filter_map(name).collect()
}

/// Longer than a list of credentials is used without being read again.
const STALE: Duration = Duration::from_secs(16 * 60);
