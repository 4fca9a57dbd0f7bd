//! Failures stay where they belong, and say whose turn it is.

use std::sync::Arc;

use cpv_consent::emulator::{Failure, Rule};
use cpv_consent::{Broker, Cause, ConsentState, Error, Remedy, Resource, TenantId};

use crate::world::{self, HOUR, MINUTE, World, accept, account, capture};
use crate::{expire_tokens, redemptions, state_of};

#[tokio::test(flavor = "multi_thread")]
async fn ten_bad_minutes_at_entra_end_no_consent() {
    // F-33
    const PARTNERS: usize = 3000;
    let world = World::new().await;
    let broker = world.builder(cpv_consent::store::Memory::new()).build().await.expect("a broker");
    let world = Arc::new(world);
    let lanes = (0..4).map(|lane| {
        let (world, broker) = (world.clone(), broker.clone());
        tokio::spawn(async move {
            let mut partners = Vec::new();
            for number in (lane..PARTNERS).step_by(4) {
                partners.push(onboard_another(&world, &broker, number).await);
            }
            partners
        })
    });
    let mut partners = Vec::new();
    for lane in lanes.collect::<Vec<_>>() {
        partners.extend(lane.await.expect("no panic"));
    }
    expire_tokens(&world);
    for code in [50053, 53003, 50173, 50173] {
        let scripted = world.entra.fail_tokens(Rule::any(), Failure::aadsts(code));
        for tenant in &partners {
            let token = broker.partner(*tenant).token(Resource::PartnerCenter).await;
            token.expect_err("Entra is having a bad time");
        }
        scripted.clear();
        world.clock.advance(200 * std::time::Duration::from_secs(1));
    }
    for tenant in &partners {
        let consent = broker.partner(*tenant).consent().await.expect("readable").expect("stored");
        assert!(matches!(consent.state(), ConsentState::Suspended(_)), "{}", consent.state());
    }
    world.clock.advance(HOUR);
    for tenant in &partners {
        broker.partner(*tenant).token(Resource::PartnerCenter).await.expect("all is well again");
        let consent = broker.partner(*tenant).consent().await.expect("readable").expect("stored");
        assert_eq!(*consent.state(), ConsentState::Live);
    }
}

async fn onboard_another(world: &World, broker: &Broker, number: usize) -> TenantId {
    let tenant = world.entra.add_tenant(&format!("Partner {number}"));
    let admin = world.entra.add_user(tenant, &format!("admin@partner{number}.example"));
    let pending = broker.partner(tenant).request_consent(account(&format!("panel-{number}")));
    let request = accept(&pending.await.expect("a flow"), &admin).await;
    let found = capture(broker, &request).await.expect("everything holds");
    found.confirm().await.expect("a consent");
    tenant
}

#[tokio::test]
async fn a_suspended_consent_is_probed_with_pauses_not_hammered() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    expire_tokens(&world);
    let scripted = world.entra.fail_tokens(Rule::any(), Failure::aadsts(50053));
    let ask = || async { broker.partner(world.contoso).token(Resource::PartnerCenter).await };
    ask().await.expect_err("locked out");
    for _ in 0..20 {
        let error = ask().await.expect_err("suspended");
        assert!(matches!(error, Error::Suspended { cause: Cause::AccountLocked, .. }), "{error:?}");
        let tenant = world.contoso;
        let expected = Remedy::AskAdministrator { tenant, why: Cause::AccountLocked };
        assert_eq!(error.remedy(), expected);
    }
    assert_eq!(redemptions(&world), 1);
    world.clock.advance(MINUTE);
    ask().await.expect_err("probed");
    assert_eq!(redemptions(&world), 2);
    scripted.clear();
    world.clock.advance(2 * MINUTE);
    ask().await.expect("unlocked");
    assert_eq!(state_of(&world, &broker).await, ConsentState::Live);
}

#[tokio::test]
async fn what_a_customers_tenant_answers_never_moves_the_partners_consent() {
    // the blast radius
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let rows = world::rows(&world.store_folder(), "consent");
    for code in [
        65001, 90099, 50173, 700_082, 70008, 70000, 50076, 50079, 50158, 53003, 50053, 50057,
        50020, 700_016, 7_000_112, 700_027, 7_000_215, 70043, 50132, 90002, 650_052, 4_242_424,
    ] {
        expire_tokens(&world);
        let rule = Rule::any().tenant(world.fabrikam);
        let scripted = world.entra.fail_tokens(rule, Failure::aadsts(code));
        let partner = broker.partner(world.contoso);
        let error = partner.customer(world.fabrikam).token(Resource::Graph).await;
        let error = error.expect_err("refused at the customer");
        assert!(matches!(error, Error::Entra { .. }), "{code}: {error:?}");
        assert_eq!(state_of(&world, &broker).await, ConsentState::Live, "{code}");
        partner.token(Resource::PartnerCenter).await.expect("the partner is healthy");
        scripted.clear();
    }
    assert_eq!(world::rows(&world.store_folder(), "consent"), rows);
}

#[tokio::test]
async fn a_customer_without_a_consent_or_relationship_says_whose_turn_it_is() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let partner = broker.partner(world.contoso);
    let bare = world.entra.add_customer(world.contoso, "Bare");
    let error = partner.customer(bare).token(Resource::Graph).await.expect_err("no consent there");
    assert_eq!(error.remedy(), Remedy::GrantInCustomer, "{error}");

    let stranger = world.entra.add_tenant("Stranger");
    world.entra.grant(stranger, world.app.client_id(), world::GRAPH, &["Directory.Read.All"]);
    let error = partner.customer(stranger).token(Resource::Graph).await.expect_err("a stranger");
    assert_eq!(error.remedy(), Remedy::FixRelationship { customer: stranger }, "{error}");
}

#[tokio::test]
async fn our_own_bad_secret_never_harms_a_consent() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    for code in [7_000_215, 7_000_222, 700_027] {
        expire_tokens(&world);
        let scripted = world.entra.fail_tokens(Rule::any(), Failure::aadsts(code));
        let error = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
        assert_eq!(error.expect_err("refused").remedy(), Remedy::FixRegistration);
        assert_eq!(state_of(&world, &broker).await, ConsentState::Live);
        scripted.clear();
    }
}
