//! Each partner's share of the road: one rotation at a time, a bounded number of customers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::model::tenant::TenantId;

/// Redemptions at customer tenants under way at once, per partner.
const CUSTOMERS_AT_ONCE: usize = 32;

/// Held by whoever of this process redeems at the partner's own tenant (F-07).
pub(super) type Lane = OwnedMutexGuard<()>;
/// Held by whoever redeems at a customer's tenant.
#[derive(Debug)]
pub(super) struct Seat {
    road: Road,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.road.left.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<HashMap<TenantId, Road>>);

#[derive(Debug, Clone)]
pub(super) struct Road {
    rotation: Arc<tokio::sync::Mutex<()>>,
    customers: Arc<Semaphore>,
    /// How many have given their seat back.
    left: Arc<AtomicU64>,
}

impl Road {
    /// `None` once the road is closed, which nobody does.
    pub(super) async fn seat(&self) -> Option<Seat> {
        let permit = self.customers.clone().acquire_owned().await.ok()?;
        Some(Seat { road: self.clone(), _permit: permit })
    }

    /// It moves as long as seats are given back.
    pub(super) fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    pub(super) fn has_room(&self) -> bool {
        self.customers.available_permits() > 0
    }
}

impl Lanes {
    pub(super) async fn lane(&self, partner: TenantId) -> Lane {
        self.road(partner).rotation.lock_owned().await
    }

    pub(super) fn road(&self, partner: TenantId) -> Road {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.entry(partner).or_default().clone()
    }
}

impl Default for Road {
    fn default() -> Self {
        let customers = Arc::new(Semaphore::new(CUSTOMERS_AT_ONCE));
        Self { rotation: Arc::default(), customers, left: Arc::default() }
    }
}
