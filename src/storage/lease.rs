//! One owner at a time, among all processes that share a store, without comparing clocks.
//!
//! A lease is a record that its owner puts again every few seconds while the work runs. Whoever waits
//! looks at the record's revision: one that has not moved for the lease's whole length, on the
//! waiter's own monotonic clock, is of an owner that has died or hangs, and is taken over by
//! compare-and-swap. A lease spares requests; what keeps the record it stands for whole is that
//! record's own revision.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::model::clock::{Clock, as_seconds, later};
use crate::model::secret::random;
use crate::model::tenant::TenantId;
use crate::storage::ledger::{Ledger, LedgerError, Record};
use crate::storage::store::{Kind, Revision};

/// Who does not move its lease for so long has lost it.
const LENGTH: Duration = Duration::from_secs(10);
/// How often an owner moves it.
const BEAT: Duration = Duration::from_secs(3);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// When a sweep may take a lease that was left behind and that nobody wants. Dates of two machines
/// are compared there, so a day.
const LITTER_AFTER: Duration = Duration::from_secs(86_400);

/// What only one may do at a time.
#[derive(Debug, Clone)]
pub(crate) struct Errand {
    /// Tells it from all others of this realm.
    pub(crate) name: String,
    /// The partner it is for: its lease lies under that partner's key.
    pub(crate) partner: Option<TenantId>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct LeaseRecord {
    name: String,
    partner: Option<TenantId>,
    owner: String,
    #[serde(with = "as_seconds")]
    litter_at: SystemTime,
}

impl Record for LeaseRecord {
    const KIND: Kind = Kind::Lease;

    fn partner(&self) -> Option<TenantId> {
        self.partner
    }

    fn id(&self) -> String {
        self.name.clone()
    }

    fn generation(&self) -> u64 {
        0
    }

    fn due(&self) -> Option<SystemTime> {
        Some(self.litter_at)
    }
}

/// Why there is no lease.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LeaseError {
    /// Others had it for as long as the caller would wait.
    #[error("others had the lease for too long")]
    Busy,
    /// The store or the keys failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Gives out leases. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Leases(Arc<Desk>);

#[derive(Debug)]
struct Desk {
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    owner: String,
    /// Each lease in hand listens here, and is given back once it is true.
    handed_over: watch::Sender<bool>,
}

impl Leases {
    /// Leases of the process that goes by the name of `owner`.
    pub(crate) fn new(ledger: Ledger, clock: Arc<dyn Clock>, owner: String) -> Self {
        Self(Arc::new(Desk { ledger, clock, owner, handed_over: watch::Sender::new(false) }))
    }

    /// Gives back every lease in hand, whoever still works under it, and returns once others can
    /// have them: what is fenced is the record itself.
    pub(crate) async fn hand_over(&self) {
        self.0.handed_over.send_replace(true);
        self.0.handed_over.closed().await;
    }

    /// Takes the lease, once whoever has it gives it back or has let it lapse; waits for that no
    /// longer than `patience`.
    pub(crate) async fn take(
        &self,
        errand: Errand,
        patience: Duration,
    ) -> Result<Lease, LeaseError> {
        let desk = &self.0;
        let deadline = desk.clock.monotonic().saturating_add(patience);
        let (mut last, mut pause) = (None, FIRST_PAUSE);
        loop {
            let now = desk.clock.monotonic();
            match desk.look(&errand, last, now).await? {
                Look::Ours(at) => return Ok(self.held(errand, at)),
                Look::Moved => {}
                Look::Theirs(sight) if now < deadline => last = Some(sight),
                Look::Theirs(_) => return Err(LeaseError::Busy),
            }
            desk.clock.sleep(jittered(pause)).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    fn held(&self, errand: Errand, at: Revision) -> Lease {
        let (release, released) = oneshot::channel();
        let handed_over = self.0.handed_over.subscribe();
        let keeper = tokio::spawn(Arc::clone(&self.0).keep(errand, at, released, handed_over));
        Lease { release, keeper }
    }
}

/// At which revision a lease of others was seen, and since when.
#[derive(Debug, Clone, Copy)]
struct Sight {
    revision: Revision,
    since: Duration,
}

impl Sight {
    /// What is seen now, counted from when it was first seen so.
    fn of(revision: Revision, last: Option<Self>, now: Duration) -> Self {
        let same = last.filter(|last| last.revision == revision);
        Self { revision, since: same.map_or(now, |last| last.since) }
    }

    fn has_lapsed(&self, now: Duration) -> bool {
        now.saturating_sub(self.since) >= LENGTH
    }
}

/// What came of one try.
enum Look {
    Ours(Revision),
    Theirs(Sight),
    Moved,
}

impl Desk {
    async fn look(
        &self,
        errand: &Errand,
        last: Option<Sight>,
        now: Duration,
    ) -> Result<Look, LedgerError> {
        let found = self.ledger.revision::<LeaseRecord>(errand.partner, &errand.name).await?;
        let put = match found {
            None => self.ledger.insert(&self.record(errand)).await,
            Some(revision) => {
                let sight = Sight::of(revision, last, now);
                if !sight.has_lapsed(now) {
                    return Ok(Look::Theirs(sight));
                }
                self.ledger.replace(&self.record(errand), revision).await
            }
        };
        match put {
            Ok(revision) => Ok(Look::Ours(revision)),
            Err(LedgerError::Conflict) => Ok(Look::Moved),
            Err(error) => Err(error),
        }
    }

    /// Moves the lease until it is released. A store that fails is tried again at the next beat; a
    /// lease that another has taken over is let go.
    async fn keep(
        self: Arc<Self>,
        errand: Errand,
        mut at: Revision,
        mut released: oneshot::Receiver<()>,
        mut handed_over: watch::Receiver<bool>,
    ) {
        loop {
            tokio::select! {
                biased;
                _ = &mut released => break,
                _ = handed_over.wait_for(|over| *over) => break,
                () = self.clock.sleep(BEAT) => {}
            }
            match self.ledger.replace(&self.record(&errand), at).await {
                Ok(next) => at = next,
                Err(LedgerError::Conflict) => return,
                Err(error) => tracing::debug!(%error, "a lease was not moved"),
            }
        }
        let gone = self.ledger.remove::<LeaseRecord>(errand.partner, &errand.name, at).await;
        if let Err(error) = gone {
            tracing::debug!(%error, "a lease was not given back; it will lapse");
        }
    }

    fn record(&self, errand: &Errand) -> LeaseRecord {
        let Errand { name, partner } = errand.clone();
        let litter_at = later(self.clock.now(), LITTER_AFTER);
        LeaseRecord { name, partner, owner: self.owner.clone(), litter_at }
    }
}

/// A lease in hand. Dropping it gives it back too, in the background.
#[must_use = "a lease that is dropped is given back"]
pub(crate) struct Lease {
    release: oneshot::Sender<()>,
    keeper: JoinHandle<()>,
}

impl Lease {
    /// Gives it back, and returns once others can have it.
    pub(crate) async fn release(self) {
        drop(self.release);
        let _ended_with_the_runtime = self.keeper.await;
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Lease")
    }
}

/// Between half of it and all of it, so that those who wait do not come all at once.
fn jittered(pause: Duration) -> Duration {
    let [chance] = random::<1>();
    pause / 2 + pause / 2 * u32::from(chance) / 255
}

#[cfg(test)]
pub(crate) mod tests;
