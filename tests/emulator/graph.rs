//! Graph's read-back: what was granted, to whom, and by which relationship.

use std::error::Error;
use std::time::Duration;

use cpv_consent::emulator::{Browser, RelationshipStatus, User, role};
use cpv_consent::{ClientId, TenantId};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use serde_json::{Value, json};

use super::bench::{Bench, FieldList, GRAPH, NOBODY, Outcome, REDIRECT, Reply, SECRET};

const DAY: Duration = Duration::from_secs(24 * 3600);
const GRAPH_APP: &str = "00000003-0000-0000-c000-000000000000";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A person's refresh token from a tenant where an administrator granted everything before.
async fn refresh_token(bench: &Bench, user: &User) -> Result<String, Box<dyn Error>> {
    let tenant = user.tenant.to_string();
    let scope = format!("offline_access {GRAPH}/.default");
    let url = bench.authorize_url(&tenant, &[("scope", &scope)]);
    let request = Browser::new().consent(&url, user).await?;
    let client_id = bench.app.client_id().to_string();
    let callback = FieldList::of_query(&request);
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", client_id.as_str()),
        ("client_secret", SECRET),
        ("code", callback.code()?),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let reply = bench.post(&bench.token_url(&tenant), &fields).await?;
    Ok(reply.text("refresh_token").to_owned())
}

/// A token for Graph in `tenant`, with these permissions for everyone there.
async fn token(
    bench: &Bench,
    user: &User,
    tenant: TenantId,
    permissions: &[&str],
) -> Result<String, Box<dyn Error>> {
    let client = bench.app.client_id();
    bench.entra.grant(user.tenant, client, GRAPH, permissions);
    bench.entra.grant(tenant, client, GRAPH, permissions);
    let refresh = refresh_token(bench, user).await?;
    let scope = format!("{GRAPH}/.default");
    let reply = bench.exchange(&tenant.to_string(), &refresh, &[("scope", &scope)]).await?;
    Ok(reply.text("access_token").to_owned())
}

async fn read(bench: &Bench, token: &str, path: &str) -> Result<Reply, Box<dyn Error>> {
    let url = match path.starts_with("http") {
        true => path.to_owned(),
        false => format!("{}{path}", bench.entra.graph_origin()),
    };
    let request = bench.http.get(url).header(AUTHORIZATION, format!("Bearer {token}"));
    Reply::read(request.send().await?).await
}

fn items(reply: &Reply) -> &[Value] {
    reply.json["value"].as_array().map_or(&[], Vec::as_slice)
}

fn code(reply: &Reply) -> (u16, &str) {
    (reply.status, reply.json["error"]["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_consent_is_read_back_as_a_principal_and_its_grants() -> Outcome {
    let bench = Bench::new().await?;
    let client = bench.app.client_id();
    let token = token(&bench, &bench.admin, bench.fabrikam, &["Directory.Read.All"]).await?;
    bench.entra.grant(bench.fabrikam, client, GRAPH, &["User.Read"]);
    let keyed = format!("/servicePrincipals(appId='{client}')");
    let found = read(&bench, &token, &format!("/v1.0{keyed}")).await?;
    let id = found.text("id");
    assert_eq!(
        (found.text("appId"), found.text("displayName")),
        (&*client.to_string(), "Vendor Panel")
    );
    assert_eq!(found.text("appOwnerOrganizationId"), bench.app.home().to_string());
    for path in [
        format!("/v1.0/servicePrincipals/{id}/oauth2PermissionGrants"),
        format!("/beta{keyed}/oauth2PermissionGrants"),
        format!("/v1.0/oauth2PermissionGrants?$filter=clientId eq '{id}'"),
        format!(
            "/beta/oauth2PermissionGrants?$filter=consentType eq 'AllPrincipals' and clientId eq '{id}'"
        ),
    ] {
        let reply = read(&bench, &token, &path).await?;
        let [grant] = items(&reply) else { return Err(format!("{path}: {:?}", reply.json).into()) };
        assert_eq!(
            (&grant["clientId"], &grant["consentType"]),
            (&json!(id), &json!("AllPrincipals"))
        );
        assert_eq!(
            (&grant["scope"], &grant["principalId"]),
            (&json!("Directory.Read.All User.Read"), &Value::Null)
        );
        let resource = grant["resourceId"].as_str().ok_or("a resource")?;
        let resource = read(&bench, &token, &format!("/v1.0/servicePrincipals/{resource}")).await?;
        assert_eq!(resource.text("appId"), GRAPH_APP);
        let one = grant["id"].as_str().ok_or("an id")?;
        let one = read(&bench, &token, &format!("/v1.0/oauth2PermissionGrants/{one}")).await?;
        assert_eq!(one.json["scope"], grant["scope"]);
    }
    let elsewhere = format!("/v1.0/oauth2PermissionGrants?$filter=clientId eq '{NOBODY}'");
    assert_eq!(items(&read(&bench, &token, &elsewhere).await?), [] as [Value; 0]);
    bench.entra.withdraw_grants(bench.fabrikam, client);
    let path = format!("/v1.0/servicePrincipals/{id}/oauth2PermissionGrants");
    assert_eq!(items(&read(&bench, &token, &path).await?).len(), 0);
    Ok(())
}

#[tokio::test]
async fn what_one_person_agreed_to_is_a_grant_of_that_person() -> Outcome {
    let bench = Bench::new().await?;
    let refresh = bench.refresh_token().await?;
    let scope = format!("{GRAPH}/Directory.Read.All");
    let reply = bench.exchange("organizations", &refresh, &[("scope", &scope)]).await?;
    let token = reply.text("access_token");
    let path = format!(
        "/v1.0/servicePrincipals(appId='{}')/oauth2PermissionGrants",
        bench.app.client_id()
    );
    let grants = read(&bench, token, &path).await?;
    assert_eq!(items(&grants).len(), 2, "one for each resource");
    for grant in items(&grants) {
        assert_eq!(grant["consentType"], "Principal");
        assert_eq!(grant["principalId"], bench.admin.id.to_string());
    }
    Ok(())
}

#[tokio::test]
async fn resources_have_a_principal_that_names_their_permissions_until_it_is_removed() -> Outcome {
    let bench = Bench::new().await?;
    let token = token(&bench, &bench.admin, bench.fabrikam, &["Directory.Read.All"]).await?;
    let center = "fa3d9a0c-3fb0-42cc-9193-47c7ecd2edbd";
    let path = format!("/v1.0/servicePrincipals?$filter=appId eq '{center}'");
    let found = read(&bench, &token, &path).await?;
    let [principal] = items(&found) else { return Err("one principal".into()) };
    let scope = &principal["oauth2PermissionScopes"][0];
    assert_eq!(scope["id"], "1cebfa2a-fb4d-419e-b5f9-839b4383e05a");
    assert_eq!(scope["value"], "user_impersonation");
    bench.entra.remove_principal(bench.fabrikam, ClientId::parse(center)?);
    assert_eq!(items(&read(&bench, &token, &path).await?).len(), 0);
    let keyed = format!("/v1.0/servicePrincipals(appId='{center}')");
    let gone = read(&bench, &token, &keyed).await?;
    assert_eq!(code(&gone), (404, "Request_ResourceNotFound"));
    bench.entra.add_principal(bench.fabrikam, ClientId::parse(center)?);
    let back = read(&bench, &token, &keyed).await?;
    assert_ne!(back.text("id"), principal["id"].as_str().ok_or("an id")?, "it is a new object");
    Ok(())
}

#[tokio::test]
async fn every_read_needs_a_permission_that_the_reference_lists() -> Outcome {
    let bench = Bench::new().await?;
    let none = token(&bench, &bench.admin, bench.fabrikam, &["User.ReadBasic.All"]).await?;
    let by_app = format!("/v1.0/servicePrincipals(appId='{NOBODY}')");
    let of_app = format!("{by_app}/oauth2PermissionGrants");
    for path in [
        "/v1.0/servicePrincipals",
        &by_app,
        &of_app,
        "/v1.0/servicePrincipals/x",
        "/v1.0/servicePrincipals/x/oauth2PermissionGrants",
        "/v1.0/oauth2PermissionGrants",
        "/v1.0/oauth2PermissionGrants/x",
        "/v1.0/organization",
        "/v1.0/me/memberOf",
        "/v1.0/tenantRelationships/delegatedAdminRelationships",
        "/v1.0/tenantRelationships/delegatedAdminRelationships/x",
        "/v1.0/tenantRelationships/delegatedAdminRelationships/x/accessAssignments",
    ] {
        let reply = read(&bench, &none, path).await?;
        assert_eq!(code(&reply), (403, "Authorization_RequestDenied"), "{path}");
    }
    let apps = token(&bench, &bench.admin, bench.fabrikam, &["Application.Read.All"]).await?;
    assert_eq!(read(&bench, &apps, "/v1.0/servicePrincipals").await?.status, 200);
    let grants = read(&bench, &apps, "/v1.0/oauth2PermissionGrants").await?;
    assert_eq!(code(&grants), (403, "Authorization_RequestDenied"));
    Ok(())
}

#[tokio::test]
async fn faults_are_spelled_as_graph_spells_them_and_carry_the_ids_of_the_request() -> Outcome {
    let bench = Bench::new().await?;
    let origin = bench.entra.graph_origin().to_owned();
    let request = bench.http.get(format!("{origin}/v1.0/me")).header("client-request-id", "mine");
    let reply = Reply::read(request.send().await?).await?;
    assert_eq!(code(&reply), (401, "InvalidAuthenticationToken"));
    assert!(reply.headers[WWW_AUTHENTICATE].to_str()?.starts_with("Bearer realm="));
    assert_eq!(reply.headers["client-request-id"], "mine");
    let inner = &reply.json["error"]["innerError"];
    assert_eq!(inner["client-request-id"], "mine");
    assert_eq!(inner["request-id"], reply.headers["request-id"].to_str()?);
    assert!(inner["date"].as_str().is_some_and(|date| date.len() == 19), "{inner}");
    let refused = read(&bench, "x", "/v1.0/me").await?;
    assert_eq!(code(&refused), (401, "InvalidAuthenticationToken"));

    let token = token(&bench, &bench.admin, bench.contoso, &["Directory.Read.All"]).await?;
    let me = read(&bench, &token, "/v1.0/me").await?;
    assert_eq!(me.headers["request-id"], me.headers["client-request-id"]);
    for (path, expected) in [
        ("/v1.0/servicePrincipals/x", (404, "Request_ResourceNotFound")),
        ("/v1.0/oauth2PermissionGrants/x", (404, "Request_ResourceNotFound")),
        ("/v2.0/me", (400, "BadRequest")),
        ("/v1.0/nobody", (400, "BadRequest")),
        ("/v1.0/nobody/knows/this", (400, "BadRequest")),
        ("/v1.0/servicePrincipals?$filter=appId ne 'x'", (400, "Request_UnsupportedQuery")),
        ("/v1.0/servicePrincipals?$filter=appRoles eq 'x'", (400, "Request_UnsupportedQuery")),
        ("/v1.0/servicePrincipals?$expand=owners", (400, "Request_UnsupportedQuery")),
        ("/v1.0/servicePrincipals?$top=0", (400, "Request_UnsupportedQuery")),
        ("/v1.0/servicePrincipals?$top=1000", (400, "Request_UnsupportedQuery")),
        ("/v1.0/servicePrincipals?$skiptoken=x", (400, "Directory_ExpiredPageToken")),
    ] {
        assert_eq!(code(&read(&bench, &token, path).await?), expected, "{path}");
    }
    let post = bench.http.post(format!("{origin}/v1.0/servicePrincipals")).send().await?;
    assert_eq!(code(&Reply::read(post).await?), (405, "Request_BadRequest"));
    Ok(())
}

#[tokio::test]
async fn collections_come_in_pages_and_a_page_belongs_to_its_collection() -> Outcome {
    let bench = Bench::new().await?;
    let token = token(&bench, &bench.admin, bench.fabrikam, &["Directory.Read.All"]).await?;
    let whole = read(&bench, &token, "/v1.0/servicePrincipals?$count=true").await?;
    let all: Vec<&Value> = items(&whole).iter().map(|item| &item["id"]).collect();
    assert!(all.len() > 6 && whole.json.get("@odata.nextLink").is_none());
    assert_eq!(whole.json["@odata.count"], all.len());
    bench.entra.graph_page_size(3);
    let mut next = Some("/v1.0/servicePrincipals?$select=id,appId".to_owned());
    let (mut seen, mut pages) = (Vec::new(), 0);
    while let Some(url) = next {
        let page = read(&bench, &token, &url).await?;
        assert!((1..=3).contains(&items(&page).len()));
        for item in items(&page) {
            assert_eq!(item.as_object().map(|members| members.len()), Some(2), "{item}");
            seen.push(item["id"].clone());
        }
        pages += 1;
        next = page.json["@odata.nextLink"].as_str().map(str::to_owned);
    }
    assert_eq!(pages, all.len().div_ceil(3));
    assert_eq!(seen.iter().collect::<Vec<_>>(), all);
    let first = read(&bench, &token, "/v1.0/servicePrincipals?$top=1").await?;
    let link = first.text("@odata.nextLink");
    assert!(link.contains("$top=1&$skiptoken="), "{link}");
    let elsewhere = link.replace("/servicePrincipals", "/oauth2PermissionGrants");
    let reply = read(&bench, &token, &elsewhere).await?;
    assert_eq!(code(&reply), (400, "Directory_ExpiredPageToken"));
    Ok(())
}

#[tokio::test]
async fn memberships_are_groups_and_roles_and_a_small_token_sees_only_their_ids() -> Outcome {
    let bench = Bench::new().await?;
    bench.entra.change_user(&bench.admin, |user| user.roles = vec![role::GLOBAL_READER.to_owned()]);
    let small = token(&bench, &bench.admin, bench.contoso, &["User.Read"]).await?;
    let reply = read(&bench, &small, "/v1.0/me/transitiveMemberOf").await?;
    let [group, directory_role] = items(&reply) else { return Err("two memberships".into()) };
    assert_eq!(group["@odata.type"], "#microsoft.graph.group");
    assert_eq!(group["id"], bench.entra.admin_agents(bench.contoso).to_string());
    assert_eq!(
        (&group["displayName"], &directory_role["roleTemplateId"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(directory_role["@odata.type"], "#microsoft.graph.directoryRole");
    let large = token(&bench, &bench.admin, bench.contoso, &["Directory.Read.All"]).await?;
    let reply = read(&bench, &large, "/beta/me/memberOf").await?;
    assert_eq!(items(&reply)[0]["displayName"], "AdminAgents");
    assert_eq!(items(&reply)[1]["displayName"], "Global Reader");
    assert_eq!(items(&reply)[1]["roleTemplateId"], role::GLOBAL_READER);
    bench.entra.remove_member(bench.entra.admin_agents(bench.contoso), &bench.admin);
    assert_eq!(items(&read(&bench, &large, "/v1.0/me/memberOf").await?).len(), 1);
    Ok(())
}

#[tokio::test]
async fn relationships_are_listed_by_status_with_their_assignments() -> Outcome {
    let bench = Bench::new().await?;
    let Bench { entra, contoso, fabrikam, .. } = &bench;
    let permission = "DelegatedAdminRelationship.Read.All";
    let token = token(&bench, &bench.admin, *contoso, &[permission]).await?;
    let adatum = entra.add_customer(*contoso, "Adatum");
    entra.add_relationship(*contoso, adatum, |relationship| {
        "Only for a while".clone_into(&mut relationship.name);
        relationship.ends = relationship.begins + 30 * DAY;
        relationship.roles = vec![role::DIRECTORY_READERS.to_owned()];
    });
    entra.end_relationship(*contoso, *fabrikam);
    let base = "/v1.0/tenantRelationships/delegatedAdminRelationships";
    assert_eq!(items(&read(&bench, &token, base).await?).len(), 3);
    let active = format!("{base}?$filter=status eq 'active'");
    let found = read(&bench, &token, &active).await?;
    let short = items(&found).iter().find(|item| item["displayName"] == "Only for a while");
    let short = short.ok_or("the relationship")?;
    assert_eq!((items(&found).len(), &short["duration"]), (2, &json!("P30D")));
    let customer = json!({ "tenantId": adatum, "displayName": "Adatum" });
    assert_eq!(short["customer"], customer);
    let roles = &short["accessDetails"]["unifiedRoles"];
    assert_eq!(roles, &json!([{ "roleDefinitionId": role::DIRECTORY_READERS }]));
    let one = format!("{base}/{}", short["id"].as_str().ok_or("an id")?);
    let assignments = read(&bench, &token, &format!("{one}/accessAssignments")).await?;
    let container = &items(&assignments)[0]["accessContainer"]["accessContainerId"];
    assert_eq!(*container, entra.admin_agents(*contoso).to_string());
    bench.clock.advance(30 * DAY);
    let token = self::token(&bench, &bench.admin, *contoso, &[permission]).await?;
    assert_eq!(read(&bench, &token, &one).await?.text("status"), "expired");
    assert_eq!(items(&read(&bench, &token, &active).await?).len(), 1);
    let of_adatum = format!("{base}?$filter=customer/tenantId eq '{adatum}'");
    assert_eq!(items(&read(&bench, &token, &of_adatum).await?).len(), 2);
    entra.change_relationship(*contoso, "unknown", |found| {
        found.status = RelationshipStatus::Created
    });
    let missing = read(&bench, &token, &format!("{base}/unknown")).await?;
    assert_eq!(code(&missing), (404, "Request_ResourceNotFound"));
    Ok(())
}

#[tokio::test]
async fn a_delegated_administrator_is_nobody_in_the_customers_tenant_and_needs_a_role() -> Outcome {
    let bench = Bench::new().await?;
    let Bench { entra, contoso, admin, fabrikam, .. } = &bench;
    let token = token(&bench, admin, *fabrikam, &["Directory.Read.All"]).await?;
    assert_eq!(read(&bench, &token, "/v1.0/organization").await?.status, 200);
    for path in ["/v1.0/me", "/v1.0/me/memberOf"] {
        let reply = read(&bench, &token, path).await?;
        assert_eq!(code(&reply), (404, "Request_ResourceNotFound"), "{path}");
    }
    entra.end_relationship(*contoso, *fabrikam);
    let unassigned = entra.add_relationship(*contoso, *fabrikam, |found| found.assignments.clear());
    let reply = read(&bench, &token, "/v1.0/organization").await?;
    assert_eq!(code(&reply), (403, "Authorization_RequestDenied"), "an agent without any role");
    let agents = entra.admin_agents(*contoso);
    entra.change_relationship(*contoso, &unassigned.id, |found| {
        found.assignments.push((agents, vec![role::GLOBAL_READER.to_owned()]));
    });
    assert_eq!(read(&bench, &token, "/v1.0/organization").await?.status, 200);
    entra.remove_principal(*fabrikam, bench.app.client_id());
    let reply = read(&bench, &token, "/v1.0/organization").await?;
    assert_eq!(code(&reply), (401, "Authorization_IdentityNotFound"));
    Ok(())
}
