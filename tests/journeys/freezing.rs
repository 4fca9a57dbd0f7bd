//! Whoever freezes stops the hand-out of tokens in every process, until somebody lifts it by name.

mod failing;
mod fickle;
mod lasting;
mod scopes;

use std::time::Duration;

use crate::world::World;
use cpv_consent::emulator::Grant;
use cpv_consent::{Broker, Error, Freeze, FreezeScope, Remedy, Resource, Token};

/// Other processes follow within it.
const INTERVAL: Duration = Duration::from_secs(6);
/// How many waits of its own a broker has under way: its beat on the roll, and its sweep.
const CHORES: usize = 2;

async fn ask(world: &World, broker: &Broker) -> Result<Token, Error> {
    broker.partner(world.contoso).token(Resource::PartnerCenter).await
}

async fn ask_customer(world: &World, broker: &Broker) -> Result<Token, Error> {
    broker.partner(world.contoso).customer(world.fabrikam).token(Resource::Graph).await
}

async fn freeze(world: &World, broker: &Broker) -> Freeze {
    let scope = FreezeScope::Partner(world.contoso);
    broker.freeze(scope, "a stolen laptop").await.expect("stored")
}

fn redemptions(world: &World) -> usize {
    world.entra.count_tokens(|request| request.grant == Some(Grant::RefreshToken))
}

/// By which freeze it was refused; else a panic that shows what came instead.
fn frozen_by<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Freeze {
    match outcome {
        Err(error @ Error::Frozen { .. }) => {
            let remedy = error.remedy();
            let Error::Frozen { freeze } = error else { unreachable!("as matched") };
            assert_eq!(remedy, Remedy::Lift { name: freeze.name().to_owned() });
            Freeze::clone(&freeze)
        }
        other => panic!("not frozen: {other:?}"),
    }
}
