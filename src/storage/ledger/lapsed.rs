//! Consents that another has taken the place of, once they cannot be put back any more: each lies in the
//! record of the one that stands, whose due time says until when.

use std::time::SystemTime;

use crate::model::consent::StoredConsent;
use crate::storage::ledger::scan::may_pass;
use crate::storage::ledger::{Held, Ledger, LedgerError, Record, write};
use crate::storage::store::{Entry, Expect, Kind, Selection, Stored};

/// Consents read at once.
const PAGE: usize = 64;

impl Ledger {
    /// Drops what lies behind consents and cannot be put back any more, refresh tokens included; says of
    /// how many. No other record is read. One that does not open, or is written just now, stays as it
    /// is.
    pub(crate) async fn drop_lapsed(&self, now: SystemTime) -> Result<usize, LedgerError> {
        let (mut dropped, mut cursor) = (0, None);
        loop {
            let page = self.page(Kind::Consent, Selection::DueBy(now), cursor, PAGE).await?;
            for stored in &page.records {
                dropped += usize::from(self.drop_behind(stored, now).await?);
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(dropped);
            }
        }
    }

    async fn drop_behind(&self, stored: &Stored, now: SystemTime) -> Result<bool, LedgerError> {
        match self.try_drop_behind(stored, now).await {
            Err(error) if concerns_all(&error) => Err(error),
            dropped => Ok(dropped.unwrap_or(false)),
        }
    }

    async fn try_drop_behind(&self, stored: &Stored, now: SystemTime) -> Result<bool, LedgerError> {
        let Held { record, revision } = self.open::<StoredConsent>(&stored.key, stored).await?;
        if record.past.has_lapsed(now) {
            return self.replace(&record.fitting(now), revision).await.map(|_| true);
        }
        // Version 0.1.0 wrote another due time; and a backup may have brought a row back.
        let (store, due) = (self.stores.of(Kind::Consent), record.due());
        let entry = Entry { due, ..stored.entry.clone() };
        write::put(store, &stored.key, entry, Expect::At(revision)).await.map(|_| false)
    }
}

/// Whether the next record would fare no better.
const fn concerns_all(error: &LedgerError) -> bool {
    match error {
        LedgerError::Store(_) => true,
        LedgerError::Key { error, .. } => may_pass(error),
        _ => false,
    }
}
