//! What Entra sends for the code: forged, spent, another user's, or too little.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cpv_consent::emulator::{Failure, Grant, Rule, Tampering};
use cpv_consent::{Error, IdTokenError, Refused, Remedy};

use crate::world::{self, World, capture, refused};

#[tokio::test]
async fn every_forged_id_token_is_refused_and_leaves_nothing() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    for tampering in [
        Tampering::BadSignature,
        Tampering::AlgNone,
        Tampering::WrongIssuer,
        Tampering::WrongAudience,
        Tampering::WrongNonce,
        Tampering::MissingNonce,
        Tampering::Expired,
        Tampering::UnknownKid,
        Tampering::NotYetValid,
        Tampering::PublicKeyAsSecret,
    ] {
        world.entra.token_tampering(tampering.clone());
        let request = world.callback(&broker).await;
        let outcome = capture(&broker, &request).await;
        let Err(Error::IdToken(error)) = outcome else { panic!("{tampering:?}: {outcome:?}") };
        let _: IdTokenError = error;
        world.assert_nothing_stored(&broker).await;
    }
    world.entra.token_tampering(Tampering::None);
    world.onboard(&broker).await;
}

#[tokio::test]
async fn a_code_that_was_used_elsewhere_is_a_defect_and_never_retried() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let request = world.callback(&broker).await;
    let rule = Rule::any().grant(Grant::Code);
    let scripted = world.entra.fail_tokens(rule, Failure::aadsts(54005));
    let error = capture(&broker, &request).await.expect_err("a spent code");
    let Error::Entra { error: entra, .. } = &error else { panic!("{error:?}") };
    assert_eq!(entra.codes(), [54005]);
    assert_eq!(error.remedy(), Remedy::ReportDefect);
    assert_eq!(world.entra.count_tokens(|request| request.grant == Some(Grant::Code)), 1);
    scripted.clear();
    assert_eq!(refused(capture(&broker, &request).await), Refused::StateReplayed);
    world.assert_nothing_stored(&broker).await;
}

#[tokio::test]
async fn a_refresh_token_that_comes_with_another_users_id_token_is_never_kept() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let rule = Rule::any().grant(Grant::RefreshToken);
    let scripted = world.entra.alter_tokens(rule, |reply| {
        let text = reply["id_token"].as_str().expect("an ID token").to_owned();
        let parts: Vec<&str> = text.split('.').collect();
        let claims = URL_SAFE_NO_PAD.decode(parts[1]).expect("base64url");
        let mut claims: serde_json::Value = serde_json::from_slice(&claims).expect("JSON");
        claims["oid"] = "99999999-9999-4999-8999-999999999999".into();
        let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
        reply["id_token"] = [parts[0], &claims, parts[2]].join(".").into();
    });
    let request = world.callback(&broker).await;
    let error = capture(&broker, &request).await.expect_err("another user's");
    assert!(matches!(error, Error::ForeignToken { .. }), "{error:?}");
    world.assert_nothing_stored(&broker).await;
    scripted.clear();
    world.onboard(&broker).await;
}

#[tokio::test]
async fn a_consent_whose_other_resource_cannot_be_had_is_not_complete() {
    let world = World::new().await;
    let broker = world.broker().await;
    let rule = Rule::any().grant(Grant::RefreshToken).resource(world::GRAPH);
    let scripted = world.entra.fail_tokens(rule, Failure::aadsts(65001));
    let request = world.callback(&broker).await;
    let error = capture(&broker, &request).await.expect_err("Graph was not granted");
    assert_eq!(error.remedy(), Remedy::AskConsentAgain { claims: None });
    world.assert_nothing_stored(&broker).await;
    scripted.clear();
    world.onboard(&broker).await;
}
