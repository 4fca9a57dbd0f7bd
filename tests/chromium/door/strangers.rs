//! People who were not meant: of another organization, guests, the vendor's own, another user.

use cpv_consent::emulator::Tampering;
use cpv_consent::{Guest, Refused};

use super::{Door, named};
use crate::habits::Device;
use crate::person::{accept, sign_in};
use crate::world::account;

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn another_organization_does_not_get_past_microsoft_nor_past_us() {
    //
    let door = Door::new().await;
    let sent = door.invite().await;
    let litware = door.entra.add_tenant("Litware");
    let stranger = door.entra.add_user(litware, "admin@litware.example");
    let browser = door.browser(Device::Desk).await;
    door.begin(&browser, &sent).await;
    browser.fill("Work account", &stranger.name).await;
    browser.click("Next").await;
    browser.reads("AADSTS50034").await;
    browser.click("Cancel").await;
    browser.arrives_at("You said no at Microsoft").await;

    door.entra.token_tampering(Tampering::OtherTenant(litware));
    door.begin(&browser, &sent).await;
    sign_in(&browser, &door.admin).await;
    accept(&browser).await;
    browser.arrives_at("Another organization signed in").await;
    browser.reads(&format!("The invitation is for tenant {}", door.contoso)).await;
    browser.reads(&format!("the account belongs to {litware}")).await;
    let other = Refused::OtherTenant { expected: door.contoso, found: litware };
    assert_eq!(door.refusals(), [Refused::Declined, other]);
    door.has_given_nothing(&sent, 2).await;
    assert!(door.consent_of(litware).await.is_none());
}

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn guests_and_the_vendors_own_people_are_told_who_is_meant() {
    let door = Door::new().await;
    let litware = door.entra.add_tenant("Litware");
    let visitor = door.entra.add_user(litware, "visitor@litware.example");
    let guest = door.entra.add_guest(&visitor, door.contoso);
    door.entra.change_user(&guest, |account| account.administrator = true);
    let colleague = door.entra.add_user(door.home(), "ann@panel.example");
    let browser = door.browser(Device::Desk).await;

    let sent = door.invite().await;
    door.begin(&browser, &sent).await;
    sign_in(&browser, &guest).await;
    accept(&browser).await;
    browser.arrives_at("This is a guest account").await;
    door.has_given_nothing(&sent, 1).await;

    let anybodys = door.invite_anybody().await;
    door.begin(&browser, &anybodys).await;
    sign_in(&browser, &colleague).await;
    accept(&browser).await;
    browser.arrives_at("This is Example Panel’s own organization").await;
    door.has_given_nothing(&anybodys, 1).await;
    let home = Refused::HomeTenant(door.home());
    assert_eq!(door.refusals(), [Refused::Guest(Guest::Yes), home]);
    assert!(door.consent_of(door.contoso).await.is_none());
}

#[tokio::test]
#[ignore = "needs Debian's chromium and chromium-driver"]
async fn an_invitation_for_one_user_takes_nobody_else() {
    let door = Door::new().await;
    let colleague = door.entra.add_user(door.contoso, "colleague@contoso.example");
    let request = door.broker.partner(door.contoso).invite(account("panel-1"));
    let sent = named(request.only_for(door.admin.id)).await.expect("an invitation");
    let browser = door.browser(Device::Desk).await;
    door.begin(&browser, &sent).await;
    sign_in(&browser, &colleague).await;
    accept(&browser).await;
    browser.arrives_at("Another user was invited").await;
    assert!(matches!(door.refusals()[..], [Refused::OtherInvitee { .. }]));
    door.has_given_nothing(&sent, 1).await;

    door.find(&browser, &sent).await;
    browser.click("Yes, give consent").await;
    browser.arrives_at("The consent is given").await;
    door.has_one_consent(&sent).await;
}
