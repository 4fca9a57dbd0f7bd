//! So many requests in a second, whoever asks, and who goes first when there are more.

use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cpv_consent::emulator::{Failure, FederatedIssuer, Rule, User};
use cpv_consent::store::Memory;
use cpv_consent::{
    AssertionSource, Broker, ClientCredential, Clock, CredentialError, Error, Event,
    FederatedAssertion, TenantId, Token,
};
use http::Request;
use tokio::sync::Semaphore;

use crate::manners::retries::Brisk;
use crate::manners::{add_customer, at, own};
use crate::world::{HOUR, MINUTE, World, accept, capture, registration_proving};

const SECOND: Duration = Duration::from_secs(1);

fn once_a_second() -> NonZeroU32 {
    NonZeroU32::new(1).expect("not zero")
}

/// A partner on record in a store of this process alone, and a broker with one request a second.
async fn stage(clock: impl Clock, world: &World) -> Broker {
    stage_on(&Arc::new(Memory::new()), clock, world).await
}

async fn stage_on(store: &Arc<Memory>, clock: impl Clock, world: &World) -> Broker {
    world.onboard(&world.builder(store.clone()).build().await.expect("a broker")).await;
    world.clock.advance(2 * HOUR);
    world.entra.forget_ledger();
    let builder =
        world.builder(store.clone()).clock(clock).retries(1).token_budget(once_a_second());
    builder.build().await.expect("a broker")
}

#[tokio::test]
async fn every_request_counts_retries_and_sign_ins_too_and_what_is_at_hand_does_not() {
    // R-115, F-17
    let world = World::new().await;
    let clock = Brisk::of(&world.clock);
    let broker = stage(clock.clone(), &world).await;
    let begun = clock.monotonic();
    world.entra.fail_tokens(Rule::any(), Failure::status(503).times(1));
    own(&broker, world.contoso).await.expect("the second answer");
    at(&broker, world.contoso, world.fabrikam).await.expect("a token");
    world.onboard_another(&broker, "tailspin").await;
    let requests = u32::try_from(world.entra.ledger().len()).expect("few");
    assert!(requests >= 5, "a retry, a customer, a code and what it is good for: {requests}");
    let took = clock.monotonic() - begun;
    assert!(took >= (requests - 1) * SECOND, "{requests} in {took:?}");

    let before = clock.monotonic();
    for _ in 0..100 {
        at(&broker, world.contoso, world.fabrikam).await.expect("at hand");
    }
    assert_eq!(clock.monotonic(), before, "nobody waited");
}

#[tokio::test]
async fn callers_go_before_renewals_that_nobody_waits_for() {
    let world = World::new().await;
    let broker = stage(world.clock.clone(), &world).await;
    let token = at(&broker, world.contoso, world.fabrikam).await.expect("a token");
    aged(&world, &token);
    let customers: Vec<TenantId> =
        (0..3).map(|number| add_customer(&world, world.contoso, &format!("{number}"))).collect();

    let first = ask(&broker, &world, customers[0]);
    until(|| world.entra.ledger().len() == 1).await;
    at(&broker, world.contoso, world.fabrikam).await.expect("at hand, and to be renewed");
    until(|| world.clock.sleepers() > 0).await;
    let others = [ask(&broker, &world, customers[1]), ask(&broker, &world, customers[2])];
    until_still().await;
    for requests in 2..=4 {
        world.clock.advance(SECOND + SECOND / 10);
        until(|| world.entra.ledger().len() == requests).await;
    }
    let asked: Vec<String> = world.entra.ledger().into_iter().map(|asked| asked.tenant).collect();
    let (last, callers) = asked.split_last().expect("four");
    assert_eq!(*last, world.fabrikam.to_string());
    assert!(customers.iter().all(|customer| callers.contains(&customer.to_string())), "{asked:?}");
    first.await.expect("no panic");
    for other in others {
        other.await.expect("no panic");
    }
    let waited =
        |event: &Event| matches!(event, Event::BudgetShort { waited, .. } if *waited >= SECOND);
    assert!(world.events().iter().any(waited), "{:?}", world.events());
}

#[tokio::test]
async fn a_consent_that_ends_while_somebody_waits_is_not_redeemed() {
    //
    let world = World::new().await;
    let broker = stage(world.clock.clone(), &world).await;
    at(&broker, world.contoso, world.fabrikam).await.expect("the first of this second");
    let customer = add_customer(&world, world.contoso, "late");
    let (asking, contoso) = (broker.clone(), world.contoso);
    let asked = tokio::spawn(async move { at(&asking, contoso, customer).await });
    until(|| world.clock.sleepers() > 0).await;
    until_still().await;
    broker.partner(world.contoso).withdraw().await.expect("a tombstone");
    world.entra.forget_ledger();
    world.clock.advance(2 * SECOND);
    let error = asked.await.expect("no panic").expect_err("withdrawn");
    assert!(matches!(error, Error::Superseded { .. } | Error::NoConsent { .. }), "{error:?}");
    assert_eq!(world.entra.ledger().len(), 0);
}

#[tokio::test]
async fn a_credential_that_is_refused_and_alone_costs_one_leave() {
    // F-17, F-34
    let world = World::new().await;
    let broker = stage(world.clock.clone(), &world).await;
    world.entra.fail_tokens(Rule::any(), Failure::aadsts(7_000_215));
    let asked = at(&broker, world.contoso, world.fabrikam).await.expect_err("the wrong secret");
    assert!(matches!(asked, Error::Entra { .. }), "{asked:?}");
    assert_eq!(world.entra.ledger().len(), 1);
}

#[tokio::test]
async fn a_consent_that_another_process_ends_meanwhile_is_not_redeemed_either() {
    //
    let world = World::new().await;
    let store = Arc::new(Memory::new());
    let broker = stage_on(&store, world.clock.clone(), &world).await;
    at(&broker, world.contoso, world.fabrikam).await.expect("the first of this second");
    let customer = add_customer(&world, world.contoso, "late");
    let contoso = world.contoso;
    let asked = tokio::spawn(async move { at(&broker, contoso, customer).await });
    until(|| world.clock.sleepers() > 0).await;
    until_still().await;
    let other = world.builder(store).build().await.expect("a broker");
    other.partner(contoso).withdraw().await.expect("a tombstone");
    world.entra.forget_ledger();
    world.clock.advance(2 * SECOND);
    let error = asked.await.expect("no panic").expect_err("withdrawn");
    assert!(matches!(error, Error::Superseded { .. } | Error::NoConsent { .. }), "{error:?}");
    assert_eq!(world.entra.ledger().len(), 0);
}

/// An issuer that takes its time over its first token.
#[derive(Debug)]
struct Slow {
    issuer: FederatedIssuer,
    gate: Arc<Semaphore>,
}

#[async_trait]
impl AssertionSource for Slow {
    async fn assertion(&self) -> Result<FederatedAssertion, CredentialError> {
        let _entry = self.gate.acquire().await.expect("never closed");
        FederatedAssertion::new(self.issuer.token(HOUR), HOUR).map_err(CredentialError::withheld)
    }
}

#[tokio::test]
async fn nothing_slow_stands_between_the_leave_and_the_request() {
    // F-17
    let mut world = World::new().await;
    let issuer = world.entra.federate(world.app.client_id(), "workload").expect("registered");
    let gate = Arc::new(Semaphore::new(1));
    let credential = ClientCredential::federated(Slow { issuer, gate: gate.clone() });
    world.app = registration_proving(world.app.cloud().clone(), credential);
    let broker = stage(world.clock.clone(), &world).await;
    broker.credential_compromised().await.expect("nothing that was signed is at hand");
    let shut = gate.acquire().await.expect("never closed");
    let customer = add_customer(&world, world.contoso, "other");
    let one = ask(&broker, &world, world.fabrikam);
    until_still().await;
    let other = ask(&broker, &world, customer);
    until(|| world.clock.sleepers() > 0).await;
    until_still().await;
    world.clock.advance(2 * SECOND);
    until_still().await;
    world.clock.advance(10 * SECOND);
    until_still().await;
    world.entra.forget_ledger();
    drop(shut);
    until(|| world.entra.ledger().len() == 1).await;
    until_still().await;
    assert_eq!(world.entra.ledger().len(), 1, "one in a second");
    world.clock.advance(2 * SECOND);
    until(|| world.entra.ledger().len() == 2).await;
    one.await.expect("no panic");
    other.await.expect("no panic");
}

#[tokio::test]
async fn a_code_waits_behind_two_trials_of_somebody_elses_consent_and_not_behind_all() {
    let world = World::new().await;
    let store = Arc::new(Memory::new());
    let unbounded = world.builder(store.clone()).build().await.expect("a broker");
    world.onboard(&unbounded).await;
    for number in 0..8 {
        let customer = add_customer(&world, world.contoso, &format!("{number}"));
        at(&unbounded, world.contoso, customer).await.expect("a token");
    }
    world.clock.advance(2 * HOUR);
    own(&unbounded, world.contoso).await.expect("a rotation, with which the eight are noted");
    let broker = world.builder(store).token_budget(once_a_second()).build().await;
    let broker = broker.expect("a broker");
    let successor = world.entra.add_user(world.contoso, "successor@contoso.example");
    let litware = world.entra.add_tenant("litware");
    let ann = world.entra.add_user(litware, "ann@litware.example");
    let answered = async |partner, user: &User| {
        let pending = broker.partner(partner).request_consent(world.account()).await;
        accept(&pending.expect("a flow"), user).await
    };
    let (first, other) = (answered(world.contoso, &successor).await, answered(litware, &ann).await);
    let capturing = |request: Request<Bytes>| {
        let broker = broker.clone();
        tokio::spawn(async move { capture(&broker, &request).await.map(drop) })
    };
    world.entra.forget_ledger();

    let first = capturing(first);
    until(|| world.entra.ledger().len() == 1).await; // the code
    until_still().await;
    world.clock.advance(SECOND + SECOND / 10);
    until(|| world.entra.ledger().len() == 2).await; // what it is good for
    until_still().await;
    let other = capturing(other);
    until_still().await;
    let is_others = || world.entra.ledger().iter().any(|asked| asked.tenant == litware.to_string());
    while !is_others() {
        let before = world.entra.ledger().len();
        world.clock.advance(SECOND + SECOND / 10);
        until(|| world.entra.ledger().len() > before).await;
        until_still().await;
    }
    let asked = world.entra.ledger().len();
    assert!(asked <= 5, "two trials stand before it, and not {}", asked - 3);
    first.abort();
    other.abort();
}

/// Five minutes before its end: its successor is due.
fn aged(world: &World, token: &Token) {
    let left = token.expires_at().duration_since(world.clock.now()).expect("it lives");
    world.clock.advance(left - 5 * MINUTE);
    world.entra.forget_ledger();
}

fn ask(broker: &Broker, world: &World, customer: TenantId) -> tokio::task::JoinHandle<()> {
    let (broker, contoso) = (broker.clone(), world.contoso);
    tokio::spawn(async move { drop(at(&broker, contoso, customer).await.expect("a token")) })
}

/// Lets everything happen that can happen without time passing.
async fn until(reached: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if reached() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it did not happen");
}

/// Long enough for a task to come as far as the wait.
fn until_still() -> impl Future<Output = ()> {
    tokio::time::sleep(Duration::from_millis(200))
}
