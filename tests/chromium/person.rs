//! What a person does, page by page.

use cpv_consent::emulator::User;

use crate::driver::{Chromium, key};
use crate::stage::Stage;

/// From the panel's start page to the callback.
pub async fn sign_in_and_accept(browser: &Chromium, stage: &Stage) {
    browser.open(&stage.origin).await;
    browser.arrives_at("Connect your tenant").await;
    browser.click("Go to Entra").await;
    sign_in(browser, &stage.admin).await;
    accept(browser).await;
}

/// Shows both factors.
pub async fn sign_in(browser: &Chromium, user: &User) {
    identify(browser, user).await;
    browser.arrives_at("Verify your identity").await;
    browser.fill("Code of your authenticator", &user.code).await;
    browser.click("Verify").await;
}

/// Agrees to what is asked for, unless this person has agreed before: then nobody asks.
pub async fn accept(browser: &Chromium) {
    let next = browser.leaves(&["Enter password", "Verify your identity"]).await;
    if next == "Permissions requested" {
        browser.click("Accept").await;
    }
}

/// Shows the first factor.
pub async fn identify(browser: &Chromium, user: &User) {
    browser.arrives_at("Sign in").await;
    browser.fill("Work account", &user.name).await;
    browser.click("Next").await;
    browser.arrives_at("Enter password").await;
    browser.fill("Password", &user.password).await;
    browser.click("Sign in").await;
}

/// Presses Tab until the field or button with these words has the focus, and then these keys.
pub async fn go_by_keyboard(browser: &Chromium, words: &str, keys: &str) {
    for _ in 0..MOST_STOPS {
        browser.strike(key::TAB).await;
        let stop = browser.run(FOCUS).await;
        assert_eq!(stop["ring"], true, "the focus does not show: {stop}");
        if stop["words"] == words {
            return browser.strike(keys).await;
        }
    }
    panic!("the keyboard does not reach {words}");
}

/// Where the focus is, by the words that a person reads there, and whether it can be seen.
const FOCUS: &str = "const at = document.activeElement;\
const { outlineStyle, outlineWidth } = getComputedStyle(at);\
const words = (at.labels?.[0] ?? at).innerText.trim();\
return { words, ring: outlineStyle !== 'none' && parseFloat(outlineWidth) > 0 };";

const MOST_STOPS: usize = 8;
