//! How Entra is asked while things go wrong, and how far one failure reaches: counted in the
//! emulator's ledger.

mod blast;
mod budget;
mod circuit;
mod guard;
mod resting;
mod retries;

use crate::world::{GRAPH, World};
use cpv_consent::{Broker, ConsentState, Error, Resource, TenantId, Token};

/// Another customer of this partner, where the application is granted what it asks for.
fn add_customer(world: &World, partner: TenantId, name: &str) -> TenantId {
    let customer = world.entra.add_customer(partner, name);
    world.entra.grant(customer, world.app.client_id(), GRAPH, &["Directory.Read.All"]);
    customer
}

async fn own(broker: &Broker, partner: TenantId) -> Result<Token, Error> {
    broker.partner(partner).token(Resource::PartnerCenter).await
}

async fn at(broker: &Broker, partner: TenantId, customer: TenantId) -> Result<Token, Error> {
    broker.partner(partner).customer(customer).token(Resource::Graph).await
}

async fn state(broker: &Broker, partner: TenantId) -> ConsentState {
    let consent = broker.partner(partner).consent().await.expect("readable");
    consent.expect("stored").state().clone()
}
