//! The modules of the OpenID Foundation's suite for relying parties, rebuilt: one odd answer each,
//! in both response modes and through the whole door.

use std::sync::{Arc, LazyLock};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use cpv_consent::{Error, Found, IdTokenError, Refused, ResponseMode};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::entra::{CONTOSO, SIGNER, field};
use crate::keys::publish;
use crate::signer::{Signer, claims_of, signed, unsigned};
use crate::stage::{Odd, Place, Stage, id_token_error, refusal, tenant};
use crate::world::SECRET;

const MODES: [ResponseMode; 2] = [ResponseMode::FormPost, ResponseMode::Query];
const STRANGER: &str = "99999999-9999-4999-8999-999999999999";

/// A second key of Entra's, or of somebody else.
static OTHER: LazyLock<Signer> = LazyLock::new(|| Signer::new("signing-key-2"));

/// An ID token made of the claims of the right one.
type Forge = Arc<dyn Fn(Value) -> String + Send + Sync>;

/// Signed as it should be, with other claims.
fn saying(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Forge {
    Arc::new(move |mut claims| {
        change(&mut claims);
        SIGNER.sign(&claims)
    })
}

/// Signed as it should be, under another header.
fn headed(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Forge {
    Arc::new(move |claims| {
        let mut header = SIGNER.header();
        change(&mut header);
        SIGNER.sign_under(&header, &claims)
    })
}

fn without(name: &'static str) -> impl Fn(&mut Value) + Send + Sync + 'static {
    move |value| drop(value.as_object_mut().expect("an object").remove(name).expect("it was there"))
}

fn with(forge: Forge) -> Odd {
    Arc::new(move |mut good| {
        let claims = claims_of(good["id_token"].as_str().expect("an ID token"));
        good["id_token"] = forge(claims).into();
        ResponseTemplate::new(200).set_body_json(good)
    })
}

/// What comes of a flow whose ID token is forged, and what holds whatever comes: nothing is stored,
/// and nobody but the token endpoint heard a secret.
async fn met(stage: &Stage, mode: ResponseMode, forge: Forge) -> Result<Found, Error> {
    let guard = stage.odd(Place::Code, with(forge));
    let outcome = stage.finish(&stage.callback_by(mode).await).await;
    drop(guard);
    stage.assert_nothing_stored().await;
    let office = stage.partner_center.received_requests().await.expect("recorded");
    assert!(office.is_empty(), "its access token was shown to somebody");
    assert_told_nobody_else(stage).await;
    outcome
}

/// Code, verifier, secret and tokens went to the token endpoint of the flow and nowhere else.
async fn assert_told_nobody_else(stage: &Stage) {
    let asked = stage.token_requests().await;
    let [asked] = &asked[..] else { panic!("{} token requests", asked.len()) };
    assert_eq!(asked.url.path(), format!("/{CONTOSO}/oauth2/v2.0/token"));
    let verifier = field(asked, "code_verifier").expect("a verifier");
    let mut all = stage.login.received_requests().await.expect("recorded");
    all.retain(|request| !request.url.path().ends_with("/token"));
    all.extend(stage.elsewhere.received_requests().await.expect("recorded"));
    for request in all {
        let body = String::from_utf8_lossy(&request.body);
        let heard = format!("{} {:?} {body}", request.url, request.headers);
        assert!(!heard.contains("canary") && !heard.contains(&verifier), "{heard}");
    }
    assert!(stage.elsewhere.received_requests().await.expect("recorded").is_empty());
}

async fn refused(forge: Forge, expected: IdTokenError) {
    for mode in MODES {
        let stage = Stage::new().await;
        let error = id_token_error(met(&stage, mode, forge.clone()).await);
        assert_eq!(error, expected, "{mode:?}");
        stage.onboard().await; // the token alone was at fault
    }
}

async fn accepted(odd: Odd) {
    for mode in MODES {
        let stage = Stage::new().await;
        let _odd = stage.odd(Place::Code, odd.clone());
        let found = stage.finish(&stage.callback_by(mode).await).await;
        let found = found.unwrap_or_else(|error| panic!("{mode:?}: {error}"));
        found.confirm().await.expect("a consent");
        stage.own().await.expect("a token");
    }
}

#[tokio::test]
async fn the_right_token_signed_by_rs256_is_accepted() {
    // oidcc-client-test, oidcc-client-test-idtoken-sig-rs256
    accepted(with(saying(|_| ()))).await;
}

#[tokio::test]
async fn a_foreign_issuer_is_noticed() {
    // oidcc-client-test-invalid-iss, R-052
    let issuer = |claims: &mut Value| {
        let issuer = claims["iss"].as_str().expect("text").replace("http://", "http://x.");
        claims["iss"] = issuer.into();
    };
    refused(saying(issuer), IdTokenError::Issuer).await;
}

#[tokio::test]
async fn a_token_of_another_tenant_that_holds_in_itself_is_noticed() {
    //
    let moved = |claims: &mut Value| {
        let issuer = claims["iss"].as_str().expect("text").replace(CONTOSO, STRANGER);
        (claims["iss"], claims["tid"]) = (issuer.into(), json!(STRANGER));
    };
    for mode in MODES {
        let stage = Stage::new().await;
        let refused = refusal(met(&stage, mode, saying(moved)).await);
        let (expected, found) = (tenant(CONTOSO), tenant(STRANGER));
        assert_eq!(refused, Refused::OtherTenant { expected, found }, "{mode:?}");
    }
}

#[tokio::test]
async fn a_subject_must_be_named() {
    // oidcc-client-test-missing-sub, R-070
    refused(saying(without("sub")), IdTokenError::Missing("sub")).await;
}

#[tokio::test]
async fn an_audience_is_ours_alone() {
    // oidcc-client-test-invalid-aud, fapi2-client-test-invalid-secondary-aud, R-064
    refused(saying(|claims| claims["aud"] = json!(STRANGER)), IdTokenError::Audience).await;
    let both = |claims: &mut Value| claims["aud"] = json!([claims["aud"], STRANGER]);
    refused(saying(both), IdTokenError::Audience).await;
}

#[tokio::test]
async fn a_token_of_another_kind_is_no_id_token() {
    // an access token for Partner Center, a token for an API, a logout
    let api = |claims: &mut Value| claims["aud"] = json!("https://api.partnercenter.microsoft.com");
    refused(saying(api), IdTokenError::Audience).await;
    for kind in ["at+jwt", "application/at+jwt", "logout+jwt", "JWE", ""] {
        refused(headed(move |header| header["typ"] = json!(kind)), IdTokenError::Header).await;
    }
}

#[tokio::test]
async fn an_audience_must_be_named() {
    // oidcc-client-test-missing-aud
    refused(saying(without("aud")), IdTokenError::Missing("aud")).await;
}

#[tokio::test]
async fn an_audience_may_be_a_list_of_one() {
    // fapi2-client-test-valid-aud-as-array
    accepted(with(saying(|claims| claims["aud"] = json!([claims["aud"]])))).await;
}

#[tokio::test]
async fn the_time_of_issue_must_be_told() {
    // oidcc-client-test-missing-iat, R-067
    refused(saying(without("iat")), IdTokenError::Missing("iat")).await;
}

#[tokio::test]
async fn an_end_must_be_told_and_still_come() {
    // fapi2-client-test-invalid-missing-exp, fapi2-client-test-invalid-expired-exp, R-065
    refused(saying(without("exp")), IdTokenError::Missing("exp")).await;
    let over =
        saying(|claims| claims["exp"] = json!(claims["iat"].as_u64().expect("seconds") - 120));
    for mode in MODES {
        let error = id_token_error(met(&Stage::new().await, mode, over.clone()).await);
        assert!(matches!(error, IdTokenError::Expired { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_nonce_must_be_this_flows() {
    // oidcc-client-test-nonce-invalid, fapi2-client-test-invalid-missing-nonce, R-069
    refused(saying(|claims| claims["nonce"] = json!(STRANGER)), IdTokenError::Nonce).await;
    refused(saying(without("nonce")), IdTokenError::Missing("nonce")).await;
}

#[tokio::test]
async fn the_hash_of_another_access_token_is_refused() {
    // oidcc-client-test-invalid-athash, R-072
    let another = |claims: &mut Value| claims["at_hash"] = json!("jHkWEdUXMU1BwAsC4vtUsQ");
    refused(saying(another), IdTokenError::Wrong("at_hash")).await;
}

#[tokio::test]
async fn a_token_without_a_signature_is_refused() {
    // oidcc-client-test-idtoken-sig-none, fapi2-client-test-invalid-null-alg, R-056
    for name in [json!("none"), json!("NONE"), json!("nOnE"), json!(null), json!("")] {
        let header = json!({ "alg": name });
        let bare: Forge = Arc::new(move |claims| format!("{}.", unsigned(&header, &claims)));
        refused(bare, IdTokenError::Header).await;
        refused(headed(move |header| header["alg"] = name.clone()), IdTokenError::Header).await;
    }
}

#[tokio::test]
async fn a_broken_signature_is_refused() {
    // oidcc-client-test-invalid-sig-rs256, R-059
    let broken: [fn(Value) -> String; 4] = [
        |claims| OTHER.sign_under(&SIGNER.header(), &claims),
        |claims| signed(&unsigned(&SIGNER.header(), &claims), &[0; 256]),
        |claims| signed(&unsigned(&SIGNER.header(), &claims), b"short"),
        |mut claims| {
            let good = SIGNER.sign(&claims);
            claims["name"] = json!("Bob");
            let signature = good.rsplit_once('.').expect("three parts").1;
            format!("{}.{signature}", unsigned(&SIGNER.header(), &claims))
        },
    ];
    for forge in broken {
        refused(Arc::new(forge), IdTokenError::Signature).await;
    }
}

#[tokio::test]
async fn a_mac_is_no_signature() {
    // oidcc-client-test-invalid-sig-hs256, R-057
    for key in [SECRET.as_bytes(), SIGNER.public(), b"", b"nobody's"] {
        for name in ["HS256", "RS256"] {
            let key = hmac::Key::new(hmac::HMAC_SHA256, key);
            let mac: Forge = Arc::new(move |claims| {
                let mut header = SIGNER.header();
                header["alg"] = json!(name);
                let text = unsigned(&header, &claims);
                signed(&text, hmac::sign(&key, text.as_bytes()).as_ref())
            });
            let named = name == "HS256";
            let expected = if named { IdTokenError::Header } else { IdTokenError::Signature };
            refused(mac, expected).await;
        }
    }
}

#[tokio::test]
async fn another_algorithm_is_refused_even_if_its_signature_holds() {
    // oidcc-client-test-invalid-sig-es256, fapi2-client-test-invalid-alternate-alg, R-058
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let curve: Forge = Arc::new(move |claims| {
        let text = unsigned(&json!({ "typ": "JWT", "alg": "ES256", "kid": "curve" }), &claims);
        let signature = key.sign(&SystemRandom::new(), text.as_bytes()).expect("a signature");
        signed(&text, signature.as_ref())
    });
    refused(curve, IdTokenError::Header).await;
    for name in ["ES256", "PS256", "RS384", "RS512", "EdDSA", "rs256"] {
        refused(headed(move |header| header["alg"] = json!(name)), IdTokenError::Header).await;
    }
}

#[tokio::test]
async fn without_a_key_id_the_only_key_is_taken() {
    // oidcc-client-test-kid-absent-single-jwks, R-088
    accepted(with(headed(without("kid")))).await;
}

#[tokio::test]
async fn without_a_key_id_several_keys_are_one_too_many() {
    // oidcc-client-test-kid-absent-multiple-jwks, R-088
    for mode in MODES {
        let stage = Stage::new().await;
        let keys = [stage.entra.jwk(), OTHER.jwk(&stage.login.uri())];
        publish(&stage, ResponseTemplate::new(200).set_body_json(json!({ "keys": keys }))).await;
        let error = id_token_error(met(&stage, mode, headed(without("kid"))).await);
        assert_eq!(error, IdTokenError::UnknownKey, "{mode:?}");
        stage.onboard().await;
    }
}

#[tokio::test]
async fn a_key_that_changed_is_found_whenever_it_changed() {
    // oidcc-client-test-signing-key-rotation, R-084
    // oidcc-client-test-signing-key-rotation-just-before-signing, R-082
    for mode in MODES {
        for begun_before in [true, false] {
            let stage = Stage::new().await;
            stage.onboard().await; // the keys are at hand
            let early = stage.callback_by(mode).await;
            let keys = json!({ "keys": [OTHER.jwk(&stage.login.uri())] });
            publish(&stage, ResponseTemplate::new(200).set_body_json(keys)).await;
            let callback = if begun_before { early } else { stage.callback_by(mode).await };
            let _odd = stage.odd(Place::Code, with(Arc::new(|claims| OTHER.sign(&claims))));
            stage.finish(&callback).await.expect("one more look was enough");
        }
    }
}

#[tokio::test]
async fn a_token_type_is_read_in_any_letters() {
    // fapi2-client-test-token-type-case-insensitivity, R-106
    for name in ["bearer", "BEARER", "bEARER"] {
        let odd = move |mut good: Value| {
            good["token_type"] = json!(name);
            ResponseTemplate::new(200).set_body_json(good)
        };
        accepted(Arc::new(odd)).await;
    }
}

#[tokio::test]
async fn the_newest_refresh_token_is_the_one_that_is_redeemed() {
    // oidcc-client-test-refresh-token, fapi2-client-refresh-token-test
    let stage = Stage::new().await;
    stage.onboard().await;
    for _ in 0..3 {
        stage.prepare(Place::Own).await;
        let newest = stage.last_issued();
        let token = stage.own().await.expect("a token");
        assert_eq!(stage.last_redeemed().await, newest);
        assert_eq!(token.secret().expose(), format!("at-canary-{}", stage.entra.issued()));
    }
}
