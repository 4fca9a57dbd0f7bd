//! Two ways to do the same, one after the other, many times.

use std::time::Duration;

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

/// Runs both sides in turn and prints the ratio.
pub(crate) fn run<D: Duel>() -> Outcome<()> {
    let mut duel = D::prepare()?;
    let rounds = enough(&mut duel)?;
    let mut quotients = Vec::with_capacity(D::SAMPLES);
    for sample in 0..D::SAMPLES {
        let (took, limit) = both(&mut duel, rounds, sample.is_multiple_of(2))?;
        quotients.push(took.as_secs_f64() / limit.as_secs_f64());
    }
    println!("ratio {} {:.2} goal {:.2}", D::NAME, median(quotients), D::GOAL);
    Ok(())
}

/// Rounds that take the bare work as long as a sample should; the first of them warm both sides.
fn enough<D: Duel>(duel: &mut D) -> Outcome<u64> {
    let mut rounds = 1;
    loop {
        let (_, bare) = both(duel, rounds, true)?;
        if bare >= SAMPLE || rounds >= MOST {
            return Ok(rounds);
        }
        rounds *= 2;
    }
}

fn both<D: Duel>(duel: &mut D, rounds: u64, ours_first: bool) -> Outcome<(Duration, Duration)> {
    if ours_first {
        return Ok((duel.ours(rounds)?, duel.bare(rounds)?));
    }
    let limit = duel.bare(rounds)?;
    Ok((duel.ours(rounds)?, limit))
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How long the bare side of a sample takes at least.
const SAMPLE: Duration = Duration::from_millis(20);
const MOST: u64 = 1 << 20;
