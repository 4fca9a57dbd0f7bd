//! A token at hand, while another one is being fetched from a slow server.

use std::time::{Duration, Instant};

use cpv_consent::Broker;
use cpv_consent::measure::{customer, partner, plant};

use crate::{API, Duel, Outcome, Stage};

/// How long the server thinks.
const SLOW: Duration = Duration::from_millis(300);
const EXCHANGES: u64 = 8;
const SAMPLES: usize = 8;
const HITS: u32 = 20_000;
const CUSTOMERS: u64 = 100;

pub(crate) fn hits(stage: &Stage) -> Outcome {
    let broker = stage.runtime.block_on(stage.broker(Stage::memory()))?;
    stage.runtime.block_on(plant(&broker, 1, CUSTOMERS, 1500))?;
    stage.runtime.block_on(async { broker.partner(partner(0)).token(API).await })?;
    let mut duel = Duel::default();
    for number in 0..EXCHANGES {
        stage.runtime.block_on(beside_one(stage, &broker, CUSTOMERS + number, &mut duel))?;
    }
    duel.report("hit_beside_an_exchange", 2.0, HITS);
    Ok(())
}

async fn beside_one(stage: &Stage, broker: &Broker, number: u64, duel: &mut Duel) -> Outcome {
    let mut alone = Vec::new();
    for _ in 0..SAMPLES {
        alone.push(some_hits(broker).await?);
    }
    let asked = stage.entra.asked();
    stage.entra.think(SLOW);
    let other = broker.clone();
    let fetching = tokio::spawn(async move {
        other.partner(partner(0)).customer(customer(0, number)).token(API).await
    });
    while stage.entra.asked() == asked {
        tokio::task::yield_now().await;
    }
    for alone in alone {
        let beside = some_hits(broker).await?;
        assert!(!fetching.is_finished(), "the server was not slow enough");
        duel.note(beside, alone);
    }
    fetching.await??;
    stage.entra.think(Duration::ZERO);
    Ok(())
}

async fn some_hits(broker: &Broker) -> Outcome<Duration> {
    let (partner, customer) = (partner(0), customer(0, 1));
    let begun = Instant::now();
    for _ in 0..HITS {
        let token = broker.partner(partner).customer(customer).token(API).await?;
        std::hint::black_box(token);
    }
    Ok(begun.elapsed())
}
