//! Writers that began before a consent took another's place, or gave it back.

use cpv_consent::emulator::Rule;
use cpv_consent::{Error, Resource, Token};

use super::{found_by, last_user, replaced, standing, successor};
use crate::exchange::ask;
use crate::world::{HOUR, World};

type Asked = tokio::task::JoinHandle<Result<Token, Error>>;

async fn is_superseded(asked: Asked) {
    let landed = asked.await.expect("no panic");
    assert!(matches!(landed, Err(Error::Superseded { .. })), "{landed:?}");
}

#[tokio::test]
async fn a_rotation_of_the_new_one_in_flight_does_not_bring_it_back() {
    let world = World::new().await;
    let (one, other) = (world.broker().await, world.broker().await);
    let next = replaced(&world, &one).await;
    world.clock.advance(2 * HOUR);
    let hold = world.entra.hold_tokens_of(Rule::any().user(next.id));
    let asked = ask(&world, &other, Resource::PartnerCenter);
    hold.waiting(1).await;
    let back = one.partner(world.contoso).roll_back().await.expect("in time");
    hold.release();
    is_superseded(asked).await;
    assert_eq!(standing(&world, &one).await, back);
    for broker in [&one, &other] {
        broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a token");
        assert_eq!(last_user(&world), Some(world.admin.id));
    }
}

#[tokio::test]
async fn a_rotation_of_the_old_one_in_flight_does_not_write_over_the_new_one() {
    let world = World::new().await;
    let (one, other) = (world.broker().await, world.broker().await);
    let next = successor(&world);
    world.onboard(&one).await;
    world.clock.advance(2 * HOUR);
    let hold = world.entra.hold_tokens_of(Rule::any().user(world.admin.id));
    let asked = ask(&world, &other, Resource::PartnerCenter);
    hold.waiting(1).await;
    let found = found_by(&world, &one, &next).await;
    let consent = found.confirm_instead_of(world.admin.id).await.expect("both were named");
    hold.release();
    is_superseded(asked).await;
    assert_eq!(standing(&world, &one).await, consent);
    other.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a token");
    assert_eq!(last_user(&world), Some(next.id));
}

#[tokio::test]
async fn a_rotation_from_before_both_writes_over_neither() {
    let world = World::new().await;
    let (one, other) = (world.broker().await, world.broker().await);
    let next = successor(&world);
    world.onboard(&one).await;
    world.clock.advance(2 * HOUR);
    let hold = world.entra.hold_tokens_of(Rule::any().user(world.admin.id));
    let asked = ask(&world, &other, Resource::PartnerCenter);
    hold.waiting(1).await;
    let found = found_by(&world, &one, &next).await;
    found.confirm_instead_of(world.admin.id).await.expect("both were named");
    let back = one.partner(world.contoso).roll_back().await.expect("in time");
    hold.release();
    is_superseded(asked).await;
    assert_eq!(standing(&world, &one).await, back, "of the same user, and of a higher generation");
    one.partner(world.contoso).token(Resource::PartnerCenter).await.expect("its token works");
}

#[tokio::test]
async fn of_two_who_roll_back_at_once_both_are_told_the_same() {
    let world = World::new().await;
    let (one, other) = (world.broker().await, world.broker().await);
    replaced(&world, &one).await;
    let [first, second] = [&one, &other].map(|broker| broker.partner(world.contoso));
    let (first, second) = tokio::join!(first.roll_back(), second.roll_back());
    let (first, second) = (first.expect("in time"), second.expect("in time"));
    assert_eq!((first.generation(), &first), (3, &second));
}
