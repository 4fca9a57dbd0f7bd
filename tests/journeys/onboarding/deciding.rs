//! A yes and a no that come at once, twice, late, or in another process.

use cpv_consent::emulator::MfaAnswer;
use cpv_consent::store::{Kind, StoreError};
use cpv_consent::{
    Broker, Error, Event, InvitationStatus, MfaSource, Policy, Refused, SentInvitation,
};
use http::HeaderMap;

use crate::world::late::Late;
use crate::world::{
    MINUTE, World, accept, account, answer, capture, refused, rows, start, token_of,
};

/// Two processes on one store, each with a delay of its own.
struct Stage {
    world: World,
    store: Late,
    broker: Broker,
    other_store: Late,
    other: Broker,
}

impl Stage {
    async fn new() -> Self {
        let world = World::new().await;
        let (store, other_store) = (Late::new(world.store().await), Late::new(world.store().await));
        let build = async |store: &Late| {
            let broker = world.builder(store.clone()).policy(Policy::default()).build().await;
            broker.expect("a broker")
        };
        let (broker, other) = (build(&store).await, build(&other_store).await);
        Self { world, store, broker, other_store, other }
    }

    async fn has_consent(&self) -> bool {
        let consent = self.other.partner(self.world.contoso).consent().await;
        consent.expect("readable").is_some()
    }

    async fn status(&self, sent: &SentInvitation) -> InvitationStatus {
        let kept = self.other.invitations().find(sent.invitation().id()).await;
        kept.expect("it is kept").status().clone()
    }
}

#[tokio::test]
async fn a_no_that_comes_while_the_yes_is_written_is_not_told_that_nothing_was_given() {
    let stage = Stage::new().await;
    let request = stage.world.callback(&stage.broker).await;
    let found = capture(&stage.broker, &request).await.expect("everything holds");
    let id = found.id().clone();
    let again = async || stage.other.found(&id, request.headers()).await.expect("it waits");
    let last = again().await;
    stage.store.hold_back(Kind::Consent);
    let confirming = tokio::spawn(async move { found.confirm().await });
    stage.store.waiting().await;
    let no = again().await.decline().await;
    assert!(matches!(no, Err(Error::Conflict)), "nobody knows yet: {no:?}");
    stage.store.release();
    confirming.await.expect("no panic").expect("a consent");
    let no = last.decline().await;
    assert_eq!(refused(no), Refused::ConfirmedAlready(stage.world.contoso));
    assert!(stage.has_consent().await);
}

#[tokio::test]
async fn a_no_that_comes_before_its_yes_is_told_is_told_that_it_stands() {
    let stage = Stage::new().await;
    let request = stage.world.callback(&stage.broker).await;
    let found = capture(&stage.broker, &request).await.expect("everything holds");
    let id = found.id().clone();
    stage.store.hold(Kind::Consent); // it is written, and nobody is told so
    let confirming = tokio::spawn(async move { found.confirm().await });
    stage.store.waiting().await;
    let no = stage.other.found(&id, request.headers()).await.expect("it waits").decline().await;
    assert_eq!(refused(no), Refused::ConfirmedAlready(stage.world.contoso));
    stage.store.release();
    confirming.await.expect("no panic").expect("a consent");
}

#[tokio::test]
async fn a_no_that_comes_first_is_final() {
    let stage = Stage::new().await;
    let request = stage.world.callback(&stage.broker).await;
    let found = capture(&stage.broker, &request).await.expect("everything holds");
    let id = found.id().clone();
    stage.store.hold_back(Kind::Found); // the yes has read what waits, and not marked it
    let confirming = tokio::spawn(async move { found.confirm().await });
    stage.store.waiting().await;
    stage.other.found(&id, request.headers()).await.expect("it waits").decline().await.expect("no");
    stage.store.release();
    assert_eq!(refused(confirming.await.expect("no panic")), Refused::NothingToConfirm);
    assert!(!stage.has_consent().await);
}

#[tokio::test]
async fn a_yes_that_came_to_nothing_may_still_be_a_no() {
    let stage = Stage::new().await;
    let request = stage.world.callback(&stage.broker).await;
    let found = capture(&stage.broker, &request).await.expect("everything holds");
    let id = found.id().clone();
    stage.store.deny(Kind::Consent, StoreError::Full);
    found.confirm().await.expect_err("it is full");
    stage.other.found(&id, request.headers()).await.expect("it waits").decline().await.expect("no");
    assert!(!stage.has_consent().await);
}

#[tokio::test]
async fn a_no_long_after_a_yes_of_which_nothing_is_known_is_told_what_stands() {
    // F-12
    for stands in [false, true] {
        let stage = Stage::new().await;
        let request = stage.world.callback(&stage.broker).await;
        let found = capture(&stage.broker, &request).await.expect("everything holds");
        let late = stage.other.found(found.id(), request.headers()).await.expect("it waits");
        match stands {
            true => stage.store.lose_answers(true),
            false => stage.store.deny(Kind::Consent, StoreError::unavailable("on purpose")),
        }
        found.confirm().await.expect_err("nobody knows");
        stage.store.lose_answers(false);
        stage.store.allow();
        for store in [&stage.store, &stage.other_store] {
            store.hold(Kind::Found); // no sweep comes before
        }
        stage.world.clock.advance(16 * MINUTE);
        match (stands, late.decline().await) {
            (true, no) => assert_eq!(refused(no), Refused::ConfirmedAlready(stage.world.contoso)),
            (false, no) => no.expect("nothing can come of it any more"),
        }
        assert_eq!(rows(&stage.world.store_folder(), "found"), 0, "it is gone");
    }
}

#[tokio::test]
async fn whoever_confirms_asks_its_own_policy() {
    //
    let stage = Stage::new().await;
    stage.world.entra.partner_center_mfa(MfaAnswer::HeaderAbsent);
    let loose = stage.world.broker_with(Policy::default().danger_without_mfa()).await;
    let request = stage.world.callback(&loose).await;
    let found = capture(&loose, &request).await.expect("it asks for no second factor");
    let id = found.id().clone();
    let elsewhere = stage.other.found(&id, request.headers()).await.expect("it waits");
    let outcome = refused(elsewhere.confirm().await);
    assert!(matches!(outcome, Refused::MfaUnknown | Refused::MfaMissing(_)), "{outcome:?}");
    stage.world.assert_nothing_stored(&stage.other).await;
}

#[tokio::test]
async fn a_second_yes_that_fails_does_not_give_the_firsts_invitation_away() {
    //
    let stage = Stage::new().await;
    let sent = stage.broker.first_invitation(stage.world.account()).await.expect("an invitation");
    let request = answer(&stage.broker, &sent, &stage.world.admin).await;
    let found = capture(&stage.broker, &request).await.expect("everything holds");
    let id = found.id().clone();
    stage.store.hold_back(Kind::Consent);
    let confirming = tokio::spawn(async move { found.confirm().await });
    stage.store.waiting().await;
    stage.other_store.deny(Kind::Consent, StoreError::Full);
    let twice = stage.other.found(&id, request.headers()).await.expect("it waits");
    twice.confirm().await.expect_err("it is full");
    stage.other_store.allow();
    stage.store.release();
    confirming.await.expect("no panic").expect("a consent");
    assert!(matches!(stage.status(&sent).await, InvitationStatus::Confirmed { .. }));
    assert_eq!(refused(start(&stage.other, &sent).await), Refused::InvitationSpent);
}

#[tokio::test]
async fn a_first_yes_that_fails_gives_nothing_away_while_a_second_is_written() {
    //
    let stage = Stage::new().await;
    let sent = stage.broker.first_invitation(stage.world.account()).await.expect("an invitation");
    let request = answer(&stage.broker, &sent, &stage.world.admin).await;
    let found = capture(&stage.broker, &request).await.expect("everything holds");
    let id = found.id().clone();
    let again = async || stage.other.found(&id, request.headers()).await.expect("it waits");
    stage.store.hold_back(Kind::Consent);
    let first = tokio::spawn(async move { found.confirm().await });
    stage.store.waiting().await;
    stage.other_store.hold_back(Kind::Consent);
    let (second, third) = (again().await, again().await);
    let second = tokio::spawn(async move { second.confirm().await });
    stage.other_store.waiting().await;
    stage.store.deny(Kind::Consent, StoreError::Full);
    stage.store.release();
    first.await.expect("no panic").expect_err("it is full");
    let no = third.decline().await;
    assert!(matches!(no, Err(Error::Conflict)), "the second is still written: {no:?}");
    let revoked = stage.broker.invitations().revoke(sent.invitation().id()).await;
    assert!(matches!(revoked, Err(Error::Conflict)), "{revoked:?}");
    stage.other_store.release();
    second.await.expect("no panic").expect("a consent");
    assert!(matches!(stage.status(&sent).await, InvitationStatus::Confirmed { .. }));
}

#[tokio::test]
async fn a_no_after_the_findings_time_is_not_told_that_nothing_was_given_while_it_is_written() {
    let stage = Stage::new().await;
    let request = stage.world.callback(&stage.broker).await;
    let found = capture(&stage.broker, &request).await.expect("everything holds");
    let id = found.id().clone();
    let late = stage.other.found(&id, request.headers()).await.expect("it waits");
    stage.store.hold_back(Kind::Consent);
    let confirming = tokio::spawn(async move { found.confirm().await });
    stage.store.waiting().await;
    stage.world.clock.advance(11 * MINUTE);
    let no = late.decline().await;
    assert!(matches!(no, Err(Error::Conflict)), "{no:?}");
    stage.store.release();
    confirming.await.expect("no panic").expect("it was in time");
    assert!(stage.has_consent().await);
}

#[tokio::test]
async fn whoever_confirms_believes_its_own_sources() {
    //
    let stage = Stage::new().await;
    stage.world.entra.partner_center_mfa(MfaAnswer::HeaderAbsent);
    let weaker = Policy::default().danger_also_believing(MfaSource::AccessToken);
    let loose = stage.world.broker_with(weaker).await;
    let request = stage.world.callback(&loose).await;
    let found = capture(&loose, &request).await.expect("the token's amr is enough for it");
    let id = found.id().clone();
    let elsewhere = stage.other.found(&id, request.headers()).await.expect("it waits");
    assert_eq!(refused(elsewhere.confirm().await), Refused::MfaUnknown);
    stage.world.assert_nothing_stored(&stage.other).await;
}

#[tokio::test]
async fn an_invitation_is_not_taken_back_while_its_consent_may_still_be_written() {
    let stage = Stage::new().await;
    let sent = stage.world.invite(&stage.broker).await;
    let request = answer(&stage.broker, &sent, &stage.world.admin).await;
    let found = capture(&stage.broker, &request).await.expect("everything holds");
    stage.world.clock.advance(10 * MINUTE - MINUTE / 30);
    stage.store.hold_back(Kind::Consent);
    let confirming = tokio::spawn(async move { found.confirm().await });
    stage.store.waiting().await;
    stage.world.clock.advance(2 * MINUTE);
    let id = sent.invitation().id();
    let revoked = stage.other.invitations().revoke(id).await;
    assert!(matches!(revoked, Err(Error::Conflict)), "{revoked:?}");
    stage.store.release();
    confirming.await.expect("no panic").expect("a consent");
    assert!(matches!(stage.status(&sent).await, InvitationStatus::Confirmed { .. }));
}

#[tokio::test]
async fn an_invitation_can_be_taken_back_although_its_partners_consent_is_damaged() {
    // F-22
    let stage = Stage::new().await;
    stage.world.onboard(&stage.broker).await;
    stage.world.clock.advance(MINUTE);
    let sent = stage.world.invite(&stage.broker).await;
    let request = answer(&stage.broker, &sent, &stage.world.admin).await;
    let found = capture(&stage.broker, &request).await.expect("everything holds");
    stage.store.deny(Kind::Consent, StoreError::unavailable("on purpose"));
    found.confirm().await.expect_err("nobody knows");
    stage.other_store.harm_consents();
    let id = sent.invitation().id();
    let early = stage.other.invitations().revoke(id).await;
    assert!(matches!(early, Err(Error::Conflict)), "{early:?}");
    stage.world.clock.advance(16 * MINUTE);
    stage.other.invitations().revoke(id).await.expect("nothing comes of it any more");
    assert_eq!(refused(start(&stage.other, &sent).await), Refused::InvitationRevoked);
}

#[tokio::test]
async fn behind_an_accounts_door_a_power_to_move_partners_is_not_renewed() {
    let stage = Stage::new().await;
    stage.world.onboard(&stage.broker).await;
    let mallory = account("mallory");
    let request = stage.broker.partner(stage.world.contoso).invite(mallory.clone());
    let sent = request.danger_rebind().expires_in(MINUTE).await.expect("the vendor may");
    stage.world.clock.advance(20 * MINUTE);
    let id = sent.invitation().id();
    let renewed = stage.broker.account(mallory).invitations().resend(id).await;
    assert_eq!(refused(renewed), Refused::NotYours(stage.world.contoso));
    let own = stage.broker.invitations().of_account(account("mallory")).resend(id).await;
    own.expect("the vendor still may");
}

#[tokio::test]
async fn what_is_refused_at_the_door_is_told() {
    //
    let stage = Stage::new().await;
    let told = || {
        let events = stage.world.events().into_iter().filter_map(|event| match event {
            Event::ConsentRefused { refused, .. } => Some(refused),
            _ => None,
        });
        events.collect::<Vec<_>>()
    };
    let sent = stage.world.invite(&stage.broker).await;
    let token = token_of(&sent);
    let last = if token.ends_with('A') { 'B' } else { 'A' };
    let guessed = format!("{}{last}", &token[..token.len() - 1]);
    let opened = stage.broker.open_invitation(&guessed).await.map(drop);
    let begun = stage.broker.begin_invited(&guessed, &HeaderMap::new()).await.map(drop);
    assert_eq!(told(), [refused(opened), refused(begun)]);
    let pending = stage.broker.partner(stage.world.contoso).request_consent(stage.world.account());
    let request = accept(&pending.await.expect("a flow"), &stage.world.admin).await;
    let found = capture(&stage.broker, &request).await.expect("everything holds");
    let elsewhere = stage.broker.found(found.id(), &HeaderMap::new()).await;
    assert_eq!(refused(elsewhere.map(drop)), Refused::OtherBrowser);
    assert_eq!(told().last(), Some(&Refused::OtherBrowser));
}

#[tokio::test]
async fn an_invitation_whose_claim_nobody_can_decide_is_spent_for_everybody_else() {
    // F-22
    let stage = Stage::new().await;
    stage.world.onboard(&stage.broker).await;
    stage.world.clock.advance(MINUTE);
    let sent = stage.broker.first_invitation(stage.world.account()).await.expect("an invitation");
    let request = answer(&stage.broker, &sent, &stage.world.admin).await;
    let found = capture(&stage.broker, &request).await.expect("everything holds");
    stage.store.deny(Kind::Consent, StoreError::unavailable("on purpose"));
    found.confirm().await.expect_err("nobody knows");
    stage.other_store.harm_consents();
    let id = sent.invitation().id();
    let early = stage.other.invitations().resend(id).await;
    assert!(matches!(early, Err(Error::Conflict)), "{early:?}");
    stage.world.clock.advance(16 * MINUTE);
    let late = stage.other.invitations().resend(id).await;
    assert_eq!(refused(late.map(drop)), Refused::InvitationSpent);
}

#[tokio::test]
async fn an_invitation_of_a_partner_that_was_shredded_is_open_again_when_nothing_was_given() {
    let stage = Stage::new().await;
    stage.world.onboard(&stage.broker).await;
    stage.broker.partner(stage.world.contoso).shred().await.expect("its key is gone");
    stage.world.clock.advance(MINUTE);
    let sent = stage.world.invite(&stage.broker).await;
    let request = answer(&stage.broker, &sent, &stage.world.admin).await;
    let found = capture(&stage.broker, &request).await.expect("everything holds");
    stage.store.deny(Kind::Consent, StoreError::unavailable("on purpose"));
    found.confirm().await.expect_err("nobody knows");
    stage.store.allow();
    stage.world.clock.advance(16 * MINUTE);
    assert_eq!(stage.status(&sent).await, InvitationStatus::Started { times: 1 });
    let request = answer(&stage.other, &sent, &stage.world.admin).await;
    let found = capture(&stage.other, &request).await.expect("everything holds");
    found.confirm().await.expect("a consent");
    assert!(matches!(stage.status(&sent).await, InvitationStatus::Confirmed { .. }));
}

#[tokio::test]
async fn a_consent_whose_writer_cannot_tell_of_it_is_told_by_whoever_says_yes_next() {
    //
    let stage = Stage::new().await;
    let request = stage.world.callback(&stage.broker).await;
    let found = capture(&stage.broker, &request).await.expect("everything holds");
    let id = found.id().clone();
    let again = stage.other.found(&id, request.headers()).await.expect("it waits");
    stage.store.hold(Kind::Consent); // it is written, and its writer hears nothing of it
    let confirming = tokio::spawn(async move { found.confirm().await });
    stage.store.waiting().await;
    let told = || {
        let events = stage.world.events().into_iter();
        events.filter(|event| matches!(event, Event::ConsentConfirmed { .. })).count()
    };
    assert_eq!(told(), 0);
    again.confirm().await.expect("it stands");
    assert_eq!(told(), 1);
    stage.store.release();
    confirming.await.expect("no panic").expect("a consent");
}

#[tokio::test]
async fn a_no_to_what_was_given_and_replaced_since_is_not_told_that_nothing_was_given() {
    let stage = Stage::new().await;
    let request = stage.world.callback(&stage.broker).await;
    let found = capture(&stage.broker, &request).await.expect("everything holds");
    let id = found.id().clone();
    let other_tab = stage.other.found(&id, request.headers()).await.expect("it waits");
    found.confirm().await.expect("a consent");
    stage.world.clock.advance(MINUTE);
    let request = stage.world.callback(&stage.broker).await;
    let next = capture(&stage.broker, &request).await.expect("everything holds");
    next.confirm().await.expect("a newer consent");
    let no = other_tab.decline().await;
    assert_eq!(refused(no), Refused::ConfirmedAlready(stage.world.contoso));
}

#[tokio::test]
async fn a_browser_without_the_key_of_what_stands_by_now_is_told_that_it_stands() {
    let stage = Stage::new().await;
    let request = stage.world.callback(&stage.broker).await;
    let found = capture(&stage.broker, &request).await.expect("everything holds");
    let id = found.id().clone();
    let without = async || refused(stage.other.found(&id, &HeaderMap::new()).await.map(drop));
    assert_eq!(without().await, Refused::OtherBrowser);
    stage.store.hold(Kind::Consent);
    let confirming = tokio::spawn(async move { found.confirm().await });
    stage.store.waiting().await;
    assert_eq!(without().await, Refused::ConfirmedAlready(stage.world.contoso));
    stage.store.release();
    confirming.await.expect("no panic").expect("a consent");
}
