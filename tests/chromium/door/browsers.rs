//! A link in another browser, a browser without cookies, one without scripts, and the keyboard alone.

use cpv_consent::Refused;

use super::Door;
use crate::driver::key;
use crate::habits::{Device, Habits};
use crate::person::{accept, go_by_keyboard, sign_in};
use crate::readable::judge;

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn what_one_browser_began_no_other_one_ends() {
    //
    let door = Door::new().await;
    let sent = door.invite().await;
    let own = door.browser(Device::Desk).await;
    door.begin(&own, &sent).await;
    let microsoft = own.address().await;

    let other = door.browser(Device::Desk).await;
    other.open(microsoft.as_str()).await;
    sign_in(&other, &door.admin).await;
    accept(&other).await;
    other.arrives_at("This browser did not begin it").await;
    other.reads("Begin and end in the same browser").await;
    assert_eq!(door.refusals(), [Refused::OtherBrowser]);
    door.has_given_nothing(&sent, 1).await;

    sign_in(&own, &door.admin).await;
    accept(&own).await;
    own.arrives_at("Is this what you want?").await;
    let confirmation = own.address().await;
    other.open(confirmation.as_str()).await;
    other.arrives_at("This browser did not begin it").await;
    let shown = other.shown().await;
    assert!(!shown.contains("Contoso Hosting") && !shown.contains(&door.admin.name), "{shown}");
    door.has_given_nothing(&sent, 1).await;

    own.click("Yes, give consent").await;
    own.arrives_at("The consent is given").await;
    door.has_one_consent(&sent).await;
}

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn a_link_that_is_opened_in_another_browser_begins_anew_there() {
    let door = Door::new().await;
    let sent = door.invite().await;
    let (first, second) = (door.browser(Device::Desk).await, door.browser(Device::Phone).await);
    door.begin(&first, &sent).await;
    door.find(&second, &sent).await;
    door.has_given_nothing(&sent, 2).await;
    second.click("Yes, give consent").await;
    second.arrives_at("The consent is given").await;

    sign_in(&first, &door.admin).await;
    accept(&first).await;
    first.arrives_at("The invitation was used").await;
    first.reads("A consent was confirmed by it.").await;
    assert_eq!(door.refusals(), [Refused::InvitationSpent]);
    door.has_one_consent(&sent).await;
}

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn a_browser_that_keeps_no_cookie_is_told_so() {
    //
    let door = Door::new().await;
    let sent = door.invite().await;
    let habits = Habits::from(Device::Desk).without_cookies_of(&door.origin);
    let browser = door.browser(habits).await;
    door.begin(&browser, &sent).await;
    sign_in(&browser, &door.admin).await;
    accept(&browser).await;
    browser.arrives_at("This browser did not begin it").await;
    browser.reads("let it keep the cookie of this site").await;
    assert!(browser.cookies().await.is_empty());
    assert_eq!(door.refusals(), [Refused::OtherBrowser]);
    assert_eq!(door.records("found"), 0);
    door.has_given_nothing(&sent, 1).await;
}

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn a_phone_without_scripts_goes_the_whole_way() {
    let door = Door::new().await;
    let sent = door.invite().await;
    let browser = door.browser(Device::PhoneWithoutScripts).await;
    door.begin(&browser, &sent).await;
    sign_in(&browser, &door.admin).await;
    accept(&browser).await;
    browser.arrives_at("One more step").await;
    browser.click("Continue").await;
    judge(&browser, "Is this what you want?", "without-scripts-confirmation").await;
    door.has_given_nothing(&sent, 1).await;
    browser.click("Yes, give consent").await;
    judge(&browser, "The consent is given", "without-scripts-done").await;
    door.has_one_consent(&sent).await;
    assert!(door.refusals().is_empty());
}

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn the_keyboard_alone_leads_from_the_link_to_the_consent() {
    let door = Door::new().await;
    let sent = door.invite().await;
    let browser = door.browser(Device::Desk).await;
    browser.open(sent.link().as_str()).await;
    browser.arrives_at("Example Panel asks for your organization’s consent").await;
    go_by_keyboard(&browser, "Continue to Microsoft", key::ENTER).await;
    for (heading, label, typed) in [
        ("Sign in", "Work account", &door.admin.name),
        ("Enter password", "Password", &door.admin.password),
        ("Verify your identity", "Code of your authenticator", &door.admin.code),
    ] {
        browser.arrives_at(heading).await;
        go_by_keyboard(&browser, label, &format!("{typed}{}", key::ENTER)).await;
    }
    browser.arrives_at("Permissions requested").await;
    go_by_keyboard(&browser, "Accept", key::SPACE).await;
    browser.arrives_at("Is this what you want?").await;
    browser.strike(key::ENTER).await;
    browser.arrives_at("Is this what you want?").await;
    door.has_given_nothing(&sent, 1).await;
    go_by_keyboard(&browser, "Yes, give consent", key::ENTER).await;
    browser.arrives_at("The consent is given").await;
    go_by_keyboard(&browser, "Back to Example Panel", "").await;
    door.has_one_consent(&sent).await;
}
