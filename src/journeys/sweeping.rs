//! Erasing what nobody wants any more.
//!
//! Whoever runs a broker may call the sweep; the broker itself does so now and then, one process at
//! a time, so that a host that never calls it stays clean.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::error::Error;
use crate::journeys::cache::Cache;
use crate::model::clock::Clock;
use crate::storage::lease::{Errand, LeaseError, Leases};
use crate::storage::ledger::Ledger;
use crate::storage::store::Kind;

/// How often a broker sweeps by itself.
const INTERVAL: Duration = Duration::from_secs(10 * 60);
/// Enough to see that a process which swept has died, and no more.
const PATIENCE: Duration = Duration::from_secs(15);
/// What is litter once it was due: flows and findings whose time is over, leases, lines of the roll
/// and divided budgets that were left behind, access tokens that have ended, invitations that ended
/// long ago.
const LITTER: [Kind; 7] = [
    Kind::Pending,
    Kind::Found,
    Kind::Lease,
    Kind::AccessToken,
    Kind::Process,
    Kind::Budget,
    Kind::Invitation,
];

/// How many records a sweep has erased.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    erased: BTreeMap<Kind, usize>,
    lapsed: usize,
}

impl Swept {
    /// How many of this kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> usize {
        self.erased.get(&kind).copied().unwrap_or(0)
    }

    /// How many in all.
    #[must_use]
    pub fn total(&self) -> usize {
        self.erased.values().sum()
    }

    /// Beside those records: how many consents were dropped that another had taken the place of, since
    /// they [could not be put back](crate::BrokerBuilder::roll_back_within) any more. The records that
    /// they lay in stay.
    #[must_use]
    pub const fn lapsed(&self) -> usize {
        self.lapsed
    }
}

/// Sweeps the records of one realm. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Sweeper {
    pub(crate) ledger: Ledger,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cache: Arc<Cache>,
    /// Where the store is shared between processes.
    pub(crate) leases: Option<Leases>,
}

impl Sweeper {
    /// Erases every record whose time is over, page by page, and what is over within consents. Several
    /// may do so at once.
    pub(crate) async fn sweep(&self) -> Result<Swept, Error> {
        let mut swept = Swept::default();
        for kind in LITTER {
            let removed = self.ledger.remove_due(kind, self.clock.now()).await?;
            swept.erased.insert(kind, removed);
        }
        let shredded = self.ledger.sweep_shredded(self.clock.now()).await?;
        swept.erased.insert(Kind::Consent, shredded);
        swept.lapsed = self.ledger.drop_lapsed(self.clock.now()).await?;
        Ok(swept)
    }

    /// Sweeps now and then, until told to stop.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                biased;
                _ = stop.changed() => return,
                () = self.clock.sleep(INTERVAL) => {}
            }
            self.cache.sweep(self.clock.glance());
            if let Err(error) = self.sweep_alone().await {
                tracing::debug!(%error, "a sweep was not finished");
            }
        }
    }

    /// Sweeps, unless another process is at it for long.
    async fn sweep_alone(&self) -> Result<(), Error> {
        let Some(leases) = &self.leases else { return self.sweep().await.map(drop) };
        let errand = Errand { name: "sweep".to_owned(), partner: None };
        let lease = match leases.take(errand, PATIENCE).await {
            Ok(lease) => lease,
            Err(LeaseError::Busy) => return Ok(()),
            Err(LeaseError::Ledger(error)) => return Err(error.into()),
        };
        let swept = self.sweep().await;
        lease.release().await;
        swept.map(drop)
    }
}

#[cfg(test)]
mod tests;
