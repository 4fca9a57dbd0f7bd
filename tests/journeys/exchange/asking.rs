//! Who asks for a token gets the right one, and a thousand who ask cost one request.

use cpv_consent::emulator::{Failure, Rule};
use cpv_consent::{Error, Remedy, Resource};

use crate::exchange::{expire_tokens, redemptions};
use crate::world::World;

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
