//! The v1.0 authorization endpoint, where it differs.

use cpv_consent::emulator::{Answer, Browser, MfaMethod, User};
use url::Url;

use super::bench::{Bench, FieldList, GRAPH, NOBODY, Outcome, PARTNER_CENTER, REDIRECT};
use super::sitting::Sitting;

#[tokio::test]
async fn permissions_come_from_the_registration_and_never_from_the_scope() -> Outcome {
    let bench = Bench::new().await?;
    for scope in ["", "openid", "no such scope/", "User.Read"] {
        bench.entra.withdraw_grants(bench.contoso, bench.app.client_id());
        let mut sitting = Sitting::open(&url(&bench, &[("scope", scope)])).await?;
        sitting.sign_in(&bench.admin).await?;
        assert_eq!(sitting.page.heading(), "Permissions requested", "{scope}");
        for permission in ["Directory.Read.All", "user_impersonation"] {
            assert!(sitting.page.text.contains(permission), "{scope}: {permission}");
        }
        assert!(!sitting.page.text.contains("User.Read<"), "{scope}");
    }
    Ok(())
}

#[tokio::test]
async fn a_callback_says_when_an_administrator_consented() -> Outcome {
    let bench = Bench::new().await?;
    let first = walk(&bench, &bench.admin, &[]).await?;
    assert_eq!((first.code().is_ok(), first.find("state")), (true, Some("the-state")));
    assert_eq!(first.find("admin_consent"), Some("True"));
    assert!(first.find("session_state").is_some());
    let second = walk(&bench, &bench.admin, &[]).await?;
    assert_eq!((second.code().is_ok(), second.find("admin_consent")), (true, None));
    let v2 = bench.callback(&bench.admin, Answer::Accept, &[("prompt", "consent")]).await?;
    assert_eq!((v2.code().is_ok(), v2.find("admin_consent")), (true, None));
    Ok(())
}

#[tokio::test]
async fn an_administrator_consents_for_everyone_when_asked_so() -> Outcome {
    let bench = Bench::new().await?;
    let clerk = clerk(&bench);
    let everyone = [("prompt", "admin_consent")];
    let refused = walk(&bench, &clerk, &everyone).await?;
    assert_eq!((refused.find("error"), refused.refusal()), (Some("access_denied"), Some(90_094)));
    let request =
        Browser::new().walk(&url(&bench, &everyone), &bench.admin, Answer::Cancel).await?;
    let cancelled = FieldList::of_query(&request);
    assert_eq!(cancelled.refusal(), Some(65_004));
    assert_eq!(walk(&bench, &clerk, &[]).await?.refusal(), Some(90_094), "nothing was granted yet");
    walk(&bench, &bench.admin, &everyone).await?.code()?;
    walk(&bench, &clerk, &[]).await?.code()?;
    Ok(())
}

#[tokio::test]
async fn a_resource_is_one_that_the_application_registered() -> Outcome {
    let bench = Bench::new().await?;
    for (resource, error, number) in [
        ("https://no.such.example", "invalid_resource", 500_011),
        (NOBODY, "invalid_resource", 500_011),
        ("https://vault.azure.net", "invalid_resource", 650_057),
    ] {
        let told = walk(&bench, &bench.admin, &[("resource", resource)]).await?;
        assert_eq!((told.find("error"), told.refusal()), (Some(error), Some(number)), "{resource}");
        assert_eq!(told.find("state"), Some("the-state"));
    }
    let slashed = format!("{PARTNER_CENTER}/");
    for resource in [PARTNER_CENTER, &slashed, GRAPH, "fa3d9a0c-3fb0-42cc-9193-47c7ecd2edbd"] {
        walk(&bench, &bench.admin, &[("resource", resource)]).await?.code()?;
    }
    Ok(())
}

#[tokio::test]
async fn the_address_may_be_left_out_and_may_not_be_wrong() -> Outcome {
    let bench = Bench::new().await?;
    let request =
        Browser::new().consent(&url(&bench, &[("redirect_uri", "")]), &bench.admin).await?;
    assert!(request.uri().to_string().starts_with(REDIRECT));
    let wrong = url(&bench, &[("redirect_uri", "https://panel.example/")]);
    assert_eq!(Sitting::open(&wrong).await?.page.refusal(), (400, Some(50_011)));
    let v2 = bench.authorize_url("organizations", &[("redirect_uri", "")]);
    assert_eq!(Sitting::open(&v2).await?.page.refusal(), (400, Some(900_144)));
    Ok(())
}

#[tokio::test]
async fn other_faults_are_told_to_the_application() -> Outcome {
    let bench = Bench::new().await?;
    for (change, error, number) in [
        (("response_type", "token"), "unsupported_response_type", 70_005),
        (("response_type", "code id_token"), "unsupported_response_type", 700_054),
        (("response_type", ""), "invalid_request", 900_144),
        (("response_mode", "web_message"), "invalid_request", 70_007),
        (("prompt", "create"), "invalid_request", 90_023),
        (("prompt", "none"), "login_required", 50_058),
        (("claims", "{"), "invalid_request", 9_000_410),
        (("claims", "[]"), "invalid_request", 9_000_410),
        (("max_age", "-1"), "invalid_request", 90_023),
        (("code_challenge", "short"), "invalid_request", 50_147),
    ] {
        let told = walk(&bench, &bench.admin, &[change]).await?;
        assert_eq!((told.find("error"), told.refusal()), (Some(error), Some(number)), "{change:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_second_factor_can_be_asked_for_and_then_will_do() -> Outcome {
    let bench = Bench::new().await?;
    bench.entra.change_user(&bench.admin, |account| account.mfa = MfaMethod::None);
    let mut browser = Browser::new();
    browser.consent(&url(&bench, &[]), &bench.admin).await?;
    let with_mfa = url(&bench, &[("amr_values", "mfa")]);
    let mut sitting = Sitting::open_in(browser, &with_mfa).await?;
    assert_eq!(sitting.page.heading(), "More information required");
    sitting.answer(&[("code", &bench.admin.code)]).await?;
    sitting.page.callback().code()?;
    sitting.go_to(&with_mfa).await?;
    sitting.page.callback().code()?;
    Ok(())
}

async fn walk(
    bench: &Bench,
    user: &User,
    changes: &[(&str, &str)],
) -> Result<FieldList, Box<dyn std::error::Error>> {
    let request = Browser::new().consent(&url(bench, changes), user).await?;
    Ok(FieldList::of_query(&request))
}

fn url(bench: &Bench, changes: &[(&str, &str)]) -> Url {
    let mut url = bench.authorize_url(&bench.contoso.to_string(), changes);
    url.set_path(&format!("/{}/oauth2/authorize", bench.contoso));
    url
}

fn clerk(bench: &Bench) -> User {
    let clerk = bench.entra.add_user(bench.contoso, "clerk@contoso.example");
    bench.entra.change_user(&clerk, |account| account.administrator = false);
    clerk
}
