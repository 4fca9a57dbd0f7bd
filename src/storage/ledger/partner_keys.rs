//! The keys of partners: made at the first write, kept unwrapped for the next, destroyed for good.
//!
//! A destroyed key leaves a mark in its place. While it stands nothing is sealed for that partner,
//! so that no write under way can bring it back; only what began after the destruction makes a key
//! again.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::model::clock::{Clock, later};
use crate::model::cloud::Realm;
use crate::model::consent::believed;
use crate::model::tenant::TenantId;
use crate::storage::keyring::{DataKey, KeyError, KeyRing, Keyholder};
use crate::storage::ledger::{LedgerError, Stores, damaged, identity, write};
use crate::storage::seal::{self, Damage, Destroyed, KeyRow, PartnerKey, Said, UnwrapError};
use crate::storage::store::{Entry, Expect, Key, Kind, Revision, Store, Stored};

/// Partner keys of one realm, a bounded number of them unwrapped.
pub(super) struct PartnerKeys {
    stores: Stores,
    holder: Keyholder,
    realm: Realm,
    clock: Arc<dyn Clock>,
    unwrapped: Mutex<HashMap<Option<TenantId>, Unwrapped>>,
    /// Of many who miss the same key, one asks the ring.
    asking: Vec<tokio::sync::Mutex<()>>,
}

/// The revision says whether the store still holds this very key.
#[derive(Clone)]
struct Unwrapped {
    revision: Revision,
    key: Arc<PartnerKey>,
    unwrapped_at: Duration,
    seen_at: Duration,
}

impl PartnerKeys {
    pub(super) fn new(stores: Stores, ring: KeyRing, realm: Realm, clock: Arc<dyn Clock>) -> Self {
        let holder = Keyholder::new(ring, Arc::clone(&clock));
        let asking = std::iter::repeat_with(Default::default).take(ASKING).collect();
        Self { stores, holder, realm, clock, unwrapped: Mutex::default(), asking }
    }

    pub(super) const fn holder(&self) -> &Keyholder {
        &self.holder
    }

    /// The store that keeps them.
    pub(super) fn store(&self) -> &dyn Store {
        self.stores.of(Kind::PartnerKey)
    }

    /// The key to seal with, made if there is none. The store is always asked: sealing under a key
    /// that another process has destroyed would lose the record.
    pub(super) async fn for_writing(
        &self,
        partner: Option<TenantId>,
    ) -> Result<Arc<PartnerKey>, LedgerError> {
        if let Some(key) = self.current(partner).await? {
            return Ok(key);
        }
        match self.make(&self.place(partner), Expect::Absent, None, None).await {
            // Another process made one at the same moment: its key is everybody's.
            Err(LedgerError::Conflict) => self.current(partner).await?.ok_or(LedgerError::Conflict),
            made => made,
        }
    }

    /// The key that a record says it was sealed under, if the partner's key is still that one. For
    /// some seconds that is believed without asking the store. Where it is another, or a mark, and
    /// remembers that the partner was let go at that generation or later, that one was destroyed.
    /// Otherwise it is gone: the keys may have been put back from an older copy.
    pub(super) async fn for_reading(
        &self,
        partner: Option<TenantId>,
        said: Said,
    ) -> Result<Option<Arc<PartnerKey>>, LedgerError> {
        let known = self.known(partner).filter(|known| self.age(known.seen_at) <= RECHECK);
        if let Some(known) = known.filter(|known| known.key.id() == said.under) {
            return Ok(Some(known.key));
        }
        let outlived = |mark: &Destroyed| believed(said.generation) <= mark.generation;
        let key = match self.current(partner).await {
            Err(LedgerError::Shredded { generation, at, .. })
                if !outlived(&Destroyed { generation, at }) =>
            {
                return Ok(None);
            }
            key => key?,
        };
        let Some(key) = key else { return Ok(None) };
        if key.id() == said.under {
            return Ok(Some(key));
        }
        match (partner, key.let_go().filter(outlived)) {
            (Some(partner), Some(destroyed)) => Err(shredded(partner, destroyed)),
            _ => Ok(None),
        }
    }

    /// Destroys the partner's key, whether this ring can read it or not, and leaves a mark: from
    /// now on nothing of that generation or older opens, in no copy of the partner's rows.
    pub(super) async fn destroy(
        &self,
        partner: TenantId,
        generation: u64,
    ) -> Result<(), LedgerError> {
        let place = self.place(Some(partner));
        loop {
            let stored = self.store().get(&place).await?;
            let row = stored.as_ref().and_then(|stored| self.row(&place, stored).ok());
            let standing = row.as_ref().and_then(KeyRow::mark);
            if standing.is_some_and(|mark| mark.generation >= generation) {
                self.forget(Some(partner));
                return Ok(());
            }
            let now = self.clock.now();
            let destroyed = Destroyed { generation, at: now };
            // The memory of the key outlives it: no generation is given twice.
            let remembered = row.and_then(|row| row.destroyed());
            let destroyed = remembered.map_or(destroyed, |known| destroyed.with(known));
            let sealed = seal::mark(&identity(&place), &self.holder, destroyed)?;
            let entry = Entry { sealed, due: Some(later(now, ROW_STAYS)) };
            let expect = stored.map_or(Expect::Absent, |stored| Expect::At(stored.revision));
            self.forget(Some(partner));
            match self.put(&place, entry, expect).await {
                Err(LedgerError::Conflict) => {}
                put => return put.map(drop),
            }
        }
    }

    /// Lets a flow that began after the last destruction seal again. Returns what the new consent
    /// must outlive, where there was something.
    pub(super) async fn revive(
        &self,
        partner: TenantId,
        begun_at: SystemTime,
    ) -> Result<Option<Destroyed>, LedgerError> {
        let place = self.place(Some(partner));
        loop {
            let Some(stored) = self.store().get(&place).await? else { return Ok(None) };
            let row = self.row(&place, &stored)?;
            let Some(destroyed) = row.destroyed() else { return Ok(None) };
            if destroyed.overtook(begun_at) {
                return Err(shredded(partner, destroyed));
            }
            if row.mark().is_none() {
                return Ok(Some(destroyed));
            }
            // What was destroyed is still to be swept.
            let (at, due) = (Expect::At(stored.revision), stored.entry.due);
            match self.make(&place, at, Some(destroyed), due).await {
                Err(LedgerError::Conflict) => {}
                made => return made.map(|_| Some(destroyed)),
            }
        }
    }

    /// What lies in a partner key's place, as the ring has signed it.
    pub(super) fn row<'a>(
        &self,
        place: &Key,
        stored: &'a Stored,
    ) -> Result<KeyRow<'a>, LedgerError> {
        let row = KeyRow::read(&identity(place), &self.holder, &stored.entry.sealed);
        row.map_err(|error| match error {
            UnwrapError::Damage(damage) => damaged(place, stored.revision, damage),
            UnwrapError::Key(error) => LedgerError::Key { partner: place.partner(), error },
        })
    }

    async fn current(
        &self,
        partner: Option<TenantId>,
    ) -> Result<Option<Arc<PartnerKey>>, LedgerError> {
        let place = self.place(partner);
        let Some(stored) = self.store().get(&place).await? else {
            self.forget(partner);
            return Ok(None);
        };
        if let Some(key) = self.still_good(partner, stored.revision) {
            return Ok(Some(key));
        }
        let _turn = self.asking[lane(partner)].lock().await;
        match self.still_good(partner, stored.revision) {
            Some(key) => Ok(Some(key)),
            None => self.unwrap(&place, &stored).await.map(Some),
        }
    }

    pub(super) async fn unwrap(
        &self,
        place: &Key,
        stored: &Stored,
    ) -> Result<Arc<PartnerKey>, LedgerError> {
        let partner = place.partner();
        self.forget(partner);
        let row = self.row(place, stored)?;
        let let_go = row.destroyed();
        if let (Some(partner), Some(mark)) = (partner, row.mark()) {
            return Err(shredded(partner, mark));
        }
        let key = row.unwrap(&self.holder).await;
        let key = key.map_err(|error| LedgerError::Key { partner, error })?;
        let key = key.ok_or_else(|| damaged(place, stored.revision, Damage::Contents))?;
        Ok(self.keep(partner, &key, let_go, stored.revision))
    }

    pub(super) async fn make(
        &self,
        place: &Key,
        expect: Expect,
        after: Option<Destroyed>,
        due: Option<SystemTime>,
    ) -> Result<Arc<PartnerKey>, LedgerError> {
        let key = DataKey::generate()?;
        let sealed = seal::wrap_key(&identity(place), &self.holder, &key, after).await;
        let about = |error| LedgerError::Key { partner: place.partner(), error };
        let entry = Entry { sealed: sealed.map_err(about)?, due };
        let revision = self.put(place, entry, expect).await?;
        Ok(self.keep(place.partner(), &key, after, revision))
    }

    /// Puts what is under the primary key, unless that was retired meanwhile: whoever slept was
    /// taken for dead, and the others may have taken that key out of their rings (F-25).
    pub(super) async fn put(
        &self,
        place: &Key,
        entry: Entry,
        expect: Expect,
    ) -> Result<Revision, LedgerError> {
        self.refuse_retired(place.partner()).await?;
        write::put(self.store(), place, entry, expect).await
    }

    /// The primary key, if nothing may be put under it any more, is the error.
    pub(super) async fn refuse_retired(
        &self,
        partner: Option<TenantId>,
    ) -> Result<(), LedgerError> {
        let (id, kind) = (self.holder.primary(), Kind::RetiredKey);
        let note = Key::new(self.realm.clone(), kind, None, id.as_str());
        match self.stores.of(kind).get(&note).await? {
            Some(_) => {
                Err(LedgerError::Key { partner, error: KeyError::Retired { id: id.clone() } })
            }
            None => Ok(()),
        }
    }

    fn keep(
        &self,
        partner: Option<TenantId>,
        key: &DataKey,
        let_go: Option<Destroyed>,
        revision: Revision,
    ) -> Arc<PartnerKey> {
        let key = Arc::new(PartnerKey::from(key).remembering(let_go));
        let now = self.clock.monotonic();
        let known = Unwrapped { revision, key: Arc::clone(&key), unwrapped_at: now, seen_at: now };
        let mut unwrapped = self.unwrapped();
        // Every other one goes, so that making room is not a walk through all of them each time.
        if unwrapped.len() >= MOST_UNWRAPPED {
            let mut stays = false;
            unwrapped.retain(|_, _| {
                stays = !stays;
                stays
            });
        }
        unwrapped.insert(partner, known);
        key
    }

    /// The key in memory, if it is the one that the store was seen to hold just now.
    fn still_good(&self, partner: Option<TenantId>, at: Revision) -> Option<Arc<PartnerKey>> {
        let mut unwrapped = self.unwrapped();
        let known = unwrapped.get_mut(&partner)?;
        if known.revision != at || !self.is_trusted(known) {
            return None;
        }
        known.seen_at = self.clock.monotonic();
        Some(Arc::clone(&known.key))
    }

    fn known(&self, partner: Option<TenantId>) -> Option<Unwrapped> {
        self.unwrapped().get(&partner).filter(|known| self.is_trusted(known)).cloned()
    }

    /// Whether it may serve without asking the ring.
    fn is_trusted(&self, known: &Unwrapped) -> bool {
        self.age(known.unwrapped_at) < self.holder.cached_for()
    }

    fn age(&self, since: Duration) -> Duration {
        self.clock.monotonic().saturating_sub(since)
    }

    pub(super) fn forget(&self, partner: Option<TenantId>) {
        self.unwrapped().remove(&partner);
    }

    pub(super) fn place(&self, partner: Option<TenantId>) -> Key {
        let id = partner.map_or_else(|| APPLICATION.to_owned(), |partner| partner.to_string());
        Key::new(self.realm.clone(), Kind::PartnerKey, partner, id)
    }

    fn unwrapped(&self) -> MutexGuard<'_, HashMap<Option<TenantId>, Unwrapped>> {
        self.unwrapped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for PartnerKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PartnerKeys").field("ring", &self.holder).finish_non_exhaustive()
    }
}

fn shredded(partner: TenantId, destroyed: Destroyed) -> LedgerError {
    let Destroyed { generation, at } = destroyed;
    LedgerError::Shredded { partner, generation, at }
}

/// Random ids spread evenly over a few lanes.
fn lane(partner: Option<TenantId>) -> usize {
    partner.map_or(0, |partner| usize::from(partner.as_bytes()[15]) % ASKING)
}

/// The id of the key for what belongs to the application and no partner.
const APPLICATION: &str = "application";

/// How long the row of a destroyed key stays for other processes to notice.
const ROW_STAYS: Duration = Duration::from_secs(3600);

/// A key that another process destroyed opens nothing here after this time.
const RECHECK: Duration = Duration::from_secs(5);

const MOST_UNWRAPPED: usize = 4096;
const ASKING: usize = 64;
