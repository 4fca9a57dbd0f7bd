//! A clock whose glances stand still until it is asked in earnest: what a fork leaves of one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cpv_consent::emulator::Grant;
use cpv_consent::{Clock, Glance, Resource, Sleep, VirtualClock};

use crate::world::{HOUR, World};

#[derive(Debug, Clone)]
struct Asleep {
    clock: VirtualClock,
    last: Arc<Mutex<Glance>>,
}

impl Asleep {
    fn over(clock: &VirtualClock) -> Self {
        let last = Glance::new(clock.now(), clock.monotonic());
        Self { clock: clock.clone(), last: Arc::new(Mutex::new(last)) }
    }
}

impl Clock for Asleep {
    fn now(&self) -> std::time::SystemTime {
        self.clock.now()
    }

    fn monotonic(&self) -> Duration {
        let monotonic = self.clock.monotonic();
        *self.last.lock().expect("a glance") = Glance::new(self.clock.now(), monotonic);
        monotonic
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        self.clock.sleep(duration)
    }

    fn glance(&self) -> Glance {
        *self.last.lock().expect("a glance")
    }
}

#[tokio::test]
async fn a_loop_of_hits_alone_wakes_a_clock_that_stands_still() {
    let world = World::new().await;
    let store = cpv_consent::store::Memory::new();
    let clock = Asleep::over(&world.clock);
    let broker = world.builder(store).clock(clock).build().await.expect("a broker");
    world.onboard(&broker).await;
    let partner = broker.partner(world.contoso);
    let handle = partner.access(Resource::PartnerCenter);
    for by_handle in [false, true] {
        handle.token().await.expect("a token");
        world.entra.forget_ledger();
        world.clock.advance(2 * HOUR);
        for _ in 0..=64 {
            match by_handle {
                true => handle.token().await.expect("a token"),
                false => partner.token(Resource::PartnerCenter).await.expect("a token"),
            };
        }
        let redeemed = world.entra.count_tokens(|sent| sent.grant == Some(Grant::RefreshToken));
        assert_eq!(redeemed, 1, "the token has ended, and that is seen within 64 hits");
    }
}
