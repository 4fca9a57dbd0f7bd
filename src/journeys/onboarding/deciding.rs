//! A person's yes or no to what was found.
//!
//! Of a yes and a no that come at once one is first: a yes marks the finding before anything else, a no
//! takes it away, and both do so by compare-and-swap.

use std::time::SystemTime;

use super::found::{FoundId, FoundRecord};
use super::ground::Ground;
use super::{Desk, Onboarding, Replacement};
use crate::error::Error;
use crate::journeys::lasting::lasting;
use crate::model::consent::Consent;
use crate::model::event::Event;
use crate::model::policy::Refused;
use crate::storage::ledger::{Held, LedgerError, Record};
use crate::storage::store::StoreError;

/// A writer who loses this often gives up.
const TRIES: usize = 8;

impl Onboarding {
    /// Makes what was found the partner's consent.
    pub(crate) async fn confirm(
        &self,
        id: &FoundId,
        replacement: Replacement,
    ) -> Result<Consent, Error> {
        let (desk, id) = (self.clone(), id.clone());
        lasting(async move { desk.0.confirm_found(&id, replacement).await }).await
    }

    /// Erases what was found, unless it is being confirmed, or was.
    pub(crate) async fn decline(&self, id: &FoundId) -> Result<(), Error> {
        for _ in 0..TRIES {
            let waiting = match self.0.waiting(id).await {
                Err(Error::Refused(Refused::NothingToConfirm)) => {
                    return self.0.check_unconfirmed(id).await;
                }
                Err(Error::Refused(Refused::Withdrawn(_))) => return Ok(()),
                waiting => waiting?,
            };
            self.0.check_unconfirmed(id).await?;
            if waiting.record.confirming {
                return Err(Error::Conflict);
            }
            match self.0.take_away(&waiting).await {
                Err(LedgerError::Conflict) => {}
                taken => return Ok(taken?),
            }
        }
        Err(Error::Conflict)
    }
}

impl Desk {
    async fn confirm_found(
        &self,
        id: &FoundId,
        replacement: Replacement,
    ) -> Result<Consent, Error> {
        let mut waiting = match self.waiting(id).await {
            Err(Error::Refused(refused)) => {
                self.tell_refusal(&refused);
                return Err(refused.into());
            }
            waiting => waiting?,
        };
        let confirmed = self.confirm(id, &mut waiting, replacement).await;
        match &confirmed {
            Err(Error::Refused(refused)) => {
                self.tell_refusal(refused);
                if !matches!(refused, Refused::OtherUser { .. } | Refused::LosesCustomers { .. }) {
                    self.erase(&waiting).await;
                }
            }
            Err(_) => {}
            Ok(_) => self.erase(&waiting).await,
        }
        confirmed
    }

    async fn confirm(
        &self,
        id: &FoundId,
        waiting: &mut Held<FoundRecord>,
        replacement: Replacement,
    ) -> Result<Consent, Error> {
        let ground = self.ground(waiting.record.partner).await?;
        if let Some(held) = ground.held().filter(|held| waiting.record.became(&held.record.consent))
        {
            self.standings.forget(waiting.record.partner); // who wrote it may have been cut off
            self.notary.enter(&held.record).await;
            self.spend_invitation(&waiting.record, &held.record.consent).await;
            return Ok(held.record.consent.clone());
        }
        self.check_decision(&waiting.record, &ground, replacement).await?;
        let is_first = self.take_up(id, waiting).await?;
        let consent = self.replace(&waiting.record, &ground).await;
        if let (Err(error), true) = (&consent, is_first) {
            self.put_down(waiting, error).await;
        }
        consent
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
            _ => ground.check_tombstone(found.partner, found.begun_at)?,
        }
        Ok(self.admit_again(found)?)
    }

    async fn replace(&self, found: &FoundRecord, ground: &Ground) -> Result<Consent, Error> {
        let is_claimed_anew = self.claim_invitation(found, ground).await?;
        let built = match self.clock.now() >= found.expires_at {
            true => Err(Refused::NothingToConfirm.into()),
            false => self.build(ground, found).await,
        };
        self.standings.forget(found.partner); // also after a write of which nothing is known
        let next = match built {
            Err(error) => {
                if is_claimed_anew {
                    self.release_invitation(found, &error).await;
                }
                return Err(error);
            }
            Ok(next) => next,
        };
        self.notary.enter(&next).await;
        self.spend_invitation(found, &next.consent).await;
        self.sharing.drop_partner(next.consent.partner).await;
        let consent = self.settled(next.consent);
        if ground.is_suspended_by_office() {
            self.observers.tell(&Event::PartnerCenterResumed { partner: consent.partner });
        }
        Ok(consent)
    }

    /// From now on nobody declines it. True for whoever marks it, of those who confirm it at once.
    async fn take_up(&self, id: &FoundId, waiting: &mut Held<FoundRecord>) -> Result<bool, Error> {
        for _ in 0..TRIES {
            if waiting.record.confirming {
                return Ok(false);
            }
            let record = FoundRecord { confirming: true, ..waiting.record.clone() };
            match self.ledger.replace(&record, waiting.revision).await {
                Ok(revision) => {
                    *waiting = Held { record, revision };
                    return Ok(true);
                }
                Err(LedgerError::Conflict) => *waiting = self.waiting(id).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Conflict)
    }

    /// It was not confirmed, so it may be declined; unless nobody knows.
    async fn put_down(&self, waiting: &mut Held<FoundRecord>, error: &Error) {
        if matches!(error, Error::Store(StoreError::Unavailable { .. })) {
            return;
        }
        let record = FoundRecord { confirming: false, ..waiting.record.clone() };
        if let Ok(revision) = self.ledger.replace(&record, waiting.revision).await {
            *waiting = Held { record, revision };
        }
    }

    /// Whether the consent that stands is another than that of this finding.
    async fn check_unconfirmed(&self, id: &FoundId) -> Result<(), Error> {
        let Some(partner) = id.sealed_for() else { return Ok(()) };
        let ground = self.ground(partner).await?;
        match ground.consent().filter(|standing| id.became(standing)) {
            Some(_) => Err(Refused::ConfirmedAlready(partner).into()),
            None => Ok(()),
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
    async fn erase(&self, waiting: &Held<FoundRecord>) {
        let _swept_later = self.remove(waiting).await;
    }
}

impl FoundRecord {
    /// When its policy was asked.
    pub(super) fn found_at(&self) -> SystemTime {
        self.expires_at.checked_sub(super::FOUND_LIFE).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}
