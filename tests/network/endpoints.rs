//! Services that are down: once, for a minute, for a day, from the start.

use std::time::Duration;

use cpv_consent::emulator::{ConditionalAccess, Endpoint, Failure, Rule};
use cpv_consent::{
    Broker, Cause, ConsentState, Error, Event, IdTokenError, Remedy, Resource, Topic,
};

use crate::world::{DAY, HOUR, MINUTE, World, capture};
use crate::{consent, customer, expire_tokens, own, redemptions, told};

#[tokio::test]
async fn an_outage_of_a_minute_or_a_day_touches_no_consent_and_valid_tokens_are_served() {
    // F-17, R-112
    for status in [429, 500, 503] {
        for long in [MINUTE, DAY] {
            let world = World::new().await;
            let broker = world.broker().await;
            world.onboard(&broker).await;
            let token = own(&world, &broker).await.expect("a token");
            let rows = consent(&world, &broker).await;
            let down = world.entra.fail_tokens(Rule::any(), Failure::status(status));
            let ends = token.expires_at();
            let mut passed = Duration::ZERO;
            while passed < long {
                let outcome = own(&world, &broker).await;
                match cpv_consent::Clock::now(&world.clock) < ends {
                    true => {
                        let served = outcome.expect("still valid");
                        assert_eq!(served.secret().expose(), token.secret().expose());
                    }
                    false => {
                        let remedy = outcome.expect_err("down").remedy();
                        assert!(matches!(remedy, Remedy::Retry { .. }), "{remedy:?}");
                    }
                }
                passed += 5 * MINUTE;
                world.clock.advance(5 * MINUTE);
            }
            assert_eq!(consent(&world, &broker).await, rows, "{status} for {long:?}");
            let moved = told(&world, |event| matches!(event, Event::StateChanged { .. }));
            assert_eq!(moved, 0);
            down.clear();
            world.clock.advance(2 * HOUR);
            own(&world, &broker).await.expect("the next healthy attempt succeeds");
        }
    }
}

#[tokio::test]
async fn one_bad_answer_costs_one_error_and_nothing_else() {
    // F-17
    for status in [429, 500, 503] {
        let world = World::new().await;
        let broker = world.broker().await;
        world.onboard(&broker).await;
        expire_tokens(&world);
        let before = consent(&world, &broker).await;
        world.entra.fail_tokens(Rule::any(), Failure::status(status).times(1));
        let error = own(&world, &broker).await.expect_err("a bad answer");
        assert!(matches!(error.remedy(), Remedy::Retry { .. }), "{status}: {error}");
        assert_eq!(consent(&world, &broker).await, before, "{status}");
        assert_eq!(redemptions(&world), 1, "{status}");
        own(&world, &broker).await.expect("the next");
    }
}

#[tokio::test]
async fn a_broker_starts_and_serves_what_it_can_while_everything_is_down() {
    // F-32
    let world = World::new().await;
    let first = world.broker().await;
    world.onboard(&first).await;
    let outages = [Endpoint::Entra, Endpoint::PartnerCenter, Endpoint::Graph]
        .map(|service| world.entra.outage(service));
    let broker = world.broker().await;
    let begun = broker.partner(world.contoso).request_consent(world.account()).await;
    begun.expect("a flow begins without a request");
    let error = own(&world, &broker).await.expect_err("down");
    assert!(matches!(error.remedy(), Remedy::Retry { .. }), "{error}");
    assert_eq!(*consent(&world, &broker).await.state(), ConsentState::Live);
    outages.into_iter().for_each(cpv_consent::emulator::Scripted::clear);
    own(&world, &broker).await.expect("all is well again");
    customer(&world, &broker).await.expect("all is well again");
}

async fn capture_error(world: &World, broker: &Broker) -> IdTokenError {
    let request = world.callback(broker).await;
    match capture(broker, &request).await {
        Err(Error::IdToken(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn keys_that_cannot_be_had_end_a_flow_in_passing_and_cached_ones_serve() {
    // F-32, R-085
    let world = World::new().await;
    let broker = world.broker().await;
    for failure in [Failure::reset(), Failure::status(503), Failure::lost_answer()] {
        let down = world.entra.fail(Rule::at(Endpoint::Keys), failure);
        let error = capture_error(&world, &broker).await;
        let typed =
            matches!(error, IdTokenError::KeysUnavailable(_) | IdTokenError::KeysUnreadable);
        assert!(typed, "{error}");
        assert!(down.hits() >= 1);
        world.assert_nothing_stored(&broker).await;
        down.clear();
    }
    world.onboard(&broker).await;
    let down = world.entra.outage(Endpoint::Keys);
    world.onboard(&broker).await;
    assert_eq!(down.hits(), 0, "the keys at hand serve");
    world.clock.advance(2 * HOUR);
    own(&world, &broker).await.expect("standing consents need no keys");
    world.clock.advance(DAY);
    let request = world.callback(&broker).await;
    let late = capture(&broker, &request).await;
    assert!(matches!(late, Err(Error::IdToken(IdTokenError::KeysUnavailable(_)))), "{late:?}");
    down.clear();
    world.onboard(&broker).await;
}

#[tokio::test]
async fn no_address_is_taken_from_discovery() {
    // F-32, R-004, R-078, R-079, R-144, attack-ssrf, oidcc-client-test-mtls-endpoint-aliases
    let world = World::new().await;
    let evil = wiremock::MockServer::start().await;
    let document = serde_json::json!({
        "issuer": evil.uri(),
        "authorization_endpoint": evil.uri(),
        "token_endpoint": evil.uri(),
        "jwks_uri": evil.uri(),
        "mtls_endpoint_aliases": { "token_endpoint": evil.uri() },
        "code_challenge_methods_supported": ["plain"],
        "tls_client_certificate_bound_access_tokens": true,
        "dpop_signing_alg_values_supported": ["ES256"],
    });
    let reply = Failure::reply(200, "application/json", document.to_string());
    let offered = world.entra.fail(Rule::at(Endpoint::Discovery), reply);
    let broker = world.broker().await;
    let pending = broker.partner(world.contoso).request_consent(world.account()).await;
    let address = pending.expect("a flow").authorize_url().to_string();
    assert!(address.contains("code_challenge_method=S256"), "{address}");
    world.onboard(&broker).await;
    expire_tokens(&world);
    own(&world, &broker).await.expect("a token");
    customer(&world, &broker).await.expect("a token");
    assert_eq!(offered.hits(), 0, "no flow asks: addresses are made from the cloud's own table");
    let checkup = world.builder(world.store().await).doctor().await;
    assert_eq!(offered.hits(), 1, "the doctor does");
    assert!(checkup.failures().any(|(topic, _)| topic == Topic::Addresses), "{checkup}");
    assert!(evil.received_requests().await.expect("recorded").is_empty());
}

/// What a partner, or a customer, can do to a consent that stands.
type Deed = fn(&World);

#[tokio::test]
async fn what_a_partner_does_to_its_consent_is_typed_dated_and_told_once() {
    // F-33
    let deeds: [(&str, Deed, Cause); 5] = [
        ("revokes", |world| world.entra.revoke_sessions(&world.admin), Cause::GrantRevoked),
        (
            "resets the password",
            |world| drop(world.entra.reset_password(&world.admin)),
            Cause::GrantRevoked,
        ),
        (
            "removes the application",
            |world| world.entra.remove_principal(world.contoso, world.app.client_id()),
            Cause::ConsentMissing,
        ),
        (
            "blocks by Conditional Access",
            |world| {
                let policy = ConditionalAccess { blocked: true, ..ConditionalAccess::default() };
                world.entra.conditional_access(world.contoso, policy);
            },
            Cause::ConditionalAccess,
        ),
        (
            "disables the account",
            |world| world.entra.change_user(&world.admin, |account| account.disabled = true),
            Cause::AccountDisabled,
        ),
    ];
    for (name, deed, expected) in deeds {
        let world = World::new().await;
        let broker = world.broker().await;
        world.onboard(&broker).await;
        expire_tokens(&world);
        deed(&world);
        let since = cpv_consent::Clock::now(&world.clock);
        let error = own(&world, &broker).await.expect_err(name);
        let Error::Entra { error: entra, .. } = &error else { panic!("{name}: {error:?}") };
        assert_eq!(entra.cause(), expected, "{name}");
        assert!(entra.correlation_id().is_some() && entra.trace_id().is_some(), "{name}");
        for _ in 0..20 {
            let again = own(&world, &broker).await.expect_err(name);
            assert_eq!(again.remedy(), error.remedy(), "{name}");
        }
        assert_eq!(redemptions(&world), 1, "{name}");
        let state = consent(&world, &broker).await.state().clone();
        let ConsentState::Suspended(pause) = state else { panic!("{name}: {state}") };
        assert_eq!((pause.cause(), pause.since()), (expected, since), "{name}");
        let told = |meant: fn(&Event) -> bool| told(&world, meant);
        assert_eq!(told(|event| matches!(event, Event::StateChanged { .. })), 1, "{name}");
        assert_eq!(told(|event| matches!(event, Event::ExchangeRefused { .. })), 1, "{name}");
    }
}

#[tokio::test]
async fn a_customer_that_ends_the_relationship_or_the_grant_is_typed_and_harms_nobody() {
    // F-33, R-113
    let deeds: [(&str, Deed, Remedy); 2] = [
        (
            "ends the relationship",
            |world| world.entra.end_relationship(world.contoso, world.fabrikam),
            Remedy::GrantInCustomer, // replaced below: it names the customer
        ),
        (
            "withdraws the grant",
            |world| world.entra.withdraw_grants(world.fabrikam, world.app.client_id()),
            Remedy::GrantInCustomer,
        ),
    ];
    for (name, deed, expected) in deeds {
        let world = World::new().await;
        let broker = world.broker().await;
        world.onboard(&broker).await;
        let before = consent(&world, &broker).await;
        deed(&world);
        let expected = match name {
            "ends the relationship" => Remedy::FixRelationship { customer: world.fabrikam },
            _ => expected,
        };
        let error = customer(&world, &broker).await.expect_err(name);
        assert_eq!(error.remedy(), expected, "{name}: {error}");
        assert_eq!(consent(&world, &broker).await, before, "{name}");
        broker.partner(world.contoso).token(Resource::Graph).await.expect("the partner itself");
    }
}
