//! Redeeming codes.

use std::time::Duration;

use cpv_consent::emulator::{Answer, Browser};
use http::header::CONTENT_TYPE;

use super::bench::{Bench, CHALLENGE, FieldList, GRAPH, Outcome, PARTNER_CENTER, Reply};

#[tokio::test]
async fn a_code_is_redeemed_once() -> Outcome {
    let bench = Bench::new().await?;
    let code = bench.code().await?;
    let (one, two) = tokio::join!(bench.redeem(&code, &[]), bench.redeem(&code, &[]));
    let mut numbers = [one?.number(), two?.number()];
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 54_005]);
    bench.clock.advance(Duration::from_secs(600));
    let reply = bench.redeem(&code, &[]).await?;
    assert_eq!(reply.refusal(), (400, "invalid_grant", "", 54_005), "spent rather than expired");
    Ok(())
}

#[tokio::test]
async fn a_code_lives_ten_minutes() -> Outcome {
    let bench = Bench::new().await?;
    let (early, late) = (bench.code().await?, bench.code().await?);
    bench.clock.advance(Duration::from_secs(599));
    assert_eq!(bench.redeem(&early, &[]).await?.status, 200);
    bench.clock.advance(Duration::from_secs(1));
    let reply = bench.redeem(&late, &[]).await?;
    assert_eq!(reply.refusal(), (400, "invalid_grant", "", 70_008));
    Ok(())
}

#[tokio::test]
async fn a_wrong_redemption_is_refused_and_does_not_spend_the_code() -> Outcome {
    // R-034, R-035
    let bench = Bench::new().await?;
    let code = bench.code().await?;
    let two = format!("{PARTNER_CENTER}/user_impersonation {GRAPH}/Directory.Read.All");
    for (change, refusal) in [
        (("code", "no-code"), (400, "invalid_grant", "", 70_000)),
        (("code", ""), (400, "invalid_request", "", 900_144)),
        (("redirect_uri", "https://panel.example/"), (400, "invalid_request", "", 50_011)),
        (("redirect_uri", ""), (400, "invalid_request", "", 900_144)),
        (("code_verifier", "x"), (400, "invalid_grant", "", 501_481)),
        (("code_verifier", CHALLENGE), (400, "invalid_grant", "", 501_481)),
        (("code_verifier", ""), (400, "invalid_grant", "", 501_481)),
        (("client_secret", "wrong"), (401, "invalid_client", "", 7_000_215)),
        (("client_secret", ""), (401, "invalid_client", "", 7_000_218)),
        (("client_id", "x"), (400, "unauthorized_client", "", 700_016)),
        (("grant_type", "password"), (400, "unsupported_grant_type", "", 70_003)),
        (("grant_type", ""), (400, "invalid_request", "", 900_144)),
        (("resource", GRAPH), (400, "invalid_request", "", 901_002)),
        (("scope", two.as_str()), (400, "invalid_request", "", 28_000)),
    ] {
        let reply = bench.redeem(&code, &[change]).await?;
        assert_eq!(reply.refusal(), refusal, "{change:?}");
    }
    assert_eq!(bench.redeem(&code, &[]).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_verifier_without_a_challenge_is_a_downgrade() -> Outcome {
    let bench = Bench::new().await?;
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    let fields = bench.callback(&bench.admin, Answer::Accept, &without).await?;
    assert_eq!(bench.redeem(fields.code()?, &[]).await?.number(), 501_481);
    assert_eq!(bench.redeem(fields.code()?, &[("code_verifier", "")]).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_server_without_pkce_can_be_played() -> Outcome {
    let bench = Bench::new().await?;
    bench.entra.ignore_pkce(true);
    for verifier in ["x", ""] {
        let reply = bench.redeem(&bench.code().await?, &[("code_verifier", verifier)]).await?;
        assert_eq!(reply.status, 200, "{verifier:?}");
    }
    bench.entra.ignore_pkce(false);
    let reply = bench.redeem(&bench.code().await?, &[("code_verifier", "x")]).await?;
    assert_eq!(reply.number(), 501_481);
    Ok(())
}

#[tokio::test]
async fn a_code_belongs_to_the_directory_it_was_issued_at() -> Outcome {
    let bench = Bench::new().await?;
    let url = bench.authorize_url("organizations", &[]);
    let fields = FieldList::of_query(&Browser::new().consent(&url, &bench.admin).await?);
    let reply = bench.redeem(fields.code()?, &[]).await?;
    assert_eq!(reply.refusal(), (400, "invalid_grant", "", 700_005));
    Ok(())
}

#[tokio::test]
async fn a_parameter_given_twice_is_refused() -> Outcome {
    let bench = Bench::new().await?;
    let fields = [("grant_type", "refresh_token"), ("grant_type", "refresh_token")];
    let reply = bench.post(&bench.token_url("organizations"), &fields).await?;
    assert_eq!(reply.refusal(), (400, "invalid_request", "", 9_000_411));
    Ok(())
}

#[tokio::test]
async fn a_body_that_does_not_say_it_is_a_form_has_no_fields() -> Outcome {
    let bench = Bench::new().await?;
    let request = bench.http.post(bench.token_url("organizations"));
    let reply = request.body("grant_type=refresh_token").send().await?;
    let reply = Reply::read(reply).await?;
    assert_eq!(reply.refusal(), (400, "invalid_request", "", 900_144));
    let request = bench.http.post(bench.token_url("organizations"));
    let request = request.header(CONTENT_TYPE, "application/json; charset=utf-8");
    let reply = request.body(r#"{"grant_type":"refresh_token"}"#).send().await?;
    let reply = Reply::read(reply).await?;
    assert_eq!(reply.refusal(), (400, "invalid_request", "", 9_000_410), "nor is JSON one");
    Ok(())
}

#[tokio::test]
async fn a_refusal_says_what_support_asks_for() -> Outcome {
    let bench = Bench::new().await?;
    let reply = bench.redeem("no-code", &[]).await?;
    let text = reply.text("error_description");
    assert!(text.starts_with("AADSTS70000: "), "{text}");
    let lines = [
        ("Trace ID: ", "trace_id"),
        ("Correlation ID: ", "correlation_id"),
        ("Timestamp: ", "timestamp"),
    ];
    for (line, member) in lines {
        assert!(reply.text(member).len() >= 20, "{member}");
        assert!(text.contains(&format!("\r\n{line}{}", reply.text(member))), "{text}");
    }
    Ok(())
}
