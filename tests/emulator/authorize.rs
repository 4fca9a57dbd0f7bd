//! Signing in and consenting.

use cpv_consent::emulator::{Answer, Browser, BrowserError, User};
use http::Method;
use http::header::{CONTENT_TYPE, COOKIE};
use serde_json::json;
use url::Url;

use super::bench::{
    Bench, FORM, FieldList, GRAPH, NOBODY, Outcome, PARTNER_CENTER, REDIRECT, stuck_at,
};
use super::sitting::Sitting;

#[tokio::test]
async fn a_consent_comes_back_by_query_with_state_and_a_code_that_yields_tokens() -> Outcome {
    let bench = Bench::new().await?;
    let fields = bench.callback(&bench.admin, Answer::Accept, &[]).await?;
    assert_eq!(fields.find("state"), Some("the-state"));
    let reply = bench.redeem(fields.code()?, &[]).await?;
    assert_eq!((reply.status, &reply.headers["cache-control"]), (200, &"no-store".parse()?));
    assert_eq!(reply.json["expires_in"], 3599);
    assert_eq!(reply.text("scope"), format!("{PARTNER_CENTER}/user_impersonation"));
    let id = reply.claims("id_token");
    let issuer = format!("{}/{}/v2.0", bench.entra.login_origin(), bench.contoso);
    assert_eq!((&id["iss"], &id["nonce"]), (&json!(issuer), &json!("the-nonce")));
    assert_eq!((&id["tid"], &id["oid"]), (&json!(bench.contoso), &json!(bench.admin.id)));
    assert_eq!((&id["aud"], &id["acct"]), (&json!(bench.app.client_id()), &json!(0)));
    assert_eq!((&id["iat"], &id["auth_time"]), (&json!(bench.now()), &json!(bench.now())));
    assert_eq!(id.get("amr"), None, "the v2.0 endpoint gives no amr");
    let access = reply.claims("access_token");
    assert_eq!((&access["aud"], &access["amr"]), (&json!(PARTNER_CENTER), &json!(["pwd", "mfa"])));
    assert_eq!(access["iss"], format!("https://sts.windows.net/{}/", bench.contoso));
    Ok(())
}

#[tokio::test]
async fn a_form_post_is_cross_site_and_carries_only_the_cookie_that_allows_it() -> Outcome {
    let bench = Bench::new().await?;
    let mut browser = Browser::new();
    browser.keep_cookie("__Host-flow=key; Path=/; Secure; HttpOnly; SameSite=None");
    browser.keep_cookie("lax=1; Path=/; Secure; SameSite=Lax");
    let url = bench.authorize_url("organizations", &[("response_mode", "form_post")]);
    let request = browser.consent(&url, &bench.admin).await?;
    assert_eq!((request.method(), request.uri().to_string()), (&Method::POST, REDIRECT.to_owned()));
    assert_eq!(request.headers()[CONTENT_TYPE], FORM);
    assert_eq!(request.headers()[COOKIE], "__Host-flow=key");
    let fields = FieldList::decode(request.body());
    assert_eq!(fields.find("state"), Some("the-state"));
    assert!(fields.code()?.len() >= 43);
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_with_client_or_address_is_shown_and_never_sent_back() -> Outcome {
    let bench = Bench::new().await?;
    for (tenant, change, number) in [
        ("organizations", ("redirect_uri", "https://panel.example/consent/callback/"), 50_011),
        ("organizations", ("redirect_uri", "https://panel.example/consent/Callback"), 50_011),
        ("organizations", ("redirect_uri", "https://evil.example/"), 50_011),
        ("organizations", ("redirect_uri", ""), 900_144),
        ("organizations", ("client_id", NOBODY), 700_016),
        ("organizations", ("client_id", "app"), 700_016),
        (NOBODY, ("x", "y"), 90_002),
        ("consumers", ("x", "y"), 90_130),
    ] {
        let url = bench.authorize_url(tenant, &[change]);
        let error = Browser::new().consent(&url, &bench.admin).await.expect_err("refused");
        assert_eq!(stuck_at(&error), Some(number), "{change:?}");
    }
    let twice = format!("{}&state=x", bench.authorize_url("organizations", &[]));
    let error = Browser::new().consent(&Url::parse(&twice)?, &bench.admin).await;
    assert_eq!(stuck_at(&error.expect_err("refused")), Some(9_000_411));
    Ok(())
}

#[tokio::test]
async fn other_faults_are_told_to_the_application_with_its_state() -> Outcome {
    let bench = Bench::new().await?;
    let missing = format!("{GRAPH}/No.Such.Permission");
    let mixed = format!("{GRAPH}/.default {GRAPH}/User.Read");
    for (change, error, number) in [
        (("response_type", "token"), "unsupported_response_type", 70_005),
        (("response_type", "code id_token"), "unsupported_response_type", 700_054),
        (("response_mode", "web_message"), "invalid_request", 70_007),
        (("resource", GRAPH), "invalid_request", 901_002),
        (("scope", ""), "invalid_request", 900_144),
        (("scope", &missing), "invalid_client", 650_053),
        (("scope", "https://api.example/x"), "invalid_resource", 500_011),
        (("scope", &mixed), "invalid_scope", 70_011),
        (("prompt", "admin_consent"), "invalid_request", 90_023),
        (("prompt", "none"), "login_required", 50_058),
        (("code_challenge", "short"), "invalid_request", 50_147),
        (("code_challenge_method", "S512"), "invalid_request", 501_491),
    ] {
        let fields = bench.callback(&bench.admin, Answer::Accept, &[change]).await?;
        let told = (fields.find("error"), fields.refusal(), fields.find("state"));
        assert_eq!(told, (Some(error), Some(number), Some("the-state")), "{change:?}");
    }
    Ok(())
}

#[tokio::test]
async fn each_way_of_saying_no_has_its_own_answer() -> Outcome {
    //
    let bench = Bench::new().await?;
    let clerk = clerk(&bench);
    for (user, answer, number) in [
        (&bench.admin, Answer::Cancel, 65_004),
        (&bench.admin, Answer::CancelSignIn, 65_004),
        (&bench.admin, Answer::FailMfa, 50_074),
        (&clerk, Answer::Accept, 90_094),
    ] {
        let fields = bench.callback(user, answer, &[]).await?;
        let told = (fields.find("error"), fields.refusal());
        assert_eq!(told, (Some("access_denied"), Some(number)), "{answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_clerk_may_go_on_once_an_administrator_agreed_for_everyone() -> Outcome {
    let bench = Bench::new().await?;
    let clerk = clerk(&bench);
    bench.callback(&bench.admin, Answer::Accept, &[]).await?;
    let fields = bench.callback(&clerk, Answer::Accept, &[]).await?;
    assert_eq!(fields.refusal(), Some(90_094), "an administrator's own consent helps nobody else");
    bench.entra.withdraw_grants(bench.contoso, bench.app.client_id());
    bench.callback(&bench.admin, Answer::AcceptForEveryone, &[]).await?;
    bench.callback(&clerk, Answer::Accept, &[]).await?.code()?;
    let again = bench.callback(&clerk, Answer::Accept, &[("prompt", "consent")]).await?;
    assert_eq!(again.refusal(), Some(90_094), "prompt=consent stops a clerk all the same");
    Ok(())
}

#[tokio::test]
async fn a_tenant_that_never_saw_the_application_is_asked_even_for_a_sign_in_alone() -> Outcome {
    let bench = Bench::new().await?;
    let (contoso, client) = (bench.contoso, bench.app.client_id());
    let url = |prompt| {
        let scope = ("scope", "openid profile offline_access");
        bench.authorize_url(&contoso.to_string(), &[scope, ("prompt", prompt)])
    };
    let mut sitting = Sitting::open(&url("")).await?;
    sitting.sign_in(&bench.admin).await?;
    assert_eq!(sitting.page.heading(), "Permissions requested");
    let mut silent = Browser::new();
    silent.keep_cookie(sitting.page.cookie());
    let silent = Sitting::open_in(silent, &url("none")).await?.page.callback();
    let told = (silent.find("error"), silent.refusal());
    assert_eq!(told, (Some("consent_required"), Some(65_001)));
    sitting.answer(&[("answer", "next")]).await?;
    let reply = bench.redeem(sitting.page.callback().code()?, &[]).await?;
    assert_eq!(reply.status, 200, "{:?}", reply.json);
    sitting.go_to(&url("none")).await?;
    sitting.page.callback().code()?;
    bench.entra.remove_principal(contoso, client);
    sitting.go_to(&url("none")).await?;
    assert_eq!(sitting.page.callback().refusal(), Some(65_001));
    Ok(())
}

#[tokio::test]
async fn a_session_signs_in_silently_until_it_is_told_not_to() -> Outcome {
    let bench = Bench::new().await?;
    let mut browser = Browser::new();
    let forgetful = User { password: "wrong".to_owned(), ..bench.admin.clone() };
    let url = |prompt| bench.authorize_url("organizations", &[("prompt", prompt)]);
    browser.consent(&url("login"), &bench.admin).await?;
    for prompt in ["none", "select_account", ""] {
        let request = browser.consent(&url(prompt), &forgetful).await?;
        FieldList::of_query(&request).code()?;
    }
    // A wrong password is asked for again and again.
    let error = browser.consent(&url("login"), &forgetful).await.expect_err("asked again");
    assert!(matches!(error, BrowserError::Nowhere));
    bench.entra.revoke_sessions(&bench.admin);
    let request = browser.consent(&url("none"), &bench.admin).await?;
    assert_eq!(FieldList::of_query(&request).find("error"), Some("login_required"));
    Ok(())
}

#[tokio::test]
async fn accounts_sign_in_only_where_they_belong() -> Outcome {
    let bench = Bench::new().await?;
    let personal = bench.entra.add_personal_user("someone@outlook.example");
    let northwind = bench.entra.add_tenant("Northwind");
    let stranger = bench.entra.add_user(northwind, "admin@northwind.example");
    for (tenant, user) in [
        ("organizations".to_owned(), &personal),
        (bench.contoso.to_string(), &stranger),
        (bench.fabrikam.to_string(), &bench.admin),
    ] {
        let url = bench.authorize_url(&tenant, &[]);
        let error = Browser::new().consent(&url, user).await.expect_err("no way in");
        assert!(matches!(error, BrowserError::Nowhere), "{tenant}: {error}");
    }
    let url = bench.authorize_url("common", &[]);
    FieldList::of_query(&Browser::new().consent(&url, &personal).await?).code()?;
    bench.entra.change_user(&bench.admin, |account| account.disabled = true);
    let error = bench.callback(&bench.admin, Answer::Accept, &[]).await.err().ok_or("blocked")?;
    assert_eq!(stuck_at(&error), Some(50_057));
    Ok(())
}

#[tokio::test]
async fn a_guest_is_told_from_a_member() -> Outcome {
    let bench = Bench::new().await?;
    let northwind = bench.entra.add_tenant("Northwind");
    let home = bench.entra.add_user(northwind, "admin@northwind.example");
    let guest = bench.entra.add_guest(&home, bench.contoso);
    bench.entra.change_user(&guest, |account| account.roles = vec![GLOBAL_ADMIN.to_owned()]);
    let fields = bench.callback(&guest, Answer::Accept, &[]).await?;
    let id = bench.redeem(fields.code()?, &[]).await?.claims("id_token");
    assert_eq!((&id["tid"], &id["oid"]), (&json!(bench.contoso), &json!(guest.id)));
    assert_eq!(id["acct"], 1);
    assert_eq!(id["idp"], format!("https://sts.windows.net/{northwind}/"));
    assert_eq!(id["wids"], json!([GLOBAL_ADMIN]));
    Ok(())
}

const GLOBAL_ADMIN: &str = "62e90394-69f5-4237-9190-012177145e10";

fn clerk(bench: &Bench) -> User {
    let clerk = bench.entra.add_user(bench.contoso, "clerk@contoso.example");
    bench.entra.change_user(&clerk, |account| account.administrator = false);
    clerk
}
