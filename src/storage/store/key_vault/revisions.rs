//! Revisions: drawn from the clock, growing, and watched until their write is through.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::storage::store::Revision;

/// The revisions that this process draws.
#[derive(Debug, Default)]
pub(super) struct Revisions(Mutex<Drawn>);

#[derive(Debug, Default)]
struct Drawn {
    /// Greater ones were neither drawn nor seen, and no list has promised to know their place.
    last: u64,
    under_way: BTreeSet<u64>,
}

/// A revision until it is in the vault, or known not to be.
#[derive(Debug)]
pub(super) struct UnderWay<'r> {
    revisions: &'r Revisions,
    pub(super) revision: Revision,
}

impl Revisions {
    /// One that is in the vault.
    pub(super) fn seen(&self, revision: Revision) {
        let mut drawn = self.drawn();
        drawn.last = drawn.last.max(revision.number());
    }

    /// One that is greater than all before it in this process, and than what is there.
    pub(super) fn draw(&self, now: u64, present: Option<Revision>) -> UnderWay<'_> {
        let mut drawn = self.drawn();
        let before = present.map_or(0, Revision::number).max(drawn.last);
        let next = now.max(before.saturating_add(1));
        drawn.last = next;
        drawn.under_way.insert(next);
        UnderWay { revisions: self, revision: Revision::new(next) }
    }

    /// Up to where no write is under way and none will be: what is in the vault by then stays in
    /// order.
    pub(super) fn settled_until(&self, now: u64) -> Revision {
        let mut drawn = self.drawn();
        drawn.last = drawn.last.max(now);
        let least = drawn.under_way.first().map(|least| least.saturating_sub(1));
        Revision::new(least.unwrap_or(drawn.last))
    }

    fn drawn(&self) -> MutexGuard<'_, Drawn> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.revisions.drawn().under_way.remove(&self.revision.number());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_grow_whatever_the_clock_does() {
        let revisions = Revisions::default();
        let drawn = [5, 5, 3, 9].map(|now| revisions.draw(now, None).revision.number());
        assert_eq!(drawn, [5, 6, 7, 9]);
        assert_eq!(revisions.draw(9, Some(Revision::new(20))).revision.number(), 21);
        revisions.seen(Revision::new(30));
        assert_eq!(revisions.draw(9, None).revision.number(), 31);
    }

    #[test]
    fn nothing_is_settled_that_a_write_under_way_may_come_before() {
        let revisions = Revisions::default();
        let until = |now| revisions.settled_until(now).number();
        assert_eq!(until(4), 4);
        let (slow, quick) = (revisions.draw(5, None), revisions.draw(6, None));
        assert_eq!(until(7), 4);
        drop(quick);
        assert_eq!(until(7), 4, "the first to begin is still under way");
        drop(slow);
        assert_eq!(until(7), 7);
        assert_eq!(revisions.draw(7, None).revision.number(), 8, "7 is settled");
    }
}
