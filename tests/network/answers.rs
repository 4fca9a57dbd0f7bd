//! Answers that rotate: lost, late, or not to be stored yet.

use std::sync::Arc;

use async_trait::async_trait;
use cpv_consent::emulator::{Failure, Rule};
use cpv_consent::store::{
    Entry, Expect, Filter, Key, Kind, Page, Promises, Revision, Store, StoreError, Stored,
};
use cpv_consent::{Absence, Cause, Clock as _, ConsentState, Error, Event, Remedy, Resource};
use tokio::sync::watch;

use crate::world::{HOUR, MINUTE, World};
use crate::{consent, customer, expire_tokens, own, redemptions, told};

/// A store in which writes of consents wait while it is shut.
#[derive(Debug, Clone)]
struct Gated {
    inner: Arc<dyn Store>,
    shut: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
}

impl Gated {
    fn new(inner: impl Store) -> Self {
        let (shut, waiting) = (watch::Sender::new(false), watch::Sender::new(0));
        Self { inner: Arc::new(inner), shut, waiting }
    }
}

#[async_trait]
impl Store for Gated {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.inner.get(key).await
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        if key.kind() == Kind::Consent {
            self.waiting.send_modify(|waiting| *waiting += 1);
            let mut shut = self.shut.subscribe();
            shut.wait_for(|shut| !shut).await.expect("its sender is ours");
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

#[tokio::test]
async fn nobody_has_the_access_token_before_the_refresh_token_is_stored() {
    //
    let world = World::new().await;
    let store = Gated::new(world.store().await);
    let broker = world.builder(store.clone()).build().await.expect("a broker");
    world.onboard(&broker).await;
    expire_tokens(&world);
    store.waiting.send_replace(0);
    store.shut.send_replace(true);
    let ask = || {
        let (broker, contoso) = (broker.clone(), world.contoso);
        tokio::spawn(async move { broker.partner(contoso).token(Resource::PartnerCenter).await })
    };
    let first = ask();
    let mut waiting = store.waiting.subscribe();
    waiting.wait_for(|waiting| *waiting == 1).await.expect("ours");
    let second = ask();
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(redemptions(&world), 1, "the answer is there");
    assert!(!first.is_finished() && !second.is_finished(), "and is kept back");
    store.shut.send_replace(false);
    for asking in [first, second] {
        asking.await.expect("no panic").expect("a token");
    }
    assert_eq!(redemptions(&world), 1);
    let deadline = consent(&world, &broker).await.deadline();
    assert_eq!(deadline, world.clock.now() + 90 * 24 * HOUR);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_again_with_the_token_that_entra_still_takes() {
    // R-117, F-02
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    for _ in 0..5 {
        expire_tokens(&world);
        let before = consent(&world, &broker).await;
        world.entra.fail_tokens(Rule::any(), Failure::lost_answer().times(1));
        let error = own(&world, &broker).await.expect_err("nobody knows what became of it");
        assert!(matches!(error, Error::Http(_)), "{error:?}");
        assert!(matches!(error.remedy(), Remedy::Retry { .. }));
        assert_eq!(consent(&world, &broker).await, before);
        own(&world, &broker).await.expect("the retry");
        assert_eq!(redemptions(&world), 2);
        let after = consent(&world, &broker).await;
        assert_eq!(after.deadline(), world.clock.now() + 90 * 24 * HOUR, "the newest is stored");
    }
}

#[tokio::test]
async fn an_answer_that_was_lost_by_a_strict_server_ends_in_a_new_consent_with_the_evidence() {
    // F-35, R-117, R-118
    let world = World::new().await;
    let broker = world.broker().await;
    world.onboard(&broker).await;
    world.entra.doubts(|doubts| doubts.redemption_ends_refresh_token = true);
    expire_tokens(&world);
    world.entra.fail_tokens(Rule::any(), Failure::lost_answer().times(1));
    own(&world, &broker).await.expect_err("lost");
    let tried_at = world.clock.now();
    let error = own(&world, &broker).await.expect_err("the old one was replaced");
    assert_eq!(error.remedy(), Remedy::AskConsentAgain { claims: None }, "{error}");
    for _ in 0..100 {
        let error = own(&world, &broker).await.expect_err("suspended");
        assert_eq!(error.remedy(), Remedy::AskConsentAgain { claims: None }, "{error}");
    }
    assert_eq!(redemptions(&world), 2, "no loop");
    customer(&world, &broker).await.expect_err("it is worth nothing elsewhere either");
    let suspended = consent(&world, &broker).await.state().clone();
    let ConsentState::Suspended(pause) = suspended else { panic!("{suspended}") };
    assert_eq!((pause.cause(), pause.since()), (Cause::GrantRevoked, tried_at));
    world.clock.advance(15 * MINUTE);
    own(&world, &broker).await.expect_err("seen twice");
    let over = own(&world, &broker).await.expect_err("it is over");
    let ended = Absence::Ended(Cause::GrantRevoked);
    assert!(matches!(over, Error::NoConsent { absence, .. } if absence == ended), "{over:?}");
    let refused = |event: &Event| match event {
        Event::ExchangeRefused { tenant, cause, correlation_id, .. } => {
            *tenant == world.contoso && *cause == Cause::GrantRevoked && correlation_id.is_some()
        }
        _ => false,
    };
    assert_eq!(told(&world, refused), 2, "each refusal is told once, and can be quoted");
    let moved = |event: &Event| matches!(event, Event::StateChanged { .. });
    assert_eq!(told(&world, moved), 2, "suspended, then ended");
    world.onboard(&broker).await;
    own(&world, &broker).await.expect("the new consent");
}
