//! What goes well, from the first link to the last token.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cpv_consent::emulator::{Answer, Failure, Rule};
use cpv_consent::{
    Callback, ClaimsChallenge, ClientCredential, LocalKey, Remedy, Reqwest, Resource, ResponseMode,
    Sealed, store,
};
use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};

use crate::logs;
use crate::witness::Witness;
use crate::world::{
    DAY, HOUR, accept, approve, browser_of, capture, cookies_of, raw, report, token_of,
};

#[tokio::test]
async fn a_partner_that_comes_stays_and_goes_leaves_no_secret_anywhere() {
    // R-009, R-119, R-134, R-137
    let witness = Witness::new().await;
    let world = &witness.world;
    let broker = witness.broker().await;
    for mode in [ResponseMode::Query, ResponseMode::FormPost] {
        let request = witness.request(&broker, mode).login_hint(world.admin.name.as_str());
        let request = witness.callback(request, &world.admin).await;
        let callback = Callback::from_request(&request).expect("an answer");
        witness.show("callback", &callback);
        let found = broker.capture_consent(callback).await.expect("everything holds");
        witness.show("found", &found);
        witness.show("found id", found.id());
        witness.keep_files();
        let found = broker.found(found.id(), request.headers()).await.expect("the same browser");
        let consent = found.confirm().await.expect("a consent");
        witness.show("consent", &consent);
        witness.say("user", consent.user());
    }
    for _ in 0..12 {
        world.clock.advance(DAY);
        let partner = broker.partner(world.contoso);
        witness.show("partner", &partner);
        for resource in [Resource::PartnerCenter, Resource::Graph] {
            let token = partner.token(resource).await.expect("a token");
            witness.show("token", &token);
            witness.show("access token", token.secret());
            witness.show("authorization", &token.bearer());
        }
        let customer = partner.customer(world.fabrikam);
        witness.show("customer", &customer);
        witness.show("token", &customer.token(Resource::Graph).await.expect("a token"));
        witness.show("broker at work", &broker);
        witness.keep_files();
    }
    witness.show("tombstone", &broker.partner(world.contoso).withdraw().await.expect("withdrawn"));
    world.clock.advance(2 * HOUR);
    broker.sweep().await.expect("swept");
    witness.keep_files();
    witness.assert_silent();
    assert_seen(&witness);
}

/// The search was for something, in something.
fn assert_seen(witness: &Witness) {
    let names: BTreeSet<String> = witness.secrets().into_iter().map(|secret| secret.name).collect();
    let expected = [
        "access_token",
        "browser key",
        "client secret",
        "client_secret",
        "code",
        "code_verifier",
        "id_token",
        "nonce",
        "refresh_token",
        "sealing key",
        "state",
    ];
    assert_eq!(names, expected.map(str::to_owned).into());
    let lines = String::from_utf8_lossy(&logs::lines()).into_owned();
    for crate_name in ["cpv_consent", "hyper_util", "reqwest"] {
        assert!(lines.contains(crate_name), "{crate_name} said nothing");
    }
    for span in ["exchange{partner=", "rotation{partner=", " correlation_id="] {
        assert!(lines.contains(span), "no span was traced as {span}");
    }
    assert!(lines.contains("TRACE") && lines.contains("consent event"));
    let files = raw::files(&witness.world.store_folder());
    let tenant = witness.world.contoso.to_string();
    let in_clear = |bytes: &[u8]| bytes.windows(tenant.len()).any(|part| part == tenant.as_bytes());
    assert!(files.iter().any(|(_, bytes)| in_clear(bytes)), "a name in clear is found there");
}

#[tokio::test]
async fn an_invitation_leaves_its_link_nowhere() {
    // R-009, R-119, R-134, R-137
    let witness = Witness::new().await;
    witness.plant("claims", "canary-of-claims");
    witness.plant("hint", "canary-of-a-hint");
    let (world, broker) = (&witness.world, witness.broker().await);
    let request = broker.partner(world.contoso).invite(world.account()).claims(DEMANDED);
    let request = request.login_hint("canary-of-a-hint").only_for(world.admin.id);
    let former = witness.invite(request).await;
    let invitations = broker.invitations().of_account(world.account());
    witness.show("invitations", &invitations);
    let id = former.invitation().id();
    let sent = witness.sent(invitations.resend(id).await.expect("sent again"));
    let (former, token) = (token_of(&former), token_of(&sent));
    witness.fault(broker.open_invitation(&former).await);
    witness.fault(broker.begin_invited(&former, &HeaderMap::new()).await);
    witness.fault(broker.open_invitation(&token[..token.len() - 1]).await);
    witness.show("opened", &broker.open_invitation(&token).await.expect("an invitation"));
    witness.keep_files();

    let first = witness.begin_invited(&broker, &token).await;
    let again = broker.begin_invited(&token, &cookies_of(&first)).await.expect("a flow");
    let late = accept(&first, &world.admin).await;
    witness.fault(capture(&broker, &late).await);
    let found = capture(&broker, &accept(&again, &world.admin).await).await;
    let found = found.expect("everything holds");
    witness.show("found", &found);
    witness.show("invitation", &found.invitation());
    found.confirm().await.expect("a consent");
    witness.show("page", &invitations.page(9, None).await.expect("a page"));
    witness.fault(broker.open_invitation(&token).await);
    witness.fault(invitations.revoke(id).await);
    witness.show("broker at work", &broker);
    witness.assert_silent();
    let lines = String::from_utf8_lossy(&logs::lines()).into_owned();
    assert!(lines.contains("InvitationStarted"), "the search was in something");
}

#[tokio::test]
async fn an_approval_leaves_its_state_nowhere() {
    // R-009, R-119, R-134, R-137
    let witness = Witness::new().await;
    let (world, broker) = (&witness.world, witness.broker().await);
    let sent = witness.invite(broker.partner(world.contoso).invite(world.account())).await;
    let request = broker.partner(world.contoso).request_approval(world.account());
    witness.show("request", &request);
    let begun = [request.await, broker.begin_invited_approval(&token_of(&sent)).await];
    for (pending, answer) in begun.into_iter().zip([Answer::Cancel, Answer::Accept]) {
        let pending = pending.expect("begun");
        witness.show("pending", &pending);
        let mut pairs = pending.approval_url().query_pairs();
        let state = pairs.find(|(name, _)| name == "state").expect("a state").1;
        witness.plant("state", state.split_once('.').expect("a mark").1);
        let cookie = pending.browser_key().set_cookie();
        let pair = cookie.to_str().expect("ASCII").split(';').next().expect("a pair");
        witness.plant("browser key", pair.split_once('=').expect("a pair").1);
        let request = approve(&pending, &world.admin, answer).await;
        witness.show("callback", &Callback::from_request(&request).expect("an answer"));
        match report(&broker, &request).await {
            Ok(report) => witness.show("report", &report),
            refused => drop(witness.fault(refused)),
        }
        witness.fault(report(&broker, &request).await);
        witness.keep_files();
    }
    witness.assert_silent();
    let lines = String::from_utf8_lossy(&logs::lines()).into_owned();
    assert!(lines.contains("ApprovalReported"), "the search was in something");
}

#[tokio::test]
async fn a_person_who_says_no_leaves_no_secret_anywhere() {
    // R-119, R-134
    let witness = Witness::new().await;
    let broker = witness.broker().await;
    for mode in [ResponseMode::Query, ResponseMode::FormPost] {
        let pending = witness.begin(witness.request(&broker, mode)).await;
        let mut browser = browser_of(&pending);
        let walk = browser.walk(pending.authorize_url(), &witness.world.admin, Answer::Cancel);
        let request = walk.await.expect("a callback");
        witness.show("callback", &Callback::from_request(&request).expect("an answer"));
        witness.fault(capture(&broker, &request).await);
    }
    let found = witness.find(&broker).await.expect("everything holds");
    found.decline().await.expect("erased");
    witness.assert_silent();
}

#[tokio::test]
async fn a_certificate_leaves_no_secret_anywhere() {
    // R-134, R-137
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
    let params = CertificateParams::new(vec![]).expect("no names");
    let certificate = params.self_signed(&key).expect("a certificate");
    let pem = format!("{}{}", certificate.pem(), key.serialize_pem());
    let credential = ClientCredential::certificate(&pem).expect("a certificate with its key");
    let witness = Witness::proving(credential.clone()).await;
    // What comes first in it is the same in every RSA key; what comes last is its secret.
    let der = key.serialize_der();
    witness.plant("private key", &der[der.len() - 300..]);
    witness.show("credential", &credential);
    witness.show("certificate", credential.as_certificate().expect("a certificate"));
    let broker = witness.broker().await;
    witness.onboard(&broker).await;
    let partner = broker.partner(witness.world.contoso);
    partner.token(Resource::PartnerCenter).await.expect("a token");
    witness.show("broker at work", &broker);
    witness.assert_silent();
    let named = |secret: &crate::searcher::Secret| secret.name == "client_assertion";
    assert!(witness.secrets().iter().any(named), "assertions were searched for");
}

const DEMANDED: &str = r#"{"access_token":{"acrs":{"essential":true,"value":"canary-of-claims"}}}"#;

fn challenge() -> ClaimsChallenge {
    let claims = STANDARD.encode(DEMANDED);
    let value = format!(r#"Bearer error="insufficient_claims", claims="{claims}""#);
    let headers = HeaderMap::from_iter([(WWW_AUTHENTICATE, value.parse().expect("a header"))]);
    ClaimsChallenge::from_headers(&headers).expect("well formed").expect("a challenge")
}

#[tokio::test]
async fn what_is_demanded_of_a_person_is_shown_nowhere() {
    // R-137
    let witness = Witness::new().await;
    witness.plant("claims", "canary-of-claims");
    let (world, broker) = (&witness.world, witness.broker().await);
    witness.onboard(&broker).await;
    let partner = broker.partner(world.contoso);
    let request = partner.token(Resource::Graph).satisfying(&challenge());
    witness.show("token request", &request);
    let claims = DEMANDED.replace('"', r#"\""#);
    let body = format!(r#"{{"error":"interaction_required","claims":"{claims}"}}"#);
    world.entra.fail_tokens(Rule::any(), Failure::reply(400, "application/json", body));
    let error = witness.fault(request.await);
    let Remedy::AskConsentAgain { claims: Some(claims) } = error.remedy() else {
        panic!("{error:?}")
    };
    assert_eq!(claims, DEMANDED, "it is for the host to pass on");
    let request = partner.request_consent(world.account()).claims(claims);
    witness.begin(request.login_hint(world.admin.name.as_str())).await;
    witness.show("broker at work", &broker);
    witness.assert_silent();
}

#[tokio::test]
async fn a_value_shows_no_secret_of_its_own() {
    // R-137
    let witness = Witness::new().await;
    let world = &witness.world;
    let key = LocalKey::from_bytes("a", world.sealing_key()).expect("a random key");
    witness.show("key", &key);
    witness.show("key text", &key.to_base64());
    witness.show("key ring", &world.keys());
    witness.show("registration", &world.app);
    witness.show("credential", world.app.credential());
    witness.show("client secret", &world.app.credential().as_secret());
    witness.show("store", &world.store().await);
    witness.show("store in memory", &store::Memory::new());
    witness.show("http", &Reqwest::new().expect("root certificates"));
    witness.show("sealed", &Sealed::from_bytes(world.sealing_key().to_vec()));
    let broker = witness.broker().await;
    let pending = witness.begin(broker.first_consent(world.account())).await;
    witness.show("browser key", pending.browser_key());
    witness.show("account", &broker.account(world.account()));
    witness.assert_silent();
}
