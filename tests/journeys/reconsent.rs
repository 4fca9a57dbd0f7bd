//! A partner that has consented consents once more: what the new consent must be able to do, whose place
//! it may take, and the way back.

mod challenge;
mod giving_up;
mod lapsing;
mod losses;
mod races;
mod replacing;
mod roll_back;
mod stale;

use cpv_consent::emulator::{TokenRequest, User};
use cpv_consent::{Broker, Consent, Found, Resource, TenantId};

use crate::world::{GRAPH, MINUTE, World, accept, capture};

/// A user of the partner's beside its administrator, and as powerful.
fn successor(world: &World) -> User {
    world.entra.add_user(world.contoso, "successor@contoso.example")
}

/// Another customer that has granted what we ask for.
fn customer(world: &World, name: &str) -> TenantId {
    let customer = world.entra.add_customer(world.contoso, name);
    world.entra.grant(customer, world.app.client_id(), GRAPH, &["Directory.Read.All"]);
    customer
}

/// Nobody of the partner's may enter its customers any more but those who were named.
fn takes_access_from(world: &World, user: &User) {
    let agents = world.entra.admin_agents(world.contoso);
    world.entra.remove_member(agents, user);
}

async fn use_customer(world: &World, broker: &Broker, customer: TenantId) {
    let token = broker.partner(world.contoso).customer(customer).token(Resource::Graph).await;
    assert_eq!(token.expect("a token").tenant(), customer);
}

async fn found_by(world: &World, broker: &Broker, user: &User) -> Found {
    let pending = broker.partner(world.contoso).request_consent(world.account()).await;
    let request = accept(&pending.expect("a flow"), user).await;
    capture(broker, &request).await.expect("everything holds")
}

/// The administrator has consented, then the successor in their place, a minute apart.
async fn replaced(world: &World, broker: &Broker) -> User {
    let next = successor(world);
    world.onboard(broker).await;
    world.clock.advance(MINUTE);
    let found = found_by(world, broker, &next).await;
    found.confirm_instead_of(world.admin.id).await.expect("both were named");
    world.clock.advance(MINUTE);
    next
}

async fn standing(world: &World, broker: &Broker) -> Consent {
    broker.partner(world.contoso).consent().await.expect("readable").expect("a consent")
}

/// With whose refresh token the last token was had.
fn last_user(world: &World) -> Option<cpv_consent::UserId> {
    world.entra.ledger().last().and_then(|request: &TokenRequest| request.user)
}
