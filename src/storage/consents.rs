//! Consents in the ledger: one standing record per partner, under the partner's own key.

use std::time::SystemTime;

use crate::model::consent::StoredConsent;
use crate::model::tenant::TenantId;
use crate::storage::ledger::{Held, Ledger, LedgerError, Record};
use crate::storage::store::Kind;

impl Ledger {
    /// The partner's consent, or its tombstone.
    pub(crate) async fn consent(
        &self,
        partner: TenantId,
    ) -> Result<Option<Held<StoredConsent>>, LedgerError> {
        self.load(Some(partner), &partner.to_string()).await
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
}
