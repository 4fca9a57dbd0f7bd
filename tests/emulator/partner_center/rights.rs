//! Who may give consent: the token, the user's groups and roles, the relationship.

use std::time::Duration;

use cpv_consent::emulator::{RelationshipStatus, role};
use http::Method;
use http::header::WWW_AUTHENTICATE;

use super::super::bench::{GRAPH, Outcome, PARTNER_CENTER, Reply, SECRET};
use super::desk::{Desk, GRAPH_APP, consents, fault};

const GRANTS: [(&str, &str); 1] = [(GRAPH_APP, "User.Read")];

#[tokio::test]
async fn without_a_living_token_for_partner_center_there_is_no_consent() -> Outcome {
    //
    let desk = Desk::new().await?;
    let scope = format!("{GRAPH}/.default");
    let graph = desk.bench.exchange("organizations", &desk.refresh, &[("scope", &scope)]).await?;
    let graph = graph.text("access_token");
    let (path, body) = (consents(desk.bench.fabrikam), desk.consent(&GRANTS).to_string());
    let url = format!("{}{path}", desk.bench.entra.partner_center_origin());
    let bare = desk.bench.http.post(&url).body(body.clone()).send().await?;
    let bare = Reply::read(bare).await?;
    assert_eq!(fault(&bare), (401, "800001"));
    assert!(bare.headers.contains_key(WWW_AUTHENTICATE));
    for (name, token) in [("another audience", graph), ("no token", "x")] {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        let refused = desk.send(Method::POST, &path, &headers, body.as_str()).await?;
        assert_eq!(fault(&refused), (401, "400"), "{name}");
        assert!(refused.headers.contains_key(WWW_AUTHENTICATE), "{name}");
    }
    desk.bench.clock.advance(Duration::from_secs(3599));
    assert_eq!(fault(&desk.create(&GRANTS).await?), (401, "400"), "expired");
    assert!(desk.bench.entra.application_consents(desk.bench.fabrikam).is_empty());
    Ok(())
}

#[tokio::test]
async fn an_application_in_its_own_name_is_nobody_here() -> Outcome {
    let desk = Desk::new().await?;
    let (home, client_id) = (desk.bench.app.home(), desk.bench.app.client_id().to_string());
    let own_token = async |resource: &str| {
        let scope = format!("{resource}/.default");
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", client_id.as_str()),
            ("client_secret", SECRET),
            ("scope", scope.as_str()),
        ];
        desk.bench.post(&desk.bench.token_url(&home.to_string()), &fields).await
    };
    assert_eq!(own_token(PARTNER_CENTER).await?.status, 400, "there is none for Partner Center");
    let vault = own_token("https://vault.azure.net").await?;
    let bearer = format!("Bearer {}", vault.text("access_token"));
    let headers = [("authorization", bearer.as_str())];
    let refused = desk.send(Method::GET, "/v1/customers", &headers, "").await?;
    assert_eq!((vault.status, fault(&refused)), (200, (401, "400")));
    Ok(())
}

#[tokio::test]
async fn a_user_who_is_gone_or_a_tenant_that_is_only_a_customer_has_no_standing() -> Outcome {
    let desk = Desk::new().await?;
    let litware = desk.bench.entra.add_customer(desk.bench.contoso, "Litware");
    let admin = desk.bench.entra.add_user(litware, "admin@litware.example");
    let theirs = format!("Bearer {}", desk.token_of(litware, &admin).await?);
    let headers = [("authorization", theirs.as_str())];
    let refused = desk.send(Method::GET, "/v1/customers", &headers, "").await?;
    assert_eq!(fault(&refused), (403, "2032"), "a customer's own administrator");
    desk.bench.entra.add_customer(litware, "Wingtip");
    let taken = desk.send(Method::GET, "/v1/customers", &headers, "").await?;
    assert_eq!(taken.status, 200, "who sells to others is a partner");
    desk.bench.entra.remove_user(&desk.bench.admin);
    assert_eq!(fault(&desk.read("/v1/customers").await?), (403, "2032"));
    Ok(())
}

#[tokio::test]
async fn one_of_three_roles_is_needed() -> Outcome {
    let desk = Desk::new().await?;
    let (entra, contoso) = (&desk.bench.entra, desk.bench.contoso);
    entra.end_relationship(contoso, desk.bench.fabrikam);
    assert_eq!(fault(&desk.create(&GRANTS).await?), (403, "2032"), "no relationship");
    let relationship = entra.add_relationship(contoso, desk.bench.fabrikam, |_| {});
    let agents = entra.admin_agents(contoso);
    for (name, given, may) in [
        ("none", "", false),
        ("reader", role::GLOBAL_READER, false),
        ("application", role::APPLICATION_ADMINISTRATOR, false),
        ("cloud application", role::CLOUD_APPLICATION_ADMINISTRATOR, true),
        ("privileged role", role::PRIVILEGED_ROLE_ADMINISTRATOR, true),
        ("global", role::GLOBAL_ADMINISTRATOR, true),
    ] {
        entra.change_relationship(contoso, &relationship.id, |relationship| {
            relationship.assignments = vec![(agents, vec![given.to_owned()])];
        });
        let created = desk.create(&GRANTS).await?;
        let removed = desk.remove().await?;
        let expected = if may { ((201, ""), (204, "")) } else { ((403, "2032"), (403, "2032")) };
        assert_eq!((fault(&created), fault(&removed)), expected, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn the_relationship_must_be_in_force() -> Outcome {
    let desk = Desk::new().await?;
    let (entra, contoso) = (&desk.bench.entra, desk.bench.contoso);
    entra.end_relationship(contoso, desk.bench.fabrikam);
    let relationship = entra.add_relationship(contoso, desk.bench.fabrikam, |_| {});
    let now = relationship.begins;
    for (status, ends, may) in [
        (RelationshipStatus::ApprovalPending, relationship.ends, false),
        (RelationshipStatus::Terminated, relationship.ends, false),
        (RelationshipStatus::Active, now, false),
        (RelationshipStatus::Active, relationship.ends, true),
    ] {
        entra.change_relationship(contoso, &relationship.id, |relationship| {
            (relationship.status, relationship.ends) = (status, ends);
        });
        assert_eq!(desk.create(&GRANTS).await?.status == 201, may, "{status:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_role_is_not_enough_outside_of_admin_agents() -> Outcome {
    let desk = Desk::new().await?;
    let (entra, contoso) = (&desk.bench.entra, desk.bench.contoso);
    let agents = entra.admin_agents(contoso);
    entra.remove_member(agents, &desk.bench.admin);
    assert_eq!(fault(&desk.create(&GRANTS).await?), (403, "2032"), "neither group nor role");
    let engineers = entra.add_group(contoso, "Engineers");
    entra.add_member(engineers, &desk.bench.admin);
    entra.add_relationship(contoso, desk.bench.fabrikam, |relationship| {
        let all = relationship.roles.clone();
        relationship.assignments = vec![(engineers, all)];
    });
    assert_eq!(fault(&desk.create(&GRANTS).await?), (403, "900150"));
    assert_eq!(desk.read("/v1/customers").await?.status, 200, "reading needs no such right");
    entra.add_member(agents, &desk.bench.admin);
    assert_eq!(desk.create(&GRANTS).await?.status, 201);
    Ok(())
}

#[tokio::test]
async fn who_only_sells_to_a_customer_may_not_give_consent() -> Outcome {
    let desk = Desk::new().await?;
    let customer = desk.bench.entra.add_reseller_customer(desk.bench.contoso, "Wingtip");
    let body = desk.consent(&GRANTS).to_string();
    let refused = desk.send(Method::POST, &consents(customer), &[], body).await?;
    assert_eq!(fault(&refused), (403, "2032"));
    assert_eq!(desk.read(&format!("/v1/customers/{customer}")).await?.status, 200);
    Ok(())
}
