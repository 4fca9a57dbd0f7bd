//! From nothing to the first token: a broker is built over a consent that is there, and one customer's
//! token is asked for; beside it, reqwest is built and asks once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cpv_consent::measure::{customer, partner, plant};
use cpv_consent::store::Store;

use crate::bare::Plain;
use crate::{API, Duel, Outcome, Stage};

const SAMPLES: u64 = 41;

pub(crate) fn first_token(stage: &Stage) -> Outcome {
    let store = Stage::memory();
    stage.runtime.block_on(one_young_consent(stage, &store))?;
    let mut duel = Duel::default();
    for number in 0..SAMPLES {
        let bare = || stage.runtime.block_on(bare(stage, number));
        let first = if duel.is_ours_first() { None } else { Some(bare()?) };
        let ours = stage.runtime.block_on(ours(stage, &store, number))?;
        duel.note(ours, first.map_or_else(bare, Ok)?);
    }
    duel.report("cold_start_to_first_token", 2.0, 1);
    Ok(())
}

async fn one_young_consent(stage: &Stage, store: &Arc<dyn Store>) -> Outcome {
    let broker = stage.broker(Arc::clone(store)).await?;
    plant(&broker, 1, 0, 0).await?;
    broker.partner(partner(0)).token(API).await?;
    Ok(())
}

async fn ours(stage: &Stage, store: &Arc<dyn Store>, number: u64) -> Outcome<Duration> {
    let begun = Instant::now();
    let broker = stage.broker(Arc::clone(store)).await?;
    broker.partner(partner(0)).customer(customer(0, number)).token(API).await?;
    Ok(begun.elapsed())
}

async fn bare(stage: &Stage, number: u64) -> Outcome<Duration> {
    let begun = Instant::now();
    let url = stage.entra.token_url(customer(0, number));
    let reply = Plain::new()?.redeem(&url, &"t".repeat(1500)).await?;
    std::hint::black_box((reply.access_token, reply.refresh_token, reply.id_token));
    Ok(begun.elapsed())
}
