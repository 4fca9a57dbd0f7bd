//! What happens to a fleet, whatever its store. `store` describes one, or none for SQLite files.

use std::time::Duration;

use cpv_consent::Resource;
use cpv_consent::emulator::Hold;

use crate::world::fleet::{Fleet, Report};

const CALLERS: usize = 1000;

/// All callers have one and the same token.
fn assert_served(report: &Report, callers: usize) {
    assert_eq!((report.tokens, report.distinct), (callers, 1), "{report:?}");
}

/// One request at a time for one partner.
async fn assert_alone(hold: &Hold) {
    hold.waiting(1).await;
    let overlapping = tokio::time::timeout(Duration::from_secs(1), hold.waiting(2)).await;
    overlapping.expect_err("two at once");
}

pub async fn two_processes_rotate_once_and_exchange_once_each(store: Option<String>) {
    // F-07, R-116
    let fleet = Fleet::new(store).await;
    let before = fleet.deadline().await;
    let mut processes = [fleet.process(CALLERS, false).await, fleet.process(CALLERS, false).await];
    let hold = fleet.world.entra.hold_tokens();
    for process in &mut processes {
        process.go().await;
    }
    assert_alone(&hold).await;
    hold.release();
    let mut rotations = 0;
    for process in processes {
        let report = process.report().await;
        assert_served(&report, CALLERS);
        assert_eq!(report.exchanges, 1);
        rotations += report.rotations;
    }
    assert_eq!((rotations, fleet.redemptions()), (1, 2));
    assert!(fleet.deadline().await > before);
}

pub async fn processes_that_share_access_tokens_exchange_once_in_all(store: Option<String>) {
    // F-07, R-116
    let fleet = Fleet::new(store).await;
    let mut processes = [fleet.process(CALLERS, true).await, fleet.process(CALLERS, true).await];
    for process in &mut processes {
        process.go().await;
    }
    let (mut exchanges, mut rotations) = (0, 0);
    for process in processes {
        let report = process.report().await;
        assert_served(&report, CALLERS);
        exchanges += report.exchanges;
        rotations += report.rotations;
    }
    assert_eq!((exchanges, rotations, fleet.redemptions()), (1, 1, 1));
}

pub async fn a_killed_owner_costs_one_more_at_most_and_nothing_is_lost(store: Option<String>) {
    // F-01, F-02, F-03
    killed_owner(Fleet::new(store).await, false).await;
}

pub async fn a_killed_owner_of_shared_tokens_costs_one_more_at_most(store: Option<String>) {
    // F-01, F-02, F-03
    killed_owner(Fleet::new(store).await, true).await;
}

async fn killed_owner(fleet: Fleet, shares: bool) {
    let before = fleet.deadline().await;
    let (mut owner, mut other) =
        (fleet.process(CALLERS, shares).await, fleet.process(CALLERS, shares).await);
    let hold = fleet.world.entra.hold_tokens();
    owner.go().await;
    hold.waiting(1).await;
    other.go().await;
    owner.kill().await;
    hold.release();
    let report = other.report().await;
    assert_served(&report, CALLERS);
    assert_eq!((report.exchanges, report.rotations), (1, 1));
    assert!(fleet.redemptions() <= 2, "{} redemptions", fleet.redemptions());
    assert!(fleet.deadline().await > before);
    still_good(&fleet).await;
}

pub async fn an_owner_that_slept_past_its_lease_overwrites_nothing(store: Option<String>) {
    // F-08
    let fleet = Fleet::new(store).await;
    let (mut owner, mut other) =
        (fleet.process(CALLERS, false).await, fleet.process(CALLERS, false).await);
    let hold = fleet.world.entra.hold_tokens();
    owner.go().await;
    hold.waiting(1).await;
    owner.pause();
    other.go().await;
    hold.release();
    let report = other.report().await;
    assert_served(&report, CALLERS);
    assert_eq!(report.rotations, 1, "it took the lease over, and stored a newer token");
    let newer = fleet.deadline().await;
    owner.wake();
    let late = owner.report().await;
    assert_served(&late, CALLERS);
    assert_eq!((late.exchanges, late.rotations), (1, 0), "its reply is good, its write refused");
    assert_eq!(fleet.deadline().await, newer, "the newer token is the one that is stored");
    still_good(&fleet).await;
}

pub async fn a_hundred_processes_take_their_turns(store: Option<String>) {
    // F-09
    const PROCESSES: usize = 100;
    const CALLERS: usize = 10;
    let mut fleet = Fleet::new(store).await;
    fleet.connections = 1; // a server has not many
    let before = fleet.deadline().await;
    let mut processes = Vec::new();
    for _ in 0..PROCESSES {
        processes.push(fleet.process(CALLERS, false).await);
    }
    let hold = fleet.world.entra.hold_tokens();
    for process in &mut processes {
        process.go().await;
    }
    assert_alone(&hold).await;
    hold.release();
    let mut sum = Report::default();
    for process in processes {
        let report = process.report().await;
        let answered = (report.tokens + report.busy, report.exchanges);
        assert_eq!(answered, (CALLERS, report.distinct), "{report:?}");
        assert!(report.distinct <= 1, "{report:?}");
        sum.tokens += report.tokens;
        sum.exchanges += report.exchanges;
        sum.rotations += report.rotations;
    }
    assert!(sum.tokens > 0, "somebody had a turn");
    assert_eq!((sum.rotations, fleet.redemptions()), (1, sum.exchanges));
    assert_eq!(fleet.overlapping(), 0);
    assert!(fleet.deadline().await > before);
    still_good(&fleet).await;
}

pub async fn hosts_whose_dates_are_wrong_by_an_hour_wait_for_each_other(store: Option<String>) {
    // F-10
    const HOUR: i64 = 3600;
    let fleet = Fleet::new(store).await;
    let mut processes = Vec::new();
    for wrong_by in [-HOUR, 0, HOUR] {
        processes.push(fleet.process_wrong_by(wrong_by, CALLERS, false).await);
    }
    let hold = fleet.world.entra.hold_tokens();
    for process in &mut processes {
        process.go().await;
    }
    assert_alone(&hold).await;
    hold.release();
    for process in processes {
        let report = process.report().await;
        assert_served(&report, CALLERS);
        assert_eq!(report.exchanges, 1);
    }
    assert_eq!((fleet.redemptions(), fleet.overlapping()), (3, 0));
    still_good(&fleet).await;
}

pub async fn a_lease_that_is_lost_costs_a_request_and_nothing_else(store: Option<String>) {
    // F-10
    let fleet = Fleet::new(store).await;
    let before = fleet.deadline().await;
    let mut owner = fleet.process(CALLERS, false).await;
    let mut other = fleet.process(CALLERS, false).await;
    let hold = fleet.world.entra.hold_tokens();
    owner.go().await;
    hold.waiting(1).await;
    assert_eq!(fleet.lose_leases().await, 1);
    other.go().await;
    hold.waiting(2).await;
    hold.release();
    let (owner, other) = (owner.report().await, other.report().await);
    assert_served(&owner, CALLERS);
    assert_served(&other, CALLERS);
    assert_eq!((owner.rotations + other.rotations, fleet.redemptions()), (1, 2));
    assert!(fleet.deadline().await > before);
    still_good(&fleet).await;
    assert_eq!(fleet.lose_leases().await, 0, "each lease was given back");
}

/// The stored token is one that Entra honours.
async fn still_good(fleet: &Fleet) {
    let broker = fleet.broker().await;
    let token = broker.partner(fleet.world.contoso).token(Resource::PartnerCenter).await;
    token.expect("the stored token is good");
}

pub async fn after_a_withdrawal_nothing_comes_from_another_process(store: Option<String>) {
    //
    let fleet = Fleet::new(store).await;
    let broker = fleet.broker().await;
    let mut processes = [fleet.process(1, true).await, fleet.process(1, false).await];
    for process in &mut processes {
        let first = process.ask().await;
        assert_eq!((first.tokens, first.withdrawn), (5, 0), "{first:?}");
        let with_a_refused_one = process.ask().await;
        assert_eq!((with_a_refused_one.tokens, with_a_refused_one.withdrawn), (6, 0));
    }
    broker.partner(fleet.world.contoso).withdraw().await.expect("a tombstone");
    let asked = fleet.redemptions();
    for process in &mut processes {
        process.later(6).await;
        for _ in 0..2 {
            let after = process.ask().await;
            assert_eq!((after.tokens, after.withdrawn), (0, 6), "{after:?}");
        }
    }
    assert_eq!(fleet.redemptions(), asked, "nobody was asked");
}
