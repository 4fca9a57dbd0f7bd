//! One request for many callers.
//!
//! A flight is a task of its own: a caller who goes away cancels nobody, and everyone who waits
//! shares its result, a failure too. Nothing of it is kept once it has landed.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, PoisonError};

use crate::error::Error;
use crate::journeys::cache::CacheKey;
use crate::journeys::token::Token;
use crate::model::sync::tasks::{spawn, watch};
use crate::model::sync::{Mutex, MutexGuard};

pub(crate) type Landing = Result<Token, Error>;
type Seat = watch::Receiver<Option<Landing>>;

/// The flights under way, by what they fetch.
#[derive(Clone, Default)]
pub(crate) struct Flights(Arc<Mutex<Field>>);

#[derive(Default)]
struct Field {
    under_way: HashMap<CacheKey, Seat>,
    is_closed: bool,
}

impl Flights {
    /// Joins the flight for `key`, or starts one, unless `at_hand` has the token by now.
    pub(crate) async fn join<F>(
        &self,
        key: CacheKey,
        at_hand: impl FnOnce() -> Option<Token>,
        start: impl FnOnce() -> F,
    ) -> Landing
    where
        F: Future<Output = Landing> + Send + 'static,
    {
        let mut seat = {
            let mut field = self.field();
            match field.under_way.get(&key) {
                Some(seat) => seat.clone(),
                None => match at_hand() {
                    Some(token) => return Ok(token),
                    None if field.is_closed => return Err(Error::Closed),
                    None => self.take_off(&mut field.under_way, key, start()),
                },
            }
        };
        let landed = seat.wait_for(Option::is_some).await;
        landed
            .ok()
            .and_then(|landing| landing.clone())
            .unwrap_or(Err(Error::Defect("a flight was lost")))
    }

    fn take_off<F>(&self, under_way: &mut HashMap<CacheKey, Seat>, key: CacheKey, flight: F) -> Seat
    where
        F: Future<Output = Landing> + Send + 'static,
    {
        let (result, seat) = watch::channel(None);
        under_way.insert(key.clone(), seat.clone());
        let slot = Slot { flights: self.clone(), key };
        spawn(async move {
            let landing = flight.await;
            drop(slot);
            result.send_replace(Some(landing));
        });
        seat
    }

    /// Lets nothing take off any more, and waits until every flight has landed.
    pub(crate) async fn close(&self) {
        self.field().is_closed = true;
        loop {
            let seat = self.field().under_way.values().next().cloned();
            let Some(mut seat) = seat else { return };
            let _lost_or_landed = seat.wait_for(Option::is_some).await;
        }
    }

    fn field(&self) -> MutexGuard<'_, Field> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Flights({})", self.field().under_way.len())
    }
}

/// Frees its key when the flight lands, or when it panics.
struct Slot {
    flights: Flights,
    key: CacheKey,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.flights.field().under_way.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::model::scope::Resource;
    use crate::model::tenant::TenantId;

    fn key() -> CacheKey {
        let tenant = TenantId::parse("11111111-1111-4111-8111-111111111111").expect("a GUID");
        CacheKey::plain(tenant, 1, tenant, Resource::Graph)
    }

    #[tokio::test]
    async fn a_panic_in_flight_is_an_error_for_all_and_frees_the_key() {
        // F-31
        let flights = Flights::default();
        let crash = || async { panic!("on purpose") };
        let landing = flights.join(key(), || None, crash).await;
        assert!(matches!(landing, Err(Error::Defect(_))));
        assert!(flights.field().under_way.is_empty());
    }

    #[tokio::test]
    async fn a_failure_is_shared_and_not_kept() {
        let flights = Flights::default();
        let (go, gate) = watch::channel(false);
        let started = Arc::new(AtomicUsize::new(0));
        let start = || {
            let (mut gate, started) = (gate.clone(), started.clone());
            move || async move {
                started.fetch_add(1, Ordering::SeqCst);
                let _ = gate.wait_for(|open| *open).await;
                Err(Error::Closed)
            }
        };
        let first = flights.join(key(), || None, start());
        let second = flights.join(key(), || None, start());
        let release = async { go.send_replace(true) };
        let (first, second, _) = tokio::join!(first, second, release);
        assert!(first.is_err() && second.is_err());
        assert_eq!(started.load(Ordering::SeqCst), 1);
        assert!(flights.join(key(), || None, start()).await.is_err());
        assert_eq!(started.load(Ordering::SeqCst), 2);
    }
}
