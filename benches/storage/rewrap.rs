//! A rotation of the ring's key, beside a bare update of as many rows, as many of them in a commit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cpv_consent::measure::Shelf;
use cpv_consent::store::Sqlite;
use cpv_consent::{Broker, KeyRing, LocalKey};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::duel::Duel;
use crate::sqlite::{Bare, fill};
use crate::{Outcome, app, realm};

const PARTNERS: u64 = 100_000;
const IN_COMMIT: u64 = 64;
/// What a wrapped partner key comes to.
const WRAPPED: usize = 120;

pub(crate) struct Rewrap {
    runtime: Runtime,
    store: Arc<Sqlite>,
    saved: [String; 2],
    primary: usize,
    bare: Bare,
    _folder: TempDir,
}

impl Duel for Rewrap {
    const NAME: &'static str = "sqlite_rewrap_100000";
    const GOAL: f64 = 1.5;
    const SAMPLES: usize = 10;

    fn prepare() -> Outcome<Self> {
        let (runtime, folder) = (Runtime::new()?, TempDir::new()?);
        let saved = ["a", "b"].map(|id| LocalKey::generate(id).map(|key| key.to_base64()));
        let [first, second] = saved.map(|key| key.map(|key| key.expose().to_owned()));
        let saved = [first?, second?];
        let store = Arc::new(runtime.block_on(Sqlite::open(folder.path().join("ours")))?);
        let shelf = Shelf::new(store.clone(), ring(&saved, 0)?, realm()?);
        runtime.block_on(fill(&shelf, 0..PARTNERS, 100))?;
        let bare = Bare::new(&folder.path().join("bare.sqlite3"), PARTNERS, WRAPPED)?;
        Ok(Self { runtime, store, saved, primary: 0, bare, _folder: folder })
    }

    fn ours(&mut self, rounds: u64) -> Outcome<Duration> {
        let mut took = Duration::ZERO;
        for _ in 0..rounds {
            self.primary = 1 - self.primary;
            let keys = ring(&self.saved, self.primary)?;
            took += self.runtime.block_on(rotate(self.store.clone(), keys))?;
        }
        Ok(took)
    }

    fn bare(&mut self, rounds: u64) -> Outcome<Duration> {
        (0..rounds).map(|_| self.bare.updates(PARTNERS, IN_COMMIT)).sum()
    }
}

async fn rotate(store: Arc<Sqlite>, keys: KeyRing) -> Outcome<Duration> {
    let broker = Broker::builder(app()?, store, keys).build().await?;
    let begun = Instant::now();
    let rotated = broker.rotate_keys().run().await?;
    let took = begun.elapsed();
    assert!(rotated.rewrapped() >= PARTNERS, "{rotated:?}");
    broker.close(Duration::from_secs(5)).await;
    Ok(took)
}

fn ring(saved: &[String; 2], primary: usize) -> Outcome<KeyRing> {
    let key = |at: usize| LocalKey::from_base64(["a", "b"][at], &saved[at]);
    Ok(KeyRing::new(key(primary)?).readable(key(1 - primary)?)?)
}
