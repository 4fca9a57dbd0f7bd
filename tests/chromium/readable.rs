//! Each page on a phone: whether it can be read and used there.

use cpv_consent::emulator::{ConditionalAccess, MfaMethod};
use serde_json::{Value, json};

use crate::driver::Chromium;
use crate::habits::Device;
use crate::person::{identify, sign_in_and_accept};
use crate::stage::Stage;

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn every_page_of_a_consent_is_readable_on_a_phone() {
    let stage = Stage::new().await;
    let browser = stage.browser(Device::Phone).await;
    browser.open(&stage.origin).await;
    look_at(&browser, "Connect your tenant").await;
    browser.click("Go to Entra").await;
    for (heading, label, wrong, right, button) in [
        ("Sign in", "Work account", "nobody@contoso.example", &stage.admin.name, "Next"),
        ("Enter password", "Password", "wrong", &stage.admin.password, "Sign in"),
        ("Verify your identity", "Code of your authenticator", "0", &stage.admin.code, "Verify"),
    ] {
        look_at(&browser, heading).await;
        browser.fill(label, wrong).await;
        browser.click(button).await;
        browser.reads("AADSTS").await;
        look_at(&browser, heading).await;
        browser.fill(label, right).await;
        browser.click(button).await;
    }
    look_at(&browser, "Permissions requested").await;
    browser.click("Accept").await;
    look_at(&browser, "Is this right?").await;
    browser.click("Confirm").await;
    look_at(&browser, "Thank you").await;
}

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn pages_that_are_seldom_seen_are_readable_on_a_phone() {
    let stage = Stage::new().await;
    let browser = stage.browser(Device::Phone).await;
    let newcomer =
        stage.entra.add_user(stage.contoso, "newcomer.of.another.department@contoso.example");
    stage.entra.change_user(&newcomer, |account| {
        (account.administrator, account.must_change_password) = (false, true);
        account.mfa = MfaMethod::None;
    });
    let policy = ConditionalAccess { require_mfa: true, ..ConditionalAccess::default() };
    stage.entra.conditional_access(stage.contoso, policy);

    browser.open(stage.authorize_url("login").as_str()).await;
    identify(&browser, &newcomer).await;
    look_at(&browser, "Update your password").await;
    browser.fill("New password", "correct horse battery staple").await;
    browser.fill("New password, again", "correct horse battery staple").await;
    browser.click("Sign in").await;
    look_at(&browser, "More information required").await;
    browser.fill("Code of your authenticator", &newcomer.code).await;
    browser.click("Register").await;
    look_at(&browser, "Need admin approval").await;

    browser.open(stage.authorize_url("select_account").as_str()).await;
    look_at(&browser, "Pick an account").await;
    browser.open(&format!("{}/common/oauth2/v2.0/logout", stage.login())).await;
    look_at(&browser, "You signed out of your account").await;

    stage.entra.change_user(&stage.admin, |account| account.mfa = MfaMethod::Phone);
    browser.open(stage.admin_consent_url().as_str()).await;
    identify(&browser, &stage.admin).await;
    look_at(&browser, "Verify your identity").await;
    browser.fill("Code that we sent to your phone", &stage.admin.code).await;
    browser.click("Verify").await;
    look_at(&browser, "Permissions requested").await;

    let unknown = stage.authorize_url("login").as_str().replace("c11e0700", "00000000");
    browser.open(&unknown).await;
    look_at(&browser, "Sorry, but we’re having trouble signing you in.").await;
}

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn without_scripts_a_button_carries_the_answer() {
    let stage = Stage::new().await;
    let browser = stage.browser(Device::PhoneWithoutScripts).await;
    sign_in_and_accept(&browser, &stage).await;
    look_at(&browser, "One more step").await;
    browser.click("Continue").await;
    browser.arrives_at("Is this right?").await;
    assert_eq!(stage.panel.callbacks(), [crate::arrival(&stage, true)]);
}

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn what_is_unreadable_is_found() {
    let stage = Stage::new().await;
    let browser = stage.browser(Device::Phone).await;
    let what_is_wrong_in = async |page: &str| {
        browser.open(&format!("data:text/html,{page}")).await;
        what_is_wrong(&browser).await
    };
    assert_eq!(what_is_wrong_in(READABLE).await, json!([]));
    for (right, wrong, complaint) in DEFECTS {
        let page = READABLE.replacen(right, wrong, 1);
        assert_ne!(page, READABLE, "{right}");
        assert_eq!(what_is_wrong_in(&page).await, json!([complaint]), "{page}");
    }
}

async fn look_at(browser: &Chromium, heading: &str) {
    judge(browser, heading, heading).await;
}

/// Waits for a page, keeps a picture of it and judges it.
pub async fn judge(browser: &Chromium, heading: &str, picture: &str) {
    browser.arrives_at(heading).await;
    browser.picture(picture).await;
    assert_eq!(what_is_wrong(browser).await, json!([]), "{heading}");
}

async fn what_is_wrong(browser: &Chromium) -> Value {
    browser.run(include_str!("readable.js")).await
}

/// A page without a fault, and what makes one of it.
const READABLE: &str = "<!doctype html><html lang=en><title>A page</title>\
<meta name=viewport content='width=device-width'><h1>A page</h1><p>Some words.</p>\
<label for=a>A field</label><input id=a style='font-size:16px;height:44px'>\
<button style='height:44px'>Go on</button>";

const DEFECTS: [(&str, &str, &str); 14] = [
    (" lang=en", "", "html: no language"),
    ("<title>A page</title>", "", "html: no title"),
    ("name=viewport", "name=nothing", "html: wider than the screen"),
    (
        "Some words.",
        "WordsThatNobodyCanBreakAnywhereOnAScreenSoNarrow",
        "html: wider than the screen",
    ),
    ("<h1>A page</h1>", "<p>A page</p>", "html: not one first heading"),
    ("Some words.", "<h1>Another</h1>", "html: not one first heading"),
    ("<label for=a>", "<label>", "input: no label"),
    ("font-size:16px", "font-size:13px", "input: makes a phone zoom"),
    ("height:44px", "height:20px", "input: too low for a finger"),
    ("Go on", "", "button: no words"),
    ("<p>", "<p style='position:absolute;left:-99px'>", "p: out of sight"),
    ("<p>", "<p style='font-size:8px'>", "p: too small to read"),
    ("<p>", "<p style='color:silver'>", "p: too pale to read"),
    ("<p>", "<p style='opacity:.4'>", "p: too pale to read"),
];
