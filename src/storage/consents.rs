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

    /// When the consent behind it is to be dropped: nothing else is done about one without being asked.
    fn due(&self) -> Option<SystemTime> {
        self.past.lapses_at()
    }

    /// A withdrawn partner does not come back with a backup of the rows (F-24).
    fn let_go(self, generation: u64, at: SystemTime) -> Self {
        match self.consent.is_withdrawn() {
            true => self,
            false => self.withdrawn_as(generation.saturating_add(1), at),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::json;

    use super::*;
    use crate::storage::lease::tests::Fleet;

    const ID: &str = "22222222-2222-4222-8222-222222222222";
    const DAY: Duration = Duration::from_secs(86_400);

    /// One that took another's place, each with a refresh token of this length.
    fn replaced(token: usize) -> StoredConsent {
        let user = json!({ "id": ID, "subject": ID, "name": null, "guest": "no", "roles": null });
        let stored = json!({
            "consent": {
                "partner": ID, "account": "panel-1", "user": user, "scopes": [], "mfa": null,
                "flow": "flow", "generation": 1, "withdrawn_at": null, "begun_at": 0,
                "confirmed_at": 0, "token_issued_at": 0, "state": "Live",
            },
            "token": "t".repeat(token),
        });
        let old: StoredConsent = serde_json::from_value(stored).expect("a consent");
        let past = old.past_of_next(old.consent.user.id, Vec::new(), DAY, UNIX_EPOCH);
        StoredConsent { past, ..old }.fitting(UNIX_EPOCH)
    }

    #[tokio::test]
    async fn a_consent_with_the_one_before_fits_into_a_secret_of_a_key_vault() {
        const LONGEST_SECRET: usize = 25_000;
        let has_both = |length: &usize| replaced(*length).past.previous(UNIX_EPOCH).is_some();
        let longest = (0..16_384).step_by(64).rev().find(has_both).expect("some have room");
        assert!(longest > 7_000, "room for tokens of {longest} only");
        let ledger = Fleet::new().ledger();
        ledger.insert(&replaced(longest)).await.expect("a free place");
        let partner = Some(TenantId::parse(ID).expect("a GUID"));
        let row = ledger.row_of(Kind::Consent, partner, ID).await.expect("readable");
        let sealed = row.expect("a row").entry.sealed.as_bytes().len();
        let secret = sealed.div_ceil(3) * 4;
        assert!((20_000..LONGEST_SECRET - 1_000).contains(&secret), "{secret}");
    }
}
