//! What pages may load, show and say; and the answers that they carry.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cpv_consent::emulator::Browser;
use serde_json::{Value, json};
use url::Url;

use super::bench::{Bench, FieldList, Outcome, REDIRECT};
use super::sitting::{Page, Sitting, between};

const HOSTILE: &str = "\"><script>alert('1')</script>&amp;";

#[tokio::test]
async fn a_page_loads_nothing_but_its_own_style_and_script() -> Outcome {
    let bench = Bench::new().await?;
    let mut sitting = Sitting::open(&bench.authorize_url("organizations", &[])).await?;
    check(&sitting.page);
    let form_post = bench.authorize_url("organizations", &[("response_mode", "form_post")]);
    sitting.go_to(&form_post).await?;
    sitting.sign_in(&bench.admin).await?;
    check(&sitting.page);
    sitting.answer(&[("answer", "next")]).await?;
    assert!(sitting.page.text.contains(&format!("action=\"{REDIRECT}\"")));
    check(&sitting.page);
    let script = between(&sitting.page.text, "<script>", "</script>").ok_or("a script")?;
    assert!(policy(&sitting.page).contains(&format!("script-src {}", hash(script))));
    sitting.go_to(&bench.authorize_url("nowhere", &[])).await?;
    assert_eq!(sitting.page.status, 400);
    check(&sitting.page);
    Ok(())
}

#[tokio::test]
async fn what_others_write_is_shown_as_text() -> Outcome {
    let bench = Bench::new().await?;
    let changes = [("login_hint", HOSTILE), ("state", HOSTILE), ("response_mode", "form_post")];
    let mut sitting = Sitting::open(&bench.authorize_url("organizations", &changes)).await?;
    is_escaped(&sitting.page);
    sitting.answer(&[("name", HOSTILE)]).await?;
    is_escaped(&sitting.page);
    let hostile = bench.entra.add_user(bench.contoso, HOSTILE);
    sitting.go_to(&bench.authorize_url("organizations", &changes[1..])).await?;
    sitting.sign_in(&hostile).await?;
    assert_eq!(sitting.page.heading(), "Permissions requested");
    is_escaped(&sitting.page);
    sitting.answer(&[("answer", "next")]).await?;
    is_escaped(&sitting.page);
    let sitting =
        Sitting::open(&bench.authorize_url("organizations", &[("client_id", HOSTILE)])).await?;
    assert_eq!(sitting.page.refusal(), (400, Some(700_016)));
    is_escaped(&sitting.page);
    Ok(())
}

#[tokio::test]
async fn an_error_page_says_what_support_asks_for() -> Outcome {
    let bench = Bench::new().await?;
    let correlation = "0f6f6b1c-0e3b-4b8e-9d5b-6f2e0d1c2b3a";
    let changes = [("redirect_uri", "https://evil.example/"), ("client-request-id", correlation)];
    let sitting = Sitting::open(&bench.authorize_url("organizations", &changes)).await?;
    assert_eq!(sitting.page.refusal(), (400, Some(50_011)));
    for term in ["Trace ID", "Correlation ID", "Timestamp"] {
        let value = between(&sitting.page.text, &format!("<dt>{term}</dt><dd>"), "</dd>");
        assert!(value.is_some_and(|value| value.len() >= 20), "{term}");
    }
    assert!(sitting.page.text.contains(&format!("<dt>Correlation ID</dt><dd>{correlation}")));
    Ok(())
}

#[tokio::test]
async fn a_session_cookie_is_out_of_reach_of_scripts() -> Outcome {
    let bench = Bench::new().await?;
    let mut sitting = Sitting::open(&bench.authorize_url("organizations", &[])).await?;
    sitting.sign_in(&bench.admin).await?;
    let (word, attributes) = sitting.page.cookie().split_once("; ").ok_or("a cookie")?;
    assert!(word.len() >= 43 + "ESTSAUTH=".len());
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax");
    Ok(())
}

#[tokio::test]
async fn by_https_the_session_goes_along_across_sites_and_the_issuer_is_the_secure_one() -> Outcome
{
    let bench = Bench::over_https().await?;
    bench.entra.doubts(|doubts| doubts.callback_issuer = true);
    let secure = &bench.entra.https().ok_or("https")?.origins().login;
    let plain = bench.authorize_url("organizations", &[]);
    let url = plain.as_str().replacen(bench.entra.login_origin(), secure, 1);
    let mut sitting = Sitting::open_in(bench.entra.browser(), &Url::parse(&url)?).await?;
    sitting.sign_in(&bench.admin).await?;
    let (_, attributes) = sitting.page.cookie().split_once("; ").ok_or("a cookie")?;
    assert_eq!(attributes, "Path=/; HttpOnly; Secure; SameSite=None");
    sitting.answer(&[("answer", "next")]).await?;
    let issuer = format!("{secure}/{}/v2.0", bench.contoso);
    assert_eq!(sitting.page.callback().find("iss"), Some(issuer.as_str()));
    bench.entra.browser().consent(&Url::parse(&url)?, &bench.admin).await?;
    Ok(())
}

#[tokio::test]
async fn a_fragment_carries_the_answer_where_no_server_sees_it() -> Outcome {
    let bench = Bench::new().await?;
    let url = bench.authorize_url("organizations", &[("response_mode", "fragment")]);
    let mut sitting = Sitting::open(&url).await?;
    sitting.sign_in(&bench.admin).await?;
    sitting.answer(&[("answer", "next")]).await?;
    let to = sitting.page.location().ok_or("a redirect")?;
    assert_eq!(to.query(), None);
    let fields = FieldList::decode(to.fragment().unwrap_or_default().as_bytes());
    assert_eq!(fields.find("state"), Some("the-state"));
    fields.code()?;
    Ok(())
}

#[tokio::test]
async fn client_info_names_the_home_account_to_who_asks() -> Outcome {
    let bench = Bench::new().await?;
    let northwind = bench.entra.add_tenant("Northwind");
    let home = bench.entra.add_user(northwind, "admin@northwind.example");
    let guest = bench.entra.add_guest(&home, bench.contoso);
    for (asked, expected) in [("1", Some(json!({ "uid": home.id, "utid": northwind }))), ("", None)]
    {
        let url = bench.authorize_url(&bench.contoso.to_string(), &[("client_info", asked)]);
        let fields = FieldList::of_query(&Browser::new().consent(&url, &guest).await?);
        let info = fields.find("client_info").map(|info| URL_SAFE_NO_PAD.decode(info));
        let info = info.transpose()?.map(|info| serde_json::from_slice::<Value>(&info));
        assert_eq!(info.transpose()?, expected);
    }
    Ok(())
}

#[tokio::test]
async fn the_issuer_comes_along_only_where_that_doubt_is_read_so() -> Outcome {
    let bench = Bench::new().await?;
    let issuer = format!("{}/{}/v2.0", bench.entra.login_origin(), bench.contoso);
    for (sent, expected) in [(false, None), (true, Some(issuer.as_str()))] {
        bench.entra.doubts(|doubts| doubts.callback_issuer = sent);
        let url = bench.authorize_url("organizations", &[]);
        let fields = FieldList::of_query(&Browser::new().consent(&url, &bench.admin).await?);
        assert_eq!(fields.find("iss"), expected);
    }
    Ok(())
}

fn check(page: &Page) {
    let policy = policy(page);
    let style = between(&page.text, "<style>", "</style>").expect("a style");
    assert!(policy.starts_with(&format!("default-src 'none'; style-src {};", hash(style))));
    for part in ["base-uri 'none'", "frame-ancestors 'none'", "form-action http: https:"] {
        assert!(policy.contains(part), "{part}");
    }
    assert_eq!(page.headers["cache-control"], "no-store");
    assert_eq!(page.headers["x-content-type-options"], "nosniff");
    assert_eq!(page.text.matches("<h1>").count(), 1);
    assert!(page.text.contains("<html lang=\"en\">"));
    assert!(!page.text.contains("://") || page.text.contains("action=\"https://panel.example"));
}

fn policy(page: &Page) -> &str {
    page.headers["content-security-policy"].to_str().expect("ASCII")
}

fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, text.as_bytes())))
}

fn is_escaped(page: &Page) {
    assert!(!page.text.contains("<script>alert"), "{}", page.text);
    assert!(!page.text.contains("value=\"\">"), "{}", page.text);
}
