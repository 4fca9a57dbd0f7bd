//! Who is at work on this store, and with which keys.
//!
//! Each process puts its own record again at every beat. Whoever wants to know who lives reads all of
//! them, waits some beats on its own monotonic clock, and reads again: a record that has not moved is
//! of a process that has ended. No two clocks are compared.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::model::clock::{Clock, as_seconds, later};
use crate::model::secret::random;
use crate::model::tenant::TenantId;
use crate::storage::keyring::{KeyId, KeyRing};
use crate::storage::ledger::{Held, Ledger, LedgerError, Record};
use crate::storage::store::{Kind, Revision, Selection};

/// How often a process says that it is there.
const BEAT: Duration = Duration::from_secs(30);
/// A record that does not move for so long is of a process that has ended.
const SILENCE: Duration = BEAT.saturating_mul(3);
/// When a sweep may take the record, should nobody have asked who lives. Dates of two machines are
/// compared there, so a day; a process that lives puts its record again at its next beat.
const LITTER_AFTER: Duration = Duration::from_secs(86_400);
/// Records read at once.
const PAGE: usize = 100;

/// A process at work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessRecord {
    /// Drawn when the process opened the store.
    pub(crate) id: String,
    /// The key under which it wraps.
    pub(crate) primary: KeyId,
    /// The keys that it can read besides.
    pub(crate) readable: Vec<KeyId>,
    /// The version of this crate that it runs.
    pub(crate) version: String,
    #[serde(with = "as_seconds")]
    litter_at: SystemTime,
}

impl ProcessRecord {
    /// Whether it can open what lies under this key.
    pub(crate) fn reads(&self, id: &KeyId) -> bool {
        self.primary == *id || self.readable.contains(id)
    }
}

impl Record for ProcessRecord {
    const KIND: Kind = Kind::Process;

    fn partner(&self) -> Option<TenantId> {
        None
    }

    fn id(&self) -> String {
        self.id.clone()
    }

    fn generation(&self) -> u64 {
        0
    }

    fn due(&self) -> Option<SystemTime> {
        Some(self.litter_at)
    }
}

/// The roll of processes, and this process's own line in it. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Roll(Arc<Desk>);

#[derive(Debug)]
struct Desk {
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    own: ProcessRecord,
    announced_at: Mutex<Option<Revision>>,
}

impl Roll {
    pub(crate) fn new(ledger: Ledger, ring: &KeyRing, clock: Arc<dyn Clock>) -> Self {
        let mut ids = ring.ids().cloned();
        let primary = ids.next().expect("a ring has a primary key");
        let readable = ids.collect();
        let id = URL_SAFE_NO_PAD.encode(random::<16>());
        let (version, litter_at) = (env!("CARGO_PKG_VERSION").to_owned(), clock.now());
        let own = ProcessRecord { id, primary, readable, version, litter_at };
        Self(Arc::new(Desk { ledger, clock, own, announced_at: Mutex::default() }))
    }

    /// This process.
    pub(crate) fn own(&self) -> &ProcessRecord {
        &self.0.own
    }

    /// Whether there can be others: only a store that processes share has a roll.
    pub(crate) fn is_shared(&self) -> bool {
        let shared = |kind| self.0.ledger.promises(kind).shared_between_processes;
        shared(Kind::Consent) && shared(Kind::Process)
    }

    /// The mark of this process's last beat, where it is one of consents too: no consent that is
    /// written from now on has a lower one.
    pub(crate) fn mark(&self) -> Option<Revision> {
        let is_beside = self.0.ledger.is_one_store(Kind::Process, Kind::Consent);
        self.0.announced_at().filter(|_| self.is_shared() && is_beside)
    }

    /// Puts this process's record, or puts it again.
    pub(crate) async fn announce(&self) -> Result<(), LedgerError> {
        let desk = &self.0;
        let litter_at = later(desk.clock.now(), LITTER_AFTER);
        let record = ProcessRecord { litter_at, ..desk.own.clone() };
        let last = *desk.announced_at();
        let put = match last {
            None => desk.ledger.insert(&record).await,
            Some(at) => desk.ledger.replace(&record, at).await,
        };
        let revision = match put {
            // Somebody took us for dead, or a put of unknown outcome had happened.
            Err(LedgerError::Conflict) => desk.put_anew(&record).await?,
            put => put?,
        };
        *desk.announced_at() = Some(revision);
        Ok(())
    }

    /// Puts the record again at each beat until told to stop, then leaves.
    pub(crate) async fn stay(self, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                biased;
                _ = stop.changed() => break,
                () = self.0.clock.sleep(BEAT) => {}
            }
            if let Err(error) = self.announce().await {
                tracing::debug!(%error, "this process is not on the roll");
            }
        }
        if let Err(error) = self.leave().await {
            tracing::debug!(%error, "this process did not leave the roll");
        }
    }

    /// Removes this process's record. What cannot be removed, others find out to be dead.
    pub(crate) async fn leave(&self) -> Result<(), LedgerError> {
        let last = self.0.announced_at().take();
        match last {
            Some(at) => self.0.ledger.remove::<ProcessRecord>(None, &self.0.own.id, at).await,
            None => Ok(()),
        }
    }

    /// The processes that live, this one among them. It takes some beats if there are others; the
    /// records of those that have ended are removed.
    ///
    /// A record that moves and cannot be read is an error: nobody knows which keys that process has.
    pub(crate) async fn live(&self) -> Result<Vec<ProcessRecord>, LedgerError> {
        let own = vec![self.0.own.clone()];
        if !self.is_shared() {
            return Ok(own);
        }
        let before = self.0.others().await?;
        if before.is_empty() {
            return Ok(own);
        }
        self.0.clock.sleep(SILENCE).await;
        let mut live = own;
        for (id, (revision, record)) in self.0.others().await? {
            match before.get(&id) {
                Some((seen, _)) if *seen == revision => self.0.bury(&id, revision).await,
                _ => live.push(record?),
            }
        }
        Ok(live)
    }
}

/// By id, at which mark and with what in it.
type Others = BTreeMap<String, (Revision, Result<ProcessRecord, LedgerError>)>;

impl Desk {
    async fn put_anew(&self, record: &ProcessRecord) -> Result<Revision, LedgerError> {
        match self.ledger.revision::<ProcessRecord>(None, &record.id).await? {
            None => self.ledger.insert(record).await,
            Some(at) => self.ledger.replace(record, at).await,
        }
    }

    async fn others(&self) -> Result<Others, LedgerError> {
        let (mut others, mut cursor) = (Others::new(), None);
        loop {
            let listing = self.ledger.list(Selection::All, cursor, PAGE).await?;
            for found in listing.records {
                let (id, revision, record) = placed(found)?;
                others.insert(id, (revision, record));
            }
            cursor = listing.next;
            if cursor.is_none() {
                others.remove(&self.own.id);
                return Ok(others);
            }
        }
    }

    async fn bury(&self, id: &str, at: Revision) {
        let removed = self.ledger.remove::<ProcessRecord>(None, id, at).await;
        if let Err(error) = removed {
            tracing::debug!(%error, "the record of a process that has ended was not removed");
        }
    }

    fn announced_at(&self) -> MutexGuard<'_, Option<Revision>> {
        self.announced_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a record lies, if that much can be told: only then can it be seen to move.
fn placed(
    found: Result<Held<ProcessRecord>, LedgerError>,
) -> Result<(String, Revision, Result<ProcessRecord, LedgerError>), LedgerError> {
    match found {
        Ok(Held { record, revision }) => Ok((record.id.clone(), revision, Ok(record))),
        Err(LedgerError::Damaged { kind, partner, id, revision: Some(at), damage }) => {
            let revision = Some(at);
            let damaged = LedgerError::Damaged { kind, partner, id: id.clone(), revision, damage };
            Ok((id, at, Err(damaged)))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
