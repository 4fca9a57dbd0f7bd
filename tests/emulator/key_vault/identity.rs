//! The managed identity endpoint.

use std::error::Error;
use std::time::Duration;

use cpv_consent::emulator::VaultRight;
use serde_json::{Value, json};

use super::super::bench::{Outcome, Reply};
use super::{RESOURCE, Vault, fault};

const QUERY: &str = "api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net";

async fn ask(
    vault: &Vault,
    query: &str,
    headers: &[(&str, &str)],
) -> Result<Reply, Box<dyn Error>> {
    let origin = vault.bench.entra.managed_identity_origin();
    let url = format!("{origin}/metadata/identity/oauth2/token?{query}");
    let request = vault.bench.http.get(url);
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    Reply::read(request.send().await?).await
}

#[tokio::test]
async fn an_identity_has_a_token_for_the_vault() -> Outcome {
    let vault = Vault::new().await?;
    vault.set("x", "1").await?;
    let client = vault.bench.entra.add_managed_identity();
    let reply = ask(&vault, QUERY, &[("Metadata", "true")]).await?;
    let now = vault.bench.now();
    assert_eq!(reply.status, 200);
    for (member, expected) in [
        ("token_type", "Bearer".to_owned()),
        ("resource", RESOURCE.to_owned()),
        ("client_id", client.to_string()),
        ("refresh_token", String::new()),
        ("expires_in", "86400".to_owned()),
        ("expires_on", (now + 86_400).to_string()),
        ("not_before", now.to_string()),
    ] {
        assert_eq!(reply.json[member], expected, "{member}, an integer as text");
    }
    let claims = reply.claims("access_token");
    assert_eq!((&claims["aud"], &claims["idtyp"]), (&json!(RESOURCE), &json!("app")));
    assert_eq!(claims["tid"], vault.bench.app.home().to_string());

    let token = reply.text("access_token");
    let read = vault.call_as(token, "GET", "/secrets/x", &Value::Null).await?;
    assert_eq!(read.text("value"), "1");
    assert_eq!(vault.bench.entra.vault_calls()[1].client, Some(client));
    vault.bench.entra.vault_rights(client, &[VaultRight::SecretsList]);
    let read = vault.call_as(token, "GET", "/secrets/x", &Value::Null).await?;
    assert_eq!(fault(&read), (403, "Forbidden", "ForbiddenByPolicy"));
    vault.bench.clock.advance(Duration::from_secs(86_400));
    let read = vault.call_as(token, "GET", "/secrets/x", &Value::Null).await?;
    assert_eq!(read.status, 401);
    Ok(())
}

#[tokio::test]
async fn a_request_that_is_not_the_machines_own_is_refused() -> Outcome {
    let vault = Vault::new().await?;
    vault.bench.entra.add_managed_identity();
    let metadata = ("Metadata", "true");
    let elsewhere = "api-version=2018-02-01&resource=https%3A%2F%2Fgraph.microsoft.com";
    let unknown = format!("{QUERY}&client_id=33333333-3333-4333-8333-333333333333");
    for (query, headers, error) in [
        (QUERY, &[][..], "invalid_request"),
        (QUERY, &[("Metadata", "false")], "invalid_request"),
        (QUERY, &[metadata, ("X-Forwarded-For", "198.51.100.7")], "invalid_request"),
        ("resource=https%3A%2F%2Fvault.azure.net", &[metadata], "invalid_request"),
        ("api-version=2017-01-01&resource=x", &[metadata], "invalid_request"),
        ("api-version=2018-02-01", &[metadata], "invalid_request"),
        (elsewhere, &[metadata], "invalid_resource"),
        (&unknown, &[metadata], "invalid_request"),
    ] {
        let reply = ask(&vault, query, headers).await?;
        assert_eq!((reply.status, reply.text("error")), (400, error), "{query} {headers:?}");
        assert_ne!(reply.text("error_description"), "");
    }
    assert_eq!(ask(&vault, QUERY, &[metadata]).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn one_of_several_identities_must_be_named() -> Outcome {
    let vault = Vault::new().await?;
    let metadata = [("Metadata", "true")];
    assert_eq!(
        ask(&vault, QUERY, &metadata).await?.text("error_description"),
        "Identity not found"
    );
    let entra = &vault.bench.entra;
    let (one, other) = (entra.add_managed_identity(), entra.add_managed_identity());
    assert_eq!(ask(&vault, QUERY, &metadata).await?.status, 400);
    for client in [one, other] {
        let reply = ask(&vault, &format!("{QUERY}&client_id={client}"), &metadata).await?;
        assert_eq!(reply.claims("access_token")["appid"], client.to_string());
    }
    Ok(())
}
