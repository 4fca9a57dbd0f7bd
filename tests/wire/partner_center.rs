//! Odd replies of Partner Center, while a code is redeemed: none of them proves a second factor.

use std::time::Duration;

use cpv_consent::{Callback, MfaSource, Refused};
use wiremock::matchers::any;
use wiremock::{Mock, ResponseTemplate};

use crate::stage::{Stage, away, cut, refusal, text};

async fn answer(stage: &Stage, reply: ResponseTemplate) {
    Mock::given(any()).respond_with(reply).with_priority(1).mount(&stage.partner_center).await;
}

fn saying(reply: ResponseTemplate) -> ResponseTemplate {
    reply.insert_header("isMfaCompliant", "true")
}

#[tokio::test]
async fn only_a_clear_verdict_counts_and_the_token_goes_nowhere_else() {
    // R-042, R-044, R-093, R-095, R-096, R-110
    let stage = Stage::new().await;
    let elsewhere = stage.elsewhere.uri();
    let unknown = Refused::MfaUnknown;
    let missing = Refused::MfaMissing(MfaSource::PartnerCenter);
    let twice = |code| text(401, format!(r#"{{"code":"900421","code":"{code}"}}"#));
    for (name, reply, expected) in [
        ("a page", text(200, "<html>isMfaCompliant: true</html>"), &unknown),
        ("in the body only", text(200, r#"{"isMfaCompliant":true}"#), &unknown),
        ("moved, and true", saying(away(302, &elsewhere)), &unknown),
        ("moved for good, and true", saying(away(308, &elsewhere)), &unknown),
        ("true, without end", saying(text(200, " ".repeat(2 << 20))), &unknown),
        (
            "true and false",
            saying(text(200, "{}")).append_header("ismfacompliant", "false"),
            &unknown,
        ),
        ("a list", text(200, "{}").insert_header("isMfaCompliant", "true, true"), &unknown),
        ("one", text(200, "{}").insert_header("isMfaCompliant", "1"), &unknown),
        ("true, and a failure", saying(text(500, "")), &unknown),
        ("the code twice", twice("x"), &unknown),
        ("false", text(200, "{}").insert_header("isMfaCompliant", "FALSE"), &missing),
        ("the code, and true", saying(text(401, r#"{"code":900421}"#)), &missing),
    ] {
        stage.partner_center.reset().await;
        answer(&stage, reply).await;
        assert_eq!(refusal(stage.capture().await), *expected, "{name}");
        stage.assert_nothing_stored().await;
        let asked = stage.partner_center.received_requests().await.expect("recorded");
        assert_eq!(asked.len(), 1, "{name}");
    }
    assert!(stage.elsewhere.received_requests().await.expect("recorded").is_empty());
    stage.partner_center.reset().await;
    answer(&stage, saying(text(200, "<html>any body will do</html>"))).await;
    stage.onboard().await;
}

#[tokio::test]
async fn a_partner_center_that_never_answers_proves_nothing() {
    // R-045, R-095
    let stage = Stage::new().await;
    answer(&stage, saying(ResponseTemplate::new(200).set_delay(Duration::from_secs(3600)))).await;
    let callback = Callback::from_request(&stage.callback().await).expect("an answer");
    let broker = stage.broker.clone();
    let capturing = tokio::spawn(async move { broker.capture_consent(callback).await });
    let asked = async || stage.partner_center.received_requests().await.expect("recorded").len();
    while asked().await == 0 {
        tokio::task::yield_now().await;
    }
    stage.clock.advance(Duration::from_secs(30));
    assert_eq!(refusal(cut(capturing).await), Refused::MfaUnknown);
    stage.assert_nothing_stored().await;
}
