//! Who is let in, to do what, how often.

use std::error::Error;
use std::time::Duration;

use cpv_consent::emulator::{Answer, Endpoint, Failure, Rule, VaultRight};
use http::HeaderMap;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::{Value, json};

use super::super::bench::{Bench, GRAPH, Outcome, PARTNER_CENTER, Reply};
use super::{RESOURCE, Vault, fault, own_token};

fn challenge(headers: &HeaderMap) -> &str {
    headers.get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// A token of Contoso's administrator for the vault, through the application.
async fn persons_token(bench: &Bench) -> Result<String, Box<dyn Error>> {
    let scope = format!("openid {RESOURCE}/user_impersonation");
    let fields = bench.callback(&bench.admin, Answer::Accept, &[("scope", &scope)]).await?;
    Ok(bench.redeem(fields.code()?, &[]).await?.text("access_token").to_owned())
}

#[tokio::test]
async fn a_token_is_taken_however_its_scheme_is_written() -> Outcome {
    let Vault { bench, token } = Vault::new().await?;
    let url = format!("{}/secrets/x?api-version=7.4", bench.entra.key_vault_origin());
    let refresh = bench.refresh_token().await?;
    let access = bench.exchange("organizations", &refresh, &[]).await?;
    let read = async |url: &str, scheme: &str, token: &str| {
        let header = format!("{scheme} {token}");
        let request = bench.http.get(url).header("authorization", header);
        Reply::read(request.header("ValidateMfa", "true").send().await?).await
    };
    for scheme in ["Bearer", "bearer", "BEARER ", "Basic", "Bearers"] {
        let known = !scheme.contains("s");
        let (status, at_vault) = if known { (200, 404) } else { (401, 401) };
        assert_eq!(read(&url, scheme, &token).await?.status, at_vault, "{scheme}");
        let customers = bench.customers_url();
        let access = access.text("access_token");
        assert_eq!(read(&customers, scheme, access).await?.status, status, "{scheme}");
        let rule = Rule::at(Endpoint::PartnerCenter).tenant(bench.contoso);
        let scripted = bench.entra.fail(rule, Failure::status(418));
        let met = read(&customers, scheme, access).await?.status == 418;
        assert_eq!(met, known, "a rule about who calls, {scheme}");
        scripted.clear();
    }
    Ok(())
}

#[tokio::test]
async fn without_a_valid_token_there_is_a_challenge_only() -> Outcome {
    let vault = Vault::new().await?;
    let bench = &vault.bench;
    let url = format!("{}/secrets/x?api-version=7.4", bench.entra.key_vault_origin());
    let reply = Reply::read(bench.http.get(url).send().await?).await?;
    assert_eq!(fault(&reply), (401, "Unauthorized", ""));
    let authority = format!("{}/{}", bench.entra.login_origin(), bench.app.home());
    let expected = format!("Bearer authorization=\"{authority}\", resource=\"{RESOURCE}\"");
    assert_eq!(challenge(&reply.headers), expected);

    let altered = format!("{}AAAA", &vault.token[..vault.token.len() - 4]);
    for wrong in [altered.as_str(), "x", ""] {
        let reply = vault.call_as(wrong, "GET", "/secrets/x", &Value::Null).await?;
        assert_eq!(fault(&reply), (401, "Unauthorized", ""), "{wrong}");
        assert_eq!(challenge(&reply.headers), expected);
    }
    assert_eq!(fault(&vault.get("/secrets/x").await?), (404, "SecretNotFound", ""));
    bench.clock.advance(Duration::from_secs(3599));
    let reply = vault.get("/secrets/x").await?;
    assert_eq!((reply.status, challenge(&reply.headers)), (401, expected.as_str()));
    Ok(())
}

#[tokio::test]
async fn another_tenants_token_is_refused() -> Outcome {
    let vault = Vault::new().await?;
    let stranger = persons_token(&vault.bench).await?;
    let reply = vault.call_as(&stranger, "GET", "/secrets/x", &Value::Null).await?;
    assert_eq!(fault(&reply), (401, "Unauthorized", ""));
    vault.bench.entra.vault_tenant(vault.bench.contoso);
    assert_eq!(fault(&vault.get("/secrets/x").await?), (401, "Unauthorized", ""));
    Ok(())
}

#[tokio::test]
async fn another_resources_token_is_refused() -> Outcome {
    let vault = Vault::new().await?;
    let bench = &vault.bench;
    bench.entra.vault_tenant(bench.contoso);
    let reply = bench.redeem(&bench.code().await?, &[]).await?;
    let reply =
        vault.call_as(reply.text("access_token"), "GET", "/secrets/x", &Value::Null).await?;
    assert_eq!(fault(&reply), (401, "Unauthorized", ""));
    let message = reply.json["error"]["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("AKV10022: Invalid audience."), "{message}");
    Ok(())
}

#[tokio::test]
async fn a_person_has_the_rights_they_were_given() -> Outcome {
    let vault = Vault::new().await?;
    let bench = &vault.bench;
    vault.set("x", "1").await?;
    bench.entra.vault_tenant(bench.contoso);
    let token = persons_token(bench).await?;
    let reply = vault.call_as(&token, "GET", "/secrets/x", &Value::Null).await?;
    assert_eq!(fault(&reply), (403, "Forbidden", "ForbiddenByPolicy"));
    bench.entra.vault_rights(bench.admin.id, &[VaultRight::SecretsGet]);
    let reply = vault.call_as(&token, "GET", "/secrets/x", &Value::Null).await?;
    assert_eq!((reply.status, reply.text("value")), (200, "1"));
    let reply = vault.call_as(&token, "DELETE", "/secrets/x", &Value::Null).await?;
    assert_eq!(fault(&reply), (403, "Forbidden", "ForbiddenByPolicy"));
    Ok(())
}

/// Every operation with the right that it needs; `{key}` is a key.
const OPERATIONS: [(&str, &str, VaultRight); 18] = [
    ("GET", "/secrets", VaultRight::SecretsList),
    ("GET", "/secrets/x", VaultRight::SecretsGet),
    ("GET", "/secrets/x/00", VaultRight::SecretsGet),
    ("GET", "/secrets/x/versions", VaultRight::SecretsList),
    ("PUT", "/secrets/x", VaultRight::SecretsSet),
    ("PATCH", "/secrets/x", VaultRight::SecretsSet),
    ("PATCH", "/secrets/x/00", VaultRight::SecretsSet),
    ("DELETE", "/secrets/y", VaultRight::SecretsDelete),
    ("GET", "/deletedsecrets", VaultRight::SecretsList),
    ("GET", "/deletedsecrets/y", VaultRight::SecretsGet),
    ("POST", "/deletedsecrets/y/recover", VaultRight::SecretsRecover),
    ("DELETE", "/deletedsecrets/y", VaultRight::SecretsPurge),
    ("GET", "/keys", VaultRight::KeysList),
    ("GET", "/keys/k", VaultRight::KeysGet),
    ("GET", "/keys/k/versions", VaultRight::KeysList),
    ("POST", "/keys/k/wrapkey", VaultRight::KeysWrap),
    ("POST", "/keys/k/unwrapkey", VaultRight::KeysUnwrap),
    ("POST", "/keys/k/00/sign", VaultRight::KeysSign),
];

#[tokio::test]
async fn each_operation_needs_its_own_right() -> Outcome {
    let vault = Vault::new().await?;
    let (entra, client) = (&vault.bench.entra, vault.bench.app.client_id());
    for (method, path, needed) in OPERATIONS {
        let others: Vec<_> = VaultRight::ALL.into_iter().filter(|r| *r != needed).collect();
        entra.vault_rights(client, &others);
        let reply = vault.call(method, path, &json!({ "value": "1" })).await?;
        assert_eq!(fault(&reply), (403, "Forbidden", "ForbiddenByPolicy"), "{method} {path}");
        let message = reply.json["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(&format!("does not have {needed} permission")), "{message}");
        entra.vault_rights(client, &[needed]);
        let reply = vault.call(method, path, &json!({ "value": "1" })).await?;
        assert_ne!(reply.status, 403, "{method} {path}");
    }
    Ok(())
}

#[tokio::test]
async fn nobody_may_purge_unless_told() -> Outcome {
    let vault = Vault::new().await?;
    for (method, path, needed) in OPERATIONS {
        let reply = vault.call(method, path, &json!({ "value": "1" })).await?;
        assert_eq!(reply.status == 403, needed == VaultRight::SecretsPurge, "{method} {path}");
    }
    Ok(())
}

#[tokio::test]
async fn the_api_version_must_be_a_known_one() -> Outcome {
    let vault = Vault::new().await?;
    vault.set("x", "1").await?;
    for known in ["7.4", "2025-07-01"] {
        let reply = vault.get(&format!("/secrets/x?api-version={known}")).await?;
        assert_eq!(reply.text("value"), "1", "{known}");
    }
    for wrong in ["/secrets/x?", "/secrets/x?api-version=", "/secrets/x?api-version=7.44"] {
        assert_eq!(fault(&vault.get(wrong).await?), (400, "BadParameter", ""), "{wrong}");
    }
    for path in ["/", "/secret", "/keys/k/00/decrypt", "/deletedsecrets/x/restore"] {
        let reply = vault.call("POST", path, &json!({})).await?;
        assert_eq!(fault(&reply), (404, "NotFound", ""), "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_budget_lasts_ten_seconds() -> Outcome {
    let vault = Vault::new().await?;
    let (entra, clock) = (&vault.bench.entra, &vault.bench.clock);
    let status = async |seconds| {
        clock.advance(Duration::from_secs(seconds));
        vault.get("/secrets").await.map(|reply| {
            let wait = reply.headers.get(RETRY_AFTER).and_then(|wait| wait.to_str().ok());
            (reply.status, wait.map(str::to_owned))
        })
    };
    entra.vault_throttle(Some(2), true);
    assert_eq!(status(0).await?, (200, None));
    assert_eq!(status(3).await?, (200, None));
    assert_eq!(status(0).await?, (429, Some("7".to_owned())));
    assert_eq!(status(6).await?, (429, Some("1".to_owned())));
    let body = vault.get("/secrets").await?;
    assert_eq!(fault(&body), (429, "Throttled", ""));
    assert_eq!(status(1).await?, (200, None), "those refused do not count");
    assert_eq!(status(0).await?, (200, None));
    entra.vault_throttle(Some(0), false);
    assert_eq!(status(0).await?, (429, None), "as published replies have it");
    entra.vault_throttle(None, false);
    assert_eq!(status(0).await?, (200, None));
    Ok(())
}

#[tokio::test]
async fn an_application_has_a_token_of_its_own_for_the_vendors_vault_alone() -> Outcome {
    let bench = Bench::new().await?;
    let home = bench.app.home().to_string();
    let reply = own_token(&bench, &home, &[]).await?;
    assert_eq!((reply.status, &reply.json["expires_in"]), (200, &json!(3599)));
    assert_eq!(reply.json.get("refresh_token"), None);
    let claims = reply.claims("access_token");
    assert_eq!(claims["aud"], RESOURCE);
    assert_eq!(claims["iss"], format!("https://sts.windows.net/{home}/"));
    assert_eq!((&claims["idtyp"], &claims["ver"]), (&json!("app"), &json!("1.0")));
    assert_eq!((claims.get("scp"), claims.get("amr")), (None, None));
    let scope = format!("openid profile offline_access {RESOURCE}/.default");
    assert_eq!(own_token(&bench, &home, &[("scope", &scope)]).await?.status, 200);

    let (contoso, graph) = (bench.contoso.to_string(), format!("{GRAPH}/.default"));
    let partner_center = format!("{PARTNER_CENTER}/.default");
    let named = format!("{RESOURCE}/user_impersonation");
    let two = format!("{RESOURCE}/.default {graph}");
    for (tenant, change, refusal) in [
        (contoso.as_str(), ("", ""), (400, "unauthorized_client", "", 7_000_229)),
        ("organizations", ("", ""), (400, "invalid_request", "", 50_059)),
        ("common", ("", ""), (400, "invalid_request", "", 50_059)),
        (&home, ("scope", graph.as_str()), (400, "invalid_resource", "", 500_011)),
        (&home, ("scope", partner_center.as_str()), (400, "invalid_resource", "", 500_011)),
        (&home, ("scope", named.as_str()), (400, "invalid_scope", "", 1_002_012)),
        (&home, ("scope", two.as_str()), (400, "invalid_scope", "", 1_002_012)),
        (&home, ("scope", ""), (400, "invalid_request", "", 900_144)),
        (&home, ("client_secret", "wrong"), (401, "invalid_client", "", 7_000_215)),
        (&home, ("client_secret", ""), (401, "invalid_client", "", 7_000_218)),
    ] {
        let reply = own_token(&bench, tenant, &[change]).await?;
        assert_eq!(reply.refusal(), refusal, "{tenant} {change:?}");
    }
    Ok(())
}
