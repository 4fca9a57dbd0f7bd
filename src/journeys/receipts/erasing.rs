//! Erasing a person from receipts, and from what waits to be one: what was signed stays, and what it stands
//! for goes.

use super::Notary;
use crate::error::Error;
use crate::model::consent::StoredConsent;
use crate::model::policy::Refused;
use crate::model::tenant::{TenantId, UserId};
use crate::storage::ledger::{Held, LedgerError};
use crate::storage::receipts::EntryRecord;

/// A writer who loses this often gives up.
const TRIES: usize = 8;

impl Notary {
    /// Drops a consent of this person's that could have been put back. That wants no signature, so it is
    /// done before anything that does.
    pub(crate) async fn erase_previous(
        &self,
        partner: TenantId,
        user: UserId,
    ) -> Result<(), Error> {
        for _ in 0..TRIES {
            let Some(held) = self.of_another(partner, user).await? else { return Ok(()) };
            let Held { mut record, revision } = held;
            if !record.past.forget_person(user) {
                return Ok(());
            }
            match self.ledger.replace(&record.fitting(self.clock.now()), revision).await {
                Err(LedgerError::Conflict) => {}
                written => return Ok(written.map(drop)?),
            }
        }
        Err(Error::Conflict)
    }

    /// Erases what the partner's receipts know of this person, salts included; says of how many. One that
    /// does not open is reported once all others are done.
    pub(crate) async fn erase(&self, partner: TenantId, user: UserId) -> Result<usize, Error> {
        self.erase_waiting(partner, user).await?;
        let (mut erased, mut cursor, mut missed) = (0, None, None);
        loop {
            let page = self.ledger.receipts(Some(partner), cursor).await?;
            for (_, read) in page.entries {
                let outcome = match read {
                    Ok(entry) => self.erase_entry(entry, user).await,
                    Err(error) => Err(error),
                };
                match outcome {
                    Ok(named) => erased += usize::from(named),
                    Err(error @ LedgerError::Damaged { .. }) => missed = Some(error),
                    Err(error) => return Err(error.into()),
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                return missed.map_or(Ok(erased), |error| Err(error.into()));
            }
        }
    }

    /// Takes notes that name the person out of the consent, once their receipts are written.
    async fn erase_waiting(&self, partner: TenantId, user: UserId) -> Result<(), Error> {
        for _ in 0..TRIES {
            let Some(held) = self.of_another(partner, user).await? else { return Ok(()) };
            let Held { mut record, revision } = held;
            if !record.chain.waiting.iter().any(|note| note.names(&user.to_string())) {
                return Ok(());
            }
            record.chain = self.write(partner, record.chain).await?;
            match self.ledger.replace(&record.fitting(self.clock.now()), revision).await {
                Err(LedgerError::Conflict) => {}
                written => return Ok(written.map(drop)?),
            }
        }
        Err(Error::Conflict)
    }

    /// The partner's consent, which must not be this person's.
    async fn of_another(
        &self,
        partner: TenantId,
        user: UserId,
    ) -> Result<Option<Held<StoredConsent>>, Error> {
        let held = match self.ledger.consent(partner).await {
            Err(LedgerError::Shredded { .. }) => return Ok(None),
            held => held?,
        };
        match held {
            Some(held) if held.record.consent.user.id == user => {
                Err(Refused::StillNamed(partner).into())
            }
            held => Ok(held),
        }
    }

    /// True if it named the person.
    async fn erase_entry(
        &self,
        entry: Held<EntryRecord>,
        user: UserId,
    ) -> Result<bool, LedgerError> {
        let person = self.person(&entry.record).await?;
        if !person.iter().any(|personal| personal.value == user.to_string()) {
            return Ok(false);
        }
        let next = EntryRecord { person: None, ..entry.record };
        match self.ledger.replace(&next, entry.revision).await {
            Err(LedgerError::Conflict) => Ok(true), // nobody writes a receipt twice but to erase
            written => written.map(|_| true),
        }
    }
}
