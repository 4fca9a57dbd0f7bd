//! What a partner's key remembers of a withdrawal.

use crate::model::clock::from_unix_seconds;
use crate::model::consent::StoredConsent;
use crate::model::tenant::TenantId;
use crate::storage::ledger::partner_keys::PartnerKeys;
use crate::storage::ledger::{Ledger, LedgerError, identity};
use crate::storage::seal::{self, Destroyed};
use crate::storage::store::{Entry, Expect};

impl Ledger {
    /// Lets the partner's key remember this tombstone: should the rows be put back from a backup,
    /// the partner's older consent is not believed. A key that was destroyed remembers already.
    pub(crate) async fn note_withdrawal(
        &self,
        tombstone: &StoredConsent,
    ) -> Result<(), LedgerError> {
        let consent = &tombstone.consent;
        let Some(at) = consent.withdrawn_at.map(from_unix_seconds) else { return Ok(()) };
        let generation = consent.generation.saturating_sub(1);
        self.keys.remember(consent.partner, Destroyed { generation, at }).await
    }

    /// The last time that this partner was withdrawn or its key destroyed, as its key remembers.
    pub(crate) async fn last_let_go(
        &self,
        partner: TenantId,
    ) -> Result<Option<Destroyed>, LedgerError> {
        self.keys.last_let_go(partner).await
    }
}

impl PartnerKeys {
    async fn remember(&self, partner: TenantId, withdrawal: Destroyed) -> Result<(), LedgerError> {
        let place = self.place(Some(partner));
        while let Some(stored) = self.store().get(&place).await? {
            let row = self.row(&place, &stored)?;
            if row.destroyed().is_some_and(|known| known.generation >= withdrawal.generation) {
                return Ok(());
            }
            let about = |error| LedgerError::Key { partner: Some(partner), error };
            let Some(key) = row.unwrap(self.holder()).await.map_err(about)? else { return Ok(()) };
            let sealed =
                seal::wrap_key(&identity(&place), self.holder(), &key, Some(withdrawal)).await;
            let entry = Entry { sealed: sealed.map_err(about)?, due: None };
            self.forget(Some(partner));
            match self.put(&place, entry, Expect::At(stored.revision)).await {
                Err(LedgerError::Conflict) => {}
                put => return put.map(drop),
            }
        }
        Ok(())
    }

    async fn last_let_go(&self, partner: TenantId) -> Result<Option<Destroyed>, LedgerError> {
        let place = self.place(Some(partner));
        match self.store().get(&place).await? {
            Some(stored) => Ok(self.row(&place, &stored)?.destroyed()),
            None => Ok(None),
        }
    }
}
