//! What support staff are told: whose turn it is, found by asking, by an id, or from a pasted text.

mod asking;
mod found_again;
mod pasting;

use crate::world::World;
use cpv_consent::emulator::{Failure, Grant, Rule};
use cpv_consent::{Broker, Diagnosis, Error, Resource, TenantId};
use serde_json::Value;

/// What a program reads of it.
fn json(diagnosis: &Diagnosis) -> Value {
    serde_json::to_value(diagnosis).expect("plain data")
}

/// Every line begins with one of these labels: no text of others has begun one.
fn lines(diagnosis: &Diagnosis) -> Vec<String> {
    const LABELS: [&str; 12] = [
        "result",
        "application",
        "partner",
        "tenant",
        "resource",
        "missing",
        "to do",
        "happened",
        "cause",
        "correlation",
        "trace",
        "seen",
    ];
    let shown = diagnosis.to_string();
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    let lines: Vec<String> = shown.lines().map(str::to_owned).collect();
    for line in &lines {
        assert!(LABELS.iter().any(|label| line.starts_with(label)), "{line:?}");
    }
    lines
}

async fn customer(broker: &Broker, world: &World, tenant: TenantId) -> Diagnosis {
    let customer = broker.partner(world.contoso).customer(tenant);
    customer.diagnose(Resource::Graph).await.expect("a diagnosis")
}

async fn partner(broker: &Broker, world: &World) -> Diagnosis {
    let partner = broker.partner(world.contoso);
    partner.diagnose(Resource::PartnerCenter).await.expect("a diagnosis")
}

/// A refusal at the customer, with the ids that it bore.
async fn refusal(broker: &Broker, world: &World, number: u32) -> (String, String) {
    let rule = Rule::any().tenant(world.fabrikam);
    let scripted = world.entra.fail_tokens(rule, Failure::aadsts(number));
    let customer = broker.partner(world.contoso).customer(world.fabrikam);
    let error = customer.token(Resource::Graph).await.expect_err("refused");
    scripted.clear();
    let Error::Entra { error, .. } = error else { panic!("{error:?}") };
    let ids = (error.correlation_id(), error.trace_id());
    (ids.0.expect("a correlation id").to_owned(), ids.1.expect("a trace id").to_owned())
}

fn redemptions_at(world: &World, tenant: TenantId) -> usize {
    let at = tenant.to_string();
    world.entra.count_tokens(|asked| asked.grant == Some(Grant::RefreshToken) && asked.tenant == at)
}
