//! The endpoints of v1.0: a resource instead of scopes, and integers as text.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cpv_consent::emulator::{Answer, Browser};
use serde_json::{Value, json};
use url::Url;

use super::bench::{Bench, FieldList, GRAPH, NOBODY, Outcome, PARTNER_CENTER, Reply};

const PARTNER_CENTER_ID: &str = "fa3d9a0c-3fb0-42cc-9193-47c7ecd2edbd";

/// A code of the v1.0 endpoint, for a resource or (empty) for none.
async fn code(bench: &Bench, resource: &str) -> Result<String, Box<dyn std::error::Error>> {
    let url = bench
        .authorize_url(&bench.contoso.to_string(), &[("scope", "openid"), ("resource", resource)]);
    let url = Url::parse(&url.as_str().replace("/v2.0/", "/"))?;
    let request = Browser::new().walk(&url, &bench.admin, Answer::Accept).await?;
    Ok(FieldList::of_query(&request).code()?.to_owned())
}

async fn redeem(
    bench: &Bench,
    code: &str,
    resource: &str,
) -> Result<Reply, Box<dyn std::error::Error>> {
    let url = bench.token_url(&bench.contoso.to_string()).replace("/v2.0/", "/");
    bench.redeem_by(&url, code, &[("resource", resource)]).await
}

#[tokio::test]
async fn integers_are_text_and_scopes_are_bare_names() -> Outcome {
    let bench = Bench::new().await?;
    let token = bench.refresh_token().await?;
    let scope = [("scope", "this counts for nothing")];
    let reply = bench.exchange_v1(&bench.contoso.to_string(), &token, &scope).await?;
    let ends = (bench.now() + 3599).to_string();
    for (member, text) in [
        ("token_type", "Bearer"),
        ("scope", "user_impersonation"),
        ("resource", PARTNER_CENTER),
        ("expires_in", "3599"),
        ("ext_expires_in", "3599"),
        ("expires_on", ends.as_str()),
        ("not_before", bench.now().to_string().as_str()),
    ] {
        assert_eq!(reply.json[member], text, "{member}");
    }
    assert_eq!(reply.json.get("foci"), None);
    assert_ne!(reply.text("refresh_token"), "", "nobody has to ask for it");
    let access = reply.claims("access_token");
    assert_eq!((&access["ver"], &access["aud"]), (&json!("1.0"), &json!(PARTNER_CENTER)));
    Ok(())
}

#[tokio::test]
async fn v1_id_tokens_have_another_issuer_and_say_how_somebody_signed_in() -> Outcome {
    let bench = Bench::new().await?;
    let reply = redeem(&bench, &code(&bench, PARTNER_CENTER).await?, "").await?;
    assert_eq!(reply.status, 200, "{}", reply.json);
    let id = reply.claims("id_token");
    let issuer = format!("https://sts.windows.net/{}/", bench.contoso);
    assert_eq!((&id["iss"], &id["ver"]), (&json!(issuer), &json!("1.0")));
    assert_eq!((&id["amr"], &id["nonce"]), (&json!(["pwd", "mfa"]), &json!("the-nonce")));
    assert_eq!((&id["upn"], &id["unique_name"]), (&json!(bench.admin.name), &id["upn"]));
    assert_eq!((&id["tid"], &id["oid"]), (&json!(bench.contoso), &json!(bench.admin.id)));
    assert_eq!(id.get("preferred_username"), None);
    assert_eq!(reply.part("id_token", 0)["alg"], "RS256");
    Ok(())
}

#[tokio::test]
async fn id_tokens_of_v1_refresh_tokens_are_unsigned_or_signed_as_the_doubt_has_it() -> Outcome {
    let bench = Bench::new().await?;
    let (contoso, token) = (bench.contoso.to_string(), bench.refresh_token().await?);
    let reply = bench.exchange_v1(&contoso, &token, &[]).await?;
    assert_eq!(reply.part("id_token", 0), json!({ "typ": "JWT", "alg": "none" }));
    assert!(reply.text("id_token").ends_with('.'), "its signature is empty");
    assert_eq!(reply.claims("id_token")["amr"], json!(["pwd", "mfa"]));
    bench.entra.doubts(|doubts| doubts.v1_id_tokens_signed = true);
    let reply = bench.exchange_v1(&contoso, &token, &[]).await?;
    assert_eq!(reply.part("id_token", 0)["alg"], "RS256");
    Ok(())
}

#[tokio::test]
async fn a_code_is_for_the_resource_and_the_version_it_was_issued_for() -> Outcome {
    let bench = Bench::new().await?;
    let of_v1 = code(&bench, PARTNER_CENTER).await?;
    let reply = redeem(&bench, &of_v1, GRAPH).await?;
    assert_eq!(reply.refusal(), (400, "invalid_grant", "", 70_000), "another resource");
    let reply = bench.redeem(&of_v1, &[]).await?;
    assert_eq!(reply.refusal(), (400, "invalid_grant", "", 70_000), "a code of v1.0 at v2.0");
    let reply = redeem(&bench, &bench.code().await?, PARTNER_CENTER).await?;
    assert_eq!(reply.refusal(), (400, "invalid_grant", "", 70_000), "a code of v2.0 at v1.0");
    assert_eq!(redeem(&bench, &of_v1, PARTNER_CENTER).await?.status, 200, "nothing spent it");
    let of_none = code(&bench, "").await?;
    let reply = redeem(&bench, &of_none, "").await?;
    assert_eq!(reply.refusal(), (400, "invalid_request", "", 900_144), "no resource anywhere");
    assert_eq!(redeem(&bench, &of_none, PARTNER_CENTER_ID).await?.status, 200, "named here");
    Ok(())
}

#[tokio::test]
async fn resources_are_named_by_uri_or_application_id_and_must_be_registered() -> Outcome {
    let bench = Bench::new().await?;
    let (contoso, token) = (bench.contoso.to_string(), bench.refresh_token().await?);
    for (resource, refusal) in [
        ("https://nothing.example", (400, "invalid_resource", "", 500_011)),
        (NOBODY, (400, "invalid_resource", "", 500_011)),
        ("https://vault.azure.net", (400, "invalid_resource", "", 650_057)),
    ] {
        let reply = bench.exchange_v1(&contoso, &token, &[("resource", resource)]).await?;
        assert_eq!(reply.refusal(), refusal, "{resource}");
    }
    for resource in [PARTNER_CENTER_ID, "https://api.partnercenter.microsoft.com/", ""] {
        let reply = bench.exchange_v1(&contoso, &token, &[("resource", resource)]).await?;
        assert_eq!(reply.text("resource"), PARTNER_CENTER, "{resource:?}");
    }
    let fabrikam = bench.fabrikam.to_string();
    let reply = bench.exchange_v1(&fabrikam, &token, &[("resource", GRAPH)]).await?;
    assert_eq!(reply.refusal(), (400, "invalid_grant", "consent_required", 65_001));
    Ok(())
}

#[tokio::test]
async fn v2_knows_no_resource() -> Outcome {
    let bench = Bench::new().await?;
    let (contoso, token) = (bench.contoso.to_string(), bench.refresh_token().await?);
    let reply = bench.exchange(&contoso, &token, &[("resource", GRAPH)]).await?;
    assert_eq!(reply.refusal(), (400, "invalid_request", "", 901_002));
    Ok(())
}

#[tokio::test]
async fn the_account_is_told_where_it_is_asked_for_and_is_always_the_one_at_home() -> Outcome {
    let bench = Bench::new().await?;
    let token = bench.refresh_token().await?;
    bench.entra.grant(bench.fabrikam, bench.app.client_id(), GRAPH, &["Directory.Read.All"]);
    let (contoso, fabrikam) = (bench.contoso.to_string(), bench.fabrikam.to_string());
    let scope = format!("openid {GRAPH}/.default");
    let asked = [("client_info", "1"), ("scope", scope.as_str())];
    let told = |reply: &Reply| -> Value {
        let json = URL_SAFE_NO_PAD.decode(reply.text("client_info")).expect("base64url");
        serde_json::from_slice(&json).expect("JSON")
    };
    let home = json!({ "uid": bench.admin.id, "utid": bench.contoso });
    for tenant in [&contoso, &fabrikam] {
        assert_eq!(told(&bench.exchange(tenant, &token, &asked).await?), home, "{tenant}");
    }
    let reply = bench.exchange_v1(&contoso, &token, &[("client_info", "1")]).await?;
    assert_eq!(told(&reply), home);
    let reply = bench.redeem(&bench.code().await?, &[("client_info", "1")]).await?;
    assert_eq!(told(&reply), home);
    let silent = bench.exchange(&contoso, &token, &[]).await?;
    assert_eq!(silent.json.get("client_info"), None);
    Ok(())
}
