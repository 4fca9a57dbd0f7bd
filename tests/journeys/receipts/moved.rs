//! Stores that consents move between, and rows that are put back.

use cpv_consent::store::Memory;
use cpv_consent::{Broker, KeyRing, LocalKey};

use crate::receipts::{Notary, broker_on, told};
use crate::transfer::{export, import};
use crate::world::{HOUR, MINUTE, World, raw};

/// Another site, with a key of its own that signs.
async fn elsewhere(world: &World, notary: &Notary) -> Broker {
    let ring = KeyRing::new(LocalKey::generate("elsewhere").expect("a key"));
    let builder = Broker::builder(world.app.clone(), Memory::new(), ring);
    let builder = builder.clock(world.clock.clone()).receipts(notary.clone());
    builder.build().await.expect("a broker")
}

#[tokio::test]
async fn a_consent_that_moves_begins_a_chain_of_its_own() {
    let (world, here, there) = (World::new().await, Notary::new(), Notary::new());
    let (one, other) =
        (broker_on(&world, &here, Memory::new()).await, elsewhere(&world, &there).await);
    world.onboard(&one).await;
    assert_eq!(import(&other, &export(&one).await).await.expect("an import").taken(), 1);
    assert_eq!(told(&world, &other, &there).await, ["imported"]);
    let [old, new] = [&one, &other].map(|broker| broker.receipts(world.contoso));
    let (old, new) = (old.await.expect("readable"), new.await.expect("readable"));
    let [old, new] = [&old, &new].map(|receipts| receipts.iter().next().expect("one"));
    assert_eq!(old.change().granted(), new.change().granted(), "the same power on the same proof");
    assert_eq!(new.personal("user.id"), old.personal("user.id"));

    world.clock.advance(MINUTE);
    one.partner(world.contoso).withdraw().await.expect("a tombstone");
    let parcel = export(&one).await;
    for _ in 0..2 {
        import(&other, &parcel).await.expect("an import");
    }
    assert_eq!(told(&world, &other, &there).await, ["imported", "withdrawn"]);
    assert_eq!(told(&world, &one, &here).await, ["confirmed", "withdrawn"]);
}

#[tokio::test]
async fn what_waits_here_outlives_what_comes_from_elsewhere() {
    let (world, here, there) = (World::new().await, Notary::new(), Notary::new());
    let (one, other) =
        (broker_on(&world, &here, Memory::new()).await, elsewhere(&world, &there).await);
    world.onboard(&one).await;
    there.is_away(true);
    for _ in 0..2 {
        assert_eq!(import(&other, &export(&one).await).await.expect("an import").taken(), 1);
        world.clock.advance(HOUR);
        world.onboard(&one).await;
    }
    for _ in 0..2 {
        one.partner(world.contoso).withdraw().await.expect("a tombstone");
        assert_eq!(import(&other, &export(&one).await).await.expect("an import").withdrawn(), 1);
        world.clock.advance(MINUTE);
        world.onboard(&one).await;
    }
    there.is_away(false);
    // It was let go here once, and once more there: it stays let go.
    assert_eq!(told(&world, &other, &there).await, ["imported", "imported", "withdrawn"]);
}

#[tokio::test]
async fn a_ring_that_is_rotated_leaves_the_chain_as_it_was() {
    let (world, notary) = (World::new().await, Notary::new());
    let broker = broker_on(&world, &notary, world.store().await).await;
    world.onboard(&broker).await;
    let before = broker.receipts(world.contoso).await.expect("readable");
    broker.close(HOUR).await;
    let old = LocalKey::from_bytes("test-1", world.sealing_key()).expect("a random key");
    let ring = KeyRing::new(LocalKey::generate("test-2").expect("a key"));
    let ring = ring.readable(old).expect("another name");
    let builder = Broker::builder(world.app.clone(), world.store().await, ring);
    let broker = builder.receipts(notary.clone()).build().await.expect("a broker");
    assert_eq!(broker.receipts(world.contoso).await.expect("readable"), before);
    assert_eq!(told(&world, &broker, &notary).await, ["confirmed"]);
}

#[tokio::test]
async fn a_consent_put_back_from_a_backup_goes_on_at_the_real_end() {
    let (world, notary) = (World::new().await, Notary::new());
    let broker = broker_on(&world, &notary, world.store().await).await;
    world.onboard(&broker).await;
    let (folder, id) = (world.store_folder(), world.contoso.to_string());
    let backup = raw::row(&folder, "consent", &id);
    broker.partner(world.contoso).withdraw().await.expect("a tombstone");
    world.clock.advance(MINUTE);
    world.onboard(&broker).await;
    raw::overwrite(&folder, "consent", &id, &backup.sealed);
    let life = ["confirmed", "withdrawn", "confirmed"];
    assert_eq!(told(&world, &broker, &notary).await, life, "nothing is written twice");
    world.clock.advance(MINUTE);
    world.onboard(&broker).await;
    assert_eq!(told(&world, &broker, &notary).await[..3], life);
    assert_eq!(told(&world, &broker, &notary).await[3..], ["confirmed"]);
}
