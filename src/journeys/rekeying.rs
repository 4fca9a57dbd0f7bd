//! From an old key of the ring to a new one, while everything works.
//!
//! First every process gets the new key as a readable one, then as its primary one. Then one of
//! them rewraps what lies under other keys; it may be broken off and begun again, and several may do
//! so at once. What nothing is under, and nobody wraps under, can be retired.

use std::fmt;
use std::sync::Arc;

use tokio::task::{JoinError, JoinSet};

use crate::error::Error;
use crate::journeys::tally::Tally;
use crate::model::clock::Clock;
use crate::model::event::{Event, Observers};
use crate::model::tenant::TenantId;
use crate::storage::keyring::{KeyError, KeyId, KeyRefusal};
use crate::storage::ledger::{KeyUse, Ledger, LedgerError};
use crate::storage::roll::Roll;
use crate::storage::seal::Damage;
use crate::storage::store::{Key, Kind, Revision, Stored};

/// Rows under way at once: two commits of a store that puts 256 writes into one, so that one is
/// filled while the other is written.
const AT_ONCE: usize = 512;

#[derive(Debug, Clone)]
pub(crate) struct Rekeying {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ledger: Ledger,
    pub(crate) roll: Roll,
    pub(crate) observers: Observers,
}

/// How far a rotation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRotation {
    total: u64,
    done: u64,
}

impl KeyRotation {
    /// How many partner keys, and marks of destroyed ones, were under other keys at the beginning.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// How many of them were gone through.
    #[must_use]
    pub const fn done(&self) -> u64 {
        self.done
    }
}

/// What a rotation did.
#[derive(Debug, Clone)]
pub struct KeyRotated {
    key: KeyId,
    rewrapped: u64,
    left: Tally<KeyLeft>,
}

impl KeyRotated {
    /// The ring's primary key, under which everything is now but what was left.
    #[must_use]
    pub const fn key(&self) -> &KeyId {
        &self.key
    }

    /// How many rows were put under it.
    #[must_use]
    pub const fn rewrapped(&self) -> u64 {
        self.rewrapped
    }

    /// How many rows could not be rewrapped, and lie there as they were.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.left.count()
    }

    /// Those rows by name, at most a thousand of them.
    #[must_use]
    pub fn named(&self) -> &[KeyLeft] {
        self.left.first()
    }
}

/// The row of a partner's key that could not be rewrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyLeft {
    partner: Option<TenantId>,
    id: String,
    because: LedgerError,
}

impl KeyLeft {
    fn new(key: &Key, because: LedgerError) -> Self {
        Self { partner: key.partner(), id: key.id().to_owned(), because }
    }

    /// Whose key it is; none for the application's own.
    #[must_use]
    pub const fn partner(&self) -> Option<TenantId> {
        self.partner
    }

    /// The row's id in the store.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is wrong with it.
    #[must_use]
    pub const fn because(&self) -> &LedgerError {
        &self.because
    }
}

impl fmt::Display for KeyLeft {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "partner key {}: {}", self.id, self.because)
    }
}

/// A rotation about to begin: see [`Broker::rotate_keys`](crate::Broker::rotate_keys).
#[must_use]
pub struct RotateKeys<'b> {
    rekeying: &'b Rekeying,
    progress: Progress<'b>,
}

type Progress<'b> = Box<dyn FnMut(&KeyRotation) + Send + 'b>;

impl<'b> RotateKeys<'b> {
    pub(crate) fn new(rekeying: &'b Rekeying) -> Self {
        Self { rekeying, progress: Box::new(|_| {}) }
    }

    /// Told at the beginning and after each row.
    pub fn progress(mut self, told: impl FnMut(&KeyRotation) + Send + 'b) -> Self {
        self.progress = Box::new(told);
        self
    }

    /// Rewraps. Where other processes share the store, it first takes a minute and a half to see
    /// which of them live.
    ///
    /// # Errors
    /// [`Error::KeyRefused`], and nothing changed, when a live process cannot read the primary key;
    /// [`Error::Key`] when a key is out of reach, [`Error::Store`]: what was rewrapped stays so, and
    /// the next run goes on from there.
    pub async fn run(self) -> Result<KeyRotated, Error> {
        self.rekeying.rotate(self.progress).await
    }
}

impl fmt::Debug for RotateKeys<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RotateKeys").finish_non_exhaustive()
    }
}

impl Rekeying {
    async fn rotate(&self, progress: Progress<'_>) -> Result<KeyRotated, Error> {
        self.check_readers().await?;
        self.ledger.prove_primary().await?;
        let (total, last) = self.count().await?;
        let rotated = self.pass(Pass::new(&self.ledger, total, progress), last).await?;
        let (key, rewrapped) = (rotated.key.to_string(), rotated.rewrapped);
        self.observers.tell(&Event::KeysRotated { key, rewrapped, left: rotated.left() });
        Ok(rotated)
    }

    /// As far as the last row that was counted: what came later is its writer's own work, this one's
    /// or another's, who may wrap under another key without end.
    async fn pass(&self, mut pass: Pass<'_>, last: Revision) -> Result<KeyRotated, Error> {
        let mut cursor = None;
        loop {
            let page = self.ledger.key_page(cursor).await?;
            self.ledger.prove_unretired().await?;
            page.damaged.into_iter().for_each(|id| pass.leave(unreadable(id)));
            let is_over = page.records.last().is_some_and(|stored| stored.revision > last);
            for stored in page.records.into_iter().filter(|stored| stored.revision <= last) {
                pass.take(stored).await?;
            }
            cursor = page.next;
            if is_over || cursor.is_none() {
                return pass.finish().await;
            }
        }
    }

    /// Retires a key that nothing is under and nobody wraps under. A note that an earlier run left,
    /// being dropped, is finished or taken back.
    pub(crate) async fn retire(&self, key: &KeyId) -> Result<(), Error> {
        if !self.ledger.retired(key).await? {
            if !self.ledger.has_key(key) {
                return Err(LedgerError::from(KeyError::Unknown { id: key.clone() }).into());
            }
            self.check_unused(key).await?;
            self.ledger.begin_retiring(key, self.clock.now()).await?;
        }
        // A process that began before the note stood is seen now; one that began later has seen it.
        if let Err(used) = self.check_unused(key).await {
            self.ledger.reinstate(key).await?;
            return Err(used);
        }
        if self.ledger.finish_retiring(key).await? {
            self.observers.tell(&Event::KeyRetired { key: key.to_string() });
        }
        Ok(())
    }

    async fn check_readers(&self) -> Result<(), Error> {
        let key = self.ledger.primary_key().clone();
        let live = self.roll.live().await?;
        match live.into_iter().find(|process| !process.reads(&key)) {
            Some(process) => Err(KeyRefusal::UnreadableBy { key, process: process.id }.into()),
            None => Ok(()),
        }
    }

    async fn check_unused(&self, key: &KeyId) -> Result<(), Error> {
        let key = key.clone();
        let live = self.roll.live().await?;
        if let Some(process) = live.into_iter().find(|process| process.primary == key) {
            return Err(KeyRefusal::PrimaryOf { key, process: process.id }.into());
        }
        for found in self.ledger.uses_of(&key).await? {
            self.refuse_use(&key, found)?;
        }
        Ok(())
    }

    fn refuse_use(&self, key: &KeyId, found: KeyUse) -> Result<(), KeyRefusal> {
        let (key, realm) = (key.clone(), found.realm.to_string());
        match (found.under, found.unreadable) {
            (0, 0) => Ok(()),
            (0, rows) => Err(KeyRefusal::Unreadable { key, realm, rows }),
            (rows, _) if found.realm == *self.ledger.realm() => {
                Err(KeyRefusal::InUse { key, rows })
            }
            (rows, _) => Err(KeyRefusal::InUseElsewhere { key, realm, rows }),
        }
    }

    /// How many rows are to be rewrapped, and the mark of the last row of all.
    async fn count(&self) -> Result<(u64, Revision), Error> {
        let (mut count, mut last, mut cursor) = (0, Revision::new(0), None);
        loop {
            let page = self.ledger.key_page(cursor).await?;
            last = page.records.last().map_or(last, |stored| stored.revision);
            let done = page.records.iter().filter(|row| self.ledger.is_rewrapped(row) == Ok(true));
            count += (page.damaged.len() + page.records.len() - done.count()) as u64;
            cursor = page.next;
            if cursor.is_none() {
                return Ok((count, last));
            }
        }
    }
}

async fn rewrap(ledger: Ledger, stored: Stored) -> Result<bool, KeyLeft> {
    let key = stored.key.clone();
    ledger.rewrap(stored).await.map_err(|because| KeyLeft::new(&key, because))
}

fn unreadable(id: String) -> KeyLeft {
    let (kind, damage) = (Kind::PartnerKey, Damage::Row);
    let because =
        LedgerError::Damaged { kind, partner: None, id: id.clone(), revision: None, damage };
    KeyLeft { partner: None, id, because }
}

/// One way through the rows. Dropped half way, it leaves every row readable.
struct Pass<'b> {
    ledger: &'b Ledger,
    rotated: KeyRotated,
    under_way: JoinSet<Result<bool, KeyLeft>>,
    rotation: KeyRotation,
    progress: Progress<'b>,
}

impl<'b> Pass<'b> {
    fn new(ledger: &'b Ledger, total: u64, mut progress: Progress<'b>) -> Self {
        let key = ledger.primary_key().clone();
        let rotated = KeyRotated { key, rewrapped: 0, left: Tally::default() };
        let rotation = KeyRotation { total, done: 0 };
        progress(&rotation);
        Self { ledger, rotated, under_way: JoinSet::new(), rotation, progress }
    }

    async fn take(&mut self, stored: Stored) -> Result<(), Error> {
        match self.ledger.is_rewrapped(&stored) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(because) => {
                self.leave(KeyLeft::new(&stored.key, because));
                return Ok(());
            }
        }
        while self.under_way.len() >= AT_ONCE
            && let Some(ended) = self.under_way.join_next().await
        {
            self.note(ended)?;
        }
        self.under_way.spawn(rewrap(self.ledger.clone(), stored));
        Ok(())
    }

    async fn finish(mut self) -> Result<KeyRotated, Error> {
        while let Some(ended) = self.under_way.join_next().await {
            self.note(ended)?;
        }
        Ok(self.rotated)
    }

    fn note(&mut self, ended: Result<Result<bool, KeyLeft>, JoinError>) -> Result<(), Error> {
        match ended.map_err(|_| Error::Defect("the store panicked"))? {
            Ok(rewrapped) => {
                self.rotated.rewrapped += u64::from(rewrapped);
                self.step();
            }
            Err(left) if self.stops(&left.because) => return Err(left.because.into()),
            Err(left) => self.leave(left),
        }
        Ok(())
    }

    /// What is wrong with one row leaves that row; what all would meet stops the pass.
    fn stops(&self, because: &LedgerError) -> bool {
        match because {
            LedgerError::Damaged { .. } => false,
            LedgerError::Key { error, .. } => {
                error.may_pass()
                    || matches!(error, KeyError::Panicked { .. } | KeyError::NoRandomness)
                    || error.key() == Some(&self.rotated.key)
            }
            _ => true,
        }
    }

    fn leave(&mut self, left: KeyLeft) {
        self.rotated.left.note(left);
        self.step();
    }

    fn step(&mut self) {
        self.rotation.done += 1;
        self.rotation.total = self.rotation.total.max(self.rotation.done);
        (self.progress)(&self.rotation);
    }
}

#[cfg(test)]
mod tests;
