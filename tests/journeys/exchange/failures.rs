//! Failures stay where they belong, and say whose turn it is.

use cpv_consent::emulator::{Failure, Rule};
use cpv_consent::{
    Broker, Cause, ConsentState, Error, FleetGuard, Remedy, Resource, TenantId, Token, store,
};
use tokio::task::JoinSet;

use crate::exchange::{expire_tokens, redemptions, state_at, state_of};
use crate::world::{self, HOUR, MINUTE, World};

#[tokio::test(flavor = "multi_thread")]
async fn ten_bad_minutes_at_entra_end_no_consent() {
    // F-33
    const PARTNERS: usize = 250;
    let world = World::new().await;
    // Its own tests show the guard, which would hold most of these states back.
    let builder = world.builder(store::Memory::new()).fleet_guard(FleetGuard::new(100, 0));
    let broker = builder.build().await.expect("a broker");
    let mut partners = Vec::new();
    for number in 0..PARTNERS {
        partners.push(world.onboard_another(&broker, &format!("partner-{number}")).await);
    }
    expire_tokens(&world);
    // Whoever is suspended is asked for again after pauses that double: each code meets everybody.
    for (code, pause) in [(50053, MINUTE), (53003, 2 * MINUTE), (50173, 4 * MINUTE), (50173, HOUR)]
    {
        let scripted = world.entra.fail_tokens(Rule::any(), Failure::aadsts(code));
        for token in ask_for_all(&broker, &partners).await {
            token.expect_err("Entra is having a bad time");
        }
        assert_eq!(scripted.hits(), PARTNERS as u64, "{code} met everybody once");
        scripted.clear();
        for tenant in &partners {
            let state = state_at(&broker, *tenant).await;
            assert!(matches!(state, ConsentState::Suspended(_)), "{code}: {state}");
        }
        world.clock.advance(pause);
    }
    for token in ask_for_all(&broker, &partners).await {
        token.expect("all is well again");
    }
    for tenant in &partners {
        assert_eq!(state_at(&broker, *tenant).await, ConsentState::Live);
    }
}

/// A token of each partner, asked for all at once.
async fn ask_for_all(broker: &Broker, partners: &[TenantId]) -> Vec<Result<Token, Error>> {
    let mut asked = JoinSet::new();
    for tenant in partners.iter().copied() {
        let broker = broker.clone();
        asked.spawn(async move { broker.partner(tenant).token(Resource::PartnerCenter).await });
    }
    asked.join_all().await
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
