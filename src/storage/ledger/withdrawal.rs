//! What a partner's key remembers of the last time that its partner was let go.

use crate::model::consent::StoredConsent;
use crate::model::tenant::TenantId;
use crate::storage::ledger::partner_keys::PartnerKeys;
use crate::storage::ledger::scan::partner_by_id;
use crate::storage::ledger::{Ledger, LedgerError, identity, unreadable};
use crate::storage::seal::Destroyed;
use crate::storage::store::{Cursor, Entry, Expect, Key, Kind, Selection, Stored};

/// Some of the partners that were let go, and of whom no consent is left.
pub(crate) struct Departed {
    /// Of a key that does not open, nobody can tell.
    pub(crate) partners: Vec<Result<(TenantId, Destroyed), LedgerError>>,
    pub(crate) next: Option<Cursor>,
}

impl Ledger {
    /// One page of partner keys, searched for those that are all that is left of their partners.
    pub(crate) async fn departed(
        &self,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<Departed, LedgerError> {
        let kind = Kind::PartnerKey;
        let page = self.page(kind, Selection::All, cursor, limit).await?;
        let unread = page.damaged.into_iter().filter_map(|id| {
            let partner = partner_by_id(kind, &id)?;
            Some((partner, Err(unreadable(kind, Some(partner), id))))
        });
        let read = page.records.iter().filter_map(|stored| {
            let memory = self.keys.row(&stored.key, stored).map(|row| row.destroyed());
            Some((stored.key.partner()?, memory.transpose()?))
        });
        let mut partners = Vec::new();
        for (partner, memory) in unread.chain(read).collect::<Vec<_>>() {
            if !self.has_consent_row(partner).await? {
                partners.push(memory.map(|memory| (partner, memory)));
            }
        }
        Ok(Departed { partners, next: page.next })
    }

    async fn has_consent_row(&self, partner: TenantId) -> Result<bool, LedgerError> {
        let row = self.row_of(Kind::Consent, Some(partner), &partner.to_string()).await?;
        Ok(row.is_some())
    }

    /// Lets the partner's key remember this tombstone: should the rows be put back from a backup,
    /// the partner's older consent is not believed.
    pub(crate) async fn note_withdrawal(
        &self,
        tombstone: &StoredConsent,
    ) -> Result<(), LedgerError> {
        match Destroyed::told_by(&tombstone.consent) {
            Some(told) => self.keys.remember(tombstone.consent.partner, told).await.map(drop),
            None => Ok(()),
        }
    }

    /// Lets the partner's key remember a shredding elsewhere. Says whether that was news.
    pub(crate) async fn note_shredding(
        &self,
        partner: TenantId,
        shredded: Destroyed,
    ) -> Result<bool, LedgerError> {
        self.keys.remember(partner, shredded).await
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
    /// Says whether that was news. Of two memories the higher generation and the later time stay.
    /// Where nothing is known of the partner, a key is made to remember it.
    async fn remember(&self, partner: TenantId, let_go: Destroyed) -> Result<bool, LedgerError> {
        let place = self.place(Some(partner));
        loop {
            let put = match self.store().get(&place).await? {
                Some(stored) => self.try_remember(&place, stored, let_go).await,
                None => self.make(&place, Expect::Absent, Some(let_go), None).await.map(|_| true),
            };
            match put {
                Err(LedgerError::Conflict) => {}
                put => return put,
            }
        }
    }

    async fn try_remember(
        &self,
        place: &Key,
        stored: Stored,
        let_go: Destroyed,
    ) -> Result<bool, LedgerError> {
        let row = self.row(place, &stored)?;
        let known = row.destroyed();
        let both = known.map_or(let_go, |known| let_go.with(known));
        if known == Some(both) {
            return Ok(false);
        }
        let about = |error| LedgerError::Key { partner: place.partner(), error };
        let sealed = row.remembering(both).rewrap(&identity(place), self.holder()).await;
        let entry = Entry { sealed: sealed.map_err(about)?, due: stored.entry.due };
        self.forget(place.partner());
        self.put(place, entry, Expect::At(stored.revision)).await.map(|_| true)
    }

    async fn last_let_go(&self, partner: TenantId) -> Result<Option<Destroyed>, LedgerError> {
        let place = self.place(Some(partner));
        match self.store().get(&place).await? {
            Some(stored) => Ok(self.row(&place, &stored)?.destroyed()),
            None => Ok(None),
        }
    }
}
