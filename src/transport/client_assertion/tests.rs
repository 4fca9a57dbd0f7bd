//! The wallet, its reading and its warnings have tests of their own in `tests/journeys/credentials.rs`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{CertificateParams, KeyPair as Key, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

use crate::model::clock::{VirtualClock, unix_seconds};
use crate::model::cloud::Cloud;
use crate::model::registration::{AssertionSource, FederatedAssertion};
use crate::model::tenant::{ClientId, TenantId};

use super::assertion::Signed;
use super::*;

const CLIENT: &str = "22222222-2222-4222-8222-222222222222";

pub(crate) fn certificate() -> ClientCredential {
    let key = Key::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
    let mut params = CertificateParams::new(vec![]).expect("no names");
    params.not_before = (SystemTime::now() - Duration::from_secs(86_400)).into();
    params.not_after = (SystemTime::now() + Duration::from_secs(864_000)).into();
    let pem = params.self_signed(&key).expect("a certificate").pem() + &key.serialize_pem();
    ClientCredential::certificate(&pem).expect("valid")
}

fn authentication(credential: ClientCredential, clock: &VirtualClock) -> ClientAuthentication {
    let home = TenantId::parse("11111111-1111-4111-8111-111111111111").expect("a GUID");
    let client_id = ClientId::parse(CLIENT).expect("a GUID");
    let redirect = "https://panel.example/callback";
    let app = AppRegistration::new(Cloud::Global, home, client_id, credential, redirect);
    let clock = Arc::new(clock.clone());
    ClientAuthentication::new(&app.expect("valid"), clock, Observers::default())
}

fn url(tenant: &str) -> Url {
    Url::parse(&format!("https://login.example/{tenant}/oauth2/v2.0/token")).expect("a URL")
}

fn part(jwt: &str, index: usize) -> Vec<u8> {
    let text = jwt.split('.').nth(index).expect("three parts");
    URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

async fn assertion(authentication: &ClientAuthentication, tenant: &str) -> String {
    let proof = authentication.proof(&url(tenant)).await.expect("a proof");
    let fields = proof.fields();
    assert_eq!(fields.len(), 2);
    assert_eq!(fields[0], ("client_assertion_type", JWT_BEARER));
    assert_eq!(fields[1].0, "client_assertion");
    fields[1].1.to_owned()
}

#[tokio::test]
async fn an_assertion_is_what_entra_asks_for() {
    //
    let clock = VirtualClock::default();
    let credential = certificate();
    let authentication = authentication(credential.clone(), &clock);
    let jwt = assertion(&authentication, "a").await;
    let header: Value = serde_json::from_slice(&part(&jwt, 0)).expect("JSON");
    let claims: Value = serde_json::from_slice(&part(&jwt, 1)).expect("JSON");
    let now = unix_seconds(clock.now());
    let certificate = credential.as_certificate().expect("one");
    let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, certificate.der()));
    assert_eq!(header, json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint }));
    assert_eq!(claims["aud"], url("a").as_str());
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!(CLIENT), &json!(CLIENT)));
    assert_eq!((&claims["iat"], &claims["exp"]), (&json!(now), &json!(now + 300)));
    assert_eq!(claims["nbf"], now - 60);
    let signed = jwt.rsplit_once('.').expect("three parts").0;
    certificate.check_signature(signed.as_bytes(), &part(&jwt, 2)).expect("the signature holds");
}

#[tokio::test]
async fn an_assertion_is_reused_within_its_life_at_one_endpoint_only() {
    let clock = VirtualClock::default();
    let authentication = authentication(certificate(), &clock);
    let first = assertion(&authentication, "a").await;
    assert_ne!(assertion(&authentication, "b").await, first);
    clock.advance(Duration::from_secs(239));
    assert_eq!(assertion(&authentication, "a").await, first);
    clock.advance(Duration::from_secs(1));
    let second = assertion(&authentication, "a").await;
    assert_ne!(second, first);
    let proof = authentication.proof(&url("a")).await.expect("a proof");
    authentication.learn(&proof, Verdict::Declined).await;
    assert_ne!(assertion(&authentication, "a").await, second);
}

#[tokio::test]
async fn one_time_assertions_are_never_the_same() {
    //
    let authentication = authentication(certificate(), &VirtualClock::default());
    let authentication = authentication.one_time_assertions();
    let first = assertion(&authentication, "a").await;
    assert_ne!(assertion(&authentication, "a").await, first);
}

#[tokio::test]
async fn a_certificate_that_expires_while_running_is_an_error_at_once() {
    //
    let clock = VirtualClock::default();
    let authentication = authentication(certificate(), &clock);
    assertion(&authentication, "a").await;
    clock.advance(Duration::from_secs(864_000 + 60)); // the certificate was made after the clock
    let error = authentication.proof(&url("a")).await.err().expect("expired");
    assert!(error.to_string().contains("certificate has expired"), "{error}");
}

#[tokio::test]
async fn a_secret_goes_into_the_body_as_it_is() {
    //
    let credential = ClientCredential::secret("a+b&c=d%/?:").expect("plain");
    let authentication = authentication(credential, &VirtualClock::default());
    let proof = authentication.proof(&url("a")).await.expect("a proof");
    assert_eq!(proof.fields(), [("client_secret", "a+b&c=d%/?:")]);
    assert!(!format!("{authentication:?}").contains("a+b"));
}

/// An issuer whose tokens last for ever, it says.
#[derive(Debug, Clone, Default)]
struct Boastful(Arc<AtomicUsize>);

#[async_trait]
impl AssertionSource for Boastful {
    async fn assertion(&self) -> Result<FederatedAssertion, CredentialError> {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let token = FederatedAssertion::new(format!("canary.{number}"), Duration::MAX);
        token.map_err(CredentialError::withheld)
    }
}

#[tokio::test]
async fn no_supplied_token_is_shown_for_ever() {
    let (clock, source) = (VirtualClock::default(), Boastful::default());
    let authentication = authentication(ClientCredential::federated(source.clone()), &clock);
    let first = assertion(&authentication, "a").await;
    clock.advance(Duration::from_secs(27 * 3600));
    assert_eq!(assertion(&authentication, "b").await, first);
    clock.advance(Duration::from_secs(3600));
    assert_ne!(assertion(&authentication, "a").await, first);
    assert_eq!(source.0.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn assertions_that_have_ended_are_swept() {
    let clock = VirtualClock::default();
    let credential = certificate();
    let Kind::Certificate(certificate) = credential.kind() else { panic!("a certificate") };
    let client_id = ClientId::parse(CLIENT).expect("a GUID");
    let signatory = Signatory::new(client_id, Arc::new(clock.clone()));
    let signed = Signed::default();
    for number in 0..300 {
        if number == 200 {
            clock.advance(Duration::from_secs(240));
        }
        let url = url(&number.to_string());
        signatory.signed(&signed, certificate, &url).await.expect("an assertion");
    }
    assert!((100..200).contains(&signed.endpoints()), "{}", signed.endpoints());
}
