//! A consent's life, told by its receipts.

use cpv_consent::emulator::{Failure, Rule};
use cpv_consent::store::Memory;
use cpv_consent::{
    Broker, ConsentState, Error, Event, LocalKey, MfaSource, Policy, ReceiptKey, Resource,
};

use crate::receipts::{Notary, broker_on, told};
use crate::world::{HOUR, MINUTE, World, accept, account, capture, raw, rows};

#[tokio::test]
async fn a_confirmed_consent_leaves_a_receipt_of_who_gave_what_on_which_proof() {
    let (world, notary) = (World::new().await, Notary::new());
    let policy = Policy::default().mfa_within(HOUR).danger_unknown_guests();
    let builder = world.builder(world.store().await).policy(policy);
    let broker = builder.receipts(notary.clone()).build().await.expect("a broker");
    let consent = world.onboard(&broker).await;
    assert_eq!(rows(&world.store_folder(), "receipt"), 1, "written when it was confirmed");
    let receipts = broker.receipts(world.contoso).await.expect("readable");
    let receipt = receipts.iter().next().expect("one");
    assert_eq!(receipt.at(), consent.confirmed_at());
    let who = ["user.id", "user.name"].map(|field| receipt.personal(field));
    assert_eq!(who, [Some(&*world.admin.id.to_string()), Some("admin@contoso.example")]);
    let granted = receipt.change().granted().expect("confirmed");
    assert_eq!(*granted.account(), world.account());
    let scopes: Vec<_> = consent.scopes().iter().map(ToString::to_string).collect();
    assert_eq!(granted.scopes(), scopes);
    assert_eq!(granted.roles(), consent.user().roles());
    assert_eq!(granted.loosened(), ["unknown_guests"]);
    let (source, from, to) = granted.second_factor().expect("proven");
    let signed_in = consent.mfa().expect("proven").signed_in();
    let expected = (MfaSource::PartnerCenter.as_str(), signed_in.earliest(), signed_in.latest());
    assert_eq!((source, from, to), expected);
    assert!(receipt.signed().contains(r#""verdict":"admitted","mfa_within":3600"#));
    assert!(!receipt.signed().contains("admin@"), "what is signed names nobody");
    assert!(!format!("{receipts:?}").contains("admin@"));
    for row in raw::rows(&world.store_folder()) {
        assert!(!row.sealed.windows(6).any(|piece| piece == b"admin@"), "{} lies open", row.kind);
    }
    assert_eq!(told(&world, &broker, &notary).await, ["confirmed"]);
}

#[tokio::test]
async fn a_life_leaves_a_chain_that_survives_shredding_and_goes_on_after_it() {
    let (world, notary) = (World::new().await, Notary::new());
    let broker = broker_on(&world, &notary, world.store().await).await;
    world.onboard(&broker).await;
    fail_for(&world, &broker, 50053).await; // locked out: it may pass
    world.clock.advance(MINUTE);
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("it works again");
    broker.partner(world.contoso).withdraw().await.expect("a tombstone");
    world.clock.advance(MINUTE);
    world.onboard(&broker).await;
    fail_for(&world, &broker, 50173).await; // revoked, seen twice
    world.clock.advance(16 * MINUTE);
    fail_for(&world, &broker, 50173).await;
    let ended = broker.partner(world.contoso).consent().await.expect("readable").expect("there");
    assert!(matches!(ended.state(), ConsentState::Ended { .. }), "{}", ended.state());
    broker.partner(world.contoso).shred().await.expect("shredded");
    let mut life = vec!["confirmed", "suspended", "live", "withdrawn", "confirmed", "suspended"];
    life.extend(["ended", "withdrawn", "shredded"]);
    assert_eq!(told(&world, &broker, &notary).await, life);
    let receipts = broker.receipts(world.contoso).await.expect("readable");
    let audit = receipts.verify(&notary.keys(), None);
    assert_eq!(audit.undisclosed(), 2, "nobody is known any more");

    // Twice is once, and an hour later the row is gone.
    broker.partner(world.contoso).shred().await.expect("shredded before");
    world.clock.advance(2 * HOUR);
    broker.sweep().await.expect("swept");
    assert_eq!(told(&world, &broker, &notary).await, life);
    world.onboard(&broker).await;
    life.push("confirmed");
    assert_eq!(told(&world, &broker, &notary).await, life);
}

/// Entra refuses one exchange at the partner's own tenant.
async fn fail_for(world: &World, broker: &Broker, code: u32) {
    world.clock.advance(2 * HOUR);
    let scripted = world.entra.fail_tokens(Rule::any(), Failure::aadsts(code));
    let token = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
    token.expect_err("refused");
    scripted.clear();
}

#[tokio::test]
async fn without_a_signer_there_is_no_receipt_and_a_key_of_the_ring_signs_none() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    assert!(broker.receipts(world.contoso).await.expect("readable").is_empty());
    assert_eq!(rows(&world.store_folder(), "receipt"), 0);
    let error = broker.checkpoint_receipts().await.expect_err("nobody signs");
    assert!(matches!(error, Error::Setting(_)), "{error}");
    drop(broker);
    let namesake = ReceiptKey::new(&LocalKey::generate("test-1").expect("a key"));
    let builder = world.builder(Memory::new()).receipts(namesake);
    assert!(matches!(builder.build().await, Err(Error::Setting(_))));
}

#[tokio::test]
async fn what_cannot_be_signed_waits_and_is_written_once_whoever_comes() {
    let (world, notary) = (World::new().await, Notary::new());
    let (one, other) = (
        broker_on(&world, &notary, world.store().await).await,
        broker_on(&world, &notary, world.store().await).await,
    );
    notary.is_away(true);
    for _ in 0..2 {
        world.onboard(&one).await;
        one.partner(world.contoso).withdraw().await.expect("a tombstone");
        world.clock.advance(MINUTE);
    }
    let waiting = |event: &Event| matches!(event, Event::ReceiptWaiting { .. });
    assert_eq!(world.events().iter().filter(|event| waiting(event)).count(), 4);
    assert!(matches!(one.receipts(world.contoso).await, Err(Error::Key { .. })));
    let error =
        one.partner(world.contoso).shred().await.expect_err("it would take the notes along");
    assert!(matches!(error, Error::Key { .. }), "{error}");
    let tombstone = one.partner(world.contoso).consent().await.expect("not shredded");
    assert!(matches!(tombstone.expect("there").state(), ConsentState::Withdrawn { .. }));

    notary.is_away(false);
    // Two processes come at once, several times over.
    let ask = |broker: &Broker| {
        let (broker, contoso) = (broker.clone(), world.contoso);
        tokio::spawn(async move { broker.receipts(contoso).await.expect("readable") })
    };
    let asked: Vec<_> = [&one, &other].repeat(4).into_iter().map(ask).collect();
    let life = ["confirmed", "withdrawn", "confirmed", "withdrawn"];
    for receipts in asked {
        let receipts = receipts.await.expect("no panic");
        let told: Vec<_> = receipts.iter().map(|receipt| receipt.change().as_str()).collect();
        assert_eq!(told, life);
    }
    assert_eq!(rows(&world.store_folder(), "receipt"), 4);
    assert_eq!(told(&world, &other, &notary).await, life);
    one.partner(world.contoso).shred().await.expect("nothing waits");
    assert_eq!(told(&world, &one, &notary).await[3..], ["withdrawn", "shredded"]);
}

#[tokio::test]
async fn receipts_stay_with_their_store_and_another_account_has_no_part_in_them() {
    let (world, notary) = (World::new().await, Notary::new());
    let broker = broker_on(&world, &notary, world.store().await).await;
    world.onboard(&broker).await;
    let found = broker.scan().run().await.expect("a scan");
    assert!(found.is_sound(), "{:?}", found.damaged());
    let pending = broker.partner(world.contoso).request_consent(account("panel-2"));
    let pending = pending.danger_rebind().await.expect("a flow");
    world.clock.advance(MINUTE);
    let request = accept(&pending, &world.admin).await;
    capture(&broker, &request).await.expect("found").confirm().await.expect("moved");
    let receipts = broker.receipts(world.contoso).await.expect("readable");
    let accounts: Vec<_> = receipts
        .iter()
        .map(|receipt| receipt.change().granted().expect("confirmed").account().as_str())
        .collect();
    assert_eq!(accounts, ["panel-1", "panel-2"]);
}

#[tokio::test]
async fn a_receipt_that_is_written_leaves_its_consent_with_the_next_change() {
    let (world, notary) = (World::new().await, Notary::new());
    let broker = broker_on(&world, &notary, world.store().await).await;
    let mut lengths = Vec::new();
    for _ in 0..3 {
        world.onboard(&broker).await;
        world.clock.advance(MINUTE);
        broker.partner(world.contoso).withdraw().await.expect("a tombstone");
        world.clock.advance(MINUTE);
        let row = raw::row(&world.store_folder(), "consent", &world.contoso.to_string());
        lengths.push(row.sealed.len());
    }
    let [first, .., last] = lengths[..] else { panic!("{lengths:?}") };
    assert!(last < first + 200, "they pile up: {lengths:?}");
}

#[tokio::test]
async fn a_shredding_that_could_not_be_told_at_once_is_told_by_its_mark() {
    for returns in [false, true] {
        let (world, notary) = (World::new().await, Notary::new());
        let broker = broker_on(&world, &notary, world.store().await).await;
        world.onboard(&broker).await;
        broker.partner(world.contoso).withdraw().await.expect("a tombstone");
        notary.is_away(true);
        broker.partner(world.contoso).shred().await.expect("nothing waits in the tombstone");
        let partner = world.contoso;
        assert!(world.events().contains(&Event::ReceiptWaiting { partner }));
        world.clock.advance(2 * HOUR);
        broker.sweep().await.expect("swept");
        notary.is_away(false);
        let mut life = vec!["confirmed", "withdrawn", "shredded"];
        if returns {
            world.onboard(&broker).await; // its mark goes with that
            life.push("confirmed");
        }
        assert_eq!(told(&world, &broker, &notary).await, life);
    }
}
