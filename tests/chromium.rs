//! A person's way through consent in a real browser: cookies, sites, forms, keys and screens.
//!
//! Needs Debian's packages chromium, chromium-driver and libnss3-tools:
//! `cargo test --test chromium -- --ignored`.

#![allow(unreachable_pub)] // its modules are of one program

use axum::http::{HeaderValue, Method};
use cpv_consent::{Error, Refused};

use driver::key;
use habits::Device;
use panel::Arrival;
use person::{go_by_keyboard, sign_in_and_accept};
use stage::Stage;

#[path = "chromium/door/mod.rs"]
mod door;
#[path = "chromium/driver.rs"]
mod driver;
#[path = "chromium/ground.rs"]
mod ground;
#[path = "chromium/habits.rs"]
mod habits;
#[path = "chromium/panel.rs"]
mod panel;
#[path = "chromium/person.rs"]
mod person;
#[path = "chromium/readable.rs"]
mod readable;
#[path = "chromium/stage.rs"]
mod stage;
#[path = "chromium/tls.rs"]
mod tls;
mod world;

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn a_person_consents_and_the_answer_crosses_sites() {
    //
    let stage = Stage::new().await;
    let browser = stage.browser(Device::Desk).await;
    sign_in_and_accept(&browser, &stage).await;

    browser.arrives_at("Is this right?").await;
    browser.reads(&format!("The account panel-1 will act for tenant {}.", stage.contoso)).await;
    browser.reads(&format!("Signed in: {}", stage.admin.name)).await;
    assert_eq!(stage.panel.callbacks(), [arrival(&stage, true)]);
    assert!(stage.consent().await.is_none(), "nobody has confirmed yet");

    browser.click("Confirm").await;
    browser.arrives_at("Thank you").await;
    let consent = stage.consent().await.expect("a consent");
    assert_eq!(consent.account().as_str(), "panel-1");
    assert_eq!(consent.user().id(), stage.admin.id);
    assert!(consent.mfa().is_some(), "the code was a second factor");
    assert!(stage.panel.refusals().is_empty());
}

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn the_same_way_with_a_lax_cookie_is_refused() {
    //
    let stage = Stage::with_cookie(lax).await;
    let browser = stage.browser(Device::Desk).await;
    sign_in_and_accept(&browser, &stage).await;

    browser.arrives_at("That did not work").await;
    assert_eq!(stage.panel.callbacks(), [arrival(&stage, false)]);
    let refusals = stage.panel.refusals();
    assert!(matches!(refusals[..], [Error::Refused(Refused::OtherBrowser)]), "{refusals:?}");
    assert_eq!((stage.records("found"), stage.records("consent")), (0, 0));
    assert!(stage.consent().await.is_none());
}

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn the_keyboard_is_enough() {
    let stage = Stage::new().await;
    let browser = stage.browser(Device::Desk).await;
    browser.open(&stage.origin).await;
    go_by_keyboard(&browser, "Go to Entra", key::ENTER).await;
    for (heading, label, typed) in [
        ("Sign in", "Work account", &stage.admin.name),
        ("Enter password", "Password", &stage.admin.password),
        ("Verify your identity", "Code of your authenticator", &stage.admin.code),
    ] {
        browser.arrives_at(heading).await;
        go_by_keyboard(&browser, label, &format!("{typed}{}", key::ENTER)).await;
    }
    browser.arrives_at("Permissions requested").await;
    go_by_keyboard(&browser, "Consent on behalf of your organization", key::SPACE).await;
    assert_eq!(
        browser.run("return document.querySelector('input:checked').id").await,
        "for_everyone"
    );
    go_by_keyboard(&browser, "Accept", key::SPACE).await;
    browser.arrives_at("Is this right?").await;
    go_by_keyboard(&browser, "Confirm", key::ENTER).await;
    browser.arrives_at("Thank you").await;
    assert!(stage.consent().await.is_some());
}

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn another_emulators_certificates_are_not_trusted() {
    let (stage, other) = (Stage::new().await, Stage::new().await);
    let browser = other.browser(Device::Desk).await;
    for origin in [stage.origin.as_str(), stage.login()] {
        browser.open(origin).await;
        let shown = browser.shown().await;
        assert!(shown.contains("ERR_CERT_AUTHORITY_INVALID"), "{shown}");
    }
}

/// The callback as a browser posts it from Entra's site.
fn arrival(stage: &Stage, brings_the_cookie: bool) -> Arrival {
    Arrival {
        method: Method::POST,
        origin: Some(stage.login().to_owned()),
        site: Some("cross-site".to_owned()),
        brings_the_cookie,
    }
}

fn lax(cookie: HeaderValue) -> HeaderValue {
    let text = cookie.to_str().expect("ASCII");
    assert!(text.ends_with("; SameSite=None"), "{text}");
    text.replace("SameSite=None", "SameSite=Lax").parse().expect("ASCII")
}
