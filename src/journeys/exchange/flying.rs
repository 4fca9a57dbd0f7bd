//! From a trip to its landing: one flight for all who want the same, and what a landing is worth.

use std::sync::Arc;

use super::{Desk, Exchange, Trip};
use crate::error::Error;
use crate::journeys::cache::CacheKey;
use crate::journeys::flight::Landing;
use crate::journeys::token::Token;
use crate::model::event::Event;

impl Exchange {
    /// A flight that began before Partner Center refused a token says nothing of another one: whoever
    /// was on it takes the next.
    pub(super) async fn fly(&self, trip: &Trip) -> Landing {
        let landing = self.fly_once(trip).await;
        match (&landing, self.0.since_refused(trip)) {
            (Err(Error::Superseded { .. }), Some(next)) => Box::pin(self.fly_once(&next)).await,
            _ => landing,
        }
    }

    async fn fly_once(&self, trip: &Trip) -> Landing {
        if trip.partner == trip.tenant {
            return self.fly_own(trip).await;
        }
        let fresh = || self.0.fresh(trip);
        let (desk, flight) = (self.clone(), trip.clone());
        self.0.flights.join(trip.key.clone(), fresh, || desk.at_customer(flight)).await
    }

    pub(super) async fn fly_own(&self, trip: &Trip) -> Landing {
        let fresh = || self.0.fresh(trip);
        let (desk, flight) = (self.clone(), trip.clone());
        self.0.flights.join(trip.key.clone(), fresh, || desk.rotate(flight)).await
    }
}

impl Desk {
    /// What was frozen, replaced or suspended while a flight was under way stops its token too: it may
    /// have taken long.
    pub(super) async fn admit_landed(&self, key: &CacheKey, token: &Token) -> Result<(), Error> {
        let partner = key.partner;
        let standing = self.standing(partner).await?;
        standing.admit(partner, None)?;
        self.check_enforced(key)?;
        if !self.view(key).is_some_and(|view| Arc::ptr_eq(&view, token.standing())) {
            return Err(Error::Superseded { partner });
        }
        self.freezes.admit(partner, standing.account())
    }

    /// A valid token outlives a failure that may pass.
    pub(super) fn serve_while_failing(&self, key: &CacheKey, error: Error) -> Landing {
        let final_word = matches!(
            error,
            Error::NoConsent { .. }
                | Error::Superseded { .. }
                | Error::ForeignToken { .. }
                | Error::Damaged { .. }
        );
        match self.still_alive(key) {
            Some(token) if !final_word => {
                let (partner, tenant, until) = (key.partner, key.tenant, token.expires_at());
                self.observers.tell(&Event::ServedWhileFailing { partner, tenant, until });
                Ok(token)
            }
            _ => Err(error),
        }
    }
}
