//! The consent before, given up while it could still be put back.

use cpv_consent::emulator::Rule;
use cpv_consent::store::Kind;
use cpv_consent::{Broker, ConsentChange, Error, Event, Refused, Resource};

use super::{found_by, last_user, replaced, standing, successor, use_customer};
use crate::exchange::ask;
use crate::receipts::{Notary, told};
use crate::world::late::Late;
use crate::world::{DAY, HOUR, MINUTE, World, accept, account, capture, raw, refused};

/// How much is sealed for the partner.
fn sealed(world: &World) -> usize {
    raw::row(&world.store_folder(), "consent", &world.contoso.to_string()).sealed.len()
}

async fn forget(world: &World, broker: &Broker) -> Result<bool, Error> {
    broker.partner(world.contoso).forget_previous_consent().await
}

async fn has_no_way_back(world: &World, broker: &Broker) {
    let partner = broker.partner(world.contoso);
    assert_eq!(partner.previous_consent().await.expect("readable"), None);
    assert_eq!(refused(partner.roll_back().await), Refused::NothingToRollBack(world.contoso));
}

#[tokio::test]
async fn it_cannot_be_put_back_and_the_one_that_stands_goes_on() {
    let world = World::new().await;
    let (broker, other) = (world.broker().await, world.broker().await);
    let next = replaced(&world, &broker).await;
    for broker in [&broker, &other] {
        use_customer(&world, broker, world.fabrikam).await;
        broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a token");
    }
    let partner = broker.partner(world.contoso);
    let shown = partner.previous_consent().await.expect("readable").expect("one is kept");
    let (before, both) = (standing(&world, &broker).await, sealed(&world));
    world.entra.forget_ledger();

    assert!(forget(&world, &broker).await.expect("stored"), "there was one");
    let left = sealed(&world);
    assert!(left < both - 500, "its token is gone from the record: {left} of {both}");
    has_no_way_back(&world, &broker).await;
    has_no_way_back(&world, &other).await;
    let late = partner.roll_back_to(&shown).await;
    assert_eq!(refused(late), Refused::NothingToRollBack(world.contoso));
    assert_eq!(standing(&world, &broker).await, before, "nor a new generation");
    world.clock.advance(MINUTE);
    for broker in [&broker, &other] {
        use_customer(&world, broker, world.fabrikam).await;
        broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a token");
    }
    assert_eq!(world.entra.ledger().len(), 0, "what was had by it is at hand, in every process");

    assert!(!forget(&world, &broker).await.expect("readable"), "twice is once");
    assert!(!forget(&world, &other).await.expect("readable"), "wherever");
    let event = Event::PreviousConsentForgotten {
        partner: world.contoso,
        user: world.admin.id,
        account: world.account(),
    };
    assert_eq!(world.events().iter().filter(|told| **told == event).count(), 1);

    world.clock.advance(MINUTE);
    found_by(&world, &broker, &next).await.confirm().await.expect("the same user");
    let kept = partner.previous_consent().await.expect("readable").expect("the next is kept");
    assert_eq!(kept.consent().user().id(), next.id);
}

#[tokio::test]
async fn where_there_is_none_there_is_nothing_to_give_up() {
    let world = World::new().await;
    let broker = world.broker().await;
    let never = forget(&world, &broker).await;
    assert!(matches!(never, Err(Error::NoConsent { .. })), "{never:?}");
    world.onboard(&broker).await;
    let row = || raw::row(&world.store_folder(), "consent", &world.contoso.to_string());
    let before = row();
    assert!(!forget(&world, &broker).await.expect("readable"));
    assert_eq!(row(), before, "nothing is written");
    broker.partner(world.contoso).withdraw().await.expect("a tombstone");
    assert!(!forget(&world, &broker).await.expect("a tombstone has none"));
}

#[tokio::test]
async fn one_whose_time_is_over_is_dropped_and_was_no_way_back() {
    let (world, notary) = (World::new().await, Notary::new());
    let builder = world.builder(world.store().await).receipts(notary.clone());
    let broker = builder.build().await.expect("a broker");
    replaced(&world, &broker).await;
    world.clock.advance(7 * DAY);
    let both = sealed(&world);
    assert!(!forget(&world, &broker).await.expect("stored"), "nobody could put it back");
    assert!(sealed(&world) < both - 500, "its token is gone all the same");
    assert_eq!(told(&world, &broker, &notary).await, ["confirmed", "confirmed"]);
    let given_up = |event: &Event| matches!(event, Event::PreviousConsentForgotten { .. });
    assert!(!world.events().iter().any(given_up));
}

#[tokio::test]
async fn it_leaves_a_receipt_that_says_which_was_given_up() {
    let (world, notary) = (World::new().await, Notary::new());
    let builder = world.builder(world.store().await).receipts(notary.clone());
    let broker = builder.build().await.expect("a broker");
    replaced(&world, &broker).await;
    assert!(forget(&world, &broker).await.expect("stored"));
    assert!(!forget(&world, &broker).await.expect("readable"));
    let life = ["confirmed", "confirmed", "previous_forgotten"];
    assert_eq!(told(&world, &broker, &notary).await, life);
    let receipts = broker.receipts(world.contoso).await.expect("readable");
    let last = receipts.iter().last().expect("one");
    assert_eq!(last.generation(), 2, "of the one that stands");
    assert_eq!(*last.change(), ConsentChange::PreviousForgotten { previous: 1 });
    assert!(last.signed().contains(r#""change":{"kind":"previous_forgotten","previous":1}"#));
    assert_eq!(last.personal_fields().count(), 0, "it names nobody");
}

#[tokio::test]
async fn an_account_gives_up_none_of_anothers() {
    let world = World::new().await;
    let broker = world.broker().await;
    let next = replaced(&world, &broker).await;
    let not_yours = Refused::NotYours(world.contoso);
    let at = |name: &str| broker.account(account(name)).partner(world.contoso);
    assert_eq!(refused(at("panel-2").forget_previous_consent().await), not_yours);
    assert!(at("panel-1").forget_previous_consent().await.expect("its own"));

    let moving = broker.partner(world.contoso).request_consent(account("panel-2"));
    let moving = moving.danger_rebind().await.expect("a flow");
    let found = capture(&broker, &accept(&moving, &next).await).await.expect("everything holds");
    found.confirm().await.expect("moved");
    for name in ["panel-1", "panel-2"] {
        let denied = at(name).forget_previous_consent().await;
        assert_eq!(refused(denied), not_yours, "{name}: one of the two is the other's");
    }
    assert!(forget(&world, &broker).await.expect("the vendor's own door"));
    assert!(!at("panel-2").forget_previous_consent().await.expect("its own by now"));
}

#[tokio::test]
async fn a_rotation_in_flight_does_not_bring_it_back() {
    let world = World::new().await;
    let (one, other) = (world.broker().await, world.broker().await);
    let next = replaced(&world, &one).await;
    let before = standing(&world, &one).await.deadline();
    world.clock.advance(2 * HOUR);
    let hold = world.entra.hold_tokens_of(Rule::any().user(next.id));
    let asked = ask(&world, &other, Resource::PartnerCenter);
    hold.waiting(1).await;
    assert!(forget(&world, &one).await.expect("stored"));
    hold.release();
    asked.await.expect("no panic").expect("a token");
    assert_eq!(last_user(&world), Some(next.id));
    assert!(standing(&world, &one).await.deadline() > before, "the rotation is stored");
    has_no_way_back(&world, &other).await;
}

#[tokio::test]
async fn of_two_who_give_it_up_at_once_one_has_done_it() {
    let world = World::new().await;
    let (one, other) = (world.broker().await, world.broker().await);
    replaced(&world, &one).await;
    let (first, second) = tokio::join!(forget(&world, &one), forget(&world, &other));
    let (first, second) = (first.expect("stored"), second.expect("stored"));
    assert!(first != second, "{first} {second}");
    has_no_way_back(&world, &one).await;
}

#[tokio::test]
async fn who_was_replaced_meanwhile_is_not_the_one_that_is_given_up() {
    let world = World::new().await;
    let (one, late) = (world.broker().await, Late::new(world.store().await));
    let other = world.builder(late.clone()).build().await.expect("a broker");
    let next = replaced(&world, &one).await;
    late.hold_back(Kind::Consent);
    let contoso = world.contoso;
    let forgetting =
        tokio::spawn(async move { other.partner(contoso).forget_previous_consent().await });
    late.waiting().await;
    let third = world.entra.add_user(world.contoso, "third@contoso.example");
    let found = found_by(&world, &one, &third).await;
    found.confirm_instead_of(next.id).await.expect("both were named");
    late.release();
    let outcome = forgetting.await.expect("no panic");
    assert!(matches!(outcome, Err(Error::Superseded { .. })), "{outcome:?}");
    let kept = one.partner(world.contoso).previous_consent().await.expect("readable");
    assert_eq!(kept.map(|kept| kept.consent().user().id()), Some(next.id));
}

#[tokio::test]
async fn the_way_back_from_a_mistake_is_gone_with_it() {
    let world = World::new().await;
    let broker = world.broker().await;
    let next = successor(&world);
    world.onboard(&broker).await;
    world.clock.advance(MINUTE);
    let found = found_by(&world, &broker, &next).await;
    found.confirm_instead_of(world.admin.id).await.expect("both were named");
    assert!(forget(&world, &broker).await.expect("stored"));
    world.clock.advance(MINUTE);
    let back = found_by(&world, &broker, &world.admin).await;
    let back = back.confirm_instead_of(next.id).await.expect("only by consenting anew");
    assert_eq!((back.user().id(), back.generation()), (world.admin.id, 3));
}
