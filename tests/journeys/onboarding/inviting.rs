//! From an invitation's link to a consent.

use std::collections::BTreeMap;

use cpv_consent::emulator::{Answer, MfaAnswer};
use cpv_consent::store::Memory;
use cpv_consent::{
    Broker, Error, Event, InvitationStatus, Refused, Resource, ResponseMode, SentInvitation,
    ShownName,
};

use crate::world::{
    self, World, accept, account, answer, browser_of, capture, cookies_of, refused, start, token_of,
};

async fn status(broker: &Broker, sent: &SentInvitation) -> String {
    let invitation = broker.invitations().find(sent.invitation().id()).await.expect("it is kept");
    invitation.status().to_string()
}

#[tokio::test]
async fn an_invited_partner_consents() {
    let world = World::new().await;
    let broker = world.broker().await;
    let sent = world.invite(&broker).await;
    assert!(sent.link().as_str().starts_with("https://panel.example/invited/"));
    assert_eq!(status(&broker, &sent).await, "open");

    let request = answer(&broker, &sent, &world.admin).await;
    assert_eq!(status(&broker, &sent).await, "started once");
    let found = capture(&broker, &request).await.expect("everything holds");
    let by = found.invitation().expect("it came by one");
    assert_eq!((by.id(), by.account()), (sent.invitation().id(), found.account()));
    let again = broker.found(found.id(), request.headers()).await.expect("the same browser");
    assert_eq!(again.invitation().expect("as before").id(), by.id());
    assert_eq!(status(&broker, &sent).await, "started once", "nothing is confirmed yet");

    let consent = found.confirm().await.expect("a consent");
    assert_eq!(consent.account(), &world.account());
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a token");
    let spent = broker.invitations().find(sent.invitation().id()).await.expect("it is kept");
    assert_eq!(
        *spent.status(),
        InvitationStatus::Confirmed {
            partner: world.contoso,
            user: Some(world.admin.id),
            at: cpv_consent::Clock::now(&world.clock),
        }
    );
    assert_eq!(refused(start(&broker, &sent).await), Refused::InvitationSpent);
    let opened = broker.open_invitation(&token_of(&sent)).await;
    assert_eq!(refused(opened), Refused::InvitationSpent);

    let (id, of) = (sent.invitation().id().clone(), world.account());
    let told = [
        Event::Invited {
            invitation: id.clone(),
            partner: Some(world.contoso),
            account: of.clone(),
        },
        Event::InvitationStarted { invitation: id.clone(), account: of.clone(), times: 1 },
        Event::InvitationConfirmed { invitation: id, partner: world.contoso, account: of },
    ];
    let events = world.events();
    assert!(told.iter().all(|told| events.iter().filter(|event| *event == told).count() == 1));
}

#[tokio::test]
async fn ten_scanners_spend_nothing() {
    let world = World::new().await;
    let broker = world.broker().await;
    let sent = world.invite(&broker).await;
    let before = world::raw::rows(&world.store_folder());
    for _ in 0..10 {
        let opened = broker.open_invitation(&token_of(&sent)).await.expect("an invitation");
        assert_eq!(*opened.status(), InvitationStatus::Open);
    }
    assert_eq!(world::raw::rows(&world.store_folder()), before, "to open is to read");
    let request = answer(&broker, &sent, &world.admin).await;
    capture(&broker, &request).await.expect("everything holds").confirm().await.expect("a consent");
}

#[tokio::test]
async fn the_start_page_shows_who_receives_the_power() {
    let world = World::new().await;
    let broker = world.broker().await;
    let request = broker.partner(world.contoso).invite(world.account());
    let request = request.account_name(ShownName::verified("Contoso Hosting").expect("a name"));
    let request = request.invited_by(ShownName::unverified("Ann").expect("a name"));
    let sent = request.only_for(world.admin.id).await.expect("an invitation");
    let shown = broker.open_invitation(&token_of(&sent)).await.expect("an invitation");
    let names = [shown.account_name(), shown.inviter()].map(|name| {
        let name = name.expect("it was given");
        (name.name(), name.is_verified())
    });
    assert_eq!(names, [("Contoso Hosting", true), ("Ann", false)]);
    assert_eq!((shown.account(), shown.partner()), (&world.account(), Some(world.contoso)));
    assert_eq!(shown.user(), Some(world.admin.id));
    assert_eq!((shown.application(), shown.scopes()), (world.app.client_id(), world.app.scopes()));
    assert_eq!(shown.expires_at(), shown.sent_at() + 7 * world::DAY);
    assert_eq!((shown.made_at(), shown.starts_left()), (shown.sent_at(), 10));
    assert_eq!(shown.expires_at(), sent.invitation().expires_at());
}

#[tokio::test]
async fn a_first_contact_by_invitation_binds_whoever_answers() {
    // R-050
    let world = World::new().await;
    let broker = world.broker().await;
    let sent = broker.first_invitation(world.account()).await.expect("an invitation");
    assert_eq!(sent.invitation().partner(), None);
    let pending = broker.begin_invited(&token_of(&sent), &http::HeaderMap::new());
    let pending = pending.answered_by(ResponseMode::Query).await.expect("a flow");
    assert!(pending.authorize_url().path().starts_with("/organizations/"));
    let request = accept(&pending, &world.admin).await;
    assert_eq!(request.method(), "GET");
    let found = capture(&broker, &request).await.expect("everything holds");
    let consent = found.confirm().await.expect("a consent");
    assert_eq!((consent.partner(), consent.account()), (world.contoso, &world.account()));
    assert_eq!(status(&broker, &sent).await, "confirmed");
}

#[tokio::test]
async fn a_cancelled_attempt_and_a_failed_second_factor_leave_the_invitation() {
    let world = World::new().await;
    let broker = world.broker().await;
    let sent = world.invite(&broker).await;
    let pending = start(&broker, &sent).await.expect("a flow");
    let mut browser = browser_of(&pending);
    let walk = browser.walk(pending.authorize_url(), &world.admin, Answer::Cancel);
    let request = walk.await.expect("a callback");
    assert_eq!(refused(capture(&broker, &request).await), Refused::Declined);

    world.entra.partner_center_mfa(MfaAnswer::NotCompliant);
    let request = answer(&broker, &sent, &world.admin).await;
    let outcome = refused(capture(&broker, &request).await);
    assert!(matches!(outcome, Refused::MfaMissing(_)), "{outcome:?}");
    world.assert_nothing_stored(&broker).await;

    world.entra.partner_center_mfa(MfaAnswer::Honest);
    let request = answer(&broker, &sent, &world.admin).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    found.decline().await.expect("erased");
    assert_eq!(status(&broker, &sent).await, "started 3 times");
    let request = answer(&broker, &sent, &world.admin).await;
    capture(&broker, &request).await.expect("everything holds").confirm().await.expect("a consent");
    assert_eq!(status(&broker, &sent).await, "confirmed");
}

#[tokio::test]
async fn after_ten_starts_a_link_is_exhausted() {
    // R-010
    let world = World::new().await;
    let broker = world.broker().await;
    let sent = world.invite(&broker).await;
    let tenth = {
        for _ in 0..9 {
            start(&broker, &sent).await.expect("a flow");
        }
        start(&broker, &sent).await.expect("a flow")
    };
    assert_eq!(refused(start(&broker, &sent).await), Refused::InvitationExhausted);
    assert_eq!(world::rows(&world.store_folder(), "pending"), 10, "the eleventh left nothing");
    let shown = broker.open_invitation(&token_of(&sent)).await.expect("it can still be looked at");
    assert_eq!((shown.starts_left(), shown.status().to_string()), (0, "started 10 times".into()));
    let found = capture(&broker, &accept(&tenth, &world.admin).await).await.expect("it goes on");
    found.confirm().await.expect("a consent");
}

#[tokio::test]
async fn a_browser_has_one_live_flow_and_others_their_own() {
    // R-010, R-011
    let world = World::new().await;
    let broker = world.broker().await;
    let sent = world.invite(&broker).await;
    let first = start(&broker, &sent).await.expect("a flow");
    let elsewhere = start(&broker, &sent).await.expect("a flow of another browser");
    let again = broker.begin_invited(&token_of(&sent), &cookies_of(&first)).await.expect("a flow");

    let asked = world.entra.ledger().len();
    let request = accept(&first, &world.admin).await;
    let signed_in = world.entra.ledger().len();
    assert_eq!(refused(capture(&broker, &request).await), Refused::BegunAnew);
    assert_eq!(world.entra.ledger().len(), signed_in, "its code was sent nowhere");
    assert!(signed_in >= asked);

    let other = capture(&broker, &accept(&elsewhere, &world.admin).await).await;
    let other = other.expect("the other browser's goes on");
    let found = capture(&broker, &accept(&again, &world.admin).await).await.expect("the last one");
    found.confirm().await.expect("a consent");
    assert_eq!(refused(other.confirm().await), Refused::InvitationSpent);
    let consent = broker.partner(world.contoso).consent().await.expect("readable").expect("stands");
    assert_eq!(consent.generation(), 1);
}

#[tokio::test]
async fn who_begins_anew_ends_a_finding_that_waits() {
    let world = World::new().await;
    let broker = world.broker().await;
    let sent = world.invite(&broker).await;
    let first = start(&broker, &sent).await.expect("a flow");
    let request = accept(&first, &world.admin).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    broker.begin_invited(&token_of(&sent), &cookies_of(&first)).await.expect("a flow");
    let shown = broker.found(found.id(), request.headers()).await;
    assert_eq!(refused(shown), Refused::BegunAnew);
    assert_eq!(refused(found.confirm().await), Refused::BegunAnew);
    world.assert_nothing_stored(&broker).await;
}

#[tokio::test]
async fn what_was_said_to_be_filled_in_and_proven_reaches_entra() {
    let world = World::new().await;
    let broker = world.broker().await;
    let claims = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    let request = broker.partner(world.contoso).invite(world.account());
    let request = request.claims(claims).login_hint("admin@contoso.example");
    let sent = request.await.expect("an invitation");
    let pending = start(&world.broker().await, &sent).await.expect("a flow");
    let sent: BTreeMap<_, _> = pending.authorize_url().query_pairs().into_owned().collect();
    assert_eq!(sent["claims"], claims);
    assert_eq!(sent["login_hint"], "admin@contoso.example");
    assert!(pending.authorize_url().path().starts_with(&format!("/{}/", world.contoso)));
}

#[tokio::test]
async fn an_invitation_may_move_a_partner_only_when_the_host_says_so() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let other = account("panel-2");
    let invited = broker.partner(world.contoso).invite(other.clone()).await;
    assert_eq!(refused(invited), Refused::NotYours(world.contoso));
    let sent = broker.partner(world.contoso).invite(other.clone()).danger_rebind().await;
    let sent = sent.expect("the host said so");
    world.clock.advance(world::MINUTE);
    let request = answer(&broker, &sent, &world.admin).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    let consent = found.confirm().await.expect("moved");
    assert_eq!((consent.account(), consent.generation()), (&other, 2));
}

#[tokio::test]
async fn an_invitation_to_consent_again_is_for_the_user_who_had() {
    // R-032
    let world = World::new().await;
    let broker = world.broker().await;
    let standing = world.onboard(&broker).await;
    let request = broker.partner(world.contoso).invite(world.account());
    let sent = request.only_for(standing.user().id()).await.expect("an invitation");
    world.clock.advance(world::MINUTE);
    let request = answer(&broker, &sent, &world.admin).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    assert_eq!(found.confirm().await.expect("a consent").generation(), 2);
}

#[tokio::test]
async fn behind_an_accounts_door_only_that_account_invites() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let partner = broker.account(account("panel-2")).partner(world.contoso);
    let not_yours = Refused::NotYours(world.contoso);
    assert_eq!(refused(partner.invite(world.account()).await), not_yours);
    assert_eq!(refused(partner.invite(account("panel-2")).await), not_yours);
    assert_eq!(refused(partner.invite(account("panel-2")).danger_rebind().await), not_yours);
    let own = broker.account(world.account()).partner(world.contoso);
    own.invite(world.account()).await.expect("an invitation");
    let home = broker.partner(world.app.home()).invite(world.account()).await;
    assert_eq!(refused(home), Refused::HomeTenant(world.app.home()));
    assert_eq!(world::rows(&world.store_folder(), "invitation"), 1, "what is refused is not made");
}

#[tokio::test]
async fn links_lead_to_a_page_on_the_host_of_the_redirect_address() {
    // R-005
    let world = World::new().await;
    for (page, right) in [
        ("https://panel.example/invited", true),
        ("https://panel.example:8443/a/b/", true),
        ("https://panel.example", true),
        ("https://other.example/invited", false),
        ("https://sub.panel.example/invited", false),
        ("http://panel.example/invited", false),
        ("https://panel.example/invited?x=1", false),
        ("https://panel.example/invited#x", false),
        ("https://user@panel.example/invited", false),
        ("/invited", false),
        ("", false),
    ] {
        match world.builder(Memory::new()).start_page(page).build().await {
            Ok(broker) => {
                assert!(right, "{page}");
                let sent = world.invite(&broker).await;
                let before = format!("{}/{}", page.trim_end_matches('/'), token_of(&sent));
                assert_eq!(sent.link().as_str(), before);
            }
            Err(Error::Setting(invalid)) => assert!(!right && invalid.field() == "start page"),
            Err(error) => panic!("{page}: {error:?}"),
        }
    }
    let plain = Broker::builder(world.app.clone(), Memory::new(), world.keys());
    let plain = plain.clock(world.clock.clone()).build().await.expect("a broker");
    let error = plain.first_invitation(world.account()).await.expect_err("no page");
    assert!(matches!(&error, Error::Setting(invalid) if invalid.field() == "start page"));
}
