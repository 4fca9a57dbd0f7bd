//! What other processes have changed.
//!
//! One small read serves all partners: at most every few seconds, and only when somebody asks, the
//! store lists the consents that were written since the last look. So a withdrawal, a new consent or
//! another account's binding made in any process holds in all of them within [`INTERVAL`]. While
//! somebody asks all the time, a task looks [ahead](AHEAD) of it, and nobody waits for the store.
//!
//! A mark can lie: somebody who writes into the store plants one that nothing exceeds, a backup sets
//! the count back, a row that is gone has none. So no view and no mark is older than [`MARK_LIFE`].
//! A new mark is that of this process's last beat: what was written since is little.

use std::sync::Arc;
use std::time::Duration;

use crate::journeys::freezing::Freezes;
use crate::journeys::standing::Standings;
use crate::model::clock::{Clock, Glance, millis};
use crate::model::sync::atomic::{AtomicU64, Ordering};
use crate::model::sync::tasks::{Mutex, within};
use crate::model::tenant::TenantId;
use crate::storage::ledger::{Ledger, LedgerError};
use crate::storage::roll::Roll;
use crate::storage::store::{Kind, Page, Revision, Selection};

/// How old what is known of others' changes may be before the store is asked again.
const INTERVAL: Duration = Duration::from_secs(5);
/// From this age on the next look may begin: so long before its end, the store may take its time.
const AHEAD: Duration = Duration::from_secs(3);
/// A store that takes longer hangs, and everybody waits for one look. The crate's own give up before.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// After it hung, all are told so for that long, so that one in many waits for it.
const HUNG: Duration = Duration::from_secs(10);
/// After this time every view is taken anew, whatever the changes say.
const MARK_LIFE: Duration = Duration::from_secs(300);
/// Changes read at once.
const PAGE: usize = 200;

/// Keeps the views of partners true to what others write.
#[derive(Debug)]
pub(crate) struct Watch {
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    standings: Arc<Standings>,
    freezes: Freezes,
    roll: Roll,
    /// When the last read that succeeded had begun, in milliseconds; `NEVER` before the first.
    looked_at: AtomicU64,
    /// When the next one is due ahead of time, by the same count; `NEVER` once it has begun.
    due_at: AtomicU64,
    /// Whether others write at all.
    is_shared: bool,
    /// How many reads there were.
    looks: AtomicU64,
    /// How long a look may take.
    patience: Duration,
    progress: Mutex<Progress>,
}

#[derive(Debug)]
struct Progress {
    /// Everything up to here was seen, and no view is older.
    mark: Option<Revision>,
    /// When the views were last taken anew.
    marked_at: Duration,
    /// What became of the last read.
    failure: Option<LedgerError>,
    /// When the store hung.
    hung_at: Option<Duration>,
}

const NEVER: u64 = u64::MAX;

impl Watch {
    /// To be made before any view is taken.
    pub(crate) fn new(
        ledger: Ledger,
        clock: Arc<dyn Clock>,
        standings: Arc<Standings>,
        freezes: Freezes,
        roll: Roll,
    ) -> Self {
        let (mark, marked_at) = (roll.mark(), clock.monotonic());
        let progress = Mutex::new(Progress { mark, marked_at, failure: None, hung_at: None });
        let (looked_at, due_at) = (AtomicU64::new(NEVER), AtomicU64::new(NEVER));
        let looks = AtomicU64::new(0);
        let shared = |kind| ledger.promises(kind).shared_between_processes;
        let is_shared = shared(Kind::Consent) || shared(Kind::Freeze);
        Self {
            ledger,
            clock,
            standings,
            freezes,
            roll,
            looked_at,
            due_at,
            is_shared,
            looks,
            patience: PATIENCE,
            progress,
        }
    }

    /// Makes sure that the views are true enough to act on for `partner`. Whoever comes first reads;
    /// those who wait for it share its outcome.
    pub(crate) async fn look(&self, partner: TenantId) -> Result<(), LedgerError> {
        let now = Glance::new(self.clock.now(), self.clock.monotonic());
        if self.is_recent(now) { Ok(()) } else { self.look_anew(partner).await }
    }

    /// Reads, unless somebody else has read meanwhile, and not so long that it tells too little.
    pub(crate) async fn look_anew(&self, partner: TenantId) -> Result<(), LedgerError> {
        let asked = Glance::new(self.clock.now(), self.clock.monotonic());
        let before = self.looks.load(Ordering::Acquire);
        let mut progress = self.progress.lock().await;
        if self.looks.load(Ordering::Acquire) != before {
            match progress.failure.clone() {
                Some(failure) => return Err(failure),
                None if self.is_recent(asked) => return Ok(()),
                None => {}
            }
        }
        let began = self.clock.monotonic();
        if progress.hung_at.is_some_and(|at| began.saturating_sub(at) < HUNG) {
            return Err(LedgerError::too_late());
        }
        if began.saturating_sub(progress.marked_at) >= MARK_LIFE {
            (progress.mark, progress.marked_at) = (None, began);
        }
        let outcome = within(self.patience, self.read_all(&mut progress.mark, partner)).await;
        progress.hung_at = outcome.is_none().then(|| self.clock.monotonic());
        let outcome = outcome.unwrap_or_else(|| Err(LedgerError::too_late()));
        progress.failure = outcome.clone().err();
        if outcome.is_ok() {
            self.looked_at.store(millis(began), Ordering::Release);
            self.due_at.store(millis(began + AHEAD), Ordering::Relaxed);
        }
        self.looks.fetch_add(1, Ordering::Release);
        outcome
    }

    /// Whether the views may be acted on without a look. To be asked before a view is: the time of a
    /// look is stored, and read here, after what it found. A store that is not shared has no other
    /// writer, so there is nothing to read.
    #[inline]
    pub(crate) fn is_recent(&self, now: Glance) -> bool {
        if !self.is_shared {
            return true;
        }
        let looked_at = self.looked_at.load(Ordering::Acquire);
        let age = now.monotonic().saturating_sub(looked_at);
        looked_at != NEVER && u128::from(age) <= INTERVAL.as_millis()
    }

    /// Whether it is time to [look](Self::look_anew) ahead.
    #[inline]
    pub(crate) fn wants_look(&self, now: Glance) -> bool {
        now.monotonic() >= self.due_at.load(Ordering::Relaxed)
    }

    /// True for the first to say so after each look that succeeded.
    pub(crate) fn begins_look(&self) -> bool {
        self.due_at.swap(NEVER, Ordering::Relaxed) != NEVER
    }

    fn is_shared(&self, kind: Kind) -> bool {
        self.ledger.promises(kind).shared_between_processes
    }

    /// What is frozen, and which consents have changed.
    async fn read_all(
        &self,
        mark: &mut Option<Revision>,
        partner: TenantId,
    ) -> Result<(), LedgerError> {
        let consents = async {
            match self.is_shared(Kind::Consent) {
                true => self.read(mark, partner).await,
                false => Ok(()),
            }
        };
        let (frozen, changed) = tokio::join!(self.freezes.look(), consents);
        frozen.and(changed)
    }

    /// Without a mark nothing that was read counts. The first one is taken before the views are
    /// doubted: from this process's beat, or else, and then much may follow it, from the partner's
    /// own row.
    async fn read(
        &self,
        mark: &mut Option<Revision>,
        partner: TenantId,
    ) -> Result<(), LedgerError> {
        let Some(seen) = mark else {
            let id = partner.to_string();
            let row = self.ledger.row_of(Kind::Consent, Some(partner), &id).await?;
            *mark = self.roll.mark().or(row.map(|row| row.revision));
            self.standings.doubt_all();
            return Ok(());
        };
        let (after, mut cursor) = (Selection::ChangedAfter(*seen), None);
        loop {
            let page = self.ledger.page(Kind::Consent, after, cursor, PAGE).await?;
            *seen = self.note(&page).map_or(*seen, |last| last.max(*seen));
            cursor = page.next;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    /// Notes the changes of a page, and returns the mark of the last.
    fn note(&self, page: &Page) -> Option<Revision> {
        let unreadable = page.damaged.iter().map(|id| (id.as_str(), None));
        let changed = page.records.iter().map(|row| (row.key.id(), Some(row.revision)));
        for (id, revision) in unreadable.chain(changed) {
            if let Ok(partner) = TenantId::parse(id) {
                self.standings.changed(partner, revision);
            }
        }
        page.records.last().map(|row| row.revision)
    }
}

#[cfg(test)]
mod tests;
