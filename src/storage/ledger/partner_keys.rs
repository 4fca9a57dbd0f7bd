//! The keys of partners: made at the first write, kept unwrapped for the next.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::cloud::Realm;
use crate::model::tenant::TenantId;
use crate::storage::keyring::KeyRing;
use crate::storage::ledger::{LedgerError, damaged, identity, write};
use crate::storage::seal::{PartnerKey, PartnerKeyId, UnwrapError};
use crate::storage::store::{Entry, Expect, Key, Kind, Revision, Store, Stored};

/// Partner keys of one realm, a bounded number of them unwrapped.
pub(super) struct PartnerKeys {
    store: Arc<dyn Store>,
    ring: KeyRing,
    realm: Realm,
    unwrapped: Mutex<HashMap<Option<TenantId>, Unwrapped>>,
}

/// The revision says whether the store still holds this very key.
#[derive(Clone)]
struct Unwrapped {
    revision: Revision,
    key: Arc<PartnerKey>,
}

impl PartnerKeys {
    pub(super) fn new(store: Arc<dyn Store>, ring: KeyRing, realm: Realm) -> Self {
        Self { store, ring, realm, unwrapped: Mutex::default() }
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
        match self.make(partner).await {
            // Another process made one at the same moment: its key is everybody's.
            Err(LedgerError::Conflict) => self.current(partner).await?.ok_or(LedgerError::Conflict),
            made => made,
        }
    }

    /// The key that a record says it was sealed under, if the partner's key is still that one.
    pub(super) async fn for_reading(
        &self,
        partner: Option<TenantId>,
        wanted: PartnerKeyId,
    ) -> Result<Option<Arc<PartnerKey>>, LedgerError> {
        let known = self.known(partner).map(|unwrapped| unwrapped.key);
        if let Some(key) = known.filter(|key| key.id() == wanted) {
            return Ok(Some(key));
        }
        Ok(self.current(partner).await?.filter(|key| key.id() == wanted))
    }

    async fn current(
        &self,
        partner: Option<TenantId>,
    ) -> Result<Option<Arc<PartnerKey>>, LedgerError> {
        let place = self.place(partner);
        let Some(stored) = self.store.get(&place).await? else {
            self.unwrapped().remove(&partner);
            return Ok(None);
        };
        match self.known(partner) {
            Some(known) if known.revision == stored.revision => Ok(Some(known.key)),
            _ => self.unwrap(&place, &stored).await.map(Some),
        }
    }

    async fn unwrap(&self, place: &Key, stored: &Stored) -> Result<Arc<PartnerKey>, LedgerError> {
        let key = PartnerKey::unwrap(&identity(place), &self.ring, &stored.entry.sealed).await;
        let key = key.map_err(|error| match error {
            UnwrapError::Damage(damage) => damaged(place, damage),
            UnwrapError::Key(error) => LedgerError::Key { partner: place.partner(), error },
        })?;
        Ok(self.keep(place.partner(), key, stored.revision))
    }

    async fn make(&self, partner: Option<TenantId>) -> Result<Arc<PartnerKey>, LedgerError> {
        let place = self.place(partner);
        let key = PartnerKey::generate()?;
        let sealed = key.wrap(&identity(&place), &self.ring).await?;
        let entry = Entry { sealed, due: None };
        let revision = write::put(self.store.as_ref(), &place, entry, Expect::Absent).await?;
        Ok(self.keep(partner, key, revision))
    }

    fn keep(
        &self,
        partner: Option<TenantId>,
        key: PartnerKey,
        revision: Revision,
    ) -> Arc<PartnerKey> {
        let key = Arc::new(key);
        let mut unwrapped = self.unwrapped();
        if unwrapped.len() >= MOST_UNWRAPPED {
            let any = unwrapped.keys().next().copied();
            any.and_then(|any| unwrapped.remove(&any));
        }
        unwrapped.insert(partner, Unwrapped { revision, key: Arc::clone(&key) });
        key
    }

    fn place(&self, partner: Option<TenantId>) -> Key {
        let id = partner.map_or_else(|| APPLICATION.to_owned(), |partner| partner.to_string());
        Key::new(self.realm.clone(), Kind::PartnerKey, partner, id)
    }

    fn known(&self, partner: Option<TenantId>) -> Option<Unwrapped> {
        self.unwrapped().get(&partner).cloned()
    }

    fn unwrapped(&self) -> MutexGuard<'_, HashMap<Option<TenantId>, Unwrapped>> {
        self.unwrapped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for PartnerKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PartnerKeys").field("ring", &self.ring).finish_non_exhaustive()
    }
}

/// The id of the key for what belongs to the application and no partner.
const APPLICATION: &str = "application";

const MOST_UNWRAPPED: usize = 4096;
