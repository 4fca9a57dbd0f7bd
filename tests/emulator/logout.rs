//! Signing out.

use cpv_consent::emulator::Browser;
use url::Url;

use super::bench::{Bench, NOBODY, Outcome, REDIRECT};
use super::sitting::Sitting;

#[tokio::test]
async fn it_ends_the_browsers_session_and_no_refresh_token() -> Outcome {
    let bench = Bench::new().await?;
    let token = bench.refresh_token().await?;
    for path in ["oauth2/v2.0/logout", "oauth2/logout"] {
        let mut browser = Browser::new();
        browser.consent(&bench.authorize_url("organizations", &[]), &bench.admin).await?;
        let mut sitting = Sitting::open_in(browser, &url(&bench, "common", path, &[])).await?;
        assert_eq!((sitting.page.status, sitting.page.location()), (200, None));
        assert_eq!(sitting.page.heading(), "You signed out of your account");
        let silent = bench.authorize_url("organizations", &[("prompt", "none")]);
        sitting.go_to(&silent).await?;
        assert_eq!(sitting.page.callback().refusal(), Some(50_058), "{path}");
    }
    let reply = bench.exchange(&bench.contoso.to_string(), &token, &[]).await?;
    assert_eq!(reply.status, 200);
    Ok(())
}

#[tokio::test]
async fn the_session_is_gone_even_for_who_kept_the_cookie() -> Outcome {
    let bench = Bench::new().await?;
    let mut sitting = Sitting::open(&bench.authorize_url("organizations", &[])).await?;
    sitting.sign_in(&bench.admin).await?;
    let mut thief = Browser::new();
    thief.keep_cookie(sitting.page.cookie());
    sitting.answer(&[("answer", "next")]).await?;
    let silent = bench.authorize_url("organizations", &[("prompt", "none")]);
    let stolen = Sitting::open_in(thief, &silent).await?;
    stolen.page.callback().code()?;
    sitting.go_to(&url(&bench, "common", "oauth2/v2.0/logout", &[])).await?;
    assert!(sitting.page.cookie().contains("Max-Age=0"), "{}", sitting.page.cookie());
    let stolen = Sitting::open_in(stolen.browser, &silent).await?;
    assert_eq!(stolen.page.callback().refusal(), Some(50_058));
    Ok(())
}

#[tokio::test]
async fn it_leads_only_to_addresses_that_are_registered() -> Outcome {
    let bench = Bench::new().await?;
    let back = |to: &str| {
        let parameters = [("post_logout_redirect_uri", to), ("state", "the-state")];
        url(&bench, "common", "oauth2/v2.0/logout", &parameters)
    };
    let sitting = Sitting::open(&back(REDIRECT)).await?;
    let expected = Url::parse(&format!("{REDIRECT}?state=the-state"))?;
    assert_eq!((sitting.page.status, sitting.page.location()), (302, Some(expected)));
    for to in ["https://evil.example/", "https://panel.example/", "javascript:alert(1)", "x"] {
        let sitting = Sitting::open(&back(to)).await?;
        assert_eq!((sitting.page.status, sitting.page.location()), (200, None), "{to}");
    }
    let sitting = Sitting::open(&url(&bench, NOBODY, "oauth2/v2.0/logout", &[])).await?;
    assert_eq!(sitting.page.refusal(), (400, Some(90_002)));
    Ok(())
}

fn url(bench: &Bench, tenant: &str, path: &str, parameters: &[(&str, &str)]) -> Url {
    let url = format!("{}/{tenant}/{path}", bench.entra.login_origin());
    let mut url = Url::parse(&url).expect("a URL");
    url.query_pairs_mut().extend_pairs(parameters);
    url
}
