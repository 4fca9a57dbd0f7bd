//! Thousands of customers of one partner hold up nobody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use cpv_consent::{Broker, Clock, Http, HttpError, Reqwest, Resource, TenantId, VirtualClock};
use http::{Request, Response};

use crate::world::World;

const EXCHANGE: Duration = Duration::from_millis(200);
const CUSTOMERS: u32 = 10_000;
/// Redemptions of one partner's customers under way at once.
const AT_ONCE: u32 = 32;

/// Entra's answer takes 200 ms of virtual time, once the stage is set.
#[derive(Debug)]
struct Slow {
    clock: VirtualClock,
    entra: Reqwest,
    sent: AtomicUsize,
    sets_in: AtomicUsize,
}

#[async_trait]
impl Http for Slow {
    async fn send(
        &self,
        request: Request<Bytes>,
        longest: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        if self.sets_in.load(Ordering::SeqCst) == 0 {
            return self.entra.send(request, longest).await;
        }
        self.clock.sleep(EXCHANGE).await;
        let number = self.sent.fetch_add(1, Ordering::SeqCst);
        let body = format!(
            r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"token-{number}"}}"#
        );
        Ok(Response::new(body.into()))
    }
}

fn customer(number: u32) -> TenantId {
    TenantId::parse(&format!("33333333-3333-4333-8333-{number:012}")).expect("a GUID")
}

/// Lets time pass whenever nobody has anything else to do.
async fn pass_time(clock: VirtualClock) {
    loop {
        for _ in 0..4 * AT_ONCE {
            tokio::task::yield_now().await;
        }
        clock.advance(EXCHANGE);
    }
}

async fn waited(clock: &VirtualClock, broker: &Broker, partner: TenantId, number: u32) -> Duration {
    let begun = clock.monotonic();
    let token = broker.partner(partner).customer(customer(number)).token(Resource::Graph).await;
    token.expect("a token");
    clock.monotonic() - begun
}

#[tokio::test]
async fn ten_thousand_customers_take_their_share_of_the_road_and_no_more() {
    let world = World::new().await;
    let clock = world.clock.clone();
    let entra = Reqwest::new().expect("a client");
    let slow = Slow { clock: clock.clone(), entra, sent: 0.into(), sets_in: 0.into() };
    let slow = Arc::new(slow);
    let store = cpv_consent::store::Memory::new();
    let broker = world.builder(store).http(Shared(slow.clone())).build().await.expect("a broker");
    world.onboard(&broker).await;
    let small = world.onboard_another(&broker, "small").await;
    slow.sets_in.store(1, Ordering::SeqCst);
    let time = tokio::spawn(pass_time(clock.clone()));

    let idle = waited(&clock, &broker, small, 0).await;
    let begun: SystemTime = clock.now();
    let crowd: Vec<_> = (0..CUSTOMERS)
        .map(|number| {
            let (clock, broker, large) = (clock.clone(), broker.clone(), world.contoso);
            tokio::spawn(async move { waited(&clock, &broker, large, number).await })
        })
        .collect();
    for number in 1..50 {
        let busy = waited(&clock, &broker, small, number).await;
        assert!(busy <= 2 * idle, "{busy:?} beside {idle:?}");
    }
    for caller in crowd {
        caller.await.expect("no panic");
    }
    let took = clock.now().duration_since(begun).expect("time passed");
    assert!(took <= EXCHANGE * CUSTOMERS / AT_ONCE * 6 / 5, "{took:?}");
    assert!(took >= EXCHANGE * CUSTOMERS / AT_ONCE, "no more than its share: {took:?}");
    time.abort();
}

#[derive(Debug)]
struct Shared(Arc<Slow>);

#[async_trait]
impl Http for Shared {
    async fn send(
        &self,
        request: Request<Bytes>,
        longest: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        self.0.send(request, longest).await
    }
}
