//! What an exchange costs beside its bare parts, what a token at hand costs beside one that is being
//! fetched, and how long the first token takes.
//!
//! Run with `cargo bench --bench exchange`. Both sides ask the same server on this machine, which
//! does nothing but answer, and run in turn, so that whatever slows the machine slows both. Each line
//! reads `ratio NAME VALUE goal GOAL`: the median of the quotients of the two, and the most it should
//! be.

mod bare;
mod beside;
mod capture;
mod cold;
mod entra;
mod many;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bare::Plain;
use cpv_consent::store::{Memory, Store};
use cpv_consent::{
    AppRegistration, Broker, ClientCredential, ClientId, Cloud, KeyRing, LocalKey, Origins,
    Resource, TenantId,
};
use entra::Entra;
use tokio::runtime::Runtime;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

const API: Resource = Resource::PartnerCenter;
const APPLICATION: &str = "c11e0700-2222-4222-8222-222222222222";
const SECRET: &str = "only-here";
const REDIRECT: &str = "https://panel.example/callback";

fn main() -> Outcome {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let stage = Stage::new()?;
    let benches: [(&str, fn(&Stage) -> Outcome); 5] = [
        ("hit", beside::hits),
        ("customers", many::at_customers),
        ("rotations", many::rotations),
        ("captures", capture::captures),
        ("cold", cold::first_token),
    ];
    for (name, bench) in benches {
        if wanted.as_ref().is_none_or(|wanted| name.contains(wanted.as_str())) {
            bench(&stage)?;
        }
    }
    Ok(())
}

/// What both sides work on.
struct Stage {
    runtime: Runtime,
    entra: Entra,
    plain: Plain,
    app: AppRegistration,
    keys: KeyRing,
}

impl Stage {
    fn new() -> Outcome<Self> {
        // Workers of their own, so that many are at it at once.
        let (runtime, entra) = (Runtime::new()?, Entra::start()?);
        let (app, keys) = (app(&entra)?, KeyRing::new(LocalKey::generate("bench")?));
        Ok(Self { runtime, entra, plain: Plain::new()?, app, keys })
    }

    /// Runs this on a worker, as whoever asks in earnest does.
    fn on_worker<T: Send + 'static>(
        &self,
        work: impl Future<Output = Outcome<T>> + Send + 'static,
    ) -> Outcome<T> {
        self.runtime.block_on(self.runtime.spawn(work))?
    }

    async fn broker(&self, store: Arc<dyn Store>) -> Outcome<Broker> {
        let builder = Broker::builder(self.app.clone(), store, self.keys.clone());
        Ok(builder.cache_at_most(usize::MAX / 2).build().await?)
    }

    fn memory() -> Arc<dyn Store> {
        Arc::new(Memory::new())
    }
}

fn app(entra: &Entra) -> Outcome<AppRegistration> {
    let origin = entra.origin.as_str();
    let origins = Origins { login: origin, partner_center: origin, graph: origin };
    let cloud = Cloud::danger_loopback("bench", origins)?;
    let home = TenantId::parse("11111111-1111-4111-8111-111111111111")?;
    let (client, secret) = (ClientId::parse(APPLICATION)?, ClientCredential::secret(SECRET)?);
    let app = AppRegistration::new(cloud, home, client, secret, REDIRECT)?;
    Ok(app.requesting(API, ["user_impersonation"])?)
}

/// Samples of the two sides, by turns.
#[derive(Default)]
struct Duel {
    quotients: Vec<f64>,
    sums: [Duration; 2],
}

impl Duel {
    /// Ours first in every other round, so that neither always comes first.
    fn is_ours_first(&self) -> bool {
        self.quotients.len().is_multiple_of(2)
    }

    fn note(&mut self, ours: Duration, bare: Duration) {
        self.quotients.push(ours.as_secs_f64() / bare.as_secs_f64());
        self.sums[0] += ours;
        self.sums[1] += bare;
    }

    /// `each` is how many there were in a sample.
    fn report(mut self, name: &str, goal: f64, each: u32) {
        let samples = u32::try_from(self.quotients.len()).unwrap_or(1) * each;
        let [ours, bare] = self.sums.map(|sum| sum.as_secs_f64() * 1e6 / f64::from(samples));
        self.quotients.sort_by(f64::total_cmp);
        let median = self.quotients[self.quotients.len() / 2];
        println!("mean {name} {ours:.2} us each, bare {bare:.2} us");
        println!("ratio {name} {median:.2} goal {goal}");
    }
}
