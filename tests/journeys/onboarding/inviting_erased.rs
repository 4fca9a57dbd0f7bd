//! Persons who are erased, and partners who are shredded: the invitations that named them know nobody any
//! more, and none that was for one person becomes one for anybody.

use cpv_consent::emulator::User;
use cpv_consent::store::Kind;
use cpv_consent::{
    Broker, Error, Event, Invitation, InvitationRequest, InvitationStatus, Refused, SentInvitation,
};

use crate::world::late::Late;
use crate::world::{MINUTE, World, accept, account, answer, capture, raw, refused, start};

async fn sent(request: InvitationRequest<'_>) -> SentInvitation {
    request.await.expect("an invitation")
}

async fn kept(broker: &Broker, sent: &SentInvitation) -> Invitation {
    broker.invitations().find(sent.invitation().id()).await.expect("it is kept")
}

/// Which sign-in name the link would fill in at Entra.
async fn hint(broker: &Broker, sent: &SentInvitation) -> Option<String> {
    let pending = start(broker, sent).await.expect("a flow");
    let mut fields = pending.authorize_url().query_pairs();
    fields.find(|(name, _)| name == "login_hint").map(|(_, hint)| hint.into_owned())
}

fn revocations(world: &World) -> usize {
    let revoked = |event: &&Event| matches!(event, Event::InvitationRevoked { .. });
    world.events().iter().filter(revoked).count()
}

fn invitations(world: &World) -> Vec<raw::Row> {
    let rows = raw::rows(&world.store_folder()).into_iter();
    rows.filter(|row| row.kind == "invitation").collect()
}

/// The administrator has consented by an invitation, then John in their place.
async fn john_stands(world: &World, broker: &Broker) -> (SentInvitation, SentInvitation, User) {
    let john = world.entra.add_user(world.contoso, "john@contoso.example");
    let partner = broker.partner(world.contoso);
    let hers = sent(partner.invite(world.account()).login_hint("admin@contoso.example")).await;
    let found = capture(broker, &answer(broker, &hers, &world.admin).await).await;
    found.expect("everything holds").confirm().await.expect("a consent");
    world.clock.advance(MINUTE);
    let his = partner.invite(world.account()).only_for(john.id).replacing(world.admin.id);
    let his = sent(his.login_hint("john@contoso.example")).await;
    let found = capture(broker, &answer(broker, &his, &john).await).await;
    let found = found.expect("everything holds");
    found.confirm_instead_of(world.admin.id).await.expect("both were named");
    (hers, his, john)
}

#[tokio::test]
async fn a_person_is_taken_out_and_what_was_for_that_person_alone_is_revoked() {
    let world = World::new().await;
    let broker = world.broker().await;
    let (jane, partner) = (world.admin.id, broker.partner(world.contoso));
    let (hers, his, john) = john_stands(&world, &broker).await;
    let only_hers = partner.invite(world.account()).only_for(jane).login_hint("admin@x.example");
    let only_hers = sent(only_hers).await;
    let first = sent(broker.first_invitation(world.account()).only_for(jane)).await;
    let only_his = partner.invite(world.account()).only_for(john.id).login_hint("john@x.example");
    let only_his = sent(only_his.replacing(jane)).await;
    let anybodys = sent(partner.invite(world.account()).login_hint("someone@x.example")).await;
    let other = world.entra.add_tenant("litware");
    let others = broker.partner(other).invite(world.account()).login_hint("ann@litware.example");
    let others = sent(others).await;
    let pending = start(&broker, &only_hers).await.expect("a flow");

    broker.erase_person(world.contoso, jane).await.expect("erased");
    for sent in [&only_hers, &first] {
        let shown = kept(&broker, sent).await;
        assert!(matches!(shown.status(), InvitationStatus::Revoked { .. }), "{:?}", shown.status());
        assert_eq!(shown.user(), None);
        assert_eq!(refused(start(&broker, sent).await), Refused::InvitationRevoked);
        let again = broker.invitations().resend(sent.invitation().id()).await;
        assert_eq!(refused(again), Refused::InvitationRevoked, "it is nobody's any more");
    }
    assert_eq!(revocations(&world), 2);
    let late = capture(&broker, &accept(&pending, &john).await).await;
    assert_eq!(refused(late), Refused::InvitationRevoked, "nor what was begun by it");

    let shown = kept(&broker, &hers).await;
    let InvitationStatus::Confirmed { partner: by, user: None, .. } = shown.status() else {
        panic!("{:?}", shown.status())
    };
    assert_eq!(*by, world.contoso, "that it was confirmed stays known");
    let of_john = |shown: &Invitation| (shown.user(), shown.replaces());
    assert_eq!(of_john(&kept(&broker, &his).await), (Some(john.id), None));
    assert_eq!(of_john(&kept(&broker, &only_his).await), (Some(john.id), None));
    assert_eq!(hint(&broker, &only_his).await.as_deref(), Some("john@x.example"));
    assert_eq!(hint(&broker, &anybodys).await, None, "nobody can tell whose it is");
    assert_eq!(hint(&broker, &others).await.as_deref(), Some("ann@litware.example"));

    let before = invitations(&world);
    broker.erase_person(world.contoso, jane).await.expect("twice is once");
    assert_eq!((invitations(&world), revocations(&world)), (before, 2));
}

#[tokio::test]
async fn while_the_persons_consent_stands_nothing_is_taken_out() {
    let world = World::new().await;
    let broker = world.broker().await;
    let (_, his, john) = john_stands(&world, &broker).await;
    let before = invitations(&world);
    let erased = broker.erase_person(world.contoso, john.id).await;
    assert_eq!(refused(erased), Refused::StillNamed(world.contoso));
    assert_eq!(invitations(&world), before);
    assert_eq!(kept(&broker, &his).await.user(), Some(john.id));
}

#[tokio::test]
async fn whoever_is_confirming_is_erased_a_moment_later_or_not_at_all() {
    let world = World::new().await;
    let (broker, late) = (world.broker().await, Late::new(world.store().await));
    let other = world.builder(late.clone()).build().await.expect("a broker");
    let (_, _, john) = john_stands(&world, &broker).await;
    world.clock.advance(MINUTE);
    let ann = world.entra.add_user(world.contoso, "ann@contoso.example");
    let again = broker.partner(world.contoso).invite(world.account()).replacing(john.id);
    let again = sent(again).await;
    let found = capture(&other, &answer(&other, &again, &ann).await).await;
    let found = found.expect("everything holds");
    late.hold_back(Kind::Consent);
    let confirming = tokio::spawn(found.confirm_instead_of(john.id));
    late.waiting().await;
    let erased = broker.erase_person(world.contoso, ann.id).await;
    assert!(matches!(erased, Err(Error::Conflict)), "{erased:?}");
    late.release();
    let consent = confirming.await.expect("no panic").expect("both were named");
    assert_eq!(consent.user().id(), ann.id);
    let status = kept(&broker, &again).await.status().clone();
    let InvitationStatus::Confirmed { user: Some(user), .. } = status else { panic!("{status:?}") };
    assert_eq!(user, ann.id);
    let erased = broker.erase_person(world.contoso, ann.id).await;
    assert_eq!(refused(erased), Refused::StillNamed(world.contoso));
}

#[tokio::test]
async fn a_shredded_partners_invitations_know_nobody() {
    let world = World::new().await;
    let broker = world.broker().await;
    let partner = broker.partner(world.contoso);
    let (hers, his, john) = john_stands(&world, &broker).await;
    let only_his = sent(partner.invite(world.account()).only_for(john.id)).await;
    let anybodys = sent(partner.invite(world.account()).login_hint("someone@x.example")).await;
    let first = sent(broker.first_invitation(world.account()).only_for(john.id)).await;
    let litware = world.onboard_another(&broker, "litware").await;
    let others = broker.partner(litware).invite(account("panel-litware")).only_for(john.id);
    let others = sent(others.login_hint("ann@litware.example")).await;

    broker.account(world.account()).partner(world.contoso).shred().await.expect("shredded");
    for sent in [&hers, &his] {
        let shown = kept(&broker, sent).await;
        let is_nobodys = matches!(shown.status(), InvitationStatus::Confirmed { user: None, .. });
        assert!(is_nobodys, "{:?}", shown.status());
        assert_eq!((shown.user(), shown.replaces()), (None, None));
    }
    let shown = kept(&broker, &only_his).await;
    assert!(matches!(shown.status(), InvitationStatus::Revoked { .. }), "{:?}", shown.status());
    assert_eq!((shown.user(), revocations(&world)), (None, 1));
    assert_eq!(kept(&broker, &first).await.user(), Some(john.id), "it asks anybody's");
    assert_eq!(kept(&broker, &others).await.user(), Some(john.id));
    assert_eq!(hint(&broker, &others).await.as_deref(), Some("ann@litware.example"));

    // The partner may come back by what was for anybody, once it is sent again.
    let dead = start(&broker, &anybodys).await;
    assert_eq!(refused(dead), Refused::Withdrawn(world.contoso));
    world.clock.advance(MINUTE);
    let again = broker.invitations().resend(anybodys.invitation().id()).await.expect("open");
    assert_eq!(hint(&broker, &again).await, None);
    broker.partner(world.contoso).shred().await.expect("shredded before");
    assert_eq!(revocations(&world), 1);
}

#[tokio::test]
async fn a_confirmation_that_meets_a_shredding_leaves_no_name_behind() {
    //
    let world = World::new().await;
    let (broker, late) = (world.broker().await, Late::new(world.store().await));
    let other = world.builder(late.clone()).build().await.expect("a broker");
    world.onboard(&broker).await;
    world.clock.advance(MINUTE);
    let again = world.invite(&broker).await;
    let found = capture(&other, &answer(&other, &again, &world.admin).await).await;
    let found = found.expect("everything holds");
    late.hold_back(Kind::Consent);
    let confirming = tokio::spawn(found.confirm());
    late.waiting().await;
    broker.partner(world.contoso).shred().await.expect("shredded");
    late.release();
    confirming.await.expect("no panic").expect_err("nothing comes of it any more");
    let status = kept(&broker, &again).await.status().clone();
    assert!(matches!(status, InvitationStatus::Revoked { .. }), "{status:?}");
    refused(start(&broker, &again).await);
}
