//! What the broker makes of it.

use std::time::Duration;

use cpv_consent::emulator::{Endpoint, Failure, Rule};
use cpv_consent::{Error, IdTokenError, Remedy, Resource};

use super::super::world::{HOUR, MINUTE, World, capture};

#[tokio::test]
async fn no_failure_of_the_line_costs_a_consent() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let partner = broker.partner(world.contoso);
    for (row, failure) in [
        Failure::status(502),
        Failure::reset(),
        Failure::lost_answer(),
        Failure::truncation(10),
        Failure::huge(8 << 20),
        Failure::huge_unannounced(8 << 20),
    ]
    .into_iter()
    .enumerate()
    {
        world.clock.advance(2 * HOUR);
        let scripted = world.entra.fail_tokens(Rule::any(), failure);
        let error = partner.token(Resource::PartnerCenter).await.expect_err("no token");
        assert!(matches!(error.remedy(), Remedy::Retry { .. }), "row {row}: {error:?}");
        assert_eq!(scripted.hits(), 1, "row {row}");
        scripted.clear();
        partner.token(Resource::PartnerCenter).await.expect("the consent lives");
    }
}

#[tokio::test]
async fn the_broker_waits_as_long_as_it_is_told_in_either_form() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    world.clock.advance(2 * HOUR);
    let busy = || Failure::status(503).times(1);
    for failure in [busy().retry_after(3 * MINUTE), busy().retry_after_date(3 * MINUTE)] {
        world.entra.fail_tokens(Rule::any(), failure);
        let token = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
        let remedy = token.expect_err("no token").remedy();
        assert!(matches!(remedy, Remedy::Retry { after } if after == 3 * MINUTE), "{remedy:?}");
        world.clock.advance(4 * MINUTE);
    }
}

#[tokio::test]
async fn nobody_is_let_in_while_the_keys_cannot_be_had() {
    let world = World::new().await;
    let broker = world.broker().await;
    let outage = world.entra.outage(Endpoint::Keys);
    let request = world.callback(&broker).await;
    let error = capture(&broker, &request).await.expect_err("unproven");
    assert!(matches!(error, Error::IdToken(IdTokenError::KeysUnavailable(_))), "{error:?}");
    world.assert_nothing_stored(&broker).await;
    assert!(outage.hits() > 0);
    outage.clear();
    world.clock.advance(Duration::from_secs(600));
    world.onboard(&broker).await;
}
