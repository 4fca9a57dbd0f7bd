//! Records that nobody wants any more: removed page by page, unopened, since what is due to be
//! erased needs no key. Several processes may do so at once; each record goes at its own revision.

use std::time::SystemTime;

use tokio::task::JoinSet;

use crate::storage::ledger::{Ledger, LedgerError, write};
use crate::storage::store::{Cursor, Kind, Page, Selection, StoreError, Stored};

/// Records removed at once: a store may put them into one commit.
const PAGE: usize = 64;

impl Ledger {
    /// Removes the records of this kind that were due at this time; says how many. What another
    /// writes or removes meanwhile is left to it.
    pub(crate) async fn remove_due(
        &self,
        kind: Kind,
        by: SystemTime,
    ) -> Result<usize, LedgerError> {
        let (mut removed, mut cursor) = (0, None);
        loop {
            let page = self.page(kind, Selection::DueBy(by), cursor, PAGE).await?;
            cursor = page.next.clone();
            removed += self.remove_page(page).await?;
            if cursor.is_none() {
                return Ok(removed);
            }
        }
    }

    /// Removes the records of this kind whose ids begin so.
    pub(crate) async fn remove_all(&self, kind: Kind, start: &str) -> Result<usize, LedgerError> {
        let (mut removed, mut cursor) = (0, Some(Cursor { number: 0, id: start.to_owned() }));
        loop {
            let mut page = self.page(kind, Selection::All, cursor, PAGE).await?;
            cursor = page.next.take();
            let read = page.records.len();
            page.records.retain(|stored| stored.key.id().starts_with(start));
            let all_match = page.records.len() == read;
            removed += self.remove_page(page).await?;
            if cursor.is_none() || !all_match {
                return Ok(removed);
            }
        }
    }

    async fn remove_page(&self, page: Page) -> Result<usize, LedgerError> {
        let mut removals = JoinSet::new();
        for stored in page.records {
            removals.spawn(self.clone().remove_stored(stored));
        }
        let mut removed = 0;
        while let Some(outcome) = removals.join_next().await {
            match outcome.map_err(|_| StoreError::unavailable("its task has ended"))? {
                Ok(()) => removed += 1,
                Err(LedgerError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(removed)
    }

    async fn remove_stored(self, stored: Stored) -> Result<(), LedgerError> {
        write::remove(self.stores.of(stored.key.kind()), &stored.key, stored.revision).await
    }
}
