//! What a consent does elsewhere: when it is seen, and what is left of one that was removed.

use std::time::Duration;

use cpv_consent::ClientId;

use super::super::bench::{GRAPH, Outcome, Reply};
use super::desk::{ARM, ARM_APP, Desk, GRAPH_APP, fault};

#[tokio::test]
async fn a_consent_is_seen_elsewhere_only_once_it_has_spread() -> Outcome {
    let desk = Desk::new().await?;
    desk.bench.entra.consents_take(Duration::from_secs(60));
    assert_eq!(desk.create(&[(GRAPH_APP, "User.Read")]).await?.status, 201);
    desk.bench.clock.advance(Duration::from_secs(59));
    assert_eq!(desk.graph_at_fabrikam().await?, Err(65_001));
    let again = desk.create(&[(GRAPH_APP, "User.Read")]).await?;
    assert_eq!(again.status, 409, "Partner Center knows what it wrote");
    assert_eq!(desk.bench.entra.application_consents(desk.bench.fabrikam).len(), 1);
    desk.bench.clock.advance(Duration::from_secs(1));
    assert!(desk.graph_at_fabrikam().await?.is_ok());
    Ok(())
}

#[tokio::test]
async fn a_resource_without_a_principal_at_the_customer_fails_alone() -> Outcome {
    let desk = Desk::new().await?;
    let (entra, fabrikam) = (&desk.bench.entra, desk.bench.fabrikam);
    entra.remove_principal(fabrikam, ClientId::parse(ARM_APP)?);
    let both = [(ARM_APP, "user_impersonation"), (GRAPH_APP, "User.Read")];
    entra.doubts(|doubts| doubts.consents_in_part = false);
    assert_eq!(fault(&desk.create(&both).await?), (400, "3000"));
    assert!(entra.application_consents(fabrikam).is_empty());
    entra.doubts(|doubts| doubts.consents_in_part = true);
    assert_eq!(fault(&desk.create(&both).await?), (400, "3000"));
    let consents = entra.application_consents(fabrikam);
    assert_eq!(consents[0].grants.keys().collect::<Vec<_>>(), [GRAPH]);
    entra.add_principal(fabrikam, ClientId::parse(ARM_APP)?);
    assert_eq!(desk.create(&both[..1]).await?.status, 201);
    assert_eq!(desk.at_fabrikam(ARM).await?.status, 200);
    Ok(())
}

/// The application's principal at the customer, as Graph shows it.
async fn principal(desk: &Desk, token: &str) -> Result<Reply, Box<dyn std::error::Error>> {
    let origin = desk.bench.entra.graph_origin();
    let client = desk.bench.app.client_id();
    let url = format!("{origin}/v1.0/servicePrincipals(appId='{client}')");
    desk.bench.read(&url, token).await
}

#[tokio::test]
async fn a_removal_takes_the_principal_with_it_or_leaves_it_without_grants() -> Outcome {
    let desk = Desk::new().await?;
    for removes in [false, true] {
        desk.bench.entra.doubts(|doubts| doubts.consent_delete_removes_principal = removes);
        assert_eq!(desk.create(&[(GRAPH_APP, "Directory.Read.All")]).await?.status, 201);
        let token = desk.at_fabrikam(GRAPH).await?.text("access_token").to_owned();
        assert_eq!(principal(&desk, &token).await?.status, 200);
        assert_eq!(desk.remove().await?.status, 204);
        let left = principal(&desk, &token).await?;
        assert_eq!(left.status == 200, !removes, "{}", left.json);
        assert_eq!(desk.graph_at_fabrikam().await?, Err(65_001));
        assert_eq!(desk.remove().await?.status, 404, "no consent is left");
    }
    Ok(())
}
