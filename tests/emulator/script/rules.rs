//! Whom a script hits, and how often.

use cpv_consent::ClientId;
use cpv_consent::emulator::{Endpoint, Failure, Grant, Rule};
use http::Method;

use super::super::bench::{Bench, GRAPH, NOBODY, Outcome, PARTNER_CENTER};
use super::places::{Heard, Places};

/// One request of each sort, and a letter for it.
const REQUESTS: [(Endpoint, char); 6] = [
    (Endpoint::Token, 't'),
    (Endpoint::Customers, 'c'),
    (Endpoint::ApplicationConsents, 'a'),
    (Endpoint::Me, 'm'),
    (Endpoint::Discovery, 'd'),
    (Endpoint::Authorize, 'z'),
];

/// The letters of those that fail.
async fn hit(places: &Places) -> String {
    let mut hit = String::new();
    for (at, letter) in REQUESTS {
        if places.status(at).await == Some(418) {
            hit.push(letter);
        }
    }
    hit
}

#[tokio::test]
async fn a_rule_hits_what_it_names_and_nothing_else() -> Outcome {
    let places = Places::new().await?;
    let bench = &places.bench;
    let (ours, other) = (bench.app.client_id(), ClientId::parse(NOBODY)?);
    let clerk = bench.entra.add_user(bench.contoso, "clerk@contoso.example");
    let sheet = [
        (Rule::any(), "tcamdz"),
        (Rule::any().tenant(bench.contoso), "tcamdz"),
        (Rule::any().tenant(bench.fabrikam), ""),
        (Rule::any().customer(bench.fabrikam), "a"),
        (Rule::any().customer(bench.contoso), ""),
        (Rule::any().application(ours), "tcamz"),
        (Rule::any().application(other), ""),
        (Rule::any().user(bench.admin.id), "tcam"),
        (Rule::any().user(clerk.id), ""),
        (Rule::any().grant(Grant::RefreshToken), "t"),
        (Rule::any().grant(Grant::Code), ""),
        (Rule::any().resource(PARTNER_CENTER), "t"),
        (Rule::any().resource(GRAPH), ""),
        (Rule::any().method(Method::POST), "ta"),
        (Rule::any().method(Method::DELETE), ""),
        (Rule::at(Endpoint::Entra), "tdz"),
        (Rule::at(Endpoint::PartnerCenter), "ca"),
        (Rule::at(Endpoint::Customers), "c"),
        (Rule::at(Endpoint::Graph), "m"),
        (Rule::at(Endpoint::KeyVault), ""),
        (Rule::at(Endpoint::Entra).tenant(bench.contoso).method(Method::GET), "dz"),
    ];
    for (rule, expected) in sheet {
        let scripted = bench.entra.fail(rule.clone(), Failure::status(418));
        assert_eq!(hit(&places).await, expected, "{rule:?}");
        assert_eq!(scripted.hits(), expected.len() as u64, "{rule:?}");
        scripted.clear();
    }
    bench.entra.fail_tokens(Rule::any(), Failure::status(418));
    assert_eq!(hit(&places).await, "t");
    Ok(())
}

#[tokio::test]
async fn the_latest_rule_that_matches_counts_and_each_ends_by_itself() -> Outcome {
    let places = Places::new().await?;
    let entra = &places.bench.entra;
    let keys = || places.status(Endpoint::Keys);
    let all = entra.fail(Rule::any(), Failure::status(501));
    let some = entra.fail(Rule::at(Endpoint::Entra), Failure::status(502));
    let one = entra.fail(Rule::at(Endpoint::Keys), Failure::status(503));
    assert_eq!(keys().await, Some(503));
    assert_eq!(places.status(Endpoint::Discovery).await, Some(502));
    assert_eq!(places.status(Endpoint::Customers).await, Some(501));
    some.clear();
    assert_eq!((keys().await, one.hits(), all.hits()), (Some(503), 2, 1));
    one.clear();
    assert_eq!(keys().await, Some(501));
    all.clear();
    assert_eq!(keys().await, Some(200));
    Ok(())
}

#[tokio::test]
async fn a_failure_begins_after_so_many_and_ends_after_so_many() -> Outcome {
    let places = Places::new().await?;
    let keys = Rule::at(Endpoint::Keys);
    let scripted = places.bench.entra.fail(keys, Failure::status(418).after(1).times(2));
    let mut heard = Vec::new();
    for _ in 0..5 {
        heard.extend(places.status(Endpoint::Keys).await);
        assert_eq!(places.status(Endpoint::Discovery).await, Some(200), "it does not count");
    }
    assert_eq!((heard, scripted.hits()), (vec![200, 418, 418, 200, 200], 2));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn counts_are_exact_among_requests_at_the_same_time() -> Outcome {
    let places = Places::new().await?;
    for at in [Endpoint::Keys, Endpoint::Token, Endpoint::Customers] {
        let scripted = places.bench.entra.fail(Rule::at(at), Failure::status(418).times(1));
        let asked: Vec<_> = (0..24).map(|_| tokio::spawn(Heard::of(places.request(at)))).collect();
        let mut failed = 0;
        for asked in asked {
            failed += u32::from(asked.await??.status == 418);
        }
        assert_eq!((failed, scripted.hits()), (1, 1), "{at:?}");
    }
    Ok(())
}

#[tokio::test]
async fn chance_strikes_the_same_requests_in_every_run_of_a_seed() -> Outcome {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let places = Places::on(Bench::seeded(11).await?).await?;
        places.bench.entra.fail(Rule::at(Endpoint::Keys), Failure::status(418).percent(50));
        let mut struck = Vec::new();
        for _ in 0..30 {
            struck.push(places.status(Endpoint::Keys).await == Some(418));
        }
        assert!(struck.contains(&true) && struck.contains(&false));
        runs.push(struck);
    }
    assert_eq!(runs[0], runs[1]);
    Ok(())
}

#[tokio::test]
async fn a_refusal_that_names_no_place_is_the_token_endpoints() -> Outcome {
    let places = Places::new().await?;
    let scripted = places.bench.entra.fail(Rule::any(), Failure::aadsts(53_003).with_status(418));
    assert_eq!(hit(&places).await, "t");
    scripted.clear();
    let all = Rule::at(Endpoint::Entra);
    places.bench.entra.fail(all, Failure::aadsts(53_003).with_status(418));
    assert_eq!(hit(&places).await, "td", "the authorization endpoint answers by its callback");
    Ok(())
}

#[tokio::test]
async fn a_refusal_that_was_not_made_does_not_count() -> Outcome {
    let bench = Bench::new().await?;
    let token = bench.refresh_token().await?;
    let locked = bench.entra.fail_tokens(Rule::any(), Failure::aadsts(50_053).times(1));
    let wrong = bench.exchange("organizations", &token, &[("client_secret", "wrong")]).await?;
    assert_eq!((wrong.number(), locked.hits()), (7_000_215, 0));
    assert_eq!(bench.exchange("organizations", &token, &[]).await?.number(), 50_053);
    assert_eq!(
        (bench.exchange("organizations", &token, &[]).await?.status, locked.hits()),
        (200, 1)
    );
    Ok(())
}

#[tokio::test]
async fn requests_to_any_service_can_be_held() -> Outcome {
    let places = Places::new().await?;
    let entra = &places.bench.entra;
    for (at, service) in [
        (Endpoint::Customers, Endpoint::PartnerCenter),
        (Endpoint::Me, Endpoint::Graph),
        (Endpoint::VaultKeys, Endpoint::KeyVault),
        (Endpoint::Keys, Endpoint::Entra),
        (Endpoint::Token, Endpoint::Entra),
    ] {
        let truth = places.status(at).await;
        entra.forget_ledger();
        let hold = entra.hold(Rule::at(service));
        let asked = [at, at].map(|at| tokio::spawn(Heard::of(places.request(at))));
        hold.waiting(2).await;
        assert!(places.status(Endpoint::ManagedIdentity).await.is_some(), "others go on");
        assert!(asked.iter().all(|asked| !asked.is_finished()), "{at:?}");
        let met = (entra.ledger().len(), entra.partner_center_calls().len(), entra.key_fetches());
        assert_eq!(met, (0, 0, 0), "{at:?}: no service has seen them");
        hold.release();
        for asked in asked {
            assert_eq!(Some(asked.await??.status), truth, "{at:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_outage_is_of_one_service() -> Outcome {
    let places = Places::new().await?;
    let outage = places.bench.entra.outage(Endpoint::Graph);
    for at in [Endpoint::Me, Endpoint::Organization] {
        assert_eq!(places.status(at).await, None, "{at:?}");
    }
    for at in [Endpoint::Token, Endpoint::Customers, Endpoint::Keys] {
        assert_eq!(places.status(at).await, Some(200), "{at:?}");
    }
    outage.clear();
    assert_eq!(places.status(Endpoint::Me).await, Some(200));
    Ok(())
}

#[tokio::test]
async fn changed_replies_are_counted_too() -> Outcome {
    let places = Places::new().await?;
    let odd = places.bench.entra.alter_tokens(Rule::any(), |reply| reply["odd"] = true.into());
    places.status(Endpoint::Keys).await;
    assert_eq!(odd.hits(), 0);
    assert_eq!(places.ask(Endpoint::Token).await?.json()["odd"], true);
    assert_eq!(odd.hits(), 1);
    Ok(())
}
