//! A person who is stopped again and again, and comes through in the end; one who thinks better of it.

use cpv_consent::emulator::{ConditionalAccess, MfaMethod};
use cpv_consent::{Event, MfaSource, Refused};
use reqwest::header::SET_COOKIE;

use super::Door;
use crate::driver::Chromium;
use crate::habits::Device;
use crate::person::{accept, identify, sign_in};

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn after_scanners_a_cancelled_attempt_and_failed_factors_it_succeeds() {
    //
    let door = Door::new().await;
    let sent = door.invite().await;
    let link = sent.link().as_str();
    for _ in 0..10 {
        let reply = door.client().get(link).send().await.expect("a reply");
        assert!(reply.status().is_success() && !reply.headers().contains_key(SET_COOKIE));
    }
    let browser = door.browser(Device::Desk).await;
    browser.open(link).await;
    browser.reads("Example Panel receives nothing before you confirm it on the last page.").await;
    assert!(browser.cookies().await.is_empty(), "to look is not to begin");
    door.has_given_nothing(&sent, 0).await;

    cancels(&door, &browser).await;
    assert_eq!(door.refusals(), [Refused::Declined]);
    door.has_given_nothing(&sent, 1).await;

    door.begin(&browser, &sent).await;
    fails_the_second_factor(&door, &browser).await;
    door.has_given_nothing(&sent, 2).await;

    door.begin(&browser, &sent).await;
    has_no_second_factor(&door, &browser).await;
    let missing = Refused::MfaMissing(MfaSource::PartnerCenter);
    assert_eq!(door.refusals(), [Refused::Declined, missing]);
    door.has_given_nothing(&sent, 3).await;

    door.find(&browser, &sent).await;
    reads_who_gives_what_to_whom(&door, &browser).await;
    door.has_given_nothing(&sent, 4).await;
    assert_eq!(door.records("found"), 1, "it waits");

    browser.click("Yes, give consent").await;
    browser.arrives_at("The consent is given").await;
    browser.reads("Example Panel can work for your organization now.").await;
    door.has_one_consent(&sent).await;
    assert_eq!(door.records("found"), 0);
    assert_eq!(started(&door), [1, 2, 3, 4]);

    browser.open(link).await;
    browser.arrives_at("The invitation was used").await;
}

async fn cancels(door: &Door, browser: &Chromium) {
    browser.click("Continue to Microsoft").await;
    sign_in(browser, &door.admin).await;
    browser.arrives_at("Permissions requested").await;
    browser.click("Cancel").await;
    browser.arrives_at("You said no at Microsoft").await;
    browser.reads("has received nothing. You can open the link from your invitation again.").await;
    browser.reads("an administrator can remove it there").await;
    assert!(browser.address().await.query().is_none());
}

/// Types a wrong code, and gives up.
async fn fails_the_second_factor(door: &Door, browser: &Chromium) {
    identify(browser, &door.admin).await;
    browser.arrives_at("Verify your identity").await;
    browser.fill("Code of your authenticator", "000").await;
    browser.click("Verify").await;
    browser.reads("AADSTS500121").await;
    browser.click("Cancel").await;
    browser.arrives_at("There was no second factor").await;
    assert!(browser.shown().await.contains("AADSTS50074"), "support asks for it");
}

/// Microsoft does not ask for one, and Partner Center finds that it was missing.
async fn has_no_second_factor(door: &Door, browser: &Chromium) {
    door.entra.change_user(&door.admin, |account| account.mfa = MfaMethod::None);
    identify(browser, &door.admin).await;
    accept(browser).await;
    browser.arrives_at("There was no second factor").await;
    browser.reads("Set it up for the account, sign in with it, and open the link again.").await;
    door.entra.change_user(&door.admin, |account| account.mfa = MfaMethod::Authenticator);
}

async fn reads_who_gives_what_to_whom(door: &Door, browser: &Chromium) {
    let page = browser.shown().await;
    let tenant = door.contoso.to_string();
    let in_order = [
        "Contoso Hosting",
        "verified by Example Panel",
        "Ann Example",
        "not verified",
        &tenant,
        &door.admin.name,
        "Directory.Read.All",
        "proven, says Partner Center",
        "Yes, give consent",
    ];
    let places =
        in_order.map(|words| page.find(words).unwrap_or_else(|| panic!("{words}: {page}")));
    assert!(places.is_sorted(), "who receives comes first: {page}");
    let address = browser.address().await;
    assert!(address.path().starts_with("/consent/found/") && address.query().is_none());
}

fn started(door: &Door) -> Vec<u32> {
    door.told(|event| match event {
        Event::InvitationStarted { times, .. } => Some(*times),
        _ => None,
    })
}

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn who_declines_on_the_last_page_has_given_nothing_and_may_begin_again() {
    let door = Door::new().await;
    let sent = door.invite().await;
    let browser = door.browser(Device::Desk).await;
    door.find(&browser, &sent).await;
    browser.click("No, give nothing").await;
    browser.arrives_at("Nothing was given").await;
    door.has_given_nothing(&sent, 1).await;
    assert_eq!(door.records("found"), 0, "what was found is erased");

    browser.back().await;
    browser.arrives_at("There is nothing left to confirm").await;
    door.find(&browser, &sent).await;
    browser.click("Yes, give consent").await;
    browser.arrives_at("The consent is given").await;
    door.has_one_consent(&sent).await;
}

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn who_may_not_consent_is_told_to_ask_an_administrator() {
    //
    let door = Door::new().await;
    let sent = door.invite().await;
    let clerk = door.entra.add_user(door.contoso, "clerk@contoso.example");
    door.entra.change_user(&clerk, |account| account.administrator = false);
    let policy = ConditionalAccess { require_mfa: true, ..ConditionalAccess::default() };
    door.entra.conditional_access(door.contoso, policy);
    let browser = door.browser(Device::Desk).await;
    door.begin(&browser, &sent).await;
    sign_in(&browser, &clerk).await;
    browser.arrives_at("Need admin approval").await;
    browser.click("Return to the application without granting consent").await;
    browser.arrives_at("An administrator must approve first").await;
    browser.reads("today or another day, and sign in.").await;
    assert_eq!(door.refusals(), [Refused::AdminApprovalNeeded]);
    door.has_given_nothing(&sent, 1).await;
}
