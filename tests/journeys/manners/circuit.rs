//! While Entra refuses the application itself, nobody is asked what everybody would answer.

use std::time::Duration;

use cpv_consent::emulator::{Failure, Rule};
use cpv_consent::{Broker, Cause, ConsentState, Error, Event, Remedy, TenantId};

use crate::manners::{add_customer, at, own, state};
use crate::world::{HOUR, MINUTE, World, raw};

const PAUSE: Duration = Duration::from_secs(30);

/// Six partners with nothing at hand; a customer of the last.
async fn stage() -> (World, Broker, Vec<TenantId>, TenantId) {
    let world = World::new().await;
    let broker = world.broker().await;
    let mut partners = Vec::new();
    for number in 0..6 {
        partners.push(world.onboard_another(&broker, &format!("partner-{number}")).await);
    }
    let customer = add_customer(&world, partners[5], "Tailspin");
    world.entra.access_tokens_live(HOUR, HOUR);
    world.clock.advance(2 * HOUR);
    world.entra.forget_ledger();
    (world, broker, partners, customer)
}

fn turns(world: &World) -> Vec<Event> {
    let turn = |event: &Event| matches!(event, Event::CircuitOpened { .. } | Event::CircuitClosed);
    world.events().into_iter().filter(turn).collect()
}

#[tokio::test]
async fn a_bad_credential_is_sent_twice_told_once_and_harms_no_consent() {
    // R-114, F-34
    for code in [7_000_215, 7_000_222, 700_027] {
        let (world, broker, partners, customer) = stage().await;
        let before = consents(&world);
        let scripted = world.entra.fail_tokens(Rule::any(), Failure::aadsts(code));
        for partner in &partners[..2] {
            let error = own(&broker, *partner).await.expect_err("refused");
            assert!(matches!(error, Error::Entra { .. }), "{error:?}");
        }
        for partner in partners.iter().cycle().take(60) {
            let error = own(&broker, *partner).await.expect_err("not asked");
            assert_eq!(error.remedy(), Remedy::FixRegistration, "{error}");
        }
        let error = at(&broker, partners[5], customer).await.expect_err("not asked");
        let Error::CircuitOpen { cause, after } = error else { panic!("{error:?}") };
        assert!(cause == Cause::CredentialRejected && after <= PAUSE);
        assert_eq!(scripted.hits(), 2, "{code}");
        assert_eq!(turns(&world), [Event::CircuitOpened { cause }], "{code}");
        assert_eq!(consents(&world), before, "{code}");
        for partner in partners {
            assert_eq!(state(&broker, partner).await, ConsentState::Live);
        }
    }
}

#[tokio::test]
async fn a_number_nobody_listed_beside_invalid_client_is_that_tenants_own_affair() {
    //
    let (world, broker, partners, _) = stage().await;
    let failure = Failure::aadsts(999_999).error("invalid_client").with_status(400);
    world.entra.fail_tokens(Rule::any().tenant(partners[0]), failure);
    for _ in 0..5 {
        let error = own(&broker, partners[0]).await.expect_err("refused");
        assert_ne!(error.remedy(), Remedy::FixRegistration, "{error}");
        world.clock.advance(MINUTE);
    }
    own(&broker, partners[1]).await.expect("a token");
    assert!(turns(&world).is_empty());
}

#[tokio::test]
async fn one_probe_at_a_time_finds_out_and_the_first_success_closes_it() {
    // R-114, F-34
    let (world, broker, partners, customer) = stage().await;
    let scripted = world.entra.fail_tokens(Rule::any(), Failure::aadsts(7_000_222));
    for partner in &partners[..2] {
        own(&broker, *partner).await.expect_err("refused");
    }
    world.clock.advance(PAUSE);
    own(&broker, partners[2]).await.expect_err("the probe");
    own(&broker, partners[3]).await.expect_err("not asked");
    assert_eq!(scripted.hits(), 3);
    scripted.clear();

    world.clock.advance(PAUSE);
    world.entra.forget_ledger();
    let hold = world.entra.hold_tokens();
    let probe = tokio::spawn({
        let (broker, partner) = (broker.clone(), partners[4]);
        async move { own(&broker, partner).await }
    });
    hold.waiting(1).await;
    for partner in [partners[3], partners[5]] {
        let error = own(&broker, partner).await.expect_err("one at a time");
        assert!(matches!(error, Error::CircuitOpen { .. }), "{error:?}");
    }
    at(&broker, partners[5], customer).await.expect_err("one at a time");
    hold.release();
    probe.await.expect("no panic").expect("mended");
    assert_eq!(world.entra.ledger().len(), 1);
    at(&broker, partners[5], customer).await.expect("mended");
    own(&broker, partners[3]).await.expect("mended");
    let opened = Event::CircuitOpened { cause: Cause::CredentialRejected };
    assert_eq!(turns(&world), [opened, Event::CircuitClosed]);
}

#[tokio::test]
async fn valid_tokens_are_served_while_it_is_open() {
    //
    let (world, broker, partners, customer) = stage().await;
    let token = at(&broker, partners[5], customer).await.expect("a token");
    world.clock.advance(HOUR - MINUTE);
    let scripted = world.entra.fail_tokens(Rule::any(), Failure::aadsts(7_000_222));
    for partner in &partners[..2] {
        own(&broker, *partner).await.expect_err("refused");
    }
    let same = at(&broker, partners[5], customer).await.expect("still valid");
    assert_eq!(same.secret().expose(), token.secret().expose());
    assert_eq!(scripted.hits(), 2);
}

#[tokio::test]
async fn one_tenant_that_does_not_know_the_application_speaks_for_itself_and_five_for_it() {
    //
    let (world, broker, partners, _) = stage().await;
    let scripted = world.entra.fail_tokens(Rule::any(), Failure::aadsts(7_000_112));
    for partner in &partners[..4] {
        own(&broker, *partner).await.expect_err("disabled");
        assert!(turns(&world).is_empty());
    }
    own(&broker, partners[4]).await.expect_err("disabled");
    let error = own(&broker, partners[5]).await.expect_err("not asked");
    assert!(matches!(error, Error::CircuitOpen { cause: Cause::ApplicationDisabled, .. }));
    assert_eq!(scripted.hits(), 5);
    assert_eq!(state(&broker, partners[5]).await, ConsentState::Live);
}

/// The raw rows of every consent.
fn consents(world: &World) -> Vec<raw::Row> {
    let rows = raw::rows(&world.store_folder());
    rows.into_iter().filter(|row| row.kind == "consent").collect()
}
