//! Whatever a vault or a stranger in its place says, no token reaches another host.

use cpv_consent::emulator::{Endpoint, Failure, Rule};
use cpv_consent::store::{KeyVaultSecrets, Store};
use cpv_consent::{
    HttpFault, KeyVault, KeyVaultError, KeyVaultKey, ManagedIdentity, Reqwest, store,
};
use http::HeaderValue;
use http::header::WWW_AUTHENTICATE;
use url::Url;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::bench::{Bench, RESOURCE, far_cloud};
use crate::world::registration;

/// A server that takes whatever it is given.
async fn stranger() -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    server
}

async fn asked(server: &MockServer) -> usize {
    server.received_requests().await.expect("recorded").len()
}

#[tokio::test]
async fn a_vault_name_that_does_not_exist_is_refused_on_opening() {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let app = registration(far_cloud());
    let vault = KeyVault::builder(&app, "https://contoso-consents.invalid").expect("an origin");
    let error = vault.http(Reqwest::with_client(client)).connect().await.expect_err("no such name");
    let host = "contoso-consents.invalid".to_owned();
    assert_eq!(error, KeyVaultError::NoSuchVault { host });
    assert_eq!(
        error.to_string(),
        "there is no Key Vault at contoso-consents.invalid: correct its name, make or recover it, \
         or see to name resolution"
    );
}

#[tokio::test]
async fn a_vault_of_another_tenant_gets_no_token() {
    let bench = Bench::new().await;
    let elsewhere = bench.entra.add_tenant("Another");
    bench.entra.vault_tenant(elsewhere);
    let error = bench.builder().connect().await.expect_err("a stranger's vault");
    assert_eq!(error, KeyVaultError::Foreign { host: "127.0.0.1".into() });
    assert_eq!(bench.own_tokens(), 0, "none was even asked for");
}

#[tokio::test]
async fn a_machines_token_is_not_for_a_vault_of_another_tenant_either() {
    let bench = Bench::new().await;
    bench.entra.add_managed_identity();
    let elsewhere = bench.entra.add_tenant("Another");
    bench.entra.vault_tenant(elsewhere);
    let at = bench.entra.managed_identity_origin();
    let identity = ManagedIdentity::danger_loopback(at).expect("a loopback origin");
    let error = bench.builder().identity(identity).connect().await.expect_err("a stranger's vault");
    assert!(matches!(error, KeyVaultError::Foreign { .. }), "{error:?}");
    assert!(bench.entra.vault_calls().iter().all(|call| call.client.is_none()));
}

#[tokio::test]
async fn what_answers_without_asking_for_a_token_is_no_vault() {
    let bench = Bench::new().await;
    for status in [200, 204, 403, 404] {
        bench.entra.fail(Rule::at(Endpoint::KeyVault), Failure::status(status));
        bench.builder().connect().await.expect_err("no vault");
    }
    assert_eq!(bench.own_tokens(), 0);
}

#[tokio::test]
async fn a_challenge_is_compared_and_never_followed() {
    let bench = Bench::new().await;
    let (stranger, home) = (stranger().await, bench.app.home());
    let kid = bench.entra.create_vault_key("consents");
    let vault = bench.vault().await;
    let login = bench.entra.login_origin();
    for challenge in [
        format!("Bearer authorization=\"{}/{home}\", resource=\"{RESOURCE}\"", stranger.uri()),
        format!("Bearer authorization=\"{login}/common\", resource=\"{RESOURCE}\""),
        format!("Bearer authorization=\"{login}/{home}\", resource=\"{}\"", stranger.uri()),
    ] {
        let value = HeaderValue::try_from(challenge).expect("plain");
        let refusal = Failure::key_vault(401, "Unauthorized").header(WWW_AUTHENTICATE, value);
        bench.entra.fail(Rule::at(Endpoint::KeyVault), refusal);
        let error = KeyVaultKey::draw_origin(&vault, &kid).await.expect_err("foreign");
        assert_eq!(error, KeyVaultError::Foreign { host: "127.0.0.1".into() });
    }
    assert_eq!(asked(&stranger).await, 0);
    assert_eq!(bench.own_tokens(), 1);
}

#[tokio::test]
async fn a_redirect_is_an_error() {
    let bench = Bench::new().await;
    let stranger = stranger().await;
    let kid = bench.entra.create_vault_key("consents");
    let vault = bench.vault().await;
    let away = Failure::redirect(&Url::parse(&stranger.uri()).expect("a URL"));
    bench.entra.fail(Rule::at(Endpoint::KeyVault), away);
    let error = KeyVaultKey::draw_origin(&vault, &kid).await.expect_err("a redirect");
    let KeyVaultError::Http(error) = error else { panic!("{error:?}") };
    assert_eq!(error.fault(), HttpFault::Redirected);
    assert_eq!(asked(&stranger).await, 0);
}

#[tokio::test]
async fn a_link_to_the_next_page_leads_back_or_nowhere() {
    let bench = Bench::new().await;
    let stranger = stranger().await;
    let store: KeyVaultSecrets = bench.store().await;
    let body = format!(r#"{{"value":[],"nextLink":"{}/secrets"}}"#, stranger.uri());
    let page = Failure::reply(200, "application/json", body);
    bench.entra.fail(Rule::at(Endpoint::Secrets), page);
    let error = store.realms().await.expect_err("a link to a stranger");
    let expected = "the Key Vault's reply leads to another host";
    assert_eq!(error, store::StoreError::unavailable(expected));
    assert_eq!(asked(&stranger).await, 0);
}
