//! From a consent to tokens: one request for many, nothing lost, and failures that stay where they
//! belong.

mod age;
mod asking;
mod enforcing;
mod failures;
mod moody;
mod processes;
mod saving;
mod withdrawal;

use crate::world::{HOUR, World};
use cpv_consent::emulator::Grant;
use cpv_consent::{Broker, ConsentState, Error, Event, Resource, TenantId};

fn redemptions(world: &World) -> usize {
    world.entra.count_tokens(|request| request.grant == Some(Grant::RefreshToken))
}

/// How often the stored refresh token was replaced.
fn rotations(world: &World) -> usize {
    let events = world.events();
    events.iter().filter(|event| matches!(event, Event::Exchanged { rotated: true, .. })).count()
}

/// Every token that was handed out is too old now; the consent is as young as before.
fn expire_tokens(world: &World) {
    world.clock.advance(2 * HOUR);
    world.entra.forget_ledger();
}

async fn state_of(world: &World, broker: &Broker) -> ConsentState {
    state_at(broker, world.contoso).await
}

async fn state_at(broker: &Broker, partner: TenantId) -> ConsentState {
    let consent = broker.partner(partner).consent().await.expect("readable");
    consent.expect("stored").state().clone()
}

pub fn ask(
    world: &World,
    broker: &Broker,
    resource: Resource,
) -> tokio::task::JoinHandle<Result<cpv_consent::Token, Error>> {
    let (broker, contoso) = (broker.clone(), world.contoso);
    tokio::spawn(async move { broker.partner(contoso).token(resource).await })
}

/// How many waits of its own a broker has under way: its beat on the roll, and its sweep.
const CHORES: usize = 2;
