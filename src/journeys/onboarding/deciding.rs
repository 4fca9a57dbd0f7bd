//! A person's yes or no to what was found.
//!
//! Whoever says yes counts itself in at the finding before anything else, and out again if nothing came
//! of it; a no takes the finding away while nobody is counted in. All of that by compare-and-swap, so that
//! nobody is told that nothing was given while somebody may still be giving it.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

use super::found::{FoundId, FoundRecord};
use super::ground::Ground;
use super::{Desk, FOUND_LIFE, Onboarding, Replacement};
use crate::error::Error;
use crate::journeys::lasting::lasting;
use crate::model::clock::later;
use crate::model::consent::{Consent, StoredConsent};
use crate::model::event::Event;
use crate::model::policy::Refused;
use crate::model::tenant::TenantId;
use crate::storage::ledger::{Held, LedgerError, Record};
use crate::storage::store::StoreError;

/// A writer who loses this often gives up.
const TRIES: usize = 8;
/// No write of a consent takes longer, and no two clocks are further apart.
pub(super) const LONGEST_WRITE: Duration = Duration::from_secs(5 * 60);

impl Onboarding {
    /// Makes what was found at this partner its consent.
    pub(crate) async fn confirm(
        &self,
        id: &FoundId,
        partner: TenantId,
        replacement: Replacement,
    ) -> Result<Consent, Error> {
        let (desk, id) = (self.clone(), id.clone());
        let confirming =
            async move { desk.told(desk.0.confirm_found(&id, partner, replacement).await) };
        lasting(confirming).await
    }

    /// Erases what was found, unless it is being confirmed, or was.
    pub(crate) async fn decline(&self, id: &FoundId, partner: TenantId) -> Result<(), Error> {
        self.told(self.0.decline(id, partner).await)
    }

    /// The same for the browser that found it, whatever has become of the invitation; and of what is gone
    /// already only whether it was confirmed.
    #[cfg(feature = "web")]
    pub(crate) async fn decline_here(
        &self,
        id: &FoundId,
        headers: &HeaderMap,
    ) -> Result<(), Error> {
        let partner = match self.0.finding(id).await? {
            Some(held) => {
                self.told(self.0.check_browser(&held.record, headers).await)?;
                Some(held.record.partner)
            }
            None => id.sealed_for(),
        };
        let partner = partner.ok_or(Refused::NothingToConfirm)?;
        self.decline(id, partner).await
    }

    /// Whether the consent that stands is what was found under this name.
    #[cfg(feature = "web")]
    pub(crate) async fn was_confirmed(&self, id: &FoundId) -> bool {
        let Some(partner) = id.sealed_for() else { return false };
        matches!(self.0.stands(id, partner).await, Ok(Some(_)))
    }
}

impl Desk {
    async fn confirm_found(
        &self,
        id: &FoundId,
        partner: TenantId,
        replacement: Replacement,
    ) -> Result<Consent, Error> {
        let waiting = self.waiting(id).await;
        let found = waiting.as_ref().ok().map(|held| held.record.clone());
        let confirmed = match waiting {
            Ok(waiting) => self.confirm(id, waiting, replacement).await,
            Err(error) => Err(error),
        };
        let Err(error) = confirmed else { return confirmed };
        // Somebody else may have done so at the same time; twice is once.
        match self.stands(id, partner).await {
            Ok(Some(stored)) => Ok(self.confirmed_before(id, found.as_ref(), &stored).await),
            _ => Err(error),
        }
    }

    async fn confirm(
        &self,
        id: &FoundId,
        waiting: Held<FoundRecord>,
        replacement: Replacement,
    ) -> Result<Consent, Error> {
        let found = waiting.record.clone();
        let ground = self.ground(found.partner).await?;
        if let Some(held) = ground.held().filter(|held| found.became(&held.record.consent)) {
            return Ok(self.confirmed_before(id, Some(&found), &held.record).await);
        }
        if let Err(error) = self.check_decision(&found, &ground, replacement).await {
            self.discard(&waiting, &error).await;
            return Err(error);
        }
        self.count_in(id, waiting).await?;
        match self.replace(&found, &ground).await {
            Ok(consent) => {
                self.erase(id).await;
                Ok(consent)
            }
            Err(error) => {
                self.count_out(id, &error).await;
                Err(error)
            }
        }
    }

    /// What is left to do for a consent that stands.
    async fn confirmed_before(
        &self,
        id: &FoundId,
        found: Option<&FoundRecord>,
        stored: &StoredConsent,
    ) -> Consent {
        self.standings.forget(stored.consent.partner); // who wrote it may have been cut off
        self.notary.enter(stored).await;
        let Some(found) = found else { return stored.consent.clone() };
        self.spend_invitation(found, &stored.consent).await;
        self.erase(id).await;
        // Whoever else said yes may not have lived to tell it: twice is better than never.
        match found.confirming {
            0 => stored.consent.clone(),
            _ => self.settled(stored.consent.clone()),
        }
    }

    /// Whether it may take the place of what stands, as this process sees it.
    async fn check_decision(
        &self,
        found: &FoundRecord,
        ground: &Ground,
        replacement: Replacement,
    ) -> Result<(), Error> {
        let invitation = self.invitation(found.invited.as_ref(), &found.id).await?;
        let replacement = replacement.under(invitation.as_ref());
        match ground {
            Ground::Held(held) => {
                found.check_replacement(&held.record, replacement)?;
                self.check_proof(found, &held.record.consent)?;
            }
            Ground::Damaged { error, .. } if !replacement.of_damaged => {
                return Err(error.clone().into());
            }
            _ => ground.check_tombstone(found.partner, found.begun_at, found.above)?,
        }
        Ok(self.admit_again(found)?)
    }

    async fn replace(&self, found: &FoundRecord, ground: &Ground) -> Result<Consent, Error> {
        self.claim_invitation(found, ground).await?;
        if self.clock.now() >= found.expires_at {
            return Err(Refused::NothingToConfirm.into());
        }
        let built = self.build(ground, found).await;
        self.standings.forget(found.partner); // also after a write of which nothing is known
        let next = built?;
        self.notary.enter(&next).await;
        self.spend_invitation(found, &next.consent).await;
        self.sharing.drop_partner(next.consent.partner).await;
        let consent = self.settled(next.consent);
        if ground.is_suspended_by_office() {
            self.observers.tell(&Event::PartnerCenterResumed { partner: consent.partner });
        }
        Ok(consent)
    }

    /// From now on nobody declines it.
    async fn count_in(&self, id: &FoundId, mut waiting: Held<FoundRecord>) -> Result<(), Error> {
        for _ in 0..TRIES {
            match self.recount(&waiting, waiting.record.confirming.saturating_add(1)).await {
                Err(LedgerError::Conflict) => waiting = self.waiting(id).await?,
                counted => return Ok(counted?),
            }
        }
        Err(Error::Conflict)
    }

    /// Nothing came of it, so that it may be declined and its invitation used by others, once nobody else
    /// is at it; unless nobody knows what came of it.
    async fn count_out(&self, id: &FoundId, error: &Error) {
        if matches!(error, Error::Store(StoreError::Unavailable { .. })) {
            return;
        }
        for _ in 0..TRIES {
            let Ok(Some(held)) = self.finding(id).await else { return };
            let left = held.record.confirming.saturating_sub(1);
            let claim = self.claim_of(&held.record).await;
            match self.recount(&held, left).await {
                Err(LedgerError::Conflict) => {}
                Ok(()) if left == 0 => {
                    self.release_invitation(&held.record, claim).await;
                    if let Ok(Some(held)) = self.finding(id).await {
                        self.discard(&held, error).await;
                    }
                    return;
                }
                _ => return,
            }
        }
    }

    async fn recount(&self, held: &Held<FoundRecord>, confirming: u32) -> Result<(), LedgerError> {
        let record = FoundRecord { confirming, ..held.record.clone() };
        self.ledger.replace(&record, held.revision).await.map(drop)
    }

    /// What was refused waits for nobody any more; unless somebody can say more to it.
    async fn discard(&self, waiting: &Held<FoundRecord>, error: &Error) {
        let Error::Refused(refused) = error else { return };
        let stays = matches!(refused, Refused::OtherUser { .. } | Refused::LosesCustomers { .. });
        if !stays && waiting.record.confirming == 0 {
            let _swept_later = self.take_away(waiting).await;
        }
    }

    async fn decline(&self, id: &FoundId, partner: TenantId) -> Result<(), Error> {
        for _ in 0..TRIES {
            let Some(held) = self.finding(id).await? else {
                return self.check_unconfirmed(id, partner).await;
            };
            if held.record.is_being_confirmed(self.clock.now()) {
                self.check_unconfirmed(id, partner).await?;
                return Err(Error::Conflict);
            }
            match self.take_away(&held).await {
                Err(LedgerError::Conflict) => {}
                // Whoever was counted in when it was read has said what came of it by now.
                Ok(()) if held.record.confirming == 0 => return Ok(()),
                Ok(()) => return self.check_unconfirmed(id, partner).await,
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Conflict)
    }

    /// Nobody is told that nothing was given whose consent stands, or can still be put back.
    async fn check_unconfirmed(&self, id: &FoundId, partner: TenantId) -> Result<(), Error> {
        let ground = self.readable_ground(partner).await?;
        let confirmed = ground.held().is_some_and(|held| {
            let previous = held.record.past.previous(self.clock.now());
            let behind = previous.is_some_and(|previous| id.became(previous.consent()));
            behind || id.became(&held.record.consent)
        });
        if confirmed { Err(Refused::ConfirmedAlready(partner).into()) } else { Ok(()) }
    }

    /// Whether this browser found it. The one that has confirmed it forgot its key, and may meet it once
    /// more where it could not be erased.
    pub(super) async fn check_browser(
        &self,
        found: &FoundRecord,
        headers: &HeaderMap,
    ) -> Result<(), Error> {
        let checked = found.check_browser(headers);
        if checked.is_err()
            && let Ok(ground) = self.ground(found.partner).await
            && ground.consent().is_some_and(|standing| found.became(standing))
        {
            return Err(Refused::ConfirmedAlready(found.partner).into());
        }
        checked
    }

    /// The consent that stands, if it is what was found under this name.
    async fn stands(
        &self,
        id: &FoundId,
        partner: TenantId,
    ) -> Result<Option<StoredConsent>, Error> {
        let ground = self.readable_ground(partner).await?;
        let held = ground.held().filter(|held| id.became(&held.record.consent));
        Ok(held.map(|held| held.record.clone()))
    }

    async fn readable_ground(&self, partner: TenantId) -> Result<Ground, Error> {
        match self.ground(partner).await? {
            Ground::Damaged { error, .. } => Err(error.into()),
            ground => Ok(ground),
        }
    }

    /// The record of that name, whether or not its time is over. It ends with the partner's key.
    async fn finding(&self, id: &FoundId) -> Result<Option<Held<FoundRecord>>, LedgerError> {
        match self.ledger.load(id.sealed_for(), &id.to_string()).await {
            Err(LedgerError::Shredded { .. }) => Ok(None),
            held => held,
        }
    }

    pub(super) async fn remove<R: Record>(&self, held: &Held<R>) -> Result<(), LedgerError> {
        match self.take_away(held).await {
            Err(LedgerError::Conflict) => Ok(()),
            removed => removed,
        }
    }

    async fn take_away<R: Record>(&self, held: &Held<R>) -> Result<(), LedgerError> {
        let (partner, id) = (held.record.partner(), held.record.id());
        self.ledger.remove::<R>(partner, &id, held.revision).await
    }

    /// After the consent stands, what it came from is only litter: the sweep takes what stays.
    async fn erase(&self, id: &FoundId) {
        for _ in 0..TRIES {
            let Ok(Some(held)) = self.finding(id).await else { return };
            if !matches!(self.take_away(&held).await, Err(LedgerError::Conflict)) {
                return;
            }
        }
    }
}

impl FoundRecord {
    /// When its policy was asked.
    pub(super) fn found_at(&self) -> SystemTime {
        self.expires_at.checked_sub(FOUND_LIFE).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Whether a yes may still come true: one that was said in time may be written a little later.
    pub(super) fn is_being_confirmed(&self, now: SystemTime) -> bool {
        self.confirming > 0 && now < self.kept_until()
    }

    pub(super) fn kept_until(&self) -> SystemTime {
        match self.confirming {
            0 => self.expires_at,
            _ => later(self.expires_at, LONGEST_WRITE),
        }
    }
}
