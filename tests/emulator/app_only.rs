//! An application in its own name: for the vendor's own vault, and nothing else.

use super::bench::{Bench, GRAPH, Outcome, SECRET};

const VAULT: &str = "https://vault.azure.net/.default";

#[tokio::test]
async fn only_the_vault_is_given_and_only_at_home() -> Outcome {
    let bench = Bench::new().await?;
    let (home, contoso) = (bench.app.home().to_string(), bench.contoso.to_string());
    let client = bench.app.client_id().to_string();
    let graph = format!("{GRAPH}/.default");
    for (tenant, scope, refusal) in [
        (contoso.as_str(), VAULT, (400, "unauthorized_client", "", 7_000_229)),
        ("organizations", VAULT, (400, "invalid_request", "", 50_059)),
        (home.as_str(), graph.as_str(), (400, "invalid_resource", "", 500_011)),
        (
            home.as_str(),
            "https://vault.azure.net/user_impersonation",
            (400, "invalid_scope", "", 1_002_012),
        ),
        (home.as_str(), "", (400, "invalid_request", "", 900_144)),
    ] {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", client.as_str()),
            ("client_secret", SECRET),
            ("scope", scope),
        ];
        let reply = bench.post(&bench.token_url(tenant), &fields).await?;
        assert_eq!(reply.refusal(), refusal, "{scope} at {tenant}");
    }
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", client.as_str()),
        ("client_secret", SECRET),
        ("scope", VAULT),
    ];
    let reply = bench.post(&bench.token_url(&home), &fields).await?;
    assert_eq!((reply.status, reply.json.get("refresh_token")), (200, None));
    let claims = reply.claims("access_token");
    assert_eq!((&claims["idtyp"], claims.get("scp")), (&"app".into(), None));
    bench.entra.remove_principal(bench.app.home(), bench.app.client_id());
    for _ in 0..2 {
        let reply = bench.post(&bench.token_url(&home), &fields).await?;
        assert_eq!(reply.refusal(), (400, "unauthorized_client", "", 7_000_229));
    }
    Ok(())
}

#[tokio::test]
async fn other_grants_are_not_supported() -> Outcome {
    let bench = Bench::new().await?;
    for grant in [
        "password",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "x",
    ] {
        let reply = bench.post(&bench.token_url("organizations"), &[("grant_type", grant)]).await?;
        assert_eq!(reply.refusal(), (400, "unsupported_grant_type", "", 70_003), "{grant}");
    }
    Ok(())
}
