//! Each partner's share of the road: one rotation at a time, a bounded number of customers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::model::tenant::TenantId;

/// Redemptions at customer tenants under way at once, per partner.
const CUSTOMERS_AT_ONCE: usize = 32;

/// Held by whoever of this process redeems at the partner's own tenant (F-07).
pub(super) type Lane = OwnedMutexGuard<()>;
/// Held by whoever redeems at a customer's tenant.
pub(super) type Seat = OwnedSemaphorePermit;

#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<HashMap<TenantId, Road>>);

#[derive(Debug, Clone)]
struct Road {
    rotation: Arc<tokio::sync::Mutex<()>>,
    customers: Arc<Semaphore>,
}

impl Lanes {
    pub(super) async fn lane(&self, partner: TenantId) -> Lane {
        self.road(partner).rotation.lock_owned().await
    }

    /// `None` once the road is closed, which nobody does.
    pub(super) async fn seat(&self, partner: TenantId) -> Option<Seat> {
        self.road(partner).customers.acquire_owned().await.ok()
    }

    fn road(&self, partner: TenantId) -> Road {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.entry(partner).or_default().clone()
    }
}

impl Default for Road {
    fn default() -> Self {
        let customers = Arc::new(Semaphore::new(CUSTOMERS_AT_ONCE));
        Self { rotation: Arc::default(), customers }
    }
}
