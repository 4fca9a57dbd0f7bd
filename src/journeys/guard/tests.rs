use super::*;
use crate::model::clock::VirtualClock;

fn fleet(partners: usize) -> (VirtualClock, Fleet) {
    guarded(FleetGuard::default(), partners)
}

fn guarded(guard: FleetGuard, partners: usize) -> (VirtualClock, Fleet) {
    let clock = VirtualClock::default();
    let fleet = Fleet::new(guard, Arc::new(clock.clone()));
    see(&fleet, 0..partners);
    (clock, fleet)
}

fn tenant(number: usize) -> TenantId {
    TenantId::parse(&format!("11111111-1111-4111-8111-{number:012}")).expect("a GUID")
}

fn see(fleet: &Fleet, mut numbers: impl Iterator<Item = usize>) {
    assert!(!numbers.any(|number| fleet.saw(tenant(number))), "no alarm was on");
}

fn fail(fleet: &Fleet, numbers: impl Iterator<Item = usize>) -> Vec<Verdict> {
    let fails = |number| {
        fleet.saw(tenant(number));
        fleet.fails(tenant(number), 1, true)
    };
    numbers.map(fails).collect()
}

fn all_written(verdicts: &[Verdict]) -> bool {
    verdicts.iter().all(|verdict| *verdict == Verdict::Written)
}

#[test]
fn a_tenth_may_leave_and_what_is_more_is_held_with_one_alarm() {
    // F-33
    let (_clock, fleet) = fleet(200);
    assert!(all_written(&fail(&fleet, 0..20)));
    let held = fail(&fleet, 20..200);
    assert_eq!(held[0], Verdict::Alarm { leaving: 21, of: 200 });
    assert!(held[1..].iter().all(|verdict| *verdict == Verdict::Held));
    assert_eq!(fleet.fails(tenant(3), 1, false), Verdict::Held, "nor is a suspended one ended");
}

#[test]
fn of_a_small_fleet_nothing_is_held_back() {
    let (_clock, fleet) = fleet(9);
    assert!(all_written(&fail(&fleet, 0..9)));
    assert!(all_written(&fail(&fleet, (0..9).cycle().take(100))), "the same ones are no more");
}

#[test]
fn the_minimum_counts_where_a_tenth_is_less() {
    let (_clock, fleet) = fleet(50);
    assert!(all_written(&fail(&fleet, 0..9)));
    assert_eq!(fail(&fleet, 9..10), [Verdict::Alarm { leaving: 10, of: 50 }]);
}

#[test]
fn failures_that_lie_apart_are_everyday_life() {
    let (clock, fleet) = fleet(200);
    for number in 0..200 {
        assert!(all_written(&fail(&fleet, number..=number)));
        clock.advance(WINDOW / 19);
    }
}

fn work(fleet: &Fleet, mut numbers: impl Iterator<Item = usize>) -> Option<usize> {
    numbers.find(|number| fleet.worked(tenant(*number), 1, true))
}

#[test]
fn it_is_over_once_half_as_many_fail_and_no_sooner_than_the_window() {
    // F-33
    let (clock, fleet) = fleet(200);
    fail(&fleet, 0..30);
    assert_eq!(work(&fleet, 0..30), None, "the window is not over");
    fail(&fleet, 0..30);
    clock.advance(2 * WINDOW);
    assert!(!fleet.saw(tenant(0)), "asked for, and not answered");
    assert_eq!(work(&fleet, 100..200), None, "they never failed");
    assert_eq!(work(&fleet, 0..9), None, "at the number that raises it it would come and go");
    clock.advance(LOOK);
    assert_eq!(work(&fleet, 9..19), None);
    clock.advance(LOOK);
    assert_eq!(work(&fleet, 19..30), Some(19), "ten of two hundred fail still");
    assert!(!fleet.saw(tenant(9)), "said once");
    assert!(all_written(&fail(&fleet, 20..40)));
}

#[test]
fn a_lasting_outage_is_not_written_bit_by_bit_nor_to_its_end() {
    // F-33
    let (clock, fleet) = fleet(200);
    assert_eq!(fail(&fleet, 0..22)[20], Verdict::Alarm { leaving: 21, of: 200 });
    for minute in 0..3 * 24 * 60 {
        clock.advance(Duration::from_secs(60));
        see(&fleet, 22..200);
        let first = minute % 22; // suspended before the alarm, all but two
        assert!(!fleet.saw(tenant(first)), "minute {minute}");
        let verdict = fleet.fails(tenant(first), 1, first >= 20);
        assert_eq!(verdict, Verdict::Held, "minute {minute}");
    }
}

#[test]
fn suspended_partners_that_would_end_at_once_raise_it_too() {
    // F-33
    let (_clock, fleet) = fleet(50);
    assert!((0..50).all(|number| fleet.fails(tenant(number), 1, false) == Verdict::Written));
    assert_eq!(fail(&fleet, 0..10)[9], Verdict::Alarm { leaving: 10, of: 50 }, "after a restart");
}

#[test]
fn a_new_consent_that_works_anywhere_fails_no_more() {
    let (clock, fleet) = fleet(50);
    fail(&fleet, 0..10);
    clock.advance(WINDOW);
    assert!((0..10).all(|number| !fleet.worked(tenant(number), 1, false)), "the same consent");
    let works = |number| {
        clock.advance(LOOK);
        fleet.worked(tenant(number), 2, false)
    };
    assert!((0..10).any(works), "another one");
}

#[test]
fn who_is_not_asked_for_within_a_day_fails_no_more() {
    let (clock, fleet) = fleet(200);
    fail(&fleet, 0..30);
    clock.advance(LATELY);
    see(&fleet, 100..200);
    clock.advance(LOOK);
    assert!(fleet.saw(tenant(100)), "over");
    assert!(all_written(&fail(&fleet, 0..9)));
}

#[test]
fn who_was_not_used_for_a_day_does_not_count() {
    let (clock, fleet) = fleet(200);
    clock.advance(LATELY + Duration::from_secs(1));
    see(&fleet, 0..50);
    assert!(all_written(&fail(&fleet, 0..9)));
    assert_eq!(fail(&fleet, 9..10), [Verdict::Alarm { leaving: 10, of: 50 }]);
}

#[test]
fn its_share_and_window_can_be_set() {
    let (_clock, off) = guarded(FleetGuard::new(100, 0), 50);
    assert!(all_written(&fail(&off, 0..50)));
    let guard = FleetGuard::new(50, 2).within(Duration::from_secs(60));
    let (clock, strict) = guarded(guard, 4);
    assert!(all_written(&fail(&strict, 0..2)));
    clock.advance(Duration::from_secs(61));
    assert!(all_written(&fail(&strict, 2..4)));
    assert_eq!(fail(&strict, 0..1), [Verdict::Alarm { leaving: 3, of: 4 }]);
}

#[test]
fn its_memory_is_that_of_the_partners_of_a_day() {
    let (clock, fleet) = fleet(SMALLEST_SWEEP);
    clock.advance(LATELY + Duration::from_secs(1));
    see(&fleet, SMALLEST_SWEEP..4 * SMALLEST_SWEEP);
    assert!(fleet.watched().seen.len() <= 3 * SMALLEST_SWEEP);
}
