//! Destroying a partner's key, which shreds every copy of the partner's rows, and coming back.

use std::time::SystemTime;

use crate::model::consent::believed;
use crate::model::tenant::TenantId;
use crate::storage::ledger::{Ledger, LedgerError, Record, write};
use crate::storage::seal::{self, Destroyed, KeyRow};
use crate::storage::store::{Entry, Expect, Kind, Selection, StoreError, Stored};

/// Marks read at once.
const PAGE: usize = 100;

impl Ledger {
    /// Destroys the partner's key: nothing of this generation or older opens any more, wherever a
    /// copy of the partner's rows lies, and no write under way brings it back.
    pub(crate) async fn shred(
        &self,
        partner: TenantId,
        generation: u64,
    ) -> Result<(), LedgerError> {
        self.keys.destroy(partner, generation).await
    }

    /// Writes the row of the partner's consent as it lies there, whether it opens or not: every
    /// process sees that it has changed, and reads it anew.
    pub(crate) async fn touch_consent(&self, partner: TenantId) -> Result<(), LedgerError> {
        let (store, id) = (self.stores.of(Kind::Consent), partner.to_string());
        let place = self.key(Kind::Consent, Some(partner), &id);
        let Some(row) = self.row_of(Kind::Consent, Some(partner), &id).await? else {
            return Ok(());
        };
        let put = write::put(store, &place, row.entry, Expect::At(row.revision)).await;
        put.map(drop).or_else(lost)
    }

    /// Lets the partner's records be sealed again by a flow that began after its key was destroyed,
    /// and returns what its consent must outlive: nothing where it was never let go.
    /// A flow that began before is refused as [`LedgerError::Shredded`], also after another has
    /// revived the partner. What was destroyed stays so, and is refused in the same way.
    pub(crate) async fn revive(
        &self,
        partner: TenantId,
        begun_at: SystemTime,
    ) -> Result<Option<Destroyed>, LedgerError> {
        self.keys.revive(partner, begun_at).await
    }

    /// Whether the partner has a key, or the mark of a destroyed one.
    pub(crate) async fn has_key_of(&self, partner: TenantId) -> Result<bool, LedgerError> {
        let place = self.keys.place(Some(partner));
        Ok(self.keys.store().get(&place).await?.is_some())
    }

    /// The generation that a record says it is of, unopened: a hint for when it does not open.
    pub(crate) async fn generation_said<R: Record>(
        &self,
        partner: Option<TenantId>,
        id: &str,
    ) -> Result<Option<u64>, LedgerError> {
        let key = self.key(R::KIND, partner, id);
        let stored = self.stores.of(R::KIND).get(&key).await?;
        let said = stored.and_then(|stored| seal::said(&stored.entry.sealed).ok());
        Ok(said.map(|said| said.generation))
    }

    /// Removes the consents of partners whose keys were destroyed an hour ago; says how many. Their
    /// marks stay for good: an old backup may bring the rows back.
    pub(crate) async fn sweep_shredded(&self, now: SystemTime) -> Result<usize, LedgerError> {
        let (mut swept, mut cursor) = (0, None);
        loop {
            let due = Selection::DueBy(now);
            let page = self.page(Kind::PartnerKey, due, cursor, PAGE).await?;
            for stored in &page.records {
                swept += usize::from(self.sweep_behind(stored).await?);
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(swept);
            }
        }
    }

    /// Removes the consent behind a mark, or behind the key of a flow that came after it and may
    /// have been declined. It is read before the mark is seen to stand still: while it stands no
    /// consent of a later life is written. One that the store cannot make out is left for later.
    async fn sweep_behind(&self, stored: &Stored) -> Result<bool, LedgerError> {
        let (store, keys) = (self.stores.of(Kind::Consent), self.keys.store());
        let Some(partner) = stored.key.partner() else { return Ok(false) };
        let Ok(row) = self.keys.row(&stored.key, stored) else { return Ok(false) };
        let place = self.key(Kind::Consent, Some(partner), &partner.to_string());
        let consent = match store.get(&place).await {
            Err(StoreError::Damaged { .. }) => return Ok(false),
            consent => consent?,
        };
        let now = keys.get(&stored.key).await?;
        if now.is_none_or(|now| now.revision != stored.revision) {
            return Ok(false);
        }
        let dead = consent.filter(|consent| died_with(&row, consent));
        if let Some(dead) = &dead {
            write::remove(store, &place, dead.revision).await.or_else(lost)?;
        }
        let entry = Entry { due: None, ..stored.entry.clone() };
        let put = keys.put(&stored.key, entry, Expect::At(stored.revision)).await;
        put.map(drop).map_err(LedgerError::from).or_else(lost)?;
        Ok(dead.is_some())
    }
}

/// Whether a consent died with the key that its partner had: one that says to be no younger than what
/// was destroyed, or that says nothing and lies behind a mark. Of a younger one the key was put back
/// from an older copy, and may come again.
fn died_with(row: &KeyRow<'_>, consent: &Stored) -> bool {
    match (row.destroyed(), seal::said(&consent.entry.sealed)) {
        (Some(destroyed), Ok(said)) => believed(said.generation) <= destroyed.generation,
        (destroyed, _) => destroyed.is_some() && row.mark().is_some(),
    }
}

/// Whoever came first has done it, or revived the partner.
fn lost(error: LedgerError) -> Result<(), LedgerError> {
    if error == LedgerError::Conflict { Ok(()) } else { Err(error) }
}
