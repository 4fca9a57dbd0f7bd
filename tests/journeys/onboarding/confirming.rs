//! What was found waits for a person, who confirms it once.

use cpv_consent::{Error, FoundId, Refused, Resource};

use crate::world::{self, HOUR, MINUTE, World, accept, capture, refused};

#[tokio::test]
async fn a_consent_that_was_never_confirmed_gives_nothing_and_ends_by_itself() {
    let world = World::new().await;
    let broker = world.broker().await;
    let found = {
        let request = world.callback(&broker).await;
        capture(&broker, &request).await.expect("everything holds")
    };
    let token = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
    assert!(matches!(token, Err(Error::NoConsent { .. })));
    world.clock.advance(10 * MINUTE);
    assert_eq!(refused(found.confirm().await), Refused::NothingToConfirm);
    world.assert_nothing_stored(&broker).await;
}

#[tokio::test]
async fn a_sweep_erases_what_nobody_confirmed() {
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    capture(&broker, &request).await.expect("everything holds");
    assert_eq!(world::rows(&world.store_folder(), "found"), 1);
    world.clock.advance(2 * HOUR);
    broker.sweep().await.expect("swept");
    assert_eq!(world::rows(&world.store_folder(), "pending"), 0, "the flow's mark");
    world.assert_nothing_stored(&broker).await;
}

#[tokio::test]
async fn a_declined_finding_is_erased() {
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    let id = found.id().clone();
    found.decline().await.expect("erased");
    world.assert_nothing_stored(&broker).await;
    let again = broker.found(&id, request.headers()).await;
    assert_eq!(refused(again), Refused::NothingToConfirm);
}

#[tokio::test]
async fn the_id_of_a_finding_is_read_as_it_was_written_and_debugged_by_nobody() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let found = capture(&broker, &world.callback(&broker).await).await.expect("everything holds");
    let text = found.id().to_string();
    assert_eq!(&FoundId::parse(&text).expect("an id"), found.id());
    let (tenant, flow) = text.split_once('.').expect("whose it is, and which");
    assert_eq!(tenant, world.contoso.to_string());
    assert!(!format!("{found:?} {:?}", found.id()).contains(flow));
    let other = [
        format!(".{flow}"),
        format!("nobody.{flow}"),
        format!("{}.{flow}", tenant.to_uppercase()),
        format!("{text}="),
        format!("{text}.{flow}"),
        format!("{tenant}."),
        tenant.to_owned(),
    ];
    for text in other {
        FoundId::parse(&text).expect_err(&text);
    }
}

#[tokio::test]
async fn a_finding_named_for_another_partner_is_not_there() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let litware = world.onboard_another(&broker, "litware").await;
    let request = world.callback(&broker).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    let text = found.id().to_string();
    let (tenant, flow) = text.split_once('.').expect("whose it is, and which");
    for other in [flow.to_owned(), text.replace(tenant, &litware.to_string())] {
        let id = FoundId::parse(&other).expect("an id");
        let outcome = broker.found(&id, request.headers()).await;
        assert_eq!(refused(outcome), Refused::NothingToConfirm);
    }
}

#[tokio::test]
async fn begun_captured_and_confirmed_by_three_processes() {
    let world = World::new().await;
    let request = {
        let first = world.broker().await;
        world.callback(&first).await
    };
    let id = {
        let second = world.broker().await;
        let found = capture(&second, &request).await.expect("everything holds");
        found.id().to_string()
    };
    let third = world.broker().await;
    let id = FoundId::parse(&id).expect("an id");
    let stranger = http::HeaderMap::new();
    assert_eq!(refused(third.found(&id, &stranger).await), Refused::OtherBrowser);
    let found = third.found(&id, request.headers()).await.expect("the same browser");
    let consent = found.confirm().await.expect("a consent");
    assert_eq!(consent.partner(), world.contoso);
    third.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a token");
}

#[tokio::test]
async fn confirming_twice_is_confirming_once() {
    let world = World::new().await;
    let (one, other) = (world.broker().await, world.broker().await);
    let request = world.callback(&one).await;
    let found = capture(&one, &request).await.expect("everything holds");
    let again = other.found(found.id(), request.headers()).await.expect("the same browser");
    let consent = found.confirm().await.expect("a consent");
    assert_eq!(again.confirm().await.expect("twice is once"), consent);
    assert_eq!(consent.generation(), 1);
}

#[tokio::test]
async fn another_users_consent_replaces_only_when_both_are_named() {
    // R-032, attack-intern
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let intern = world.entra.add_user(world.contoso, "intern@contoso.example");
    let consent_of = async |user| {
        let pending = broker.partner(world.contoso).request_consent(world.account()).await;
        let request = accept(&pending.expect("a flow"), user).await;
        capture(&broker, &request).await.expect("everything holds")
    };
    let found = consent_of(&intern).await;
    assert_eq!(found.replaces().expect("the administrator").id(), world.admin.id);
    let outcome = refused(found.confirm().await);
    assert!(matches!(outcome, Refused::OtherUser { .. }), "{outcome:?}");
    let standing = broker.partner(world.contoso).consent().await.expect("readable");
    assert_eq!(standing.expect("stands").user().id(), world.admin.id);

    let found = consent_of(&intern).await;
    let wrong = found.confirm_instead_of(intern.id).await;
    assert!(matches!(refused(wrong), Refused::OtherUser { .. }));
    let found = consent_of(&intern).await;
    let consent = found.confirm_instead_of(world.admin.id).await.expect("both were named");
    assert_eq!((consent.user().id(), consent.generation()), (intern.id, 2));
}

#[tokio::test]
async fn an_older_finding_never_replaces_a_newer_consent() {
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    let older = capture(&broker, &request).await.expect("everything holds");
    world.clock.advance(MINUTE);
    world.onboard(&broker).await;
    assert_eq!(refused(older.confirm().await), Refused::OlderToken(world.contoso));
}
