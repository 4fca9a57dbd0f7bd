//! Each partner's share of the road: one rotation at a time, a bounded number of customers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::model::tenant::TenantId;

/// Redemptions at customer tenants under way at once, per partner.
const CUSTOMERS_AT_ONCE: usize = 32;

/// Held by whoever redeems at the partner's own tenant (F-07).
pub(super) type Lease = OwnedMutexGuard<()>;
/// Held by whoever redeems at a customer's tenant.
pub(super) type Seat = OwnedSemaphorePermit;

#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<HashMap<TenantId, Lane>>);

#[derive(Debug, Clone)]
struct Lane {
    rotation: Arc<tokio::sync::Mutex<()>>,
    customers: Arc<Semaphore>,
}

impl Lanes {
    pub(super) async fn lease(&self, partner: TenantId) -> Lease {
        self.lane(partner).rotation.lock_owned().await
    }

    /// `None` once the lane is closed, which nobody does.
    pub(super) async fn seat(&self, partner: TenantId) -> Option<Seat> {
        self.lane(partner).customers.acquire_owned().await.ok()
    }

    fn lane(&self, partner: TenantId) -> Lane {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.entry(partner).or_default().clone()
    }
}

impl Default for Lane {
    fn default() -> Self {
        let customers = Arc::new(Semaphore::new(CUSTOMERS_AT_ONCE));
        Self { rotation: Arc::default(), customers }
    }
}
