//! Letting a partner go.

use std::sync::Arc;

use crate::error::{Absence, Error};
use crate::journeys::standing::Standings;
use crate::model::clock::Clock;
use crate::model::consent::{Consent, ConsentState};
use crate::model::event::{Event, Observers};
use crate::model::policy::Refused;
use crate::model::tenant::{AccountId, TenantId};
use crate::storage::ledger::Ledger;

/// A writer who loses this often gives up.
const TRIES: usize = 8;

#[derive(Debug, Clone)]
pub(crate) struct Offboarding {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ledger: Ledger,
    pub(crate) standings: Arc<Standings>,
    pub(crate) observers: Observers,
}

impl Offboarding {
    /// Replaces the consent by a tombstone of a higher generation, which keeps no token.
    pub(crate) async fn withdraw(
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
            return Ok(held.record.consent);
        }
        let next = held.record.withdrawn(self.clock.now());
        self.ledger.replace(&next, held.revision).await?;
        self.standings.forget(partner);
        let (from, to) = (consent.state.clone(), next.consent.state.clone());
        self.observers.tell(&Event::StateChanged { partner, from, to });
        Ok(next.consent)
    }
}
