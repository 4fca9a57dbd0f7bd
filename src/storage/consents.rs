//! Consents in the ledger: one standing record per partner, under the partner's own key.

use std::time::SystemTime;

use crate::model::consent::StoredConsent;
use crate::model::tenant::TenantId;
use crate::storage::ledger::{Held, Ledger, LedgerError, Record};
use crate::storage::seal;
use crate::storage::store::{Kind, Revision, Stored};

impl Ledger {
    /// The partner's consent, or its tombstone.
    pub(crate) async fn consent(
        &self,
        partner: TenantId,
    ) -> Result<Option<Held<StoredConsent>>, LedgerError> {
        self.load(Some(partner), &partner.to_string()).await
    }

    /// Where the row of the partner's consent lies, and which generation its header says it is of:
    /// nobody vouches for that unless it opens. `None` where the store finds no row.
    pub(crate) async fn consent_row(
        &self,
        partner: TenantId,
    ) -> Result<Option<(Revision, u64)>, LedgerError> {
        let stored = self.row_of(Kind::Consent, Some(partner), &partner.to_string()).await?;
        let said = |row: &Stored| seal::said(&row.entry.sealed).map_or(0, |said| said.generation);
        Ok(stored.map(|row| (row.revision, said(&row))))
    }
}

impl Record for StoredConsent {
    const KIND: Kind = Kind::Consent;

    fn partner(&self) -> Option<TenantId> {
        Some(self.consent.partner)
    }

    fn id(&self) -> String {
        self.consent.partner.to_string()
    }

    fn generation(&self) -> u64 {
        self.consent.generation
    }

    /// The deadline of its token; a tombstone has none.
    fn due(&self) -> Option<SystemTime> {
        self.token.as_ref().map(|_| self.consent.deadline())
    }

    /// A withdrawn partner does not come back with a backup of the rows (F-24).
    fn let_go(self, generation: u64, at: SystemTime) -> Self {
        match self.consent.is_withdrawn() {
            true => self,
            false => self.withdrawn_as(generation.saturating_add(1), at),
        }
    }
}
