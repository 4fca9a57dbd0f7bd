//! The admin endpoint: what it does, and whom it lets in.

use cpv_consent::emulator::Emulator;
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::bench::{Outcome, Reply};

struct Desk {
    entra: Emulator,
    http: reqwest::Client,
}

impl Desk {
    async fn open() -> Result<Self, Box<dyn std::error::Error>> {
        let entra = Emulator::builder().admin().start().await?;
        Ok(Self { entra, http: reqwest::Client::builder().no_proxy().build()? })
    }

    fn bare(&self, operation: &str) -> RequestBuilder {
        let url = self.entra.admin().expect("it is on").url();
        self.http.post(format!("{url}/v1/{operation}"))
    }

    fn request(&self, operation: &str) -> RequestBuilder {
        self.bare(operation).bearer_auth(self.entra.admin().expect("it is on").token())
    }

    async fn run(
        &self,
        operation: &str,
        members: &Value,
    ) -> Result<Reply, Box<dyn std::error::Error>> {
        let request = self.request(operation).body(members.to_string());
        Reply::read(request.send().await?).await
    }
}

#[tokio::test]
async fn it_is_closed_unless_it_was_asked_for() -> Outcome {
    let entra = Emulator::builder().start().await?;
    assert!(entra.admin().is_none());
    let http = reqwest::Client::builder().no_proxy().build()?;
    let reply = http.post(format!("{}/v1/ledger", entra.origins().admin)).send().await?;
    assert_eq!(reply.status(), 404);
    Ok(())
}

#[tokio::test]
async fn nobody_comes_in_without_the_token_or_from_a_page() -> Outcome {
    let desk = Desk::open().await?;
    let other = Desk::open().await?;
    let admin = desk.entra.admin().expect("it is on");
    assert_ne!(admin.token(), other.entra.admin().expect("it is on").token());
    assert!(!format!("{admin:?}").contains(admin.token()));
    let foreign_token = other.entra.admin().expect("it is on").token();
    let sheet = [
        (desk.bare("ledger"), 401),
        (desk.bare("ledger").bearer_auth(""), 401),
        (desk.bare("ledger").bearer_auth(foreign_token), 401),
        (desk.bare("ledger").bearer_auth(&admin.token()[1..]), 401),
        (desk.bare("ledger").basic_auth(admin.token(), Some("")), 401),
        (desk.request("ledger").header(ORIGIN, "http://127.0.0.1"), 403),
        (desk.request("ledger").header(ORIGIN, "null"), 403),
        (desk.request("ledger").header(HOST, "rebound.example"), 421),
        (desk.bare("ledger").header(AUTHORIZATION, admin.token()), 401),
        (desk.bare("ledger").header(AUTHORIZATION, format!("bearer {}", admin.token())), 200),
        (desk.request("ledger"), 200),
    ];
    for (row, (request, status)) in sheet.into_iter().enumerate() {
        assert_eq!(request.send().await?.status(), status, "row {row}");
    }
    Ok(())
}

#[tokio::test]
async fn it_opens_by_https_too() -> Outcome {
    let entra = Emulator::builder().https().admin().start().await?;
    let https = entra.https().ok_or("no https")?;
    let ca = reqwest::Certificate::from_pem(https.ca_pem().as_bytes())?;
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([ca]).build()?;
    let token = entra.admin().ok_or("no admin")?.token();
    let url = format!("{}/v1/add_tenant", https.origins().admin);
    let request = || http.post(&url).bearer_auth(token).body(r#"{ "name": "Contoso" }"#);
    let reply = Reply::read(request().send().await?).await?;
    assert_eq!(reply.status, 200);
    assert!(!reply.text("tenant").is_empty());
    let rebound = request().header(HOST, "rebound.example").send().await?;
    assert_eq!(rebound.status(), 421);
    Ok(())
}

#[tokio::test]
async fn operations_are_the_emulators_methods() -> Outcome {
    let desk = Desk::open().await?;
    let tenant = desk.run("add_tenant", &json!({ "name": "Contoso" })).await?;
    let tenant = tenant.text("tenant").to_owned();
    let made = json!({ "tenant": tenant, "name": "admin@contoso.example" });
    let user = desk.run("add_user", &made).await?;
    for member in ["id", "name", "password", "code"] {
        assert!(!user.text(member).is_empty(), "{member}");
    }
    let whom = json!({ "tenant": tenant, "user": user.text("id") });
    assert_eq!(desk.run("revoke_sessions", &whom).await?.json, json!({}));
    let scripted = json!({ "rule": { "tenant": tenant }, "failure": { "aadsts": 50076 } });
    let scripted = desk.run("fail", &scripted).await?;
    let url = format!("{}/{tenant}/oauth2/v2.0/token", desk.entra.login_origin());
    assert!(scripted.json["id"].is_u64(), "{}", scripted.json);
    assert_eq!(desk.run("clear", &json!({ "id": scripted.json["id"] })).await?.status, 200);
    desk.http.post(url).send().await?;
    let ledger = desk.run("ledger", &json!({})).await?;
    assert_eq!(ledger.json["tokens"][0]["tenant"], tenant);
    desk.run("forget_ledger", &json!({})).await?;
    assert_eq!(desk.run("ledger", &json!({})).await?.json, json!({ "tokens": [] }));
    Ok(())
}

#[tokio::test]
async fn every_operation_can_be_asked_for() -> Outcome {
    let desk = Desk::open().await?;
    let made = desk.run("add_tenant", &json!({ "name": "Contoso" })).await?.json;
    let tenant = made["tenant"].clone();
    let user = json!({ "tenant": tenant, "name": "admin@contoso.example" });
    let whole = desk.run("add_user", &user).await?.json;
    let user = whole["id"].clone();
    let manifest = json!({
        "displayName": "Panel", "signInAudience": "AzureADMultipleOrgs",
        "web": { "redirectUris": ["https://panel.example/callback"] },
    });
    let app = json!({ "home": tenant, "manifest": manifest });
    let app = desk.run("register_manifest", &app).await?;
    let client = app.json["client"].clone();
    assert!(client.is_string(), "{}", app.json);
    let person = json!({ "tenant": tenant, "user": user });
    let here = json!({ "tenant": tenant, "client": client });
    let graph = json!({
        "tenant": tenant, "client": client, "permissions": ["User.Read"],
        "resource": "https://graph.microsoft.com",
    });
    for (operation, members) in [
        ("add_domain", json!({ "tenant": tenant, "domain": "contoso.example" })),
        ("change_user", json!({ "tenant": tenant, "user": user, "mfa": "phone", "locked": true })),
        ("revoke_sessions", person.clone()),
        ("change_password", json!({ "tenant": tenant, "user": user, "revokes_sessions": true })),
        ("reset_password", person.clone()),
        ("add_guest", json!({ "home": whole, "tenant": tenant })),
        ("add_customer", json!({ "partner": tenant, "name": "Fabrikam" })),
        ("add_reseller_customer", json!({ "partner": tenant, "name": "Northwind" })),
        ("end_relationship", json!({ "partner": tenant, "customer": tenant })),
        ("conditional_access", json!({ "tenant": tenant, "sign_in_frequency": 3600 })),
        ("add_secret", json!({ "client": client })),
        ("expire_secrets", json!({ "client": client })),
        ("disable_application", json!({ "client": client, "disabled": false })),
        ("one_time_assertions", json!({ "client": client, "on": true })),
        ("grant", graph),
        ("withdraw_grants", here.clone()),
        ("add_principal", here.clone()),
        ("remove_principal", here),
        ("consents_take", json!({ "seconds": 1.5 })),
        ("hold", json!({ "rule": { "endpoint": "graph" } })),
        ("outage", json!({ "endpoint": "key_vault" })),
        ("hits", json!({ "id": 1 })),
        ("waiting", json!({ "id": 1 })),
        ("clear_all", json!({})),
        ("doubts", json!({ "consent_exists_status": 400 })),
        ("partner_center_mfa", json!({ "how": "not_compliant" })),
        ("partner_center_enforces", json!({ "how": "bare" })),
        ("token_tampering", json!({ "how": "expired" })),
        ("ignore_pkce", json!({ "on": true })),
        ("publish_next_key", json!({})),
        ("sign_with_next_key", json!({})),
        ("retire_old_keys", json!({})),
        ("rotation", json!({ "on": false })),
        ("opaque_access_tokens", json!({ "on": true })),
        ("access_tokens_live", json!({ "shortest": 60, "longest": 90 })),
        ("shift_clock", json!({ "seconds": -60 })),
        ("partner_center_rate", json!({ "requests": null })),
        ("partner_center_tenant_rate", json!({ "requests": 5 })),
        ("create_vault_key", json!({ "name": "ring" })),
        ("vault_throttle", json!({ "limit": 5, "says_when": true })),
        ("vault_deletes_take", json!({ "seconds": 3 })),
        ("purge_protection", json!({ "on": true })),
        ("add_managed_identity", json!({})),
        ("partner_center_calls", json!({})),
        ("vault_calls", json!({})),
        ("remove_user", person),
        ("remove_tenant", json!({ "tenant": tenant })),
    ] {
        let reply = desk.run(operation, &members).await?;
        assert_eq!(reply.status, 200, "{operation}: {}", reply.json);
    }
    desk.entra.doubts(|doubts| assert_eq!(doubts.consent_exists_status, 400));
    Ok(())
}

#[tokio::test]
async fn what_is_not_understood_is_said_and_not_done() -> Outcome {
    let desk = Desk::open().await?;
    for (operation, members, said) in [
        ("burn", json!({}), "unknown variant `burn`"),
        ("add_tenant", json!({}), "missing field `name`"),
        ("add_tenant", json!({ "name": "x", "nane": 1 }), "unknown field `nane`"),
        ("add_user", json!({ "tenant": "x", "name": "y" }), "tenant"),
        ("token_tampering", json!({ "how": "gently" }), "no tampering gently"),
        ("doubts", json!({ "whether": true }), "unknown field `whether`"),
        ("doubts", json!({ "rotation": 1 }), "unknown field"),
        ("fail", json!({ "failure": {} }), "a failure has one kind, such as aadsts or status"),
    ] {
        let reply = desk.run(operation, &members).await?;
        assert_eq!(reply.status, 400, "{operation}");
        assert!(reply.text("error").contains(said), "{operation}: {}", reply.json);
    }
    Ok(())
}

#[tokio::test]
async fn every_operation_and_switch_stands_on_the_page() -> Outcome {
    let page = include_str!("../../docs/emulator.md");
    let desk = Desk::open().await?;
    let operations = desk.run("burn", &json!({})).await?;
    let doubts = desk.run("doubts", &json!({ "burn": 1 })).await?;
    for (told, at_least) in [(operations, 50), (doubts, 16)] {
        let (_, listed) = told.text("error").split_once("expected one of ").expect("a list");
        let names: Vec<&str> = listed.split('`').skip(1).step_by(2).collect();
        assert!(names.len() >= at_least, "{names:?}");
        for name in names {
            assert!(page.contains(&format!("`{name}`")), "{name} is not on the page");
        }
    }
    Ok(())
}

#[tokio::test]
async fn no_number_breaks_it() -> Outcome {
    let desk = Desk::open().await?;
    let tenant = desk.run("add_tenant", &json!({ "name": "Contoso" })).await?.json;
    let url = format!("{}/{}/oauth2/v2.0/token", desk.entra.login_origin(), tenant["tenant"]);
    let url = url.replace('"', "");
    let far = 1.8e19;
    let failing = |failure: Value| json!({ "failure": failure });
    for (operation, members, said) in [
        ("access_tokens_live", json!({ "shortest": u64::MAX, "longest": u64::MAX }), "a year"),
        ("access_tokens_live", json!({ "shortest": 1, "longest": 31_536_001 }), "a year"),
        ("consents_take", json!({ "seconds": far }), "a century"),
        ("consents_take", json!({ "seconds": -1 }), "negative"),
        ("vault_deletes_take", json!({ "seconds": 1e19 }), "a century"),
        ("fail", failing(json!({ "latency": far })), "a century"),
        ("fail", failing(json!({ "truth": true, "late": 1e300 })), "a century"),
        ("fail", failing(json!({ "drip": { "bytes": 1, "every": far } })), "a century"),
        (
            "fail",
            failing(json!({ "status": 200, "headers": { "Content-Length": "9" } })),
            "content-length",
        ),
        (
            "fail",
            failing(json!({ "truth": true, "headers": { "transfer-encoding": "x" } })),
            "transfer-encoding",
        ),
    ] {
        let reply = desk.run(operation, &members).await?;
        assert_eq!(reply.status, 400, "{operation} {members}");
        assert!(reply.text("error").contains(said), "{operation} {members}: {}", reply.json);
        assert_eq!(desk.http.post(&url).send().await?.status(), 400, "{operation} {members}");
    }
    Ok(())
}

#[tokio::test]
async fn the_largest_numbers_work() -> Outcome {
    let desk = Desk::open().await?;
    for (operation, members) in [
        ("access_tokens_live", json!({ "shortest": 31_536_000, "longest": 31_536_000 })),
        ("consents_take", json!({ "seconds": 3_153_600_000_u64 })),
        ("vault_deletes_take", json!({ "seconds": 3_153_600_000_u64 })),
    ] {
        assert_eq!(desk.run(operation, &members).await?.status, 200, "{operation}");
    }
    for failure in [
        json!({ "huge": 1_u64 << 60 }),
        json!({ "truth": true, "clock_skew": i64::MAX }),
        json!({ "truth": true, "clock_skew": i64::MIN }),
        json!({ "truth": true, "retry_after_date": u64::MAX, "retry_after": u64::MAX }),
    ] {
        let scripted = json!({ "rule": { "endpoint": "token" }, "failure": failure });
        let scripted = desk.run("fail", &scripted).await?;
        let url = format!("{}/common/oauth2/v2.0/token", desk.entra.login_origin());
        assert!(desk.http.post(url).send().await?.status().as_u16() < 500, "{failure}");
        desk.run("clear", &json!({ "id": scripted.json["id"] })).await?;
    }
    Ok(())
}
