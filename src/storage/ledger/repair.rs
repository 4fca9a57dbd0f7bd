//! What replaces a partner's key that is damaged.

use crate::model::tenant::TenantId;
use crate::storage::keyring::KeyError;
use crate::storage::ledger::partner_keys::PartnerKeys;
use crate::storage::ledger::{Ledger, LedgerError};
use crate::storage::store::{Expect, Stored};

impl Ledger {
    /// Makes a new key where the partner's is damaged: what was sealed under that one is lost, and
    /// was lost before. What it remembered stays, where that can be read. A key that the ring merely
    /// lacks, or that is out of reach, stays.
    pub(crate) async fn replace_damaged_key(&self, partner: TenantId) -> Result<(), LedgerError> {
        self.keys.replace_damaged(partner).await
    }
}

impl PartnerKeys {
    async fn replace_damaged(&self, partner: TenantId) -> Result<(), LedgerError> {
        let place = self.place(Some(partner));
        while let Some(stored) = self.store().get(&place).await? {
            match self.examine(&stored).await {
                Err(error) if is_damaged(&error) => {}
                sound => return sound,
            }
            // What is signed can be read where the key itself no longer opens.
            let let_go = self.row(&place, &stored).ok().and_then(|row| row.destroyed());
            let (at, due) = (Expect::At(stored.revision), stored.entry.due);
            match self.make(&place, at, let_go, due).await {
                Err(LedgerError::Conflict) => {}
                made => return made.map(drop),
            }
        }
        Ok(())
    }

    /// Whether the key of this row opens.
    pub(super) async fn examine(&self, stored: &Stored) -> Result<(), LedgerError> {
        match self.unwrap(&stored.key, stored).await {
            Ok(_) | Err(LedgerError::Shredded { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn is_damaged(error: &LedgerError) -> bool {
    matches!(
        error,
        LedgerError::Damaged { .. } | LedgerError::Key { error: KeyError::Refused { .. }, .. }
    )
}
