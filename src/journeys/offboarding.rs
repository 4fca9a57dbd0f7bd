//! Letting a partner go, or a person of the partner's.

use std::sync::Arc;

use crate::error::{Absence, Error};
use crate::journeys::invitation::Book;
use crate::journeys::lasting::lasting;
use crate::journeys::receipts::Notary;
use crate::journeys::sharing::Sharing;
use crate::journeys::standing::Standings;
use crate::model::clock::Clock;
use crate::model::consent::{Consent, ConsentState, StoredConsent, believed};
use crate::model::event::{Event, Observers};
use crate::model::invitation::Whom;
use crate::model::policy::Refused;
use crate::model::receipt::ConsentChange;
use crate::model::tenant::{AccountId, TenantId, UserId};
use crate::storage::keyring::KeyError;
use crate::storage::ledger::{Ledger, LedgerError};

/// A writer who loses this often gives up.
const TRIES: usize = 8;

#[derive(Debug, Clone)]
pub(crate) struct Offboarding {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ledger: Ledger,
    pub(crate) standings: Arc<Standings>,
    pub(crate) sharing: Sharing,
    pub(crate) notary: Notary,
    pub(crate) book: Book,
    pub(crate) observers: Observers,
}

impl Offboarding {
    /// Replaces the consent by a tombstone of a higher generation, which keeps no token.
    pub(crate) async fn withdraw(
        &self,
        partner: TenantId,
        account: Option<&AccountId>,
    ) -> Result<Consent, Error> {
        let (desk, account) = (self.clone(), account.cloned());
        lasting(async move { desk.let_go(partner, account.as_ref()).await }).await
    }

    /// Erases a person whose consent does not stand: says of how many receipts. What is a secret, and
    /// what wants no signature, goes first.
    pub(crate) async fn erase_person(
        &self,
        partner: TenantId,
        user: UserId,
    ) -> Result<usize, Error> {
        self.notary.erase_previous(partner, user).await?;
        self.book.erase(partner, Whom::One(user)).await?;
        self.notary.erase(partner, user).await
    }

    /// Withdraws the partner, then destroys its key: nothing of it opens any more, in no backup of
    /// the rows either. Its invitations, which lie under the application's, then know nobody of it.
    pub(crate) async fn shred(
        &self,
        partner: TenantId,
        account: Option<&AccountId>,
    ) -> Result<(), Error> {
        let (desk, account) = (self.clone(), account.cloned());
        lasting(async move { desk.destroy(partner, account.as_ref()).await }).await
    }

    async fn let_go(
        &self,
        partner: TenantId,
        account: Option<&AccountId>,
    ) -> Result<Consent, Error> {
        for _ in 0..TRIES {
            match self.try_withdraw(partner, account).await {
                Err(Error::Conflict) => {}
                settled => return settled,
            }
        }
        Err(Error::Conflict)
    }

    async fn destroy(&self, partner: TenantId, account: Option<&AccountId>) -> Result<(), Error> {
        let generation = match self.ledger.consent(partner).await {
            Ok(Some(_)) => {
                let generation = self.let_go(partner, account).await?.generation;
                // What waits in the tombstone would end with it.
                self.notary.enter_all_of(partner).await?;
                generation
            }
            // What cannot be read is bound to no account: only the vendor's own door opens.
            unread if account.is_some() => return Err(denied(partner, unread)),
            Ok(None) if self.ledger.has_key_of(partner).await? => 1,
            Err(LedgerError::Shredded { generation, .. }) => {
                // Whoever did it may have died before anybody could notice.
                self.shred_key(partner, generation).await?;
                return self.follow_shredding(partner).await;
            }
            Err(error) if is_lost(&error) => self.generation_said(partner).await?,
            unread => return Err(denied(partner, unread)),
        };
        self.shred_key(partner, generation).await?;
        self.observers.tell(&Event::Shredded { partner });
        self.follow_shredding(partner).await
    }

    /// What is left to do once nothing of it opens any more.
    async fn follow_shredding(&self, partner: TenantId) -> Result<(), Error> {
        self.ledger.touch_consent(partner).await?;
        self.notary.enter_mark(partner).await;
        self.book.erase(partner, Whom::Everybody).await
    }

    async fn shred_key(&self, partner: TenantId, generation: u64) -> Result<(), Error> {
        let shredded = self.ledger.shred(partner, generation).await;
        self.standings.forget(partner);
        Ok(shredded?)
    }

    async fn generation_said(&self, partner: TenantId) -> Result<u64, Error> {
        let id = partner.to_string();
        let said = self.ledger.generation_said::<StoredConsent>(Some(partner), &id).await?;
        Ok(said.map_or(0, believed) + 1)
    }

    async fn try_withdraw(
        &self,
        partner: TenantId,
        account: Option<&AccountId>,
    ) -> Result<Consent, Error> {
        let held = self.ledger.consent(partner).await?;
        let held = held.ok_or(Error::NoConsent { partner, absence: Absence::Never })?;
        let consent = &held.record.consent;
        if account.is_some_and(|account| *account != consent.account) {
            return Err(Refused::NotYours(partner).into());
        }
        if matches!(consent.state, ConsentState::Withdrawn { .. }) {
            self.forget(partner).await; // as it may be known from before, where a caller was cut off
            self.ledger.note_withdrawal(&held.record).await?;
            self.notary.enter(&held.record).await;
            return Ok(held.record.consent);
        }
        let next = held.record.withdrawn(self.clock.now());
        let next = self.notary.noted(next, ConsentChange::Withdrawn).await;
        let replaced = self.ledger.replace(&next, held.revision).await;
        self.forget(partner).await;
        replaced?;
        let (from, to) = (consent.state.clone(), next.consent.state.clone());
        self.observers.tell(&Event::StateChanged { partner, from, to });
        self.ledger.note_withdrawal(&next).await?;
        self.notary.enter(&next).await;
        Ok(next.consent)
    }

    /// After every write, also one that failed: what became of that is not known.
    async fn forget(&self, partner: TenantId) {
        self.standings.forget(partner);
        self.sharing.drop_partner(partner).await;
    }
}

/// Whether no waiting makes it readable: then it can still be destroyed.
const fn is_lost(error: &LedgerError) -> bool {
    match error {
        LedgerError::Damaged { .. } => true,
        LedgerError::Key { error, .. } => {
            matches!(error, KeyError::Unknown { .. } | KeyError::Refused { .. })
        }
        _ => false,
    }
}

/// Why a partner whose consent could not be read is not let go.
fn denied<T>(partner: TenantId, unread: Result<T, LedgerError>) -> Error {
    match unread {
        Ok(_) => Error::NoConsent { partner, absence: Absence::Never },
        Err(error) => error.into(),
    }
}
