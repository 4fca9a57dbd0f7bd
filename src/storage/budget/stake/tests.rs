//! The division against a model of its world: a record that is written by compare-and-swap, any
//! number of processes whose clocks differ and run unequally fast, and every step of each in any
//! order, late, lost or never.

use std::collections::VecDeque;
use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(50);

/// Where a process is in its round.
#[derive(Debug, Clone)]
enum Stage {
    Resting,
    Reading(u64, Vec<Part>),
    Writing { at: u64, next: Vec<Part>, began: Duration },
    Written { next: Vec<Part>, began: Duration, taken: bool },
}

#[derive(Debug)]
struct Process {
    stake: Stake,
    stage: Stage,
    /// By how much its clock is ahead, and how fast it runs, in hundredths.
    ahead: Duration,
    speed: u32,
    is_dead: bool,
    /// What it could spend, since when.
    spent: VecDeque<(Duration, Rate)>,
}

impl Process {
    fn now(&self, time: Duration) -> Duration {
        self.ahead + time * self.speed / 100
    }

    /// What it may spend by what it knows of others.
    fn spends(&mut self, time: Duration) -> Rate {
        let now = self.now(time);
        let rate = self.stake.allowance(now).rate;
        if self.is_dead || self.stake.is_cut_off(now) { Rate::NONE } else { rate }
    }

    fn note(&mut self, time: Duration) {
        let rate = self.spends(time);
        self.spent.push_back((time, rate));
        while self.spent.get(1).is_some_and(|(at, _)| *at + SECOND <= time) {
            self.spent.pop_front();
        }
    }

    fn most_within_a_second(&self) -> Rate {
        self.spent.iter().map(|(_, rate)| *rate).max().unwrap_or_default()
    }
}

#[derive(Debug, Clone)]
enum Act {
    /// A process takes its next step.
    Step(usize),
    /// So many processes make a whole round, one after the other.
    Rounds(usize),
    /// What a process asked of the store fails, and may have happened.
    Fail(usize, bool),
    Pass(u64),
    Join(u64, u32),
    Kill(usize),
    Leave(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let one = 0..8_usize;
    prop_oneof![
        12 => one.clone().prop_map(Act::Step),
        4 => (1..8_usize).prop_map(Act::Rounds),
        2 => (one.clone(), any::<bool>()).prop_map(|(one, done)| Act::Fail(one, done)),
        8 => (0..400_u64).prop_map(Act::Pass),
        2 => (0..9000_u64).prop_map(Act::Pass),
        2 => (0..100_000_u64, 90..=110_u32).prop_map(|(ahead, speed)| Act::Join(ahead, speed)),
        1 => one.clone().prop_map(Act::Kill),
        1 => one.prop_map(Act::Leave),
    ]
}

struct World {
    whole: Rate,
    time: Duration,
    revision: u64,
    parts: Vec<Part>,
    processes: Vec<Process>,
}

impl World {
    fn new(per_second: u32) -> Self {
        let whole = Rate::per_second(NonZeroU32::new(per_second).expect("not zero"));
        let (parts, processes) = (Vec::new(), Vec::new());
        Self { whole, time: Duration::ZERO, revision: 0, parts, processes }
    }

    /// The one of those that live that is meant by a number.
    fn living(&self, number: usize) -> Option<usize> {
        let living = self.processes.iter().enumerate().filter(|(_, process)| !process.is_dead);
        let living: Vec<usize> = living.map(|(index, _)| index).collect();
        living.get(number % living.len().max(1)).copied()
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Step(number) => drop(self.living(number).map(|one| self.step(one))),
            Act::Rounds(many) => (0..many).for_each(|number| {
                self.living(number).into_iter().for_each(|one| self.round(one));
            }),
            Act::Fail(number, done) => drop(self.living(number).map(|one| self.fail(one, done))),
            Act::Pass(millis) => self.pass(Duration::from_millis(millis)),
            Act::Join(ahead, speed) => self.join(Duration::from_millis(ahead), speed),
            Act::Kill(number) => {
                self.living(number).into_iter().for_each(|one| self.processes[one].is_dead = true);
            }
            Act::Leave(number) => drop(self.living(number).map(|one| self.leave(one))),
        }
        self.check();
    }

    fn join(&mut self, ahead: Duration, speed: u32) {
        // Neither the first nor the last of the names is always the newest.
        let count = self.processes.len();
        let name = format!("{:03}", count * 37 % 101);
        let stake = Stake::new(self.whole, name);
        let (stage, spent) = (Stage::Resting, VecDeque::new());
        self.processes.push(Process { stake, stage, ahead, speed, is_dead: false, spent });
    }

    fn step(&mut self, one: usize) {
        let now = self.processes[one].now(self.time);
        let next = match std::mem::replace(&mut self.processes[one].stage, Stage::Resting) {
            Stage::Resting => Stage::Reading(self.revision, self.parts.clone()),
            Stage::Reading(at, parts) => match self.processes[one].stake.look(&parts, now) {
                Some(next) => Stage::Writing { at, next, began: now },
                None => Stage::Resting,
            },
            Stage::Writing { at, next, began } => {
                let taken = self.swap(at, &next);
                Stage::Written { next, began, taken }
            }
            Stage::Written { next, began, taken } => {
                if taken {
                    self.processes[one].stake.wrote(&next, began);
                }
                Stage::Resting
            }
        };
        self.processes[one].stage = next;
    }

    fn round(&mut self, one: usize) {
        self.step(one);
        while !matches!(self.processes[one].stage, Stage::Resting) {
            self.step(one);
        }
    }

    fn fail(&mut self, one: usize, done: bool) {
        if let Stage::Writing { at, next, .. } = self.processes[one].stage.clone()
            && done
        {
            self.swap(at, &next);
        }
        let process = &mut self.processes[one];
        process.stage = Stage::Resting;
        process.stake.failed(process.now(self.time));
    }

    fn leave(&mut self, one: usize) {
        let process = &mut self.processes[one];
        process.is_dead = true;
        if let Some(left) = process.stake.left(&self.parts) {
            self.swap(self.revision, &left);
        }
    }

    fn swap(&mut self, at: u64, next: &[Part]) -> bool {
        if at != self.revision {
            return false;
        }
        self.revision += 1;
        self.parts = next.to_vec();
        true
    }

    fn pass(&mut self, time: Duration) {
        let end = self.time + time;
        while self.time < end {
            self.time = end.min(self.time + STEP);
            self.check();
        }
    }

    /// In no second could more be spent than the whole.
    fn check(&mut self) {
        let time = self.time;
        self.processes.iter_mut().for_each(|process| process.note(time));
        let each: Vec<Rate> = self.processes.iter().map(Process::most_within_a_second).collect();
        let sum = each.iter().fold(Rate::NONE, |sum, rate| sum.and(*rate));
        assert!(sum <= self.whole, "{each:?} at {time:?}");
    }

    /// Whoever lives goes on undisturbed for a while.
    fn calm(&mut self) {
        for _ in 0..60 {
            for number in 0..self.processes.len() {
                if !self.processes[number].is_dead {
                    self.round(number);
                }
            }
            self.pass(Duration::from_millis(500));
        }
    }

    fn shares(&mut self) -> Vec<Rate> {
        let time = self.time;
        let living = self.processes.iter_mut().filter(|process| !process.is_dead);
        living.map(|process| process.spends(time)).collect()
    }
}

proptest! {
    /// F-01, F-08, F-10, F-12: whatever dies, hangs, is lost or comes late, and whatever the clocks
    /// say, no second has more than the whole; and when calm returns, all of it is in use, evenly.
    #[test]
    fn no_more_is_spent_than_there_is_and_in_the_end_all_of_it(
        per_second in prop_oneof![1..8_u32, 1..1000_u32],
        acts in prop::collection::vec(act(), 20..300),
    ) {
        let mut world = World::new(per_second);
        world.join(Duration::ZERO, 100);
        acts.iter().for_each(|act| world.act(act));
        if world.living(0).is_none() {
            world.join(Duration::ZERO, 100);
        }
        world.calm();
        let shares = world.shares();
        let parts = shares.len() as u64;
        let mut fair: Vec<Rate> = (0..parts).map(|place| world.whole.part(place, parts)).collect();
        let mut found = shares;
        fair.sort();
        found.sort();
        prop_assert_eq!(found, fair);
    }
}

fn rate(per_second: u32) -> Rate {
    Rate::per_second(NonZeroU32::new(per_second).expect("not zero"))
}

/// The line of another process, which says that the whole is 100.
fn other(share: Rate, beat: u64) -> Part {
    Part { process: "other".to_owned(), share, whole: rate(100), beat }
}

/// A process that has made its round with this record, and time for it to count.
fn settled(parts: &[Part]) -> (Stake, Vec<Part>) {
    let mut stake = Stake::new(rate(100), "own".to_owned());
    let next = stake.look(parts, SECOND).expect("it joins");
    stake.wrote(&next, SECOND);
    (stake, next)
}

#[test]
fn a_process_that_has_just_started_spends_nothing_before_its_share_has_settled() {
    let (mut stake, parts) = settled(&[]);
    assert_eq!(stake.allowance(SECOND + SETTLES / 2).rate, Rate::NONE);
    let settled = SECOND + SETTLES;
    let allowance = stake.allowance(settled);
    assert_eq!((allowance.rate, allowance.until), (parts[0].share, SECOND + HELD));
    assert_eq!(stake.allowance(SECOND + HELD).rate, Rate::NONE, "it hung, or slept");
}

#[test]
fn a_process_that_cannot_write_goes_on_with_a_tenth_of_its_fair_share() {
    // F-11, F-12
    let (mut stake, parts) = settled(&[other(Rate::NONE, 7)]);
    let whole = stake.whole;
    stake.failed(2 * SECOND);
    assert_eq!(stake.allowance(SECOND + SETTLES).rate, whole.over(2));
    assert!(!stake.is_cut_off(SECOND + HELD));
    assert_eq!(stake.allowance(2 * SECOND + HELD).rate, whole.over(20));
    assert!(stake.is_cut_off(2 * SECOND + HELD));
    // Where nobody can write all stand still, and are there all the same.
    let later = 2 * SECOND + HELD + 2 * SILENCE;
    let _not_written = stake.look(&parts, later - SILENCE);
    let _not_written = stake.look(&parts, later);
    assert_eq!(stake.allowance(later).rate, whole.over(20));
    let mut started = Stake::new(whole, "started".to_owned());
    let _not_written = started.look(&parts, SECOND);
    started.failed(SECOND);
    assert_eq!(started.allowance(SECOND + HELD).rate, whole.over(30), "it has read of two");
    let mut new = Stake::new(whole, "new".to_owned());
    new.failed(SECOND);
    assert_eq!(new.allowance(SECOND).rate, Rate::NONE);
    assert_eq!(new.allowance(SECOND + HELD).rate, whole.over(10), "it knows of nobody else");
}

#[test]
fn who_finds_its_line_gone_stops_at_once() {
    let (mut stake, _) = settled(&[]);
    assert!(stake.allowance(SECOND + SETTLES).rate > Rate::NONE);
    let others = [other(Rate::NONE, 1)];
    stake.look(&others, SECOND + SETTLES).expect("it joins again");
    assert_eq!(stake.allowance(SECOND + SETTLES).rate, Rate::NONE);
}

#[test]
fn processes_that_do_not_agree_on_the_whole_divide_the_smallest() {
    for (before, now) in [(10, 100), (100, 10)] {
        let mut old = Stake::new(rate(before), "a".to_owned());
        let alone = old.look(&[], SECOND).expect("it joins");
        old.wrote(&alone, SECOND);
        let mut new = Stake::new(rate(now), "b".to_owned());
        let mut parts = new.look(&alone, SECOND).expect("it joins");
        for _ in 0..2 {
            parts = old.look(&parts, 2 * SECOND + BEAT).unwrap_or(parts);
            parts = new.look(&parts, 2 * SECOND + BEAT).unwrap_or(parts);
        }
        let shares: Vec<_> = parts.iter().map(|part| part.share).collect();
        assert_eq!(shares, [rate(5), rate(5)], "from {before} to {now}");
    }
}

#[test]
fn a_writing_of_unknown_outcome_is_told_from_the_next() {
    // F-12
    let (mut stake, parts) = settled(&[]);
    let lost = stake.look(&parts, SECOND + BEAT).expect("due");
    stake.failed(SECOND + BEAT);
    let next = stake.look(&lost, 2 * SECOND + BEAT).expect("still due");
    assert!(next[0].beat > lost[0].beat, "who sees both sees that it lives");
}

#[test]
fn a_share_that_is_the_same_is_not_written_before_it_is_due() {
    let (mut stake, parts) = settled(&[]);
    assert_eq!(stake.look(&parts, SECOND + BEAT / 2), None);
    let next = stake.look(&parts, SECOND + BEAT).expect("due");
    assert_eq!((next[0].share, next[0].beat), (parts[0].share, parts[0].beat + 1));
}
