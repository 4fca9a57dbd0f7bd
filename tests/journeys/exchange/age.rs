//! How long a stored refresh token lives, and a token that was handed out.

use cpv_consent::emulator::{Failure, Rule, TokenRequest};
use cpv_consent::{Absence, Cause, ConsentState, Error, Event, Remedy, Resource, TenantId};

use crate::exchange::{rotations, state_of};
use crate::world::{DAY, MINUTE, World, raw};

#[tokio::test]
async fn a_token_stored_less_than_ten_minutes_ago_is_not_replaced() {
    let world = World::new().await;
    let broker = world.broker().await;
    let before = world.onboard(&broker).await;
    let deadline = async || {
        let consent = broker.partner(world.contoso).consent().await.expect("readable");
        consent.expect("stored").deadline()
    };
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a token");
    assert_eq!((deadline().await, rotations(&world)), (before.deadline(), 0));
    world.clock.advance(10 * MINUTE);
    broker.partner(world.contoso).token(Resource::Graph).await.expect("a token");
    assert_eq!((deadline().await, rotations(&world)), (before.deadline() + 10 * MINUTE, 1));
}

#[tokio::test]
async fn two_hundred_days_of_customer_calls_keep_the_consent_alive() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    world.entra.forget_ledger();
    for day in 1..=200 {
        world.clock.advance(DAY);
        let customer = broker.partner(world.contoso).customer(world.fabrikam);
        let token = customer.token(Resource::Graph).await;
        token.unwrap_or_else(|error| panic!("day {day}: {error}"));
    }
    let rotations = world.entra.count_tokens(|request| at(request, world.contoso));
    assert_eq!(
        rotations,
        200 / 8,
        "one for each time that the stored token was over seven days old"
    );
}

fn at(request: &TokenRequest, tenant: TenantId) -> bool {
    request.tenant == tenant.to_string()
}

#[tokio::test]
async fn without_rotation_a_consent_dies_on_day_ninety_exactly() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let consent = world.onboard(&broker).await;
    world.entra.rotation(false);
    let customer = || broker.partner(world.contoso).customer(world.fabrikam);
    for day in 1..90 {
        world.clock.advance(DAY);
        let token = customer().token(Resource::Graph).await;
        token.unwrap_or_else(|error| panic!("day {day}: {error}"));
    }
    world.clock.advance(DAY - MINUTE);
    broker.partner(world.contoso).token(Resource::Graph).await.expect("the last minute");
    world.clock.advance(MINUTE);
    let now = cpv_consent::Clock::now(&world.clock);
    assert_eq!(consent.deadline(), now);
    let error = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
    let error = error.expect_err("day 90");
    let Error::Entra { error: entra, .. } = &error else { panic!("{error:?}") };
    assert_eq!(entra.codes(), [700_082]);
    assert_eq!(error.remedy(), Remedy::AskConsentAgain { claims: None });

    world.clock.advance(15 * MINUTE);
    let again = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
    again.expect_err("seen twice");
    let state = state_of(&world, &broker).await;
    assert!(matches!(state, ConsentState::Ended { cause: Cause::GrantExpired, .. }), "{state:?}");
    world.entra.forget_ledger();
    world.clock.advance(MINUTE);
    let over = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
    assert!(matches!(over, Err(Error::NoConsent { absence: Absence::Ended(_), .. })));
    assert_eq!(world.entra.ledger().len(), 0);
}

#[tokio::test]
async fn a_valid_token_is_served_while_its_renewal_fails() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let partner = broker.partner(world.contoso);
    let token = partner.token(Resource::PartnerCenter).await.expect("a token");
    let left = token.expires_at().duration_since(cpv_consent::Clock::now(&world.clock));
    world.clock.advance(left.expect("not expired") - MINUTE);
    world.entra.fail_tokens(Rule::any(), Failure::status(503));
    let same = partner.token(Resource::PartnerCenter).await.expect("valid for a minute");
    assert_eq!(same.secret().expose(), token.secret().expose());
    assert!(world.events().iter().any(|e| matches!(e, Event::ServedWhileFailing { .. })));
    world.clock.advance(MINUTE);
    partner.token(Resource::PartnerCenter).await.expect_err("not valid any more");
}

#[tokio::test]
async fn a_valid_token_does_not_outlive_a_consent_that_is_damaged() {
    // R-112, F-22
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let partner = broker.partner(world.contoso);
    let token = partner.token(Resource::PartnerCenter).await.expect("a token");
    let left = token.expires_at().duration_since(cpv_consent::Clock::now(&world.clock));
    world.clock.advance(left.expect("not expired") - MINUTE);
    partner.token(Resource::Graph).await.expect("the consent is seen, and is well");
    let (folder, id) = (world.store_folder(), world.contoso.to_string());
    let mut sealed = raw::row(&folder, "consent", &id).sealed;
    *sealed.last_mut().expect("some") ^= 1;
    raw::overwrite(&folder, "consent", &id, &sealed);
    let late = partner.token(Resource::PartnerCenter).await;
    assert!(matches!(late, Err(Error::Damaged { .. })), "{late:?}");
}
