//! Browsers and processes that use the same invitation at the same moment, and hosts that die in it.

use std::sync::Arc;

use cpv_consent::emulator::User;
use cpv_consent::store::{Kind, Memory, StoreError};
use cpv_consent::{
    Broker, Consent, Error, Found, InvitationStatus, Refused, Resource, SentInvitation,
};
use http::HeaderMap;

use crate::world::late::Late;
use crate::world::{MINUTE, World, answer, capture, refused, start, token_of};

async fn find(broker: &Broker, sent: &SentInvitation, user: &User) -> Found {
    let request = answer(broker, sent, user).await;
    capture(broker, &request).await.expect("everything holds")
}

async fn status(broker: &Broker, sent: &SentInvitation) -> InvitationStatus {
    let kept = broker.invitations().find(sent.invitation().id()).await.expect("it is kept");
    kept.status().clone()
}

fn is_late(outcome: &Result<Consent, Error>) -> bool {
    matches!(outcome, Err(Error::Conflict | Error::Refused(Refused::InvitationSpent)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_tenants_that_confirm_one_invitation_one_is_the_partner() {
    //
    for _ in 0..8 {
        let world = World::new().await;
        let (one, other) = (world.broker().await, world.broker().await);
        let litware = world.entra.add_tenant("litware");
        let theirs = world.entra.add_user(litware, "admin@litware.example");
        let sent = one.first_invitation(world.account()).await.expect("an invitation");
        let first = find(&one, &sent, &world.admin).await;
        let second = find(&other, &sent, &theirs).await;
        let outcomes = tokio::join!(first.confirm(), second.confirm());
        let (won, lost) = match outcomes {
            (Ok(won), lost) | (lost, Ok(won)) => (won, lost),
            neither => panic!("{neither:?}"),
        };
        assert!(is_late(&lost), "{lost:?}");
        let confirmed = status(&one, &sent).await;
        assert!(
            matches!(confirmed, InvitationStatus::Confirmed { partner, .. } if partner == won.partner())
        );
        for partner in [world.contoso, litware] {
            let consent = one.partner(partner).consent().await.expect("readable");
            assert_eq!(consent.is_some(), partner == won.partner());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_users_who_confirm_one_invitation_one_stands() {
    //
    for _ in 0..8 {
        let world = World::new().await;
        let (one, other) = (world.broker().await, world.broker().await);
        let second = world.entra.add_user(world.contoso, "second@contoso.example");
        let sent = world.invite(&one).await;
        let founds = (find(&one, &sent, &world.admin).await, find(&other, &sent, &second).await);
        let outcomes = tokio::join!(founds.0.confirm(), founds.1.confirm());
        let won = match outcomes {
            (Ok(won), Err(_)) | (Err(_), Ok(won)) => won,
            both => panic!("{both:?}"),
        };
        assert_eq!(won.generation(), 1);
        let standing = one.partner(world.contoso).consent().await.expect("readable");
        assert_eq!(standing.expect("it stands").user().id(), won.user().id());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starts_at_once_are_each_counted() {
    let world = World::new().await;
    let mut brokers = Vec::new();
    for _ in 0..4 {
        brokers.push(world.broker().await);
    }
    let sent = world.invite(&brokers[0]).await;
    for _ in 0..2 {
        let starts = [&brokers[0], &brokers[1], &brokers[2], &brokers[3]].map(|b| start(b, &sent));
        let [a, b, c, d] = starts;
        let begun = tokio::join!(a, b, c, d);
        let _ =
            (begun.0.expect("a"), begun.1.expect("b"), begun.2.expect("c"), begun.3.expect("d"));
    }
    assert_eq!(status(&brokers[0], &sent).await, InvitationStatus::Started { times: 8 });
}

/// An invitation on a store that can be held, and another process that is not held.
struct Stage {
    world: World,
    store: Late,
    broker: Broker,
    other: Broker,
    sent: SentInvitation,
    second: User,
}

impl Stage {
    async fn new() -> Self {
        let world = World::new().await;
        let memory = Arc::new(Memory::new());
        let store = Late::new(memory.clone());
        let broker = world.builder(store.clone()).build().await.expect("a broker");
        let other = world.builder(memory).build().await.expect("a broker");
        let sent = world.invite(&broker).await;
        let second = world.entra.add_user(world.contoso, "second@contoso.example");
        Self { world, store, broker, other, sent, second }
    }

    async fn find(&self, user: &User) -> Found {
        find(&self.broker, &self.sent, user).await
    }

    async fn consent(&self) -> Option<Consent> {
        self.broker.partner(self.world.contoso).consent().await.expect("readable")
    }

    async fn status(&self) -> InvitationStatus {
        status(&self.broker, &self.sent).await
    }
}

#[tokio::test]
async fn a_start_by_a_link_that_was_just_replaced_is_none() {
    let stage = Stage::new().await;
    stage.store.hold_back(Kind::Invitation);
    let (broker, token) = (stage.broker.clone(), token_of(&stage.sent));
    let starting =
        tokio::spawn(async move { broker.begin_invited(&token, &HeaderMap::new()).await });
    stage.store.waiting().await;
    let id = stage.sent.invitation().id();
    let sent = stage.other.invitations().resend(id).await.expect("sent again");
    stage.store.release();
    assert_eq!(refused(starting.await.expect("no panic")), Refused::InvitationReplaced);
    assert_eq!(status(&stage.other, &sent).await, InvitationStatus::Open);
}

#[tokio::test]
async fn a_confirmation_that_meets_a_revocation_is_none() {
    let stage = Stage::new().await;
    let found = stage.find(&stage.world.admin).await;
    stage.store.hold_back(Kind::Invitation);
    let confirming = tokio::spawn(async move { found.confirm().await });
    stage.store.waiting().await;
    let id = stage.sent.invitation().id();
    stage.other.invitations().revoke(id).await.expect("nobody has claimed it yet");
    stage.store.release();
    assert_eq!(refused(confirming.await.expect("no panic")), Refused::InvitationRevoked);
    assert!(stage.consent().await.is_none());
    assert!(matches!(stage.status().await, InvitationStatus::Revoked { .. }));
}

#[tokio::test]
async fn who_loses_again_and_again_gives_up_and_has_changed_nothing() {
    let stage = Stage::new().await;
    stage.store.deny(Kind::Invitation, StoreError::Conflict);
    let begun = start(&stage.broker, &stage.sent).await;
    assert!(matches!(begun, Err(Error::Conflict)), "{begun:?}");
    stage.store.allow();
    assert_eq!(stage.status().await, InvitationStatus::Open);
}

#[tokio::test]
async fn while_one_is_confirmed_nobody_else_can_say_what_comes_of_it() {
    let stage = Stage::new().await;
    let (first, second) = (stage.find(&stage.world.admin).await, stage.find(&stage.second).await);
    let id = stage.sent.invitation().id();
    stage.store.hold_back(Kind::Consent);
    let confirming = tokio::spawn(async move { first.confirm().await });
    stage.store.waiting().await;
    let invitations = stage.broker.invitations();
    let others = [
        second.confirm().await.map(drop),
        invitations.revoke(id).await.map(drop),
        invitations.resend(id).await.map(drop),
    ];
    for other in others {
        let error = other.expect_err("it is being decided");
        assert!(matches!(error, Error::Conflict), "{error:?}");
    }
    stage.store.release();
    let consent = confirming.await.expect("no panic").expect("a consent");
    assert_eq!(consent.user().id(), stage.world.admin.id);
    assert_eq!(refused(invitations.revoke(id).await), Refused::InvitationSpent);
    assert_eq!(stage.consent().await.expect("it stands").generation(), 1);
}

#[tokio::test]
async fn whoever_lost_learns_that_the_invitation_is_spent() {
    let stage = Stage::new().await;
    let (first, second) = (stage.find(&stage.world.admin).await, stage.find(&stage.second).await);
    first.confirm().await.expect("a consent");
    assert_eq!(refused(second.confirm().await), Refused::InvitationSpent);
    assert_eq!(stage.consent().await.expect("it stands").user().id(), stage.world.admin.id);
}

#[tokio::test]
async fn a_consent_that_could_not_be_written_leaves_the_invitation_to_others() {
    // F-11
    let stage = Stage::new().await;
    let (first, second) = (stage.find(&stage.world.admin).await, stage.find(&stage.second).await);
    stage.store.deny(Kind::Consent, StoreError::Full);
    let error = first.confirm().await.expect_err("it is full");
    assert!(matches!(error, Error::Store(StoreError::Full)), "{error:?}");
    stage.store.allow();
    let consent = second.confirm().await.expect("a consent");
    assert_eq!(consent.user().id(), stage.second.id);
}

#[tokio::test]
async fn what_nobody_knows_is_left_to_the_same_browser_while_its_finding_waits() {
    // F-06, F-12
    let stage = Stage::new().await;
    let request = answer(&stage.broker, &stage.sent, &stage.world.admin).await;
    let first = capture(&stage.broker, &request).await.expect("everything holds");
    let (id, second) = (first.id().clone(), stage.find(&stage.second).await);
    stage.store.deny(Kind::Consent, StoreError::unavailable("on purpose"));
    first.confirm().await.expect_err("nobody knows");
    stage.store.allow();
    let error = second.confirm().await.expect_err("it may be the first one's");
    assert!(matches!(error, Error::Conflict), "{error:?}");
    let again = stage.broker.found(&id, request.headers()).await.expect("it waits");
    let consent = again.confirm().await.expect("a consent");
    assert_eq!((consent.user().id(), consent.generation()), (stage.world.admin.id, 1));
    assert!(matches!(stage.status().await, InvitationStatus::Confirmed { .. }));
}

#[tokio::test]
async fn what_nobody_ever_confirmed_is_open_again() {
    // F-06
    let stage = Stage::new().await;
    let first = stage.find(&stage.world.admin).await;
    stage.world.clock.advance(5 * MINUTE);
    let second = stage.find(&stage.second).await;
    stage.store.deny(Kind::Consent, StoreError::unavailable("on purpose"));
    first.confirm().await.expect_err("nobody knows");
    stage.store.allow();
    assert!(matches!(stage.status().await, InvitationStatus::Started { .. }));
    stage.world.clock.advance(5 * MINUTE - MINUTE / 60);
    assert!(matches!(second.confirm().await, Err(Error::Conflict)));
    stage.world.clock.advance(5 * MINUTE);
    let second = stage.find(&stage.second).await;
    assert!(matches!(second.confirm().await, Err(Error::Conflict)), "a write may be that slow");
    let second = stage.find(&stage.second).await;
    stage.world.clock.advance(MINUTE / 60);
    let consent = second.confirm().await.expect("the first one's time is over");
    assert_eq!((consent.user().id(), consent.generation()), (stage.second.id, 1));
}

#[tokio::test]
async fn a_consent_whose_invitation_could_not_be_marked_has_spent_it_all_the_same() {
    // F-04
    let stage = Stage::new().await;
    let (first, second) = (stage.find(&stage.world.admin).await, stage.find(&stage.second).await);
    stage.store.hold(Kind::Consent);
    let confirming = tokio::spawn(async move { first.confirm().await });
    stage.store.waiting().await;
    stage.store.deny(Kind::Invitation, StoreError::unavailable("on purpose"));
    stage.store.release();
    confirming.await.expect("no panic").expect("the consent is what counts");
    assert!(matches!(stage.status().await, InvitationStatus::Confirmed { .. }));
    let page = stage.broker.invitations().page(9, None).await.expect("a page");
    assert_eq!(page.invitations()[0].status().to_string(), "confirmed");
    stage.store.allow();
    assert_eq!(refused(second.confirm().await), Refused::InvitationSpent);
    let partner = stage.broker.partner(stage.world.contoso);
    partner.token(Resource::PartnerCenter).await.expect("a token");
    stage.world.clock.advance(11 * MINUTE);
    assert_eq!(refused(start(&stage.broker, &stage.sent).await), Refused::InvitationSpent);
}

#[tokio::test]
async fn a_confirmation_whose_answer_was_lost_has_spent_the_invitation() {
    // F-02
    let stage = Stage::new().await;
    let (first, second) = (stage.find(&stage.world.admin).await, stage.find(&stage.second).await);
    stage.store.lose_answers(true);
    first.confirm().await.expect_err("nobody knows");
    stage.store.lose_answers(false);
    assert!(matches!(stage.status().await, InvitationStatus::Confirmed { .. }));
    assert_eq!(refused(second.confirm().await), Refused::InvitationSpent);
    assert_eq!(stage.consent().await.expect("it stands").generation(), 1);
}

#[tokio::test]
async fn another_users_consent_is_named_before_the_invitation_is_touched() {
    //
    let stage = Stage::new().await;
    stage.world.onboard(&stage.broker).await;
    stage.world.clock.advance(MINUTE);
    let request = answer(&stage.broker, &stage.sent, &stage.second).await;
    let found = capture(&stage.broker, &request).await.expect("everything holds");
    let id = found.id().clone();
    assert!(matches!(refused(found.confirm().await), Refused::OtherUser { .. }));
    assert!(matches!(stage.status().await, InvitationStatus::Started { times: 1 }));
    let found = stage.broker.found(&id, request.headers()).await.expect("it waits");
    let consent = found.confirm_instead_of(stage.world.admin.id).await.expect("both were named");
    assert_eq!((consent.user().id(), consent.generation()), (stage.second.id, 2));
    assert!(matches!(stage.status().await, InvitationStatus::Confirmed { .. }));
}
