//! Giving the consent before up, while it could still be put back.
//!
//! What stands is written once more without it, in the same generation: no token of it is dropped, and a
//! rotation in flight that loses to this write takes over what it left.

use super::{Rollback, TRIES, check_door};
use crate::error::Error;
use crate::journeys::lasting::lasting;
use crate::model::consent::{Consent, StoredConsent};
use crate::model::event::Event;
use crate::model::receipt::ConsentChange;
use crate::model::tenant::{AccountId, TenantId};
use crate::storage::ledger::{Held, LedgerError};

impl Rollback {
    /// Drops the previous consent; says whether there was one.
    pub(crate) async fn give_up(
        &self,
        partner: TenantId,
        account: Option<&AccountId>,
    ) -> Result<bool, Error> {
        let (desk, account) = (self.clone(), account.cloned());
        lasting(async move { desk.drop_previous(partner, account.as_ref()).await }).await
    }

    async fn drop_previous(
        &self,
        partner: TenantId,
        account: Option<&AccountId>,
    ) -> Result<bool, Error> {
        let mut held = self.held(partner).await?;
        let meant = flow_behind(&held);
        for _ in 0..TRIES {
            match self.try_drop(&held, account).await {
                Err(Error::Conflict) => held = self.held(partner).await?,
                settled => return settled,
            }
            // Whatever was replaced meanwhile is not what the caller wants to be rid of.
            if held.record.past.behind().is_some() && flow_behind(&held) != meant {
                return Err(Error::Superseded { partner });
            }
        }
        Err(Error::Conflict)
    }

    async fn try_drop(
        &self,
        held: &Held<StoredConsent>,
        account: Option<&AccountId>,
    ) -> Result<bool, Error> {
        let (stands, past, now) = (&held.record.consent, &held.record.past, self.clock.now());
        check_door(account, stands, past.previous(now).as_ref())?;
        let Some(gone) = past.behind() else {
            self.notary.enter(&held.record).await; // as a caller who was cut off may have left it
            return Ok(false);
        };
        let next = held.record.clone().without_way_back();
        if past.has_lapsed(now) {
            self.replace(held, &next).await?; // nobody could put it back, so nothing is to be told
            return Ok(false);
        }
        let change = ConsentChange::PreviousForgotten { previous: gone.generation };
        let next = self.notary.noted(next, change).await;
        self.replace(held, &next).await?;
        self.notary.enter(&next).await;
        self.tell_of_dropped(gone);
        Ok(true)
    }

    /// No view ends by it: what stands is as it was.
    async fn replace(
        &self,
        held: &Held<StoredConsent>,
        next: &StoredConsent,
    ) -> Result<(), LedgerError> {
        let revision = self.ledger.replace(next, held.revision).await?;
        self.standings.moved(next.consent.partner, held.revision, revision);
        Ok(())
    }

    fn tell_of_dropped(&self, gone: &Consent) {
        let (partner, user, account) = (gone.partner, gone.user.id, gone.account.clone());
        self.observers.tell(&Event::PreviousConsentForgotten { partner, user, account });
    }
}

fn flow_behind(held: &Held<StoredConsent>) -> Option<String> {
    held.record.past.behind().map(|consent| consent.flow.clone())
}
