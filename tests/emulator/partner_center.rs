//! Partner Center and Graph.

use std::time::Duration;

use cpv_consent::emulator::{Answer, MfaAnswer, MfaMethod};
use http::header::AUTHORIZATION;
use serde_json::Value;

use super::bench::{Bench, GRAPH, Outcome, Reply};

mod consents;
mod customers;
mod desk;
mod effects;
mod limits;
mod mfa;
mod rights;

async fn verdict(
    bench: &Bench,
    access: &str,
) -> Result<(u16, Option<String>), Box<dyn std::error::Error>> {
    let reply = bench.read(&bench.customers_url(), access).await?;
    let header = reply.headers.get("isMfaCompliant").and_then(|value| value.to_str().ok());
    Ok((reply.status, header.map(str::to_owned)))
}

#[tokio::test]
async fn the_verdict_is_honest_or_as_scripted() -> Outcome {
    let bench = Bench::new().await?;
    let clerk = bench.entra.add_user(bench.contoso, "clerk@contoso.example");
    bench.entra.change_user(&clerk, |account| account.mfa = MfaMethod::None);
    let with = bench.redeem(&bench.code().await?, &[]).await?;
    let fields = bench.callback(&clerk, Answer::Accept, &[]).await?;
    let without = bench.redeem(fields.code()?, &[]).await?;
    let (with, without) = (with.text("access_token"), without.text("access_token"));
    assert_eq!(verdict(&bench, with).await?, (200, Some("true".to_owned())));
    assert_eq!(verdict(&bench, without).await?, (200, Some("false".to_owned())));
    for (answer, expected) in [
        (MfaAnswer::Compliant, (200, Some("true".to_owned()))),
        (MfaAnswer::NotCompliant, (200, Some("false".to_owned()))),
        (MfaAnswer::HeaderAbsent, (200, None)),
        (MfaAnswer::Status(503), (503, None)),
        (MfaAnswer::Refused900421, (401, None)),
    ] {
        bench.entra.partner_center_mfa(answer);
        assert_eq!(verdict(&bench, with).await?, expected, "{answer:?}");
    }
    let refused = bench.read(&bench.customers_url(), with).await?;
    assert_eq!(refused.json["code"], "900421");
    let calls = bench.entra.partner_center_calls();
    assert_eq!(calls.len(), 8);
    assert!(calls.iter().all(|call| call.validates_mfa && call.path == "/v1/customers"));
    assert_eq!((calls[0].tenant, calls[7].status), (Some(bench.contoso), 401));
    Ok(())
}

#[tokio::test]
async fn only_a_living_token_for_partner_center_is_taken() -> Outcome {
    let bench = Bench::new().await?;
    let reply = bench.redeem(&bench.code().await?, &[]).await?;
    let (token, refresh) = (reply.text("access_token"), reply.text("refresh_token"));
    let graph = format!("{GRAPH}/Directory.Read.All");
    let graph = bench.exchange("organizations", refresh, &[("scope", &graph)]).await?;
    for wrong in [graph.text("access_token"), &token[..token.len() - 4], refresh, "x"] {
        assert_eq!(verdict(&bench, wrong).await?.0, 401);
    }
    bench.entra.opaque_access_tokens(true);
    let opaque = bench.exchange("organizations", refresh, &[]).await?;
    let opaque = opaque.text("access_token");
    assert_eq!(opaque.matches('.').count(), 1, "it is no JWT");
    assert_eq!(verdict(&bench, opaque).await?, (200, Some("true".to_owned())));
    bench.clock.advance(Duration::from_secs(3599));
    assert_eq!(verdict(&bench, token).await?.0, 401);
    assert_eq!(verdict(&bench, opaque).await?.0, 401);
    Ok(())
}

#[tokio::test]
async fn graph_takes_its_own_tokens_with_enough_permissions_only() -> Outcome {
    let bench = Bench::new().await?;
    let reply = bench.redeem(&bench.code().await?, &[]).await?;
    let url = format!("{}/v1.0/me", bench.entra.graph_origin());
    assert_eq!(bench.read(&url, reply.text("access_token")).await?.status, 401);
    let refresh = reply.text("refresh_token");
    let (client, domains) = (bench.app.client_id(), "Domain.ReadWrite.All");
    let graph = |name: &str| format!("{GRAPH}/{name}");
    let scope = graph("Directory.Read.All");
    let reply = bench.exchange("organizations", refresh, &[("scope", &scope)]).await?;
    let me = bench.read(&url, reply.text("access_token")).await?;
    assert_eq!(me.json["userPrincipalName"], "admin@contoso.example");
    bench.entra.grant(bench.fabrikam, client, GRAPH, &[domains]);
    let (fabrikam, scope) = (bench.fabrikam.to_string(), graph(domains));
    let reply = bench.exchange(&fabrikam, refresh, &[("scope", &scope)]).await?;
    assert_eq!(bench.read(&url, reply.text("access_token")).await?.status, 403);
    Ok(())
}

#[tokio::test]
async fn customers_come_in_pages() -> Outcome {
    let bench = Bench::new().await?;
    for name in ["Adatum", "Tailspin"] {
        bench.entra.add_customer(bench.contoso, name);
    }
    let reply = bench.redeem(&bench.code().await?, &[]).await?;
    let token = reply.text("access_token");
    let url = bench.customers_url();
    let first = bench.read(&format!("{url}?size=2"), token).await?;
    let seek = first.text("continuationToken");
    let next = bench.http.get(format!("{url}?seekOperation=Next"));
    let next = next.header("MS-ContinuationToken", seek);
    let next = next.header(AUTHORIZATION, format!("Bearer {token}")).send().await?;
    let next = Reply::read(next).await?;
    assert_eq!(next.headers.get("isMfaCompliant"), None, "nobody asked");
    let mut all = [names(&first.json), names(&next.json)];
    assert_eq!(all.each_ref().map(Vec::len), [2, 1]);
    let mut all = all.as_mut_slice().concat();
    all.sort_unstable();
    assert_eq!(all, ["Adatum", "Fabrikam", "Tailspin"]);
    assert_eq!(next.json.get("continuationToken"), None);
    Ok(())
}

fn names(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().into_iter().flatten();
    items.filter_map(|item| item["companyProfile"]["companyName"].as_str()).collect()
}
