//! Entra's own no: in the answer that a browser brings, or when its code is redeemed.

use bytes::Bytes;
use cpv_consent::emulator::{Failure, Rule};
use cpv_consent::{Broker, Cause, Error, Event, Refused, Resource, ResponseMode};
use http::Request;

use crate::world::{World, accept, capture, refused, report, tampered};

/// The same answer with a no of Entra's in the place of its yes.
fn denied(request: &Request<Bytes>) -> Request<Bytes> {
    tampered(request, |answer| {
        let state = answer.split('&').find(|field| field.starts_with("state="));
        let state = state.expect("a state");
        let description = "AADSTS50053%3A+locked.+Trace+ID%3A+0a1b2c3d-1111-4222-8333-444455556666";
        format!("error=access_denied&error_description={description}&{state}")
    })
}

/// The ways in which a browser brings one.
const WAYS: [&str; 3] = ["a form", "a query", "an approval"];

async fn meets_a_no(world: &World, broker: &Broker, way: &str) -> Result<(), Error> {
    let request = match way {
        "a form" => world.callback_by(broker, ResponseMode::FormPost).await,
        "a query" => world.callback_by(broker, ResponseMode::Query).await,
        _ => world.approval(broker).await,
    };
    let (request, is_approval) = (denied(&request), way == "an approval");
    let first = bring(broker, &request, is_approval).await;
    let again = bring(broker, &request, is_approval).await;
    assert_eq!(refused(again), Refused::StateReplayed, "{way}: it counts once");
    first
}

async fn bring(broker: &Broker, request: &Request<Bytes>, is_approval: bool) -> Result<(), Error> {
    match is_approval {
        true => report(broker, request).await.map(drop),
        false => capture(broker, request).await.map(drop),
    }
}

fn denials(world: &World) -> Vec<Event> {
    let is_denial = |event: &Event| matches!(event, Event::ConsentDenied { .. });
    world.events().into_iter().filter(is_denial).collect()
}

#[tokio::test]
async fn observers_are_told_whichever_way_it_comes() {
    for way in WAYS {
        let world = World::new().await;
        let broker = world.broker().await;
        let met = meets_a_no(&world, &broker, way).await;
        assert!(matches!(met, Err(Error::Entra { .. })), "{way}: {met:?}");
        let told = Event::ConsentDenied {
            partner: Some(world.contoso),
            cause: Cause::AccountLocked,
            number: Some(50053),
            correlation_id: None,
        };
        assert_eq!(denials(&world), [told], "{way}");
        world.assert_nothing_stored(&broker).await;
    }
}

#[tokio::test]
async fn at_a_first_contact_nobody_knows_whose_it_is() {
    let world = World::new().await;
    let broker = world.broker().await;
    let pending = broker.first_consent(world.account()).await.expect("a flow");
    let request = denied(&accept(&pending, &world.admin).await);
    capture(&broker, &request).await.expect_err("a no");
    let [Event::ConsentDenied { partner: None, number: Some(50053), .. }] = denials(&world)[..]
    else {
        panic!("{:?}", denials(&world))
    };
}

#[tokio::test]
async fn a_code_that_is_refused_is_told_with_what_support_asks_for() {
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    world.entra.fail_tokens(Rule::any(), Failure::aadsts(50_053));
    let error = capture(&broker, &request).await.expect_err("refused");
    let Error::Entra { error, .. } = error else { panic!("{error:?}") };
    let told = Event::ConsentDenied {
        partner: Some(world.contoso),
        cause: error.cause(),
        number: Some(50053),
        correlation_id: error.correlation_id().map(str::to_owned),
    };
    assert!(error.correlation_id().is_some());
    assert_eq!(denials(&world), [told]);
}

#[tokio::test]
async fn a_refusal_of_ours_is_no_denial() {
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    capture(&broker, &request).await.expect("a yes");
    assert_eq!(refused(capture(&broker, &request).await), Refused::StateReplayed);
    assert_eq!(denials(&world), []);
}

#[tokio::test]
async fn it_explains_a_consent_that_pauses_for_the_same_reason() {
    let world = World::new().await;
    let one = world.broker().await;
    world.onboard(&one).await;
    let scripted = world.entra.fail_tokens(Rule::any(), Failure::aadsts(50_053));
    let asked = one.partner(world.contoso).token(Resource::PartnerCenter).await;
    asked.expect_err("locked out");
    scripted.clear();
    for way in WAYS {
        let other = world.broker().await; // which has seen nothing
        let diagnose = async |broker: &Broker| {
            broker.partner(world.contoso).diagnose(Resource::PartnerCenter).await.expect("a look")
        };
        assert_eq!(diagnose(&other).await.number(), None, "{way}");
        meets_a_no(&world, &other, way).await.expect_err("a no");
        assert_eq!(diagnose(&other).await.number(), Some(50053), "{way}");

        let before = diagnose(&one).await;
        assert!(before.correlation_id().is_some(), "by what Entra itself has said");
        meets_a_no(&world, &one, way).await.expect_err("a no");
        let after = diagnose(&one).await;
        assert_eq!(after.correlation_id(), before.correlation_id(), "{way}: it hides nothing");
        assert!(one.diagnosis_of(TRACE).await.is_none(), "{way}: no id of a browser's is believed");
    }
}

const TRACE: &str = "0a1b2c3d-1111-4222-8333-444455556666";
