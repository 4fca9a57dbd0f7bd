//! Applications registered from a manifest.

use std::error::Error;

use aws_lc_rs::signature::RSA_PSS_SHA256;
use cpv_consent::emulator::{Browser, ManifestError, role};
use cpv_consent::{ClientId, TenantId};
use serde_json::{Value, json};

use super::bench::{Bench, FieldList, GRAPH, Outcome, PARTNER_CENTER, Reply, stuck_at};
use super::certificate::{Signer, assertion};

const CALLBACK: &str = "https://panel.example/manifest/callback";
const SECRET: &str = "from-the-manifest~1";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A vendor's panel as the portal would export it, with a password.
fn manifest() -> Value {
    json!({
        "id": "aaaaaaaa-1111-4111-8111-111111111111",
        "displayName": "Panel of a manifest",
        "signInAudience": "AzureADMultipleOrgs",
        "isFallbackPublicClient": false,
        "tags": [],
        "info": { "logoUrl": null },
        "servicePrincipalLockConfiguration": { "isEnabled": true, "allProperties": true },
        "web": {
            "redirectUris": [CALLBACK],
            "implicitGrantSettings": {
                "enableIdTokenIssuance": false, "enableAccessTokenIssuance": false,
            },
        },
        "requiredResourceAccess": [
            {
                "resourceAppId": "fa3d9a0c-3fb0-42cc-9193-47c7ecd2edbd",
                "resourceAccess": [
                    { "id": "1cebfa2a-fb4d-419e-b5f9-839b4383e05a", "type": "Scope" },
                ],
            },
            {
                "resourceAppId": "00000003-0000-0000-C000-000000000000",
                "resourceAccess": [
                    { "id": "E1FE6DD8-BA31-4D61-89E7-88639DA4683D", "type": "Scope" },
                    { "id": "37f7f235-527c-4136-accd-4a02d197296e", "type": "Scope" },
                    { "id": "7ab1d382-f21e-4acd-a863-ba3e13f7da61", "type": "Role" },
                ],
            },
        ],
        "passwordCredentials": [
            { "hint": "fro", "secretText": SECRET, "endDateTime": "2999-01-31T00:00:00.1234Z" },
            { "hint": "old", "secretText": null },
        ],
        "keyCredentials": [{ "customKeyIdentifier": "…", "key": null, "type": "…" }],
    })
}

/// Signs the administrator in at Contoso for everything that the manifest names.
async fn sign_in(bench: &Bench, client: ClientId, tenant: &str) -> Result<Reply, Box<dyn Error>> {
    let client = client.to_string();
    let scope = format!("openid offline_access {GRAPH}/.default");
    let fields = [("client_id", &*client), ("redirect_uri", CALLBACK), ("scope", &*scope)];
    let request =
        Browser::new().consent(&bench.authorize_url(tenant, &fields), &bench.admin).await?;
    let callback = FieldList::of_query(&request);
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", client.as_str()),
        ("client_secret", SECRET),
        ("code", callback.code()?),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    bench.post(&bench.token_url(tenant), &fields).await
}

/// What redeeming nothing is refused with: the client is looked at before the grant.
async fn proof(
    bench: &Bench,
    client: ClientId,
    credential: &[(&str, &str)],
) -> Result<u64, Box<dyn Error>> {
    let client = client.to_string();
    let grant = [("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_id", &client)];
    let fields = [grant.as_slice(), credential].concat();
    Ok(bench.post(&bench.token_url(&bench.contoso.to_string()), &fields).await?.number())
}

/// The right credential goes on to the grant, which is none.
const PROVED: u64 = 70_000;

#[tokio::test]
async fn a_manifest_registers_what_it_says() -> Outcome {
    let bench = Bench::new().await?;
    let registered = bench.entra.register_manifest(bench.app.home(), &manifest().to_string())?;
    assert_eq!(registered.name, "Panel of a manifest");
    let reply = sign_in(&bench, registered.client_id, "organizations").await?;
    assert_eq!(reply.claims("access_token")["scp"], "User.Read", "and neither openid nor a role");
    let scope = format!("{PARTNER_CENTER}/.default");
    let client = registered.client_id.to_string();
    let changes = [("client_id", &*client), ("client_secret", SECRET), ("scope", &*scope)];
    let token = reply.text("refresh_token").to_owned();
    let reply = bench.exchange("organizations", &token, &changes).await?;
    assert_eq!(reply.claims("access_token")["scp"], "user_impersonation");
    Ok(())
}

#[tokio::test]
async fn an_application_id_that_is_given_is_kept() -> Outcome {
    let bench = Bench::new().await?;
    let mut manifest = manifest();
    manifest["appId"] = json!("44444444-4444-4444-8444-444444444444");
    let one = bench.entra.register_manifest(bench.app.home(), &manifest.to_string())?;
    assert_eq!(one.client_id.to_string(), "44444444-4444-4444-8444-444444444444");
    manifest["passwordCredentials"] = json!([]);
    let two = bench.entra.register_manifest(bench.app.home(), &manifest.to_string())?;
    assert_eq!(one.client_id, two.client_id);
    let secret = [("client_secret", SECRET)];
    assert_eq!(proof(&bench, two.client_id, &secret).await?, 7_000_215, "it was replaced");
    Ok(())
}

#[tokio::test]
async fn claims_are_there_only_if_they_are_asked_for() -> Outcome {
    let bench = Bench::new().await?;
    let agents = json!([bench.entra.admin_agents(bench.contoso).to_string()]);
    let roles = json!([role::GLOBAL_READER, role::USER]);
    bench.entra.change_user(&bench.admin, |user| user.roles = vec![role::GLOBAL_READER.to_owned()]);
    for (asked, wids, groups) in [
        (json!(null), &Value::Null, &Value::Null),
        (json!("None"), &Value::Null, &Value::Null),
        (json!("DirectoryRole"), &roles, &Value::Null),
        (json!("SecurityGroup"), &roles, &agents),
        (json!("ApplicationGroup, DirectoryRole"), &roles, &Value::Null),
        (json!("All"), &roles, &agents),
    ] {
        let mut manifest = manifest();
        manifest["groupMembershipClaims"] = asked.clone();
        manifest["optionalClaims"] =
            json!({ "idToken": [{ "name": "email", "essential": false }] });
        let client = bench.entra.register_manifest(bench.app.home(), &manifest.to_string())?;
        let id = sign_in(&bench, client.client_id, "organizations").await?.claims("id_token");
        assert_eq!((&id["wids"], &id["groups"]), (wids, groups), "{asked}");
        assert_eq!((&id["email"], &id["upn"]), (&json!("admin@contoso.example"), &Value::Null));
    }
    Ok(())
}

#[tokio::test]
async fn credentials_come_and_go() -> Outcome {
    let bench = Bench::new().await?;
    let entra = &bench.entra;
    let client = entra.register_manifest(bench.app.home(), &manifest().to_string())?.client_id;
    let secret = entra.add_secret(client).ok_or("an application")?;
    for text in [SECRET, secret.expose()] {
        assert_eq!(proof(&bench, client, &[("client_secret", text)]).await?, PROVED);
    }
    assert_eq!(proof(&bench, client, &[("client_secret", "wrong")]).await?, 7_000_215);
    entra.expire_secrets(client);
    for text in [SECRET, secret.expose()] {
        assert_eq!(proof(&bench, client, &[("client_secret", text)]).await?, 7_000_222);
    }
    let secret = entra.add_secret(client).ok_or("an application")?;
    let secret = [("client_secret", secret.expose())];
    assert_eq!(proof(&bench, client, &secret).await?, PROVED);
    entra.disable_application(client, true);
    assert_eq!(proof(&bench, client, &secret).await?, 7_000_112);
    entra.disable_application(client, false);
    assert_eq!(proof(&bench, client, &secret).await?, PROVED);
    let nobody = ClientId::parse("55555555-5555-4555-8555-555555555555")?;
    assert!(entra.add_secret(nobody).is_none());
    Ok(())
}

#[tokio::test]
async fn a_certificate_of_the_manifest_or_added_later_signs_assertions() -> Outcome {
    let bench = Bench::new().await?;
    let [first, second] = [Signer::new(), Signer::new()];
    let mut manifest = manifest();
    let certificate = |key: &str, end: &str| json!([{ "type": "AsymmetricX509Cert", "usage": "Verify", "key": key, "endDateTime": end }]);
    manifest["keyCredentials"] = certificate(&base64_of(&first.pem), "2999-01-31T00:00:00Z");
    let registered = bench.entra.register_manifest(bench.app.home(), &manifest.to_string())?;
    let client = registered.client_id;
    let signed = async |signer: &Signer| {
        let url = bench.token_url(&bench.contoso.to_string());
        let claims = assertion(&client.to_string(), &url, bench.now());
        let text = signer.sign("PS256", &RSA_PSS_SHA256, "x5t#S256", signer, &claims);
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let shown = [("client_assertion", &*text), ("client_assertion_type", kind)];
        proof(&bench, client, &shown).await
    };
    assert_eq!(signed(&first).await?, PROVED);
    assert_eq!(signed(&second).await?, 700_027);
    bench.entra.add_certificate(client, second.pem.as_bytes())?;
    assert_eq!(signed(&second).await?, PROVED);
    assert!(bench.entra.add_certificate(client, b"no certificate").is_err());
    manifest["appId"] = json!(client);
    manifest["keyCredentials"] = certificate(&base64_of(&first.pem), "2001-01-31T00:00:00Z");
    bench.entra.register_manifest(bench.app.home(), &manifest.to_string())?;
    assert_eq!(signed(&first).await?, 1_000_502, "it has ended");
    Ok(())
}

/// The text between the marks of the first PEM block.
fn base64_of(pem: &str) -> String {
    pem.lines().skip(1).take_while(|line| !line.starts_with("-----")).collect()
}

#[tokio::test]
async fn an_application_of_one_tenant_is_used_in_that_tenant_only() -> Outcome {
    let bench = Bench::new().await?;
    let mut manifest = manifest();
    for audience in [json!("AzureADMyOrg"), json!(null)] {
        manifest["signInAudience"] = audience;
        let registered = bench.entra.register_manifest(bench.contoso, &manifest.to_string())?;
        let client = registered.client_id;
        let at_home = sign_in(&bench, client, &bench.contoso.to_string()).await?;
        assert_eq!(at_home.status, 200);
        let elsewhere = bench.fabrikam.to_string();
        for (tenant, number) in
            [("organizations", 50_194), ("common", 50_194), (&elsewhere, 700_016)]
        {
            let id = client.to_string();
            let fields = [("client_id", &*id), ("redirect_uri", CALLBACK)];
            let url = bench.authorize_url(tenant, &fields);
            let error = Browser::new().consent(&url, &bench.admin).await.expect_err("refused");
            assert_eq!(stuck_at(&error), Some(number), "{tenant}");
            let token = at_home.text("refresh_token");
            let changes = [("client_id", &*id), ("client_secret", SECRET)];
            let reply = bench.exchange(tenant, token, &changes).await?;
            assert_eq!(reply.number(), u64::from(number), "{tenant}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_manifest_that_entra_would_not_store_is_refused_by_name() -> Outcome {
    let bench = Bench::new().await?;
    let home = bench.app.home();
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut manifest = manifest();
        change(&mut manifest);
        bench.entra.register_manifest(home, &manifest.to_string()).expect_err("refused")
    };
    for (property, value) in [
        ("replyUrlsWithType", json!([])),
        ("oauth2AllowIdTokenImplicitFlow", json!(false)),
        ("accessTokenAcceptedVersion", json!(2)),
        ("publicClient", json!(true)),
    ] {
        let error = refused(&|manifest| manifest[property] = value.clone());
        assert_eq!(error, ManifestError::OldFormat(property));
    }
    assert_eq!(
        refused(&|manifest| manifest["displayName"] = Value::Null),
        ManifestError::Missing("displayName")
    );
    for (property, value) in [
        ("signInAudience", json!("Everybody")),
        ("signInAudience", json!("PersonalMicrosoftAccount")),
        ("groupMembershipClaims", json!("Some")),
        ("appId", json!("panel")),
    ] {
        let error = refused(&|manifest| manifest[property] = value.clone());
        assert!(error.to_string().starts_with(&format!("property {property} ")), "{error}");
    }
    let resource = json!([{ "resourceAppId": "x", "resourceAccess": [] }]);
    let unknown = refused(&|manifest| manifest["requiredResourceAccess"] = resource.clone());
    assert_eq!(unknown, ManifestError::UnknownResource("x".to_owned()));
    let unknown = refused(&|manifest| {
        manifest["requiredResourceAccess"][0]["resourceAccess"][0]["id"] = json!("y");
    });
    assert!(matches!(unknown, ManifestError::UnknownPermission { id, .. } if id == "y"));
    let many = refused(&|manifest| manifest["tags"] = vec!["x"; 1200].into());
    assert!(many.to_string().contains("1200 entries"), "{many}");
    Ok(())
}

#[tokio::test]
async fn no_refusal_repeats_a_secret() -> Outcome {
    let bench = Bench::new().await?;
    let secret = "kept-to-itself~1";
    for text in [
        format!(r#"{{"passwordCredentials":"{secret}"}}"#),
        format!(r#"{{"displayName":"x","passwordCredentials":[{{"secretText":"{secret} "}}]}}"#),
        format!(r#"{{"displayName":"x","keyCredentials":[{{"key":"{secret}","type":"x"}}]}}"#),
        format!("{{ {secret} }}"),
    ] {
        let error = bench.entra.register_manifest(bench.app.home(), &text).expect_err("refused");
        assert!(!format!("{error} {error:?}").contains(secret), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn redirects_follow_entras_rules() -> Outcome {
    let bench = Bench::new().await?;
    let with = |platform: &str, audience: &str, uris: &[String]| {
        let mut manifest = manifest();
        manifest["signInAudience"] = json!(audience);
        manifest[platform] = json!({ "redirectUris": uris });
        bench.entra.register_manifest(bench.app.home(), &manifest.to_string())
    };
    let ours = "AzureADMultipleOrgs";
    let long = format!("https://panel.example/{}", "x".repeat(256));
    for (platform, uri, problem) in [
        ("web", "/callback", "is not absolute"),
        ("web", "http://panel.example/callback", "is http elsewhere than on localhost"),
        ("web", "http://[::1]/callback", "has an IPv6 address"),
        ("web", "panel://callback", "is neither https nor http on localhost"),
        ("spa", "panel://callback", "is neither https nor http on localhost"),
        ("web", "https://*.panel.example/", "has a wildcard"),
        ("web", "https://panel.example/(callback)", "has a character that Entra forbids"),
        ("web", "https://panel.example/a b", "has a character that Entra forbids"),
        ("web", "http://localhost\\cb", "has a character that Entra forbids"),
        ("web", "https://panel.example/#callback", "has a fragment"),
        ("web", &long, "is longer than 256 characters"),
    ] {
        let error = with(platform, ours, &[uri.to_owned()]).expect_err(uri).to_string();
        assert_eq!(error, format!("property {platform}.redirectUris[0] {problem}"));
    }
    for (platform, uri) in [
        ("web", "https://panel.example/callback?x=1"),
        ("web", "http://localhost:8400/callback"),
        ("web", "http://127.0.0.1/callback"),
        ("publicClient", "panel://callback"),
    ] {
        assert!(with(platform, ours, &[uri.to_owned()]).is_ok(), "{uri}");
    }
    let personal = "AzureADandPersonalMicrosoftAccount";
    let query = "https://panel.example/callback?x=1".to_owned();
    assert!(with("web", personal, &[query]).is_err());
    let several = |count: usize| -> Vec<String> {
        (0..count).map(|number| format!("https://panel.example/{number}")).collect()
    };
    assert!(with("web", ours, &several(256)).is_ok());
    assert!(with("web", ours, &several(257)).is_err());
    assert!(with("web", personal, &several(100)).is_ok());
    assert!(with("web", personal, &several(101)).is_err());
    Ok(())
}

#[tokio::test]
async fn only_web_addresses_belong_to_clients_with_a_credential() -> Outcome {
    let bench = Bench::new().await?;
    for (platform, number) in [("spa", 9_002_327), ("publicClient", 700_025)] {
        let mut manifest = manifest();
        manifest["web"] = json!(null);
        manifest[platform] = json!({ "redirectUris": [CALLBACK] });
        let client = bench.entra.register_manifest(bench.app.home(), &manifest.to_string())?;
        let reply = sign_in(&bench, client.client_id, "organizations").await?;
        assert_eq!(reply.number(), number, "{platform}");
    }
    Ok(())
}

#[tokio::test]
async fn a_permission_that_is_offered_can_be_named() -> Outcome {
    let bench = Bench::new().await?;
    let home: TenantId = bench.app.home();
    let (resource, id) =
        ("66666666-6666-4666-8666-666666666666", "77777777-7777-4777-8777-777777777777");
    let mut manifest = manifest();
    manifest["requiredResourceAccess"] =
        json!([{ "resourceAppId": resource, "resourceAccess": [{ "id": id, "type": "Scope" }] }]);
    assert!(bench.entra.register_manifest(home, &manifest.to_string()).is_err());
    let uri = "https://billing.panel.example";
    bench.entra.offer_permission(ClientId::parse(resource)?, uri, "Invoice.Read", id);
    let registered = bench.entra.register_manifest(home, &manifest.to_string())?;
    let client = registered.client_id.to_string();
    let scope = format!("{uri}/.default");
    let fields = [("client_id", &*client), ("redirect_uri", CALLBACK), ("scope", &*scope)];
    let url = bench.authorize_url("organizations", &fields);
    let request = Browser::new().consent(&url, &bench.admin).await?;
    assert!(FieldList::of_query(&request).code().is_ok());
    Ok(())
}
