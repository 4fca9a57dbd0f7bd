//! Adding, promoting and retiring without a restart and without a failed request.

use std::time::Duration;

use cpv_consent::emulator::CredentialKind;
use cpv_consent::{ClientCredential, Event, Resource};

use crate::credentials::listing::Listing;
use crate::credentials::{
    STALE, ask, ask_all, certificate, customers, proven, redemptions, refused, secret, set_aside,
};
use crate::world::{HOUR, MINUTE, World, registration_proving};

/// What Entra takes from now on, and nothing else.
fn entra_takes(world: &World, credential: ClientCredential) {
    let registration = registration_proving(world.app.cloud().clone(), credential);
    world.entra.register(&registration);
}

fn entra_takes_too(world: &World, credential: ClientCredential) {
    let registration = registration_proving(world.app.cloud().clone(), credential);
    world.entra.register_beside(&registration);
}

#[tokio::test]
async fn a_secret_is_rotated_while_traffic_runs_and_no_request_fails() {
    // F-34
    let listing = Listing::of([secret("old")]);
    let world = World::proving(listing.credential()).await;
    entra_takes(&world, secret("old"));
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let customers = customers(&world, 400);
    world.entra.forget_ledger();

    let mut failed = ask_all(&world, &broker, &customers[..100]).await;
    entra_takes_too(&world, secret("new"));
    listing.now([secret("new"), secret("old")]);
    world.clock.advance(6 * MINUTE);
    failed += ask_all(&world, &broker, &customers[100..200]).await;
    assert_eq!(proven(&world), ["new"]);
    entra_takes(&world, secret("new"));
    failed += ask_all(&world, &broker, &customers[200..300]).await;
    listing.now([secret("new")]);
    world.clock.advance(6 * MINUTE);
    failed += ask_all(&world, &broker, &customers[300..]).await;

    assert_eq!(failed, 0);
    let extra = redemptions(&world) - customers.len();
    assert!(extra <= customers.len() / 100, "{extra} extra exchanges");
    assert_eq!(set_aside(&world), [""; 0]);
}

#[tokio::test]
async fn the_old_one_may_go_before_anybody_is_told() {
    // F-34
    let listing = Listing::of([secret("old")]);
    let world = World::proving(listing.credential()).await;
    entra_takes(&world, secret("old"));
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let customers = customers(&world, 40);
    assert_eq!(ask_all(&world, &broker, &customers[..8]).await, 0);
    let reads = listing.reads();
    entra_takes(&world, secret("new"));
    listing.now([secret("new")]);
    assert_eq!(ask_all(&world, &broker, &customers[8..]).await, 0, "it is listed at once");
    assert_eq!(listing.reads(), reads + 1, "once for all who were refused");
    assert!(refused(&world) <= 8, "those under way: {}", refused(&world));
}

#[tokio::test]
async fn a_wrong_new_secret_costs_one_request_now_and_then() {
    // F-34
    let listing = Listing::of([secret("old")]);
    let world = World::proving(listing.credential()).await;
    entra_takes(&world, secret("old"));
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let customers = customers(&world, 300);
    listing.now([secret("wrong"), secret("old")]);
    world.clock.advance(STALE);
    assert_eq!(ask_all(&world, &broker, &customers[..100]).await, 0);
    assert_eq!((refused(&world), set_aside(&world)), (1, vec!["wrong".to_owned()]));
    world.clock.advance(4 * MINUTE);
    assert_eq!(ask_all(&world, &broker, &customers[100..150]).await, 0);
    assert_eq!(refused(&world), 1, "it is left alone for a while");
    world.clock.advance(2 * MINUTE);
    assert_eq!(ask_all(&world, &broker, &customers[150..200]).await, 0);
    assert_eq!(refused(&world), 2, "then one request tries it again");
    world.clock.advance(9 * MINUTE);
    assert_eq!(ask_all(&world, &broker, &customers[200..250]).await, 0);
    assert_eq!(refused(&world), 2, "the pauses grow");
    entra_takes_too(&world, secret("wrong"));
    world.clock.advance(2 * MINUTE);
    assert_eq!(ask_all(&world, &broker, &customers[250..]).await, 0);
    assert_eq!((refused(&world), proven(&world)), (2, vec!["wrong".to_owned()]));
}

#[tokio::test]
async fn what_is_new_is_tried_by_one_request_and_never_by_a_code() {
    // F-34, R-034
    let listing = Listing::of([secret("old")]);
    let world = World::proving(listing.credential()).await;
    entra_takes(&world, secret("old"));
    let broker = world.broker().await;
    world.onboard(&broker).await;
    listing.now([secret("wrong"), secret("old")]);
    world.clock.advance(STALE);
    world.entra.forget_ledger();
    world.onboard_another(&broker, "northwind").await;
    assert_eq!(set_aside(&world), ["wrong"], "the proofs by refresh tried it");
    let codes = world.entra.ledger();
    let code = codes.first().expect("a request");
    assert_eq!((code.grant, code.result), (Some(crate::credentials::Grant::Code), Ok(())));
    assert_eq!(refused(&world), 1);
}

#[tokio::test]
async fn a_certificate_takes_over_from_a_secret_and_tokens_stay() {
    //
    let listing = Listing::of([secret("old")]);
    let world = World::proving(listing.credential()).await;
    entra_takes(&world, secret("old"));
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let before = ask(&world, &broker, world.fabrikam).await.expect("a token");
    let pem = certificate(60).concat();
    let new = || ClientCredential::certificate(&pem).expect("valid");
    entra_takes_too(&world, new());
    listing.now([new(), secret("old")]);
    world.clock.advance(STALE);
    assert_eq!(ask_all(&world, &broker, &customers(&world, 3)).await, 0);
    let after = ask(&world, &broker, world.fabrikam).await.expect("a token");
    assert_eq!(before.secret().expose(), after.secret().expose(), "it is still good");
    listing.now([new()]);
    entra_takes(&world, new());
    world.clock.advance(HOUR);
    world.entra.forget_ledger();
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a token");
    let kinds = world.entra.ledger().into_iter().map(|request| request.credential);
    assert_eq!(kinds.collect::<Vec<_>>(), [CredentialKind::AssertionPs256]);
}

/// How often it was told that the list could not be read.
fn unread(world: &World) -> usize {
    let is_unread = |event: &Event| matches!(event, Event::CredentialsUnread { .. });
    world.events().into_iter().filter(is_unread).count()
}

#[tokio::test]
async fn a_provider_that_is_down_changes_nothing() {
    // F-34
    let listing = Listing::of([secret("old")]);
    let world = World::proving(listing.credential()).await;
    entra_takes(&world, secret("old"));
    let broker = world.broker().await;
    world.onboard(&broker).await;
    listing.is_down(true);
    for _ in 0..3 {
        world.clock.advance(2 * HOUR);
        ask(&world, &broker, world.fabrikam).await.expect("a token by what is known");
    }
    assert_eq!(unread(&world), 3);
    listing.is_down(false);
    listing.now([]);
    world.clock.advance(2 * HOUR);
    ask(&world, &broker, world.fabrikam).await.expect("an empty list is none");
}

#[tokio::test]
async fn the_list_is_read_by_need_and_no_oftener_than_every_five_minutes() {
    let listing = Listing::of([secret("old")]);
    let world = World::proving(listing.credential()).await;
    entra_takes(&world, secret("old"));
    let broker = world.broker().await;
    assert_eq!(listing.reads(), 0, "nobody needs it yet");
    world.onboard(&broker).await;
    let customers = customers(&world, 60);
    for asked in customers.chunks(20) {
        assert_eq!(ask_all(&world, &broker, asked).await, 0);
        world.clock.advance(2 * MINUTE);
    }
    assert_eq!(listing.reads(), 1);
    world.clock.advance(100 * HOUR);
    assert_eq!(listing.reads(), 1, "there is no timer");
}

#[tokio::test]
async fn a_credential_made_anew_is_the_same_and_no_news() {
    // F-34
    let pem = certificate(60).concat();
    let made = || [ClientCredential::certificate(&pem).expect("valid"), secret("old")];
    let listing = Listing::of(made());
    let world = World::proving(listing.credential()).await;
    let [new, old] = made();
    entra_takes(&world, new);
    entra_takes_too(&world, old);
    let broker = world.broker().await;
    world.onboard(&broker).await;
    for customer in customers(&world, 3) {
        listing.now(made());
        world.clock.advance(STALE);
        ask(&world, &broker, customer).await.expect("a token");
    }
    assert_eq!((listing.reads(), proven(&world)), (4, vec![]));
}

#[tokio::test]
async fn a_trial_that_says_nothing_is_made_again() {
    // F-34
    let listing = Listing::of([secret("old")]);
    let world = World::proving(listing.credential()).await;
    entra_takes(&world, secret("old"));
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let stranger = world.entra.add_customer(world.contoso, "Stranger");
    entra_takes_too(&world, secret("new"));
    listing.now([secret("new"), secret("old")]);
    world.clock.advance(STALE);
    ask(&world, &broker, stranger).await.expect_err("it has granted nothing");
    assert_eq!(proven(&world), [""; 0]);
    ask(&world, &broker, world.fabrikam).await.expect("a token");
    assert_eq!(proven(&world), ["new"]);
}

#[tokio::test]
async fn a_provider_that_hangs_is_waited_for_ten_seconds() {
    // F-34
    let listing = Listing::of([secret("old")]);
    let world = World::proving(listing.credential()).await;
    entra_takes(&world, secret("old"));
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let customers = customers(&world, 2);
    listing.hangs(true);
    world.clock.advance(6 * MINUTE);
    ask(&world, &broker, customers[0]).await.expect("it is read behind the callers");
    world.clock.advance(Duration::from_secs(10));
    while unread(&world) < 1 {
        tokio::task::yield_now().await;
    }
    world.clock.advance(STALE);
    let (asking, customer) = (broker.clone(), customers[1]);
    let contoso = world.contoso;
    let asked = tokio::spawn(async move {
        asking.partner(contoso).customer(customer).token(Resource::Graph).await
    });
    while listing.reads() < 3 {
        tokio::task::yield_now().await;
    }
    assert!(!asked.is_finished());
    world.clock.advance(Duration::from_secs(10));
    asked.await.expect("no panic").expect("a token by what is known");
}
