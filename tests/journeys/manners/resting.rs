//! What asked to be left alone is left alone, and what only the vendor can mend is not asked for
//! again and again.

use std::time::Duration;

use cpv_consent::emulator::{Failure, Rule};
use cpv_consent::{Cause, Error, Event, Remedy};

use crate::manners::{add_customer, at, own};
use crate::world::{self, HOUR, MINUTE, World};

/// The longest that a pause is drawn out, so that not everything begins again together.
const SPREAD: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn nothing_is_sent_to_a_tenant_during_its_retry_after() {
    // R-115, F-17
    let failure = |status| Failure::status(status);
    for (name, failure) in [
        ("429 in seconds", failure(429).retry_after(2 * MINUTE)),
        ("503 in seconds", failure(503).retry_after(2 * MINUTE)),
        ("429 by a date", failure(429).retry_after_date(2 * MINUTE)),
        ("a refusal", Failure::aadsts(90055).retry_after(2 * MINUTE)),
    ] {
        let world = World::new().await;
        let broker = world.broker().await;
        world.onboard(&broker).await;
        let tailspin = add_customer(&world, world.contoso, "Tailspin");
        world.entra.forget_ledger();
        let scripted = world.entra.fail_tokens(Rule::any().tenant(world.fabrikam), failure);
        let error = at(&broker, world.contoso, world.fabrikam).await.expect_err("too much");
        assert_eq!(error.remedy(), Remedy::Retry { after: 2 * MINUTE }, "{name}");
        assert_eq!(scripted.hits(), 1, "{name}");

        for (left, pass) in [(120, 60), (60, 59), (1, 0)] {
            let error = at(&broker, world.contoso, world.fabrikam).await.expect_err("it rests");
            let Error::Resting { partner, tenant, cause, after } = error else {
                panic!("{name}: {error:?}");
            };
            assert_eq!((partner, tenant), (Some(world.contoso), Some(world.fabrikam)), "{name}");
            assert_eq!((cause, error.remedy()), (Cause::Throttled, Remedy::Retry { after }));
            let least = Duration::from_secs(left);
            assert!(after >= least && after <= least + SPREAD, "{name}: {after:?}");
            world.clock.advance(Duration::from_secs(pass));
        }
        at(&broker, world.contoso, tailspin).await.expect("another tenant");
        own(&broker, world.contoso).await.expect("the partner");
        assert_eq!(scripted.hits(), 1, "{name}");

        scripted.clear();
        world.clock.advance(SPREAD + SECOND);
        at(&broker, world.contoso, world.fabrikam).await.expect("its time is over");
    }
}

#[tokio::test]
async fn no_tenant_is_left_alone_for_more_than_an_hour() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let failure = Failure::status(429).retry_after(24 * HOUR).times(1);
    let scripted = world.entra.fail_tokens(Rule::any().tenant(world.fabrikam), failure);
    at(&broker, world.contoso, world.fabrikam).await.expect_err("too much");
    world.clock.advance(HOUR - SECOND);
    let error = at(&broker, world.contoso, world.fabrikam).await.expect_err("it rests");
    assert_eq!(error.remedy(), Remedy::Retry { after: SECOND });
    world.clock.advance(SECOND);
    at(&broker, world.contoso, world.fabrikam).await.expect("a token");
    assert_eq!(scripted.hits(), 1);
}

#[tokio::test]
async fn a_valid_token_is_served_while_its_tenant_rests() {
    // R-112, F-17
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    world.entra.access_tokens_live(HOUR, HOUR);
    let token = at(&broker, world.contoso, world.fabrikam).await.expect("a token");
    world.clock.advance(HOUR - MINUTE);
    let failure = Failure::status(429).retry_after(5 * MINUTE);
    let scripted = world.entra.fail_tokens(Rule::any().tenant(world.fabrikam), failure);
    for _ in 0..20 {
        let same = at(&broker, world.contoso, world.fabrikam).await.expect("still valid");
        assert_eq!(same.secret().expose(), token.secret().expose());
    }
    assert_eq!(scripted.hits(), 1);
    let served = |event: &&Event| matches!(event, Event::ServedWhileFailing { .. });
    assert_eq!(world.events().iter().filter(served).count(), 20);
    world.clock.advance(MINUTE);
    let error = at(&broker, world.contoso, world.fabrikam).await.expect_err("it has ended");
    assert!(matches!(error, Error::Resting { .. }), "{error:?}");
    assert_eq!(scripted.hits(), 1);
}

#[tokio::test]
async fn a_callback_sends_no_code_to_a_tenant_that_rests_and_never_sends_one_twice() {
    //
    let world = World::new().await;
    let broker = world.builder(world.store().await).retries(5).build().await.expect("a broker");
    let first = world.callback(&broker).await;
    let second = world.callback(&broker).await;
    let scripted = world.entra.fail_tokens(Rule::any(), Failure::status(503).retry_after(MINUTE));
    world::capture(&broker, &first).await.expect_err("out of order");
    assert_eq!(scripted.hits(), 1);
    let error = world::capture(&broker, &second).await.expect_err("it rests");
    assert!(matches!(error, Error::Resting { cause: Cause::Throttled, .. }), "{error:?}");
    assert!(matches!(error.remedy(), Remedy::Retry { .. }));
    assert_eq!(scripted.hits(), 1);
    scripted.clear();

    world.clock.advance(MINUTE + SPREAD);
    let third = world.callback(&broker).await;
    let scripted = world.entra.fail_tokens(Rule::any(), Failure::status(503));
    world::capture(&broker, &third).await.expect_err("out of order");
    assert_eq!(scripted.hits(), 1, "a code is good for one try");
    world.assert_nothing_stored(&broker).await;
}

#[tokio::test]
async fn what_only_the_vendor_can_mend_is_asked_for_at_growing_intervals() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let tailspin = add_customer(&world, world.contoso, "Tailspin");
    let rule = Rule::any().tenant(world.fabrikam);
    let scripted = world.entra.fail_tokens(rule, Failure::aadsts(7_000_112));
    let customer = world.fabrikam;
    let why = Cause::ApplicationDisabled;
    at(&broker, world.contoso, customer).await.expect_err("disabled there");
    assert_eq!(scripted.hits(), 1);
    // Disabled in a customer's tenant is that administrator's turn, so nothing rests.
    let error = at(&broker, world.contoso, customer).await.expect_err("disabled there");
    assert_eq!(error.remedy(), Remedy::AskAdministrator { tenant: customer, why });
    assert_eq!(scripted.hits(), 2);
    scripted.clear();

    let rule = Rule::any().tenant(world.fabrikam);
    let scripted = world.entra.fail_tokens(rule, Failure::aadsts(650_057));
    for (tries, minutes) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (6, 10)] {
        let error = at(&broker, world.contoso, customer).await.expect_err("not registered");
        assert!(matches!(error, Error::Entra { .. }), "{error:?}");
        world.clock.advance(minutes * MINUTE - SECOND);
        for _ in 0..10 {
            let error = at(&broker, world.contoso, customer).await.expect_err("it rests");
            let cause = Cause::RegistrationIncomplete;
            assert!(matches!(error, Error::Resting { cause: c, .. } if c == cause), "{error:?}");
            assert_eq!(error.remedy(), Remedy::FixRegistration);
        }
        assert_eq!(scripted.hits(), tries);
        at(&broker, world.contoso, tailspin).await.expect("another customer");
        world.clock.advance(SPREAD + SECOND);
    }
    scripted.clear();
    at(&broker, world.contoso, customer).await.expect("registered");
}

#[tokio::test]
async fn what_others_can_mend_is_asked_for_whenever_somebody_asks() {
    // A pause would only delay those who have just mended it.
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    for code in [65001, 50020, 53003, 50076, 90002, 50053, 50173, 4_242_424] {
        let rule = Rule::any().tenant(world.fabrikam);
        let scripted = world.entra.fail_tokens(rule, Failure::aadsts(code));
        for _ in 0..3 {
            at(&broker, world.contoso, world.fabrikam).await.expect_err("refused");
        }
        assert_eq!(scripted.hits(), 3, "{code}");
        scripted.clear();
        at(&broker, world.contoso, world.fabrikam).await.expect("mended");
        world.clock.advance(2 * HOUR);
    }
}
