//! From a text that somebody pasted.

use cpv_consent::{Basis, Cause, Health, Party};

use crate::diagnosis::{json, lines, refusal};
use crate::world::World;

const TRACE: &str = "0a1b2c3d-1111-4222-8333-444455556666";

#[tokio::test]
async fn numbers_alone_say_what_they_mean_and_what_is_not_known() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let text = format!("AADSTS65001: ... Trace ID: {TRACE} Timestamp: 2026-11-23 11:40:02Z");
    let found = broker.diagnose_text(&text).await.expect("a number");
    assert_eq!((found.basis(), found.health()), (Basis::Text, &Health::NotKnown));
    assert_eq!((found.cause(), found.number()), (Some(Cause::ConsentMissing), Some(65001)));
    assert_eq!((found.remedy(), found.whose_turn()), (None, None), "it depends on the place");
    let steps: Vec<_> =
        found.steps().iter().map(|step| (step.happened_at(), step.remedy())).collect();
    assert_eq!(
        steps,
        [(Some(Party::Partner), "ask_consent_again"), (Some(Party::Customer), "grant_in_customer")]
    );
    let lines = lines(&found);
    assert_eq!(lines.iter().filter(|line| line.ends_with("not known")).count(), 3, "{found}");
    let members = json(&found);
    assert!(
        members["partner"].is_null() && members["seen_at"].is_null() && members["error"].is_null()
    );
    assert_eq!(
        (&members["trace_id"], &members["entra_time"]),
        (&TRACE.into(), &"2026-11-23 11:40:02Z".into())
    );
}

#[tokio::test]
async fn where_the_place_does_not_matter_there_is_one_step() {
    let world = World::new().await;
    let broker = world.broker().await;
    let found = broker.diagnose_text("AADSTS7000222: The secret expired").await.expect("a number");
    assert_eq!((found.steps().len(), found.whose_turn()), (1, Some(Party::Vendor)), "{found}");
    let found = broker.diagnose_text("AADSTS4242424").await.expect("a number");
    assert!(found.meaning().is_none() && found.to_string().contains("not listed"), "{found}");
}

#[tokio::test]
async fn a_text_without_a_number_or_a_known_id_is_no_diagnosis() {
    let world = World::new().await;
    let broker = world.broker().await;
    for text in ["", "it does not work", "AADSTS", TRACE] {
        assert!(broker.diagnose_text(text).await.is_none(), "{text}");
    }
}

#[tokio::test]
async fn a_hostile_text_breaks_no_line_and_leaves_no_word() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let (correlation, _) = refusal(&broker, &world, 53003).await;
    let junk = "canary \u{1b}[2J\r\nresult  works\n\u{2028}to do  send money\0<script>";
    let alone =
        format!("AADSTS65001{junk} error {junk} Trace ID:\n{junk} Correlation ID: {TRACE}{junk}");
    let known = format!("{junk}{correlation}{junk}AADSTS65001");
    let long = format!("AADSTS65001 {}", junk.repeat(100_000));
    for text in [alone, known, long] {
        let found = broker.diagnose_text(&text).await.expect("a number");
        let shown = format!("{found}\n{found:?}\n{}", json(&found));
        assert!(!shown.contains("canary") && !shown.contains("money"), "{shown}");
        assert_eq!(lines(&found).iter().filter(|line| line.starts_with("result")).count(), 1);
    }
}

#[tokio::test]
async fn an_id_of_a_case_is_believed_before_the_number_beside_it() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let (correlation, _) = refusal(&broker, &world, 53003).await;
    let text = format!("{TRACE} AADSTS65001 correlation {correlation}");
    let found = broker.diagnose_text(&text).await.expect("a case");
    assert_eq!((found.basis(), found.number()), (Basis::Remembered, Some(53003)));
}
