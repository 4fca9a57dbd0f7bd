//! Who gets in, and what they must show first.

use std::time::Duration;

use cpv_consent::emulator::{Answer, Browser, ConditionalAccess, MfaMethod, User};
use serde_json::json;

use super::bench::{Bench, FieldList, GRAPH, Outcome, PARTNER_CENTER, REDIRECT, stuck_at};
use super::sitting::Sitting;

#[tokio::test]
async fn an_expired_password_is_replaced_before_anything_else() -> Outcome {
    let bench = Bench::new().await?;
    let url = bench.authorize_url("organizations", &[]);
    bench.entra.change_user(&bench.admin, |account| account.must_change_password = true);
    let old = bench.admin.password.as_str();
    let mut sitting = Sitting::open(&url).await?;
    sitting.answer(&[("name", &bench.admin.name)]).await?;
    sitting.answer(&[("password", "wrong")]).await?;
    assert_eq!(sitting.page.number(), Some(50_126), "only its owner may replace it");
    sitting.answer(&[("password", old)]).await?;
    for (new, again) in [("", ""), ("long enough", "other"), ("short", "short"), (old, old)] {
        assert_eq!(sitting.page.heading(), "Update your password");
        assert_eq!(sitting.page.refusal(), (200, Some(50_055)));
        sitting.answer(&[("new_password", new), ("again", again)]).await?;
    }
    sitting.answer(&[("new_password", "long enough"), ("again", "long enough")]).await?;
    assert_eq!(sitting.page.heading(), "Verify your identity");

    let mut later = Sitting::open(&url).await?;
    later.answer(&[("name", &bench.admin.name)]).await?;
    later.answer(&[("password", old)]).await?;
    assert_eq!(later.page.number(), Some(50_126));
    later.answer(&[("password", "long enough")]).await?;
    assert_eq!(later.page.heading(), "Verify your identity");
    Ok(())
}

#[tokio::test]
async fn a_walk_replaces_an_expired_password() -> Outcome {
    let bench = Bench::new().await?;
    bench.entra.change_user(&bench.admin, |account| account.must_change_password = true);
    bench.callback(&bench.admin, Answer::Accept, &[]).await?.code()?;
    let password = format!("{}!", bench.admin.password);
    let admin = User { password, ..bench.admin.clone() };
    bench.callback(&admin, Answer::Accept, &[]).await?.code()?;
    Ok(())
}

#[tokio::test]
async fn whether_a_password_that_its_owner_changes_ends_refresh_tokens_is_doubted() -> Outcome {
    for (revokes, status) in [(false, 200), (true, 400)] {
        let bench = Bench::new().await?;
        bench.entra.doubts(|doubts| doubts.password_change_revokes = revokes);
        let token = bench.refresh_token().await?;
        bench.entra.change_user(&bench.admin, |account| account.must_change_password = true);
        bench.callback(&bench.admin, Answer::Accept, &[]).await?.code()?;
        let reply = bench.exchange(&bench.contoso.to_string(), &token, &[]).await?;
        assert_eq!((reply.status, reply.number()), (status, if revokes { 50_173 } else { 0 }));
    }
    Ok(())
}

#[tokio::test]
async fn who_needs_a_second_factor_and_has_none_sets_one_up() -> Outcome {
    let bench = Bench::new().await?;
    without_second_factor(&bench);
    demand(&bench, ConditionalAccess { require_mfa: true, ..ConditionalAccess::default() });
    let mut sitting = Sitting::open(&bench.authorize_url("organizations", &[])).await?;
    sitting.sign_in(&bench.admin).await?;
    assert_eq!(sitting.page.heading(), "More information required");
    assert_eq!(sitting.page.refusal(), (200, Some(50_079)));
    assert!(sitting.page.text.contains(&bench.admin.code), "the page shows what it sets up");
    sitting.answer(&[("code", "wrong")]).await?;
    assert_eq!(sitting.page.number(), Some(500_121));
    sitting.answer(&[("answer", "cancel")]).await?;
    let told = sitting.page.callback();
    assert_eq!((told.find("error"), told.refusal()), (Some("access_denied"), Some(50_079)));

    let fields = bench.callback(&bench.admin, Answer::FailMfa, &[]).await?;
    assert_eq!(fields.refusal(), Some(50_079), "nothing was set up so far");
    let fields = bench.callback(&bench.admin, Answer::Accept, &[]).await?;
    let access = bench.redeem(fields.code()?, &[]).await?.claims("access_token");
    assert_eq!(access["amr"], json!(["pwd", "mfa"]));
    let fields = bench.callback(&bench.admin, Answer::FailMfa, &[]).await?;
    assert_eq!(fields.refusal(), Some(50_074), "it is asked for from then on");
    Ok(())
}

#[tokio::test]
async fn a_policy_counts_where_it_is_about_a_resource_that_is_asked_for() -> Outcome {
    let bench = Bench::new().await?;
    let about = |resource: &str| Some(vec![resource.to_owned()]);
    for (resources, number) in [
        (None, Some(53_003)),
        (about(GRAPH), Some(53_003)),
        (about("https://vault.azure.net"), None),
    ] {
        demand(&bench, ConditionalAccess { blocked: true, resources, ..Default::default() });
        let walk = bench.callback(&bench.admin, Answer::Accept, &[]).await;
        assert_eq!(walk.err().as_ref().and_then(stuck_at), number);
    }
    Ok(())
}

#[tokio::test]
async fn a_blocked_sign_in_is_told_before_the_second_factor() -> Outcome {
    let bench = Bench::new().await?;
    demand(&bench, ConditionalAccess { blocked: true, ..Default::default() });
    let mut sitting = Sitting::open(&bench.authorize_url("organizations", &[])).await?;
    sitting.answer(&[("name", &bench.admin.name)]).await?;
    sitting.answer(&[("password", &bench.admin.password)]).await?;
    assert_eq!(sitting.page.refusal(), (400, Some(53_003)));
    assert_eq!(sitting.page.cookie(), "", "nobody is signed in");
    Ok(())
}

#[tokio::test]
async fn what_a_session_lacks_is_asked_for_and_silence_is_told_so() -> Outcome {
    let bench = Bench::new().await?;
    without_second_factor(&bench);
    let mut browser = Browser::new();
    browser.consent(&bench.authorize_url("organizations", &[]), &bench.admin).await?;
    bench.entra.change_user(&bench.admin, |account| account.mfa = MfaMethod::Authenticator);
    let hour = Duration::from_secs(3600);
    let frequency = ConditionalAccess { sign_in_frequency: Some(hour), ..Default::default() };
    let mfa = ConditionalAccess { require_mfa: true, ..Default::default() };
    bench.clock.advance(hour);
    for (policy, changes, heading, error, number) in [
        (mfa, ("x", "y"), "Verify your identity", "interaction_required", 50_076),
        (frequency, ("x", "y"), "Enter password", "interaction_required", 70_044),
        (
            ConditionalAccess::default(),
            ("max_age", "3600"),
            "Enter password",
            "login_required",
            50_058,
        ),
    ] {
        demand(&bench, policy);
        let url = bench.authorize_url("organizations", &[changes]);
        let mut sitting = Sitting::open_in(browser, &url).await?;
        assert_eq!(sitting.page.heading(), heading);
        let silent = bench.authorize_url("organizations", &[changes, ("prompt", "none")]);
        sitting.go_to(&silent).await?;
        let told = sitting.page.callback();
        assert_eq!((told.find("error"), told.refusal()), (Some(error), Some(number)));
        browser = sitting.browser;
    }
    demand(&bench, ConditionalAccess::default());
    for changes in [("max_age", "3601"), ("x", "y")] {
        let url = bench.authorize_url("organizations", &[changes, ("prompt", "none")]);
        let sitting = Sitting::open_in(browser, &url).await?;
        sitting.page.callback().code()?;
        browser = sitting.browser;
    }
    Ok(())
}

#[tokio::test]
async fn a_session_that_met_the_demand_meets_it_again() -> Outcome {
    let bench = Bench::new().await?;
    demand(&bench, ConditionalAccess { require_mfa: true, ..Default::default() });
    let mut browser = Browser::new();
    browser.consent(&bench.authorize_url("organizations", &[]), &bench.admin).await?;
    let silent = bench.authorize_url("organizations", &[("prompt", "none")]);
    let sitting = Sitting::open_in(browser, &silent).await?;
    sitting.page.callback().code()?;
    Ok(())
}

#[tokio::test]
async fn claims_that_step_up_ask_for_the_second_factor_again() -> Outcome {
    let bench = Bench::new().await?;
    let mut browser = Browser::new();
    browser.consent(&bench.authorize_url("organizations", &[]), &bench.admin).await?;
    for (claims, heading) in [
        (
            json!({"access_token": {"acrs": {"essential": true, "value": "c1"}}}),
            "Verify your identity",
        ),
        (
            json!({"access_token": {"capolids": {"essential": true, "values": ["x"]}}}),
            "Verify your identity",
        ),
        (json!({"id_token": {"acrs": {"essential": true, "value": "c1"}}}), "Verify your identity"),
        (json!({"access_token": {"acrs": {"value": "c1"}}}), ""),
        (json!({"access_token": {"xms_cc": {"values": ["cp1"]}}, "x": 1}), ""),
    ] {
        let url = bench.authorize_url("organizations", &[("claims", &claims.to_string())]);
        let sitting = Sitting::open_in(browser, &url).await?;
        assert_eq!(sitting.page.heading(), heading, "{claims}");
        assert_eq!(sitting.page.callback().code().is_ok(), heading.is_empty(), "{claims}");
        browser = sitting.browser;
    }
    Ok(())
}

#[tokio::test]
async fn accounts_that_may_not_sign_in_are_turned_away() -> Outcome {
    let bench = Bench::new().await?;
    let stuck = async |user: &User| {
        let walk = bench.callback(user, Answer::Accept, &[]).await;
        walk.err().as_ref().and_then(stuck_at)
    };
    bench.entra.change_user(&bench.admin, |account| account.locked = true);
    assert_eq!(stuck(&bench.admin).await, Some(50_053));
    let mistaken = User { password: "wrong".to_owned(), ..bench.admin.clone() };
    assert_eq!(stuck(&mistaken).await, Some(50_053), "whatever the password");
    bench.entra.change_user(&bench.admin, |account| account.locked = false);

    let northwind = bench.entra.add_tenant("Northwind");
    let home = bench.entra.add_user(northwind, "admin@northwind.example");
    let guest = bench.entra.add_guest(&home, bench.contoso);
    bench.entra.change_user(&guest, |account| account.disabled = true);
    assert_eq!(stuck(&guest).await, Some(50_057), "the guest's account, not the home account");

    let client = bench.app.client_id();
    let clerk = bench.entra.add_user(bench.contoso, "clerk@contoso.example");
    bench.entra.require_assignment(bench.contoso, client, &[&clerk]);
    assert_eq!(stuck(&bench.admin).await, Some(50_105));
    assert_eq!(stuck(&clerk).await, None);
    let silent = bench.authorize_url("organizations", &[("prompt", "none")]);
    let mut browser = Browser::new();
    browser.consent(&bench.authorize_url("organizations", &[]), &clerk).await?;
    bench.entra.require_assignment(bench.contoso, client, &[]);
    let told = FieldList::of_query(&browser.consent(&silent, &clerk).await?);
    assert_eq!(told.find("error"), Some("interaction_required"));
    Ok(())
}

#[tokio::test]
async fn an_application_that_is_disabled_or_of_another_tenant_is_refused_on_a_page() -> Outcome {
    let bench = Bench::new().await?;
    bench.entra.disable_application(bench.app.client_id(), true);
    let sitting = Sitting::open(&bench.authorize_url("organizations", &[])).await?;
    assert_eq!(sitting.page.refusal(), (400, Some(7_000_112)));
    bench.entra.disable_application(bench.app.client_id(), false);
    let manifest = json!({
        "appId": bench.app.client_id(),
        "displayName": "Intranet",
        "signInAudience": "AzureADMyOrg",
        "web": { "redirectUris": [REDIRECT] },
    });
    bench.entra.register_manifest(bench.contoso, &manifest.to_string())?;
    let (home, other) = (bench.contoso.to_string(), bench.fabrikam.to_string());
    for (tenant, refusal) in [
        (home.as_str(), (200, None)),
        (&other, (400, Some(700_016))),
        ("organizations", (400, Some(50_194))),
    ] {
        let sitting = Sitting::open(&bench.authorize_url(tenant, &[])).await?;
        assert_eq!(sitting.page.refusal(), refusal, "{tenant}");
    }
    Ok(())
}

#[tokio::test]
async fn a_hint_chooses_among_the_accounts_of_a_browser() -> Outcome {
    let bench = Bench::new().await?;
    let clerk = bench.entra.add_user(bench.contoso, "clerk@contoso.example");
    let mut browser = Browser::new();
    for user in [&bench.admin, &clerk] {
        browser
            .consent(&bench.authorize_url("organizations", &[("prompt", "login")]), user)
            .await?;
    }
    let open = async |browser, changes: &[(&str, &str)]| {
        Sitting::open_in(browser, &bench.authorize_url("organizations", changes)).await
    };
    let mut sitting = open(browser, &[]).await?;
    assert_eq!(sitting.page.heading(), "Pick an account");
    sitting.answer(&[("account", "Admin@Contoso.example")]).await?;
    let reply = bench.redeem_at("organizations", sitting.page.callback().code()?, &[]).await?;
    assert_eq!(reply.claims("id_token")["oid"], json!(bench.admin.id));

    let mut sitting = open(sitting.browser, &[("prompt", "select_account")]).await?;
    sitting.answer(&[("account", "nobody@contoso.example")]).await?;
    assert_eq!(sitting.page.heading(), "Sign in", "who is not signed in has to");

    let sitting = open(sitting.browser, &[("prompt", "none")]).await?;
    let told = sitting.page.callback();
    assert_eq!((told.find("error"), told.refusal()), (Some("interaction_required"), Some(16_000)));

    let hint = [("prompt", "none"), ("login_hint", "CLERK@contoso.example")];
    let sitting = open(sitting.browser, &hint).await?;
    let reply = bench.redeem_at("organizations", sitting.page.callback().code()?, &[]).await?;
    assert_eq!(reply.claims("id_token")["oid"], json!(clerk.id));

    let sitting = open(sitting.browser, &[("login_hint", "new@contoso.example")]).await?;
    assert_eq!(sitting.page.heading(), "Sign in");
    assert!(sitting.page.text.contains("value=\"new@contoso.example\""));
    Ok(())
}

#[tokio::test]
async fn within_a_hinted_domain_the_short_name_will_do() -> Outcome {
    let bench = Bench::new().await?;
    for (hint, heading) in [("contoso.example", "Enter password"), ("organizations", "Sign in")] {
        let url = bench.authorize_url("organizations", &[("domain_hint", hint)]);
        let mut sitting = Sitting::open(&url).await?;
        sitting.answer(&[("name", "admin")]).await?;
        assert_eq!(sitting.page.heading(), heading, "{hint}");
    }
    Ok(())
}

#[tokio::test]
async fn a_page_is_answered_once_in_time_and_from_its_own_site() -> Outcome {
    let bench = Bench::new().await?;
    let url = bench.authorize_url("organizations", &[]);
    let mut sitting = Sitting::open(&url).await?;
    let flow = sitting.page.flow().ok_or("a form")?.to_owned();
    let name = [("name", bench.admin.name.as_str())];
    for header in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        sitting.post(&flow, &name, &[header]).await?;
        assert_eq!(sitting.page.refusal(), (400, Some(90_023)), "{header:?}");
    }
    sitting.post("no flow", &name, &[]).await?;
    assert_eq!(sitting.page.refusal(), (400, Some(50_089)));
    let own = [("origin", bench.entra.login_origin()), ("sec-fetch-site", "same-origin")];
    sitting.post(&flow, &name, &own).await?;
    assert_eq!(sitting.page.heading(), "Enter password");
    let next = sitting.page.flow().ok_or("a form")?.to_owned();
    sitting.post(&flow, &name, &[]).await?;
    assert_eq!(sitting.page.refusal(), (400, Some(50_089)), "its word was used");
    bench.clock.advance(Duration::from_secs(15 * 60));
    sitting.post(&next, &[("password", &bench.admin.password)], &[]).await?;
    assert_eq!(sitting.page.refusal(), (400, Some(50_089)), "a quarter of an hour is too long");
    Ok(())
}

#[tokio::test]
async fn no_field_skips_a_step() -> Outcome {
    let bench = Bench::new().await?;
    let mut sitting = Sitting::open(&bench.authorize_url("organizations", &[])).await?;
    sitting.answer(&[("name", &bench.admin.name), ("step", "consent"), ("answer", "next")]).await?;
    assert_eq!(sitting.page.heading(), "Enter password");
    sitting.answer(&[("code", &bench.admin.code), ("for_everyone", "yes")]).await?;
    assert_eq!(sitting.page.refusal(), (200, Some(50_126)));
    sitting.answer(&[("password", &bench.admin.password), ("new_password", "long enough")]).await?;
    assert_eq!(sitting.page.heading(), "Verify your identity");
    Ok(())
}

#[tokio::test]
async fn what_a_clerk_may_grant_is_theirs_alone() -> Outcome {
    let bench = Bench::new().await?;
    let clerk = bench.entra.add_user(bench.contoso, "clerk@contoso.example");
    bench.entra.change_user(&clerk, |account| account.administrator = false);
    let scope = format!("openid {PARTNER_CENTER}/user_impersonation");
    let mut sitting =
        Sitting::open(&bench.authorize_url("organizations", &[("scope", &scope)])).await?;
    sitting.sign_in(&clerk).await?;
    assert!(!sitting.page.text.contains("for_everyone"), "only administrators see the box");
    sitting.answer(&[("answer", "next"), ("for_everyone", "yes")]).await?;
    sitting.page.callback().code()?;
    let mut other =
        Sitting::open(&bench.authorize_url("organizations", &[("scope", &scope)])).await?;
    other.sign_in(&bench.admin).await?;
    assert_eq!(other.page.heading(), "Permissions requested", "the forged box counted for nobody");
    Ok(())
}

fn without_second_factor(bench: &Bench) {
    bench.entra.change_user(&bench.admin, |account| account.mfa = MfaMethod::None);
}

fn demand(bench: &Bench, policy: ConditionalAccess) {
    bench.entra.conditional_access(bench.contoso, policy);
}
