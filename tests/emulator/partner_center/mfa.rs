//! The second factor: enforced in each of the reported ways, and reported on.

use cpv_consent::emulator::{Answer, MfaAnswer, MfaEnforcement, MfaMethod};
use http::header::WWW_AUTHENTICATE;

use super::super::bench::{Bench, Outcome};
use super::desk::{Desk, fault};

/// A desk, and a token of the same partner that was made without a second factor.
async fn with_a_weak_token() -> Result<(Desk, String), Box<dyn std::error::Error>> {
    let bench = Bench::new().await?;
    let clerk = bench.entra.add_user(bench.contoso, "clerk@contoso.example");
    bench.entra.change_user(&clerk, |account| account.mfa = MfaMethod::None);
    let fields = bench.callback(&clerk, Answer::Accept, &[]).await?;
    let weak = bench.redeem(fields.code()?, &[]).await?.text("access_token").to_owned();
    Ok((Desk::of(bench).await?, weak))
}

#[tokio::test]
async fn a_token_without_a_second_factor_is_refused_as_it_is_enforced() -> Outcome {
    //
    let (desk, weak) = with_a_weak_token().await?;
    let (entra, url) = (&desk.bench.entra, desk.bench.customers_url());
    for (enforcement, expected) in [
        (MfaEnforcement::Off, (200, "")),
        (MfaEnforcement::Refused, (401, "900421")),
        (MfaEnforcement::Bare, (401, "")),
        (MfaEnforcement::Progressive(0), (200, "")),
        (MfaEnforcement::Progressive(100), (401, "900421")),
    ] {
        entra.partner_center_enforces(enforcement);
        assert_eq!(desk.read("/v1/customers").await?.status, 200, "{enforcement:?}");
        let reply = desk.bench.read(&url, &weak).await?;
        assert_eq!(fault(&reply), expected, "{enforcement:?}");
        let refused = expected.0 == 401;
        assert_eq!(reply.headers.contains_key(WWW_AUTHENTICATE), refused, "{enforcement:?}");
        assert_eq!(reply.headers.contains_key("isMfaCompliant"), !refused, "{enforcement:?}");
        assert_eq!(reply.body.is_empty(), enforcement == MfaEnforcement::Bare);
    }
    Ok(())
}

#[tokio::test]
async fn progressive_enforcement_gives_opposite_answers_at_one_time() -> Outcome {
    //
    let (desk, weak) = with_a_weak_token().await?;
    desk.bench.entra.partner_center_enforces(MfaEnforcement::Progressive(50));
    let mut statuses = Vec::new();
    // That they are all the same happens once in 2^79 runs.
    for _ in 0..80 {
        statuses.push(desk.bench.read(&desk.bench.customers_url(), &weak).await?.status);
    }
    statuses.sort_unstable();
    statuses.dedup();
    assert_eq!(statuses, [200, 401]);
    Ok(())
}

#[tokio::test]
async fn a_scripted_verdict_is_enforced_too() -> Outcome {
    let desk = Desk::new().await?;
    desk.bench.entra.partner_center_enforces(MfaEnforcement::Refused);
    for (answer, expected) in [
        (MfaAnswer::Honest, (200, "")),
        (MfaAnswer::NotCompliant, (401, "900421")),
        (MfaAnswer::Compliant, (200, "")),
    ] {
        desk.bench.entra.partner_center_mfa(answer);
        assert_eq!(fault(&desk.read("/v1/customers").await?), expected, "{answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn every_call_has_a_verdict_for_whoever_asks() -> Outcome {
    let desk = Desk::new().await?;
    let paths = ["/v1/customers", "/v1/nowhere", "/v1/applicationmfaadoptionstatus"];
    for path in paths {
        for (asked, expected) in [("true", true), ("TRUE", true), ("false", false), ("1", false)] {
            let headers = [("ValidateMfa", asked)];
            let reply = desk.send(http::Method::GET, path, &headers, "").await?;
            let said = reply.headers.contains_key("isMfaCompliant");
            assert_eq!(said, expected, "{path} {asked}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_reports_tell_what_was_called_without_a_second_factor() -> Outcome {
    let (desk, weak) = with_a_weak_token().await?;
    let none = desk.read("/v1/nonMfaCompliantPartnerPrincipals").await?;
    assert_eq!((&none.json["totalCount"], &none.json["items"]), (&0.into(), &[(); 0][..].into()));
    desk.bench.entra.partner_center_enforces(MfaEnforcement::Refused);
    assert_eq!(desk.bench.read(&desk.bench.customers_url(), &weak).await?.status, 401);
    desk.bench.clock.advance(std::time::Duration::from_secs(60));
    let report = desk.read("/v1/nonMfaCompliantPartnerPrincipals").await?;
    let item = &report.json["items"][0];
    assert_eq!(report.json["totalCount"], 1);
    assert_eq!(item["upn"], "clerk@contoso.example");
    assert_eq!(item["tenantId"], desk.bench.contoso.to_string());
    let at = item["lastNonMfaCompliantRequestDateTime"].as_str().expect("a time");
    let adoption = desk.read("/v1/applicationmfaadoptionstatus").await?;
    let day = &adoption.json[0];
    assert_eq!(at.split_once('T').expect("a date").0, day["loginDate"]);
    assert_eq!(day["applicationId"], desk.bench.app.client_id().to_string());
    assert_eq!(
        (&day["totalRequestCount"], &day["mfaCompliantRequestCount"]),
        (&4.into(), &3.into())
    );
    Ok(())
}

#[tokio::test]
async fn a_partner_sees_its_own_report_only() -> Outcome {
    let (desk, weak) = with_a_weak_token().await?;
    desk.bench.read(&desk.bench.customers_url(), &weak).await?;
    let litware = desk.bench.entra.add_tenant("Litware");
    let admin = desk.bench.entra.add_user(litware, "admin@litware.example");
    let token = desk.token_of(litware, &admin).await?;
    let url = |name| format!("{}/v1/{name}", desk.bench.entra.partner_center_origin());
    let principals = desk.bench.read(&url("nonMfaCompliantPartnerPrincipals"), &token).await?;
    assert_eq!(principals.json["totalCount"], 0);
    let adoption = desk.bench.read(&url("applicationmfaadoptionstatus"), &token).await?;
    assert_eq!(adoption.json[0]["totalRequestCount"], 2);
    Ok(())
}
