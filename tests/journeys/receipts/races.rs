//! Several processes at one chain.

use std::sync::Arc;

use cpv_consent::emulator::{Failure, Rule};
use cpv_consent::store::{Kind, Memory};
use cpv_consent::{Error, Resource};

use crate::receipts::{Notary, broker_on, told};
use crate::world::late::Late;
use crate::world::{self, HOUR, MINUTE, World, capture};

const PARTNER_CENTER: &str = "https://api.partnercenter.microsoft.com";

#[tokio::test]
async fn two_processes_that_change_the_same_consent_write_one_chain() {
    let (world, notary) = (World::new().await, Notary::new());
    let (one, other) = (
        broker_on(&world, &notary, world.store().await).await,
        broker_on(&world, &notary, world.store().await).await,
    );
    const ROUNDS: usize = 4;
    for _ in 0..ROUNDS {
        let mut found = Vec::new();
        for broker in [&one, &other] {
            let request = world.callback(broker).await;
            found.push(capture(broker, &request).await.expect("everything holds"));
        }
        let asked: Vec<_> = found.into_iter().map(|found| tokio::spawn(found.confirm())).collect();
        let mut confirmed = 0;
        for asked in asked {
            confirmed += usize::from(asked.await.expect("no panic").is_ok());
        }
        assert!(confirmed > 0, "one of them at least");
        let (a, b) = (one.partner(world.contoso), other.partner(world.contoso));
        let (a, b) = tokio::join!(a.withdraw(), b.withdraw());
        assert!(a.is_ok() && b.is_ok());
        world.clock.advance(MINUTE);
    }
    let consent = one.partner(world.contoso).consent().await.expect("readable").expect("there");
    let told = told(&world, &other, &notary).await;
    assert_eq!(told.len() as u64, consent.generation(), "each generation has one: {told:?}");
    assert_eq!(told.iter().filter(|told| **told == "withdrawn").count(), ROUNDS);
}

#[tokio::test]
async fn whoever_comes_second_to_a_place_goes_on_after_what_is_there() {
    let (world, slow) = (World::new().await, Notary::new());
    let (memory, quick) = (Arc::new(Memory::new()), slow.beside());
    let store = Late::new(memory.clone());
    let one = broker_on(&world, &slow, store.clone()).await;
    let other = broker_on(&world, &quick, memory).await;
    slow.is_away(true);
    world.onboard(&one).await;
    one.partner(world.contoso).withdraw().await.expect("a tombstone");
    slow.is_away(false);
    store.hold_back(Kind::Receipt);
    let writing = {
        let (one, contoso) = (one.clone(), world.contoso);
        tokio::spawn(async move { one.receipts(contoso).await.map(|receipts| receipts.len()) })
    };
    store.waiting().await;
    // The other takes the first place, and dies.
    quick.signs_only(1);
    let died = other.receipts(world.contoso).await;
    assert!(matches!(died, Err(Error::Key { .. })), "{died:?}");
    store.release();
    assert_eq!(writing.await.expect("no panic").expect("readable"), 2);
    assert_eq!(told(&world, &one, &slow).await, ["confirmed", "withdrawn"]);
}

#[tokio::test]
async fn a_rotation_that_loses_to_a_suspension_keeps_the_note_of_it() {
    let (world, notary) = (World::new().await, Notary::new());
    let memory = Arc::new(Memory::new());
    let one = broker_on(&world, &notary, memory.clone()).await;
    world.onboard(&one).await;
    world.clock.advance(2 * HOUR);
    let hold = world.entra.hold_tokens_of(Rule::any().resource(PARTNER_CENTER));
    let rotating = {
        let (one, contoso) = (one.clone(), world.contoso);
        tokio::spawn(async move { one.partner(contoso).token(Resource::PartnerCenter).await })
    };
    hold.waiting(1).await;
    let (silent, rule) = (notary.beside(), Rule::any().resource(world::GRAPH));
    silent.is_away(true);
    let other = broker_on(&world, &silent, memory).await;
    let locked = world.entra.fail_tokens(rule, Failure::aadsts(50053));
    let error = other.partner(world.contoso).token(Resource::Graph).await;
    error.expect_err("the other process sees a lock-out and writes it down");
    locked.clear();
    hold.release();
    rotating.await.expect("no panic").expect("a token");
    assert_eq!(told(&world, &one, &notary).await, ["confirmed", "suspended", "live"]);
}
