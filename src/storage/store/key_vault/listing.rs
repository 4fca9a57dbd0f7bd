//! Lists: the vault orders nothing, so tags are ordered in memory and values read page by page.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::storage::seal::Sealed;
use crate::storage::store::key_vault::label::{Label, is_of, is_ours, is_removed, secret_name};
use crate::storage::store::key_vault::{Found, KeyVaultSecrets, failure};
use crate::storage::store::{
    Cursor, Entry, Filter, Key, Page, Revision, Selection, StoreError, Stored,
};
use crate::transport::key_vault::SecretInfo;

/// The last list of the vault's secrets, without their values, for the pages that follow the first.
#[derive(Default)]
pub(super) struct Listing {
    last: Mutex<Option<Snapshot>>,
}

/// The secrets of a moment.
#[derive(Clone)]
pub(super) struct Snapshot {
    pub(super) infos: Arc<[SecretInfo]>,
    taken: Duration,
    settled_until: Revision,
}

impl Listing {
    /// What lies in the vault: as it is now, or as it was when a list was begun that goes on.
    pub(super) async fn read(
        &self,
        store: &KeyVaultSecrets,
        goes_on: bool,
    ) -> Result<Snapshot, StoreError> {
        let taken = store.vault.clock().monotonic();
        if let Some(snapshot) = goes_on.then(|| self.since(taken)).flatten() {
            return Ok(snapshot);
        }
        let settled_until = store.settled_until();
        let all = store.vault.secrets().await.map_err(|error| failure(&error))?;
        let ours = all.into_iter().filter(|info| is_ours(info) && !is_removed(info));
        let snapshot = Snapshot { infos: ours.collect(), taken, settled_until };
        *self.last() = Some(snapshot.clone());
        Ok(snapshot)
    }

    fn since(&self, now: Duration) -> Option<Snapshot> {
        let fresh = |last: &Snapshot| now.saturating_sub(last.taken) < FRESH;
        self.last().clone().filter(fresh)
    }

    fn last(&self) -> MutexGuard<'_, Option<Snapshot>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Snapshot {
    /// A write that is under way may come to lie before one that is seen already: whoever follows
    /// the marks would miss it, so what comes after it waits for the next list.
    fn is_settled(&self, filter: &Filter, found: &Stored) -> bool {
        let follows = matches!(filter.selection, Selection::ChangedAfter(_));
        !follows || found.revision <= self.settled_until
    }

    /// Where a secret stands in the list, if it is in it and comes after the cursor.
    fn place(&self, filter: &Filter, info: &SecretInfo) -> Option<(Cursor, Key)> {
        let label = Label::read(&info.tags)?;
        let key = label.key(filter)?;
        let entry = Entry { sealed: Sealed::from_bytes(Vec::new()), due: label.due };
        let valueless = Stored { key, entry, revision: label.revision };
        let place = filter.selection.place(&valueless);
        let after = filter.cursor.as_ref().is_none_or(|cursor| place > *cursor);
        let listed = filter.selection.admits(&valueless) && self.is_settled(filter, &valueless);
        (after && listed).then_some((place, valueless.key))
    }
}

impl KeyVaultSecrets {
    pub(super) async fn page(&self, filter: &Filter) -> Result<Page, StoreError> {
        let snapshot = self.listing.read(self, filter.cursor.is_some()).await?;
        let infos = snapshot.infos.iter();
        let mut places: Vec<(Cursor, Key)> =
            infos.filter_map(|info| snapshot.place(filter, info)).collect();
        places.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let limit = filter.limit.max(1);
        let mut page = Page::default();
        if filter.cursor.is_none() {
            let infos = snapshot.infos.iter();
            page.damaged.extend(infos.filter_map(|info| illegible(filter, info)));
        }
        page.next = places.get(limit).map(|_| places[limit - 1].0.clone());
        for (_, key) in places.into_iter().take(limit) {
            self.add(&mut page, &snapshot, filter, key).await?;
        }
        Ok(page)
    }

    /// What has changed since the list was taken is there as it is now, or not at all.
    async fn add(
        &self,
        page: &mut Page,
        snapshot: &Snapshot,
        filter: &Filter,
        key: Key,
    ) -> Result<(), StoreError> {
        match self.find(&key, &secret_name(&key)).await {
            Ok(Some(Found { stored, .. })) => {
                if filter.selection.admits(&stored) && snapshot.is_settled(filter, &stored) {
                    page.records.push(stored);
                }
            }
            Ok(None) => {}
            Err(StoreError::Damaged { .. }) => page.damaged.push(key.id().to_owned()),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// The name of a secret of which not even the tags can be made out, if it may be of this list.
fn illegible(filter: &Filter, info: &SecretInfo) -> Option<String> {
    let may_be = Label::read(&info.tags).is_none() && is_of(filter, info);
    may_be.then(|| info.name.clone())
}

/// How long a list may take from its first page to its last before it is read anew.
const FRESH: Duration = Duration::from_secs(120);
