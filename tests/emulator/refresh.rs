//! Redeeming refresh tokens.

use std::time::Duration;

use serde_json::json;

use super::bench::{Bench, GRAPH, NOBODY, Outcome, PARTNER_CENTER};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn a_refresh_token_dies_ninety_days_after_its_own_issue() -> Outcome {
    //
    let bench = Bench::new().await?;
    let contoso = bench.contoso.to_string();
    let first = bench.refresh_token().await?;
    bench.clock.advance(90 * DAY - Duration::from_secs(1));
    let reply = bench.exchange(&contoso, &first, &[]).await?;
    assert_eq!(reply.status, 200, "a second before its end it still works");
    let second = reply.text("refresh_token").to_owned();
    bench.clock.advance(Duration::from_secs(1));
    let dead = bench.exchange(&contoso, &first, &[]).await?;
    assert_eq!(
        dead.refusal(),
        (400, "invalid_grant", "bad_token", 700_082),
        "its use did not renew it"
    );
    assert_eq!(bench.exchange(&contoso, &second, &[]).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn each_use_gives_a_new_one_and_leaves_the_old_one_valid() -> Outcome {
    let bench = Bench::new().await?;
    let contoso = bench.contoso.to_string();
    let first = bench.refresh_token().await?;
    let reply = bench.exchange(&contoso, &first, &[]).await?;
    assert_ne!(reply.text("refresh_token"), "");
    assert_ne!(reply.text("refresh_token"), first);
    assert_eq!(reply.claims("id_token").get("nonce"), None);
    bench.entra.rotation(false);
    let reply = bench.exchange(&contoso, &first, &[]).await?;
    assert_eq!((reply.status, reply.json.get("refresh_token")), (200, None));
    bench.entra.rotation(true);
    let only_access = format!("{PARTNER_CENTER}/user_impersonation");
    let reply = bench.exchange(&contoso, &first, &[("scope", &only_access)]).await?;
    assert_eq!((reply.status, reply.json.get("refresh_token")), (200, None));
    assert_eq!(reply.json.get("id_token"), None);
    Ok(())
}

#[tokio::test]
async fn a_customer_needs_a_tenant_a_relationship_and_a_grant() -> Outcome {
    let bench = Bench::new().await?;
    let token = bench.refresh_token().await?;
    let graph = format!("openid offline_access {GRAPH}/Directory.Read.All");
    let scope = [("scope", graph.as_str())];
    let northwind = bench.entra.add_tenant("Northwind").to_string();
    let fabrikam = bench.fabrikam.to_string();
    for (tenant, refusal) in [
        (NOBODY, (400, "invalid_request", "", 90_002)),
        (northwind.as_str(), (400, "invalid_grant", "", 50_020)),
        (fabrikam.as_str(), (400, "invalid_grant", "consent_required", 65_001)),
    ] {
        let reply = bench.exchange(tenant, &token, &scope).await?;
        assert_eq!(reply.refusal(), refusal, "{tenant}");
    }
    let client = bench.app.client_id();
    bench.entra.grant(bench.fabrikam, client, GRAPH, &["Directory.Read.All"]);
    let reply = bench.exchange(&fabrikam, &token, &scope).await?;
    let id = reply.claims("id_token");
    assert_eq!((&id["tid"], &id["oid"]), (&fabrikam.into(), &bench.admin.id.to_string().into()));
    let url = format!("{}/v1.0/organization", bench.entra.graph_origin());
    let organization = bench.read(&url, reply.text("access_token")).await?;
    assert_eq!(organization.json["value"][0]["displayName"], "Fabrikam");
    let fabrikam = bench.fabrikam.to_string();
    bench.entra.withdraw_grants(bench.fabrikam, client);
    assert_eq!(bench.exchange(&fabrikam, &token, &scope).await?.number(), 65_001);
    bench.entra.end_relationship(bench.contoso, bench.fabrikam);
    assert_eq!(bench.exchange(&fabrikam, &token, &scope).await?.number(), 50_020);
    bench.entra.remove_tenant(bench.fabrikam);
    assert_eq!(bench.exchange(&fabrikam, &token, &scope).await?.number(), 90_002);
    Ok(())
}

#[tokio::test]
async fn the_first_resource_named_decides_and_only_what_was_granted_is_given() -> Outcome {
    let bench = Bench::new().await?;
    let contoso = bench.contoso.to_string();
    let token = bench.refresh_token().await?;
    let two = format!("{GRAPH}/Directory.Read.All {PARTNER_CENTER}/user_impersonation");
    let reply = bench.exchange(&contoso, &token, &[("scope", &two)]).await?;
    assert_eq!(reply.claims("access_token")["aud"], GRAPH);
    let default = format!("{GRAPH}/.default");
    let reply = bench.exchange(&contoso, &token, &[("scope", &default)]).await?;
    let scope = format!("{GRAPH}/Directory.Read.All {default}");
    assert_eq!(reply.text("scope"), scope, "`.default` comes back, for it was asked");
    let reply = bench.exchange(&contoso, &token, &[("scope", "")]).await?;
    assert_eq!(reply.claims("access_token")["aud"], PARTNER_CENTER, "as it was issued");
    let more = format!("{GRAPH}/User.Read");
    let reply = bench.exchange(&contoso, &token, &[("scope", &more)]).await?;
    assert_eq!(reply.refusal(), (400, "invalid_grant", "consent_required", 65_001));
    Ok(())
}

#[tokio::test]
async fn what_happens_to_the_person_happens_to_the_token() -> Outcome {
    let bench = Bench::new().await?;
    let contoso = bench.contoso.to_string();
    let token = bench.refresh_token().await?;
    let changed = bench.entra.change_password(&bench.admin, false);
    assert_ne!(changed.password, bench.admin.password);
    assert_eq!(bench.exchange(&contoso, &token, &[]).await?.status, 200);
    bench.entra.change_user(&bench.admin, |account| account.disabled = true);
    assert_eq!(bench.exchange(&contoso, &token, &[]).await?.number(), 50_057);
    bench.entra.change_user(&bench.admin, |account| account.disabled = false);
    let _changed = bench.entra.change_password(&bench.admin, true);
    let reply = bench.exchange(&contoso, &token, &[]).await?;
    assert_eq!(reply.refusal(), (400, "invalid_grant", "bad_token", 50_173));
    let garbled = bench.exchange(&contoso, &token[..token.len() - 4], &[]).await?;
    assert_eq!(garbled.refusal(), (400, "invalid_grant", "bad_token", 70_000));
    Ok(())
}

#[tokio::test]
async fn a_refresh_token_belongs_to_its_client() -> Outcome {
    let bench = Bench::new().await?;
    let token = bench.refresh_token().await?;
    let id = "44444444-4444-4444-8444-444444444444";
    bench.entra.register(&bench.registration(id, "other")?);
    let as_other = [("client_id", id), ("client_secret", "other")];
    let reply = bench.exchange(&bench.contoso.to_string(), &token, &as_other).await?;
    assert_eq!(reply.refusal(), (400, "invalid_grant", "client_mismatch", 70_000));
    Ok(())
}

#[tokio::test]
async fn an_access_token_has_the_format_that_its_resource_takes() -> Outcome {
    let bench = Bench::new().await?;
    let manifest = json!({
        "appId": "55555555-5555-4555-8555-555555555555",
        "displayName": "Orders",
        "signInAudience": "AzureADMultipleOrgs",
        "api": { "requestedAccessTokenVersion": 2 },
    });
    let orders = bench.entra.register_manifest(bench.app.home(), &manifest.to_string())?;
    let permission = "66666666-6666-4666-8666-666666666666";
    bench.entra.offer_permission(orders.client_id, "api://orders", "Orders.Read", permission);
    let (client, contoso) = (bench.app.client_id(), bench.contoso.to_string());
    bench.entra.grant(bench.contoso, client, "api://orders", &["Orders.Read"]);
    let token = bench.refresh_token().await?;
    let scope = [("scope", "api://orders/Orders.Read")];
    let access = bench.exchange(&contoso, &token, &scope).await?.claims("access_token");
    let issuer = format!("{}/{contoso}/v2.0", bench.entra.login_origin());
    assert_eq!((&access["ver"], &access["iss"]), (&json!("2.0"), &json!(issuer)));
    assert_eq!((&access["aud"], &access["azp"]), (&json!(orders.client_id), &json!(client)));
    assert_eq!((&access["scp"], access.get("amr")), (&json!("Orders.Read"), None));
    let resource = [("resource", "api://orders")];
    let at_v1 = bench.exchange_v1(&contoso, &token, &resource).await?.claims("access_token");
    assert_eq!(at_v1["ver"], "2.0", "whatever endpoint was asked");
    Ok(())
}

#[tokio::test]
async fn its_clock_can_run_ahead_of_everybody_elses_and_all_of_it_does() -> Outcome {
    const YEAR: i64 = 365 * 24 * 3600;
    let bench = Bench::new().await?;
    let (contoso, fabrikam) = (bench.contoso.to_string(), bench.fabrikam.to_string());
    bench.entra.grant(bench.fabrikam, bench.app.client_id(), GRAPH, &["Directory.Read.All"]);
    let graph = format!("openid offline_access {GRAPH}/Directory.Read.All");
    let graph = [("scope", graph.as_str())];
    let token = bench.refresh_token().await?;
    bench.entra.shift_clock(YEAR);
    assert_eq!(bench.exchange(&contoso, &token, &[]).await?.number(), 700_082);
    bench.entra.shift_clock(-YEAR);
    assert_eq!(bench.exchange(&contoso, &token, &[]).await?.status, 200);
    assert_eq!(bench.exchange(&fabrikam, &token, &graph).await?.status, 200);
    bench.entra.shift_clock(3 * YEAR);
    let later = bench.refresh_token().await?;
    let ended = bench.exchange(&fabrikam, &later, &graph).await?;
    assert_eq!(ended.number(), 50_020, "the relationship was one of two years");
    Ok(())
}
