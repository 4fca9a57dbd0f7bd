//! Two tabs, the back button, the reload button, and a reply that is lost on its way.

use cpv_consent::{InvitationStatus, Refused};

use super::{Door, named};
use crate::habits::Device;
use crate::person::{accept, sign_in};
use crate::world::account;

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn of_two_tabs_on_one_invitation_the_last_one_counts() {
    let door = Door::new().await;
    let sent = door.invite().await;
    let browser = door.browser(Device::Desk).await;
    let first = browser.tab().await;
    door.begin(&browser, &sent).await;
    let second = browser.another_tab().await;
    door.find(&browser, &sent).await;

    browser.turn_to(&first).await;
    sign_in(&browser, &door.admin).await;
    accept(&browser).await;
    browser.arrives_at("You began again in this browser").await;
    browser.reads("Only the last try counts.").await;
    assert_eq!(door.refusals(), [Refused::BegunAnew]);
    door.has_given_nothing(&sent, 2).await;

    browser.turn_to(&second).await;
    let confirmation = browser.address().await;
    browser.turn_to(&first).await;
    browser.open(confirmation.as_str()).await;
    browser.arrives_at("Is this what you want?").await;
    browser.turn_to(&second).await;
    browser.click("Yes, give consent").await;
    browser.arrives_at("The consent is given").await;
    browser.turn_to(&first).await;
    browser.click("Yes, give consent").await;
    browser.arrives_at("The consent is given").await;
    door.has_one_consent(&sent).await;
}

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn two_tabs_on_two_invitations_both_succeed() {
    //
    let door = Door::new().await;
    let litware = door.entra.add_tenant("Litware");
    let their_admin = door.entra.add_user(litware, "admin@litware.example");
    let contosos = door.invite().await;
    let litwares = door.broker.partner(litware).invite(account("panel-2"));
    let litwares = named(litwares).await.expect("an invitation");
    let browser = door.browser(Device::Desk).await;
    let first = browser.tab().await;
    door.begin(&browser, &contosos).await;
    let second = browser.another_tab().await;
    door.begin(&browser, &litwares).await;

    for (tab, user) in [(&first, &door.admin), (&second, &their_admin)] {
        browser.turn_to(tab).await;
        sign_in(&browser, user).await;
        accept(&browser).await;
        browser.arrives_at("Is this what you want?").await;
        assert!(browser.shown().await.contains(&user.name));
    }
    assert_eq!(browser.cookies().await.len(), 2, "each flow has its own");
    for (tab, user) in [(&second, &their_admin), (&first, &door.admin)] {
        browser.turn_to(tab).await;
        browser.click("Yes, give consent").await;
        browser.arrives_at("The consent is given").await;
        let consent = door.consent_of(user.tenant).await.expect("a consent");
        assert_eq!(consent.user().id(), user.id);
    }
    assert_eq!(door.confirmed(), [1, 1]);
    assert!(door.refusals().is_empty());
    for sent in [&contosos, &litwares] {
        assert!(matches!(door.status(sent).await, InvitationStatus::Confirmed { .. }));
    }
}

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn the_browsers_own_buttons_give_nothing_and_spoil_nothing() {
    //
    let door = Door::new().await;
    let sent = door.invite().await;
    let browser = door.browser(Device::Desk).await;
    door.find(&browser, &sent).await;
    let confirmation = browser.address().await;
    browser.back().await;
    assert!(browser.address().await.as_str().starts_with(door.login()), "back at Microsoft");
    browser.forward().await;
    for _ in 0..2 {
        browser.arrives_at("Is this what you want?").await;
        assert_eq!(browser.address().await, confirmation, "the answer's own address is not kept");
        browser.reload().await;
    }
    door.has_given_nothing(&sent, 1).await;
    assert!(door.refusals().is_empty());

    browser.click("Yes, give consent").await;
    browser.arrives_at("The consent is given").await;
    browser.reload().await;
    browser.arrives_at("The consent is given").await;
    browser.back().await;
    browser.arrives_at("There is nothing left to confirm").await;
    assert!(!browser.shown().await.contains("Contoso Hosting"), "it is not kept by the browser");
    door.has_one_consent(&sent).await;
}

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn a_callback_that_is_reloaded_is_answered_once() {
    //
    let door = Door::new().await;
    let sent = door.invite().await;
    let browser = door.browser(Device::Desk).await;
    door.begin(&browser, &sent).await;
    sign_in(&browser, &door.admin).await;
    door.loses_the_next_reply();
    accept(&browser).await;
    browser.arrives_at("Bad gateway").await;
    assert!(browser.address().await.path().ends_with("/callback"));
    let asked = door.entra.ledger().len();
    for _ in 0..2 {
        browser.reload().await;
        browser.arrives_at("This step is done already").await;
        browser.reads("Nothing was done twice. If a page waits for your answer, go on there").await;
    }
    assert_eq!(door.refusals(), [Refused::StateReplayed, Refused::StateReplayed]);
    assert_eq!(door.entra.ledger().len(), asked, "no token was asked for again");
    door.has_given_nothing(&sent, 1).await;

    door.find(&browser, &sent).await;
    browser.click("Yes, give consent").await;
    browser.arrives_at("The consent is given").await;
    door.has_one_consent(&sent).await;
}
