//! Replies to a standing consent that are well made, and say too little, too much, or the wrong
//! thing.

use std::sync::Arc;
use std::time::Duration;

use cpv_consent::{Cause, Clock as _, ConsentState, Error, Refused, Resource, Scope, Scopes};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::entra::{CONTOSO, FABRIKAM, SIGNER};
use crate::stage::{Odd, Place, Stage, contoso, refusal, tenant};
use crate::world::{HOUR, MINUTE};

const ELSE: &str = "66666666-6666-4666-8666-666666666666";

fn changed(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Odd {
    Arc::new(move |mut good: Value| {
        change(&mut good);
        ResponseTemplate::new(200).set_body_json(good)
    })
}

async fn state(stage: &Stage) -> ConsentState {
    let consent = stage.broker.partner(contoso()).consent().await.expect("readable");
    consent.expect("stored").state().clone()
}

/// A stage with a consent, and the refresh token that it keeps.
async fn onboarded() -> (Stage, String) {
    let stage = Stage::new().await;
    stage.onboard().await;
    stage.clock.advance(10 * MINUTE); // a younger token is not replaced
    stage.own().await.expect("a token");
    let kept = stage.last_issued();
    stage.clock.advance(2 * HOUR);
    (stage, kept)
}

#[tokio::test]
async fn an_answer_about_somebody_else_suspends_the_consent_and_keeps_its_token() {
    // R-076, I2
    // oidcc-client-test-refresh-token-invalid-issuer, oidcc-client-test-refresh-token-invalid-sub
    type Forge = fn(&mut Value);
    let forgeries: [(&str, Forge); 7] = [
        ("another tenant", |claims| claims["tid"] = json!(ELSE)),
        ("another tenant, and its issuer", |claims| {
            claims["iss"] = claims["iss"].as_str().expect("text").replace(CONTOSO, ELSE).into();
            claims["tid"] = json!(ELSE);
        }),
        ("another user", |claims| claims["oid"] = json!(ELSE)),
        ("another subject", |claims| claims["sub"] = json!("another")),
        ("another issuer", |claims| claims["iss"] = json!("https://login.example/v2.0")),
        ("another audience", |claims| claims["aud"] = json!(ELSE)),
        ("nobody", |claims| drop(claims.as_object_mut().expect("claims").remove("oid"))),
    ];
    for (name, forge) in forgeries {
        let (stage, kept) = onboarded().await;
        let mut claims = stage.entra.claims(CONTOSO);
        forge(&mut claims);
        let odd = changed(move |good| good["id_token"] = SIGNER.sign(&claims).into());
        let guard = stage.odd(Place::Own, odd);
        let error = stage.own().await.expect_err(name);
        assert!(matches!(error, Error::ForeignToken { .. }), "{name}: {error:?}");
        let suspended = state(&stage).await;
        let ConsentState::Suspended(pause) = suspended else { panic!("{name}: {suspended}") };
        assert_eq!(pause.cause(), Cause::Unknown);
        let again = stage.own().await.expect_err("nothing of it was kept");
        assert!(matches!(again, Error::Suspended { .. }), "{name}: {again:?}");
        assert!(stage.elsewhere.received_requests().await.expect("recorded").is_empty());
        drop(guard);

        stage.clock.advance(MINUTE);
        stage.own().await.expect("the next probe is answered for the right person");
        assert_eq!(stage.last_redeemed().await, kept, "{name}: the old token was kept");
        assert_eq!(state(&stage).await, ConsentState::Live);
    }
}

#[tokio::test]
async fn a_customers_answer_about_another_tenant_is_handed_to_nobody() {
    // R-103, I2
    let (stage, _) = onboarded().await;
    stage.own().await.expect("a token");
    for (name, tid) in [("the partner's own", CONTOSO), ("a stranger's", ELSE)] {
        let before = stage.consent_rows();
        let claims = stage.entra.claims(tid);
        let odd = changed(move |good| good["id_token"] = SIGNER.sign(&claims).into());
        let guard = stage.odd(Place::Customer, odd);
        for _ in 0..2 {
            let error = stage.customer().await.expect_err(name);
            let Error::ForeignToken { partner, tenant: asked } = error else {
                panic!("{name}: {error:?}")
            };
            assert_eq!((partner, asked), (contoso(), tenant(FABRIKAM)));
        }
        assert_eq!(stage.consent_rows(), before, "a customer's answer moves no consent");
        drop(guard);
    }
    stage.customer().await.expect("the right one");
}

#[tokio::test]
async fn without_a_new_refresh_token_the_old_one_is_kept() {
    //
    for value in [json!(null), json!("")] {
        let (stage, kept) = onboarded().await;
        let before = stage.consent_rows();
        let odd = changed(move |good| {
            good["refresh_token"] = value.clone();
            good.as_object_mut().expect("an object").remove("id_token");
        });
        let guard = stage.odd(Place::Own, odd);
        stage.own().await.expect("an access token came");
        assert_eq!(stage.consent_rows(), before);
        drop(guard);
        stage.clock.advance(2 * HOUR);
        stage.own().await.expect("a token");
        assert_eq!(stage.last_redeemed().await, kept);
    }
}

#[tokio::test]
async fn the_refresh_token_of_a_customers_reply_is_dropped() {
    // oidcc-client-test-refresh-token
    let (stage, _) = onboarded().await;
    stage.own().await.expect("a token");
    let kept = stage.last_issued();
    stage.customer().await.expect("a token");
    assert_eq!(stage.last_redeemed().await, kept);
    stage.clock.advance(2 * HOUR);
    stage.own().await.expect("a token");
    assert_eq!(stage.last_redeemed().await, kept);
}

#[tokio::test]
async fn a_token_lives_as_long_as_its_reply_says_and_no_longer_than_any() {
    // R-107, fapi2-client-test-token-endpoint-response-without-expires_in
    for (value, seconds) in [
        (Some(json!(3599)), 3599),
        (Some(json!("3599")), 3599),
        (None, 300),
        (Some(json!(9_007_199_254_740_993_u64)), 28 * 3600),
        (Some(json!(u64::MAX)), 28 * 3600),
    ] {
        let (stage, _) = onboarded().await;
        let shown = format!("{value:?}");
        let odd = changed(move |good| match &value {
            Some(value) => good["expires_in"] = value.clone(),
            None => drop(good.as_object_mut().expect("an object").remove("expires_in")),
        });
        let guard = stage.odd(Place::Own, odd);
        let token = stage.own().await.expect("a token");
        let expected = stage.clock.now() + Duration::from_secs(seconds);
        assert_eq!(token.expires_at(), expected, "{shown}");
        let asked = stage.token_requests().await.len();
        stage.own().await.expect("a token");
        assert_eq!(stage.token_requests().await.len(), asked, "{shown}: it is kept");
        drop(guard);
    }
}

#[tokio::test]
async fn a_token_without_any_life_is_neither_handed_out_nor_kept_and_loses_no_refresh_token() {
    //
    for place in [Place::Own, Place::Customer] {
        for value in [json!(0), json!("0")] {
            let (stage, _) = onboarded().await;
            stage.prepare(place).await;
            let guard = stage.odd(place, changed(move |good| good["expires_in"] = value.clone()));
            let asked = stage.token_requests().await.len();
            let error = stage.go(place).await.expect_err("over already");
            assert!(matches!(error, Error::Reply(_)), "{place:?}: {error:?}");
            assert_eq!(stage.token_requests().await.len(), asked + 1, "asked once");
            let newest = stage.last_issued();
            drop(guard);
            stage.go(place).await.expect("a token that lives");
            assert_eq!(stage.token_requests().await.len(), asked + 2, "the other was not kept");
            let stored = stage.last_redeemed().await == newest;
            assert_eq!(stored, place == Place::Own, "a customer's is dropped as always");
            assert_eq!(state(&stage).await, ConsentState::Live);
        }
    }
}

#[tokio::test]
async fn a_narrower_scope_is_told_and_never_kept_as_the_wider_one() {
    //
    let (stage, _) = onboarded().await;
    stage.own().await.expect("a token");
    let narrow = || changed(|good| good["scope"] = json!("https://graph.microsoft.com/User.Read"));
    let missing: Scopes =
        [Scope::new(Resource::Graph, "Directory.Read.All").expect("a scope")].into_iter().collect();
    let guard = stage.odd(Place::Customer, narrow());
    for _ in 0..2 {
        let asked = stage.token_requests().await.len();
        let error = stage.customer().await.expect_err("too little");
        let Error::ScopesMissing { tenant: asked_at, missing: told, .. } = error else {
            panic!("{error:?}")
        };
        assert!(told == missing, "{told:?}");
        assert_eq!(asked_at, tenant(FABRIKAM));
        assert_eq!(stage.token_requests().await.len(), asked + 1, "asked anew each time");
    }
    drop(guard);
    stage.customer().await.expect("enough");
}

#[tokio::test]
async fn a_narrower_scope_at_the_partner_itself_loses_no_refresh_token() {
    //
    let (stage, _) = onboarded().await;
    let guard = stage.odd(Place::Own, changed(|good| good["scope"] = json!("")));
    let error = stage.own().await.expect_err("too little");
    assert!(matches!(error, Error::ScopesMissing { .. }), "{error:?}");
    let newest = stage.last_issued();
    drop(guard);
    stage.own().await.expect("enough");
    assert_eq!(stage.last_redeemed().await, newest, "the newest refresh token was stored");
    assert_eq!(state(&stage).await, ConsentState::Live);
}

#[tokio::test]
async fn a_consent_that_grants_less_or_more_than_registered_is_none() {
    //
    let stage = Stage::new().await;
    let graph = "https://graph.microsoft.com";
    for (place, scope, missing) in [
        (Place::Code, String::new(), true),
        (Place::Proof, format!("{graph}/User.Read"), true),
        (Place::Proof, format!("{graph}/Directory.Read.All {graph}/Mail.Read"), false),
    ] {
        let odd = changed(move |good| good["scope"] = scope.clone().into());
        let guard = stage.odd(place, odd);
        let refused = refusal(stage.capture().await);
        match (&refused, missing) {
            (Refused::ScopesMissing(_), true) | (Refused::ScopesBeyond(_), false) => {}
            _ => panic!("{refused:?}"),
        }
        stage.assert_nothing_stored().await;
        drop(guard);
    }
    stage.onboard().await;
}

#[tokio::test]
async fn a_consent_without_its_tokens_is_none() {
    //
    let stage = Stage::new().await;
    for member in ["id_token", "refresh_token"] {
        for value in [json!(null), json!("")] {
            let odd = changed(move |good| good[member] = value.clone());
            let guard = stage.odd(Place::Code, odd);
            let error = stage.capture().await.expect_err("half a reply");
            assert!(matches!(error, Error::Reply(_)), "{member}: {error:?}");
            stage.assert_nothing_stored().await;
            drop(guard);
        }
    }
}
