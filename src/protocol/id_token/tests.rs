use std::sync::LazyLock;
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding};
use aws_lc_rs::{hmac, signature};
use serde_json::{Value, json};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::model::clock::VirtualClock;
use crate::model::cloud::Origins;
use crate::model::registration::ClientCredential;
use crate::transport::http::Reqwest;

use super::*;

mod claims;
mod keys;

const TENANT: &str = "33333333-3333-4333-8333-333333333333";
const OTHER: &str = "44444444-4444-4444-8444-444444444444";
const USER: &str = "55555555-5555-4555-8555-555555555555";
const CLIENT: &str = "22222222-2222-4222-8222-222222222222";
const NONCE: &str = "n-0S6_WzA2Mj";
const ACCESS: &str = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";

static MINE: LazyLock<KeyPair> = LazyLock::new(|| generated(KeySize::Rsa2048));
static THEIRS: LazyLock<KeyPair> = LazyLock::new(|| generated(KeySize::Rsa2048));

fn generated(size: KeySize) -> KeyPair {
    KeyPair::generate(size).expect("a key")
}

fn jwk(id: &str, key: &KeyPair) -> Value {
    let public = key.public_key();
    let modulus = public.modulus().big_endian_without_leading_zero();
    let exponent = public.exponent().big_endian_without_leading_zero();
    json!({
        "kty": "RSA", "use": "sig", "kid": id,
        "n": URL_SAFE_NO_PAD.encode(modulus), "e": URL_SAFE_NO_PAD.encode(exponent),
        "x5c": ["canary"],
    })
}

fn sign(text: &str, key: &KeyPair, padding: &'static dyn RsaEncoding) -> String {
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(padding, &SystemRandom::new(), text.as_bytes(), &mut signature).expect("signed");
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn unsigned(header: &str, claims: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

fn header() -> Value {
    json!({ "typ": "JWT", "alg": "RS256", "kid": "mine" })
}

struct Stage {
    server: MockServer,
    clock: VirtualClock,
    verifier: IdTokenVerifier,
    cloud: Cloud,
}

impl Stage {
    async fn new() -> Self {
        let stage = Self::without_keys().await;
        stage.publish(json!([jwk("mine", &MINE), jwk("theirs", &THEIRS)])).await;
        stage
    }

    async fn without_keys() -> Self {
        let server = MockServer::start().await;
        let uri = server.uri();
        let origins = Origins { login: &uri, partner_center: &uri, graph: &uri };
        let cloud = Cloud::danger_loopback("test", origins).expect("loopback");
        let home = TenantId::parse("11111111-1111-4111-8111-111111111111").expect("a GUID");
        let client_id = ClientId::parse(CLIENT).expect("a GUID");
        let secret = ClientCredential::secret("canary").expect("plain");
        let redirect = "https://panel.example/callback";
        let app = AppRegistration::new(cloud.clone(), home, client_id, secret, redirect);
        let clock = VirtualClock::default();
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let wire = Wire::new(Arc::new(Reqwest::new().expect("a client")), shared.clone());
        let verifier = IdTokenVerifier::new(&app.expect("valid"), wire, shared);
        Self { server, clock, verifier, cloud }
    }

    async fn publish(&self, keys: Value) {
        self.answer(ResponseTemplate::new(200).set_body_json(json!({ "keys": keys }))).await;
    }

    async fn answer(&self, reply: ResponseTemplate) {
        self.server.reset().await;
        let place = format!("/{TENANT}/discovery/v2.0/keys");
        Mock::given(path(place)).respond_with(reply).mount(&self.server).await;
    }

    async fn fetches(&self) -> usize {
        self.server.received_requests().await.expect("recorded").len()
    }

    fn authority(&self) -> Authority {
        Authority::of(&self.cloud, TenantId::parse(TENANT).expect("a GUID"))
    }

    fn now(&self) -> u64 {
        unix_seconds(self.clock.now())
    }

    fn claims(&self) -> Value {
        let now = self.now();
        json!({
            "ver": "2.0", "iss": format!("{}/{TENANT}/v2.0", self.cloud.login()),
            "aud": CLIENT, "tid": TENANT, "oid": USER, "sub": "subject", "nonce": NONCE,
            "iat": now, "nbf": now, "exp": now + 3600, "name": "Ann", "at_hash": at_hash(ACCESS),
        })
    }

    async fn verify(&self, text: &str) -> Result<IdClaims, IdTokenError> {
        let text = IdTokenText::new(text.to_owned()).ok_or(IdTokenError::Malformed)?;
        let access = AccessToken::new(ACCESS).expect("plain");
        self.verifier.verify(&text, &self.authority(), NONCE, &access).await
    }

    /// Verifies a well-signed token whose claims were changed.
    async fn with(&self, change: impl FnOnce(&mut Value)) -> Result<IdClaims, IdTokenError> {
        let mut claims = self.claims();
        change(&mut claims);
        self.verify(&sign(&unsigned(&text(&header()), &text(&claims)), &MINE, PKCS1)).await
    }

    /// Verifies a token with another header, signed well.
    async fn headed(&self, header: &str) -> Result<IdClaims, IdTokenError> {
        self.verify(&sign(&unsigned(header, &text(&self.claims())), &MINE, PKCS1)).await
    }
}

const PKCS1: &dyn RsaEncoding = &RSA_PKCS1_SHA256;

fn text(value: &Value) -> String {
    value.to_string()
}

fn at_hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(&digest(&SHA256, token.as_bytes()).as_ref()[..16])
}

fn removed(claims: &mut Value, name: &str) {
    claims.as_object_mut().expect("an object").remove(name).expect("it was there");
}

#[tokio::test]
async fn a_good_token_says_who_it_is() {
    let stage = Stage::new().await;
    let now = stage.now();
    let claims = stage
        .with(|claims| {
            claims["auth_time"] = json!(now - 60);
            claims["amr"] = json!(["pwd", "mfa"]);
            claims["wids"] = json!(["62e90394-69f5-4237-9190-012177145e10"]);
            claims["aud"] = json!([CLIENT]);
            claims["azp"] = json!(CLIENT);
        })
        .await
        .expect("good");
    assert_eq!((claims.tenant.to_string(), claims.user.to_string()), (TENANT.into(), USER.into()));
    assert_eq!(claims.subject, "subject");
    assert_eq!(claims.name.as_deref(), Some("Ann"));
    assert_eq!(unix_seconds(claims.issued_at), now);
    assert_eq!(claims.auth_time.map(unix_seconds), Some(now - 60));
    assert_eq!(claims.amr.expect("stated"), ["pwd", "mfa"]);
    assert_eq!(claims.wids.expect("stated").len(), 1);
    assert_eq!(claims.guest, crate::model::consent::Guest::No);
    let plain = stage.with(|_| ()).await.expect("good");
    assert!(plain.auth_time.is_none() && plain.amr.is_none() && plain.wids.is_none());
}

#[tokio::test]
async fn headers_other_than_a_plain_rs256_one_are_refused() {
    // R-056, R-057, R-058, R-061, R-063, R-091
    let stage = Stage::new().await;
    for (name, value) in [
        ("alg", json!("none")),
        ("alg", json!("None")),
        ("alg", json!("")),
        ("alg", json!(null)),
        ("alg", json!("rs256")),
        ("alg", json!("RS512")),
        ("alg", json!("PS256")),
        ("alg", json!("ES256")),
        ("alg", json!(["RS256"])),
        ("typ", json!("at+jwt")),
        ("typ", json!("logout+jwt")),
        ("typ", json!(1)),
        ("crit", json!([])),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("kid", json!(7)),
    ] {
        let mut changed = header();
        changed[name] = value;
        let error = stage.headed(&text(&changed)).await.expect_err(name);
        assert_eq!(error, IdTokenError::Header, "{changed}");
    }
    for kid in ["../../etc", "'; DROP TABLE keys", "", "Mine", &"x".repeat(1_000)] {
        let changed = json!({ "alg": "RS256", "kid": kid });
        let error = stage.headed(&text(&changed)).await.expect_err(kid);
        assert_eq!(error, IdTokenError::UnknownKey);
    }
    assert_eq!(stage.fetches().await, 2, "one fill and one more look");
}

#[tokio::test]
async fn keys_in_the_header_are_never_used() {
    // R-060
    let (stage, elsewhere) = (Stage::new().await, MockServer::start().await);
    let uri = elsewhere.uri();
    let header = json!({
        "alg": "RS256", "kid": "mine", "jwk": jwk("mine", &THEIRS), "jku": uri, "x5u": uri,
        "x5c": ["canary"],
    });
    let token = sign(&unsigned(&text(&header), &text(&stage.claims())), &THEIRS, PKCS1);
    assert_eq!(stage.verify(&token).await.expect_err("refused"), IdTokenError::Signature);
    assert!(stage.headed(&text(&header)).await.is_ok());
    assert!(elsewhere.received_requests().await.expect("recorded").is_empty());
}

#[tokio::test]
async fn signatures_by_anything_but_the_named_key_are_refused() {
    // R-056, R-057, R-058, R-059
    let stage = Stage::new().await;
    let body = unsigned(&text(&header()), &text(&stage.claims()));
    let good = sign(&body, &MINE, PKCS1);
    assert!(stage.verify(&good).await.is_ok());
    let public = MINE.public_key();
    let secret = hmac::Key::new(hmac::HMAC_SHA256, public.as_der().expect("DER").as_ref());
    let by_public_key = hmac::sign(&secret, body.as_bytes());
    let mut tampered = stage.claims();
    tampered["oid"] = json!(OTHER);
    let signature = good.rsplit_once('.').expect("three parts").1;
    for (token, expected) in [
        (sign(&body, &THEIRS, PKCS1), IdTokenError::Signature),
        (sign(&body, &MINE, &RSA_PSS_SHA256), IdTokenError::Signature),
        (sign(&body, &MINE, &signature::RSA_PKCS1_SHA512), IdTokenError::Signature),
        (format!("{body}.{}", URL_SAFE_NO_PAD.encode(by_public_key)), IdTokenError::Signature),
        (
            format!("{}.{signature}", unsigned(&text(&header()), &text(&tampered))),
            IdTokenError::Signature,
        ),
        (format!("{body}.AAAA"), IdTokenError::Signature),
        (format!("{body}."), IdTokenError::Header),
    ] {
        assert_eq!(stage.verify(&token).await.expect_err("refused"), expected, "{expected}");
    }
}

#[tokio::test]
async fn what_is_no_compact_token_is_refused() {
    // R-062, R-073, R-074
    let stage = Stage::new().await;
    let good = sign(&unsigned(&text(&header()), &text(&stage.claims())), &MINE, PKCS1);
    let claims = text(&stage.claims());
    let twice = claims.replacen('{', &format!("{{\"tid\":\"{OTHER}\","), 1);
    let deep = format!("{{\"x\":{}", "[".repeat(30_000));
    let signed = |header: &str, claims: &str| sign(&unsigned(header, claims), &MINE, PKCS1);
    let standard = good.replace('-', "+").replace('_', "/");
    assert_ne!(standard, good, "of so many characters some are");
    for token in [
        String::new(),
        standard,
        "..".to_owned(),
        "a.b".to_owned(),
        format!("{good}.x"),
        format!("{good}.x.y"),
        format!("{good}.x.y.z"),
        format!("{good}="),
        format!(" {good}"),
        good.replacen('.', ".\n", 1),
        good.replacen('.', "=.", 1),
        signed(&text(&header()), &twice),
        signed(r#"{"alg":"RS256","alg":"RS256","kid":"mine"}"#, &claims),
        signed(&text(&header()), "[]"),
        signed(&text(&header()), "\"text\""),
        signed(&text(&header()), &deep),
        signed(&text(&header()), &format!("{claims} x")),
        "x".repeat(1 << 20),
    ] {
        let error = stage.verify(&token).await.expect_err("refused");
        assert_eq!(error, IdTokenError::Malformed, "{token:.60}");
    }
    assert_eq!(stage.fetches().await, 0, "no key was needed to see that");
}

#[tokio::test]
async fn a_first_contact_takes_the_tenant_that_signed_in() {
    // R-050
    let stage = Stage::without_keys().await;
    let keys = json!({ "keys": [jwk("mine", &MINE)] });
    Mock::given(path("/organizations/discovery/v2.0/keys"))
        .respond_with(ResponseTemplate::new(200).set_body_json(keys))
        .mount(&stage.server)
        .await;
    let token = sign(&unsigned(&text(&header()), &text(&stage.claims())), &MINE, PKCS1);
    let token = IdTokenText::new(token).expect("short");
    let access = AccessToken::new(ACCESS).expect("plain");
    let anybody = Authority::new(&stage.cloud, Directory::Organizations);
    let claims = stage.verifier.verify(&token, &anybody, NONCE, &access).await.expect("good");
    assert_eq!(claims.tenant.to_string(), TENANT);
}

#[tokio::test]
async fn a_reply_to_a_refresh_is_read_for_whose_it_is() {
    // R-076, R-103
    let stage = Stage::without_keys().await;
    let read = |change: &dyn Fn(&mut Value)| {
        let mut claims = stage.claims();
        removed(&mut claims, "nonce");
        change(&mut claims);
        let body = unsigned(&text(&header()), &text(&claims));
        let token = IdTokenText::new(format!("{body}.AAAA")).expect("short");
        stage.verifier.read_from_tls(&token, &stage.authority())
    };
    let identity = read(&|_| ()).expect("good");
    assert_eq!(
        (identity.tenant.to_string(), identity.user.to_string()),
        (TENANT.into(), USER.into())
    );
    assert_eq!(read(&|claims| claims["aud"] = json!(OTHER)), Err(IdTokenError::Audience));
    assert_eq!(read(&|claims| claims["tid"] = json!(OTHER)), Err(IdTokenError::Issuer));
    assert_eq!(read(&|claims| removed(claims, "oid")), Err(IdTokenError::Missing("oid")));
    let elsewhere = read(&|claims| {
        claims["tid"] = json!(OTHER);
        claims["iss"] = json!(format!("{}/{OTHER}/v2.0", stage.cloud.login()));
    });
    assert!(matches!(elsewhere, Err(IdTokenError::Tenant { .. })));
    assert_eq!(stage.fetches().await, 0);
}

#[tokio::test]
async fn the_access_tokens_amr_counts_only_for_that_user_and_resource() {
    // R-094, R-095
    let stage = Stage::without_keys().await;
    let (tenant, user) =
        (TenantId::parse(TENANT).expect("a GUID"), UserId::parse(USER).expect("a GUID"));
    let amr = |change: &dyn Fn(&mut Value)| {
        let mut claims = json!({
            "ver": "1.0", "aud": "https://api.partnercenter.microsoft.com", "appid": CLIENT,
            "tid": TENANT, "oid": USER, "amr": ["pwd", "mfa"],
        });
        change(&mut claims);
        let body = unsigned(&text(&header()), &text(&claims));
        let token = AccessToken::new(format!("{body}.AAAA")).expect("plain");
        stage.verifier.access_token_amr(&token, tenant, user)
    };
    let both = Some(vec!["pwd".to_owned(), "mfa".to_owned()]);
    assert_eq!(amr(&|_| ()), both);
    assert_eq!(
        amr(&|claims| claims["aud"] = json!("https://api.partnercenter.microsoft.com/")),
        both
    );
    for (name, value) in [
        ("aud", json!("https://graph.microsoft.com")),
        ("aud", json!(["https://api.partnercenter.microsoft.com"])),
        ("appid", json!(OTHER)),
        ("tid", json!(OTHER)),
        ("oid", json!(OTHER)),
        ("amr", json!("mfa")),
        ("amr", json!({ "mfa": true })),
        ("amr", json!([["mfa"]])),
    ] {
        assert_eq!(amr(&|claims| claims[name] = value.clone()), None, "{name} {value}");
    }
    for name in ["aud", "appid", "tid", "oid", "amr"] {
        assert_eq!(amr(&|claims| removed(claims, name)), None, "{name}");
    }
    let opaque = AccessToken::new("opaque").expect("plain");
    assert_eq!(stage.verifier.access_token_amr(&opaque, tenant, user), None);
}
