//! An exchange desk whose Entra is a moment's wait. How it takes an ask, what it knows of a consent,
//! how it flies and what it keeps are the real files beside it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shuttle::future::yield_now;

use super::unsaved::Unsaved;
use super::usable;
use crate::error::Error;
use crate::journeys::cache::{Cache, CacheKey};
use crate::journeys::flight::{Flights, Landing};
use crate::journeys::freezing::Freezes;
use crate::journeys::offers::Offers;
use crate::journeys::sharing::{Shared, Sharing};
use crate::journeys::standing::{Standing, Standings};
use crate::journeys::token::Token;
use crate::journeys::watch::Watch;
use crate::model::clock::Clock;
use crate::model::event::Observers;
use crate::model::motive::Motive;
use crate::model::registration::AppRegistration;
use crate::model::scope::{Resource, Scopes};
use crate::model::secret::AccessToken;
use crate::model::sync::atomic::{AtomicBool, Ordering};
use crate::model::tenant::{AccountId, TenantId};
use crate::protocol::challenge::ClaimsChallenge;
use crate::storage::ledger::Ledger;
use crate::storage::roll::Roll;

pub(super) const MARGIN: Duration = Duration::from_secs(120);

#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) partner: TenantId,
    pub(crate) account: Option<AccountId>,
    pub(crate) tenant: TenantId,
    pub(crate) resource: Resource,
    pub(crate) instead_of: Option<Token>,
    pub(crate) claims: Option<ClaimsChallenge>,
    pub(crate) motive: Motive,
}

#[derive(Debug, Clone)]
pub(super) struct Trip {
    pub(super) key: CacheKey,
    pub(super) standing: Arc<Standing>,
    pub(super) motive: Motive,
}

impl Trip {
    pub(super) fn of(key: CacheKey, standing: Arc<Standing>, motive: Motive) -> Self {
        Self { key, standing, motive }
    }

    pub(super) fn prepaid(self, Ticket: Ticket) -> Self {
        self
    }
}

/// Leave to ask, which everybody has at once.
pub(super) struct Ticket;

#[derive(Debug)]
pub(super) struct Endpoint;

impl Endpoint {
    pub(super) async fn spare_ticket(&self, is_wanted: impl Fn() -> bool) -> Option<Ticket> {
        is_wanted().then_some(Ticket)
    }
}

impl std::ops::Deref for Trip {
    type Target = CacheKey;

    fn deref(&self) -> &CacheKey {
        &self.key
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Exchange(pub(crate) Arc<Desk>);

#[derive(Debug)]
pub(crate) struct Desk {
    pub(super) app: AppRegistration,
    pub(super) cache: Cache,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ledger: Ledger,
    pub(crate) standings: Arc<Standings>,
    pub(crate) watch: Watch,
    pub(super) freezes: Freezes,
    pub(super) sharing: Sharing,
    pub(super) observers: Observers,
    pub(super) offers: Offers,
    pub(super) flights: Flights,
    pub(super) unsaved: Unsaved,
    pub(super) endpoint: Endpoint,
    pub(super) closed: AtomicBool,
    pub(crate) entra: Entra,
}

impl Exchange {
    /// A desk of a process that has done nothing yet.
    pub(crate) fn new(app: AppRegistration, clock: Arc<dyn Clock>, ledger: Ledger) -> Self {
        let standings = Arc::new(Standings::default());
        let watch = Watch::new(ledger.clone(), clock.clone(), standings.clone(), Freezes, Roll);
        Self(Arc::new(Desk {
            offers: Offers::of(&app),
            app,
            cache: Cache::new(usize::MAX),
            clock,
            ledger,
            standings,
            watch,
            freezes: Freezes,
            sharing: Sharing,
            observers: Observers::default(),
            flights: Flights::default(),
            unsaved: Unsaved::default(),
            endpoint: Endpoint,
            closed: AtomicBool::new(false),
            entra: Entra::default(),
        }))
    }

    pub(super) async fn at_customer(self, trip: Trip) -> Landing {
        self.rotate(trip).await
    }

    /// What was redeemed is told by the access token: its text is the flow of the consent.
    pub(super) async fn rotate(self, trip: Trip) -> Landing {
        let desk = &self.0;
        let held = desk.current(&trip).await?;
        usable(&held.record)?;
        desk.entra.redeem(&trip).await;
        let secret = AccessToken::new(held.record.consent.flow).expect("plain text");
        let (scopes, left) = (desk.scopes(&trip.resource), Duration::from_secs(3600));
        desk.keep(&trip, Shared { secret, scopes, left })
    }

    /// Partner Center has refused nothing.
    pub(super) async fn admit_enforced(
        &self,
        _: &CacheKey,
        _: Option<&AccountId>,
    ) -> Result<(), Error> {
        Ok(())
    }

    /// Takes no new work, and returns once what was under way has landed.
    pub(crate) async fn finish(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.flights.close().await;
    }
}

impl Desk {
    pub(super) fn check(&self, _: &Ask) -> Result<(), Error> {
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }

    pub(super) fn view(&self, key: &CacheKey) -> Option<Arc<Standing>> {
        match key.is_for_office() {
            true => self.standings.last_office(key.partner),
            false => self.standings.last(key.partner),
        }
    }

    pub(super) fn since_refused(&self, _: &Trip) -> Option<Trip> {
        None
    }

    pub(super) fn check_enforced(&self, _: &CacheKey) -> Result<(), Error> {
        Ok(())
    }

    pub(super) fn has_room_for(&self, _: &CacheKey) -> bool {
        true
    }

    pub(super) fn scopes(&self, resource: &Resource) -> Scopes {
        self.app.scopes().of(resource)
    }
}

/// Takes a request, lets others go on, and answers.
#[derive(Default)]
pub(crate) struct Entra(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    requests: usize,
    under_way: HashSet<CacheKey>,
    meanwhile: Option<Box<dyn FnOnce() + Send>>,
}

impl Entra {
    /// What happens while the next request is under way.
    pub(crate) fn meanwhile(&self, happens: impl FnOnce() + Send + 'static) {
        self.inner().meanwhile = Some(Box::new(happens));
    }

    pub(crate) fn requests(&self) -> usize {
        self.inner().requests
    }

    /// How many requests there were, and how many are under way.
    pub(crate) fn state(&self) -> (usize, usize) {
        let inner = self.inner();
        (inner.requests, inner.under_way.len())
    }

    async fn redeem(&self, key: &CacheKey) {
        let meanwhile = {
            let mut inner = self.inner();
            inner.requests += 1;
            assert!(inner.under_way.insert(key.clone()), "a second flight beside the first");
            inner.meanwhile.take()
        };
        yield_now().await;
        meanwhile.into_iter().for_each(|happens| happens());
        yield_now().await;
        self.inner().under_way.remove(key);
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Entra {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Entra({})", self.requests())
    }
}
