//! Every kind of failure at every place.

use std::time::{Duration, SystemTime};

use cpv_consent::emulator::{Emulator, Endpoint, Failure, Grant, Mischief, Rule, Scripted};
use cpv_consent::{Clock as _, VirtualClock};
use http::{HeaderName, HeaderValue};
use serde_json::json;
use url::Url;

use super::super::bench::{Bench, Outcome};
use super::places::{Heard, PLACES, Places, beside, elsewhere, fault};

/// Microsoft Graph, as Partner Center names it.
const GRAPH_APP: &str = "00000003-0000-0000-c000-000000000000";

fn date(clock: &VirtualClock, ahead: i64) -> String {
    let by = Duration::from_secs(ahead.unsigned_abs());
    let time: SystemTime = if ahead < 0 { clock.now() - by } else { clock.now() + by };
    httpdate::fmt_http_date(time)
}

async fn until(reached: impl Fn() -> bool) {
    while !reached() {
        tokio::task::yield_now().await;
    }
}

/// Two more answers, from here and there: whatever was to come at once has come.
async fn others_answer(places: &Places, at: Endpoint) {
    for other in [elsewhere(at), beside(at), elsewhere(at)] {
        places.status(other).await.expect("an answer");
    }
}

#[tokio::test]
async fn any_answer_can_take_the_place_of_any_other() -> Outcome {
    let places = Places::new().await?;
    let (entra, clock) = (&places.bench.entra, &places.bench.clock);
    let away = Url::parse("https://elsewhere.example/x?y=z")?;
    let minute = date(clock, 60);
    let odd = (HeaderName::from_static("x-odd"), HeaderValue::from_static("so"));
    let sheet = [
        (Failure::status(503), 503, "retry-after", None, 0),
        (
            Failure::status(503).retry_after(Duration::from_secs(7)),
            503,
            "retry-after",
            Some("7"),
            0,
        ),
        (
            Failure::status(429).retry_after_date(Duration::from_secs(60)),
            429,
            "retry-after",
            Some(minute.as_str()),
            0,
        ),
        (Failure::status(200).header(odd.0, odd.1), 200, "x-odd", Some("so"), 0),
        (Failure::reply(200, "text/plain", "hello"), 200, "content-type", Some("text/plain"), 5),
        (Failure::reply(200, "x", "hello").with_status(418), 418, "content-type", Some("x"), 5),
        (Failure::redirect(&away), 302, "location", Some(away.as_str()), 0),
        (Failure::huge(300_000), 200, "content-length", Some("300000"), 300_000),
        (Failure::huge_unannounced(300_000), 200, "content-length", None, 300_000),
    ];
    for at in PLACES {
        let truth = places.status(at).await;
        for (row, (failure, status, name, value, length)) in sheet.iter().enumerate() {
            let scripted = entra.fail(Rule::at(at), failure.clone());
            let heard = places.ask(at).await?;
            assert_eq!(heard.status, *status, "{at:?}, row {row}");
            assert_eq!(heard.header(name), *value, "{at:?}, row {row}");
            assert_eq!(heard.length(), *length, "{at:?}, row {row}");
            others_answer(&places, at).await;
            assert_eq!(scripted.hits(), 1, "{at:?}, row {row}: only there");
            scripted.clear();
            assert_eq!(places.status(at).await, truth, "{at:?}, row {row}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_true_answer_can_say_what_it_is_not() -> Outcome {
    let places = Places::new().await?;
    let (entra, clock) = (&places.bench.entra, &places.bench.clock);
    let (behind, ahead) = (date(clock, -3600), date(clock, 90));
    let odd = (HeaderName::from_static("x-odd"), HeaderValue::from_static("so"));
    let sheet = [
        (Failure::content_type("text/odd"), "content-type", "text/odd"),
        (Failure::clock_skew(-3600), "date", behind.as_str()),
        (Failure::clock_skew(90), "date", ahead.as_str()),
        (Failure::truth().header(odd.0, odd.1), "x-odd", "so"),
    ];
    for at in PLACES {
        let truth = places.ask(at).await?;
        for (failure, name, value) in &sheet {
            let scripted = entra.fail(Rule::at(at), failure.clone());
            let heard = places.ask(at).await?;
            assert_eq!((heard.status, heard.header(name)), (truth.status, Some(*value)), "{at:?}");
            assert_ne!(truth.header(name), Some(*value), "{at:?}");
            assert_eq!(heard.length() == 0, truth.length() == 0, "{at:?}: the body is kept");
            scripted.clear();
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_can_wait_for_the_clock() -> Outcome {
    let places = Places::new().await?;
    let (entra, clock) = (&places.bench.entra, &places.bench.clock);
    let wait = Duration::from_secs(5);
    for at in PLACES {
        let truth = places.status(at).await;
        for (failure, status) in
            [(Failure::latency(wait), truth), (Failure::status(503).late(wait), Some(503))]
        {
            let scripted = entra.fail(Rule::at(at), failure);
            let asked = tokio::spawn(Heard::of(places.request(at)));
            until(|| clock.sleepers() == 1).await;
            clock.advance(wait - Duration::from_millis(1));
            others_answer(&places, at).await;
            assert!(!asked.is_finished(), "{at:?}");
            clock.advance(Duration::from_millis(1));
            assert_eq!(Some(asked.await??.status), status, "{at:?}");
            scripted.clear();
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_can_drip() -> Outcome {
    let places = Places::new().await?;
    let (entra, clock) = (&places.bench.entra, &places.bench.clock);
    let every = Duration::from_secs(1);
    for at in PLACES {
        let piece = places.ask(at).await?.length() / 2 + 1;
        let scripted = entra.fail(Rule::at(at), Failure::drip(piece, every));
        let began = clock.monotonic();
        let asked = tokio::spawn(Heard::of(places.request(at)));
        while !asked.is_finished() {
            if clock.sleepers() > 0 {
                clock.advance(every);
            }
            tokio::task::yield_now().await;
        }
        let heard = asked.await??;
        let pauses = u32::try_from(heard.length().div_ceil(piece).saturating_sub(1))?;
        assert_eq!(clock.monotonic() - began, every * pauses, "{at:?}");
        assert_eq!((heard.body.is_ok(), scripted.hits()), (true, 1), "{at:?}");
        scripted.clear();
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_can_break_off() -> Outcome {
    let places = Places::new().await?;
    for at in PLACES {
        let truth = places.ask(at).await?;
        if truth.length() < 2 {
            continue;
        }
        let scripted = places.bench.entra.fail(Rule::at(at), Failure::truncation(1));
        let heard = places.ask(at).await?;
        assert_eq!(heard.status, truth.status, "{at:?}");
        assert!(heard.body.is_err(), "{at:?}");
        scripted.clear();
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_can_be_missing() -> Outcome {
    let places = Places::new().await?;
    let entra = &places.bench.entra;
    let reset = Some(std::io::ErrorKind::ConnectionReset);
    for at in PLACES {
        let script: [(&dyn Fn() -> Scripted, bool); 4] = [
            (&|| entra.fail(Rule::at(at), Failure::reset()), true),
            (&|| entra.outage(at), true),
            (&|| entra.fail(Rule::at(at), Failure::broken(Mischief::Reset)), true),
            (&|| entra.fail(Rule::at(at), Failure::lost_answer()), false),
        ];
        for (row, (script, is_reset)) in script.into_iter().enumerate() {
            let scripted = script();
            let error = places.ask(at).await.expect_err("no answer");
            assert!(!error.is_connect(), "{at:?}, row {row}: it listens");
            assert_eq!(fault(&error) == reset, is_reset, "{at:?}, row {row}: {error:?}");
            others_answer(&places, at).await;
            assert_eq!(scripted.hits(), 1, "{at:?}, row {row}");
            scripted.clear();
            assert!(places.status(at).await.is_some(), "{at:?}, row {row}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_can_be_waited_for_in_vain() -> Outcome {
    let places = Places::new().await?;
    for at in PLACES {
        for failure in [Failure::hang(), Failure::broken(Mischief::Hang)] {
            let scripted = places.bench.entra.fail(Rule::at(at), failure);
            let asked = tokio::spawn(Heard::of(places.request(at)));
            until(|| scripted.hits() == 1).await;
            others_answer(&places, at).await;
            assert!(!asked.is_finished(), "{at:?}");
            asked.abort();
            scripted.clear();
        }
    }
    Ok(())
}

#[tokio::test]
async fn errors_are_spelled_as_each_service_spells_its_own() -> Outcome {
    let places = Places::new().await?;
    let entra = &places.bench.entra;
    let partner_center = Failure::partner_center(401, "900421", "MFA is required");
    entra.fail(Rule::at(Endpoint::PartnerCenter), partner_center);
    let ids = [("MS-RequestId", "request"), ("MS-CorrelationId", "correlation")];
    let request = places.request(Endpoint::Customers).header(ids[0].0, ids[0].1);
    let heard = Heard::of(request.header(ids[1].0, ids[1].1)).await?;
    assert_eq!((heard.status, &heard.json()["code"]), (401, &"900421".into()));
    assert_eq!(heard.json()["description"], "MFA is required");
    assert!(heard.header("www-authenticate").is_some());
    assert_eq!(ids.map(|(name, _)| heard.header(name)), ids.map(|(_, id)| Some(id)));

    entra.fail(Rule::at(Endpoint::Graph), Failure::graph(429, "TooManyRequests"));
    let request = places.request(Endpoint::Me).header("client-request-id", "mine");
    let heard = Heard::of(request).await?;
    let error = &heard.json()["error"];
    assert_eq!((heard.status, &error["code"]), (429, &"TooManyRequests".into()));
    assert_eq!(error["innerError"]["client-request-id"], "mine");
    assert_eq!(error["innerError"]["request-id"].as_str(), heard.header("request-id"));

    entra.fail(Rule::at(Endpoint::KeyVault), Failure::key_vault(403, "Forbidden"));
    let heard = places.ask(Endpoint::VaultKeys).await?;
    assert_eq!((heard.status, &heard.json()["error"]["code"]), (403, &"Forbidden".into()));
    assert!(heard.header("x-ms-request-id").is_some());
    Ok(())
}

/// Redeems a code while the token endpoint is scripted, and again when it no longer is.
async fn redeemed_again(
    script: impl Fn(&Emulator) -> Scripted,
) -> Result<(usize, u64), Box<dyn std::error::Error>> {
    let bench = Bench::new().await?;
    let code = bench.code().await?;
    let scripted = script(&bench.entra);
    assert!(bench.redeem(&code, &[]).await.is_err(), "there is no answer");
    scripted.clear();
    let granted = bench.entra.count_tokens(|request| request.result.is_ok());
    Ok((granted, bench.redeem(&code, &[]).await?.number()))
}

#[tokio::test]
async fn the_work_of_a_lost_answer_was_done_and_that_of_a_reset_request_was_not() -> Outcome {
    let codes = || Rule::at(Endpoint::Token).grant(Grant::Code);
    let lost = redeemed_again(|entra| entra.fail(codes(), Failure::lost_answer())).await?;
    assert_eq!(lost, (1, 54_005));
    let torn = redeemed_again(|entra| entra.fail(codes(), Failure::truncation(40))).await?;
    assert_eq!(torn, (1, 54_005));
    let reset = redeemed_again(|entra| entra.fail(codes(), Failure::reset())).await?;
    assert_eq!(reset, (0, 0));
    Ok(())
}

#[tokio::test]
async fn a_consent_whose_answer_was_lost_is_there() -> Outcome {
    let places = Places::new().await?;
    let bench = &places.bench;
    let consent = json!({
        "applicationId": bench.app.client_id(),
        "applicationGrants": [{ "enterpriseApplicationId": GRAPH_APP, "scope": "User.Read" }],
    });
    let customer = Rule::at(Endpoint::ApplicationConsents).customer(bench.fabrikam);
    bench.entra.fail(customer, Failure::lost_answer().times(1));
    assert!(Heard::of(places.consent(&consent)).await.is_err());
    assert_eq!(bench.entra.application_consents(bench.fabrikam).len(), 1);
    assert_eq!(Heard::of(places.consent(&consent)).await?.status, 409);
    Ok(())
}

#[tokio::test]
async fn an_emulator_that_ends_waits_for_no_clock() -> Outcome {
    let places = Places::new().await?;
    let (entra, clock) = (&places.bench.entra, &places.bench.clock);
    entra.fail(Rule::at(Endpoint::Keys), Failure::latency(Duration::from_secs(5)));
    let asked = tokio::spawn(Heard::of(places.request(Endpoint::Keys)));
    until(|| clock.sleepers() == 1).await;
    entra.shutdown().await;
    assert_eq!(asked.await??.status, 200);
    Ok(())
}
