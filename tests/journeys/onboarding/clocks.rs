//! Processes whose clocks are apart: what was let go stays so, whatever the dates say.

use cpv_consent::{Broker, Refused, VirtualClock};

use crate::world::{MINUTE, World, accept, capture, refused};

/// A world, a broker by its clock, and one whose clock is half an hour behind.
struct Stage {
    world: World,
    broker: Broker,
    behind: Broker,
}

impl Stage {
    async fn new() -> Self {
        let world = World::new().await;
        world.clock.advance(30 * MINUTE);
        let broker = world.broker().await;
        let builder = world.builder(world.store().await).clock(VirtualClock::default());
        let behind = builder.build().await.expect("a broker");
        Self { world, broker, behind }
    }

    async fn onboarded() -> Self {
        let stage = Self::new().await;
        stage.world.onboard(&stage.broker).await;
        stage.world.clock.advance(MINUTE);
        stage
    }
}

#[tokio::test]
async fn what_was_found_before_a_withdrawal_by_a_slow_clock_gives_nothing() {
    // R-125, F-15
    let Stage { world, broker, behind } = Stage::onboarded().await;
    let request = world.callback(&broker).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    behind.partner(world.contoso).withdraw().await.expect("a tombstone");
    assert_eq!(refused(found.confirm().await), Refused::Withdrawn(world.contoso));
    let request = world.callback(&broker).await;
    let found = capture(&broker, &request).await.expect("a flow that began later");
    found.confirm().await.expect("a consent");
}

#[tokio::test]
async fn what_began_before_a_withdrawal_by_a_slow_clock_is_not_captured() {
    // R-125, F-15
    let Stage { world, broker, behind } = Stage::onboarded().await;
    let pending = broker.partner(world.contoso).request_consent(world.account()).await;
    let pending = pending.expect("a flow");
    let sent = world.invite(&broker).await;
    let invited = crate::world::start(&broker, &sent).await.expect("a flow");
    behind.partner(world.contoso).withdraw().await.expect("a tombstone");
    for pending in [pending, invited] {
        let request = accept(&pending, &world.admin).await;
        assert_eq!(refused(capture(&broker, &request).await), Refused::Withdrawn(world.contoso));
    }
}

#[tokio::test]
async fn what_was_found_before_a_shredding_by_a_slow_clock_gives_nothing() {
    // R-129, F-15
    let Stage { world, broker, behind } = Stage::onboarded().await;
    let request = world.callback(&broker).await;
    let pending = broker.partner(world.contoso).request_consent(world.account()).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    behind.partner(world.contoso).shred().await.expect("its key is gone");
    assert_eq!(refused(found.confirm().await), Refused::Withdrawn(world.contoso));
    let request = accept(&pending.expect("a flow"), &world.admin).await;
    assert_eq!(refused(capture(&broker, &request).await), Refused::Withdrawn(world.contoso));
    let request = world.callback(&broker).await;
    let found = capture(&broker, &request).await.expect("a flow that began later");
    found.confirm().await.expect("a consent");
}

#[tokio::test]
async fn what_was_found_before_a_roll_back_by_a_slow_clock_does_not_undo_it() {
    let Stage { world, broker, behind } = Stage::onboarded().await;
    let again = world.callback(&broker).await;
    let again = capture(&broker, &again).await.expect("everything holds");
    again.confirm().await.expect("a second consent");
    world.clock.advance(MINUTE);
    let request = world.callback(&broker).await;
    let found = capture(&broker, &request).await.expect("everything holds");
    behind.partner(world.contoso).roll_back().await.expect("put back");
    assert_eq!(refused(found.confirm().await), Refused::OlderToken(world.contoso));
}
