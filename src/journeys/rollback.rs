//! Putting back the consent that another has taken the place of, for as long as it is kept, or giving it
//! up.
//!
//! To put it back is one compare-and-swap: what was put back is of a higher generation than what it takes the place
//! of, so that no rotation in flight, with either token, writes over it.

mod giving_up;

use std::sync::Arc;

use crate::error::{Absence, Error};
use crate::journeys::lasting::lasting;
use crate::journeys::receipts::Notary;
use crate::journeys::sharing::Sharing;
use crate::journeys::standing::Standings;
use crate::model::clock::Clock;
use crate::model::consent::{Consent, NoWayBack, PreviousConsent, StoredConsent};
use crate::model::event::{Event, Observers};
use crate::model::policy::Refused;
use crate::model::receipt::{ConsentChange, PolicyNote};
use crate::model::tenant::{AccountId, TenantId};
use crate::storage::ledger::{Held, Ledger};

/// A writer who loses this often gives up.
const TRIES: usize = 8;

#[derive(Debug, Clone)]
pub(crate) struct Rollback {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ledger: Ledger,
    pub(crate) standings: Arc<Standings>,
    pub(crate) sharing: Sharing,
    pub(crate) notary: Notary,
    pub(crate) observers: Observers,
}

impl Rollback {
    /// What could be put back now.
    pub(crate) async fn previous(
        &self,
        partner: TenantId,
        account: Option<&AccountId>,
    ) -> Result<Option<PreviousConsent>, Error> {
        let held = self.held(partner).await?;
        let previous = held.record.past.previous(self.clock.now());
        check_door(account, &held.record.consent, previous.as_ref())?;
        Ok(previous)
    }

    /// Puts the previous consent back.
    pub(crate) async fn roll_back(
        &self,
        partner: TenantId,
        account: Option<&AccountId>,
        shown: Option<Consent>,
    ) -> Result<Consent, Error> {
        let (desk, account) = (self.clone(), account.cloned());
        lasting(async move { desk.put_back(partner, account.as_ref(), shown).await }).await
    }

    async fn put_back(
        &self,
        partner: TenantId,
        account: Option<&AccountId>,
        shown: Option<Consent>,
    ) -> Result<Consent, Error> {
        let mut held = self.held(partner).await?;
        if let Some(shown) = shown {
            let (stands, now) = (&held.record, self.clock.now());
            let kept = stands.past.previous(now);
            let meant = match stands.past.is_put_back() {
                true => stands.consent.flow == shown.flow,
                false => kept.is_none_or(|kept| kept.consent().flow == shown.flow),
            };
            if !meant {
                return Err(Error::Superseded { partner });
            }
        }
        let meant = held.record.consent.generation;
        for _ in 0..TRIES {
            match self.try_put_back(&held, account).await {
                Err(Error::Conflict) => held = self.held(partner).await?,
                settled => return settled,
            }
            let stands = &held.record;
            // Whoever was confirmed meanwhile is not the one that the caller wants to be rid of.
            if stands.consent.generation != meant && !stands.past.is_put_back() {
                return Err(Error::Superseded { partner });
            }
        }
        Err(Error::Conflict)
    }

    async fn held(&self, partner: TenantId) -> Result<Held<StoredConsent>, Error> {
        let held = self.ledger.consent(partner).await?;
        held.ok_or(Error::NoConsent { partner, absence: Absence::Never })
    }

    async fn try_put_back(
        &self,
        held: &Held<StoredConsent>,
        account: Option<&AccountId>,
    ) -> Result<Consent, Error> {
        let (stands, now) = (&held.record.consent, self.clock.now());
        let partner = stands.partner;
        check_door(account, stands, held.record.past.previous(now).as_ref())?;
        if held.record.past.is_put_back() {
            self.forget(partner).await; // as it may be known from before, where a caller was cut off
            self.notary.enter(&held.record).await;
            return Ok(stands.clone());
        }
        let next = held.record.rolled_back(now).map_err(|why| match why {
            NoWayBack::Nothing => Refused::NothingToRollBack(partner),
            NoWayBack::Over => Refused::RollBackOver(partner),
        })?;
        let granted = next.consent.granted(PolicyNote::admitted_before());
        let next = self.notary.noted(next, ConsentChange::RolledBack(granted)).await;
        let replaced = self.ledger.replace(&next, held.revision).await;
        self.forget(partner).await;
        replaced?;
        self.notary.enter(&next).await;
        self.tell(stands, &next.consent);
        Ok(next.consent)
    }

    /// After every write, also one that failed: what became of that is not known.
    async fn forget(&self, partner: TenantId) {
        self.standings.forget(partner);
        self.sharing.drop_partner(partner).await;
    }

    fn tell(&self, before: &Consent, after: &Consent) {
        let (partner, user, account) = (after.partner, after.user.id, after.account.clone());
        let generation = after.generation;
        self.observers.tell(&Event::ConsentRolledBack { partner, user, account, generation });
        let [was_off, is_off] =
            [before, after].map(|consent| consent.partner_center_suspended_since().is_some());
        match (was_off, is_off) {
            (false, true) => self.observers.tell(&Event::PartnerCenterSuspended { partner }),
            (true, false) => self.observers.tell(&Event::PartnerCenterResumed { partner }),
            _ => {}
        }
    }
}

/// An account works for its own partners, and gives none back to another account.
fn check_door(
    account: Option<&AccountId>,
    stands: &Consent,
    previous: Option<&PreviousConsent>,
) -> Result<(), Refused> {
    let Some(account) = account else { return Ok(()) };
    let mut bound = [Some(stands), previous.map(PreviousConsent::consent)].into_iter().flatten();
    match bound.all(|consent| consent.account() == account) {
        true => Ok(()),
        false => Err(Refused::NotYours(stands.partner)),
    }
}
