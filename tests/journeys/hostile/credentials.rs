//! The vendor's own credential: odd secrets, certificates, and their end.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cpv_consent::{Broker, ClientCredential, Clock as _, ConsentState, Error, Remedy, Resource};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::Value;

use crate::world::recorder::Recorder;
use crate::world::{DAY, HOUR, World, registration_proving};

#[tokio::test]
async fn a_secret_of_any_characters_arrives_as_it_is() {
    //
    let all: String = (b'!'..=b'~').map(char::from).collect();
    for secret in [
        "a+b&c=d%e:f/g?h",
        "%2B%26%3D%00",
        "+",
        "&client_secret=x",
        "=&=",
        "~_-.!*'();:@$,#[]",
        all.as_str(),
    ] {
        let credential = ClientCredential::secret(secret).expect("visible ASCII");
        let world = World::proving(credential).await;
        let broker = world.broker().await;
        world.onboard(&broker).await;
        use_it(&broker, &world).await.expect(secret);
    }
    for secret in ["", "a b", "a\r\nb", "a\0", "pässword", "a\tb"] {
        assert!(ClientCredential::secret(secret).is_err(), "{secret:?}");
    }
}

async fn use_it(broker: &Broker, world: &World) -> Result<(), Error> {
    let partner = broker.partner(world.contoso);
    partner.token(Resource::PartnerCenter).await?;
    partner.customer(world.fabrikam).token(Resource::Graph).await.map(drop)
}

/// A certificate with its key, valid for some days from the machine's present time.
fn certificate(days: u32) -> ClientCredential {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
    let mut params = CertificateParams::new(vec![]).expect("no names");
    let now = SystemTime::now();
    (params.not_before, params.not_after) = ((now - DAY).into(), (now + days * DAY).into());
    let certificate = params.self_signed(&key).expect("a certificate");
    let pem = format!("{}{}", certificate.pem(), key.serialize_pem());
    ClientCredential::certificate(&pem).expect("a certificate with its key")
}

/// Header and claims of each assertion that was sent, and where.
fn assertions(recorder: &Recorder) -> Vec<(String, Value, Value)> {
    let mut all = Vec::new();
    for seen in recorder.seen().iter().filter(|seen| seen.field("grant_type").is_some()) {
        assert_eq!(seen.field("client_secret"), None);
        assert!(!seen.request.headers().contains_key("authorization"));
        let kind = seen.field("client_assertion_type").expect("one way of proving it");
        assert_eq!(kind, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        let jwt = seen.field("client_assertion").expect("an assertion");
        let part = |index| {
            let text = jwt.split('.').nth(index).expect("a JWT");
            let json = URL_SAFE_NO_PAD.decode(text).expect("base64url");
            serde_json::from_slice(&json).expect("JSON")
        };
        all.push((seen.request.uri().to_string(), part(0), part(1)));
    }
    all
}

#[tokio::test]
async fn a_certificate_onboards_and_exchanges() {
    //
    for one_time in [false, true] {
        let world = World::proving(certificate(30)).await;
        let recorder = Recorder::new();
        let mut builder = world.builder(world.store().await).http(recorder.clone());
        if one_time {
            builder = builder.one_time_assertions();
        }
        let broker = builder.build().await.expect("a broker");
        world.onboard(&broker).await;
        use_it(&broker, &world).await.expect("tokens");
        let all = assertions(&recorder);
        assert_eq!(all.len(), 4, "a code and three refresh tokens");
        let client = world.app.client_id().to_string();
        for (url, header, claims) in &all {
            assert_eq!(header["alg"], "PS256");
            assert!(header["x5t#S256"].is_string());
            assert_eq!(claims["aud"], *url);
            assert_eq!((&claims["iss"], &claims["sub"]), (&client.clone().into(), &claims["iss"]));
            let [from, until] = ["iat", "exp"].map(|name| claims[name].as_u64().expect("seconds"));
            assert!((1..=600).contains(&(until - from)), "{from} to {until}");
        }
        let endpoints: BTreeSet<_> = all.iter().map(|(url, ..)| url).collect();
        let ids: BTreeSet<_> = all.iter().map(|(.., claims)| claims["jti"].to_string()).collect();
        let expected = if one_time { all.len() } else { endpoints.len() };
        assert_eq!(ids.len(), expected, "one for each request, or for each endpoint");
    }
}

#[tokio::test]
async fn a_certificate_that_entra_does_not_know_harms_no_consent() {
    //
    let world = World::proving(certificate(30)).await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let other = registration_proving(world.app.cloud().clone(), certificate(30));
    world.entra.register(&other);
    world.clock.advance(2 * HOUR);
    let error = use_it(&broker, &world).await.expect_err("another certificate is registered");
    assert_eq!(error.remedy(), Remedy::FixRegistration, "{error}");
    let consent = broker.partner(world.contoso).consent().await.expect("readable");
    assert_eq!(*consent.expect("stored").state(), ConsentState::Live);
    world.entra.register(&world.app);
    // What only the vendor can mend is asked for again after a minute, and half of one by chance.
    world.clock.advance(Duration::from_secs(90));
    use_it(&broker, &world).await.expect("the right one again");
}

#[tokio::test]
async fn a_certificate_that_ends_while_running_is_told_and_sends_nothing() {
    //
    let world = World::proving(certificate(2)).await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let end = world.app.credential().as_certificate().expect("a certificate").not_after();
    let left = end.duration_since(world.clock.now()).expect("it is valid");
    world.clock.advance(left - HOUR);
    use_it(&broker, &world).await.expect("its last hour");
    world.clock.advance(2 * HOUR);
    world.entra.forget_ledger();
    let error = use_it(&broker, &world).await.expect_err("it has ended");
    assert!(matches!(error, Error::Credential(_)), "{error:?}");
    assert_eq!(error.remedy(), Remedy::FixRegistration);
    assert_eq!(world.entra.ledger().len(), 0);
    let consent = broker.partner(world.contoso).consent().await.expect("readable");
    assert_eq!(*consent.expect("stored").state(), ConsentState::Live);
}
