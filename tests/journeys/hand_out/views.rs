//! A consent that ends, or goes, while a token is under way.

use cpv_consent::emulator::{Failure, Rule};
use cpv_consent::{Absence, ConsentState, Error, Resource};

use crate::world::{HOUR, MINUTE, World};

#[tokio::test]
async fn a_token_that_lands_after_its_consent_ended_is_nobodys() {
    // F-17
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let partner = broker.partner(world.contoso);
    world.clock.advance(2 * HOUR);
    let over = Rule::any().tenant(world.contoso);
    let _failing = world.entra.fail_tokens(over, Failure::aadsts(70043));
    partner.token(Resource::PartnerCenter).await.expect_err("refused once");
    world.clock.advance(20 * MINUTE);
    let hold = world.entra.hold_tokens_of(Rule::any().tenant(world.fabrikam));
    let under_way = tokio::spawn({
        let (broker, contoso, fabrikam) = (broker.clone(), world.contoso, world.fabrikam);
        async move { broker.partner(contoso).customer(fabrikam).token(Resource::Graph).await }
    });
    hold.waiting(1).await;
    partner.token(Resource::PartnerCenter).await.expect_err("refused twice");
    let consent = partner.consent().await.expect("readable").expect("stored");
    assert!(matches!(consent.state(), ConsentState::Ended { .. }), "{}", consent.state());
    hold.release();
    let landed = under_way.await.expect("no panic");
    assert!(is_over(&landed), "{landed:?}");
    let customer = partner.customer(world.fabrikam);
    let handle = customer.access(Resource::Graph);
    for again in [customer.token(Resource::Graph).await, handle.token().await] {
        assert!(is_over(&again), "{again:?}");
    }
}

fn is_over<T>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::NoConsent { absence: Absence::Ended(_), .. }))
}

#[tokio::test]
async fn a_withdrawal_while_a_token_is_under_way_leaves_it_to_nobody() {
    // F-17
    let world = World::new().await;
    let (one, other) = (world.broker().await, world.broker().await);
    world.onboard(&one).await;
    let partner = other.partner(world.contoso);
    partner.token(Resource::PartnerCenter).await.expect("a token");
    let hold = world.entra.hold_tokens_of(Rule::any().tenant(world.fabrikam));
    let under_way = tokio::spawn({
        let (broker, contoso, fabrikam) = (other.clone(), world.contoso, world.fabrikam);
        async move { broker.partner(contoso).customer(fabrikam).token(Resource::Graph).await }
    });
    hold.waiting(1).await;
    one.partner(world.contoso).withdraw().await.expect("withdrawn");
    world.clock.advance(MINUTE / 6);
    hold.release();
    let landed = under_way.await.expect("no panic");
    let error = landed.expect_err("withdrawn elsewhere, ten seconds ago");
    assert!(matches!(error, Error::NoConsent { absence: Absence::Withdrawn, .. }), "{error:?}");
}
