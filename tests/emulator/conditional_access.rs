//! What a tenant's policies demand when a refresh token is redeemed.

use std::time::Duration;

use cpv_consent::emulator::{ConditionalAccess, MfaMethod};
use serde_json::Value;

use super::bench::{Bench, GRAPH, Outcome, PARTNER_CENTER, Reply};

/// The policy that a refusal names.
fn policy(reply: &Reply) -> String {
    let claims: Value = serde_json::from_str(reply.text("claims")).expect("claims are JSON");
    let named = &claims["access_token"]["capolids"];
    assert_eq!(named["essential"], true);
    named["values"][0].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_second_factor_is_demanded_where_the_policy_is_in_force() -> Outcome {
    let bench = Bench::new().await?;
    bench.entra.change_user(&bench.admin, |account| account.mfa = MfaMethod::None);
    let (contoso, weak) = (bench.contoso.to_string(), bench.refresh_token().await?);
    let strict = ConditionalAccess { require_mfa: true, ..ConditionalAccess::default() };
    bench.entra.conditional_access(bench.contoso, strict);
    let reply = bench.exchange(&contoso, &weak, &[]).await?;
    assert_eq!(reply.refusal(), (400, "invalid_grant", "basic_action", 50_076));
    let demand = [("claims", reply.text("claims"))];
    assert_eq!(policy(&reply).len(), 36);
    bench.entra.grant(bench.fabrikam, bench.app.client_id(), GRAPH, &["Directory.Read.All"]);
    let graph = [("scope", format!("{GRAPH}/Directory.Read.All"))];
    let graph: Vec<_> = graph.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let elsewhere = bench.exchange(&bench.fabrikam.to_string(), &weak, &graph).await?;
    assert_eq!(elsewhere.status, 200, "another tenant's policies are its own");
    bench.entra.change_user(&bench.admin, |account| account.mfa = MfaMethod::Authenticator);
    let strong = bench.refresh_token().await?;
    assert_eq!(bench.exchange(&contoso, &strong, &[]).await?.status, 200);
    assert_eq!(bench.exchange(&contoso, &strong, &demand).await?.status, 200, "what was demanded");
    Ok(())
}

#[tokio::test]
async fn a_policy_blocks_and_can_be_about_one_resource() -> Outcome {
    let bench = Bench::new().await?;
    let (contoso, token) = (bench.contoso.to_string(), bench.refresh_token().await?);
    let resources = Some(vec![PARTNER_CENTER.to_owned()]);
    let closed = ConditionalAccess { blocked: true, resources, ..ConditionalAccess::default() };
    bench.entra.conditional_access(bench.contoso, closed);
    let reply = bench.exchange(&contoso, &token, &[]).await?;
    assert_eq!(reply.refusal(), (400, "invalid_grant", "message_only", 53_003));
    let at_v1 = bench.exchange_v1(&contoso, &token, &[]).await?;
    assert_eq!(at_v1.number(), 53_003);
    assert_eq!(policy(&reply), policy(&at_v1), "a policy has one id");
    let graph = format!("{GRAPH}/Directory.Read.All");
    assert_eq!(bench.exchange(&contoso, &token, &[("scope", &graph)]).await?.status, 200);
    bench.entra.conditional_access(bench.contoso, ConditionalAccess::default());
    assert_eq!(bench.exchange(&contoso, &token, &[]).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_sign_in_can_be_too_old_and_rotation_does_not_renew_it() -> Outcome {
    let bench = Bench::new().await?;
    let (contoso, token) = (bench.contoso.to_string(), bench.refresh_token().await?);
    let hour = Duration::from_secs(3600);
    let policy = ConditionalAccess { sign_in_frequency: Some(hour), ..Default::default() };
    bench.entra.conditional_access(bench.contoso, policy);
    bench.clock.advance(hour);
    let reply = bench.exchange(&contoso, &token, &[]).await?;
    assert_eq!(reply.status, 200, "an hour is not older than an hour");
    let rotated = reply.text("refresh_token").to_owned();
    bench.clock.advance(Duration::from_secs(1));
    for token in [&token, &rotated] {
        let reply = bench.exchange(&contoso, token, &[]).await?;
        assert_eq!(reply.refusal(), (400, "invalid_grant", "token_expired", 70_043));
    }
    Ok(())
}

#[tokio::test]
async fn a_policy_made_in_between_stops_a_code_as_well() -> Outcome {
    let bench = Bench::new().await?;
    let code = bench.code().await?;
    let closed = ConditionalAccess { blocked: true, ..ConditionalAccess::default() };
    bench.entra.conditional_access(bench.contoso, closed);
    assert_eq!(bench.redeem(&code, &[]).await?.number(), 53_003);
    Ok(())
}
