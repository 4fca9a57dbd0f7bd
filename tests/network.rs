//! Networks, clocks and callers that misbehave, and an attacker who has some of what is needed but
//! not all: each test on the emulator or on real sockets.

#![allow(unreachable_pub)] // its modules are of one program

#[path = "network/answers.rs"]
mod answers;
#[path = "network/cancelled.rs"]
mod cancelled;
#[path = "network/child.rs"]
mod child;
#[path = "network/clocks.rs"]
mod clocks;
#[path = "network/clouds.rs"]
mod clouds;
#[path = "network/endpoints.rs"]
mod endpoints;
#[allow(dead_code)] // another program uses the rest of it
#[path = "wire/entra.rs"]
mod entra;
#[path = "network/names.rs"]
mod names;
#[path = "network/proxies.rs"]
mod proxies;
#[path = "network/secrets.rs"]
mod secrets;
#[allow(dead_code)] // another program uses the rest of it
#[path = "wire/signer.rs"]
mod signer;
#[path = "network/sockets.rs"]
mod sockets;
#[path = "network/theft.rs"]
mod theft;
#[path = "network/tls.rs"]
mod tls;
#[path = "network/tls_server.rs"]
mod tls_server;
mod world;

use std::time::Duration;

use cpv_consent::emulator::Grant;
use cpv_consent::{Broker, Consent, Error, Event, Resource, Token};
use world::{HOUR, World};

/// Nothing here takes so long unless it hangs.
const FAIL_SAFE: Duration = Duration::from_secs(60);

fn redemptions(world: &World) -> usize {
    world.entra.count_tokens(|request| request.grant == Some(Grant::RefreshToken))
}

/// How often an event came that is meant.
fn told(world: &World, meant: impl Fn(&Event) -> bool) -> usize {
    world.events().iter().filter(|event| meant(event)).count()
}

/// Every token that was handed out is too old now.
fn expire_tokens(world: &World) {
    world.clock.advance(2 * HOUR);
    world.entra.forget_ledger();
}

async fn own(world: &World, broker: &Broker) -> Result<Token, Error> {
    broker.partner(world.contoso).token(Resource::PartnerCenter).await
}

async fn customer(world: &World, broker: &Broker) -> Result<Token, Error> {
    broker.partner(world.contoso).customer(world.fabrikam).token(Resource::Graph).await
}

/// The consent as it is stored.
async fn consent(world: &World, broker: &Broker) -> Consent {
    let consent = broker.partner(world.contoso).consent().await.expect("readable");
    consent.expect("stored")
}

#[tokio::test]
#[ignore = "other tests start it as a process"]
async fn network_process() {
    child::serve().await;
}
