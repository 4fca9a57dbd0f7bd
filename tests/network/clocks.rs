//! Clocks that jump, and clocks that differ from the server's.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cpv_consent::emulator::{Failure, Rule};
use cpv_consent::{
    Broker, Clock, ConsentState, Error, IdTokenError, Remedy, Resource, Sleep, Token, VirtualClock,
};
use tokio::task::JoinSet;

use crate::world::{DAY, HOUR, MINUTE, World, capture};
use crate::{consent, customer, expire_tokens, own, redemptions};

/// A clock whose date is moved apart from the time that passes.
#[derive(Debug, Clone)]
struct Jumpy {
    steady: VirtualClock,
    /// By how many seconds its date is ahead.
    ahead: Arc<AtomicI64>,
}

impl Jumpy {
    fn over(steady: &VirtualClock) -> Self {
        Self { steady: steady.clone(), ahead: Arc::default() }
    }

    fn jump(&self, seconds: i64) {
        self.ahead.store(seconds, Ordering::SeqCst);
    }

    fn jump_to(&self, date: SystemTime) {
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).expect("since").as_secs();
        self.jump(seconds(date) as i64 - seconds(self.steady.now()) as i64);
    }
}

impl Clock for Jumpy {
    fn now(&self) -> SystemTime {
        let ahead = self.ahead.load(Ordering::SeqCst);
        let by = Duration::from_secs(ahead.unsigned_abs());
        if ahead < 0 { self.steady.now() - by } else { self.steady.now() + by }
    }

    fn monotonic(&self) -> Duration {
        self.steady.monotonic()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        self.steady.sleep(duration)
    }
}

/// Where a date may jump to.
#[derive(Debug, Clone, Copy)]
enum Jump {
    By(i64),
    To(u64),
}

const JUMPS: [Jump; 8] = [
    Jump::By(3600),
    Jump::By(-3600),
    Jump::By(86_400),
    Jump::By(-86_400),
    Jump::To(0),
    Jump::To(1 << 31),         // 2038
    Jump::To(1 << 32),         // 2106
    Jump::To(253_370_764_800), // the year 9999
];

impl Jump {
    fn of(self, clock: &Jumpy) {
        match self {
            Self::By(seconds) => clock.jump(seconds),
            Self::To(seconds) => clock.jump_to(UNIX_EPOCH + Duration::from_secs(seconds)),
        }
    }
}

/// A partner with tokens at hand, and a broker by a clock that jumps; the emulator's does not.
async fn stage() -> (World, Broker, Jumpy) {
    let world = World::new().await;
    let clock = Jumpy::over(&world.clock);
    let builder = world.builder(world.store().await).clock(clock.clone());
    let broker = builder.build().await.expect("a broker");
    world.onboard(&broker).await;
    world.clock.advance(15 * MINUTE);
    own(&world, &broker).await.expect("a token");
    customer(&world, &broker).await.expect("a token");
    world.entra.forget_ledger();
    (world, broker, clock)
}

/// Many ask for both tokens at once.
async fn crowd(world: &World, broker: &Broker) -> Vec<Result<Token, Error>> {
    let (contoso, fabrikam) = (world.contoso, world.fabrikam);
    let mut asking = JoinSet::new();
    for number in 0..40 {
        let broker = broker.clone();
        asking.spawn(async move {
            let partner = broker.partner(contoso);
            match number % 2 {
                0 => partner.token(Resource::PartnerCenter).await,
                _ => partner.customer(fabrikam).token(Resource::Graph).await,
            }
        });
    }
    asking.join_all().await
}

/// A token of the partner's of which none is at hand.
async fn graph(world: &World, broker: &Broker) -> Result<Token, Error> {
    broker.partner(world.contoso).token(Resource::Graph).await
}

/// Everybody gets a token that is good by the server's clock.
async fn assert_served(world: &World, broker: &Broker, when: &str) {
    let mut handed_out = Vec::<Token>::new();
    for token in crowd(world, broker).await {
        let token = token.unwrap_or_else(|error| panic!("{when}: {error}"));
        let same = |other: &Token| other.secret().expose() == token.secret().expose();
        if !handed_out.iter().any(same) {
            assert_accepted(world, &token, when).await;
            handed_out.push(token);
        }
    }
}

/// The API itself takes the token, whatever we think of its age.
async fn assert_accepted(world: &World, token: &Token, when: &str) {
    let url = match token.tenant() == world.contoso {
        true => format!("{}/v1/customers", world.entra.partner_center_origin()),
        false => format!("{}/v1.0/organization", world.entra.graph_origin()),
    };
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = client.get(url).header("authorization", token.bearer());
    let status = request.send().await.expect("a reply").status();
    assert_ne!(status, 401, "{when}: a dead token was handed out");
}

#[tokio::test]
async fn a_date_that_jumps_and_comes_back_costs_one_exchange_per_token_each_way() {
    // F-15
    for jump in JUMPS {
        let (world, broker, clock) = stage().await;
        jump.of(&clock);
        for _ in 0..3 {
            assert_served(&world, &broker, &format!("{jump:?}")).await;
        }
        assert!(redemptions(&world) <= 2, "{jump:?}: {} there", redemptions(&world));
        world.entra.forget_ledger();
        clock.jump(0);
        for _ in 0..3 {
            assert_served(&world, &broker, &format!("back from {jump:?}")).await;
        }
        assert!(redemptions(&world) <= 2, "{jump:?}: {} back", redemptions(&world));
        assert_eq!(*consent(&world, &broker).await.state(), ConsentState::Live);
    }
}

#[tokio::test]
async fn a_token_had_under_a_wrong_date_lives_no_longer_for_it() {
    // F-15
    for jump in JUMPS {
        let (world, broker, clock) = stage().await;
        jump.of(&clock);
        expire_tokens(&world);
        assert_served(&world, &broker, &format!("{jump:?}")).await;
        assert_eq!(redemptions(&world), 2, "{jump:?}");
        clock.jump(0);
        expire_tokens(&world);
        assert_served(&world, &broker, &format!("two hours after {jump:?}")).await;
        assert_eq!(redemptions(&world), 2, "{jump:?}");
    }
}

#[tokio::test]
async fn a_date_that_steps_while_the_server_is_asked_changes_nothing() {
    // F-15
    for jump in JUMPS {
        let (world, broker, clock) = stage().await;
        expire_tokens(&world);
        let hold = world.entra.hold_tokens();
        let asking = tokio::spawn({
            let (world_broker, contoso) = (broker.clone(), world.contoso);
            async move { world_broker.partner(contoso).token(Resource::PartnerCenter).await }
        });
        hold.waiting(1).await;
        jump.of(&clock);
        hold.release();
        let token = asking.await.expect("no panic").unwrap_or_else(|error| panic!("{error}"));
        assert_accepted(&world, &token, &format!("{jump:?}")).await;
        clock.jump(0);
        for _ in 0..3 {
            own(&world, &broker).await.expect("a token");
        }
        assert!(redemptions(&world) <= 2, "{jump:?}: {}", redemptions(&world));
    }
}

#[tokio::test]
async fn a_deadline_is_kept_whatever_the_date_does() {
    // F-15, F-18
    for jump in JUMPS {
        let (world, broker, clock) = stage().await;
        expire_tokens(&world);
        let hanging = world.entra.fail_tokens(Rule::any(), Failure::hang());
        let asking = tokio::spawn({
            let (broker, contoso) = (broker.clone(), world.contoso);
            async move { broker.partner(contoso).token(Resource::Graph).await } // none is at hand
        });
        while hanging.hits() == 0 {
            tokio::task::yield_now().await;
        }
        jump.of(&clock);
        world.clock.advance(Duration::from_secs(29));
        tokio::task::yield_now().await;
        assert!(!asking.is_finished(), "{jump:?} cut it short");
        world.clock.advance(Duration::from_secs(1));
        let outcome = tokio::time::timeout(crate::FAIL_SAFE, asking).await.expect("cut");
        let error = outcome.expect("no panic").expect_err("cut");
        assert!(matches!(error, Error::Http(_)), "{jump:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_pause_begun_under_a_wrong_date_does_not_outlast_it() {
    // F-15
    for jump in JUMPS {
        let (world, broker, clock) = stage().await;
        jump.of(&clock);
        expire_tokens(&world);
        let locked = world.entra.fail_tokens(Rule::any(), Failure::aadsts(50053));
        graph(&world, &broker).await.expect_err("locked out");
        assert_eq!(locked.hits(), 1);
        locked.clear();
        clock.jump(0);
        world.clock.advance(6 * HOUR);
        graph(&world, &broker).await.unwrap_or_else(|error| panic!("{jump:?}: {error}"));
        assert_eq!(*consent(&world, &broker).await.state(), ConsentState::Live);
    }
}

#[tokio::test]
async fn a_refresh_token_dated_ahead_by_a_wrong_clock_is_replaced_in_time() {
    // F-15, R-102
    for jump in JUMPS {
        let (world, broker, clock) = stage().await;
        jump.of(&clock);
        expire_tokens(&world);
        own(&world, &broker).await.expect("a token, and a refresh token of this date");
        clock.jump(0);
        // The process starts again, and works with customers only.
        let builder = world.builder(world.store().await).clock(clock);
        let broker = builder.build().await.expect("a broker");
        for day in (2..=100).step_by(2) {
            world.clock.advance(2 * DAY);
            let token = customer(&world, &broker).await;
            token.unwrap_or_else(|error| panic!("{jump:?}, day {day}: {error}"));
        }
    }
}

/// What becomes of a consent where the server's clock is that far ahead of ours.
async fn onboarded_at_skew(seconds: i64) -> Result<(), IdTokenError> {
    let world = World::new().await;
    let broker = world.broker().await;
    world.entra.shift_clock(seconds);
    let request = world.callback(&broker).await;
    match capture(&broker, &request).await {
        Ok(found) => {
            found.confirm().await.expect("a consent");
            own(&world, &broker).await.expect("a token");
            Ok(())
        }
        Err(Error::IdToken(error)) => {
            world.assert_nothing_stored(&broker).await;
            Err(error)
        }
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_whose_clock_differs_is_believed_within_the_allowance_and_both_times_are_told() {
    // F-16, R-068
    for seconds in [-600, -300, -120, -60, 0, 60, 120] {
        let onboarded = onboarded_at_skew(seconds).await;
        onboarded.unwrap_or_else(|error| panic!("{seconds}: {error}"));
    }
    for seconds in [121, 300, 600] {
        let error = onboarded_at_skew(seconds).await.expect_err("the token begins later");
        let IdTokenError::NotYetValid { begins, now } = error else { panic!("{error}") };
        assert_eq!(begins - now, seconds as u64, "both times are named");
        assert_eq!(Error::from(error).remedy(), Remedy::AskConsentAgain { claims: None });
    }
    // Its tokens live for an hour.
    let error = onboarded_at_skew(-2 * 3600).await.expect_err("the token has ended");
    let IdTokenError::Expired { ended, now } = error else { panic!("{error}") };
    assert!(now > ended, "{ended} {now}");
}

#[tokio::test]
async fn the_life_of_an_access_token_does_not_hang_on_the_servers_clock() {
    // F-16
    for seconds in [-3600, -600, -300, -120, -60, 60, 120, 300, 600, 86_400] {
        let world = World::new().await;
        let broker = world.broker().await;
        world.onboard(&broker).await;
        world.entra.shift_clock(seconds);
        expire_tokens(&world);
        let token = own(&world, &broker).await.expect("a token");
        let left = token.expires_at().duration_since(world.clock.now()).expect("not ended");
        assert_eq!(left, Duration::from_secs(3599), "{seconds}");
        assert_eq!(redemptions(&world), 1, "{seconds}");
        world.clock.advance(left - 3 * MINUTE);
        own(&world, &broker).await.expect("from memory");
        assert_eq!(redemptions(&world), 1, "{seconds}");
        world.clock.advance(MINUTE);
        own(&world, &broker).await.expect("a new one");
        assert_eq!(redemptions(&world), 2, "{seconds}");
    }
}
