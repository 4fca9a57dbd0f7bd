//! A partner whose record does not open consents anew.

use cpv_consent::{Broker, Consent, ConsentState, Error, Found, Refused, Resource, TenantId};

use crate::world::raw;
use crate::world::{HOUR, MINUTE, World, accept, capture, refused};

async fn found(world: &World, broker: &Broker) -> Found {
    let pending = broker.partner(world.contoso).request_consent(world.account());
    let request = accept(&pending.await.expect("a flow"), &world.admin).await;
    capture(broker, &request).await.expect("everything holds")
}

/// Changes a bit in the middle of the partner's row of this kind.
pub fn harm(world: &World, kind: &str, partner: TenantId) {
    let (folder, id) = (world.store_folder(), partner.to_string());
    let mut sealed = raw::row(&folder, kind, &id).sealed;
    let last = sealed.len() - 1;
    sealed[last] ^= 1;
    raw::overwrite(&folder, kind, &id, &sealed);
}

async fn assert_works(broker: &Broker, consent: &Consent) {
    assert_eq!(*consent.state(), ConsentState::Live);
    let partner = broker.partner(consent.partner());
    assert_eq!(partner.consent().await.expect("readable").as_ref(), Some(consent));
    partner.token(Resource::PartnerCenter).await.expect("it works");
}

#[tokio::test]
async fn a_damaged_consent_is_replaced_only_where_the_host_says_so() {
    let world = World::new().await;
    let broker = world.broker().await;
    let first = world.onboard(&broker).await;
    harm(&world, "consent", world.contoso);
    world.clock.advance(MINUTE);
    let waiting = found(&world, &broker).await;
    assert!(waiting.replaces_damaged() && waiting.replaces().is_none());
    let error = waiting.confirm().await.expect_err("it is damaged");
    assert!(error.to_string().contains("danger_replace_damaged"), "it says what to do: {error}");
    let Error::Damaged { kind: "consent", partner } = error else { panic!("{error:?}") };
    assert_eq!(partner, Some(world.contoso));
    let anew = found(&world, &broker).await;
    let consent = anew.danger_replace_damaged().confirm().await.expect("a consent");
    assert!(consent.generation() > first.generation());
    assert_works(&broker, &consent).await;
}

#[tokio::test]
async fn what_waits_survives_the_refusal_and_is_confirmed_in_another_process() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    harm(&world, "consent", world.contoso);
    let request = {
        let pending = broker.partner(world.contoso).request_consent(world.account());
        accept(&pending.await.expect("a flow"), &world.admin).await
    };
    let waiting = capture(&broker, &request).await.expect("everything holds");
    let id = waiting.id().clone();
    waiting.confirm().await.expect_err("it is damaged");
    let there = world.broker().await;
    let again = there.found(&id, request.headers()).await.expect("it waits");
    assert!(again.replaces_damaged());
    let consent = again.danger_replace_damaged().confirm().await.expect("a consent");
    assert_works(&there, &consent).await;
}

#[tokio::test]
async fn a_header_that_lies_gives_no_generation_that_was_there_before() {
    let world = World::new().await;
    let broker = world.broker().await;
    let mut before = world.onboard(&broker).await;
    for generation in [0, 1, u64::MAX] {
        let (folder, id) = (world.store_folder(), world.contoso.to_string());
        let mut sealed = raw::row(&folder, "consent", &id).sealed;
        sealed[6..14].copy_from_slice(&u64::to_be_bytes(generation));
        raw::overwrite(&folder, "consent", &id, &sealed);
        world.clock.advance(MINUTE);
        let anew = found(&world, &broker).await.danger_replace_damaged();
        let consent = anew.confirm().await.expect("a consent");
        assert!(consent.generation() > before.generation(), "{generation}");
        assert_works(&broker, &consent).await;
        before = consent;
    }
    broker.partner(world.contoso).withdraw().await.expect("it can still count");
}

#[tokio::test]
async fn a_damaged_partner_key_is_replaced_with_the_consent() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    harm(&world, "partner-key", world.contoso);
    let broker = {
        drop(broker);
        world.broker().await
    };
    let error = broker.partner(world.contoso).consent().await.expect_err("its key is damaged");
    assert!(matches!(error, Error::Key { .. }), "{error:?}");
    assert!(error.to_string().contains("restore the row"), "{error}");
    world.clock.advance(MINUTE);
    found(&world, &broker).await.confirm().await.expect_err("nobody said so");
    let anew = found(&world, &broker).await;
    assert!(anew.replaces_damaged());
    let consent = anew.danger_replace_damaged().confirm().await.expect("a consent");
    assert_works(&broker, &consent).await;
}

#[tokio::test]
async fn saying_so_changes_nothing_where_nothing_is_damaged() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    world.clock.advance(MINUTE);
    let other = world.entra.add_user(world.contoso, "other@contoso.example");
    let pending = broker.partner(world.contoso).request_consent(world.account());
    let request = accept(&pending.await.expect("a flow"), &other).await;
    let waiting = capture(&broker, &request).await.expect("everything holds");
    assert!(!waiting.replaces_damaged());
    let refusal = refused(waiting.danger_replace_damaged().confirm().await);
    assert!(matches!(refusal, Refused::OtherUser { .. }), "{refusal:?}");
}

#[tokio::test]
async fn a_shredded_partner_comes_back_by_a_flow_begun_later_and_by_no_other() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let first = world.onboard(&broker).await;
    let early = found(&world, &broker).await;
    let request = world.callback(&broker).await;
    broker.partner(world.contoso).shred().await.expect("shredded");
    assert_eq!(refused(early.confirm().await), Refused::Withdrawn(world.contoso));
    assert_eq!(refused(capture(&broker, &request).await), Refused::Withdrawn(world.contoso));

    world.clock.advance(MINUTE);
    let late = found(&world, &broker).await;
    assert!(!late.replaces_damaged(), "somebody wanted it so");
    let consent = late.confirm().await.expect("a consent, without further ado");
    assert!(consent.generation() > first.generation() + 1, "above its tombstone");
    assert_works(&broker, &consent).await;
}

#[tokio::test]
async fn a_shredded_partner_comes_back_after_its_row_was_swept() {
    let world = World::new().await;
    let broker = world.broker().await;
    let first = world.onboard(&broker).await;
    let early = found(&world, &broker).await;
    broker.partner(world.contoso).shred().await.expect("shredded");
    world.clock.advance(2 * HOUR);
    broker.sweep().await.expect("swept");
    assert!(broker.partner(world.contoso).consent().await.expect("readable").is_none());
    refused(early.confirm().await);
    let consent = found(&world, &broker).await.confirm().await.expect("a consent");
    assert!(consent.generation() > first.generation() + 1, "its mark remembers");
    assert_works(&broker, &consent).await;
}

#[tokio::test]
async fn a_damaged_record_stands_in_the_way_of_no_sweep_and_no_withdrawal_of_others() {
    // F-22
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let litware = world.onboard_another(&broker, "litware").await;
    harm(&world, "consent", world.contoso);
    let error = broker.partner(world.contoso).withdraw().await.expect_err("it is damaged");
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
    broker.partner(litware).withdraw().await.expect("withdrawn");
    broker.sweep().await.expect("swept");
}
