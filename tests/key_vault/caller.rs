//! Who asks the vault: the application itself, or the machine.

use std::time::Duration;

use cpv_consent::emulator::{Endpoint, Failure, Grant, Rule};
use cpv_consent::{KeyVault, KeyVaultError, KeyVaultKey, ManagedIdentity, store};
use http::HeaderValue;
use http::header::WWW_AUTHENTICATE;
use wiremock::matchers::{header, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::bench::{Bench, RESOURCE};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn an_application_asks_in_its_own_name_at_home_and_for_the_vault_only() {
    let bench = Bench::new().await;
    bench.vault().await;
    let asked = bench.entra.ledger();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].tenant, bench.app.home().to_string());
    assert_eq!(asked[0].grant, Some(Grant::ClientCredentials));
    assert_eq!(asked[0].resource.as_deref(), Some(RESOURCE));
    assert_eq!(asked[0].result, Ok(()));
}

#[tokio::test]
async fn a_token_is_used_until_shortly_before_its_end() {
    let bench = Bench::new().await;
    let kid = bench.entra.create_vault_key("consents");
    let vault = bench.vault().await;
    let call = || async { KeyVaultKey::draw_origin(&vault, &kid).await.expect("an answer") };
    call().await;
    bench.clock.advance(Duration::from_secs(3599 - 300 - 1));
    call().await;
    assert_eq!(bench.own_tokens(), 1);
    bench.clock.advance(Duration::from_secs(1));
    call().await;
    assert_eq!(bench.own_tokens(), 2, "five minutes before its end");
}

#[tokio::test]
async fn all_who_wait_share_one_token_or_one_refusal() {
    let bench = Bench::new().await;
    let kid = bench.entra.create_vault_key("consents");
    let vault = bench.vault().await;
    bench.clock.advance(60 * MINUTE);
    let refusal = bench.entra.fail(Rule::at(Endpoint::Token), Failure::aadsts(7_000_215));
    for expected in [Err(()), Ok(())] {
        let before = bench.own_tokens();
        let hold = bench.entra.hold(Rule::at(Endpoint::Token));
        let calls: Vec<_> =
            (0..20).map(|_| tokio::spawn(draw(vault.clone(), kid.clone()))).collect();
        hold.waiting(1).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        hold.release();
        for call in calls {
            assert_eq!(call.await.expect("no panic").map(drop).map_err(drop), expected);
        }
        assert_eq!(bench.own_tokens() - before, 1);
        if expected.is_err() {
            bench.entra.fail(Rule::at(Endpoint::Token), Failure::truth());
        }
    }
    drop(refusal);
}

async fn draw(vault: KeyVault, kid: String) -> Result<String, KeyVaultError> {
    KeyVaultKey::draw_origin(&vault, &kid).await
}

#[tokio::test]
async fn a_token_that_was_taken_back_is_replaced_once() {
    let bench = Bench::new().await;
    let kid = bench.entra.create_vault_key("consents");
    let vault = bench.vault().await;
    let challenge = format!(
        "Bearer authorization=\"{}/{}\", resource=\"{RESOURCE}\"",
        bench.entra.login_origin(),
        bench.app.home()
    );
    let refusal = Failure::key_vault(401, "Unauthorized")
        .header(WWW_AUTHENTICATE, HeaderValue::try_from(challenge).expect("plain"));
    bench.entra.fail(Rule::at(Endpoint::KeyVault), refusal.clone().times(1));
    draw(vault.clone(), kid.clone()).await.expect("the second token is taken");
    assert_eq!(bench.own_tokens(), 2);
    bench.entra.fail(Rule::at(Endpoint::KeyVault), refusal);
    let error = draw(vault, kid).await.expect_err("refused for good");
    assert_eq!(error, KeyVaultError::Unauthorized { operation: "keys/wrapKey" });
    assert_eq!(bench.own_tokens(), 3, "no loop");
}

#[tokio::test]
async fn a_refused_application_is_told_on_opening() {
    let bench = Bench::new().await;
    bench.entra.expire_secrets(bench.app.client_id());
    let error = bench.builder().connect().await.expect_err("no token");
    let KeyVaultError::Entra(said) = &error else { panic!("{error:?}") };
    assert_eq!(said.codes(), [7_000_222]);
    assert!(!error.may_pass());
}

#[tokio::test]
async fn a_machine_asks_by_its_own_identity() {
    let bench = Bench::new().await;
    let client = bench.entra.add_managed_identity();
    let at = bench.entra.managed_identity_origin();
    let identity = ManagedIdentity::danger_loopback(at).expect("a loopback origin");
    let vault = bench.builder().identity(identity.clone()).connect().await.expect("a vault");
    let store = store::KeyVaultSecrets::open(vault).await.expect("a store");
    bench.put(&store, "a", "text").await;
    assert_eq!(bench.own_tokens(), 0, "the application was not asked for");
    let calls = bench.entra.vault_calls();
    assert!(calls.iter().skip(1).all(|call| call.client == Some(client)), "{calls:?}");

    let other = bench.entra.add_managed_identity();
    let error = bench.builder().identity(identity.clone()).connect().await.expect_err("which");
    assert_eq!(error, KeyVaultError::Identity { status: 400 });
    bench.builder().identity(identity.client_id(other)).connect().await.expect("named");
}

#[tokio::test]
async fn an_identity_endpoint_that_is_busy_is_asked_again() {
    let bench = Bench::new().await;
    bench.entra.add_managed_identity();
    let at = bench.entra.managed_identity_origin();
    let identity = ManagedIdentity::danger_loopback(at).expect("a loopback origin");
    let vault = bench.builder().identity(identity).connect().await.expect("a vault");
    let kid = bench.entra.create_vault_key("consents");
    bench.clock.advance(Duration::from_secs(86_400));
    bench.entra.fail(Rule::at(Endpoint::ManagedIdentity), Failure::status(503).times(2));
    draw(vault, kid).await.expect("the third answer is good");
    assert_eq!(bench.clock.pauses(), [1, 2]);
}

#[tokio::test]
async fn an_app_service_asks_by_its_own_variant() {
    let bench = Bench::new().await;
    let client = bench.entra.add_managed_identity();
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = format!(
        "{}/metadata/identity/oauth2/token?api-version=2018-02-01&resource={RESOURCE}",
        bench.entra.managed_identity_origin()
    );
    let reply = http.get(url).header("Metadata", "true").send().await.expect("a reply");
    let reply = reply.text().await.expect("a body");
    let mut reply: serde_json::Value = serde_json::from_str(&reply).expect("JSON");
    reply.as_object_mut().expect("an object").remove("expires_in");
    let service = MockServer::start().await;
    Mock::given(path("/msi/token"))
        .and(query_param("api-version", "2019-08-01"))
        .and(query_param("resource", RESOURCE))
        .and(header("X-IDENTITY-HEADER", "only-here"))
        .respond_with(ResponseTemplate::new(200).set_body_json(reply))
        .expect(1)
        .mount(&service)
        .await;
    let endpoint = format!("{}/msi/token", service.uri());
    let identity = ManagedIdentity::app_service(&endpoint, "only-here").expect("on this machine");
    let vault = bench.builder().identity(identity).connect().await.expect("a vault");
    store::KeyVaultSecrets::open(vault).await.expect("a store");
    let last = bench.entra.vault_calls().pop().expect("a call");
    assert_eq!(last.client, Some(client));
}
