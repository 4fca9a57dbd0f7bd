use proptest::prelude::*;
use tokio::task::JoinHandle;

use super::*;
use crate::model::clock::VirtualClock;

const SECOND: Duration = Duration::from_secs(1);

fn rate(per_second: u32) -> Rate {
    Rate::per_second(NonZeroU32::new(per_second).expect("not zero"))
}

/// A rate as it changes, with how long it holds and how late whoever waits comes.
#[derive(Debug, Clone)]
struct Stretch {
    rate: Rate,
    length: Duration,
    late: Vec<Duration>,
}

fn stretch() -> impl Strategy<Value = Stretch> {
    let rates = prop_oneof![Just(0), 1..1000_u64, 1000..200_000_u64].prop_map(Rate);
    let late = prop_oneof![3 => Just(0), 2 => 0..20_u64, 1 => 0..3000_u64];
    let late = prop::collection::vec(late.prop_map(Duration::from_millis), 1..40);
    let lengths = (0..4000_u64).prop_map(Duration::from_millis);
    (rates, lengths, late).prop_map(|(rate, length, late)| Stretch { rate, length, late })
}

/// Everything that leaves when more wait than may go, and from when on which rate held.
fn departures(stretches: &[Stretch]) -> (Vec<Duration>, Vec<(Duration, Rate)>) {
    let (mut cadence, mut now, mut left) = (Cadence::default(), SECOND, Vec::new());
    let mut rates = Vec::new();
    for stretch in stretches {
        let end = now + stretch.length;
        rates.push((now, stretch.rate));
        cadence.allow(stretch.rate, Duration::MAX, now);
        let mut late = stretch.late.iter().cycle();
        while now < end {
            match cadence.go(now) {
                Ok(()) => left.push(now),
                Err(None) => break,
                // A change wakes whoever waits.
                Err(Some(wait)) => now = end.min(now + wait + *late.next().expect("a cycle")),
            }
        }
        now = now.max(end);
    }
    (left, rates)
}

/// The highest rate that held at some time from `begin` to `end`.
fn highest(rates: &[(Duration, Rate)], begin: Duration, end: Duration) -> u64 {
    let untils = rates.iter().skip(1).map(|(from, _)| *from).chain([Duration::MAX]);
    let held = rates.iter().zip(untils).filter(|((from, _), until)| *from < end && begin < *until);
    held.map(|((_, rate), _)| rate.0).max().unwrap_or(0)
}

proptest! {
    /// F-17: however rates change and timers are late, no second sees more than the highest rate
    /// within it allows.
    #[test]
    fn no_second_has_more_than_its_rate(stretches in prop::collection::vec(stretch(), 1..6)) {
        let (left, rates) = departures(&stretches);
        for (from, begin) in left.iter().enumerate() {
            let end = *begin + SECOND;
            let within: Vec<_> = left[from..].iter().take_while(|at| **at < end).collect();
            let highest = highest(&rates, *begin, end);
            prop_assert!(within.len() as u64 <= highest.div_ceil(THOUSAND), "{within:?}");
        }
    }

    /// A timer that is late by no more than the slack costs nothing.
    #[test]
    fn a_rate_is_used(per_second in 1..500_u32, late in 0..=20_u64) {
        let late = vec![Duration::from_millis(late)];
        let stretch = Stretch { rate: rate(per_second), length: 10 * SECOND, late };
        let (left, most) = (departures(&[stretch]).0.len(), 10 * per_second as usize);
        prop_assert!(left * 100 >= most * 97, "{left} of {most}");
    }

    #[test]
    fn parts_add_up_to_the_whole_and_differ_little(per_second in 1..2000_u32, parts in 1..3000_u64) {
        let whole = rate(per_second);
        let each: Vec<u64> = (0..parts).map(|place| whole.part(place, parts).0).collect();
        let sum: u64 = each.iter().sum();
        prop_assert!(sum <= whole.0 && sum + parts > whole.0, "{sum}");
        prop_assert!(each[0] - each[each.len() - 1] <= THOUSAND);
        prop_assert!(u64::from(per_second) < parts || each.iter().all(|part| part % THOUSAND == 0));
    }
}

/// A pace on a clock that stands, and who has got a ticket in which order.
struct Stage {
    clock: VirtualClock,
    pace: Arc<Pace>,
    gone: Arc<Mutex<Vec<u32>>>,
}

impl Stage {
    fn new() -> Self {
        let clock = VirtualClock::default();
        let pace = Arc::new(Pace::new(Arc::new(clock.clone())));
        Self { clock, pace, gone: Arc::default() }
    }

    async fn queue(&self, name: u32, urgency: Urgency) -> JoinHandle<Result<(), Closed>> {
        let (pace, gone) = (self.pace.clone(), self.gone.clone());
        let waiter = tokio::spawn(async move {
            let ticket = pace.ticket(urgency, || true).await?;
            let Ticket { .. } = ticket.expect("wanted");
            gone.lock().expect("no panic").push(name);
            Ok(())
        });
        settle().await;
        waiter
    }

    async fn pass(&self, time: Duration) {
        for _ in 0..time.as_millis() / 10 {
            self.clock.advance(Duration::from_millis(10));
            settle().await;
        }
    }

    fn gone(&self) -> Vec<u32> {
        self.gone.lock().expect("no panic").clone()
    }
}

async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn people_who_sign_in_go_before_callers_and_callers_before_what_can_wait() {
    let stage = Stage::new();
    let mut waiters = Vec::new();
    for name in [30, 31] {
        waiters.push(stage.queue(name, Urgency::Spare).await);
    }
    for name in [20, 21] {
        waiters.push(stage.queue(name, Urgency::Caller).await);
    }
    waiters.push(stage.queue(10, Urgency::SignIn).await);
    assert_eq!((stage.gone(), stage.pace.waiting()), (vec![], 3), "nothing is allowed yet");
    stage.pace.allow(rate(1), Duration::MAX);
    stage.pass(3 * SECOND).await;
    waiters.push(stage.queue(22, Urgency::Caller).await);
    stage.pass(5 * SECOND).await;
    assert_eq!(stage.gone(), [10, 20, 21, 22, 30, 31]);
    for waiter in waiters {
        waiter.await.expect("no panic").expect("open");
    }
}

#[tokio::test]
async fn a_crowd_that_signs_in_leaves_callers_every_second_place() {
    let stage = Stage::new();
    let mut waiters = Vec::new();
    for name in 10..14 {
        waiters.push(stage.queue(name, Urgency::SignIn).await);
    }
    for name in 20..22 {
        waiters.push(stage.queue(name, Urgency::Caller).await);
    }
    stage.pace.allow(rate(1), Duration::MAX);
    stage.pass(8 * SECOND).await;
    assert_eq!(stage.gone(), [10, 20, 11, 21, 12, 13]);
    for waiter in waiters {
        waiter.await.expect("no panic").expect("open");
    }
}

#[tokio::test]
async fn who_goes_away_loses_the_place_and_holds_up_nobody() {
    // F-30
    let stage = Stage::new();
    stage.pace.allow(rate(1), Duration::MAX);
    let _ = stage.pace.ticket(Urgency::Caller, || true).await.expect("open").expect("wanted");
    let first = stage.queue(1, Urgency::Caller).await;
    let second = stage.queue(2, Urgency::Caller).await;
    let spare = stage.queue(3, Urgency::Spare).await;
    first.abort();
    stage.pass(Duration::from_millis(1100)).await;
    assert_eq!(stage.gone(), [2]);
    stage.pass(SECOND).await;
    assert_eq!((stage.gone(), stage.pace.waiting()), (vec![2, 3], 0));
    second.await.expect("no panic").expect("open");
    spare.await.expect("no panic").expect("open");
}

#[tokio::test]
async fn what_is_not_wanted_any_more_costs_nothing() {
    let stage = Stage::new();
    stage.pace.allow(rate(1), Duration::MAX);
    let declined = stage.pace.ticket(Urgency::Spare, || false).await;
    assert!(declined.expect("open").is_none());
    stage.queue(1, Urgency::Caller).await.await.expect("no panic").expect("open");
    assert_eq!(stage.gone(), [1], "at once");
}

#[tokio::test]
async fn nothing_is_spent_after_its_time_and_all_are_told_when_it_is_over() {
    let stage = Stage::new();
    let now = stage.clock.monotonic();
    stage.pace.allow(rate(1), now + SECOND);
    let first = stage.queue(1, Urgency::Caller).await;
    let second = stage.queue(2, Urgency::Caller).await;
    let third = stage.queue(3, Urgency::Spare).await;
    stage.pass(10 * SECOND).await;
    assert_eq!(stage.gone(), [1]);
    stage.pace.close();
    first.await.expect("no panic").expect("in time");
    for late in [second, third] {
        assert_eq!(late.await.expect("no panic"), Err(Closed));
    }
}

#[tokio::test]
async fn a_ticket_says_how_long_it_was_waited_for() {
    let stage = Stage::new();
    stage.pace.allow(rate(1), Duration::MAX);
    let at_once = stage.pace.ticket(Urgency::Caller, || true).await.expect("open");
    assert_eq!(at_once.expect("wanted").waited, Duration::ZERO);
    let pace = stage.pace.clone();
    let next = tokio::spawn(async move { pace.ticket(Urgency::Caller, || true).await });
    settle().await;
    stage.pass(2 * SECOND).await;
    let next = next.await.expect("no panic").expect("open").expect("wanted");
    assert_eq!(next.waited, SECOND);
}
