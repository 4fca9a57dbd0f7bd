//! What a policy lets through, and with which words: power, kinds of partners, the rungs of the
//! second factor and how long a proof lasts.

mod expiry;
mod kinds;
mod roles;
mod rungs;

use bytes::Bytes;
use cpv_consent::emulator::User;
use cpv_consent::{Broker, Consent, Found, PartnerKind, Policy, TenantId};
use http::Request;

use crate::receipts::Notary;
use crate::world::{World, accept, account, capture};

/// A broker with this policy, whose receipts are signed.
async fn noting(world: &World, policy: Policy) -> Broker {
    let builder = world.builder(world.store().await).policy(policy).receipts(Notary::new());
    builder.build().await.expect("a broker")
}

/// What the partner's first receipt says that was granted.
async fn first_grant(broker: &Broker, partner: TenantId) -> cpv_consent::Granted {
    let receipts = broker.receipts(partner).await.expect("readable");
    let first = receipts.iter().next().expect("one");
    first.change().granted().expect("power was granted").clone()
}

/// A partner's administrator comes back from Entra.
async fn answer(
    broker: &Broker,
    partner: TenantId,
    user: &User,
    kind: Option<PartnerKind>,
) -> Request<Bytes> {
    let mut request = broker.partner(partner).request_consent(account("panel-1"));
    if let Some(kind) = kind {
        request = request.kind(kind);
    }
    accept(&request.await.expect("a flow"), user).await
}

async fn found(world: &World, broker: &Broker) -> Found {
    let request = world.callback(broker).await;
    capture(broker, &request).await.expect("everything holds")
}

async fn consent(broker: &Broker, partner: TenantId) -> Consent {
    broker.partner(partner).consent().await.expect("readable").expect("it consented")
}
