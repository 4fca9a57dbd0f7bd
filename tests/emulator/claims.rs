//! Claims that a token request demands.

use serde_json::{Value, json};

use super::bench::{Bench, GRAPH, Outcome};

const CP1: &str = r#"{"access_token":{"xms_cc":{"values":["CP1"]}}}"#;

#[tokio::test]
async fn a_client_that_can_be_challenged_has_tokens_for_a_day() -> Outcome {
    let bench = Bench::new().await?;
    let (contoso, token) = (bench.contoso.to_string(), bench.refresh_token().await?);
    let graph = format!("{GRAPH}/Directory.Read.All");
    let reply = bench.exchange(&contoso, &token, &[("scope", &graph), ("claims", CP1)]).await?;
    let life = reply.json["expires_in"].as_u64().expect("a number");
    assert!((20 * 3600..=28 * 3600).contains(&life), "{life}");
    assert_eq!(reply.json["refresh_in"], life / 2);
    let access = reply.claims("access_token");
    assert_eq!(access["xms_cc"], json!(["cp1"]));
    assert_eq!(access["exp"], bench.now() + life);
    let plain = bench.exchange(&contoso, &token, &[]).await?;
    assert_eq!((&plain.json["expires_in"], plain.json.get("refresh_in")), (&json!(3599), None));
    assert_eq!(plain.claims("access_token").get("xms_cc"), None);
    Ok(())
}

#[tokio::test]
async fn malformed_claims_are_refused_and_strangers_ignored() -> Outcome {
    let bench = Bench::new().await?;
    let (contoso, token) = (bench.contoso.to_string(), bench.refresh_token().await?);
    for wrong in ["{", "[]", "x", r#"{"access_token":"x"}"#] {
        let reply = bench.exchange(&contoso, &token, &[("claims", wrong)]).await?;
        assert_eq!(reply.refusal(), (400, "invalid_request", "", 9_000_410), "{wrong}");
        let code = bench.code().await?;
        let reply = bench.redeem(&code, &[("claims", wrong)]).await?;
        assert_eq!(reply.number(), 9_000_410, "{wrong}");
        let reply = bench.exchange_v1(&contoso, &token, &[("claims", wrong)]).await?;
        assert_eq!(reply.number(), 9_000_410, "{wrong}");
    }
    let stranger = r#"{"userinfo":{},"access_token":{"unheard":{"of":1},"acrs":null}}"#;
    assert_eq!(bench.exchange(&contoso, &token, &[("claims", stranger)]).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_challenge_is_met_by_a_newer_sign_in_only() -> Outcome {
    let bench = Bench::new().await?;
    let (contoso, token) = (bench.contoso.to_string(), bench.refresh_token().await?);
    let later = bench.now() + 60;
    let demand =
        json!({ "access_token": { "nbf": { "essential": true, "value": later.to_string() } } });
    let demand = demand.to_string();
    let claims = [("claims", demand.as_str())];
    let reply = bench.exchange(&contoso, &token, &claims).await?;
    assert_eq!(reply.refusal(), (400, "invalid_grant", "basic_action", 50_076));
    assert_eq!(
        serde_json::from_str::<Value>(reply.text("claims"))?,
        serde_json::from_str::<Value>(&demand)?
    );
    bench.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(
        bench.exchange(&contoso, &token, &claims).await?.number(),
        50_076,
        "time is no help"
    );
    let newer = bench.refresh_token().await?;
    assert_eq!(bench.exchange(&contoso, &newer, &claims).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn an_authentication_context_takes_a_second_factor() -> Outcome {
    use cpv_consent::emulator::MfaMethod;
    let bench = Bench::new().await?;
    bench.entra.change_user(&bench.admin, |account| account.mfa = MfaMethod::None);
    let (contoso, weak) = (bench.contoso.to_string(), bench.refresh_token().await?);
    let acrs = [("claims", r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#)];
    assert_eq!(bench.exchange(&contoso, &weak, &[]).await?.status, 200);
    assert_eq!(bench.exchange(&contoso, &weak, &acrs).await?.number(), 50_076);
    bench.entra.change_user(&bench.admin, |account| account.mfa = MfaMethod::Authenticator);
    let strong = bench.refresh_token().await?;
    assert_eq!(bench.exchange(&contoso, &strong, &acrs).await?.status, 200);
    Ok(())
}
