//! What the desk knows of a consent, and the consent itself.

use std::sync::Arc;

use super::Desk;
use crate::error::{Absence, Error};
use crate::journeys::cache::CacheKey;
use crate::journeys::standing::{Moment, Standing, absence};
use crate::journeys::watch::PATIENCE;
use crate::model::consent::StoredConsent;
use crate::model::event::Event;
use crate::model::secret::RefreshToken;
use crate::model::sync::tasks::within;
use crate::model::tenant::TenantId;
use crate::storage::ledger::{Held, LedgerError};

impl Desk {
    /// This process's view of the consent, read anew where it was seen to change.
    pub(super) async fn standing(&self, partner: TenantId) -> Result<Arc<Standing>, Error> {
        let looked = self.watch.look(partner).await;
        if let Some(standing) = self.standings.holding(partner) {
            return Ok(if looked.is_ok() { standing } else { self.unreadable(partner, standing) });
        }
        let moment = self.standings.moment();
        match self.read(partner).await {
            Ok(Some(held)) => Ok(self.note(&held, moment)),
            Ok(None) => {
                self.forget(partner);
                Err(Error::NoConsent { partner, absence: Absence::Never })
            }
            Err(error @ (LedgerError::Damaged { .. } | LedgerError::Shredded { .. })) => {
                self.forget(partner);
                Err(error.into())
            }
            Err(error) => {
                let last = self.standings.last(partner).ok_or(error)?;
                Ok(self.unreadable(partner, last))
            }
        }
    }

    /// What is known from before serves while the store cannot be read.
    fn unreadable(&self, partner: TenantId, last: Arc<Standing>) -> Arc<Standing> {
        self.observers.tell(&Event::StoreUnreadable { partner });
        last
    }

    /// What this process forgot, and another consent, leave no token behind.
    pub(super) fn note(&self, held: &Held<StoredConsent>, moment: Moment) -> Arc<Standing> {
        let partner = held.record.consent.partner;
        let last = self.standings.last(partner);
        let standing = self.standings.note(held, moment);
        if last.is_some_and(|last| !Arc::ptr_eq(&last, &standing)) {
            self.cache.drop_partner(partner);
        }
        standing
    }

    /// What was never known costs nobody anything.
    pub(super) fn forget(&self, partner: TenantId) {
        if self.standings.last(partner).is_some() {
            self.standings.forget(partner);
            self.cache.drop_partner(partner);
        }
    }

    pub(super) fn forget_all(&self) {
        self.standings.forget_all();
        self.cache.drop_all();
    }

    /// The consent to redeem with: the one whose write is being retried, or the stored one.
    pub(super) async fn current(&self, key: &CacheKey) -> Result<Held<StoredConsent>, Error> {
        let partner = key.partner;
        let held = match self.still_unsaved(partner).await? {
            Some(held) => Some(held),
            None => self.read(partner).await?,
        };
        let same = |held: &Held<StoredConsent>| held.record.consent.generation == key.generation;
        match held {
            Some(held) if same(&held) => Ok(held),
            found => {
                self.forget(partner);
                let never = Error::NoConsent { partner, absence: Absence::Never };
                Err(found.map_or(never, |_| Error::Superseded { partner }))
            }
        }
    }

    async fn read(&self, partner: TenantId) -> Result<Option<Held<StoredConsent>>, LedgerError> {
        let consent = within(PATIENCE, self.ledger.consent(partner)).await;
        consent.unwrap_or_else(|| Err(LedgerError::too_late()))
    }

    /// What waits for its write, unless somebody else has written since: that may be a withdrawal,
    /// which must hold also while its key is out of reach.
    async fn still_unsaved(
        &self,
        partner: TenantId,
    ) -> Result<Option<Held<StoredConsent>>, LedgerError> {
        let Some(waiting) = self.unsaved.find(partner) else { return Ok(None) };
        let id = partner.to_string();
        let at = self.ledger.revision::<StoredConsent>(Some(partner), &id).await?;
        Ok(Some(waiting.held).filter(|held| at == Some(held.revision)))
    }
}

/// The refresh token of a consent that is not over.
pub(super) fn usable(stored: &StoredConsent) -> Result<&RefreshToken, Error> {
    let partner = stored.consent.partner;
    if let Some(absence) = absence(&stored.consent.state) {
        return Err(Error::NoConsent { partner, absence });
    }
    let token = stored.token.as_ref().map(|token| &token.0);
    token.ok_or(Error::NoConsent { partner, absence: Absence::Withdrawn })
}
