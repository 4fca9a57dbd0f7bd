//! A withdrawal stands against every flow that was begun before it.

use cpv_consent::{Absence, ConsentState, Error, Refused, Resource};

use crate::world::{MINUTE, World, accept, account, capture, refused};

#[tokio::test]
async fn a_confirmation_repeated_after_a_withdrawal_revives_nothing() {
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    let again = broker.found(found.id(), request.headers()).await.expect("the same browser");
    found.confirm().await.expect("a consent");
    broker.partner(world.contoso).withdraw().await.expect("a tombstone");
    assert_eq!(refused(again.confirm().await), Refused::NothingToConfirm);
    let state = broker.partner(world.contoso).consent().await.expect("readable").expect("kept");
    assert!(matches!(state.state(), ConsentState::Withdrawn { .. }));
}

#[tokio::test]
async fn a_flow_begun_before_a_withdrawal_does_not_bring_the_partner_back() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let early = world.callback(&broker).await;
    let request = world.callback(&broker).await;
    let waiting = capture(&broker, &request).await.expect("everything holds");
    broker.partner(world.contoso).withdraw().await.expect("a tombstone");
    assert_eq!(refused(waiting.confirm().await), Refused::Withdrawn(world.contoso));
    assert_eq!(refused(capture(&broker, &early).await), Refused::Withdrawn(world.contoso));
    let token = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
    assert!(matches!(token, Err(Error::NoConsent { absence: Absence::Withdrawn, .. })));

    world.clock.advance(MINUTE);
    let consent = world.onboard(&broker).await;
    assert_eq!(consent.generation(), 3, "one consent, one withdrawal, one consent");
}

#[tokio::test]
async fn a_flow_from_before_a_withdrawal_stays_refused_after_the_next_consent() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let early = world.callback(&broker).await;
    let request = broker.partner(world.contoso).request_consent(account("panel-x"));
    let pending = request.danger_rebind().await.expect("a flow");
    let captured = accept(&pending, &world.admin).await;
    let found = capture(&broker, &captured).await.expect("everything holds");
    let again = broker.found(found.id(), captured.headers()).await.expect("the same browser");
    broker.partner(world.contoso).withdraw().await.expect("a tombstone");
    assert_eq!(refused(found.confirm().await), Refused::Withdrawn(world.contoso));
    world.clock.advance(MINUTE);
    world.onboard(&broker).await;
    assert_eq!(refused(again.confirm().await), Refused::NothingToConfirm);
    assert_eq!(refused(capture(&broker, &early).await), Refused::Withdrawn(world.contoso));
    let consent = broker.partner(world.contoso).consent().await.expect("readable").expect("stands");
    assert_eq!(consent.account().as_str(), "panel-1");
}
