//! Exchanges at once: at customer tenants over the memory store, where nothing is written, and at the
//! partners' own over the embedded store, where each leaves a new refresh token.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cpv_consent::measure::{Shelf, customer, partner, plant};
use cpv_consent::store::{Sqlite, Store};
use cpv_consent::{Broker, TenantId};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::bare::Rows;
use crate::{API, Duel, Outcome, Stage};

/// How many at once, and how often.
const CROWDS: [(u64, u64); 2] = [(16, 101), (64, 41)];
/// Customers are asked for by so many partners.
const PARTNERS: u64 = 4;

type Ask = (TenantId, TenantId);

pub(crate) fn at_customers(stage: &Stage) -> Outcome {
    let broker = stage.runtime.block_on(with_young_consents(stage))?;
    for (crowd, samples) in CROWDS {
        let mut duel = Duel::default();
        let asks: Vec<Ask> = (0..crowd).map(ask).collect();
        for round in 0..WARM + samples {
            let bare = || bare(stage, &asks);
            let first = if duel.is_ours_first() { None } else { Some(bare()?) };
            let ours = ours(stage, &broker, &asks)?;
            let bare = first.map_or_else(bare, Ok)?;
            if round >= WARM {
                duel.note(ours, bare);
            }
            // As when they end: the next round asks for the same.
            stage.runtime.block_on(broker.credential_compromised())?;
        }
        duel.report(&format!("exchange_{crowd}_at_customers"), 1.3, u32::try_from(crowd)?);
    }
    Ok(())
}

/// A customer of one of the partners.
fn ask(number: u64) -> Ask {
    let of = number % PARTNERS;
    (partner(of), customer(of, number / PARTNERS))
}

/// Partners whose tokens need no rotation.
async fn with_young_consents(stage: &Stage) -> Outcome<Arc<Broker>> {
    let broker = stage.broker(Stage::memory()).await?;
    plant(&broker, PARTNERS, 0, 0).await?;
    for number in 0..PARTNERS {
        broker.partner(partner(number)).token(API).await?;
    }
    Ok(Arc::new(broker))
}

pub(crate) fn rotations(stage: &Stage) -> Outcome {
    let folder = TempDir::new()?;
    let rotations: u64 = CROWDS.iter().map(|(crowd, samples)| crowd * (samples + WARM)).sum();
    let broker = stage.runtime.block_on(with_old_consents(stage, &folder, rotations))?;
    let rows = Rows::new(rotations)?;
    let mut next = 0;
    for (crowd, samples) in CROWDS {
        let mut duel = Duel::default();
        for round in 0..WARM + samples {
            let partners: Vec<TenantId> = (next..next + crowd).map(partner).collect();
            let asks: Vec<Ask> = partners.iter().map(|partner| (*partner, *partner)).collect();
            let sum = || -> Outcome<Duration> { Ok(bare(stage, &asks)? + rows.update(&partners)?) };
            let first = if duel.is_ours_first() { None } else { Some(sum()?) };
            let ours = ours(stage, &broker, &asks)?;
            let sum = first.map_or_else(sum, Ok)?;
            if round >= WARM {
                duel.note(ours, sum);
            }
            next += crowd;
        }
        duel.report(&format!("exchange_{crowd}_rotating"), 1.3, u32::try_from(crowd)?);
    }
    let broker = Arc::into_inner(broker).ok_or("somebody still asks")?;
    stage.runtime.block_on(broker.close(Duration::from_secs(5)));
    Ok(())
}

/// As many partners, each with a token that is replaced at its first use.
async fn with_old_consents(stage: &Stage, folder: &TempDir, partners: u64) -> Outcome<Arc<Broker>> {
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(folder.path().join("ours")).await?);
    let shelf = Shelf::new(Arc::clone(&store), stage.keys.clone(), stage.app.realm());
    let mut under_way = JoinSet::new();
    for number in 0..partners {
        if under_way.len() == 64 {
            under_way.join_next().await.ok_or("nothing under way")???;
        }
        let shelf = shelf.clone();
        under_way.spawn(async move { shelf.insert(number, 1500).await });
    }
    while let Some(done) = under_way.join_next().await {
        done??;
    }
    let broker = stage.broker(store).await?;
    // As it is known to a process that has used each of them.
    plant(&broker, partners, 0, 0).await?;
    Ok(Arc::new(broker))
}

fn bare(stage: &Stage, asks: &[Ask]) -> Outcome<Duration> {
    let urls = asks.iter().map(|(_, tenant)| stage.entra.token_url(*tenant)).collect();
    stage.on_worker(stage.plain.clone().at_once(urls))
}

fn ours(stage: &Stage, broker: &Arc<Broker>, asks: &[Ask]) -> Outcome<Duration> {
    stage.on_worker(ask_all(Arc::clone(broker), asks.to_vec()))
}

async fn ask_all(broker: Arc<Broker>, asks: Vec<Ask>) -> Outcome<Duration> {
    let mut callers = JoinSet::new();
    let begun = Instant::now();
    for (partner, tenant) in asks {
        let broker = Arc::clone(&broker);
        callers.spawn(async move {
            match partner == tenant {
                true => broker.partner(partner).token(API).await,
                false => broker.partner(partner).customer(tenant).token(API).await,
            }
        });
    }
    while let Some(done) = callers.join_next().await {
        std::hint::black_box(done??);
    }
    Ok(begun.elapsed())
}

/// Rounds in which connections are made.
const WARM: u64 = 5;
