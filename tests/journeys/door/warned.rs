//! The confirmation page: who receives first, then who gives what on which proof, then the verdict.

use cpv_consent::DirectoryRole::{GlobalAdministrator, GlobalReader};
use cpv_consent::emulator::{Answer, MfaAnswer};
use cpv_consent::web::WebDoor;
use cpv_consent::{Broker, DirectoryRole, MfaSource, PartnerKind, Policy};
use http::StatusCode;

use super::{Person, START, brand, invited, text};
use crate::world::{DAY, World};

async fn door_of(world: &World, policy: Policy) -> (Broker, WebDoor) {
    let builder = world.builder(world.store().await).start_page(START).policy(policy);
    let broker = builder.build().await.expect("a broker");
    let door = WebDoor::new(broker.clone(), brand()).expect("side by side");
    (broker, door)
}

fn give(world: &World, roles: &[DirectoryRole]) {
    let ids = roles.iter().map(|role| role.template_id().to_owned());
    world.entra.change_user(&world.admin, |user| user.roles = ids.collect());
}

async fn confirmation(world: &World, broker: &Broker, person: &mut Person<'_>) -> String {
    let (_sent, path) = invited(world, broker).await;
    let found = person.find(&path, &world.admin).await;
    let page = person.get(&found).await;
    assert_eq!(page.status(), StatusCode::OK);
    text(&page)
}

/// Each of these stands behind the one before.
fn assert_in_order(page: &str, shown: &[&str]) {
    let mut rest = page;
    for text in shown {
        let at = rest.find(text).unwrap_or_else(|| panic!("{text}, in its place: {page}"));
        rest = &rest[at + text.len()..];
    }
}

#[tokio::test]
async fn the_page_names_who_receives_first_and_the_verdict_last() {
    let world = World::new().await;
    give(&world, &[GlobalReader]);
    let (broker, door) = door_of(&world, Policy::default().mfa_lasts(30 * DAY)).await;
    let page = confirmation(&world, &broker, &mut Person::new(&door)).await;
    let tenant = world.contoso.to_string();
    let order = [
        "Who receives the power",
        "Contoso Hosting",
        "verified by Example Panel",
        "Invited by",
        "Ann &lt;b&gt;Example",
        "not verified",
        "Who gives it",
        &tenant,
        "direct partner",
        "admin@contoso.example",
        "Global Reader",
        "Directory.Read.All",
        "proven, says Partner Center · signed in at",
        "UTC · lasts until",
        "Rules of Example Panel",
        "<dd>met</dd>",
        "Yes, give consent",
    ];
    assert_in_order(&page, &order);
    assert!(!page.contains("class=\"warning\""), "{page}");
}

#[tokio::test]
async fn power_is_pointed_out_in_both_languages() {
    let world = World::new().await;
    give(&world, &[GlobalAdministrator, GlobalReader]);
    let (broker, door) = door_of(&world, Policy::default()).await;
    let page = confirmation(&world, &broker, &mut Person::new(&door)).await;
    let order = [
        "Global Administrator, Global Reader",
        "met, but see before you confirm",
        "<li>This user is Global Administrator. That is more than this needs",
        "Yes, give consent",
    ];
    assert_in_order(&page, &order);
    let mut person = Person { language: "ko", ..Person::new(&door) };
    let page = confirmation(&world, &broker, &mut person).await;
    let role = "<span lang=\"en\" dir=\"ltr\">Global Administrator</span>";
    let warned = format!("<li>이 사용자는 {role}입니다");
    let order = ["충족하지만", &warned, "예, 동의합니다"];
    assert_in_order(&page, &order);
}

#[tokio::test]
async fn everything_that_was_let_through_is_said() {
    let world = World::new().await;
    world.entra.doubts(|doubts| doubts.wids_name_every_user = false);
    world.entra.partner_center_mfa(MfaAnswer::HeaderAbsent);
    let loose = Policy::default().danger_also_believing(MfaSource::AccessToken);
    let (broker, door) = door_of(&world, loose).await;
    let page = confirmation(&world, &broker, &mut Person::new(&door)).await;
    let order = [
        "Administrator roles",
        "not known",
        "proven by Microsoft’s signed answer",
        "It could not be seen which administrator roles",
        "Partner Center itself could not say",
    ];
    assert_in_order(&page, &order);
    world.entra.opaque_access_tokens(true);
    let (broker, door) = door_of(&world, Policy::default().danger_without_mfa()).await;
    let page = confirmation(&world, &broker, &mut Person::new(&door)).await;
    assert_in_order(&page, &["not proven", "It could not be seen whether there was a second"]);
    world.entra.partner_center_mfa(MfaAnswer::NotCompliant);
    let page = confirmation(&world, &broker, &mut Person::new(&door)).await;
    assert_in_order(&page, &["not proven", "There was no second factor"]);
}

#[tokio::test]
async fn a_user_with_too_much_power_is_told_so() {
    let world = World::new().await;
    give(&world, &[GlobalAdministrator]);
    let (broker, door) = door_of(&world, Policy::default().refusing_powerful_roles()).await;
    let mut person = Person::new(&door);
    let refused = async |person: &mut Person<'_>| {
        let (_sent, path) = invited(&world, &broker).await;
        let microsoft = person.begin(&path).await;
        let callback = person.walk(&microsoft, &world.admin, Answer::Accept).await;
        let response = door.answer(callback).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        text(&response)
    };
    let page = refused(&mut person).await;
    assert_in_order(&page, &["This account has too much power", "It is Global Administrator"]);
    world.entra.doubts(|doubts| doubts.wids_name_every_user = false);
    give(&world, &[]);
    let page = refused(&mut Person::new(&door)).await;
    assert_in_order(&page, &["The account’s roles are not known", "Example Panel: tell them"]);
}

#[tokio::test]
async fn the_kind_and_an_account_without_a_name_are_shown() {
    let world = World::new().await;
    let (broker, door) = door_of(&world, Policy::default()).await;
    let sent = broker.partner(world.contoso).invite(world.account());
    let sent = sent.kind(PartnerKind::IndirectReseller).await.expect("an invitation");
    let mut person = Person::new(&door);
    let found = person.find(sent.link().path(), &world.admin).await;
    let page = text(&person.get(&found).await);
    assert_in_order(&page, &["panel-1", "Example Panel’s own name for it", "indirect reseller"]);
}
