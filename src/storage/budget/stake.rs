//! What one process makes of the record: what it may spend, and what it writes next.
//!
//! It does nothing by itself and knows no clock: `now` is this process's own monotonic time.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::transport::pace::Rate;

/// A process's line in the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) process: String,
    pub(super) share: Rate,
    /// What this process takes for the whole: hosts that change it do so one after the other.
    pub(super) whole: Rate,
    /// Counted up at each writing: who does not count is silent.
    pub(super) beat: u64,
}

/// What may be spent, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowance {
    pub(super) rate: Rate,
    pub(super) until: Duration,
}

/// One process's part in the division.
#[derive(Debug)]
pub(super) struct Stake {
    whole: Rate,
    own: String,
    /// Counted also where the writing failed, for it may have happened.
    beat: u64,
    /// When the last writing that succeeded had begun.
    wrote_at: Option<Duration>,
    /// What is written for this process, and has been for long enough that nobody else has spent it
    /// within the same second.
    settled: Rate,
    /// More than that, from a moment on.
    growth: Option<(Rate, Duration)>,
    /// The beats of others, and since when each was seen to stand still.
    seen: BTreeMap<String, (u64, Duration)>,
    /// How many processes there were when the record was last written, and how many it has read of
    /// since, this one among them: who cannot write sees the others fall silent, who cannot either.
    processes: u64,
    /// Since when nothing can be written.
    failing_since: Option<Duration>,
}

impl Stake {
    pub(super) fn new(whole: Rate, own: String) -> Self {
        Self {
            whole,
            own,
            beat: 0,
            wrote_at: None,
            settled: Rate::NONE,
            growth: None,
            seen: BTreeMap::new(),
            processes: 1,
            failing_since: None,
        }
    }

    /// Takes note of the record as it was read before `now`, and says what to write instead, if
    /// anything. What is to be given up is not spent any more from now on.
    pub(super) fn look(&mut self, parts: &[Part], now: Duration) -> Option<Vec<Part>> {
        self.watch(parts, now);
        let others = parts.iter().filter(|part| part.process != self.own).count() as u64;
        self.processes = self.processes.max(others + 1);
        let written = self.find(parts).map(|part| part.share);
        let mut next: Vec<Part> =
            parts.iter().filter(|part| self.lives(part, now)).cloned().collect();
        let share = self.fair(&next);
        self.keep_within(written.unwrap_or_default().min(share), now);
        let is_due = self.wrote_at.is_none_or(|at| now.saturating_sub(at) >= BEAT);
        let is_same = written == Some(share) && next.len() + 1 == parts.len();
        if is_same && self.promised() == share && !is_due {
            return None;
        }
        self.beat += 1;
        let (process, whole) = (self.own.clone(), self.whole);
        next.push(Part { process, share, whole, beat: self.beat });
        Some(next)
    }

    /// The record was written as [`look`](Self::look) said when it was `began`.
    pub(super) fn wrote(&mut self, parts: &[Part], began: Duration) {
        let Some(own) = self.find(parts) else { return };
        (self.wrote_at, self.failing_since) = (Some(began), None);
        self.processes = parts.len() as u64;
        if own.share > self.promised() {
            self.growth = Some((own.share, began.saturating_add(SETTLES)));
        }
    }

    /// The record could not be read or written.
    pub(super) fn failed(&mut self, now: Duration) {
        self.failing_since.get_or_insert(now);
    }

    /// The record without this process, unless it is not in it.
    pub(super) fn left(&self, parts: &[Part]) -> Option<Vec<Part>> {
        self.find(parts)?;
        Some(parts.iter().filter(|part| part.process != self.own).cloned().collect())
    }

    pub(super) fn allowance(&mut self, now: Duration) -> Allowance {
        self.settle(now);
        let until = self.wrote_at.map_or(Duration::ZERO, |at| at.saturating_add(HELD));
        match () {
            () if now < until => Allowance { rate: self.settled, until },
            () if self.is_cut_off(now) => Allowance { rate: self.floor(), until: Duration::MAX },
            () => Allowance { rate: Rate::NONE, until: Duration::MAX },
        }
    }

    /// Whether it spends what it does without knowing what others do.
    pub(super) fn is_cut_off(&self, now: Duration) -> bool {
        let long_ago = |then: Duration| now.saturating_sub(then) >= HELD;
        self.wrote_at.is_none_or(long_ago) && self.failing_since.is_some_and(long_ago)
    }

    fn floor(&self) -> Rate {
        self.whole.over(self.processes.saturating_mul(FLOOR))
    }

    fn find<'p>(&self, parts: &'p [Part]) -> Option<&'p Part> {
        parts.iter().find(|part| part.process == self.own)
    }

    /// A beat that was seen before stands still since then.
    fn watch(&mut self, parts: &[Part], now: Duration) {
        let last = std::mem::take(&mut self.seen);
        let others = parts.iter().filter(|part| part.process != self.own);
        self.seen = others
            .map(|part| {
                let same = last.get(&part.process).filter(|(beat, _)| *beat == part.beat);
                let since = same.map_or(now, |(_, since)| *since);
                (part.process.clone(), (part.beat, since))
            })
            .collect();
    }

    /// Whether another process may be spending its share.
    fn lives(&self, part: &Part, now: Duration) -> bool {
        let since = self.seen.get(&part.process).map(|(_, since)| *since);
        since.is_some_and(|since| now.saturating_sub(since) < SILENCE)
    }

    /// As much as each has, and no more than the others leave. Where they do not agree on the whole,
    /// the smallest is divided.
    fn fair(&self, others: &[Part]) -> Rate {
        let before = others.iter().filter(|part| part.process < self.own).count() as u64;
        let whole = others.iter().map(|part| part.whole).fold(self.whole, Rate::min);
        let fair = whole.part(before, others.len() as u64 + 1);
        let taken = others.iter().fold(Rate::NONE, |sum, part| sum.and(part.share));
        let room = whole.without(taken);
        if room < fair { room.rounded() } else { fair }
    }

    /// What will be spent once it has settled.
    fn promised(&self) -> Rate {
        self.growth.map_or(self.settled, |(rate, _)| rate)
    }

    fn settle(&mut self, now: Duration) {
        if let Some((rate, _)) = self.growth.take_if(|(_, from)| *from <= now) {
            self.settled = rate;
        }
    }

    fn keep_within(&mut self, most: Rate, now: Duration) {
        self.settle(now);
        self.settled = self.settled.min(most);
        self.growth = self.growth.map(|(rate, from)| (rate.min(most), from));
        self.growth = self.growth.filter(|(rate, _)| *rate > self.settled);
    }
}

/// How often a process writes its line again.
const BEAT: Duration = Duration::from_millis(1250);
/// Who has not written its line for so long spends nothing any more.
const HELD: Duration = Duration::from_secs(4);
/// Whose line stands still for so long has stopped: two clocks need not run equally fast for that.
pub(super) const SILENCE: Duration = Duration::from_secs(6);
/// What is taken is not spent before whoever had it has not spent it for a second.
const SETTLES: Duration = Duration::from_millis(1250);
/// A process that is cut off goes on with this part of its fair share, so that all that are together
/// exceed the budget by no more than such a part of it.
const FLOOR: u64 = 10;

#[cfg(test)]
mod tests;
