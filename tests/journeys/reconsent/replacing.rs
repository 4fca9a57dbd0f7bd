//! An intern's consent over the production account's: only with the host's approval of just that.

use cpv_consent::emulator::User;
use cpv_consent::web::WebDoor;
use cpv_consent::{Broker, Refused, Resource, SentInvitation, UserId};
use http::StatusCode;

use super::{found_by, last_user, standing};
use crate::door::{Person, doors, location, text};
use crate::world::{MINUTE, World, answer, capture, refused};

/// The production account has consented.
async fn scene() -> (World, Broker, WebDoor, User) {
    let (world, broker, door) = doors().await;
    world.onboard(&broker).await;
    world.clock.advance(MINUTE);
    let intern = world.entra.add_user(world.contoso, "intern@contoso.example");
    (world, broker, door, intern)
}

async fn approved(world: &World, broker: &Broker, replaces: UserId) -> SentInvitation {
    let invitation = broker.partner(world.contoso).invite(world.account());
    invitation.replacing(replaces).await.expect("an invitation")
}

/// Whatever the browser sends, the production account stays.
async fn assert_kept(world: &World, broker: &Broker, person: &Person<'_>, found: &str) {
    let page = text(&person.get(found).await);
    assert!(page.contains("admin@contoso.example"), "it names who stands: {page}");
    for button in ["value=\"confirm\"", "value=\"replace\""] {
        assert!(!page.contains(button), "{page}");
    }
    for body in ["answer=confirm", "answer=replace"] {
        let response = person.post(found, body).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{body}");
        assert!(text(&response).contains("Another user’s consent stands"));
    }
    assert_eq!(standing(world, broker).await.user().id(), world.admin.id);
}

#[tokio::test]
async fn without_approval_it_is_refused() {
    // attack-intern
    let (world, broker, door, intern) = scene().await;
    let sent = world.invite(&broker).await;
    assert_eq!(sent.invitation().replaces(), None);
    let mut person = Person::new(&door);
    let found = person.find(sent.link().path(), &intern).await;
    assert_kept(&world, &broker, &person, &found).await;
}

#[tokio::test]
async fn with_approval_to_replace_somebody_else_it_is_refused() {
    // attack-intern
    let (world, broker, door, intern) = scene().await;
    let john = world.entra.add_user(world.contoso, "john@contoso.example");
    for other in [john.id, intern.id] {
        let sent = approved(&world, &broker, other).await;
        let mut person = Person::new(&door);
        let found = person.find(sent.link().path(), &intern).await;
        assert_kept(&world, &broker, &person, &found).await;
        let request = answer(&broker, &sent, &intern).await;
        let found = capture(&broker, &request).await.expect("everything holds");
        assert_eq!(found.approved_replacement(), None);
        let outcome = found.confirm_instead_of(other).await;
        assert!(matches!(refused(outcome), Refused::OtherUser { .. }));
    }
}

#[tokio::test]
async fn with_the_right_approval_it_is_taken_and_can_be_undone() {
    // attack-intern
    let (world, broker, door, intern) = scene().await;
    let sent = approved(&world, &broker, world.admin.id).await;
    assert_eq!(sent.invitation().replaces(), Some(world.admin.id));
    let sent = broker.invitations().resend(sent.invitation().id()).await.expect("open");
    let mut person = Person::new(&door);
    assert!(!text(&person.get(sent.link().path()).await).contains(&world.admin.id.to_string()));
    let found = person.find(sent.link().path(), &intern).await;
    let page = text(&person.get(&found).await);
    for both in ["admin@contoso.example", "intern@contoso.example", "value=\"replace\""] {
        assert!(page.contains(both), "{both}: {page}");
    }
    assert!(!page.contains("value=\"confirm\""), "{page}");
    let plain = person.post(&found, "answer=confirm").await;
    assert_eq!(plain.status(), StatusCode::FORBIDDEN, "the button for it is another");
    let response = person.post(&found, "answer=replace").await;
    assert_eq!(location(&response), "/consent/done");
    assert_eq!(standing(&world, &broker).await.user().id(), intern.id);
    let spent = person.get(sent.link().path()).await;
    assert_eq!(spent.status(), StatusCode::GONE);

    world.clock.advance(MINUTE);
    let back = broker.partner(world.contoso).roll_back().await.expect("in time");
    assert_eq!(back.user().id(), world.admin.id, "production is back");
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("and works");
    assert_eq!(last_user(&world), Some(world.admin.id));
}

#[tokio::test]
async fn an_approval_holds_for_nobody_who_came_meanwhile() {
    let (world, broker, door, intern) = scene().await;
    let john = world.entra.add_user(world.contoso, "john@contoso.example");
    let sent = approved(&world, &broker, world.admin.id).await;
    let mut person = Person::new(&door);
    let found = person.find(sent.link().path(), &intern).await;
    assert!(text(&person.get(&found).await).contains("value=\"replace\""));
    let of_john = found_by(&world, &broker, &john).await;
    of_john.confirm_instead_of(world.admin.id).await.expect("by the host's own page");
    let response = person.post(&found, "answer=replace").await;
    assert!(text(&response).contains("Another user’s consent stands"));
    assert_eq!(standing(&world, &broker).await.user().id(), john.id);
}

#[tokio::test]
async fn consenting_twice_does_not_push_the_production_account_out() {
    let (world, broker, _door, intern) = scene().await;
    let found = found_by(&world, &broker, &intern).await;
    found.confirm_instead_of(world.admin.id).await.expect("both were named");
    for _ in 0..3 {
        world.clock.advance(MINUTE);
        found_by(&world, &broker, &intern).await.confirm().await.expect("the same user");
    }
    let back = broker.partner(world.contoso).roll_back().await.expect("in time");
    assert_eq!((back.user().id(), back.generation()), (world.admin.id, 6));
}
