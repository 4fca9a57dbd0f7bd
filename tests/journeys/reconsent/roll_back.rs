//! The way back to the consent before.

use std::time::Duration;

use cpv_consent::{Event, Refused, Resource};

use super::{found_by, last_user, replaced, standing, successor, use_customer};
use crate::receipts::{Notary, told};
use crate::world::{self, DAY, HOUR, MINUTE, World, accept, account, capture, refused};

#[tokio::test]
async fn the_consent_before_comes_back_and_works_at_once() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let next = replaced(&world, &broker).await;
    let partner = broker.partner(world.contoso);
    use_customer(&world, &broker, world.fabrikam).await;
    partner.token(Resource::PartnerCenter).await.expect("a token");
    assert_eq!(last_user(&world), Some(next.id));

    let previous = partner.previous_consent().await.expect("readable").expect("one is kept");
    assert_eq!(previous.consent().user().id(), world.admin.id);
    assert_eq!(previous.until(), standing(&world, &broker).await.confirmed_at() + 7 * DAY);
    let back = partner.roll_back().await.expect("in time");
    assert_eq!((back.user().id(), back.generation()), (world.admin.id, 3));
    assert_eq!(standing(&world, &broker).await, back);
    let event = Event::ConsentRolledBack {
        partner: world.contoso,
        user: world.admin.id,
        account: world.account(),
        generation: 3,
    };
    assert_eq!(world.events().iter().filter(|told| **told == event).count(), 1);

    world.entra.forget_ledger();
    use_customer(&world, &broker, world.fabrikam).await;
    assert_eq!(last_user(&world), Some(world.admin.id), "what was had by the other is gone");
    partner.token(Resource::PartnerCenter).await.expect("a token");
    assert_eq!(last_user(&world), Some(world.admin.id));
    assert_eq!(partner.previous_consent().await.expect("readable"), None, "it is dropped");
    let again = partner.roll_back().await.expect("twice is once");
    assert_eq!(again.generation(), 3);
    assert_eq!(world.events().iter().filter(|told| **told == event).count(), 1);
}

#[tokio::test]
async fn without_a_consent_before_there_is_no_way_back() {
    let world = World::new().await;
    let broker = world.broker().await;
    let partner = broker.partner(world.contoso);
    let none = partner.roll_back().await;
    assert!(matches!(none, Err(cpv_consent::Error::NoConsent { .. })), "{none:?}");
    world.onboard(&broker).await;
    let nothing = Refused::NothingToRollBack(world.contoso);
    assert_eq!(refused(partner.roll_back().await), nothing);
    world.clock.advance(MINUTE);
    found_by(&world, &broker, &world.admin).await.confirm().await.expect("the same user");
    partner.withdraw().await.expect("a tombstone");
    assert_eq!(refused(partner.roll_back().await), nothing, "a withdrawal drops it");

    let world = World::new().await;
    let builder = world.builder(world.store().await).roll_back_within(Duration::ZERO);
    let broker = builder.build().await.expect("a broker");
    replaced(&world, &broker).await;
    let rolled = broker.partner(world.contoso).roll_back().await;
    assert_eq!(refused(rolled), Refused::NothingToRollBack(world.contoso), "switched off");
}

#[tokio::test]
async fn its_time_ends_and_so_does_its_tokens_life() {
    let world = World::new().await;
    let broker = world.broker().await;
    replaced(&world, &broker).await;
    world.clock.advance(7 * DAY);
    let over = broker.partner(world.contoso).roll_back().await;
    assert_eq!(refused(over), Refused::RollBackOver(world.contoso));
    let previous = broker.partner(world.contoso).previous_consent().await;
    assert_eq!(previous.expect("readable"), None);

    let world = World::new().await;
    let builder = world.builder(world.store().await).roll_back_within(365 * DAY);
    let broker = builder.build().await.expect("a broker");
    let first = world.onboard(&broker).await;
    world.clock.advance(80 * DAY);
    let next = successor(&world);
    let found = found_by(&world, &broker, &next).await;
    found.confirm_instead_of(world.admin.id).await.expect("both were named");
    let partner = broker.partner(world.contoso);
    let previous = partner.previous_consent().await.expect("readable").expect("one is kept");
    assert_eq!(previous.until(), first.deadline(), "no longer than its token lives");
    world.clock.advance(10 * DAY);
    assert_eq!(refused(partner.roll_back().await), Refused::RollBackOver(world.contoso));
}

#[tokio::test]
async fn an_account_gives_none_back_to_another() {
    let world = World::new().await;
    let broker = world.broker().await;
    replaced(&world, &broker).await;
    let not_yours = Refused::NotYours(world.contoso);
    let other = broker.account(account("panel-2")).partner(world.contoso);
    assert_eq!(refused(other.roll_back().await), not_yours);
    assert_eq!(refused(other.previous_consent().await), not_yours);
    let pending = broker.partner(world.contoso).request_consent(account("panel-2"));
    let pending = pending.danger_rebind().await.expect("a flow");
    world.clock.advance(MINUTE);
    let next = world.entra.add_user(world.contoso, "third@contoso.example");
    let request = accept(&pending, &next).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    let of = found.replaces().expect("the successor's").id();
    found.confirm_instead_of(of).await.expect("moved");
    for name in ["panel-1", "panel-2"] {
        let door = broker.account(account(name)).partner(world.contoso);
        assert_eq!(refused(door.roll_back().await), not_yours, "{name}");
        assert_eq!(refused(door.previous_consent().await), not_yours, "{name}");
    }
    let back = broker.partner(world.contoso).roll_back().await.expect("the vendor's own door");
    assert_eq!(back.account(), &world.account());
}

#[tokio::test]
async fn an_accounts_own_door_rolls_back_its_own() {
    let world = World::new().await;
    let broker = world.broker().await;
    replaced(&world, &broker).await;
    let own = broker.account(world.account()).partner(world.contoso);
    assert_eq!(own.roll_back().await.expect("its own").user().id(), world.admin.id);
}

#[tokio::test]
async fn every_process_follows_and_what_is_shared_is_dropped() {
    let world = World::new().await;
    let sharing = async || {
        let builder = world.builder(world.store().await).share_access_tokens();
        builder.build().await.expect("a broker")
    };
    let (one, other) = (sharing().await, sharing().await);
    replaced(&world, &one).await;
    use_customer(&world, &other, world.fabrikam).await;
    assert_eq!(world::rows(&world.store_folder(), "access-token"), 1);
    one.partner(world.contoso).roll_back().await.expect("in time");
    assert_eq!(world::rows(&world.store_folder(), "access-token"), 0);
    world.clock.advance(Duration::from_secs(6));
    use_customer(&world, &other, world.fabrikam).await;
    assert_eq!(last_user(&world), Some(world.admin.id));
}

#[tokio::test]
async fn it_leaves_a_receipt_that_names_who_has_given_the_power_again() {
    let (world, notary) = (World::new().await, Notary::new());
    let builder = world.builder(world.store().await).receipts(notary.clone());
    let broker = builder.build().await.expect("a broker");
    replaced(&world, &broker).await;
    broker.partner(world.contoso).roll_back().await.expect("in time");
    broker.partner(world.contoso).roll_back().await.expect("twice is once");
    assert_eq!(told(&world, &broker, &notary).await, ["confirmed", "confirmed", "rolled_back"]);
    let receipts = broker.receipts(world.contoso).await.expect("readable");
    let last = receipts.iter().last().expect("one");
    assert_eq!((last.generation(), last.personal("user.name")), (3, Some("admin@contoso.example")));
    let granted = last.change().granted().expect("power came back");
    assert_eq!((granted.account(), granted.scopes().len()), (&world.account(), 2));
}

#[tokio::test]
async fn a_person_behind_the_standing_consent_is_erased() {
    let world = World::new().await;
    let broker = world.broker().await;
    let next = replaced(&world, &broker).await;
    let still = broker.erase_person(world.contoso, next.id).await;
    assert_eq!(refused(still), Refused::StillNamed(world.contoso));
    broker.erase_person(world.contoso, world.admin.id).await.expect("erased");
    let partner = broker.partner(world.contoso);
    assert_eq!(partner.previous_consent().await.expect("readable"), None);
    assert_eq!(refused(partner.roll_back().await), Refused::NothingToRollBack(world.contoso));
    assert_eq!(standing(&world, &broker).await.user().id(), next.id, "what stands is untouched");
    partner.token(Resource::PartnerCenter).await.expect("and works");
}

#[tokio::test]
async fn a_flow_begun_before_it_does_not_undo_it() {
    let world = World::new().await;
    let broker = world.broker().await;
    let next = replaced(&world, &broker).await;
    let found = found_by(&world, &broker, &next).await;
    world.clock.advance(MINUTE);
    broker.partner(world.contoso).roll_back().await.expect("in time");
    let outcome = found.confirm_instead_of(world.admin.id).await;
    assert_eq!(refused(outcome), Refused::OlderToken(world.contoso));
    assert_eq!(standing(&world, &broker).await.user().id(), world.admin.id);
    world.clock.advance(HOUR);
    let found = found_by(&world, &broker, &next).await;
    let consent = found.confirm_instead_of(world.admin.id).await.expect("begun after it");
    assert_eq!(consent.generation(), 4);
}
