//! Time: what it is now, how long something took, and waiting.
//!
//! Every wait, deadline and Retry-After of this crate goes through a [`Clock`], so that a test moves
//! ninety days in a moment and no test sleeps.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A wait that ends when its clock says so.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// Tells the time and waits.
///
/// 1. `now` is the wall clock: it may jump, and is used only for what others stated as a date.
/// 2. `monotonic` never steps back: it is used for ages and pauses within one process.
/// 3. `sleep` ends once `monotonic` has advanced by the duration; dropping it cancels the wait.
/// 4. `glance` shows both, late by a quarter of a second at most: it is asked at every hand-out of a
///    token. Whoever has nothing cheaper leaves it as it is. `monotonic` is asked now and then too, so
///    that what makes glances cheap can be woken where it was lost.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The wall clock.
    fn now(&self) -> SystemTime;
    /// Time since some fixed moment, never stepping back.
    fn monotonic(&self) -> Duration;
    /// Waits for `duration`.
    fn sleep(&self, duration: Duration) -> Sleep;
    /// Both times, perhaps a little late.
    fn glance(&self) -> Glance {
        Glance::new(self.now(), self.monotonic())
    }
}

/// Both times of a clock in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glance {
    wall: u64,
    monotonic: u64,
}

impl Glance {
    /// The two times of one moment.
    #[must_use]
    pub fn new(now: SystemTime, monotonic: Duration) -> Self {
        Self { wall: unix_millis(now), monotonic: millis(monotonic) }
    }

    /// Milliseconds since 1970.
    #[inline]
    pub(crate) const fn wall(self) -> u64 {
        self.wall
    }

    /// Milliseconds since the clock's own beginning.
    #[inline]
    pub(crate) const fn monotonic(self) -> u64 {
        self.monotonic
    }
}

/// The machine's own clock, with Tokio's timer.
///
/// The first of a process starts a thread that looks at the machine's clock four times a second, so
/// that a glance costs no more than reading memory.
///
/// A fork takes no thread along, this one no more than Tokio's: a process that goes into the
/// background does so before it has a runtime, and builds its broker after it. A clock that was made
/// before the fork starts its thread again as soon as it is asked for `monotonic`, which a broker does
/// when it is built, at every request, and at every 64th hand-out of a token from memory.
#[derive(Debug, Clone)]
pub struct SystemClock {
    started: Instant,
    /// When it started by the ticker's count, in milliseconds.
    offset: u64,
    ticker: &'static Ticker,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    pub fn new() -> Self {
        Self::by(Ticker::of_this_process())
    }

    fn by(ticker: &'static Ticker) -> Self {
        let started = Instant::now();
        let offset = millis(started.saturating_duration_since(ticker.began));
        Self { started, offset, ticker }
    }
}

/// Writes down the time now and then, for those who only glance.
#[derive(Debug)]
struct Ticker {
    began: Instant,
    wall: AtomicU64,
    monotonic: AtomicU64,
    /// Whether there is a thread that ticks; without one nobody glances.
    runs: AtomicBool,
    /// The process that started it: the child of a fork has no such thread.
    process: AtomicU32,
}

impl Ticker {
    fn of_this_process() -> &'static Self {
        static TICKER: OnceLock<Ticker> = OnceLock::new();
        let ticker = TICKER.get_or_init(|| Self::begun_at(Instant::now()));
        ticker.start();
        ticker
    }

    fn begun_at(began: Instant) -> Self {
        let (wall, monotonic) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { began, wall, monotonic, runs: AtomicBool::new(false), process: AtomicU32::new(0) }
    }

    /// Starts the thread, unless this process has done so.
    fn start(&'static self) {
        let own = std::process::id();
        if self.process.swap(own, Ordering::Relaxed) == own {
            return;
        }
        self.tick();
        let thread = std::thread::Builder::new().name("cpv-consent clock".to_owned());
        let started = thread.spawn(|| self.run());
        self.runs.store(started.is_ok(), Ordering::Release);
    }

    /// A count that stands still, by the clock itself, is set right, and its thread started if it was
    /// left behind in another process.
    fn revive_if_late(&'static self, now: u64) {
        if now.saturating_sub(self.monotonic.load(Ordering::Relaxed)) > LATE {
            self.tick();
            self.start();
        }
    }

    fn run(&self) {
        loop {
            std::thread::sleep(TICK);
            self.tick();
        }
    }

    fn tick(&self) {
        self.wall.store(unix_millis(SystemTime::now()), Ordering::Relaxed);
        self.monotonic.fetch_max(millis(self.began.elapsed()), Ordering::Relaxed);
    }
}

/// How late a glance may be.
const TICK: Duration = Duration::from_millis(250);
/// After so many milliseconds without a tick somebody else sees to it.
const LATE: u64 = 1000;

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn monotonic(&self) -> Duration {
        let elapsed = self.started.elapsed();
        self.ticker.revive_if_late(millis(elapsed).saturating_add(self.offset));
        elapsed
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }

    fn glance(&self) -> Glance {
        let ticker = self.ticker;
        if !ticker.runs.load(Ordering::Acquire) {
            return Glance::new(self.now(), self.monotonic());
        }
        let monotonic = ticker.monotonic.load(Ordering::Relaxed).saturating_sub(self.offset);
        Glance { wall: ticker.wall.load(Ordering::Relaxed), monotonic }
    }
}

/// A clock that stands still until it is told to advance.
///
/// Clones share one time, so a broker and an emulator that hold clones live in the same moment.
#[derive(Debug, Clone)]
pub struct VirtualClock {
    shared: Arc<Mutex<VirtualTime>>,
}

#[derive(Debug)]
struct VirtualTime {
    epoch: SystemTime,
    elapsed: Duration,
    sleepers: BTreeMap<(Duration, u64), Waker>,
    next_sleeper: u64,
}

impl VirtualClock {
    /// A clock that stands at `epoch`.
    #[must_use]
    pub fn starting_at(epoch: SystemTime) -> Self {
        let shared = VirtualTime {
            epoch,
            elapsed: Duration::ZERO,
            sleepers: BTreeMap::new(),
            next_sleeper: 0,
        };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Moves both times forward and wakes every sleeper whose time has come.
    pub fn advance(&self, by: Duration) {
        let woken = {
            let mut time = self.time();
            time.elapsed = time.elapsed.saturating_add(by);
            let later = (time.elapsed, u64::MAX);
            let still_asleep = time.sleepers.split_off(&later);
            std::mem::replace(&mut time.sleepers, still_asleep)
        };
        woken.into_values().for_each(Waker::wake);
    }

    /// How many waits are under way: a test advances once the one it means has begun.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.time().sleepers.len()
    }

    fn time(&self) -> std::sync::MutexGuard<'_, VirtualTime> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for VirtualClock {
    /// Stands at the machine's present time, in whole seconds.
    fn default() -> Self {
        Self::starting_at(from_unix_seconds(unix_seconds(SystemTime::now())))
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> SystemTime {
        let time = self.time();
        later(time.epoch, time.elapsed)
    }

    fn monotonic(&self) -> Duration {
        self.time().elapsed
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let mut time = self.time();
        let until = time.elapsed.saturating_add(duration);
        time.next_sleeper += 1;
        let key = (until, time.next_sleeper);
        Box::pin(VirtualSleep { clock: self.clone(), key })
    }
}

/// Registered with the clock only while somebody polls it.
struct VirtualSleep {
    clock: VirtualClock,
    key: (Duration, u64),
}

impl Future for VirtualSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut time = self.clock.time();
        if time.elapsed >= self.key.0 {
            time.sleepers.remove(&self.key);
            return Poll::Ready(());
        }
        time.sleepers.insert(self.key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for VirtualSleep {
    fn drop(&mut self) {
        self.clock.time().sleepers.remove(&self.key);
    }
}

/// Whole seconds since 1970; a time before that counts as 0.
pub(crate) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Milliseconds since 1970; a time before that counts as 0.
fn unix_millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, millis)
}

/// Whole milliseconds, as many as there is room for.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The time that many seconds after 1970, held to the year 9999 so that no input can overflow.
pub(crate) fn from_unix_seconds(seconds: u64) -> SystemTime {
    const YEAR_9999: u64 = 253_370_764_800;
    UNIX_EPOCH + Duration::from_secs(seconds.min(YEAR_9999))
}

/// That long after `now`, held to the year 9999 so that no duration can overflow.
pub(crate) fn later(now: SystemTime, by: Duration) -> SystemTime {
    let end = from_unix_seconds(u64::MAX);
    now.checked_add(by).map_or(end, |time| time.min(end))
}

/// How long ago `earlier` was; zero if it is not past.
pub(crate) fn age(now: SystemTime, earlier: SystemTime) -> Duration {
    now.duration_since(earlier).unwrap_or(Duration::ZERO)
}

/// `SystemTime` as whole seconds since 1970, for `#[serde(with)]`.
pub(crate) mod as_seconds {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(super::unix_seconds(*time))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SystemTime, D::Error> {
        u64::deserialize(from).map(super::from_unix_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_virtual_sleep_ends_when_told_and_leaves_nothing() {
        let clock = VirtualClock::starting_at(UNIX_EPOCH);
        let sleep = tokio::spawn(clock.sleep(Duration::from_secs(5)));
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(4));
        assert_eq!(clock.sleepers(), 1);
        clock.advance(Duration::from_secs(1));
        sleep.await.expect("the sleeper ends");
        assert_eq!(clock.sleepers(), 0);
    }

    /// A ticker as the child of a fork finds it: it stands still, and its thread is another process's.
    fn left_behind() -> &'static Ticker {
        let began = Instant::now().checked_sub(Duration::from_secs(60)).expect("up for a minute");
        let ticker = Box::leak(Box::new(Ticker::begun_at(began)));
        ticker.process.store(std::process::id() + 1, Ordering::Relaxed);
        ticker.runs.store(true, Ordering::Relaxed);
        ticker
    }

    #[test]
    fn a_clock_whose_thread_was_left_behind_by_a_fork_goes_on_once_it_is_asked() {
        let ticker = left_behind();
        let clock = SystemClock::by(ticker);
        let stands = clock.glance();
        assert_eq!((stands.wall, stands.monotonic), (0, 0), "or nothing is shown by what follows");
        let before = Glance::new(SystemTime::now(), clock.monotonic());
        let goes_on = clock.glance();
        assert!(goes_on.wall >= before.wall && goes_on.monotonic >= before.monotonic);
        while clock.glance().monotonic == goes_on.monotonic {
            std::thread::yield_now(); // a thread ticks again
        }
        assert_eq!(ticker.process.load(Ordering::Relaxed), std::process::id());
    }

    #[test]
    fn a_clock_that_is_made_after_a_fork_starts_its_thread() {
        let ticker = left_behind();
        ticker.start();
        let first = ticker.monotonic.load(Ordering::Relaxed);
        while ticker.monotonic.load(Ordering::Relaxed) == first {
            std::thread::yield_now();
        }
    }

    #[test]
    fn dates_cannot_overflow() {
        assert_eq!(unix_seconds(from_unix_seconds(u64::MAX)), 253_370_764_800);
        assert_eq!(unix_seconds(UNIX_EPOCH - Duration::from_secs(1)), 0);
        assert_eq!(later(UNIX_EPOCH, Duration::from_secs(7)), from_unix_seconds(7));
        assert_eq!(later(UNIX_EPOCH, Duration::MAX), from_unix_seconds(u64::MAX));
        assert_eq!(later(UNIX_EPOCH, Duration::from_secs(1 << 60)), from_unix_seconds(u64::MAX));
    }

    #[test]
    fn no_advance_and_no_sleep_is_too_long() {
        let clock = VirtualClock::default();
        clock.advance(Duration::from_secs(1));
        drop(clock.sleep(Duration::MAX));
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), from_unix_seconds(u64::MAX));
        assert_eq!(clock.monotonic(), Duration::MAX);
    }
}
