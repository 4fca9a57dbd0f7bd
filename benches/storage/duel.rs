//! Two ways to do the same, one after the other, many times.

use std::cell::RefCell;
use std::time::Duration;

use criterion::{Criterion, SamplingMode};

use crate::Outcome;

/// What we do, and the bare work under it: each does so many rounds and says how long they took.
pub(crate) trait Duel: Sized {
    const NAME: &'static str;
    /// The most that ours should take, in units of the bare work.
    const GOAL: f64;
    /// How often both are measured.
    const SAMPLES: usize = 100;

    fn prepare() -> Outcome<Self>;
    fn ours(&mut self, rounds: u64) -> Outcome<Duration>;
    fn bare(&mut self, rounds: u64) -> Outcome<Duration>;
}

/// Runs both sides in turn, unless the command line asks for other benches, and prints the ratio.
pub(crate) fn run<D: Duel>(criterion: &mut Criterion) {
    let quotients = RefCell::new(Vec::new());
    let mut duel = None;
    let mut group = criterion.benchmark_group("storage");
    group.sample_size(D::SAMPLES).sampling_mode(SamplingMode::Flat);
    group.bench_function(D::NAME, |bencher| {
        let duel = duel.get_or_insert_with(|| D::prepare().expect("it is prepared"));
        bencher.iter_custom(|rounds| {
            let ours_first = quotients.borrow().len() % 2 == 0;
            let (took, limit) = both(duel, rounds, ours_first).expect("both run");
            quotients.borrow_mut().push(took.as_secs_f64() / limit.as_secs_f64());
            took
        });
    });
    group.finish();
    if let Some(ratio) = median(quotients.into_inner()) {
        println!("ratio {} {ratio:.2} goal {:.2}", D::NAME, D::GOAL);
    }
}

fn both<D: Duel>(duel: &mut D, rounds: u64, ours_first: bool) -> Outcome<(Duration, Duration)> {
    if ours_first {
        return Ok((duel.ours(rounds)?, duel.bare(rounds)?));
    }
    let limit = duel.bare(rounds)?;
    Ok((duel.ours(rounds)?, limit))
}

/// Nothing where the bench was filtered out.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
