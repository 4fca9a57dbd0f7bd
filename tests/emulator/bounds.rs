//! What no number and no caller can do: overflow a date, fill memory, lock the emulator up.

use std::time::Duration;

use cpv_consent::emulator::{Emulator, Failure, Rule};
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, RETRY_AFTER, TRANSFER_ENCODING};

use super::bench::{Bench, FORM, Outcome};

#[tokio::test]
async fn tokens_live_for_a_year_at_most() -> Outcome {
    let bench = Bench::new().await?;
    let (contoso, token) = (bench.contoso.to_string(), bench.refresh_token().await?);
    for opaque in [false, true] {
        bench.entra.opaque_access_tokens(opaque);
        bench.entra.access_tokens_live(Duration::MAX, Duration::MAX);
        let reply = bench.exchange(&contoso, &token, &[]).await?;
        assert_eq!(reply.json["expires_in"], 365 * 24 * 3600, "{}", reply.json);
    }
    Ok(())
}

#[tokio::test]
async fn a_clock_at_the_end_of_time_refuses_and_does_not_break() -> Outcome {
    let bench = Bench::new().await?;
    let (contoso, token) = (bench.contoso.to_string(), bench.refresh_token().await?);
    bench.clock.advance(Duration::MAX);
    assert_eq!(bench.exchange(&contoso, &token, &[]).await?.number(), 700_082);
    bench.refresh_token().await?;
    Ok(())
}

#[tokio::test]
async fn a_scripted_header_does_not_say_where_a_body_ends() -> Outcome {
    let bench = Bench::new().await?;
    let (contoso, token) = (bench.contoso.to_string(), bench.refresh_token().await?);
    let failure = Failure::reply(200, "text/plain", "whole")
        .header(CONTENT_LENGTH, HeaderValue::from_static("3"))
        .header(TRANSFER_ENCODING, HeaderValue::from_static("gzip"))
        .header(RETRY_AFTER, HeaderValue::from_static("7"));
    let scripted = bench.entra.fail_tokens(Rule::any(), failure);
    let reply = bench.http.post(bench.token_url(&contoso)).send().await?;
    assert_eq!(reply.headers()[RETRY_AFTER], "7");
    assert_eq!(reply.text().await?, "whole");
    scripted.clear();
    assert_eq!(bench.exchange(&contoso, &token, &[]).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_body_has_a_mebibyte_at_most() -> Outcome {
    let bench = Bench::new().await?;
    let origins = bench.entra.origins();
    let token = bench.token_url("common");
    let consents =
        format!("{}/v1/customers/{}/applicationconsents", origins.partner_center, bench.fabrikam);
    for scripted in [false, true] {
        if scripted {
            let _ = bench.entra.fail(Rule::any(), Failure::truth());
        }
        for url in [&token, &consents] {
            for (bytes, too_large) in [(1024 * 1024, false), (1024 * 1024 + 1, true)] {
                let request = bench.http.post(url).header("content-type", FORM);
                let status = request.body("a".repeat(bytes)).send().await?.status();
                assert_eq!(status == 413, too_large, "{url} {bytes} {scripted}: {status}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_ledger_cuts_long_names() -> Outcome {
    let bench = Bench::new().await?;
    let scope = format!("https://{}/.default", "a".repeat(10_000));
    let path = "b".repeat(10_000);
    let form =
        format!("grant_type=refresh_token&client_id={}&scope={scope}", bench.app.client_id());
    let request = bench.http.post(bench.token_url(&path)).header("content-type", FORM);
    request.body(form).send().await?;
    let request = bench.entra.ledger().remove(0);
    assert_eq!(request.tenant, "b".repeat(256));
    assert_eq!(request.resource.map(|resource| resource.len()), Some(256));
    Ok(())
}

#[tokio::test]
async fn whoever_changes_something_may_ask_the_emulator() -> Outcome {
    let bench = Bench::new().await?;
    let (entra, user) = (bench.entra.clone(), bench.admin.clone());
    let (partner, customer) = (bench.contoso, bench.fabrikam);
    let (done, all) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let ask = |entra: &Emulator| {
            entra.rotation(true);
            entra.domains(partner).len()
        };
        entra.change_user(&user, |account| {
            account.disabled = ask(&entra) > 0;
            entra.revoke_sessions(&user);
        });
        let made = entra.add_relationship(partner, customer, |made| {
            ask(&entra);
            made.name = "made".to_owned();
        });
        entra.change_relationship(partner, &made.id, |known| {
            ask(&entra);
            assert_eq!(known.name, "made");
        });
        entra.doubts(|doubts| {
            ask(&entra);
            doubts.consent_exists_status = 400;
        });
        let _ = done.send(()); // the test may have given up
    });
    all.recv_timeout(Duration::from_secs(20))?;
    bench.entra.change_user(&bench.admin, |account| assert!(account.disabled));
    bench.entra.doubts(|doubts| assert_eq!(doubts.consent_exists_status, 400));
    Ok(())
}

#[tokio::test]
async fn what_happens_while_a_user_is_changed_stays() -> Outcome {
    let bench = Bench::new().await?;
    let (contoso, token) = (bench.contoso.to_string(), bench.refresh_token().await?);
    bench.entra.change_user(&bench.admin, |_| bench.entra.revoke_sessions(&bench.admin));
    assert_eq!(bench.exchange(&contoso, &token, &[]).await?.number(), 50_173);
    Ok(())
}
