//! Found again by an id.

use cpv_consent::emulator::{Failure, Rule};
use cpv_consent::{Basis, Callback, Error, Party, Remedy};

use crate::diagnosis::{json, lines, refusal};
use crate::world::{SECRET, World};

#[tokio::test]
async fn a_refusal_is_found_by_its_correlation_id_and_by_its_trace_id() {
    // R-113
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let (correlation, trace) = refusal(&broker, &world, 65001).await;
    refusal(&broker, &world, 53003).await;
    for id in [correlation.clone(), correlation.to_uppercase(), trace.clone()] {
        let found = broker.diagnosis_of(&id).await.expect("remembered");
        assert_eq!((found.basis(), found.number()), (Basis::Remembered, Some(65001)));
        assert_eq!(found.partner(), Some(world.contoso));
        assert_eq!(found.tenant(), Some(world.fabrikam));
        assert_eq!(found.remedy(), Some(Remedy::GrantInCustomer));
        assert_eq!(found.correlation_id(), Some(&*correlation));
        assert_eq!(found.trace_id(), Some(&*trace));
        assert_eq!(found.health().is_healthy(), Some(true));
        assert!(lines(&found).iter().any(|line| line.contains("remembered by this process")));
    }
    assert!(broker.diagnosis_of("").await.is_none());
    assert!(broker.diagnosis_of("9f8e7d6c-aaaa-4bbb-8ccc-ddddeeeeffff").await.is_none());
}

#[tokio::test]
async fn a_success_is_no_case_and_a_refusal_is_seen_when_it_was() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let (correlation, _) = refusal(&broker, &world, 50020).await;
    let seen = cpv_consent::Clock::now(&world.clock);
    world.clock.advance(crate::world::DAY);
    let found = broker.diagnosis_of(&correlation).await.expect("remembered");
    assert_eq!(found.seen_at(), seen);
    let worked = crate::diagnosis::customer(&broker, &world, world.fabrikam).await;
    assert!(worked.works() && worked.correlation_id().is_none());
}

#[tokio::test]
async fn another_process_remembers_its_own_refusals_only() {
    let world = World::new().await;
    let (one, two) = (world.broker().await, world.broker().await);
    world.onboard(&one).await;
    let (correlation, trace) = refusal(&one, &world, 65001).await;
    assert!(two.diagnosis_of(&correlation).await.is_none());
    let text = format!("AADSTS65001: x. Trace ID: {trace} Correlation ID: {correlation}");
    let here = one.diagnose_text(&text).await.expect("its own");
    let there = two.diagnose_text(&text).await.expect("by its number");
    assert_eq!((here.basis(), here.tenant()), (Basis::Remembered, Some(world.fabrikam)));
    assert_eq!((there.basis(), there.tenant(), there.partner()), (Basis::Text, None, None));
    assert_eq!((there.number(), there.meaning()), (here.number(), here.meaning()));
    assert_eq!(there.correlation_id(), Some(&*correlation));
}

#[tokio::test]
async fn a_consent_that_entra_refused_is_remembered_too() {
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    world.entra.fail_tokens(Rule::any(), Failure::aadsts(7_000_222));
    let error = broker.capture_consent(Callback::from_request(&request).expect("one")).await;
    let Error::Entra { error, .. } = error.expect_err("refused") else { panic!("not by Entra") };
    let id = error.trace_id().expect("a trace id");
    let found = broker.diagnosis_of(id).await.expect("remembered");
    assert_eq!((found.partner(), found.resource()), (Some(world.contoso), None));
    assert_eq!((found.number(), found.whose_turn()), (Some(7_000_222), Some(Party::Vendor)));
    assert_eq!(json(&found)["consent"]["state"], "never");
}

#[tokio::test]
async fn what_entra_wrote_is_not_remembered() {
    // R-136
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let body = serde_json::json!({
        "error": "invalid_grant",
        "error_description": format!("AADSTS65001: canary of {SECRET}\r\nresult  works"),
        "error_codes": [65001],
        "suberror": "canary words",
        "trace_id": TRACE,
        "correlation_id": "canary\nresult  works",
        "timestamp": "canary",
        "claims": r#"{"access_token":{"canary":null}}"#,
    });
    let reply = Failure::reply(400, "application/json", body.to_string());
    world.entra.fail_tokens(Rule::any().tenant(world.fabrikam), reply);
    let asked = crate::diagnosis::customer(&broker, &world, world.fabrikam).await;
    let found = broker.diagnosis_of(TRACE).await.expect("remembered");
    for diagnosis in [asked, found] {
        let shown = format!("{diagnosis}\n{diagnosis:?}\n{}", json(&diagnosis));
        assert!(!shown.contains("canary") && !shown.contains(SECRET), "{shown}");
        assert_eq!((diagnosis.works(), diagnosis.number()), (false, Some(65001)));
        lines(&diagnosis);
    }
}

const TRACE: &str = "0a1b2c3d-1111-4222-8333-444455556666";
