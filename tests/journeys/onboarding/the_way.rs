//! From a link to a consent, and the ways to turn back.

use cpv_consent::emulator::Answer;
use cpv_consent::{
    Absence, ConsentState, Error, Event, MfaFinding, MfaSource, Refused, Resource, ResponseMode,
};

use crate::world::{World, accept, browser_of, capture, refused};

#[tokio::test]
async fn a_known_partner_consents_by_form_post() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    assert_eq!(request.method(), "POST");

    let found = capture(&broker, &request).await.expect("everything holds");
    assert_eq!(found.tenant(), world.contoso);
    assert_eq!(found.user().id(), world.admin.id);
    assert_eq!(found.account().as_str(), "panel-1");
    assert!(found.scopes() == world.app.scopes());
    let MfaFinding::Proven(proof) = *found.mfa() else { panic!("{:?}", found.mfa()) };
    assert_eq!(proof.source(), MfaSource::PartnerCenter);
    assert!(found.replaces().is_none());
    let none_yet = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
    assert!(matches!(none_yet, Err(Error::NoConsent { absence: Absence::Never, .. })));

    let consent = found.confirm().await.expect("a consent");
    assert_eq!(*consent.state(), ConsentState::Live);
    assert_eq!(consent.generation(), 1);
    let token = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
    assert_eq!(token.expect("a token").tenant(), world.contoso);
    let stored = broker.partner(world.contoso).consent().await.expect("readable");
    assert_eq!(stored.expect("stored").user().id(), world.admin.id);
    assert!(world.events().iter().any(|e| matches!(e, Event::ConsentConfirmed { .. })));
}

#[tokio::test]
async fn a_first_contact_consents_by_query() {
    let world = World::new().await;
    let broker = world.broker().await;
    let pending = broker.first_consent(world.account()).answered_by(ResponseMode::Query);
    let pending = pending.await.expect("a flow");
    assert!(pending.authorize_url().path().starts_with("/organizations/"));
    let request = accept(&pending, &world.admin).await;
    assert_eq!(request.method(), "GET");
    let found = capture(&broker, &request).await.expect("everything holds");
    let consent = found.confirm().await.expect("a consent");
    assert_eq!(consent.partner(), world.contoso);
    assert_eq!(consent.account().as_str(), "panel-1");
}

#[tokio::test]
async fn whoever_says_no_is_believed() {
    // R-020, oidcc-client-test-form-post-error
    let world = World::new().await;
    let broker = world.broker().await;
    let pending = broker.partner(world.contoso).request_consent(world.account()).await;
    let pending = pending.expect("a flow");
    let mut browser = browser_of(&pending);
    let url = pending.authorize_url();
    let request = browser.walk(url, &world.admin, Answer::Cancel).await.expect("a callback");
    assert_eq!(refused(capture(&broker, &request).await), Refused::Declined);
    assert_eq!(refused(capture(&broker, &request).await), Refused::StateReplayed);
    world.assert_nothing_stored(&broker).await;
}

#[tokio::test]
async fn somebody_who_is_no_administrator_learns_who_must_approve() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.entra.change_user(&world.admin, |user| user.administrator = false);
    let request = world.callback(&broker).await;
    assert_eq!(refused(capture(&broker, &request).await), Refused::AdminApprovalNeeded);
    world.assert_nothing_stored(&broker).await;
}
