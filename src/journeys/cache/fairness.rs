//! Who gives way when there is no room for all.

use std::collections::HashMap;

use crate::model::tenant::TenantId;

/// A cut down to a bound: every partner may have as much as any other, and those who want less leave
/// their rest to the others.
#[derive(Debug)]
pub(super) struct Cut {
    bound: usize,
    share: usize,
    of: HashMap<TenantId, Part>,
}

/// One partner's part of the cache.
#[derive(Debug, Default)]
struct Part {
    weight: usize,
    /// End and weight of each token, where there is more than the share.
    tokens: Vec<(u64, usize)>,
    /// What ends no later goes.
    until: Option<u64>,
}

impl Cut {
    pub(super) fn to(bound: usize) -> Self {
        Self { bound, share: usize::MAX, of: HashMap::new() }
    }

    /// First every token is counted.
    pub(super) fn count(&mut self, partner: TenantId, weight: usize) {
        self.of.entry(partner).or_default().weight += weight;
    }

    /// Then each partner's share is found.
    pub(super) fn share_out(&mut self) {
        let mut weights: Vec<usize> = self.of.values().map(|part| part.weight).collect();
        weights.sort_unstable();
        let mut left = self.bound;
        for (served, weight) in weights.iter().enumerate() {
            let share = left / (weights.len() - served);
            if *weight > share {
                self.share = share;
                return;
            }
            left -= weight;
        }
    }

    /// Then the tokens of those are weighed who have more.
    pub(super) fn weigh(&mut self, partner: TenantId, end: u64, weight: usize) {
        let share = self.share;
        let part = self.of.get_mut(&partner).filter(|part| part.weight > share);
        if let Some(part) = part {
            part.tokens.push((end, weight));
        }
    }

    /// Then the line is drawn: what ends last is kept.
    pub(super) fn draw(&mut self) {
        for part in self.of.values_mut() {
            part.tokens.sort_unstable_by_key(|(end, _)| std::cmp::Reverse(*end));
            let mut kept = 0;
            for (end, weight) in part.tokens.drain(..) {
                kept += weight;
                if kept > self.share {
                    part.until = Some(end);
                    break;
                }
            }
        }
    }

    /// Whether a token of this partner that ends then goes.
    pub(super) fn removes(&self, partner: TenantId, end: u64) -> bool {
        let until = self.of.get(&partner).and_then(|part| part.until);
        until.is_some_and(|until| end <= until)
    }
}
