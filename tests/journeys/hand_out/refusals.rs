//! An API has refused a token that was thought good.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cpv_consent::emulator::{Failure, Rule};
use cpv_consent::{ClaimsChallenge, ConsentState, Error, Event, Purpose, Remedy, Resource};
use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

use crate::world::{HOUR, World};

#[tokio::test]
async fn a_refused_token_is_replaced_once_for_all_who_say_so() {
    // F-15
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let customer = broker.partner(world.contoso).customer(world.fabrikam);
    let handle = customer.access(Resource::Graph);
    let refused = customer.token(Resource::Graph).await.expect("a token");
    handle.token().await.expect("the same");
    world.entra.forget_ledger();
    let callers = (0..100).map(|_| {
        let (broker, refused) = (broker.clone(), refused.clone());
        let (contoso, fabrikam) = (world.contoso, world.fabrikam);
        tokio::spawn(async move {
            let customer = broker.partner(contoso).customer(fabrikam);
            customer.token(Resource::Graph).instead_of(&refused).await
        })
    });
    let callers: Vec<_> = callers.collect();
    for caller in callers {
        let token = caller.await.expect("no panic").expect("another token");
        assert_ne!(token.secret().expose(), refused.secret().expose());
    }
    assert_eq!(world.entra.ledger().len(), 1);
    for token in [customer.token(Resource::Graph).await, handle.token().await] {
        let token = token.expect("the new one");
        assert_ne!(token.secret().expose(), refused.secret().expose());
    }
    assert_eq!(world.entra.ledger().len(), 1, "from memory");
}

#[tokio::test]
async fn a_handle_keeps_the_purpose_and_forgets_the_complaint() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let customer = broker.partner(world.contoso).customer(world.fabrikam);
    let refused = customer.token(Resource::Graph).await.expect("a token");
    let purpose = Purpose::new("invoices").expect("plain text");
    let request = customer.token(Resource::Graph).for_purpose(purpose.clone());
    let handle = request.instead_of(&refused).access();
    let clone = handle.clone();
    for handle in [&handle, &clone] {
        let token = handle.token().await.expect("at hand");
        assert_eq!(token.secret().expose(), refused.secret().expose());
    }
    customer.token(Resource::Graph).instead_of(&refused).await.expect("another");
    for handle in [&handle, &clone] {
        let token = handle.token().await.expect("at hand");
        assert_ne!(token.secret().expose(), refused.secret().expose(), "it follows");
    }
    world.clock.advance(2 * HOUR);
    clone.token().await.expect("a new one");
    let for_it = |event: &Event| matches!(event, Event::Exchanged { purpose: Some(told), .. } if *told == purpose);
    assert_eq!(world.events().iter().filter(|event| for_it(event)).count(), 1);
}

#[tokio::test]
async fn an_api_that_refuses_the_next_token_too_gets_no_third() {
    // F-15
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let partner = broker.partner(world.contoso);
    let first = partner.token(Resource::PartnerCenter).await.expect("a token");
    let second = partner.token(Resource::PartnerCenter).instead_of(&first).await.expect("another");
    world.entra.forget_ledger();
    for _ in 0..10 {
        let third = partner.token(Resource::PartnerCenter).instead_of(&second).await;
        let error = third.expect_err("it is not about the token");
        assert!(matches!(error, Error::TokenRefused { .. }), "{error}");
        assert!(matches!(error.remedy(), Remedy::Retry { after } if after <= HOUR));
    }
    assert_eq!(world.entra.ledger().len(), 0);
    world.clock.advance(HOUR / 12);
    let third = partner.token(Resource::PartnerCenter).instead_of(&second).await;
    third.expect("after five minutes it may be about the token again");
}

#[tokio::test]
async fn an_old_complaint_takes_nothing_from_those_who_have_a_newer_token() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let partner = broker.partner(world.contoso);
    let old = partner.token(Resource::PartnerCenter).await.expect("a token");
    let new = partner.token(Resource::PartnerCenter).instead_of(&old).await.expect("another");
    world.entra.forget_ledger();
    let again = partner.token(Resource::PartnerCenter).instead_of(&old).await.expect("the new one");
    assert_eq!(again.secret().expose(), new.secret().expose());
    assert_eq!(world.entra.ledger().len(), 0);
}

#[tokio::test]
async fn a_refused_token_comes_back_from_no_other_process() {
    // F-15
    let world = World::new().await;
    let one = world.builder(world.store().await).share_access_tokens().build().await;
    let one = one.expect("a broker");
    world.onboard(&one).await;
    let other = world.builder(world.store().await).share_access_tokens().build().await;
    let other = other.expect("a broker");
    let partner = one.partner(world.contoso);
    let refused = partner.token(Resource::PartnerCenter).await.expect("a token");
    partner.token(Resource::PartnerCenter).instead_of(&refused).await.expect("another");
    let shared = other.partner(world.contoso).token(Resource::PartnerCenter).await.expect("shared");
    assert_ne!(shared.secret().expose(), refused.secret().expose());
}

#[tokio::test]
async fn a_claims_challenge_is_passed_on_once_and_then_typed() {
    // R-111
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let partner = broker.partner(world.contoso);
    let at_hand = partner.token(Resource::Graph).await.expect("a token");
    let challenge = challenge(r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#);
    world.entra.forget_ledger();
    let scripted = world.entra.fail_tokens(Rule::any(), Failure::aadsts(50076));
    let error = partner.token(Resource::Graph).satisfying(&challenge).await.expect_err("refused");
    assert!(matches!(error.remedy(), Remedy::AskConsentAgain { .. }), "{error}");
    assert_eq!(world.entra.ledger().len(), 1, "asked once, with a token at hand");
    scripted.clear();
    let plain = partner.token(Resource::Graph).await.expect("what was at hand");
    assert_eq!(plain.secret().expose(), at_hand.secret().expose());
    let stronger = partner.token(Resource::Graph).satisfying(&challenge).await.expect("a token");
    assert_ne!(stronger.secret().expose(), at_hand.secret().expose());
    let plain = partner.token(Resource::Graph).await.expect("the stronger one");
    assert_eq!(plain.secret().expose(), stronger.secret().expose());
}

#[tokio::test]
async fn what_an_api_demands_moves_no_consent() {
    // R-111, F-17
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let partner = broker.partner(world.contoso);
    let challenge = challenge(r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#);
    let demands = [50076, 50079, 50196, 70043, 53003, 700082];
    for (code, resource) in demands.iter().flat_map(|code| API.map(|api| (*code, api))) {
        for _ in 0..3 {
            let scripted = world.entra.fail_tokens(Rule::any(), Failure::aadsts(code));
            let asked = partner.token(resource.clone()).satisfying(&challenge);
            let error = asked.await.expect_err("refused");
            assert!(matches!(error, Error::Entra { .. }), "{code}: {error}");
            scripted.clear();
            let consent = partner.consent().await.expect("readable").expect("stored");
            assert_eq!(*consent.state(), ConsentState::Live, "{code} at {resource}");
            world.clock.advance(2 * HOUR);
            partner.token(resource.clone()).await.expect("a plain one");
        }
    }
}

const API: [Resource; 2] = [Resource::PartnerCenter, Resource::Graph];

fn challenge(claims: &str) -> ClaimsChallenge {
    let claims = STANDARD.encode(claims);
    let value = format!(r#"Bearer error="insufficient_claims", claims="{claims}""#);
    let mut headers = HeaderMap::new();
    headers.insert(WWW_AUTHENTICATE, value.parse().expect("a header"));
    ClaimsChallenge::from_headers(&headers).expect("well formed").expect("a challenge")
}
