//! A redemption for its own sake: whether a consent works now, whatever is at hand.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::{Exchange, Trip};
use crate::error::Error;
use crate::journeys::cache::CacheKey;
use crate::journeys::flight::Landing;
use crate::journeys::token::Token;
use crate::model::cloud::Authority;
use crate::model::motive::Motive;
use crate::model::scope::Resource;
use crate::model::tenant::{AccountId, TenantId};
use crate::protocol::id_token::AccountClaims;
use crate::protocol::token_endpoint::IdTokenText;
use crate::transport::pace::Urgency;

/// What a redemption showed.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) token: Token,
    /// What Entra said of the user's account, where it did.
    pub(crate) account: Option<AccountClaims>,
}

/// The ID token that came with a redemption, for whoever wants more of it than whose it is.
pub(super) type Heard = OnceLock<IdTokenText>;

impl Exchange {
    /// Redeems at the partner's own tenant, once, as any use does that finds nothing at hand: in turn,
    /// stored first, and not while the consent pauses. Whoever asks meanwhile shares it.
    pub(crate) async fn prove(
        &self,
        partner: TenantId,
        account: Option<&AccountId>,
        resource: Resource,
        urgency: Urgency,
    ) -> Result<Shown, Error> {
        let desk = &self.0;
        if desk.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        let standing = desk.standing(partner).await?;
        standing.admit(partner, account)?;
        let key = CacheKey::plain(partner, standing.generation, partner, resource);
        let standing = desk.view(&key).unwrap_or(standing);
        let trip = Trip::of(key.clone(), standing, Motive::default());
        let trip = self.prepared(trip, urgency).await?;
        for _ in 0..TRIES {
            let (heard, ours) = (Arc::new(Heard::new()), AtomicBool::new(false));
            let flight = || {
                ours.store(true, Ordering::Relaxed);
                self.clone().redeem_anew(trip.clone(), heard.clone())
            };
            let landing = desk.flights.join(key.clone(), || None, flight).await;
            if ours.load(Ordering::Relaxed) {
                let account = heard.get().and_then(|text| self.account_in(text, partner));
                return landing.map(|token| Shown { token, account });
            }
        }
        Err(Error::Busy { partner })
    }

    /// What can wait does so before it takes off.
    async fn prepared(&self, trip: Trip, urgency: Urgency) -> Result<Trip, Error> {
        if urgency != Urgency::Spare {
            return Ok(trip);
        }
        let ticket = self.0.endpoint.spare_ticket(|| true).await.ok_or(Error::Closed)?;
        Ok(trip.prepaid(ticket))
    }

    async fn redeem_anew(self, trip: Trip, heard: Arc<Heard>) -> Landing {
        self.0.check_manners(&trip)?;
        let turn = self.0.turn(trip.partner).await?;
        let landing = self.redeem_in_turn(trip, &heard).await;
        turn.end().await;
        landing
    }

    fn account_in(&self, text: &IdTokenText, partner: TenantId) -> Option<AccountClaims> {
        let authority = Authority::of(self.0.app.cloud(), partner);
        self.0.id_tokens.account_from_tls(text, &authority).ok()
    }
}

/// A flight that others began may have found its token elsewhere, so ours is begun after it.
const TRIES: usize = 8;
