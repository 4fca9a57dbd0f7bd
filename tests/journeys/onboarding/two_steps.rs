//! Two people, perhaps on two days: an administrator approves for the tenant, a service account signs
//! in.

use cpv_consent::emulator::{Answer, User};
use cpv_consent::{
    Broker, Error, Event, Invitation, InvitationStatus, Refused, Resource, SentInvitation,
};

use crate::world::{
    self, DAY, World, accept, account, answer, approve, capture, refused, report, start, token_of,
};

/// What the partner's user meets who signs in.
async fn signs_in(world: &World, broker: &Broker, user: &User) -> Result<(), Error> {
    let pending = broker.partner(world.contoso).request_consent(world.account());
    let request = accept(&pending.await.expect("a flow"), user).await;
    let found = capture(broker, &request).await?;
    assert_eq!((found.user().id(), found.tenant()), (user.id, world.contoso));
    assert!(found.scopes() == world.app.scopes(), "{}", found.scopes());
    found.confirm().await.map(drop)
}

async fn kept(broker: &Broker, sent: &SentInvitation) -> Invitation {
    broker.invitations().find(sent.invitation().id()).await.expect("it is kept")
}

#[tokio::test]
async fn two_people_on_two_days() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let service = world.service_account();
    let alone = signs_in(&world, &broker, &service).await;
    assert_eq!(refused(alone), Refused::AdminApprovalNeeded);

    let reported = report(&broker, &world.approval(&broker).await).await.expect("a report");
    assert_eq!((reported.account(), reported.partner()), (&world.account(), Some(world.contoso)));
    assert_eq!(reported.at(), cpv_consent::Clock::now(&world.clock));
    assert!(reported.invitation().is_none());
    world.assert_nothing_stored(&broker).await;
    assert_eq!(world.entra.ledger().len(), 0, "there was nothing to redeem");

    world.clock.advance(DAY);
    drop(broker);
    let another_process = world.broker().await;
    signs_in(&world, &another_process, &service).await.expect("approved");
    let consent = another_process.partner(world.contoso).consent().await.expect("readable");
    assert_eq!(consent.expect("stored").user().id(), service.id);
    let token = another_process.partner(world.contoso).token(Resource::Graph).await;
    token.expect("a token with the service account's power");
    let (partner, account, invitation) = (Some(world.contoso), world.account(), None);
    let requested =
        Event::ApprovalRequested { partner, account: account.clone(), invitation: None };
    let told = [requested, Event::ApprovalReported { partner, account, invitation }];
    let events = world.events();
    assert!(told.iter().all(|told| events.iter().filter(|event| *event == told).count() == 1));
}

#[tokio::test]
async fn the_address_asks_for_what_the_sign_in_asks_for_and_no_more() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let first = broker.first_approval(world.account()).await.expect("begun");
    let known = broker.partner(world.contoso).request_approval(world.account());
    let known = known.await.expect("begun");
    let consent = broker.partner(world.contoso).request_consent(world.account());
    let consent = consent.await.expect("a flow");
    let asked = |url: &url::Url, name: &str| {
        let found = url.query_pairs().find(|(known, _)| known == name);
        found.map(|(_, value)| value.into_owned())
    };
    for (pending, directory) in [(&first, "organizations"), (&known, &world.contoso.to_string())] {
        let url = pending.approval_url();
        assert_eq!(url.path(), format!("/{directory}/v2.0/adminconsent"));
        assert_eq!(asked(url, "scope"), asked(consent.authorize_url(), "scope"));
        assert_eq!(url.query_pairs().count(), 4, "no code, no PKCE, no mode, no hint: {url}");
        let cookie = pending.browser_key().set_cookie();
        let cookie = cookie.to_str().expect("ASCII");
        assert!(cookie.starts_with("__Host-") && cookie.ends_with("SameSite=Lax"), "{cookie}");
        assert!(!format!("{pending:?}").contains(&asked(url, "state").expect("a state")));
    }
}

#[tokio::test]
async fn a_no_is_a_no_although_it_says_admin_consent() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let service = world.service_account();
    for (user, answer, expected) in [
        (&world.admin, Answer::Cancel, Refused::Declined),
        (&world.admin, Answer::CancelSignIn, Refused::Declined),
        (&service, Answer::Accept, Refused::AdminApprovalNeeded),
    ] {
        let pending = broker.partner(world.contoso).request_approval(world.account());
        let request = approve(&pending.await.expect("begun"), user, answer).await;
        let query = request.uri().query().expect("a query");
        assert!(query.contains("admin_consent=True") && query.contains("error="), "{query}");
        assert_eq!(refused(report(&broker, &request).await), expected);
        assert_eq!(refused(report(&broker, &request).await), Refused::StateReplayed, "it is over");
        let event = Event::ConsentRefused { partner: None, refused: expected };
        assert!(world.events().contains(&event), "{event:?}");
    }
    assert!(!world.events().iter().any(|event| matches!(event, Event::ApprovalReported { .. })));
    let alone = signs_in(&world, &broker, &service).await;
    assert_eq!(refused(alone), Refused::AdminApprovalNeeded, "nothing was approved");
    report(&broker, &world.approval(&broker).await).await.expect("another try");
    signs_in(&world, &broker, &service).await.expect("approved");
}

#[tokio::test]
async fn what_entra_says_without_a_number_is_read_in_its_own_words() {
    let world = World::new().await;
    let broker = world.broker().await;
    for (error, is) in [
        ("consent_required", "declined"),
        ("access_denied", "declined"),
        ("server_error", "entra"),
        ("invalid_client", "entra"),
    ] {
        let request = world.approval(&broker).await;
        let request = world::tampered(&request, |query| {
            format!("error={error}&{}", query.replace("tenant=", "unknown="))
        });
        match (report(&broker, &request).await, is) {
            (Err(Error::Refused(Refused::Declined)), "declined") => {}
            (Err(Error::Entra { partner, .. }), "entra") => {
                assert_eq!(partner, Some(world.contoso));
            }
            (other, _) => panic!("{error}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn one_invitation_carries_both_steps() {
    let world = World::new().await;
    let broker = world.broker().await;
    let service = world.service_account();
    let hinted = broker.partner(world.contoso).invite(world.account());
    let sent = hinted.login_hint("service@contoso.example").only_for(service.id).await;
    let sent = sent.expect("an invitation");
    let alone = capture(&broker, &answer(&broker, &sent, &service).await).await;
    assert_eq!(refused(alone), Refused::AdminApprovalNeeded);
    assert_eq!(kept(&broker, &sent).await.approval_reported_at(), None);

    let live = start(&broker, &sent).await.expect("a flow, before the administrator comes");
    let pending = broker.begin_invited_approval(&token_of(&sent)).await.expect("begun");
    assert!(!pending.approval_url().as_str().contains("service"), "the hint is the other's");
    assert_eq!(kept(&broker, &sent).await.approval_reported_at(), None, "not even begun counts");
    let request = approve(&pending, &world.admin, Answer::Accept).await;
    let reported = report(&broker, &request).await.expect("a report");
    let shown = reported.invitation().expect("it came by one");
    assert_eq!(shown.id(), sent.invitation().id());
    assert_eq!(shown.approval_reported_at(), Some(reported.at()));
    let after = kept(&broker, &sent).await;
    assert_eq!(*after.status(), InvitationStatus::Started { times: 2 }, "its status stays");
    assert_eq!((after.starts_left(), after.approvals_left()), (8, 9));
    let reports = Event::ApprovalReported {
        partner: Some(world.contoso),
        account: world.account(),
        invitation: Some(after.id().clone()),
    };
    assert!(world.events().contains(&reports));

    let request = accept(&live, &service).await;
    let found = capture(&broker, &request).await.expect("the sign-in of before is still live");
    found.confirm().await.expect("a consent");
    assert_eq!(kept(&broker, &sent).await.status().to_string(), "confirmed");
    let late = broker.begin_invited_approval(&token_of(&sent)).await;
    assert_eq!(refused(late), Refused::InvitationSpent);
}

#[tokio::test]
async fn ten_approvals_leave_the_sign_ins_alone() {
    let world = World::new().await;
    let broker = world.broker().await;
    let sent = world.invite(&broker).await;
    for left in (0..10).rev() {
        broker.begin_invited_approval(&token_of(&sent)).await.expect("begun");
        assert_eq!(kept(&broker, &sent).await.approvals_left(), left);
    }
    let eleventh = broker.begin_invited_approval(&token_of(&sent)).await;
    assert_eq!(refused(eleventh), Refused::InvitationExhausted);
    assert_eq!(*kept(&broker, &sent).await.status(), InvitationStatus::Open);
    let request = answer(&broker, &sent, &world.admin).await;
    capture(&broker, &request).await.expect("none of them was used up");
    let again = broker.invitations().resend(sent.invitation().id()).await.expect("still open");
    broker.begin_invited_approval(&token_of(&again)).await.expect("a new link, ten more");
}

#[tokio::test]
async fn what_became_of_the_invitation_meanwhile_ends_its_approval() {
    let world = World::new().await;
    let broker = world.broker().await;
    let begun = async || {
        let sent = world.invite(&broker).await;
        let pending = broker.begin_invited_approval(&token_of(&sent)).await.expect("begun");
        (approve(&pending, &world.admin, Answer::Accept).await, sent)
    };
    let invitations = broker.invitations();
    let (request, sent) = begun().await;
    let newer = invitations.resend(sent.invitation().id()).await.expect("open");
    assert_eq!(refused(report(&broker, &request).await), Refused::InvitationReplaced);
    assert_eq!(kept(&broker, &sent).await.approval_reported_at(), None);
    let stale = broker.begin_invited_approval(&token_of(&sent)).await;
    assert_eq!(refused(stale), Refused::InvitationReplaced);

    let pending = broker.begin_invited_approval(&token_of(&newer)).await.expect("begun");
    let noted = approve(&pending, &world.admin, Answer::Accept).await;
    let at = report(&broker, &noted).await.expect("a report").at();
    invitations.resend(sent.invitation().id()).await.expect("open");
    assert_eq!(
        kept(&broker, &sent).await.approval_reported_at(),
        Some(at),
        "it is about the tenant"
    );

    let (request, sent) = begun().await;
    invitations.revoke(sent.invitation().id()).await.expect("open");
    assert_eq!(refused(report(&broker, &request).await), Refused::InvitationRevoked);
    let over = broker.begin_invited_approval(&token_of(&sent)).await;
    assert_eq!(refused(over), Refused::InvitationRevoked);
    let (_, sent) = begun().await;
    world.clock.advance(7 * DAY);
    let over = broker.begin_invited_approval(&token_of(&sent)).await;
    assert_eq!(refused(over), Refused::InvitationExpired);
}

#[tokio::test]
async fn a_first_contact_may_take_two_people_too() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let service = world.service_account();
    let sent = broker.first_invitation(world.account()).await.expect("an invitation");
    let pending = broker.begin_invited_approval(&token_of(&sent)).await.expect("begun");
    let request = approve(&pending, &world.admin, Answer::Accept).await;
    let reported = report(&broker, &request).await.expect("a report");
    assert_eq!(reported.partner(), None, "which tenant it was is not known before a sign-in");
    assert_eq!(kept(&broker, &sent).await.partner(), None, "nor bound");
    let found = capture(&broker, &answer(&broker, &sent, &service).await).await;
    let consent = found.expect("approved").confirm().await.expect("a consent");
    assert_eq!((consent.partner(), consent.user().id()), (world.contoso, service.id));
}

#[tokio::test]
async fn nothing_is_begun_that_no_consent_could_follow() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let other = account("panel-2");
    let before = world::rows(&world.store_folder(), "pending");
    let elsewhere = broker.partner(world.contoso).request_approval(other.clone()).await;
    assert_eq!(refused(elsewhere), Refused::NotYours(world.contoso));
    let door = broker.account(other).partner(world.contoso);
    let behind = door.request_approval(world.account()).await;
    assert_eq!(refused(behind), Refused::NotYours(world.contoso));
    let home = world.app.home();
    let own = broker.partner(home).request_approval(world.account()).await;
    assert_eq!(refused(own), Refused::HomeTenant(home));
    assert_eq!(world::rows(&world.store_folder(), "pending"), before);
    assert!(!world.events().iter().any(|event| matches!(event, Event::ApprovalRequested { .. })));
    broker.partner(world.contoso).request_approval(world.account()).await.expect("its own");
}
