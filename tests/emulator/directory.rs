//! Tenants by domain, and who may administer a customer.

use std::error::Error;
use std::time::Duration;

use cpv_consent::emulator::{Answer, Browser, Relationship, RelationshipStatus, User, role};
use cpv_consent::{ClientId, TenantId};

use super::bench::{Bench, GRAPH, Outcome, PARTNER_CENTER};

const DAY: Duration = Duration::from_secs(24 * 3600);
const GRAPH_APP: &str = "00000003-0000-0000-c000-000000000000";

/// A bench whose customer has granted what is asked for.
async fn granted() -> Result<(Bench, String), Box<dyn Error>> {
    let bench = Bench::new().await?;
    bench.entra.grant(bench.fabrikam, bench.app.client_id(), GRAPH, &["Directory.Read.All"]);
    let token = bench.refresh_token().await?;
    Ok((bench, token))
}

/// The AADSTS number that a request for the customer's Graph is refused with, or 0.
async fn number(bench: &Bench, token: &str, tenant: TenantId) -> Result<u64, Box<dyn Error>> {
    let scope = format!("{GRAPH}/Directory.Read.All");
    let reply = bench.exchange(&tenant.to_string(), token, &[("scope", &scope)]).await?;
    assert_eq!(reply.status == 200, reply.number() == 0, "{:?}", reply.json);
    Ok(reply.number())
}

#[tokio::test]
async fn a_tenant_is_named_by_its_id_or_by_any_of_its_domains() -> Outcome {
    let bench = Bench::new().await?;
    let token = bench.refresh_token().await?;
    assert!(bench.entra.add_domain(bench.contoso, "Contoso-Cloud.example"));
    for name in ["contoso.onmicrosoft.com", "contoso.example", "CONTOSO-cloud.example"] {
        let reply = bench.exchange(name, &token, &[]).await?;
        assert_eq!(reply.claims("access_token")["tid"], bench.contoso.to_string(), "{name}");
    }
    assert_eq!(bench.exchange("fabrikam.example", &token, &[]).await?.number(), 90_002);
    assert!(!bench.entra.add_domain(bench.fabrikam, "contoso.example"), "it is Contoso's");
    assert_eq!(bench.entra.domains(bench.fabrikam), ["fabrikam.onmicrosoft.com"]);
    let another = bench.entra.add_tenant("Contoso");
    assert_ne!(bench.entra.domains(another), ["contoso.onmicrosoft.com"]);
    bench.entra.remove_tenant(bench.contoso);
    assert_eq!(bench.exchange("contoso.example", &token, &[]).await?.number(), 90_002);
    Ok(())
}

#[tokio::test]
async fn a_relationship_admits_while_it_is_active_and_until_it_ends() -> Outcome {
    let (bench, token) = granted().await?;
    let (contoso, fabrikam) = (bench.contoso, bench.fabrikam);
    assert_eq!(number(&bench, &token, fabrikam).await?, 0);
    bench.entra.end_relationship(contoso, fabrikam);
    assert_eq!(number(&bench, &token, fabrikam).await?, 50_020);
    let another = bench.entra.add_relationship(contoso, fabrikam, |relationship| {
        relationship.status = RelationshipStatus::ApprovalPending;
    });
    assert_eq!(number(&bench, &token, fabrikam).await?, 50_020, "nobody approved it");
    bench.entra.change_relationship(contoso, &another.id, |relationship| {
        relationship.status = RelationshipStatus::Active;
        relationship.ends = relationship.begins + 10 * DAY;
    });
    bench.clock.advance(10 * DAY - Duration::from_secs(1));
    assert_eq!(number(&bench, &token, fabrikam).await?, 0);
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(number(&bench, &token, fabrikam).await?, 50_020, "it ended by itself");
    Ok(())
}

#[tokio::test]
async fn selling_to_a_customer_admits_nobody() -> Outcome {
    let (bench, token) = granted().await?;
    let client = bench.app.client_id();
    let adatum = bench.entra.add_reseller_customer(bench.contoso, "Adatum");
    bench.entra.grant(adatum, client, GRAPH, &["Directory.Read.All"]);
    assert_eq!(number(&bench, &token, adatum).await?, 50_020);
    let access = bench.exchange("organizations", &token, &[]).await?;
    let customers = bench.read(&bench.customers_url(), access.text("access_token")).await?;
    let adatum = adatum.to_string();
    let mut items = customers.json["items"].as_array().ok_or("customers")?.iter();
    let item = items.find(|item| item["id"] == adatum.as_str()).ok_or("it is listed")?;
    assert_eq!(item["allowDelegatedAccess"], false);
    Ok(())
}

#[tokio::test]
async fn only_an_agent_who_is_in_an_assigned_group_enters() -> Outcome {
    let (bench, token) = granted().await?;
    let Bench { entra, contoso, admin, fabrikam, .. } = &bench;
    let agents = entra.admin_agents(*contoso);
    entra.remove_member(agents, admin);
    assert_eq!(number(&bench, &token, *fabrikam).await?, 50_020);
    let engineers = entra.add_group(*contoso, "Engineers");
    entra.add_member(engineers, admin);
    assert_eq!(number(&bench, &token, *fabrikam).await?, 50_020, "the group has no role there");
    let assign = |relationship: &mut Relationship| {
        relationship.assignments.push((engineers, vec![role::GLOBAL_READER.to_owned()]));
    };
    entra.add_relationship(*contoso, *fabrikam, assign);
    assert_eq!(number(&bench, &token, *fabrikam).await?, 50_020, "they are no agent");
    entra.doubts(|doubts| doubts.gdap_needs_admin_agents = false);
    assert_eq!(number(&bench, &token, *fabrikam).await?, 0);
    let stranger = User { tenant: *fabrikam, ..admin.clone() };
    entra.remove_member(engineers, &stranger);
    assert_eq!(number(&bench, &token, *fabrikam).await?, 0, "it is another tenant's group");
    entra.remove_member(engineers, admin);
    assert_eq!(number(&bench, &token, *fabrikam).await?, 50_020);
    entra.add_member(agents, admin);
    assert_eq!(number(&bench, &token, *fabrikam).await?, 0);
    entra.doubts(|doubts| doubts.gdap_needs_admin_agents = true);
    assert_eq!(number(&bench, &token, *fabrikam).await?, 0);
    Ok(())
}

#[tokio::test]
async fn an_agent_without_a_role_at_the_customer_stays_out() -> Outcome {
    let (bench, token) = granted().await?;
    let Bench { entra, contoso, fabrikam, .. } = &bench;
    entra.end_relationship(*contoso, *fabrikam);
    let agents = entra.admin_agents(*contoso);
    for assignments in [Vec::new(), vec![(agents, Vec::new())]] {
        entra.add_relationship(*contoso, *fabrikam, |relationship| {
            relationship.assignments = assignments;
        });
        for agents_only in [true, false] {
            entra.doubts(|doubts| doubts.gdap_needs_admin_agents = agents_only);
            assert_eq!(number(&bench, &token, *fabrikam).await?, 50_020);
        }
    }
    Ok(())
}

#[tokio::test]
async fn grants_go_with_the_principal_of_the_application() -> Outcome {
    let (bench, token) = granted().await?;
    let (client, fabrikam) = (bench.app.client_id(), bench.fabrikam);
    bench.entra.remove_principal(fabrikam, client);
    assert_ne!(number(&bench, &token, fabrikam).await?, 0);
    bench.entra.add_principal(fabrikam, client);
    assert_eq!(number(&bench, &token, fabrikam).await?, 65_001, "it comes back without grants");
    bench.entra.grant(fabrikam, client, GRAPH, &["Directory.Read.All"]);
    assert_eq!(number(&bench, &token, fabrikam).await?, 0);
    Ok(())
}

#[tokio::test]
async fn grants_go_with_the_principal_of_the_resource() -> Outcome {
    let (bench, token) = granted().await?;
    let graph = ClientId::parse(GRAPH_APP)?;
    bench.entra.remove_principal(bench.contoso, graph);
    assert_eq!(number(&bench, &token, bench.fabrikam).await?, 0, "another tenant has its own");
    assert_eq!(number(&bench, &token, bench.contoso).await?, 500_011);
    let other = bench.exchange("organizations", &token, &[]).await?;
    assert_eq!(other.claims("access_token")["aud"], PARTNER_CENTER, "another resource stays");
    let callback = bench.callback(&bench.admin, Answer::Accept, &[]).await?;
    assert_eq!(callback.refusal(), Some(650_052), "nor can anybody agree to it");
    bench.entra.add_principal(bench.contoso, graph);
    assert_eq!(number(&bench, &token, bench.contoso).await?, 65_001, "without its grants");
    assert!(bench.callback(&bench.admin, Answer::Accept, &[]).await?.code().is_ok());
    Ok(())
}

#[tokio::test]
async fn who_is_not_assigned_any_more_has_no_tokens_where_they_have_an_account() -> Outcome {
    let (bench, token) = granted().await?;
    let Bench { entra, contoso, admin, fabrikam, .. } = &bench;
    let client = bench.app.client_id();
    let northwind = entra.add_tenant("Northwind");
    entra.add_guest(admin, northwind);
    entra.grant(northwind, client, GRAPH, &["Directory.Read.All"]);
    for tenant in [*contoso, northwind] {
        assert_eq!(number(&bench, &token, tenant).await?, 0);
        entra.require_assignment(tenant, client, &[]);
        assert_eq!(number(&bench, &token, tenant).await?, 50_105);
    }
    entra.require_assignment(*contoso, client, &[admin]);
    assert_eq!(number(&bench, &token, *contoso).await?, 0);
    entra.require_assignment(*fabrikam, client, &[]);
    assert_eq!(number(&bench, &token, *fabrikam).await?, 0, "there is nobody to assign");
    Ok(())
}

#[tokio::test]
async fn a_deleted_user_has_no_tokens() -> Outcome {
    let (bench, token) = granted().await?;
    bench.entra.remove_user(&bench.admin);
    assert_eq!(number(&bench, &token, bench.contoso).await?, 50_034);
    let url = bench.authorize_url("organizations", &[]);
    let signed_in = Browser::new().consent(&url, &bench.admin).await;
    assert!(signed_in.is_err());
    Ok(())
}
