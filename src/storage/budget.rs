//! How many requests a second this application may make of a service, divided among all processes
//! that share a store.
//!
//! One small record names the processes at work and the share of each, which together are never more
//! than the whole: it is written by compare-and-swap. Each process writes its line again every
//! second or so, and spends its share only for some seconds from when it last began to. Whoever sees
//! a line stand still for longer than that, on its own monotonic clock, takes what it had: the other
//! has stopped by then. So no two clocks are compared, and a process that hangs or is cut off overdraws
//! nothing.
//!
//! Who comes last has nothing until the others, who look twice a second, have given some of theirs.
//! What changes hands is spent a second later, so that no second has it twice. A record that is lost
//! or does not open is written anew: until every process has looked, what they had may be spent twice.
//!
//! A process that cannot write goes on with a tenth of its fair share, since what keeps partners
//! from work should not be a record of manners.

use std::future::Future;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::Instrument;

use self::stake::{Part, Stake};
use crate::model::clock::{Clock, as_seconds, later};
use crate::model::event::{Event, Observers};
use crate::model::secret::random;
use crate::model::tenant::TenantId;
use crate::storage::ledger::{Held, Ledger, LedgerError, Record};
use crate::storage::store::{Kind, Revision};
use crate::transport::pace::{Closed, Pace, Rate, Ticket, Urgency};

mod stake;

/// How often a process looks at the record.
const LOOK: Duration = Duration::from_millis(500);
/// How long the store may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// A writer who loses this often looks again later.
const TRIES: usize = 8;
const PAUSE: Duration = Duration::from_millis(40);
/// Who has waited for so long is told of.
const LONG: Duration = Duration::from_secs(1);
/// And that no more often than this.
const QUIET: Duration = Duration::from_secs(10);
/// When a sweep may take a record that everybody has left. Dates of two machines are compared there,
/// so a day.
const LITTER_AFTER: Duration = Duration::from_secs(86_400);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct BudgetRecord {
    name: String,
    parts: Vec<Part>,
    #[serde(with = "as_seconds")]
    litter_at: SystemTime,
}

impl Record for BudgetRecord {
    const KIND: Kind = Kind::Budget;

    fn partner(&self) -> Option<TenantId> {
        None
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

/// A budget, and this process's share of it. Clones share everything; the share is given back with
/// the last of them.
#[derive(Debug, Clone)]
pub(crate) struct Budget(Arc<Purse>);

#[derive(Debug)]
struct Purse {
    name: &'static str,
    whole: Rate,
    clock: Arc<dyn Clock>,
    observers: Observers,
    pace: Pace,
    /// When it was last told that somebody waited for long.
    told_at: Mutex<Option<Duration>>,
    /// Whoever keeps the share listens here.
    stop: watch::Sender<bool>,
}

impl Budget {
    /// A budget of which nothing may be spent yet. `name` tells it from the application's others.
    pub(crate) fn new(
        name: &'static str,
        per_second: NonZeroU32,
        clock: Arc<dyn Clock>,
        observers: Observers,
    ) -> Self {
        let (whole, pace) = (Rate::per_second(per_second), Pace::new(clock.clone()));
        let (told_at, stop) = (Mutex::default(), watch::Sender::new(false));
        Self(Arc::new(Purse { name, whole, clock, observers, pace, told_at, stop }))
    }

    /// From now on this process has its share of it, under the name of `own`: all of it where the
    /// store is not shared.
    pub(crate) async fn begin(&self, ledger: &Ledger, own: &str) {
        let purse = &self.0;
        if !ledger.promises(Kind::Budget).shared_between_processes {
            purse.pace.allow(purse.whole, Duration::MAX);
            return;
        }
        let mut keeper = Keeper {
            purse: Arc::downgrade(purse),
            name: purse.name,
            stake: Stake::new(purse.whole, own.to_owned()),
            ledger: ledger.clone(),
            clock: purse.clock.clone(),
            is_cut_off: false,
        };
        keeper.round().await;
        tokio::spawn(keeper.run(purse.stop.subscribe()));
    }

    /// Waits for leave to send one request; in a task, since somebody who has a place and is polled no
    /// more would hold up all behind.
    pub(crate) async fn ticket(&self, urgency: Urgency) -> Result<Ticket, Closed> {
        let budget = self.clone();
        let mut waiting = JoinSet::new();
        let ticket = async move { budget.ticket_if(urgency, || true).await };
        waiting.spawn(ticket.in_current_span());
        let Some(Ok(ticket)) = waiting.join_next().await else { return Err(Closed) };
        ticket?.ok_or(Closed)
    }

    /// Waits for leave to send one request, as long as it is `wanted`. For tasks, which are polled to
    /// their end.
    pub(crate) async fn ticket_if(
        &self,
        urgency: Urgency,
        wanted: impl Fn() -> bool + Send,
    ) -> Result<Option<Ticket>, Closed> {
        let mut ticket = pin!(self.0.pace.ticket(urgency, wanted));
        if urgency == Urgency::Spare {
            return ticket.await;
        }
        let (came, mut pause) = (self.0.clock.monotonic(), LONG);
        loop {
            tokio::select! {
                biased;
                ticket = &mut ticket => return ticket,
                () = self.0.clock.sleep(pause) => {}
            }
            if self.0.pace.is_open() {
                self.0.tell_short(self.0.clock.monotonic().saturating_sub(came));
            }
            pause = QUIET;
        }
    }

    /// Gives the share back, and returns once others can have it. Nothing more is spent.
    pub(crate) async fn give_back(&self) {
        self.0.pace.close();
        self.0.stop.send_replace(true);
        self.0.stop.closed().await;
    }
}

impl Purse {
    fn tell_short(&self, waited: Duration) {
        let now = self.clock.monotonic();
        let mut told_at = self.told_at.lock().unwrap_or_else(PoisonError::into_inner);
        if told_at.is_some_and(|at| now.saturating_sub(at) < QUIET) {
            return;
        }
        *told_at = Some(now);
        drop(told_at);
        let (budget, waiting) = (self.name, self.pace.waiting());
        self.observers.tell(&Event::BudgetShort { budget, waited, waiting });
    }
}

/// Keeps this process's line in the record, for as long as anybody can spend.
struct Keeper {
    purse: Weak<Purse>,
    name: &'static str,
    stake: Stake,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    is_cut_off: bool,
}

impl Keeper {
    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                biased;
                _ = stop.changed() => break,
                () = self.clock.sleep(jittered(LOOK)) => {}
            }
            self.round().await;
        }
        if self.patiently(self.leave()).await.is_err() {
            tracing::debug!("a share was not given back; it will lapse");
        }
    }

    /// Looks, writes if need be, and spends accordingly.
    async fn round(&mut self) {
        if let Err(error) = self.turns().await {
            tracing::debug!(%error, "a share was not renewed");
            self.stake.failed(self.clock.monotonic());
        }
        self.apply();
    }

    /// Who always comes second has not written either.
    async fn turns(&mut self) -> Result<(), LedgerError> {
        for _ in 0..TRIES {
            match self.turn().await {
                Err(LedgerError::Conflict) => self.clock.sleep(jittered(PAUSE)).await,
                outcome => return outcome,
            }
        }
        Err(LedgerError::Conflict)
    }

    async fn turn(&mut self) -> Result<(), LedgerError> {
        let (at, parts) = self.patiently(self.read()).await?;
        let now = self.clock.monotonic();
        let Some(next) = self.stake.look(&parts, now) else { return Ok(()) };
        self.apply();
        self.patiently(self.write(at, next.clone())).await?;
        self.stake.wrote(&next, now);
        Ok(())
    }

    fn apply(&mut self) {
        let Some(purse) = self.purse.upgrade() else { return };
        let now = self.clock.monotonic();
        let allowance = self.stake.allowance(now);
        purse.pace.allow(allowance.rate, allowance.until);
        let was_cut_off = std::mem::replace(&mut self.is_cut_off, self.stake.is_cut_off(now));
        if self.is_cut_off && !was_cut_off {
            purse.observers.tell(&Event::BudgetUnshared { budget: self.name });
        }
    }

    async fn leave(&self) -> Result<(), LedgerError> {
        for _ in 0..TRIES {
            let (at, parts) = self.read().await?;
            let Some(left) = self.stake.left(&parts) else { return Ok(()) };
            match self.write(at, left).await {
                Err(LedgerError::Conflict) => self.clock.sleep(jittered(PAUSE)).await,
                written => return written,
            }
        }
        Err(LedgerError::Conflict)
    }

    /// What is written, and where. What does not open is as good as nothing, and is written over.
    async fn read(&self) -> Result<(Option<Revision>, Vec<Part>), LedgerError> {
        match self.ledger.load::<BudgetRecord>(None, self.name).await {
            Ok(Some(Held { record, revision })) => Ok((Some(revision), record.parts)),
            Ok(None) => Ok((None, Vec::new())),
            Err(LedgerError::Damaged { revision: Some(at), .. }) => Ok((Some(at), Vec::new())),
            Err(error) => Err(error),
        }
    }

    /// The last who leaves takes the record along.
    async fn write(&self, at: Option<Revision>, parts: Vec<Part>) -> Result<(), LedgerError> {
        let (name, litter_at) = (self.name.to_owned(), later(self.clock.now(), LITTER_AFTER));
        let record = BudgetRecord { name, parts, litter_at };
        match at {
            None => self.ledger.insert(&record).await.map(drop),
            Some(at) if record.parts.is_empty() => {
                self.ledger.remove::<BudgetRecord>(None, self.name, at).await
            }
            Some(at) => self.ledger.replace(&record, at).await.map(drop),
        }
    }

    /// A store that hangs is one that fails.
    async fn patiently<T>(
        &self,
        work: impl Future<Output = Result<T, LedgerError>>,
    ) -> Result<T, LedgerError> {
        tokio::select! {
            biased;
            done = work => done,
            () = self.clock.sleep(PATIENCE) => Err(LedgerError::too_late()),
        }
    }
}

/// Between half of it and all of it, so that processes do not come all at once.
fn jittered(pause: Duration) -> Duration {
    let [chance] = random::<1>();
    pause / 2 + pause / 2 * u32::from(chance) / 255
}

#[cfg(test)]
mod tests;
