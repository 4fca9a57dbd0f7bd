//! Application consents: what they grant, where, and how often.

use cpv_consent::emulator::ApplicationConsent;
use http::Method;
use serde_json::{Value, json};

use super::super::bench::{GRAPH, NOBODY, Outcome, PARTNER_CENTER};
use super::desk::{ARM, ARM_APP, Desk, GRAPH_APP, consents, each_is_refused, fault};

/// What the customer's tenant consents to, as `resource: permissions`.
fn listed(desk: &Desk) -> Vec<String> {
    let consents = desk.bench.entra.application_consents(desk.bench.fabrikam);
    let grants = |consent: ApplicationConsent| {
        assert_eq!(consent.application, desk.bench.app.client_id());
        consent.grants.into_iter().map(|(resource, names)| {
            format!("{resource}: {}", names.into_iter().collect::<Vec<_>>().join(" "))
        })
    };
    consents.into_iter().flat_map(grants).collect()
}

#[tokio::test]
async fn a_consent_makes_tokens_at_the_customer_and_its_removal_ends_them() -> Outcome {
    let desk = Desk::new().await?;
    assert_eq!(desk.graph_at_fabrikam().await?, Err(65_001));
    let created = desk.create(&[(GRAPH_APP, "Directory.Read.All,User.Read")]).await?;
    assert_eq!(created.status, 201);
    assert_eq!(created.text("applicationId"), desk.bench.app.client_id().to_string());
    assert_eq!(created.text("displayName"), "Vendor Panel");
    let grant = &created.json["applicationGrants"][0];
    assert_eq!(grant["enterpriseApplicationId"], GRAPH_APP);
    assert_eq!(grant["scope"], "Directory.Read.All,User.Read");
    let scope = desk.graph_at_fabrikam().await?.expect("granted");
    assert!(scope.contains("/Directory.Read.All") && scope.contains("/User.Read"), "{scope}");
    assert_eq!(desk.at_fabrikam(ARM).await?.number(), 65_001, "the other resource is untouched");
    let removed = desk.remove().await?;
    assert_eq!((removed.status, removed.body.len()), (204, 0));
    assert_eq!(desk.graph_at_fabrikam().await?, Err(65_001));
    assert_eq!(desk.bench.entra.application_consents(desk.bench.fabrikam), []);
    Ok(())
}

#[tokio::test]
async fn names_in_any_case_and_scopes_with_any_separator_are_read() -> Outcome {
    let desk = Desk::new().await?;
    for scope in [
        "Directory.Read.All,User.Read",
        "Directory.Read.All, User.Read",
        "Directory.Read.All User.Read",
    ] {
        let body = json!({
            "ApplicationId": desk.bench.app.client_id(),
            "ApplicationGrants": [{ "EnterpriseApplicationId": GRAPH_APP, "Scope": scope }],
            "Unknown": { "Field": 1 },
        });
        let path = consents(desk.bench.fabrikam);
        let created = desk.send(Method::POST, &path, &[], body.to_string()).await?;
        assert_eq!(created.status, 201, "{scope}");
        assert_eq!(listed(&desk), [format!("{GRAPH}: Directory.Read.All User.Read")], "{scope}");
        assert_eq!(desk.remove().await?.status, 204);
    }
    Ok(())
}

#[tokio::test]
async fn several_resources_are_granted_at_once_or_one_after_the_other() -> Outcome {
    let desk = Desk::new().await?;
    let both = [(GRAPH_APP, "User.Read"), (ARM_APP, "user_impersonation")];
    let expected = [format!("{GRAPH}: User.Read"), format!("{ARM}: user_impersonation")];
    assert_eq!(desk.create(&both).await?.status, 201);
    assert_eq!(listed(&desk), expected);
    assert_eq!(desk.remove().await?.status, 204);
    for one in both {
        assert_eq!(desk.create(&[one]).await?.status, 201);
    }
    assert_eq!(listed(&desk), expected);
    Ok(())
}

#[tokio::test]
async fn a_consent_that_exists_is_reported_and_left_as_it_is() -> Outcome {
    let desk = Desk::new().await?;
    assert_eq!(desk.create(&[(GRAPH_APP, "User.Read")]).await?.status, 201);
    for status in [409, 400, 500] {
        desk.bench.entra.doubts(|doubts| doubts.consent_exists_status = status);
        let again = desk.create(&[(GRAPH_APP, "Directory.Read.All")]).await?;
        assert_eq!(again.status, status);
        assert!(again.text("description").contains("Permission entry already exists"));
        assert_eq!(listed(&desk), [format!("{GRAPH}: User.Read")], "the scopes did not change");
    }
    Ok(())
}

#[tokio::test]
async fn of_several_resources_those_that_can_be_are_granted_or_none_is() -> Outcome {
    let desk = Desk::new().await?;
    let entra = &desk.bench.entra;
    assert_eq!(desk.create(&[(GRAPH_APP, "User.Read")]).await?.status, 201);
    let both = [(GRAPH_APP, "Directory.Read.All"), (ARM_APP, "user_impersonation")];
    entra.doubts(|doubts| doubts.consents_in_part = false);
    assert_eq!(desk.create(&both).await?.status, 409);
    assert_eq!(listed(&desk), [format!("{GRAPH}: User.Read")]);
    entra.doubts(|doubts| doubts.consents_in_part = true);
    assert_eq!(desk.create(&both).await?.status, 409);
    let expected = [format!("{GRAPH}: User.Read"), format!("{ARM}: user_impersonation")];
    assert_eq!(listed(&desk), expected);
    Ok(())
}

#[tokio::test]
async fn the_statuses_that_sources_disagree_on_can_be_had_either_way() -> Outcome {
    let desk = Desk::new().await?;
    desk.bench.entra.doubts(|doubts| {
        doubts.consent_created_status = 200;
        doubts.consent_deleted_status = 200;
        doubts.consent_delete_unknown_status = 500;
    });
    assert_eq!(desk.remove().await?.status, 500);
    assert_eq!(desk.create(&[(GRAPH_APP, "User.Read")]).await?.status, 200);
    assert_eq!(desk.remove().await?.status, 200);
    desk.bench.entra.doubts(|doubts| doubts.consent_delete_unknown_status = 404);
    assert_eq!(fault(&desk.remove().await?), (404, "1000"));
    Ok(())
}

#[tokio::test]
async fn a_display_name_counts_only_where_it_is_said_to() -> Outcome {
    let desk = Desk::new().await?;
    let path = consents(desk.bench.fabrikam);
    let mut body = desk.consent(&[(GRAPH_APP, "User.Read")]);
    body["displayName"] = json!("Another Panel");
    desk.bench.entra.doubts(|doubts| doubts.consent_display_name_checked = true);
    let refused = desk.send(Method::POST, &path, &[], body.to_string()).await?;
    assert_eq!(fault(&refused), (400, "3000"));
    desk.bench.entra.doubts(|doubts| doubts.consent_display_name_checked = false);
    assert_eq!(desk.send(Method::POST, &path, &[], body.to_string()).await?.status, 201);
    Ok(())
}

#[tokio::test]
async fn what_is_missing_or_unknown_in_a_consent_is_refused() -> Outcome {
    let desk = Desk::new().await?;
    let path = consents(desk.bench.fabrikam);
    let without = |name: &str| {
        let mut body = desk.consent(&[(GRAPH_APP, "User.Read")]);
        body.as_object_mut().expect("an object").remove(name);
        body.to_string()
    };
    let grant = |grant: (&str, &str)| desk.consent(&[grant]).to_string();
    let with = |name: &str, value: Value| {
        let mut body = desk.consent(&[(GRAPH_APP, "User.Read")]);
        body[name] = value;
        body.to_string()
    };
    let (post, property) = (Method::POST, (400, "3000"));
    each_is_refused(
        &desk,
        &[
            ("no JSON", post.clone(), &path, "{".to_owned(), (400, "800002")),
            ("no application", post.clone(), &path, without("applicationId"), property),
            ("no GUID", post.clone(), &path, with("applicationId", json!("panel")), property),
            ("no grants", post.clone(), &path, without("applicationGrants"), property),
            ("empty grants", post.clone(), &path, with("applicationGrants", json!([])), property),
            ("no such resource", post.clone(), &path, grant((NOBODY, "User.Read")), property),
            ("no such scope", post.clone(), &path, grant((GRAPH_APP, "User.Fly")), property),
            ("one wrong scope", post.clone(), &path, grant((GRAPH_APP, "User.Read,x")), property),
            ("no scope", post.clone(), &path, grant((GRAPH_APP, " , ")), property),
            ("no GUID", Method::DELETE, &format!("{path}/panel"), String::new(), property),
        ],
    )
    .await?;
    assert_eq!(listed(&desk), [""; 0]);
    Ok(())
}

#[tokio::test]
async fn consents_can_be_neither_listed_nor_changed() -> Outcome {
    let desk = Desk::new().await?;
    let path = consents(desk.bench.fabrikam);
    for method in [Method::GET, Method::PUT, Method::PATCH] {
        let reply = desk.send(method.clone(), &path, &[], "{}").await?;
        assert_eq!(fault(&reply), (404, "1000"), "{method}");
    }
    Ok(())
}

#[tokio::test]
async fn only_the_applications_own_consent_is_changed() -> Outcome {
    let desk = Desk::new().await?;
    let path = consents(desk.bench.fabrikam);
    let other = desk.bench.registration(NOBODY, "another-secret")?;
    desk.bench.entra.register(&other);
    desk.bench.entra.grant(desk.bench.fabrikam, other.client_id(), GRAPH, &["User.Read"]);
    let mut body = desk.consent(&[(GRAPH_APP, "User.Read")]);
    body["applicationId"] = json!(NOBODY);
    each_is_refused(
        &desk,
        &[
            ("create", Method::POST, &path, body.to_string(), (403, "2032")),
            ("remove", Method::DELETE, &format!("{path}/{NOBODY}"), String::new(), (403, "2032")),
        ],
    )
    .await?;
    let kept = desk.bench.entra.application_consents(desk.bench.fabrikam);
    assert_eq!(
        kept.iter().map(|consent| consent.application).collect::<Vec<_>>(),
        [other.client_id()]
    );
    Ok(())
}

#[tokio::test]
async fn partner_center_itself_can_be_granted_at_a_customer_and_is_of_no_use_there() -> Outcome {
    let desk = Desk::new().await?;
    let app = "fa3d9a0c-3fb0-42cc-9193-47c7ecd2edbd";
    assert_eq!(desk.create(&[(app, "user_impersonation")]).await?.status, 201);
    let token = desk.at_fabrikam(PARTNER_CENTER).await?;
    let reply = desk.bench.read(&desk.bench.customers_url(), token.text("access_token")).await?;
    assert_eq!((token.status, fault(&reply)), (200, (403, "2032")), "a customer's token");
    Ok(())
}
