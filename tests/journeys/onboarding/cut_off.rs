//! Callers who go away while a write is under way, and answers that are lost: in a store that nobody
//! else writes to, nothing else would show what has changed.

use cpv_consent::store::{Kind, Memory};
use cpv_consent::{Absence, Broker, Error, Partner, Refused, Resource, Token};

use crate::world::late::Late;
use crate::world::{World, accept, account, capture};

/// A partner with tokens at hand.
async fn stage() -> (World, Late, Broker) {
    let world = World::new().await;
    let store = Late::new(Memory::new());
    let broker = world.builder(store.clone()).build().await.expect("a broker");
    world.onboard(&broker).await;
    ask(&broker.partner(world.contoso)).await.expect("a token");
    (world, store, broker)
}

async fn ask(partner: &Partner<'_>) -> Result<Token, Error> {
    partner.token(Resource::PartnerCenter).await
}

/// What is answered once what goes on behind the callers has ended.
async fn refused(partner: &Partner<'_>) -> Error {
    for _ in 0..10_000 {
        match ask(partner).await {
            Err(error) => return error,
            Ok(_) => tokio::task::yield_now().await,
        }
    }
    panic!("its tokens go on");
}

fn is_withdrawn(error: &Error) -> bool {
    matches!(error, Error::NoConsent { absence: Absence::Withdrawn, .. })
}

/// Gives up a call as soon as it waits for the store, which then answers.
async fn give_up<T>(store: &Late, kind: Kind, call: impl Future<Output = T>) {
    store.hold(kind);
    tokio::select! {
        _ = call => panic!("it does not wait"),
        () = store.waiting() => {}
    }
    store.release();
}

#[tokio::test]
async fn a_withdrawal_whose_caller_went_away_ends_the_tokens() {
    // F-30
    let (world, store, broker) = stage().await;
    let partner = broker.partner(world.contoso);
    give_up(&store, Kind::Consent, async { partner.withdraw().await }).await;
    let error = refused(&partner).await;
    assert!(is_withdrawn(&error), "{error}");
}

#[tokio::test]
async fn a_shredding_whose_caller_went_away_ends_the_tokens() {
    // F-30
    let (world, store, broker) = stage().await;
    let partner = broker.partner(world.contoso);
    give_up(&store, Kind::Consent, async { partner.shred().await }).await;
    let error = refused(&partner).await;
    assert!(is_withdrawn(&error), "{error}");
}

#[tokio::test]
async fn a_shredding_of_what_does_not_open_ends_the_tokens_however_often_it_was_begun() {
    // F-30
    let (world, store, broker) = stage().await;
    let partner = broker.partner(world.contoso);
    store.harm_consents();
    ask(&partner).await.expect("at hand, or nothing is shown by what follows");
    give_up(&store, Kind::PartnerKey, async { partner.shred().await }).await;
    partner.shred().await.expect("shredded before");
    let error = refused(&partner).await;
    assert!(is_withdrawn(&error), "{error}");
}

#[tokio::test]
async fn a_confirmation_whose_caller_went_away_moves_the_partner() {
    // F-30
    let (world, store, broker) = stage().await;
    let request = broker.partner(world.contoso).request_consent(account("panel-2"));
    let pending = request.danger_rebind().await.expect("a flow");
    let request = accept(&pending, &world.admin).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    give_up(&store, Kind::Consent, async { found.confirm().await }).await;
    let before = broker.account(world.account());
    let error = refused(&before.partner(world.contoso)).await;
    assert!(matches!(error, Error::Refused(Refused::NotYours(_))), "{error}");
    let after = broker.account(account("panel-2"));
    ask(&after.partner(world.contoso)).await.expect("a token");
}

#[tokio::test]
async fn a_withdrawal_whose_answer_was_lost_ends_the_tokens() {
    // F-02
    let (world, store, broker) = stage().await;
    let partner = broker.partner(world.contoso);
    store.lose_answers(true);
    let error = partner.withdraw().await.expect_err("nobody knows");
    assert!(matches!(error, Error::Store(_)), "{error}");
    store.lose_answers(false);
    let error = ask(&partner).await.expect_err("it was written");
    assert!(is_withdrawn(&error), "{error}");
}

#[tokio::test]
async fn a_confirmation_whose_answer_was_lost_moves_the_partner() {
    // F-02
    let (world, store, broker) = stage().await;
    let request = broker.partner(world.contoso).request_consent(account("panel-2"));
    let pending = request.danger_rebind().await.expect("a flow");
    let request = accept(&pending, &world.admin).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    store.lose_answers(true);
    found.confirm().await.expect_err("nobody knows");
    store.lose_answers(false);
    let before = broker.account(world.account());
    let error = ask(&before.partner(world.contoso)).await.expect_err("it was written");
    assert!(matches!(error, Error::Refused(Refused::NotYours(_))), "{error}");
}

/// A broker that does not see what the first one writes, with a token at hand.
async fn another(world: &World, store: &Late) -> Broker {
    let broker = world.builder(store.clone()).build().await.expect("a broker");
    ask(&broker.partner(world.contoso)).await.expect("a token");
    broker
}

#[tokio::test]
async fn a_withdrawal_that_was_made_before_ends_the_tokens_too() {
    let (world, store, broker) = stage().await;
    let other = another(&world, &store).await;
    broker.partner(world.contoso).withdraw().await.expect("withdrawn");
    let partner = other.partner(world.contoso);
    ask(&partner).await.expect("it sees nothing, or nothing is shown by what follows");
    partner.withdraw().await.expect("withdrawn before");
    let error = ask(&partner).await.expect_err("it is withdrawn");
    assert!(is_withdrawn(&error), "{error}");
}

#[tokio::test]
async fn a_confirmation_that_was_made_before_moves_the_partner_too() {
    let (world, store, broker) = stage().await;
    let other = another(&world, &store).await;
    let request = broker.partner(world.contoso).request_consent(account("panel-2"));
    let pending = request.danger_rebind().await.expect("a flow");
    let request = accept(&pending, &world.admin).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    let again = other.found(found.id(), request.headers()).await.expect("the same browser");
    store.keep_all();
    found.confirm().await.expect("a consent");
    let before = other.account(world.account());
    ask(&before.partner(world.contoso)).await.expect("it sees nothing");
    again.confirm().await.expect("the same consent");
    let error = ask(&before.partner(world.contoso)).await.expect_err("it was moved");
    assert!(matches!(error, Error::Refused(Refused::NotYours(_))), "{error}");
}
