//! What a token costs that is at hand, beside the bare map look-up under it.
//!
//! Run with `cargo bench --bench hand_out`. Both sides run in turn, so that whatever slows the
//! machine slows both, and each line reads `ratio NAME VALUE goal GOAL`: the median of the quotients
//! of the two, and the most it should be. The bare side is the fastest of two maps, with the same
//! keys and the same hashing.

mod bare;
mod memory;

use std::error::Error;
use std::time::{Duration, Instant};

use bare::{Bare, Papaya, Shelves};
use cpv_consent::measure::{TokenPlace, customer, partner, plant};
use cpv_consent::store::Memory;
use cpv_consent::{
    Access, AppRegistration, Broker, ClientCredential, ClientId, Cloud, KeyRing, LocalKey,
    Resource, TenantId,
};
use tokio::runtime::Runtime;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const SAMPLES: usize = 31;
const HITS: usize = 50_000;
const API: Resource = Resource::PartnerCenter;

#[global_allocator]
static COUNTING: memory::Counting = memory::COUNTING;

fn main() -> Outcome<()> {
    // Workers of their own, so that two threads do ask at once.
    let runtime = Runtime::new()?;
    if std::env::args().any(|a| a == "hot") {
        for _ in 0..20 {
            hot(&runtime)?;
        }
        return Ok(());
    }
    memory::per_token(&runtime)?;
    hot(&runtime)?;
    random(&runtime, "hit_at_100000", 1000)?;
    random(&runtime, "hit_at_1000000", 10_000)?;
    Ok(())
}

/// Customers of each partner.
const CUSTOMERS: u64 = 100;

/// A broker and two maps that hold the same.
struct Stage {
    broker: Broker,
    shelves: Shelves,
    papaya: Papaya,
}

impl Stage {
    async fn of(partners: u64) -> Outcome<Self> {
        let broker = broker().await?;
        plant(&broker, partners, CUSTOMERS, 1500).await?;
        let (shelves, papaya) = (Shelves::default(), Papaya::default());
        for place in places(partners) {
            shelves.put(place);
            papaya.put(place);
        }
        Ok(Self { broker, shelves, papaya })
    }

    async fn ours(&self, asks: &[(TenantId, TenantId)]) -> Outcome<Duration> {
        let begun = Instant::now();
        for (partner, tenant) in asks {
            let token = self.broker.partner(*partner).customer(*tenant).token(API).await?;
            std::hint::black_box(token);
        }
        Ok(begun.elapsed())
    }

    /// Both maps, one after the other.
    fn bare(&self, places: &[TokenPlace]) -> [Duration; 2] {
        [look_up(&self.shelves, places), look_up(&self.papaya, places)]
    }
}

fn look_up(map: &impl Bare, places: &[TokenPlace]) -> Duration {
    let begun = Instant::now();
    for place in places {
        std::hint::black_box(map.find(place));
    }
    begun.elapsed()
}

/// One token again and again, by its name and by its handle; alone, and on two threads.
fn hot(runtime: &Runtime) -> Outcome<()> {
    let stage = runtime.block_on(Stage::of(10))?;
    let asks = vec![(partner(1), customer(1, 1)); HITS];
    let places = vec![TokenPlace::new(partner(1), customer(1, 1)); HITS];
    let others = vec![(partner(2), customer(2, 2)); HITS];
    let handle = stage.broker.partner(partner(1)).customer(customer(1, 1)).access(API);
    let (mut hits, mut handles, mut twos) = (Against::default(), Against::default(), Vec::new());
    for _ in 0..SAMPLES {
        let bare = stage.bare(&places);
        let alone = runtime.block_on(stage.ours(&asks))?;
        hits.note(alone, bare);
        handles.note(runtime.block_on(by_handle(&handle))?, stage.bare(&places));
        twos.push(quotient(two_threads(runtime, &stage, &asks, &others)?, alone));
    }
    report("hit_hot", hits.median(), 2.0);
    report("hit_by_handle", handles.median(), 1.0);
    report("hit_on_two_threads", median(twos), 1.3);
    Ok(())
}

async fn by_handle(handle: &Access) -> Outcome<Duration> {
    let begun = Instant::now();
    for _ in 0..HITS {
        std::hint::black_box(handle.token().await?);
    }
    Ok(begun.elapsed())
}

/// The longer of two that run at once.
fn two_threads(
    runtime: &Runtime,
    stage: &Stage,
    one: &[(TenantId, TenantId)],
    other: &[(TenantId, TenantId)],
) -> Outcome<Duration> {
    std::thread::scope(|scope| {
        let first = scope.spawn(|| runtime.block_on(stage.ours(one)));
        let second = runtime.block_on(stage.ours(other))?;
        let first = first.join().map_err(|_| "a thread panicked")??;
        Ok(first.max(second))
    })
}

/// Any of many, in no order.
fn random(runtime: &Runtime, name: &str, partners: u64) -> Outcome<()> {
    let stage = runtime.block_on(Stage::of(partners))?;
    let mut chance = Chance(7);
    let mut quotients = Against::default();
    for _ in 0..SAMPLES {
        let drawn: Vec<_> = (0..HITS)
            .map(|_| {
                let of = chance.below(partners);
                (partner(of), customer(of, chance.below(CUSTOMERS)))
            })
            .collect();
        let places: Vec<_> = drawn.iter().map(|(of, at)| TokenPlace::new(*of, *at)).collect();
        // Each side finds the ways that the other has worn cold.
        let (half, rest) = drawn.split_at(HITS / 2);
        let (places_half, places_rest) = places.split_at(HITS / 2);
        let bare = stage.bare(places_half);
        let ours = runtime.block_on(stage.ours(rest))?;
        let (ours_too, bare_too) = (runtime.block_on(stage.ours(half))?, stage.bare(places_rest));
        quotients.note(ours + ours_too, [bare[0] + bare_too[0], bare[1] + bare_too[1]]);
    }
    report(name, quotients.median(), 1.3);
    Ok(())
}

/// A generator that gives the same numbers at every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % bound
    }
}

fn places(partners: u64) -> impl Iterator<Item = TokenPlace> {
    let of = |of| (0..CUSTOMERS).map(move |at| TokenPlace::new(partner(of), customer(of, at)));
    (0..partners).flat_map(of)
}

async fn broker() -> Outcome<Broker> {
    let home = TenantId::parse("11111111-1111-4111-8111-111111111111")?;
    let application = ClientId::parse("c11e0700-2222-4222-8222-222222222222")?;
    let secret = ClientCredential::secret("only-here")?;
    let redirect = "https://panel.example/callback";
    let app = AppRegistration::new(Cloud::Global, home, application, secret, redirect)?;
    let keys = KeyRing::new(LocalKey::generate("bench")?);
    Ok(Broker::builder(app, Memory::new(), keys).cache_at_most(usize::MAX / 2).build().await?)
}

fn quotient(ours: Duration, theirs: Duration) -> f64 {
    ours.as_secs_f64() / theirs.as_secs_f64()
}

/// Quotients beside each of the two maps.
#[derive(Default)]
struct Against([Vec<f64>; 2]);

impl Against {
    fn note(&mut self, ours: Duration, bare: [Duration; 2]) {
        for (quotients, bare) in self.0.iter_mut().zip(bare) {
            quotients.push(quotient(ours, bare));
        }
    }

    /// Beside the faster map.
    fn median(self) -> f64 {
        let [shelves, papaya] = self.0.map(median);
        shelves.max(papaya)
    }
}

fn median(mut quotients: Vec<f64>) -> f64 {
    quotients.sort_by(f64::total_cmp);
    quotients[quotients.len() / 2]
}

fn report(name: &str, value: f64, goal: f64) {
    println!("ratio {name} {value:.2} goal {goal}");
}
