//! A redemption that failed in passing is made again, a bounded number of times; nothing else is.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use cpv_consent::emulator::{Failure, Mischief, Rule};
use cpv_consent::{
    Broker, Clock, ConsentState, Error, HttpFault, Remedy, Resource, Sleep, VirtualClock,
};

use crate::manners::{at, own, state};
use crate::world::{HOUR, MINUTE, World};

/// Short waits pass by themselves and are remembered.
#[derive(Debug, Clone)]
pub struct Brisk {
    inner: VirtualClock,
    pauses: Arc<Mutex<Vec<Duration>>>,
}

impl Brisk {
    pub fn of(clock: &VirtualClock) -> Self {
        Self { inner: clock.clone(), pauses: Arc::default() }
    }
}

impl Clock for Brisk {
    fn now(&self) -> SystemTime {
        self.inner.now()
    }

    fn monotonic(&self) -> Duration {
        self.inner.monotonic()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        if duration > LONGEST_PAUSE {
            return self.inner.sleep(duration);
        }
        self.pauses.lock().expect("not poisoned").push(duration);
        self.inner.advance(duration);
        Box::pin(std::future::ready(()))
    }
}

/// Shorter than a lease's beat and any deadline.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

struct Stage {
    world: World,
    broker: Broker,
    clock: Brisk,
}

impl Stage {
    /// A partner on record, and a broker that tries so often more; by default where it is not said.
    async fn new(retries: Option<u32>) -> Self {
        let world = World::new().await;
        let clock = Brisk::of(&world.clock);
        let store = world.store().await;
        let builder = match retries {
            Some(retries) => world.builder(store).retries(retries),
            None => Broker::builder(world.app.clone(), store, world.keys()),
        };
        let broker = builder.clock(clock.clone()).build().await.expect("a broker");
        world.onboard(&broker).await;
        let stage = Self { world, broker, clock };
        stage.expire();
        stage
    }

    fn expire(&self) {
        self.world.clock.advance(2 * HOUR);
        self.clock.pauses.lock().expect("not poisoned").clear();
    }

    fn pauses(&self) -> Vec<Duration> {
        self.clock.pauses.lock().expect("not poisoned").clone()
    }
}

#[tokio::test]
async fn a_failure_in_passing_costs_nobody_a_token() {
    // R-115, F-17, F-18
    let stage = Stage::new(None).await;
    let (world, broker) = (&stage.world, &stage.broker);
    for (name, failure) in [
        ("500", Failure::status(500)),
        ("503", Failure::status(503)),
        ("a refusal that passes", Failure::aadsts(90033).with_status(503)),
        ("a reset", Failure::reset()),
        ("half an answer", Failure::broken(Mischief::Reset)),
    ] {
        let scripted = world.entra.fail_tokens(Rule::any(), failure.times(2));
        own(broker, world.contoso).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(scripted.hits(), 2, "{name}");
        let pauses = stage.pauses();
        assert_eq!(pauses.len(), 2, "{name}");
        assert!(pauses[0] <= Duration::from_secs(1) && pauses[1] <= LONGEST_PAUSE, "{pauses:?}");
        scripted.clear();
        stage.expire();
    }
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_the_consent_lives() {
    // R-117, F-02
    let stage = Stage::new(None).await;
    let (world, broker) = (&stage.world, &stage.broker);
    let scripted = world.entra.fail_tokens(Rule::any(), Failure::lost_answer().times(1));
    own(broker, world.contoso).await.expect("the second answer");
    assert_eq!(scripted.hits(), 1);
    assert_eq!(state(broker, world.contoso).await, ConsentState::Live);
}

#[tokio::test]
async fn tries_are_counted() {
    // R-115, F-17
    for (retries, tries) in [(None, 3), (Some(0), 1), (Some(1), 2), (Some(4), 5)] {
        let stage = Stage::new(retries).await;
        let (world, broker) = (&stage.world, &stage.broker);
        let scripted = world.entra.fail_tokens(Rule::any(), Failure::status(503));
        let error = own(broker, world.contoso).await.expect_err("down for long");
        assert!(matches!(error.remedy(), Remedy::Retry { .. }), "{error}");
        assert_eq!(scripted.hits(), tries, "{retries:?}");
        assert_eq!(state(broker, world.contoso).await, ConsentState::Live);
    }
}

#[tokio::test]
async fn what_was_answered_is_not_asked_again() {
    // no retry after a refusal, nor where the server says how long to wait
    let stage = Stage::new(Some(5)).await;
    let (world, broker) = (&stage.world, &stage.broker);
    for (name, failure) in [
        ("locked out", Failure::aadsts(50053)),
        ("revoked", Failure::aadsts(50173)),
        ("too much", Failure::status(429)),
        ("throttled", Failure::aadsts(90055).with_status(503)),
        ("a loop", Failure::aadsts(50196).with_status(503)),
        ("not now", Failure::status(503).retry_after(MINUTE)),
        ("no answer", Failure::reply(200, "text/html", "<html>")),
        ("elsewhere", Failure::redirect(&"https://login.example/".parse().expect("a URL"))),
    ] {
        let scripted = world.entra.fail_tokens(Rule::any(), failure);
        at(broker, world.contoso, world.fabrikam).await.expect_err(name);
        assert_eq!((scripted.hits(), stage.pauses().len()), (1, 0), "{name}");
        scripted.clear();
        stage.expire();
    }
}

#[tokio::test]
async fn no_try_is_begun_that_those_who_wait_for_their_turn_would_not_live_to_see() {
    // F-18
    let stage = Stage::new(Some(5)).await;
    let (world, broker) = (&stage.world, stage.broker.clone());
    let hanging = world.entra.fail_tokens(Rule::any(), Failure::hang());
    let contoso = world.contoso;
    let asking = tokio::spawn(async move {
        broker.partner(contoso).customer(contoso).token(Resource::Graph).await
    });
    while hanging.hits() == 0 {
        tokio::task::yield_now().await;
    }
    world.clock.advance(Duration::from_secs(30));
    let error = asking.await.expect("no panic").expect_err("no answer");
    let Error::Http(error) = error else { panic!("{error:?}") };
    assert_eq!((error.fault(), hanging.hits()), (HttpFault::Timeout, 1));
}

#[tokio::test]
async fn pauses_are_drawn_anew_each_time() {
    // full jitter
    let stage = Stage::new(Some(1)).await;
    let (world, broker) = (&stage.world, &stage.broker);
    let mut drawn = Vec::new();
    for _ in 0..30 {
        let scripted = world.entra.fail_tokens(Rule::any(), Failure::status(500).times(1));
        at(broker, world.contoso, world.fabrikam).await.expect("the second answer");
        drawn.extend(stage.pauses());
        scripted.clear();
        stage.expire();
    }
    assert_eq!(drawn.len(), 30);
    let half = Duration::from_millis(500);
    let short = drawn.iter().filter(|pause| **pause < half).count();
    assert!((1..30).contains(&short), "{drawn:?}");
}
