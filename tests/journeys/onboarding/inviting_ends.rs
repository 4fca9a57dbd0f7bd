//! How invitations end: by time, taken back, sent again, overtaken; and what is under way then.

use cpv_consent::emulator::User;
use cpv_consent::{
    Broker, ClientCredential, Error, Event, InvitationStatus, KeyRing, LocalKey, Refused, Resource,
    SentInvitation,
};

use crate::world::{
    self, DAY, HOUR, MINUTE, SECRET, World, accept, answer, capture, cookies_of, refused, start,
    token_of,
};

async fn invite_for(world: &World, broker: &Broker, minutes: u32) -> SentInvitation {
    let request = broker.partner(world.contoso).invite(world.account());
    request.expires_in(minutes * MINUTE).await.expect("an invitation")
}

/// Neither looked at, nor begun.
async fn assert_closed(broker: &Broker, sent: &SentInvitation, because: Refused) {
    assert_eq!(refused(broker.open_invitation(&token_of(sent)).await), because);
    assert_eq!(refused(start(broker, sent).await), because);
}

/// One that was begun by, and one that was found by, when something happens.
async fn under_way(
    broker: &Broker,
    sent: &SentInvitation,
    user: &User,
    happens: impl AsyncFnOnce(),
) -> [Refused; 3] {
    let begun = answer(broker, sent, user).await;
    let request = answer(broker, sent, user).await;
    let found = capture(broker, &request).await.expect("everything holds");
    happens().await;
    let captured = refused(capture(broker, &begun).await);
    let shown = refused(broker.found(found.id(), request.headers()).await);
    [captured, shown, refused(found.confirm().await)]
}

#[tokio::test]
async fn nothing_comes_of_an_invitation_after_its_time() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let sent = invite_for(&world, &broker, 5).await;
    let pending = start(&broker, &sent).await.expect("a flow");
    assert_eq!(pending.expires_at(), sent.invitation().expires_at(), "sooner than other flows");
    let wait = async || {
        world.entra.forget_ledger();
        world.clock.advance(5 * MINUTE);
    };
    let outcomes = under_way(&broker, &sent, &world.admin, wait).await;
    assert_eq!(outcomes, [const { Refused::InvitationExpired }; 3]);
    assert_eq!(world.entra.ledger().len(), 0, "no code was sent anywhere");
    assert_closed(&broker, &sent, Refused::InvitationExpired).await;
    world.assert_nothing_stored(&broker).await;
    let kept = broker.invitations().find(sent.invitation().id()).await.expect("it is kept");
    assert_eq!(*kept.status(), InvitationStatus::Expired);
}

#[tokio::test]
async fn a_revoked_invitation_ends_what_is_under_way() {
    let world = World::new().await;
    let broker = world.broker().await;
    let sent = world.invite(&broker).await;
    let id = sent.invitation().id();
    let revoke = async || {
        world.entra.forget_ledger();
        let other = world.broker().await;
        let revoked = other.invitations().revoke(id).await.expect("revoked");
        assert!(matches!(revoked.status(), InvitationStatus::Revoked { .. }));
    };
    let outcomes = under_way(&broker, &sent, &world.admin, revoke).await;
    assert_eq!(outcomes, [const { Refused::InvitationRevoked }; 3]);
    assert_eq!(world.entra.ledger().len(), 0, "no code was sent anywhere");
    assert_closed(&broker, &sent, Refused::InvitationRevoked).await;
    world.assert_nothing_stored(&broker).await;
    broker.invitations().revoke(id).await.expect("twice is once");
    assert_eq!(refused(broker.invitations().resend(id).await), Refused::InvitationRevoked);
    let told = |event: &&Event| matches!(event, Event::InvitationRevoked { .. });
    assert!(world.events().iter().any(|event| told(&event)));
}

#[tokio::test]
async fn a_confirmed_invitation_is_taken_back_by_withdrawing_the_partner() {
    let world = World::new().await;
    let broker = world.broker().await;
    let sent = world.invite(&broker).await;
    let found = capture(&broker, &answer(&broker, &sent, &world.admin).await).await;
    found.expect("everything holds").confirm().await.expect("a consent");
    let id = sent.invitation().id();
    assert_eq!(refused(broker.invitations().revoke(id).await), Refused::InvitationSpent);
    assert_eq!(refused(broker.invitations().resend(id).await), Refused::InvitationSpent);
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a token");
}

#[tokio::test]
async fn an_invitation_that_is_sent_again_has_one_link_that_works() {
    let world = World::new().await;
    let broker = world.broker().await;
    let first = invite_for(&world, &broker, 60).await;
    let id = first.invitation().id();
    let mut second = None;
    let resend = async || {
        world.clock.advance(9 * MINUTE);
        world.entra.forget_ledger();
        second = Some(broker.invitations().resend(id).await.expect("sent again"));
    };
    let outcomes = under_way(&broker, &first, &world.admin, resend).await;
    assert_eq!(outcomes, [const { Refused::InvitationReplaced }; 3]);
    assert_eq!(world.entra.ledger().len(), 0, "no code was sent anywhere");
    let second = second.expect("sent again");
    assert_eq!((second.invitation().id(), second.invitation().starts_left()), (id, 10));
    assert_ne!(second.link(), first.link());
    assert_eq!(second.invitation().expires_at(), first.invitation().expires_at() + 9 * MINUTE);
    assert_eq!(second.invitation().made_at(), first.invitation().made_at());
    assert_closed(&broker, &first, Refused::InvitationReplaced).await;

    world.clock.advance(2 * HOUR);
    assert_closed(&broker, &second, Refused::InvitationExpired).await;
    let third = broker.invitations().resend(id).await.expect("what expired can be sent again");
    let found = capture(&broker, &answer(&broker, &third, &world.admin).await).await;
    found.expect("everything holds").confirm().await.expect("a consent");
    assert_eq!(world::rows(&world.store_folder(), "invitation"), 1, "it is one invitation");
}

#[tokio::test]
async fn an_invitation_from_before_a_withdrawal_brings_nobody_back() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let (known, first) = (
        world.invite(&broker).await,
        broker.first_invitation(world.account()).await.expect("an invitation"),
    );
    world.clock.advance(MINUTE);
    let begun = answer(&broker, &first, &world.admin).await;
    let waiting = capture(&broker, &answer(&broker, &first, &world.admin).await).await;
    broker.partner(world.contoso).withdraw().await.expect("withdrawn");
    let withdrawn = || Refused::Withdrawn(world.contoso);
    assert_eq!(refused(capture(&broker, &begun).await), withdrawn());
    assert_eq!(refused(waiting.expect("everything held").confirm().await), withdrawn());
    assert_closed(&broker, &known, withdrawn()).await;

    world.clock.advance(MINUTE);
    let late = answer(&broker, &first, &world.admin).await;
    assert_eq!(refused(capture(&broker, &late).await), withdrawn(), "it begins, and ends there");
    let again = broker.invitations().resend(known.invitation().id()).await.expect("sent again");
    let found = capture(&broker, &answer(&broker, &again, &world.admin).await).await;
    found.expect("everything holds").confirm().await.expect("the host wanted it so");
}

#[tokio::test]
async fn an_invitation_from_before_a_shredding_brings_nobody_back() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let sent = world.invite(&broker).await;
    world.clock.advance(MINUTE);
    broker.partner(world.contoso).shred().await.expect("shredded");
    assert_closed(&broker, &sent, Refused::Withdrawn(world.contoso)).await;
    world.clock.advance(MINUTE);
    let sent = world.invite(&broker).await;
    let found = capture(&broker, &answer(&broker, &sent, &world.admin).await).await;
    found.expect("everything holds").confirm().await.expect("the host wanted it so");
}

#[tokio::test]
async fn an_invitation_speaks_of_all_that_is_asked_for() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let sent = world.invite(&broker).await;
    let credential = ClientCredential::secret(SECRET).expect("plain text");
    let more = world::registration_proving(world.app.cloud().clone(), credential);
    let more = more.requesting(Resource::Graph, ["User.Read.All"]).expect("a registration");
    world.entra.register(&more);
    let builder = Broker::builder(more.clone(), world.store().await, world.keys());
    let builder = builder.clock(world.clock.clone()).start_page(world::START_PAGE);
    let later = builder.build().await.expect("a broker");

    let asked = later.open_invitation(&token_of(&sent)).await;
    let Refused::InvitationOutgrown(missing) = refused(asked) else { panic!("it said less") };
    assert_eq!(
        missing.iter().map(|scope| scope.permission()).collect::<Vec<_>>(),
        ["User.Read.All"]
    );
    assert!(matches!(refused(start(&later, &sent).await), Refused::InvitationOutgrown(_)));
    let begun = answer(&broker, &sent, &world.admin).await;
    let captured = refused(capture(&later, &begun).await);
    assert!(matches!(captured, Refused::InvitationOutgrown(_)), "{captured:?}");
    let sent = later.invitations().resend(sent.invitation().id()).await.expect("sent again");
    assert_eq!(sent.invitation().scopes(), more.scopes());
    let request = answer(&later, &sent, &world.admin).await;
    capture(&later, &request).await.expect("everything holds").confirm().await.expect("a consent");
}

#[tokio::test]
async fn an_invitation_is_swept_a_month_after_its_end() {
    let world = World::new().await;
    let broker = world.broker().await;
    let sent = invite_for(&world, &broker, 60).await;
    start(&broker, &sent).await.expect("a flow");
    world.clock.advance(30 * DAY);
    broker.sweep().await.expect("swept");
    let id = sent.invitation().id();
    broker.invitations().find(id).await.expect("it is listed for a month");
    world.clock.advance(HOUR);
    broker.sweep().await.expect("swept"); // unless the broker came first
    assert_eq!(world::rows(&world.store_folder(), "invitation"), 0);
    assert_eq!(refused(broker.invitations().find(id).await), Refused::InvitationUnknown);
    assert_closed(&broker, &sent, Refused::InvitationUnknown).await;
}

#[tokio::test]
async fn an_invitation_outlives_a_rotation_of_the_rings_key() {
    //
    let world = World::new().await;
    let before = world.broker().await;
    let sent = world.invite(&before).await;
    let request = answer(&before, &sent, &world.admin).await;
    let key = LocalKey::generate("test-2").expect("a key").to_base64();
    let ring = |readable: bool| {
        let ring = KeyRing::new(LocalKey::from_base64("test-2", key.expose()).expect("a key"));
        let old = LocalKey::from_bytes("test-1", world.sealing_key()).expect("a key");
        if readable { ring.readable(old).expect("another name") } else { ring }
    };
    before.close(MINUTE).await;
    for readable in [true, false] {
        let builder = Broker::builder(world.app.clone(), world.store().await, ring(readable));
        let builder = builder.clock(world.clock.clone()).start_page(world::START_PAGE);
        let broker = builder.build().await.expect("a broker");
        if readable {
            broker.rotate_keys().run().await.expect("rotated");
        }
        broker.open_invitation(&token_of(&sent)).await.expect("an invitation");
        if !readable {
            let found = capture(&broker, &request).await.expect("everything holds");
            found.confirm().await.expect("a consent");
        }
        broker.close(MINUTE).await;
    }
}

#[tokio::test]
async fn a_flow_whose_invitation_is_gone_ends() {
    let world = World::new().await;
    let broker = world.broker().await;
    let sent = world.invite(&broker).await;
    let gone = async || {
        world::raw::execute(
            &world.store_folder(),
            "invitation",
            "DELETE FROM record WHERE kind = 'invitation'",
        );
    };
    let outcomes = under_way(&broker, &sent, &world.admin, gone).await;
    assert_eq!(outcomes, [const { Refused::InvitationUnknown }; 3]);
    world.assert_nothing_stored(&broker).await;
}

#[tokio::test]
async fn a_browser_with_too_many_cookies_learns_so() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let sent = world.invite(&broker).await;
    let mut headers = cookies_of(&start(&broker, &sent).await.expect("a flow"));
    let flood = format!("a={}", "x".repeat(70_000));
    headers.append(http::header::COOKIE, flood.parse().expect("a header"));
    let error = broker.begin_invited(&token_of(&sent), &headers).await.expect_err("too much");
    assert!(matches!(error, Error::Callback(_)), "{error:?}");
    let kept = broker.invitations().find(sent.invitation().id()).await.expect("it is kept");
    assert_eq!(kept.starts_left(), 9, "it was no start");
    let accepted = accept(&start(&broker, &sent).await.expect("a flow"), &world.admin).await;
    capture(&broker, &accepted).await.expect("everything holds");
}
