//! Odd replies of the keys endpoint, while a code is redeemed.

use std::sync::Arc;
use std::time::Duration;

use cpv_consent::{HttpFault, IdTokenError};
use serde_json::{Value, json};
use wiremock::matchers::path;
use wiremock::{Mock, ResponseTemplate};

use crate::entra::{KEY_ID, SIGNER};
use crate::signer::{Signer, claims_of};
use crate::stage::{Place, Stage, away, cut, id_token_error, keys_path, text};

/// A key set made from the good one.
type Change = fn(&str) -> String;

pub async fn publish(stage: &Stage, reply: ResponseTemplate) {
    let mock = Mock::given(path(keys_path())).respond_with(reply).with_priority(1);
    mock.mount(&stage.login).await;
}

/// What becomes of a consent when the keys come like this. Nothing is stored, whatever it is.
async fn refused(reply: impl FnOnce(&Stage) -> ResponseTemplate) -> IdTokenError {
    let stage = Stage::new().await;
    let reply = reply(&stage);
    publish(&stage, reply).await;
    let error = id_token_error(stage.capture().await);
    stage.assert_nothing_stored().await;
    assert!(stage.elsewhere.received_requests().await.expect("recorded").is_empty());
    assert_eq!(stage.token_requests().await.len(), 1, "the code is not redeemed again");
    error
}

#[tokio::test]
async fn what_is_no_key_set_is_no_key_set() {
    // R-046, R-047, R-048, R-085, R-090
    let change: [(&str, u16, Change); 12] = [
        ("nothing", 200, |_| String::new()),
        ("a page", 200, |_| "<html></html>".into()),
        ("a refusal", 404, str::to_owned),
        ("another success", 203, str::to_owned),
        ("cut", 200, |good| good[..good.len() - 1].into()),
        ("a mark before it", 200, |good| format!("\u{feff}{good}")),
        ("text behind it", 200, |good| format!("{good}{good}")),
        ("a list", 200, |good| format!("[{good}]")),
        ("keys twice", 200, |good| good.replacen('{', r#"{"keys":[],"#, 1)),
        ("brackets", 200, |good| good.replacen('{', &format!("{{\"x\":{}", "[".repeat(9999)), 1)),
        ("keys that are no list", 200, |_| r#"{"keys":{}}"#.into()),
        ("more keys than anyone has", 200, |_| json!({ "keys": vec![json!({}); 101] }).to_string()),
    ];
    for (name, status, change) in change {
        let error = refused(|stage| text(status, change(&stage.entra.keys().to_string()))).await;
        assert_eq!(error, IdTokenError::KeysUnreadable, "{name}");
    }
}

#[tokio::test]
async fn keys_are_fetched_from_nowhere_else() {
    // R-042, R-080
    for status in [301, 302, 303, 307, 308] {
        let error = refused(|stage| away(status, &stage.elsewhere.uri())).await;
        let IdTokenError::KeysUnavailable(error) = error else { panic!("{error}") };
        assert_eq!(error.fault(), HttpFault::Redirected);
    }
}

#[tokio::test]
async fn a_key_set_without_end_is_cut() {
    // R-044, R-090
    let padded =
        |stage: &Stage| text(200, format!("{}{}", stage.entra.keys(), " ".repeat(2 << 20)));
    let IdTokenError::KeysUnavailable(error) = refused(padded).await else { panic!("too large") };
    assert_eq!(error.fault(), HttpFault::TooLarge);
}

#[tokio::test]
async fn keys_that_never_come_end_the_flow_at_the_deadline() {
    // R-045, R-085
    let stage = Stage::new().await;
    let never = ResponseTemplate::new(200).set_delay(Duration::from_secs(3600));
    publish(&stage, never).await;
    let callback = stage.callback().await;
    let (broker, clock) = (stage.broker.clone(), stage.clock.clone());
    let capturing = tokio::spawn(async move {
        let callback = cpv_consent::Callback::from_request(&callback).expect("an answer");
        broker.capture_consent(callback).await
    });
    let fetches = async || {
        let all = stage.login.received_requests().await.expect("recorded");
        all.iter().filter(|request| request.url.path() == keys_path()).count()
    };
    while fetches().await == 0 {
        tokio::task::yield_now().await;
    }
    clock.advance(Duration::from_secs(30));
    let error = id_token_error(cut(capturing).await);
    let IdTokenError::KeysUnavailable(error) = error else { panic!("{error}") };
    assert_eq!(error.fault(), HttpFault::Timeout);
    stage.assert_nothing_stored().await;
}

#[tokio::test]
async fn a_key_that_may_not_sign_for_this_tenant_does_not_count() {
    // R-058, R-059, R-086, R-087, R-088, R-089
    let unknown = IdTokenError::UnknownKey;
    let changes: [(&str, Value, IdTokenError); 9] = [
        ("kty", json!("oct"), unknown.clone()),
        ("use", json!("enc"), unknown.clone()),
        ("alg", json!("HS256"), unknown.clone()),
        ("alg", json!("none"), unknown.clone()),
        ("kid", json!("another"), unknown.clone()),
        ("e", json!("AQ"), unknown.clone()),
        ("n", json!("AQAB"), unknown.clone()),
        ("issuer", json!("https://login.example/{tenantid}/v2.0"), unknown.clone()),
        ("n", other_modulus(), IdTokenError::Signature),
    ];
    for (member, value, expected) in changes {
        let shown = format!("{member} {value:.20}");
        let error = refused(|stage| {
            let mut key = stage.entra.jwk();
            key[member] = value;
            text(200, json!({ "keys": [key] }).to_string())
        });
        assert_eq!(error.await, expected, "{shown}");
    }
    assert_eq!(refused(|_| text(200, r#"{"keys":[]}"#)).await, unknown);
}

#[tokio::test]
async fn a_wrong_key_beside_the_right_one_does_no_harm() {
    // R-087, R-088
    let stage = Stage::new().await;
    let wrong = json!({
        "kty": "RSA", "use": "sig", "kid": KEY_ID, "n": other_modulus(), "e": "AQAB",
    });
    let broken = json!({ "kty": "RSA", "kid": KEY_ID, "n": 7, "e": null });
    let keys = json!({ "keys": [broken, "canary", wrong, stage.entra.jwk()] });
    publish(&stage, text(200, keys.to_string())).await;
    stage.onboard().await;
}

#[tokio::test]
async fn ever_new_key_names_cost_one_more_look_and_keep_nobody_out() {
    // R-082, R-083, R-091, attack-jwks-flood
    let stage = Stage::new().await;
    for number in 0..30 {
        let odd = move |mut good: Value| {
            let claims = claims_of(good["id_token"].as_str().expect("an ID token"));
            let header = json!({ "alg": "RS256", "kid": format!("../k{number}' --") });
            good["id_token"] = SIGNER.sign_under(&header, &claims).into();
            ResponseTemplate::new(200).set_body_json(good)
        };
        let guard = stage.odd(Place::Code, Arc::new(odd));
        assert_eq!(id_token_error(stage.capture().await), IdTokenError::UnknownKey);
        drop(guard);
        stage.capture().await.expect("a good one, meanwhile");
    }
    let mut asked = stage.login.received_requests().await.expect("recorded");
    asked.retain(|request| request.url.path() == keys_path());
    assert_eq!(asked.len(), 2, "the first fill, and one more look");
}

/// Of a key that signed nothing.
fn other_modulus() -> Value {
    Signer::new("other").jwk("http://login.example")["n"].clone()
}
