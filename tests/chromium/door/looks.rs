//! Each page from each side: whether it can be read and used there. The pictures are kept.

use cpv_consent::emulator::Tampering;
use cpv_consent::{SentInvitation, ShownName};

use super::view::View;
use super::{Door, named};
use crate::person::identify;
use crate::world::{DAY, account};

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn every_page_of_the_door_is_readable_at_a_desk() {
    tour("desk").await;
}

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn every_page_of_the_door_is_readable_on_a_phone() {
    tour("phone").await;
}

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn every_page_of_the_door_is_readable_at_night() {
    tour("phone-dark").await;
}

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn every_page_of_the_door_is_readable_in_korean() {
    tour("phone-ko").await;
}

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn every_page_of_the_door_is_readable_in_korean_at_a_desk() {
    tour("desk-ko").await;
}

async fn tour(view: &'static str) {
    let door = Door::new().await;
    let view = View::new(&door, view).await;
    let sent = door.invite().await;
    view.open(&sent).await;
    view.look("Example Panel asks for your organization’s consent", "invitation").await;
    let logo = view.browser.run("return document.images[0].naturalWidth > 0").await;
    assert_eq!(logo, true, "the logo may be shown");
    what_goes_wrong(&door, &view, &sent).await;
    door.has_given_nothing(&sent, 3).await;
    what_goes_right(&door, &view, &sent).await;
    door.has_one_consent(&sent).await;
    links_that_are_over(&door, &view, &sent).await;
    another_users(&door, &view).await;
    door.has_one_consent(&sent).await;
}

async fn what_goes_wrong(door: &Door, view: &View, sent: &SentInvitation) {
    view.begin(sent).await;
    view.browser.click("Cancel").await;
    view.look("You said no at Microsoft", "cancelled").await;

    view.begin(sent).await;
    identify(&view.browser, &door.admin).await;
    view.browser.arrives_at("Verify your identity").await;
    view.browser.click("Cancel").await;
    view.look("There was no second factor", "no-second-factor").await;

    let other = door.entra.add_tenant("Litware");
    door.entra.token_tampering(Tampering::OtherTenant(other));
    view.consent(sent, &door.admin).await;
    view.look("Another organization signed in", "wrong-tenant").await;
    door.entra.token_tampering(Tampering::None);
}

async fn what_goes_right(door: &Door, view: &View, sent: &SentInvitation) {
    view.consent(sent, &door.admin).await;
    view.look("Is this what you want?", "confirmation").await;
    view.click("No, give nothing").await;
    view.look("Nothing was given", "declined").await;
    view.consent(sent, &door.admin).await;
    view.browser.arrives_at(view.says("Is this what you want?")).await;
    view.click("Yes, give consent").await;
    view.look("The consent is given", "done").await;
    view.browser.back().await;
    view.look("There is nothing left to confirm", "nothing-left").await;
}

async fn links_that_are_over(door: &Door, view: &View, spent: &SentInvitation) {
    view.open(spent).await;
    view.look("The invitation was used", "spent").await;
    let replaced = door.invite().await;
    let id = replaced.invitation().id();
    let newer = door.broker.invitations().resend(id).await.expect("open");
    view.open(&replaced).await;
    view.look("There is a newer link", "replaced").await;
    door.clock.advance(8 * DAY);
    view.open(&newer).await;
    view.look("The invitation has expired", "expired").await;
    let newest = door.broker.invitations().resend(id).await.expect("expired");
    door.broker.invitations().revoke(id).await.expect("open");
    view.open(&newest).await;
    view.look("The invitation was taken back", "revoked").await;
    view.browser.open(&format!("{}/consent/invited/cut-off", door.origin)).await;
    view.look("There is no invitation at this link", "unknown").await;
    view.browser.open(&format!("{}/consent/elsewhere", door.origin)).await;
    view.look("There is no such page", "lost").await;
}

/// With names that nobody can break, and no button that confirms.
async fn another_users(door: &Door, view: &View) {
    let long = "TheAccountOfWhomeverHasTheLongestNameOfAllInThisPanelAndOfEveryOther";
    let name = ShownName::unverified(long).expect("plain text");
    let invitation = named(door.broker.partner(door.contoso).invite(account("panel-1")));
    let sent = invitation.account_name(name).await.expect("an invitation");
    let user = "service.account.of.another.department.and.its.people@contoso.example";
    let user = door.entra.add_user(door.contoso, user);
    view.consent(&sent, &user).await;
    view.look("Is this what you want?", "another-user").await;
    assert!(view.browser.shown().await.contains(&door.admin.name), "whose consent stands");
    let buttons = "return [...document.querySelectorAll('button')].map((one) => one.value)";
    assert_eq!(view.browser.run(buttons).await, serde_json::json!(["decline"]));
    view.click("No, give nothing").await;
    view.browser.arrives_at(view.says("Nothing was given")).await;
}
