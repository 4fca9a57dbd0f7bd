//! Freezing: tokens are kept back, in every process, until somebody lifts it by name.
//!
//! A freeze is a record of the application's. It lies under no partner's key, so that neither a
//! withdrawal nor a shredding lifts it: a partner who comes back finds it stop. What a process
//! has read stays in its memory, and holds there while the store cannot be read.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;

use crate::error::Error;
use crate::model::clock::Clock;
use crate::model::event::{Event, Observers};
use crate::model::freeze::{Freeze, FreezeScope};
use crate::model::secret::random;
use crate::model::tenant::{AccountId, TenantId};
use crate::storage::ledger::{Ledger, LedgerError, Record};
use crate::storage::store::{Kind, Revision, Selection};

const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// Freezes read at once.
const PAGE: usize = 200;
/// Names that are longer than this are none of ours.
const LONGEST_NAME: usize = 64;

impl Record for Freeze {
    const KIND: Kind = Kind::Freeze;

    fn partner(&self) -> Option<TenantId> {
        None
    }

    fn id(&self) -> String {
        self.name().to_owned()
    }

    fn generation(&self) -> u64 {
        0
    }

    fn due(&self) -> Option<SystemTime> {
        None
    }
}

/// What is frozen, as far as this process knows. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Freezes(Arc<Desk>);

#[derive(Debug)]
struct Desk {
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    observers: Observers,
    is_on: AtomicBool,
    known: RwLock<Known>,
    /// Held by whoever of this process is at the store: a list that was read before a write says
    /// nothing about it.
    turn: Mutex<()>,
}

/// The freezes that hold, by name.
type Known = BTreeMap<String, Stop>;

#[derive(Debug, Clone)]
struct Stop {
    freeze: Arc<Freeze>,
    /// Where its row lies; `None` until it is stored.
    at: Option<Revision>,
}

impl Freezes {
    /// Nothing is known before the first look.
    pub(crate) fn new(ledger: Ledger, clock: Arc<dyn Clock>, observers: Observers) -> Self {
        let (is_on, known, turn) = (AtomicBool::new(false), RwLock::default(), Mutex::default());
        Self(Arc::new(Desk { ledger, clock, observers, is_on, known, turn }))
    }

    /// Whether anything is frozen: all that a hand-out asks while nothing is.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_on.load(Ordering::Relaxed)
    }

    /// Refuses the tokens of a partner that is frozen, itself or by the account it is bound to.
    pub(crate) fn admit(&self, partner: TenantId, bound_to: &AccountId) -> Result<(), Error> {
        if !self.is_on() {
            return Ok(());
        }
        let known = self.0.known();
        let mut freezes = known.values().map(|stop| &stop.freeze);
        match freezes.find(|freeze| freeze.scope().covers(partner, bound_to)) {
            Some(freeze) => Err(Error::Frozen { freeze: freeze.clone() }),
            None => Ok(()),
        }
    }

    /// Learns what other processes have frozen and lifted: one small list. If it cannot be read,
    /// what was known goes on.
    pub(crate) async fn look(&self) -> Result<(), LedgerError> {
        let _turn = self.0.turn.lock().await;
        let stored = self.0.read().await?;
        self.0.change(|known| {
            known.retain(|_, stop| stop.at.is_none());
            known.extend(stored);
        });
        Ok(())
    }

    /// Freezes this process at once and the others with the store. A caller who goes away stops
    /// neither. Who asks for the same once more, as after a failure, gets the one that stands.
    pub(crate) async fn freeze(&self, scope: FreezeScope, reason: String) -> Result<Freeze, Error> {
        let freeze = Arc::new(Freeze::new(scope, reason, self.0.clock.now(), random())?);
        let alike = self.0.alike(&freeze);
        if alike.is_none() {
            self.0.hold(&freeze);
        }
        let stored = tokio::spawn(self.clone().store(freeze, alike)).await;
        stored.unwrap_or(Err(Error::Defect("a freeze was not stored")))
    }

    /// One that is alike may have been lifted elsewhere since it was read: only its row shows that
    /// it stands.
    async fn store(self, freeze: Arc<Freeze>, alike: Option<Stop>) -> Result<Freeze, Error> {
        let (freeze, saved) = match alike {
            Some(Stop { freeze, at: None }) => {
                let saved = self.0.save(freeze.name()).await;
                (freeze, saved)
            }
            Some(stop) if self.0.is_stored(&stop.freeze).await => (stop.freeze, Ok(())),
            _ => {
                self.0.hold(&freeze);
                let saved = self.save(freeze.name().to_owned()).await;
                (freeze, saved)
            }
        };
        match saved {
            Ok(()) => Ok(Freeze::clone(&freeze)),
            Err(error) => Err(Error::FreezeUnsaved { freeze, error: Box::new(error.into()) }),
        }
    }

    /// Ends a freeze. Says whether there was one of this name.
    pub(crate) async fn lift(&self, name: &str) -> Result<bool, Error> {
        if name.len() > LONGEST_NAME {
            return Ok(false);
        }
        let _turn = self.0.turn.lock().await;
        let mut stood = self.0.remove(name).await?;
        self.0.change(|known| stood |= known.remove(name).is_some());
        Ok(stood)
    }

    /// Every freeze that stands, the oldest first.
    pub(crate) async fn all(&self) -> Result<Vec<Freeze>, Error> {
        self.look().await?;
        let known = self.0.known();
        let mut freezes: Vec<_> = known.values().map(|stop| Freeze::clone(&stop.freeze)).collect();
        freezes.sort_by_key(Freeze::since);
        Ok(freezes)
    }

    /// Returns once every freeze is stored; whoever calls it bounds the time.
    pub(crate) async fn save_all(&self) {
        while let Some(name) = self.0.unsaved() {
            if self.0.save(&name).await.is_err() {
                self.0.clock.sleep(FIRST_RETRY).await;
            }
        }
    }

    async fn save(self, name: String) -> Result<(), LedgerError> {
        let saved = self.0.save(&name).await;
        if saved.is_err() {
            tokio::spawn(save_later(Arc::downgrade(&self.0), name));
        }
        saved
    }
}

/// Tries again until the store takes it, somebody lifts it, or the broker is gone.
async fn save_later(desk: Weak<Desk>, name: String) {
    let mut pause = FIRST_RETRY;
    while let Some(sleep) = desk.upgrade().map(|desk| desk.clock.sleep(pause)) {
        sleep.await;
        let Some(desk) = desk.upgrade() else { return };
        if desk.save(&name).await.is_ok() {
            return;
        }
        pause = (2 * pause).min(LONGEST_RETRY);
    }
}

impl Desk {
    async fn read(&self) -> Result<Known, LedgerError> {
        let (mut read, mut cursor) = (Known::new(), None);
        loop {
            let page = self.ledger.page(Kind::Freeze, Selection::All, cursor, PAGE).await?;
            let unreadable = page.damaged.into_iter().map(|name| (name, None));
            let rows = page.records.iter();
            let rows = rows.map(|row| (row.key.id().to_owned(), Some(row.revision)));
            for (name, at) in rows.chain(unreadable) {
                if let Some(stop) = self.stop(&name, at).await? {
                    read.insert(name, stop);
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(read);
            }
        }
    }

    /// What stands under this name: as it is known, unless its row has moved since. What does not
    /// open is what it was known to be; else nobody can tell whom it meant, and it stops everybody.
    async fn stop(&self, name: &str, at: Option<Revision>) -> Result<Option<Stop>, LedgerError> {
        let last = self.known().get(name).cloned();
        if let Some(last) = last.as_ref().filter(|last| last.at == at) {
            return Ok(Some(last.clone()));
        }
        match self.ledger.load::<Freeze>(None, name).await {
            Ok(held) => {
                Ok(held.map(|held| Stop { freeze: Arc::new(held.record), at: Some(held.revision) }))
            }
            Err(LedgerError::Damaged { .. }) => {
                Ok(Some(last.unwrap_or_else(|| self.unreadable(name, at))))
            }
            // Its key may be back at the next look.
            Err(LedgerError::Key { .. }) => {
                Ok(Some(last.unwrap_or_else(|| self.unreadable(name, None))))
            }
            Err(error) => Err(error),
        }
    }

    fn unreadable(&self, name: &str, at: Option<Revision>) -> Stop {
        let freeze = Freeze::unreadable(name.to_owned(), self.clock.now());
        Stop { freeze: Arc::new(freeze), at: at.or(Some(Revision::ZERO)) }
    }

    /// A freeze of the same scope, for the same reason; best one that waits to be stored.
    fn alike(&self, freeze: &Freeze) -> Option<Stop> {
        let known = self.known();
        let same = |stop: &&Stop| {
            (stop.freeze.scope(), stop.freeze.reason()) == (freeze.scope(), freeze.reason())
        };
        known.values().filter(same).min_by_key(|stop| stop.at).cloned()
    }

    /// It holds in this process from now on.
    fn hold(&self, freeze: &Arc<Freeze>) {
        let stop = Stop { freeze: freeze.clone(), at: None };
        self.change(|known| drop(known.insert(freeze.name().to_owned(), stop)));
    }

    async fn is_stored(&self, freeze: &Freeze) -> bool {
        let row = self.ledger.revision::<Freeze>(None, freeze.name()).await;
        row.is_ok_and(|row| row.is_some())
    }

    /// Stores a freeze, unless that was done or it was lifted.
    async fn save(&self, name: &str) -> Result<(), LedgerError> {
        let _turn = self.turn.lock().await;
        let waiting = self.known().get(name).filter(|stop| stop.at.is_none()).cloned();
        let Some(Stop { freeze, .. }) = waiting else { return Ok(()) };
        let at = match self.ledger.insert(&*freeze).await {
            Err(LedgerError::Conflict) => self.stored_before(&freeze).await?,
            put => put?,
        };
        self.change(|known| drop(known.insert(name.to_owned(), Stop { freeze, at: Some(at) })));
        Ok(())
    }

    /// A put of unknown outcome may have happened.
    async fn stored_before(&self, freeze: &Freeze) -> Result<Revision, LedgerError> {
        let held = self.ledger.load::<Freeze>(None, freeze.name()).await?;
        let same = held.filter(|held| held.record == *freeze);
        same.map(|held| held.revision).ok_or(LedgerError::Conflict)
    }

    /// Removes the row of this name, whether it opens or not; false if there is none.
    async fn remove(&self, name: &str) -> Result<bool, LedgerError> {
        while let Some(at) = self.ledger.revision::<Freeze>(None, name).await? {
            match self.ledger.remove::<Freeze>(None, name, at).await {
                Err(LedgerError::Conflict) => {}
                removed => return removed.map(|()| true),
            }
        }
        Ok(false)
    }

    fn unsaved(&self) -> Option<String> {
        let known = self.known();
        let mut names = known.iter().filter(|(_, stop)| stop.at.is_none());
        names.next().map(|(name, _)| name.clone())
    }

    /// Changes what this process goes by, and tells what that means.
    fn change(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let before = known.clone();
        change(&mut known);
        self.is_on.store(!known.is_empty(), Ordering::Relaxed);
        let after = known.clone();
        drop(known);
        for freeze in only_in(&after, &before) {
            let (name, scope, reason) = (freeze.name(), freeze.scope(), freeze.reason());
            let (name, scope, reason) = (name.to_owned(), scope.clone(), reason.to_owned());
            self.observers.tell(&Event::Frozen { name, scope, reason });
        }
        for freeze in only_in(&before, &after) {
            let (name, scope) = (freeze.name().to_owned(), freeze.scope().clone());
            self.observers.tell(&Event::Lifted { name, scope });
        }
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The freezes of the one that the other has not.
fn only_in<'a>(one: &'a Known, other: &'a Known) -> impl Iterator<Item = &'a Freeze> {
    let missing = one.iter().filter(|(name, _)| !other.contains_key(*name));
    missing.map(|(_, stop)| &*stop.freeze)
}
