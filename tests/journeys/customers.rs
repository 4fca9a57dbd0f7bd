//! A partner's customers: listed, granted what is registered, and let go.

use std::time::Duration;

use crate::world::recorder::Recorder;
use crate::world::{GRAPH, HOUR, MINUTE, REDIRECT, World, account};
use cpv_consent::emulator::{Endpoint, Failure, MfaEnforcement, Rule};
use cpv_consent::{
    AppRegistration, Broker, Cause, ClientId, Customer, CustomerGrants, Error, Event, GrantState,
    PartnerCenterCause, Remedy, Resource, TenantId,
};
use http::Method;

/// A broker whose requests are seen, a partner's consent, and a customer without any grant.
struct Shop {
    world: World,
    broker: Broker,
    wire: Recorder,
    customer: TenantId,
}

impl Shop {
    async fn open() -> Self {
        let world = World::new().await;
        let wire = Recorder::new();
        let builder = world.builder(world.store().await).http(wire.clone());
        let broker = builder.build().await.expect("a broker");
        world.onboard(&broker).await;
        let customer = world.entra.add_customer(world.contoso, "Northwind");
        Self { world, broker, wire, customer }
    }

    fn at(&self, customer: TenantId) -> Customer<'_> {
        self.broker.partner(self.world.contoso).customer(customer)
    }

    /// The orders for consents that went over the wire, answered or not.
    fn orders(&self, method: &Method) -> Vec<String> {
        let seen = self.wire.seen().into_iter().map(|seen| seen.request);
        let orders = seen.filter(|request| {
            request.method() == method && request.uri().path().contains("applicationconsents")
        });
        let id = |request: &http::Request<bytes::Bytes>| {
            request.headers()["MS-RequestId"].to_str().expect("ASCII").to_owned()
        };
        orders.map(|request| id(&request)).collect()
    }

    fn granted(&self) -> Vec<String> {
        let consents = self.world.entra.application_consents(self.customer).into_iter();
        let ours = consents.filter(|one| one.application == self.world.app.client_id());
        ours.flat_map(|one| one.grants.into_iter())
            .flat_map(|(resource, names)| names.into_iter().map(move |n| format!("{resource}/{n}")))
            .collect()
    }

    /// Lets the clock go on while something waits for it.
    async fn while_time_passes<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::time::sleep(Duration::from_millis(5)) => {
                    self.world.clock.advance(Duration::from_millis(500));
                }
            }
        }
    }
}

fn state(grants: &CustomerGrants) -> &GrantState {
    let [grant] = grants.grants() else { panic!("Graph alone: {grants:?}") };
    assert_eq!(*grant.resource(), Resource::Graph);
    grant.state()
}

#[tokio::test]
async fn every_customer_is_listed_once_however_many_pages_there_are() {
    let shop = Shop::open().await;
    let mut expected = vec![shop.world.fabrikam, shop.customer];
    for number in 0..1100 {
        expected.push(shop.world.entra.add_customer(shop.world.contoso, &format!("C{number}")));
    }
    expected.sort();
    let mut pages = shop.broker.partner(shop.world.contoso).customers();
    let mut found = Vec::new();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await.expect("a page") {
        sizes.push(page.len());
        found.extend(page.iter().map(cpv_consent::CustomerProfile::tenant));
    }
    found.sort();
    assert_eq!((sizes, pages.total()), (vec![500, 500, 102], Some(1102)));
    assert_eq!(found, expected);
    assert!(pages.next().await.expect("nothing more").is_none());
}

#[tokio::test]
async fn a_list_goes_on_where_it_failed() {
    let shop = Shop::open().await;
    for number in 0..600 {
        shop.world.entra.add_customer(shop.world.contoso, &format!("C{number}"));
    }
    let mut pages = shop.broker.partner(shop.world.contoso).customers();
    assert_eq!(pages.next().await.expect("a page").map(|page| page.len()), Some(500));
    let busy = Failure::status(429).retry_after(Duration::from_secs(40));
    shop.world.entra.fail(Rule::at(Endpoint::Customers), busy.times(1));
    let error = pages.next().await.expect_err("it is busy");
    let wait = Remedy::Retry { after: Duration::from_secs(40) };
    assert_eq!(error.remedy(), wait);
    // F-17: nothing is sent while it wants to be left alone.
    let sent = shop.wire.seen().len();
    assert!(matches!(pages.next().await, Err(Error::Resting { .. })));
    assert_eq!(shop.wire.seen().len(), sent);
    shop.world.clock.advance(2 * MINUTE);
    assert_eq!(pages.next().await.expect("a page").map(|page| page.len()), Some(102));
    assert!(pages.next().await.expect("the end").is_none());
}

#[tokio::test]
async fn a_grant_is_asked_for_once_seen_by_a_token_and_not_asked_for_again() {
    let shop = Shop::open().await;
    let customer = shop.at(shop.customer);
    let before = customer.check().await.expect("looked at");
    assert!(matches!(state(&before), GrantState::Absent));
    assert!(!before.is_complete());

    let granted = shop.while_time_passes(customer.grant()).await.expect("granted");
    assert!(granted.is_complete() && granted.grants()[0].is_new(), "{granted:?}");
    assert_eq!(shop.granted(), [format!("{GRAPH}/Directory.Read.All")]);
    let partner = shop.world.contoso;
    let told =
        Event::CustomerGranted { partner, customer: shop.customer, resource: Resource::Graph };
    assert_eq!(shop.world.events().iter().filter(|event| **event == told).count(), 1);
    customer.token(Resource::Graph).await.expect("a token");

    let again = shop.while_time_passes(customer.grant()).await.expect("as wanted");
    assert!(again.is_complete() && !again.grants()[0].is_new());
    assert_eq!(shop.orders(&Method::POST).len(), 1);
}

#[tokio::test]
async fn a_grant_that_spreads_slowly_is_waited_for_and_one_that_does_not_show_is_said_to_be_so() {
    let shop = Shop::open().await;
    shop.world.entra.consents_take(Duration::from_secs(20));
    let customer = shop.at(shop.customer);
    let granted = shop.while_time_passes(customer.grant()).await.expect("granted");
    assert!(granted.is_complete(), "{granted:?}");

    let slow = shop.world.entra.add_customer(shop.world.contoso, "Slow");
    shop.world.entra.consents_take(HOUR);
    let customer = shop.at(slow);
    let granted = shop.while_time_passes(customer.grant()).await.expect("granted");
    assert!(matches!(state(&granted), GrantState::Unseen), "{granted:?}");
    assert!(matches!(granted.grants()[0].remedy(), Some(Remedy::Retry { .. })));
    // Whoever repeats it meets a consent that exists, and says the same.
    let again = shop.while_time_passes(customer.grant()).await.expect("granted");
    assert!(matches!(state(&again), GrantState::Unseen), "{again:?}");
    shop.world.clock.advance(HOUR);
    assert!(shop.while_time_passes(customer.grant()).await.expect("seen").is_complete());
    assert_eq!(shop.orders(&Method::POST).len(), 3);
}

#[tokio::test]
async fn an_order_without_an_answer_is_sent_again_as_the_same_and_done_once() {
    let shop = Shop::open().await;
    let lost = Failure::lost_answer().times(1);
    shop.world.entra.fail(Rule::at(Endpoint::ApplicationConsents), lost);
    let customer = shop.at(shop.customer);
    let granted = shop.while_time_passes(customer.grant()).await.expect("granted");
    assert!(granted.is_complete() && granted.grants()[0].is_new(), "{granted:?}");
    let orders = shop.orders(&Method::POST);
    assert_eq!(orders.len(), 2);
    assert_eq!(orders[0], orders[1], "the same order");
}

#[tokio::test]
async fn after_an_answer_another_try_is_another_order() {
    let shop = Shop::open().await;
    let busy = Failure::status(503).times(1);
    shop.world.entra.fail(Rule::at(Endpoint::ApplicationConsents), busy);
    let granted = shop.while_time_passes(shop.at(shop.customer).grant()).await.expect("granted");
    assert!(granted.is_complete(), "{granted:?}");
    let orders = shop.orders(&Method::POST);
    assert_eq!(orders.len(), 2);
    assert_ne!(orders[0], orders[1]);
}

#[tokio::test]
async fn exists_is_told_from_as_wanted() {
    let shop = Shop::open().await;
    let (customer, app) = (shop.customer, shop.world.app.client_id());
    shop.world.entra.grant(customer, app, GRAPH, &["User.Read"]);
    let grants = shop.while_time_passes(shop.at(customer).grant()).await.expect("looked at");
    assert!(matches!(state(&grants), GrantState::Unseen), "{grants:?}");
    assert!(!grants.is_complete() && !grants.grants()[0].is_new());
    // Nothing that others granted is touched.
    assert_eq!(shop.granted(), [format!("{GRAPH}/User.Read")]);
    assert_eq!((shop.orders(&Method::POST).len(), shop.orders(&Method::DELETE).len()), (1, 0));
    shop.while_time_passes(shop.at(customer).withdraw()).await.expect("withdrawn");
    let grants = shop.while_time_passes(shop.at(customer).grant()).await.expect("granted");
    assert!(grants.is_complete(), "{grants:?}");
}

#[tokio::test]
async fn whose_relationship_or_role_is_missing_is_said_and_nothing_is_granted() {
    let shop = Shop::open().await;
    let world = &shop.world;
    let (other, stranger) = (world.entra.add_tenant("Other"), world.entra.add_tenant("Stranger"));
    let _of_another = world.entra.add_relationship(other, stranger, |_| {});
    let grants = shop.while_time_passes(shop.at(stranger).grant()).await.expect("looked at");
    let GrantState::Blocked(error) = state(&grants) else { panic!("{grants:?}") };
    assert_eq!(error.remedy(), Remedy::FixRelationship { customer: stranger }, "{error}");

    // R-098 and its like: the role is Partner Center's to judge.
    let denied = Failure::partner_center(403, "900150", "canary");
    world.entra.fail(Rule::at(Endpoint::ApplicationConsents), denied.times(1));
    let grants = shop.while_time_passes(shop.at(shop.customer).grant()).await.expect("looked at");
    let GrantState::Blocked(error) = state(&grants) else { panic!("{grants:?}") };
    let Error::PartnerCenter { error: refusal, .. } = error else { panic!("{error:?}") };
    assert_eq!(refusal.cause(), PartnerCenterCause::RoleMissing);
    assert_eq!(error.remedy(), Remedy::FixRelationship { customer: shop.customer });
    assert!(!format!("{error} {error:?}").contains("canary"));
    assert!(shop.granted().is_empty());
}

#[tokio::test]
async fn what_is_at_hand_proves_nothing_of_today() {
    let shop = Shop::open().await;
    let fabrikam = shop.world.fabrikam;
    let customer = shop.at(fabrikam);
    customer.token(Resource::Graph).await.expect("a token");
    shop.world.entra.withdraw_grants(fabrikam, shop.world.app.client_id());
    let grants = customer.check().await.expect("looked at");
    assert!(matches!(state(&grants), GrantState::Absent), "{grants:?}");
}

#[tokio::test]
async fn an_api_that_the_customer_lacks_is_the_customers_turn() {
    let shop = Shop::open().await;
    let graph = ClientId::parse("00000003-0000-0000-c000-000000000000").expect("a GUID");
    shop.world.entra.remove_principal(shop.customer, graph);
    let grants = shop.while_time_passes(shop.at(shop.customer).grant()).await.expect("looked at");
    let why = Cause::ResourceMissing;
    let remedy = Remedy::AskAdministrator { tenant: shop.customer, why };
    assert_eq!(grants.grants()[0].remedy(), Some(remedy), "{grants:?}");
}

#[tokio::test]
async fn where_partner_center_alone_is_registered_all_is_complete_and_nobody_is_asked() {
    let mut world = World::new().await;
    let (cloud, credential) = (world.app.cloud().clone(), world.app.credential().clone());
    let (home, client_id) = (world.app.home(), world.app.client_id());
    let app = AppRegistration::new(cloud, home, client_id, credential, REDIRECT);
    world.app = app.expect("a registration");
    let wire = Recorder::new();
    let builder = world.builder(world.store().await).http(wire.clone());
    let broker = builder.build().await.expect("a broker");
    let customer = broker.partner(world.contoso).customer(world.fabrikam);
    for grants in [customer.check().await, customer.grant().await] {
        let grants = grants.expect("nothing can fail, although nobody has consented");
        assert!(grants.grants().is_empty() && grants.is_complete(), "{grants:?}");
    }
    assert!(wire.seen().is_empty());
}

#[tokio::test]
async fn withdrawing_takes_all_back_forgets_its_tokens_and_may_be_repeated() {
    let shop = Shop::open().await;
    let customer = shop.at(shop.customer);
    shop.while_time_passes(customer.grant()).await.expect("granted");
    customer.token(Resource::Graph).await.expect("a token");
    assert!(shop.while_time_passes(customer.withdraw()).await.expect("withdrawn"));
    assert!(shop.granted().is_empty());
    let error = customer.token(Resource::Graph).await.expect_err("nothing at hand");
    assert_eq!(error.remedy(), Remedy::GrantInCustomer);
    assert!(!shop.while_time_passes(customer.withdraw()).await.expect("nothing was there"));
    let told = Event::CustomerWithdrawn { partner: shop.world.contoso, customer: shop.customer };
    assert_eq!(shop.world.events().iter().filter(|event| **event == told).count(), 1);
}

#[tokio::test]
async fn at_another_accounts_door_nobody_is_asked() {
    let shop = Shop::open().await;
    let own = shop.at(shop.world.fabrikam);
    own.token(Resource::Graph).await.expect("a token");
    let sent = shop.wire.seen().len();
    let intruder = shop.broker.account(account("intruder"));
    let partner = intruder.partner(shop.world.contoso);
    let customer = partner.customer(shop.world.fabrikam);
    assert!(matches!(customer.check().await, Err(Error::Refused(_))));
    assert!(matches!(shop.while_time_passes(customer.grant()).await, Err(Error::Refused(_))));
    assert!(matches!(shop.while_time_passes(customer.withdraw()).await, Err(Error::Refused(_))));
    assert!(matches!(partner.customers().next().await, Err(Error::Refused(_))));
    own.token(Resource::Graph).await.expect("it is still at hand");
    assert_eq!(shop.wire.seen().len(), sent);
}

#[tokio::test]
async fn without_a_second_factor_partner_center_is_asked_twice_and_then_not_used() {
    //
    let shop = Shop::open().await;
    shop.world.entra.partner_center_enforces(MfaEnforcement::default());
    let denied = Failure::partner_center(401, "900421", "MFA is required");
    shop.world.entra.fail(Rule::at(Endpoint::PartnerCenter), denied);
    let before = shop.wire.seen().len();
    let error = shop.while_time_passes(shop.at(shop.customer).grant()).await.expect_err("refused");
    assert!(matches!(error, Error::PartnerCenterSuspended { .. }), "{error:?}");
    let to_office = |path: &str| path.contains("/v1/customers");
    let seen = shop.wire.seen();
    let asked = seen[before..].iter().filter(|seen| to_office(seen.request.uri().path()));
    assert_eq!(asked.count(), 2);
}

#[tokio::test]
async fn a_token_that_became_too_old_is_replaced_once() {
    let shop = Shop::open().await;
    let stale = Failure::partner_center(401, "800001", "partner token missing").times(1);
    shop.world.entra.fail(Rule::at(Endpoint::ApplicationConsents), stale);
    let granted = shop.while_time_passes(shop.at(shop.customer).grant()).await.expect("granted");
    assert!(granted.is_complete(), "{granted:?}");
    assert_eq!(shop.orders(&Method::POST).len(), 2);
}
