//! A roll-back beside others who write, and a store that does not say what became of it.

use cpv_consent::store::Kind;
use cpv_consent::{Broker, Consent, Error, Resource};

use super::{found_by, last_user, replaced, standing, use_customer};
use crate::exchange::ask;
use crate::world::late::Late;
use crate::world::{HOUR, World};

async fn behind(world: &World) -> (Late, Broker) {
    let late = Late::new(world.store().await);
    let broker = world.builder(late.clone()).build().await.expect("a broker");
    (late, broker)
}

/// A roll-back that has read the record and is about to write it.
async fn about_to_roll_back(
    world: &World,
    late: &Late,
    broker: &Broker,
) -> tokio::task::JoinHandle<Result<Consent, Error>> {
    late.hold_back(Kind::Consent);
    let (broker, contoso) = (broker.clone(), world.contoso);
    let rolling = tokio::spawn(async move { broker.partner(contoso).roll_back().await });
    late.waiting().await;
    rolling
}

#[tokio::test]
async fn who_was_confirmed_meanwhile_is_not_the_one_that_is_rolled_back_from() {
    let world = World::new().await;
    let (one, (late, other)) = (world.broker().await, behind(&world).await);
    let next = replaced(&world, &one).await;
    let rolling = about_to_roll_back(&world, &late, &other).await;
    let third = world.entra.add_user(world.contoso, "third@contoso.example");
    let found = found_by(&world, &one, &third).await;
    let consent = found.confirm_instead_of(next.id).await.expect("both were named");
    late.release();
    let outcome = rolling.await.expect("no panic");
    assert!(matches!(outcome, Err(Error::Superseded { .. })), "{outcome:?}");
    assert_eq!(standing(&world, &one).await, consent);
}

#[tokio::test]
async fn a_rotation_meanwhile_is_no_reason_to_stop() {
    let world = World::new().await;
    let (one, (late, other)) = (world.broker().await, behind(&world).await);
    replaced(&world, &one).await;
    world.clock.advance(2 * HOUR);
    let rolling = about_to_roll_back(&world, &late, &other).await;
    one.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a rotation");
    late.release();
    let back = rolling.await.expect("no panic").expect("tried again");
    assert_eq!((back.user().id(), back.generation()), (world.admin.id, 3));
}

#[tokio::test]
async fn a_roll_back_of_which_nothing_is_known_is_asked_for_once_more() {
    let world = World::new().await;
    let (late, broker) = behind(&world).await;
    replaced(&world, &broker).await;
    use_customer(&world, &broker, world.fabrikam).await;
    late.lose_answers(true);
    let partner = broker.partner(world.contoso);
    let lost = partner.roll_back().await.expect_err("nobody knows");
    assert!(matches!(lost, Error::Store(_)), "{lost:?}");
    late.lose_answers(false);
    use_customer(&world, &broker, world.fabrikam).await;
    assert_eq!(last_user(&world), Some(world.admin.id), "what was had before is trusted no more");
    assert_eq!(partner.roll_back().await.expect("it was done").generation(), 3);
}

#[tokio::test]
async fn a_rotation_that_is_being_stored_brings_no_erased_person_back() {
    let world = World::new().await;
    let (one, (late, other)) = (world.broker().await, behind(&world).await);
    let next = replaced(&world, &one).await;
    let before = standing(&world, &one).await.deadline();
    world.clock.advance(2 * HOUR);
    late.hold_back(Kind::Consent);
    let asked = ask(&world, &other, Resource::PartnerCenter);
    late.waiting().await;
    one.erase_person(world.contoso, world.admin.id).await.expect("erased");
    late.release();
    asked.await.expect("no panic").expect("a token");
    let stands = standing(&world, &one).await;
    assert_eq!(stands.user().id(), next.id);
    assert!(stands.deadline() > before, "its refresh token is stored over the erasure");
    let previous = one.partner(world.contoso).previous_consent().await.expect("readable");
    assert_eq!(previous, None);
}
