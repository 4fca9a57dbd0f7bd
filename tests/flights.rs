//! The flights and the races around them, under a model checker.
//!
//! `tests/flights` holds the scenarios: the files of `src` that decide over hand-outs, compiled over
//! Shuttle's locks, atomics and tasks, so that a schedule of steps is chosen and not met by chance.
//! Each scenario runs under random schedules and under those with few, well placed changes of turn
//! (PCT); a small one under every schedule there is. A failure prints its schedule.

use flights::scenarios::{closing, hand_outs, keeping, single};
use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, FailurePersistence, Runner};

const SEED: u64 = 20_261_123;
const SCHEDULES: usize = 500;
/// A race needs about so many changes of turn at the right places.
const TURNS: usize = 3;

fn tried(scenario: impl Fn() + Clone + Send + Sync + 'static) {
    run(RandomScheduler::new_from_seed(SEED, SCHEDULES), scenario.clone());
    run(PctScheduler::new_from_seed(SEED, TURNS, SCHEDULES), scenario);
}

fn exhausted(scenario: impl Fn() + Send + Sync + 'static) {
    let runs = run(DfsScheduler::new(Some(MOST), false), scenario);
    assert!(runs < MOST, "too large to be exhausted");
}

const MOST: usize = 200_000;

fn run(scheduler: impl Scheduler + 'static, scenario: impl Fn() + Send + Sync + 'static) -> usize {
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::Print;
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(scenario)
}

#[test]
fn one_flight_serves_every_caller() {
    tried(|| single::one_flight_serves_every_caller(3));
    exhausted(single::two_callers_share_a_flight);
}

#[test]
fn a_failure_is_shared_and_not_kept() {
    tried(single::a_failure_is_shared_and_not_kept);
}

#[test]
fn a_panic_frees_the_key() {
    // F-31
    tried(single::a_panic_frees_the_key);
}

#[test]
fn a_caller_who_goes_away_cancels_nobody() {
    tried(single::a_caller_who_goes_away_cancels_nobody);
}

#[test]
fn all_have_landed_once_it_is_closed() {
    tried(single::all_have_landed_once_it_is_closed);
}

#[test]
fn a_herd_causes_one_request() {
    tried(hand_outs::a_herd_causes_one_request);
}

#[test]
fn a_withdrawal_here_stops_whoever_asks_after_it() {
    tried(|| hand_outs::a_withdrawal_here_stops_whoever_asks_after_it(false));
    tried(|| hand_outs::a_withdrawal_here_stops_whoever_asks_after_it(true));
}

#[test]
fn a_withdrawal_elsewhere_stops_everybody() {
    tried(hand_outs::a_withdrawal_elsewhere_stops_everybody);
}

#[test]
fn a_flight_lands_in_vain_after_a_withdrawal_elsewhere() {
    tried(hand_outs::a_flight_lands_in_vain_after_a_withdrawal_elsewhere);
}

#[test]
fn a_replaced_consent_leaves_no_token() {
    tried(|| hand_outs::a_replaced_consent_leaves_no_token(2));
    // A row that was lost lets the count begin anew.
    tried(|| hand_outs::a_replaced_consent_leaves_no_token(1));
}

#[test]
fn a_look_that_took_long_is_not_shared() {
    tried(hand_outs::a_look_that_took_long_is_not_shared);
}

#[test]
fn a_row_from_before_a_change_is_not_trusted() {
    tried(hand_outs::a_row_from_before_a_change_is_not_trusted);
}

#[test]
fn a_refused_token_is_replaced_once() {
    tried(hand_outs::a_refused_token_is_replaced_once);
}

#[test]
fn the_weight_is_never_less_than_what_is_kept() {
    tried(keeping::the_weight_is_never_less_than_what_is_kept);
}

#[test]
fn one_caller_begins_the_renewal() {
    exhausted(keeping::one_caller_begins_the_renewal);
}

#[test]
fn nothing_takes_off_once_all_have_landed() {
    tried(closing::nothing_takes_off_once_all_have_landed);
}

/// A lock that is not the checker's would hide its races, and could stop the checker.
#[test]
fn what_is_checked_takes_its_locks_from_one_place() {
    let files = ["cache", "flight", "offers", "standing", "token", "watch"];
    let desk = ["exchange/flying", "exchange/hand_out", "exchange/view"];
    for name in files.iter().chain(&desk) {
        let path = format!("{}/src/journeys/{name}.rs", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("a source file");
        let checked = text.split("#[cfg(test)]").next().unwrap_or_default();
        let of_std = checked.lines().filter(|line| line.contains("std::sync"));
        let elsewhere = ["Mutex", "RwLock", "atomic", "Condvar", "Once", "Barrier", "mpsc"];
        for line in of_std {
            assert!(!elsewhere.iter().any(|kind| line.contains(kind)), "{name}: {line}");
        }
        assert!(!checked.contains("tokio::sync") && !checked.contains("tokio::spawn"), "{name}");
    }
}
