//! What tests make the emulator do.

use std::time::Duration;

use cpv_consent::emulator::{Browser, BrowserError, Emulator, Failure, Grant, Rule, Tampering};
use serde_json::Value;
use url::Url;

use super::bench::{Bench, GRAPH, Outcome, PARTNER_CENTER, Reply};

mod broker;
mod json;
mod kinds;
mod pages;
mod places;
mod rules;

#[tokio::test]
async fn failures_hit_what_their_rule_names_until_they_are_cleared() -> Outcome {
    let bench = Bench::new().await?;
    let contoso = bench.contoso.to_string();
    let token = bench.refresh_token().await?;
    let rule = Rule::any().tenant(bench.contoso).grant(Grant::RefreshToken);
    let rule = rule.resource(PARTNER_CENTER);
    let locked = bench.entra.fail_tokens(rule, Failure::aadsts(50_053));
    assert_eq!(bench.exchange(&contoso, &token, &[]).await?.number(), 50_053);
    let organizations = bench.exchange("organizations", &token, &[]).await?;
    assert_eq!(organizations.number(), 50_053, "an alias stands for its tenant");
    assert_eq!(bench.redeem(&bench.code().await?, &[]).await?.status, 200);
    let graph = format!("{GRAPH}/Directory.Read.All");
    assert_eq!(bench.exchange(&contoso, &token, &[("scope", &graph)]).await?.status, 200);
    locked.clear();
    assert_eq!(bench.exchange(&contoso, &token, &[]).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn failures_can_be_spelled_out_and_counted() -> Outcome {
    let bench = Bench::new().await?;
    let contoso = bench.contoso.to_string();
    let token = bench.refresh_token().await?;
    let busy = Failure::status(503).retry_after(Duration::from_secs(7)).times(1);
    bench.entra.fail_tokens(Rule::any(), busy);
    let reply = bench.exchange(&contoso, &token, &[]).await?;
    assert_eq!((reply.status, &reply.headers["retry-after"]), (503, &"7".parse()?));
    assert_eq!(reply.body.len(), 0);
    assert_eq!(bench.exchange(&contoso, &token, &[]).await?.status, 200);
    let challenge = Failure::aadsts(50_076).error("interaction_required").suberror(None);
    bench.entra.fail_tokens(Rule::any(), challenge.claims("{}"));
    let reply = bench.exchange(&contoso, &token, &[]).await?;
    assert_eq!(reply.refusal(), (400, "interaction_required", "", 50_076));
    assert_eq!(reply.text("claims"), "{}");
    bench.entra.fail_tokens(Rule::any(), Failure::reply(200, "text/html", "<p>"));
    let reply = bench.exchange(&contoso, &token, &[]).await?;
    assert_eq!((reply.status, reply.body.as_ref()), (200, b"<p>".as_slice()));
    Ok(())
}

#[tokio::test]
async fn a_wrong_client_is_refused_before_the_script_is_read() -> Outcome {
    let bench = Bench::new().await?;
    bench.entra.fail_tokens(Rule::any(), Failure::aadsts(50_053));
    let reply = bench.exchange("organizations", "x", &[("client_secret", "wrong")]).await?;
    assert_eq!(reply.number(), 7_000_215);
    Ok(())
}

#[tokio::test]
async fn replies_can_be_altered() -> Outcome {
    let bench = Bench::new().await?;
    let token = bench.refresh_token().await?;
    let odd = bench.entra.alter_tokens(Rule::any(), |reply| reply["expires_in"] = "1".into());
    assert_eq!(bench.exchange("organizations", &token, &[]).await?.json["expires_in"], "1");
    odd.clear();
    let quarter = Duration::from_secs(900);
    bench.entra.access_tokens_live(quarter, quarter);
    assert_eq!(bench.exchange("organizations", &token, &[]).await?.json["expires_in"], 900);
    Ok(())
}

#[tokio::test]
async fn held_requests_wait_and_are_counted_side_by_side() -> Outcome {
    // F-07
    let bench = Bench::new().await?;
    let contoso = bench.contoso.to_string();
    let token = bench.refresh_token().await?;
    bench.entra.forget_ledger();
    let hold = bench.entra.hold_tokens();
    let release = async {
        hold.waiting(3).await;
        assert_eq!(bench.entra.ledger(), []);
        hold.release();
    };
    let ask = || bench.exchange(&contoso, &token, &[]);
    let (a, b, c, ()) = tokio::join!(ask(), ask(), ask(), release);
    assert_eq!([a?.status, b?.status, c?.status], [200; 3]);
    let mut beside: Vec<_> = bench.entra.ledger().iter().map(|entry| entry.beside).collect();
    beside.sort_unstable();
    assert_eq!(beside, [0, 1, 2]);
    bench.exchange(&contoso, &token, &[]).await?;
    assert_eq!(bench.entra.ledger()[3].beside, 0);
    Ok(())
}

#[tokio::test]
async fn a_hold_lets_pass_what_its_rule_does_not_name() -> Outcome {
    let bench = Bench::new().await?;
    let token = bench.refresh_token().await?;
    let hold = bench.entra.hold_tokens_of(Rule::any().tenant(bench.fabrikam));
    assert_eq!(bench.exchange("organizations", &token, &[]).await?.status, 200);
    drop(hold);
    let fabrikam = bench.fabrikam.to_string();
    assert_eq!(bench.exchange(&fabrikam, &token, &[]).await?.number(), 65_001);
    Ok(())
}

#[tokio::test]
async fn a_request_given_up_while_held_no_longer_counts() -> Outcome {
    // F-30
    let bench = Bench::new().await?;
    let token = bench.refresh_token().await?;
    bench.entra.forget_ledger();
    let hold = bench.entra.hold_tokens();
    tokio::select! {
        _ = bench.exchange("organizations", &token, &[]) => panic!("it is held"),
        () = hold.waiting(1) => {}
    }
    hold.waiting_at_most(0).await;
    hold.release();
    assert_eq!(bench.entra.ledger(), []);
    assert_eq!(bench.exchange("organizations", &token, &[]).await?.status, 200);
    assert_eq!(bench.entra.ledger()[0].beside, 0);
    Ok(())
}

#[tokio::test]
async fn the_ledger_says_who_asked_for_what_and_how_it_ended() -> Outcome {
    let bench = Bench::new().await?;
    let token = bench.refresh_token().await?;
    let graph = format!("{GRAPH}/Directory.Read.All");
    bench.exchange(&bench.fabrikam.to_string(), &token, &[("scope", &graph)]).await?;
    let ledger = bench.entra.ledger();
    assert_eq!(ledger.len(), 2);
    assert_eq!((ledger[0].grant, ledger[0].result), (Some(Grant::Code), Ok(())));
    assert_eq!(ledger[0].resource.as_deref(), Some(PARTNER_CENTER));
    assert_eq!(ledger[1].tenant, bench.fabrikam.to_string());
    assert_eq!((ledger[1].grant, ledger[1].result), (Some(Grant::RefreshToken), Err(65_001)));
    assert_eq!(ledger[1].user, Some(bench.admin.id));
    assert_eq!(ledger[1].resource.as_deref(), Some(GRAPH));
    assert_eq!(bench.entra.count_tokens(|request| request.result.is_ok()), 1);
    Ok(())
}

#[tokio::test]
async fn id_tokens_lie_as_told_and_only_as_told() -> Outcome {
    let bench = Bench::new().await?;
    let northwind = bench.entra.add_tenant("Northwind");
    let issuer = format!("{}/{northwind}/v2.0", bench.entra.login_origin());
    for (how, claim, expected) in [
        (Tampering::WrongNonce, "nonce", None),
        (Tampering::MissingNonce, "nonce", Some(Value::Null)),
        (Tampering::WrongAudience, "aud", None),
        (Tampering::WrongIssuer, "iss", None),
        (Tampering::Expired, "exp", Some((bench.now() - 3600).into())),
        (Tampering::NotYetValid, "nbf", Some((bench.now() + 3600).into())),
        (Tampering::OtherTenant(northwind), "iss", Some(issuer.into())),
        (Tampering::OtherTenant(northwind), "tid", Some(northwind.to_string().into())),
        (Tampering::Without("oid".to_owned()), "oid", Some(Value::Null)),
        (Tampering::With("auth_time".to_owned(), "x".into()), "auth_time", Some("x".into())),
    ] {
        bench.entra.token_tampering(Tampering::None);
        let truth = bench.redeem(&bench.code().await?, &[]).await?.claims("id_token");
        bench.entra.token_tampering(how.clone());
        let lie = bench.redeem(&bench.code().await?, &[]).await?.claims("id_token");
        assert_ne!(lie[claim], truth[claim], "{how:?}");
        assert_eq!(lie["sub"], truth["sub"], "{how:?}");
        if let Some(expected) = expected {
            assert_eq!(lie[claim], expected, "{how:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn keys_are_published_with_an_issuer_template() -> Outcome {
    let bench = Bench::new().await?;
    let login = bench.entra.login_origin();
    let document = format!("{login}/organizations/v2.0/.well-known/openid-configuration");
    let document = Reply::read(bench.http.get(document).send().await?).await?;
    let template = format!("{login}/{{tenantid}}/v2.0");
    assert_eq!(document.text("issuer"), template);
    let keys = Reply::read(bench.http.get(document.text("jwks_uri")).send().await?).await?;
    let key = &keys.json["keys"][0];
    assert_eq!((&key["issuer"], bench.entra.key_fetches()), (&template.into(), 1));
    let reply = bench.redeem(&bench.code().await?, &[]).await?;
    assert_eq!(reply.part("id_token", 0)["kid"], key["kid"]);
    bench.entra.token_tampering(Tampering::UnknownKid);
    let reply = bench.redeem(&bench.code().await?, &[]).await?;
    assert_ne!(reply.part("id_token", 0)["kid"], key["kid"]);
    Ok(())
}

#[tokio::test]
async fn nothing_listens_after_the_end() -> Outcome {
    let bench = Bench::new().await?;
    let hold = bench.entra.hold_tokens();
    let end = async {
        hold.waiting(1).await;
        bench.entra.shutdown().await;
    };
    let (held, ()) = tokio::join!(bench.redeem("x", &[]), end);
    assert_eq!(held?.number(), 70_000, "what was held is answered");
    let error = Browser::new().open(&Url::parse(bench.entra.login_origin())?).await;
    assert!(matches!(error, Err(BrowserError::Unreachable(_))));
    Ok(())
}

#[tokio::test]
async fn it_ends_with_its_last_clone() -> Outcome {
    let entra = Emulator::builder().start().await?;
    let url = Url::parse(entra.login_origin())?;
    let clone = entra.clone();
    drop(entra);
    assert_eq!(Browser::new().open(&url).await?.status(), 404, "the clone keeps it alive");
    drop(clone);
    while Browser::new().open(&url).await.is_ok() {
        tokio::task::yield_now().await;
    }
    Ok(())
}
