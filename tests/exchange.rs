//! From a consent to tokens: one request for many, nothing lost, and failures that stay where they
//! belong.

mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use cpv_consent::emulator::{Failure, Grant, Rule, TokenRequest};
use cpv_consent::store::{
    Entry, Expect, Filter, Key, Kind, Page, Promises, Revision, Store, StoreError, Stored,
};
use cpv_consent::{
    Absence, Broker, Cause, ConsentState, Error, Event, Remedy, Resource, Sealed, TenantId,
};
use world::{DAY, HOUR, MINUTE, World, accept, account, capture, raw};

const PARTNER_CENTER: &str = "https://api.partnercenter.microsoft.com";

fn redemptions(world: &World) -> usize {
    world.entra.count_tokens(|request| request.grant == Some(Grant::RefreshToken))
}

fn at(request: &TokenRequest, tenant: TenantId) -> bool {
    request.tenant == tenant.to_string()
}

/// Every token that was handed out is too old now; the consent is as young as before.
fn expire_tokens(world: &World) {
    world.clock.advance(2 * HOUR);
    world.entra.forget_ledger();
}

#[tokio::test]
async fn partner_and_customer_tokens_come_from_their_own_tenants() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    world.entra.forget_ledger();
    let partner = broker.partner(world.contoso);
    let own = partner.token(Resource::PartnerCenter).await.expect("a token");
    let graph = partner.token(Resource::Graph).await.expect("a token");
    let customer = partner.customer(world.fabrikam).token(Resource::Graph).await.expect("a token");
    assert_eq!((own.tenant(), own.resource()), (world.contoso, &Resource::PartnerCenter));
    assert_eq!((graph.tenant(), graph.resource()), (world.contoso, &Resource::Graph));
    assert_eq!((customer.tenant(), customer.resource()), (world.fabrikam, &Resource::Graph));
    let asked: Vec<String> = world.entra.ledger().into_iter().map(|asked| asked.tenant).collect();
    let [contoso, fabrikam] = [world.contoso.to_string(), world.fabrikam.to_string()];
    assert_eq!(asked, [contoso.clone(), contoso, fabrikam]);
    for _ in 0..10 {
        partner.token(Resource::PartnerCenter).await.expect("from memory");
        partner.customer(world.fabrikam).token(Resource::Graph).await.expect("from memory");
    }
    assert_eq!(world.entra.ledger().len(), 3);
}

#[tokio::test]
async fn a_resource_that_is_not_registered_is_refused_by_name() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let other = Resource::custom("https://manage.office.com").expect("a resource");
    let error = broker.partner(world.contoso).token(other).await.expect_err("not registered");
    assert!(matches!(&error, Error::Setting(invalid) if invalid.field() == "resource"));
    assert_eq!(error.remedy(), Remedy::FixRegistration);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_callers_for_one_expired_token_cause_one_request() {
    // R-116, F-09
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a token");
    expire_tokens(&world);
    let hold = world.entra.hold_tokens();
    let callers: Vec<_> = (0..1000)
        .map(|_| {
            let (broker, contoso) = (broker.clone(), world.contoso);
            tokio::spawn(
                async move { broker.partner(contoso).token(Resource::PartnerCenter).await },
            )
        })
        .collect();
    hold.waiting(1).await;
    hold.release();
    let mut tokens = Vec::new();
    for caller in callers {
        tokens.push(caller.await.expect("no panic").expect("a token"));
    }
    let first = tokens[0].secret().expose();
    assert!(tokens.iter().all(|token| token.secret().expose() == first));
    assert_eq!(redemptions(&world), 1);
}

#[tokio::test]
async fn a_cancelled_first_caller_cancels_nobody() {
    // R-116, F-30
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    expire_tokens(&world);
    let hold = world.entra.hold_tokens();
    let ask = || {
        let (broker, contoso) = (broker.clone(), world.contoso);
        tokio::spawn(async move { broker.partner(contoso).token(Resource::PartnerCenter).await })
    };
    let first = ask();
    hold.waiting(1).await;
    let second = ask();
    first.abort();
    assert!(first.await.expect_err("aborted").is_cancelled());
    hold.release();
    second.await.expect("no panic").expect("a token");
    assert_eq!(redemptions(&world), 1);
}

#[tokio::test]
async fn a_failure_is_shared_by_all_who_wait_and_not_kept() {
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    expire_tokens(&world);
    world.entra.fail_tokens(Rule::any(), Failure::status(503).times(1));
    let hold = world.entra.hold_tokens();
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let (broker, contoso) = (broker.clone(), world.contoso);
            tokio::spawn(
                async move { broker.partner(contoso).token(Resource::PartnerCenter).await },
            )
        })
        .collect();
    hold.waiting(1).await;
    hold.release();
    for caller in callers {
        let error = caller.await.expect("no panic").expect_err("503");
        assert!(matches!(error.remedy(), Remedy::Retry { .. }), "{error:?}");
    }
    assert_eq!(redemptions(&world), 1);
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("tried anew");
    assert_eq!(redemptions(&world), 2);
}

#[tokio::test]
async fn a_rotated_refresh_token_is_on_disk_before_the_caller_has_the_access_token() {
    // R-100, F-05
    let world = World::new().await;
    let broker = world.broker().await;
    let before = world.onboard(&broker).await;
    expire_tokens(&world);
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a token");
    let elsewhere = world.broker().await;
    let after = elsewhere.partner(world.contoso).consent().await.expect("readable");
    assert_eq!(after.expect("stored").deadline(), before.deadline() + 2 * HOUR);
}

#[tokio::test]
async fn a_store_that_refuses_the_write_costs_nobody_a_token() {
    // F-11
    let world = World::new().await;
    let store = Moody::new(world.store().await);
    let broker = world.builder(store.clone()).build().await.expect("a broker");
    world.onboard(&broker).await;
    expire_tokens(&world);
    store.refuse_consents(true);
    let partner = broker.partner(world.contoso);
    let token = partner.token(Resource::PartnerCenter).await.expect("from the exchange");
    assert!(world.events().contains(&Event::Unsaved { partner: world.contoso }));
    let same = partner.token(Resource::PartnerCenter).await.expect("from memory");
    assert_eq!(same.secret().expose(), token.secret().expose());
    let other = partner.token(Resource::Graph).await.expect_err("nothing more is redeemed");
    assert!(matches!(other, Error::Unsaved { .. }), "{other:?}");
    assert_eq!(redemptions(&world), 1);

    store.refuse_consents(false);
    while world.clock.sleepers() < CHORES + 1 {
        tokio::task::yield_now().await;
    }
    world.clock.advance(MINUTE);
    while !world.events().contains(&Event::Saved { partner: world.contoso }) {
        tokio::task::yield_now().await;
    }
    partner.token(Resource::Graph).await.expect("saved, so the next is redeemed");
    assert_eq!(redemptions(&world), 2);
    let elsewhere = world.broker().await;
    elsewhere.partner(world.contoso).token(Resource::PartnerCenter).await.expect("stored");
}

#[tokio::test]
async fn an_unsaved_token_is_redeemed_only_once_its_access_token_has_ended() {
    // F-11
    let world = World::new().await;
    let store = Moody::new(world.store().await);
    let broker = world.builder(store.clone()).build().await.expect("a broker");
    world.onboard(&broker).await;
    expire_tokens(&world);
    store.refuse_consents(true);
    let partner = broker.partner(world.contoso);
    partner.token(Resource::PartnerCenter).await.expect("from the exchange");
    expire_tokens(&world);
    partner.token(Resource::PartnerCenter).await.expect("the newest token still works");
    assert_eq!(redemptions(&world), 1);
    store.refuse_consents(false);
    broker.close(MINUTE).await;
    let elsewhere = world.broker().await;
    elsewhere.partner(world.contoso).token(Resource::PartnerCenter).await.expect("closed in order");
}

#[tokio::test]
async fn an_unsaved_token_is_redeemed_by_nobody_once_another_process_has_withdrawn() {
    // F-11, R-129
    let world = World::new().await;
    let store = Moody::new(world.store().await);
    let broker = world.builder(store.clone()).build().await.expect("a broker");
    let other = world.broker().await;
    world.onboard(&broker).await;
    expire_tokens(&world);
    store.refuse_consents(true);
    let partner = broker.partner(world.contoso);
    partner.token(Resource::PartnerCenter).await.expect("from the exchange");
    partner.customer(world.fabrikam).token(Resource::Graph).await.expect("with what is unsaved");
    assert_eq!(redemptions(&world), 2);
    other.partner(world.contoso).withdraw().await.expect("a tombstone");
    let late = partner.customer(world.fabrikam).token(Resource::PartnerCenter).await;
    assert!(matches!(late, Err(Error::Superseded { .. })), "{late:?}");
    assert_eq!(redemptions(&world), 2);
}

#[tokio::test]
async fn closing_tries_to_save_until_its_grace_is_over() {
    // F-11, F-29
    let world = World::new().await;
    let store = Moody::new(world.store().await);
    let broker = world.builder(store.clone()).build().await.expect("a broker");
    let consent = world.onboard(&broker).await;
    expire_tokens(&world);
    store.refuse_consents(true);
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("unsaved");
    let closing = tokio::spawn(broker.close(HOUR));
    for _ in 0..3 {
        while world.clock.sleepers() < CHORES + 3 {
            tokio::task::yield_now().await;
        }
        assert!(!closing.is_finished(), "an hour has not passed");
        world.clock.advance(std::time::Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    store.refuse_consents(false);
    while !closing.is_finished() {
        world.clock.advance(std::time::Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    let after = world.broker().await.partner(world.contoso).consent().await.expect("readable");
    assert!(after.expect("stored").deadline() > consent.deadline(), "the rotated token was saved");
}

#[tokio::test]
async fn a_state_that_another_process_wrote_meanwhile_does_not_cost_the_new_token() {
    let world = World::new().await;
    let (one, other) = (unleased(&world).await, unleased(&world).await);
    let before = world.onboard(&one).await;
    expire_tokens(&world);
    let hold = world.entra.hold_tokens_of(Rule::any().resource(PARTNER_CENTER));
    let rotating = {
        let (one, contoso) = (one.clone(), world.contoso);
        tokio::spawn(async move { one.partner(contoso).token(Resource::PartnerCenter).await })
    };
    hold.waiting(1).await;
    let locked =
        world.entra.fail_tokens(Rule::any().resource(world::GRAPH), Failure::aadsts(50053));
    let error = other.partner(world.contoso).token(Resource::Graph).await;
    error.expect_err("the other process sees a lock-out and writes it down");
    assert!(matches!(state_of(&world, &one).await, ConsentState::Suspended(_)));
    locked.clear();
    hold.release();
    rotating.await.expect("no panic").expect("a token");
    let after = one.partner(world.contoso).consent().await.expect("readable").expect("stored");
    assert!(after.deadline() > before.deadline(), "it had not replaced the token");
    assert_eq!(*after.state(), ConsentState::Live);
}

#[tokio::test]
async fn two_processes_that_ask_at_once_go_one_after_the_other_and_rotate_once() {
    // F-07
    let world = World::new().await;
    let (one, other) = (world.broker().await, world.broker().await);
    world.onboard(&one).await;
    expire_tokens(&world);
    let hold = world.entra.hold_tokens();
    let first = ask(&world, &one, Resource::PartnerCenter);
    hold.waiting(1).await;
    let second = ask(&world, &other, Resource::PartnerCenter);
    while world.clock.sleepers() < 2 * CHORES + HELD + 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(redemptions(&world), 0, "the other waits for the lease, which is kept alive");
    hold.release();
    first.await.expect("no panic").expect("a token");
    world.clock.advance(std::time::Duration::from_secs(1));
    second.await.expect("no panic").expect("a token of its own");
    assert_eq!((redemptions(&world), rotations(&world)), (2, 1));
}

#[tokio::test]
async fn a_caller_waits_for_other_processes_no_longer_than_a_minute() {
    // F-09
    let world = World::new().await;
    let store = Moody::new(world.store().await);
    let broker = world.builder(store.clone()).build().await.expect("a broker");
    world.onboard(&broker).await;
    expire_tokens(&world);
    store.others_have_leases.store(true, Ordering::SeqCst);
    let asked = ask(&world, &broker, Resource::PartnerCenter);
    let began = cpv_consent::Clock::monotonic(&world.clock);
    while !asked.is_finished() {
        // Time stands still while somebody is at the store.
        if world.clock.sleepers() == CHORES + 1 {
            world.clock.advance(std::time::Duration::from_millis(200));
        }
        tokio::task::yield_now().await;
    }
    let error = asked.await.expect("no panic").expect_err("others have it");
    assert!(matches!(error, Error::Busy { partner } if partner == world.contoso), "{error:?}");
    assert!(matches!(error.remedy(), Remedy::Retry { .. }));
    let waited = cpv_consent::Clock::monotonic(&world.clock) - began;
    assert!(waited >= MINUTE && waited < MINUTE + MINUTE / 30, "{waited:?}");
    assert_eq!(redemptions(&world), 0);
}

#[tokio::test]
async fn a_token_stored_less_than_ten_minutes_ago_is_not_replaced() {
    let world = World::new().await;
    let broker = world.broker().await;
    let before = world.onboard(&broker).await;
    let deadline = async || {
        let consent = broker.partner(world.contoso).consent().await.expect("readable");
        consent.expect("stored").deadline()
    };
    broker.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a token");
    assert_eq!((deadline().await, rotations(&world)), (before.deadline(), 0));
    world.clock.advance(10 * MINUTE);
    broker.partner(world.contoso).token(Resource::Graph).await.expect("a token");
    assert_eq!((deadline().await, rotations(&world)), (before.deadline() + 10 * MINUTE, 1));
}

#[tokio::test]
async fn processes_that_share_access_tokens_cause_one_exchange() {
    //
    let world = World::new().await;
    let open = async || {
        let builder = world.builder(world.store().await).share_access_tokens();
        builder.build().await.expect("a broker")
    };
    let (one, other) = (open().await, open().await);
    world.onboard(&one).await;
    expire_tokens(&world);
    for broker in [&one, &other] {
        let partner = broker.partner(world.contoso);
        partner.token(Resource::PartnerCenter).await.expect("a token");
        partner.customer(world.fabrikam).token(Resource::Graph).await.expect("a token");
    }
    assert_eq!(redemptions(&world), 2, "one for each ask");
    assert_eq!(world::rows(&world.store_folder(), "access-token"), 2);
    one.partner(world.contoso).withdraw().await.expect("a tombstone");
    assert_eq!(world::rows(&world.store_folder(), "access-token"), 0);
}

#[tokio::test]
async fn processes_without_leases_that_rotate_at_once_keep_one_good_token() {
    let world = World::new().await;
    let (one, other) = (unleased(&world).await, unleased(&world).await);
    world.onboard(&one).await;
    expire_tokens(&world);
    let hold = world.entra.hold_tokens();
    let first = ask(&world, &one, Resource::PartnerCenter);
    let second = ask(&world, &other, Resource::PartnerCenter);
    hold.waiting(2).await;
    assert!(world.events().contains(&Event::Unleased { partner: world.contoso }));
    hold.release();
    first.await.expect("no panic").expect("a token");
    second.await.expect("no panic").expect("a token, and the winner's refresh token is kept");
    expire_tokens(&world);
    one.partner(world.contoso).token(Resource::PartnerCenter).await.expect("still good");
}

#[tokio::test]
async fn two_hundred_days_of_customer_calls_keep_the_consent_alive() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    world.entra.forget_ledger();
    for day in 1..=200 {
        world.clock.advance(DAY);
        let customer = broker.partner(world.contoso).customer(world.fabrikam);
        let token = customer.token(Resource::Graph).await;
        token.unwrap_or_else(|error| panic!("day {day}: {error}"));
    }
    let rotations = world.entra.count_tokens(|request| at(request, world.contoso));
    assert_eq!(
        rotations,
        200 / 8,
        "one for each time that the stored token was over seven days old"
    );
}

#[tokio::test]
async fn without_rotation_a_consent_dies_on_day_ninety_exactly() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    let consent = world.onboard(&broker).await;
    world.entra.rotation(false);
    let customer = || broker.partner(world.contoso).customer(world.fabrikam);
    for day in 1..90 {
        world.clock.advance(DAY);
        let token = customer().token(Resource::Graph).await;
        token.unwrap_or_else(|error| panic!("day {day}: {error}"));
    }
    world.clock.advance(DAY - MINUTE);
    broker.partner(world.contoso).token(Resource::Graph).await.expect("the last minute");
    world.clock.advance(MINUTE);
    let now = cpv_consent::Clock::now(&world.clock);
    assert_eq!(consent.deadline(), now);
    let error = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
    let error = error.expect_err("day 90");
    let Error::Entra { error: entra, .. } = &error else { panic!("{error:?}") };
    assert_eq!(entra.codes(), [700_082]);
    assert_eq!(error.remedy(), Remedy::AskConsentAgain { claims: None });

    world.clock.advance(15 * MINUTE);
    let again = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
    again.expect_err("seen twice");
    let state = state_of(&world, &broker).await;
    assert!(matches!(state, ConsentState::Ended { cause: Cause::GrantExpired, .. }), "{state:?}");
    world.entra.forget_ledger();
    world.clock.advance(MINUTE);
    let over = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
    assert!(matches!(over, Err(Error::NoConsent { absence: Absence::Ended(_), .. })));
    assert_eq!(world.entra.ledger().len(), 0);
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

async fn state_of(world: &World, broker: &Broker) -> ConsentState {
    let consent = broker.partner(world.contoso).consent().await.expect("readable");
    consent.expect("stored").state().clone()
}

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

#[tokio::test]
async fn a_valid_token_is_served_while_its_renewal_fails() {
    //
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let partner = broker.partner(world.contoso);
    let token = partner.token(Resource::PartnerCenter).await.expect("a token");
    let left = token.expires_at().duration_since(cpv_consent::Clock::now(&world.clock));
    world.clock.advance(left.expect("not expired") - MINUTE);
    world.entra.fail_tokens(Rule::any(), Failure::status(503));
    let same = partner.token(Resource::PartnerCenter).await.expect("valid for a minute");
    assert_eq!(same.secret().expose(), token.secret().expose());
    assert!(world.events().iter().any(|e| matches!(e, Event::ServedWhileFailing { .. })));
    world.clock.advance(MINUTE);
    partner.token(Resource::PartnerCenter).await.expect_err("not valid any more");
}

#[tokio::test]
async fn a_valid_token_does_not_outlive_a_consent_that_is_damaged() {
    // R-112, F-22
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let partner = broker.partner(world.contoso);
    let token = partner.token(Resource::PartnerCenter).await.expect("a token");
    let left = token.expires_at().duration_since(cpv_consent::Clock::now(&world.clock));
    world.clock.advance(left.expect("not expired") - MINUTE);
    partner.token(Resource::Graph).await.expect("the consent is seen, and is well");
    let (folder, id) = (world.store_folder(), world.contoso.to_string());
    let mut sealed = raw::row(&folder, "consent", &id).sealed;
    *sealed.last_mut().expect("some") ^= 1;
    raw::overwrite(&folder, "consent", &id, &sealed);
    let late = partner.token(Resource::PartnerCenter).await;
    assert!(matches!(late, Err(Error::Damaged { .. })), "{late:?}");
}

#[tokio::test]
async fn no_token_of_a_lost_consent_is_handed_out_under_the_next_of_its_generation() {
    //
    let world = World::new().await;
    let (one, other) = (world.broker().await, world.broker().await);
    let first = world.onboard(&one).await;
    let of_the_first = [token_of(&world, &one).await, token_of(&world, &other).await];
    let lost = format!("DELETE FROM record WHERE kind = 'consent' AND id = '{}'", world.contoso);
    raw::execute(&world.store_folder(), "consent", &lost);
    let second = world.onboard(&one).await;
    assert_eq!(first.generation(), second.generation(), "the count began anew");
    world.clock.advance(std::time::Duration::from_secs(6));
    for broker in [&one, &other] {
        assert!(!of_the_first.contains(&token_of(&world, broker).await));
    }
}

async fn token_of(world: &World, broker: &Broker) -> String {
    let token = broker.partner(world.contoso).token(Resource::PartnerCenter).await;
    token.expect("a token").secret().expose().to_owned()
}

#[tokio::test]
async fn a_withdrawal_in_one_process_holds_in_all_within_five_seconds() {
    //
    let world = World::new().await;
    let (one, other) = (world.broker().await, world.broker().await);
    world.onboard(&one).await;
    other.partner(world.contoso).token(Resource::PartnerCenter).await.expect("a token");
    one.partner(world.contoso).withdraw().await.expect("a tombstone");
    world.clock.advance(std::time::Duration::from_secs(6));
    let error = other.partner(world.contoso).token(Resource::PartnerCenter).await;
    assert!(matches!(error, Err(Error::NoConsent { absence: Absence::Withdrawn, .. })));
}

#[tokio::test]
async fn a_write_in_flight_cannot_revive_a_withdrawn_partner() {
    let world = World::new().await;
    let (one, other) = (world.broker().await, world.broker().await);
    world.onboard(&one).await;
    expire_tokens(&world);
    let hold = world.entra.hold_tokens();
    let asked = {
        let (other, contoso) = (other.clone(), world.contoso);
        tokio::spawn(async move { other.partner(contoso).token(Resource::PartnerCenter).await })
    };
    hold.waiting(1).await;
    one.partner(world.contoso).withdraw().await.expect("a tombstone");
    hold.release();
    let outcome = asked.await.expect("no panic");
    assert!(matches!(outcome, Err(Error::Superseded { .. })), "{outcome:?}");
    let state = state_of(&world, &one).await;
    assert!(matches!(state, ConsentState::Withdrawn { .. }));
}

#[tokio::test]
async fn a_closed_broker_takes_no_work() {
    // F-29
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    let clone = broker.clone();
    broker.close(MINUTE).await;
    let error = clone.partner(world.contoso).token(Resource::PartnerCenter).await;
    assert!(matches!(error, Err(Error::Closed)));
}

/// How many waits of its own a broker has under way: its beat on the roll, and its sweep.
const CHORES: usize = 2;

/// How many waits a redemption that is held at Entra has under way: its deadline, and the next beat
/// of its lease.
const HELD: usize = 2;

fn ask(
    world: &World,
    broker: &Broker,
    resource: Resource,
) -> tokio::task::JoinHandle<Result<cpv_consent::Token, Error>> {
    let (broker, contoso) = (broker.clone(), world.contoso);
    tokio::spawn(async move { broker.partner(contoso).token(resource).await })
}

/// How often the stored refresh token was replaced.
fn rotations(world: &World) -> usize {
    let events = world.events();
    events.iter().filter(|event| matches!(event, Event::Exchanged { rotated: true, .. })).count()
}

/// A broker whose store takes no leases.
async fn unleased(world: &World) -> Broker {
    let store = Moody::new(world.store().await);
    store.refuses_leases.store(true, Ordering::SeqCst);
    world.builder(store).build().await.expect("a broker")
}

/// A store that refuses to write consents, or leases, when told to.
#[derive(Debug, Clone)]
struct Moody {
    inner: Arc<dyn Store>,
    refuses: Arc<AtomicBool>,
    refuses_leases: Arc<AtomicBool>,
    others_have_leases: Arc<AtomicBool>,
    looks: Arc<AtomicU64>,
}

impl Moody {
    fn new(inner: impl Store) -> Self {
        Self {
            inner: Arc::new(inner),
            refuses: Arc::default(),
            refuses_leases: Arc::default(),
            others_have_leases: Arc::default(),
            looks: Arc::default(),
        }
    }

    fn refuse_consents(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }
}

#[async_trait]
impl Store for Moody {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        if key.kind() == Kind::Lease && self.others_have_leases.load(Ordering::SeqCst) {
            // Its owner lives: it has moved at every look.
            let revision = Revision::new(self.looks.fetch_add(1, Ordering::SeqCst));
            let entry = Entry { sealed: Sealed::from_bytes(Vec::new()), due: None };
            return Ok(Some(Stored { key: key.clone(), entry, revision }));
        }
        self.inner.get(key).await
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        let refused = match key.kind() {
            Kind::Consent => self.refuses.load(Ordering::SeqCst),
            Kind::Lease => self.refuses_leases.load(Ordering::SeqCst),
            _ => false,
        };
        if refused {
            return Err(StoreError::Full);
        }
        self.inner.put(key, entry, expect).await
    }

    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError> {
        self.inner.remove(key, at).await
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        self.inner.list(filter).await
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        self.inner.realms().await
    }

    fn promises(&self) -> Promises {
        self.inner.promises()
    }
}
