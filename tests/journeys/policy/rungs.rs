//! The rungs of the second factor: each can be switched, and nothing unsigned counts on any.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cpv_consent::emulator::{MfaAnswer, Rule, Tampering};
use cpv_consent::{Aspect, Error, MfaSource, Policy, Refused, Verdict};
use serde_json::{Value, json};

use crate::policy::found;
use crate::world::{World, capture, refused};

/// Only this source is believed.
fn only(source: MfaSource) -> Policy {
    let none = Policy::default().danger_not_believing(MfaSource::PartnerCenter);
    none.danger_also_believing(source)
}

/// The same token as somebody would write it who cannot sign.
fn unsigned(token: &str, header: &Value, signature: &str) -> String {
    let claims = token.split('.').nth(1).expect("a compact token");
    let claims = URL_SAFE_NO_PAD.decode(claims).expect("base64url");
    let mut claims: Value = serde_json::from_slice(&claims).expect("JSON");
    claims["amr"] = json!(["pwd", "mfa"]);
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(&claims))
}

/// Every way in which a token is not signed.
fn forgeries() -> Vec<(Value, &'static str)> {
    let header = |algorithm: &str| json!({ "alg": algorithm, "typ": "JWT" });
    vec![
        (header("none"), ""),
        (header("none"), "AAAA"),
        (header("None"), ""),
        (header("RS256"), ""),
        (header("HS256"), "AAAA"),
        (json!({ "typ": "JWT" }), "AAAA"),
    ]
}

#[tokio::test]
async fn an_access_token_that_is_not_signed_proves_nothing_on_its_rung() {
    //
    let world = World::new().await;
    let believing = [
        only(MfaSource::AccessToken),
        Policy::default().danger_also_believing(MfaSource::AccessToken),
    ];
    for policy in believing {
        let broker = world.broker_with(policy).await;
        for (header, signature) in forgeries() {
            let shown = format!("{header} {signature}");
            let altered = world.entra.alter_tokens(Rule::any(), move |reply| {
                let token = reply["access_token"].as_str().expect("a token");
                reply["access_token"] = unsigned(token, &header, signature).into();
            });
            let request = world.callback(&broker).await;
            assert_eq!(refused(capture(&broker, &request).await), Refused::MfaUnknown, "{shown}");
            world.assert_nothing_stored(&broker).await;
            altered.clear();
        }
    }
    let broker = world.broker_with(only(MfaSource::AccessToken)).await;
    let found = found(&world, &broker).await;
    assert_eq!(found.mfa().proof().map(|proof| proof.source()), Some(MfaSource::AccessToken));
}

#[tokio::test]
async fn an_id_token_that_is_not_signed_proves_nothing_on_its_rung() {
    //
    let world = World::new().await;
    let broker = world.broker_with(only(MfaSource::IdToken)).await;
    for (header, signature) in forgeries() {
        let shown = format!("{header} {signature}");
        let altered = world.entra.alter_tokens(Rule::any(), move |reply| {
            let token = reply["id_token"].as_str().expect("a token");
            reply["id_token"] = unsigned(token, &header, signature).into();
        });
        let request = world.callback(&broker).await;
        let error = capture(&broker, &request).await.expect_err("unsigned");
        assert!(matches!(error, Error::IdToken(_)), "{shown}: {error:?}");
        world.assert_nothing_stored(&broker).await;
        altered.clear();
    }
    let request = world.callback(&broker).await;
    let silent = refused(capture(&broker, &request).await);
    assert_eq!(silent, Refused::MfaUnknown, "a v2.0 ID token says nothing");
    world.entra.token_tampering(Tampering::With("amr".to_owned(), json!(["pwd", "mfa"])));
    let found = found(&world, &broker).await;
    assert_eq!(found.mfa().proof().map(|proof| proof.source()), Some(MfaSource::IdToken));
}

#[tokio::test]
async fn a_rung_that_was_taken_out_is_neither_asked_nor_heard() {
    //
    let world = World::new().await;
    world.entra.partner_center_mfa(MfaAnswer::NotCompliant);
    let broker = world.broker_with(only(MfaSource::AccessToken)).await;
    world.onboard(&broker).await;
    assert!(world.entra.partner_center_calls().is_empty(), "it was not asked");
    // It refuses the token all the same, and a look says so.
    let verification = broker.partner(world.contoso).verify().await.expect("a look");
    assert_eq!(verification.verdict(Aspect::SecondFactor), Verdict::Failed);
    assert_eq!(verification.verdict(Aspect::Policy), Verdict::Passed);
    // Its yes is not heard either.
    world.entra.partner_center_mfa(MfaAnswer::Compliant);
    world.entra.opaque_access_tokens(true);
    let other = world.broker_with(only(MfaSource::AccessToken)).await;
    let verification = other.partner(world.contoso).verify().await.expect("a look");
    assert_eq!(verification.verdict(Aspect::SecondFactor), Verdict::Unknown);
}

#[tokio::test]
async fn without_any_rung_nothing_can_be_proven() {
    //
    let world = World::new().await;
    let none = Policy::default().danger_not_believing(MfaSource::PartnerCenter);
    let broker = world.broker_with(none).await;
    let request = world.callback(&broker).await;
    assert_eq!(refused(capture(&broker, &request).await), Refused::MfaUnknown);
    world.assert_nothing_stored(&broker).await;
}
