//! What is held, looked at: each aspect fails for its own reason, says whose turn it is, and nothing
//! is changed by looking.

mod aspects;
mod everybody;
mod looking;

use crate::world::World;
use cpv_consent::emulator::Grant;
use cpv_consent::{Aspect, Broker, Check, Finding, Remedy, Verdict, Verification};

/// A role that gives nobody power.
const DIRECTORY_READERS: &str = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b";
const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";

/// A world whose partner has consented, by a user without any directory role.
async fn consented() -> (World, Broker) {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    world.entra.forget_ledger();
    (world, broker)
}

fn give_role(world: &World, id: &str) {
    world.entra.change_user(&world.admin, |account| account.roles = vec![id.to_owned()]);
}

async fn verified(world: &World, broker: &Broker) -> Verification {
    broker.partner(world.contoso).verify().await.expect("a look")
}

fn redemptions(world: &World) -> usize {
    world.entra.count_tokens(|request| request.grant == Some(Grant::RefreshToken))
}

fn check(verification: &Verification, aspect: Aspect) -> &Check {
    verification.checks().iter().find(|check| check.aspect() == aspect).expect("looked at")
}

fn verdicts(verification: &Verification) -> Vec<Verdict> {
    Aspect::ALL.iter().map(|aspect| verification.verdict(*aspect)).collect()
}

/// Every aspect passed but these, which have this verdict.
fn assert_only(verification: &Verification, verdict: Verdict, aspects: &[Aspect]) {
    for check in verification.checks() {
        let listed = aspects.contains(&check.aspect());
        let expected = if listed { verdict } else { Verdict::Passed };
        assert_eq!(check.verdict(), expected, "{check}");
    }
}

fn only_finding(verification: &Verification, aspect: Aspect) -> &Finding {
    let [finding] = check(verification, aspect).findings() else {
        panic!("not one finding: {}", check(verification, aspect));
    };
    finding
}

const AGAIN: Remedy = Remedy::AskConsentAgain { claims: None };
