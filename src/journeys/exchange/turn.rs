//! Whose turn it is to redeem: within this process, and among all that share the store.
//!
//! Nobody waits for ever: who has waited too long gets [`Error::Busy`] (F-09).

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use super::Desk;
use super::lane::{Lane, Seat};
use crate::error::Error;
use crate::journeys::cache::CacheKey;
use crate::journeys::sharing::Sharing;
use crate::model::event::Event;
use crate::model::tenant::TenantId;
use crate::storage::lease::{Errand, Lease, LeaseError};

/// Longer than any redemption takes, retries and all.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A turn at the partner's own tenant.
pub(super) struct Turn {
    lease: Option<Lease>,
    _lane: Lane,
}

impl Turn {
    /// Returns once the next may begin, in any process.
    pub(super) async fn end(self) {
        release(self.lease).await;
    }
}

/// Gives a lease back, if there is one.
pub(super) async fn release(lease: Option<Lease>) {
    if let Some(lease) = lease {
        lease.release().await;
    }
}

impl Desk {
    /// One at a time redeems at the partner's own tenant (F-07).
    pub(super) async fn turn(&self, partner: TenantId) -> Result<Turn, Error> {
        let lane = self.patiently(self.lanes.lane(partner)).await;
        let lane = lane.ok_or(Error::Busy { partner })?;
        let lease = self.lease(partner, format!("rotation.{partner}")).await?;
        Ok(Turn { lease, _lane: lane })
    }

    /// A bounded number at a time redeem at the partner's customers, in the order in which they
    /// came. The queue may be long, as long as it moves.
    pub(super) async fn seat(&self, partner: TenantId) -> Result<Seat, Error> {
        let road = self.lanes.road(partner);
        let mut waiting = pin!(road.seat());
        loop {
            let left = road.left();
            match self.patiently(waiting.as_mut()).await {
                Some(seat) => return seat.ok_or(Error::Closed),
                None if road.left() == left => return Err(Error::Busy { partner }),
                None => {}
            }
        }
    }

    /// Whether nobody waits for a caller's sake: then there is room for what can wait.
    pub(super) fn has_room_for(&self, key: &CacheKey) -> bool {
        key.partner == key.tenant || self.lanes.road(key.partner).has_room()
    }

    /// Where processes share access tokens, one of them asks and the others wait for its answer.
    pub(super) async fn customer_lease(&self, key: &CacheKey) -> Result<Option<Lease>, Error> {
        if !self.sharing.is_on() {
            return Ok(None);
        }
        let ask = Sharing::place(key, &self.scopes(&key.resource));
        self.lease(key.partner, format!("token.{ask}")).await
    }

    /// A store that refuses a lease keeps nobody from work: what is fenced is the consent itself, by
    /// the revision at which it is written.
    async fn lease(&self, partner: TenantId, name: String) -> Result<Option<Lease>, Error> {
        let Some(leases) = &self.leases else { return Ok(None) };
        let errand = Errand { name, partner: Some(partner) };
        match Box::pin(leases.take(errand, LONGEST_WAIT)).await {
            Ok(lease) => Ok(Some(lease)),
            Err(LeaseError::Busy) => Err(Error::Busy { partner }),
            Err(LeaseError::Ledger(error)) => {
                tracing::debug!(%error, "a lease was not taken");
                self.observers.tell(&Event::Unleased { partner });
                Ok(None)
            }
        }
    }

    /// What comes of it, unless that takes too long.
    async fn patiently<T>(&self, waiting: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            turn = waiting => Some(turn),
            () = self.clock.sleep(LONGEST_WAIT) => None,
        }
    }
}
