//! From memory to the caller: what a panel does before every call it makes.
//!
//! A hit is no asynchronous work at all. Only what is not at hand becomes a task that is waited for.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use super::{Ask, Desk, Exchange, MARGIN, Trip};
use crate::error::Error;
use crate::journeys::cache::{CacheKey, Place};
use crate::journeys::flight::Landing;
use crate::journeys::offers::Offer;
use crate::journeys::sharing::Shared;
use crate::journeys::token::{Issue, Life, Token};
use crate::model::clock::Glance;
use crate::model::sync::RwLock;
use crate::model::sync::atomic::Ordering;
use crate::model::sync::tasks::Handle;
use crate::model::tenant::TenantId;

/// An API that refuses two tokens within so many milliseconds refuses the user, not the token.
const REFUSED_AGAIN: u64 = 300_000;
/// After a successor could not be fetched ahead of time, the next try is made no sooner.
const PAUSE_AHEAD: Duration = Duration::from_secs(30);

impl Exchange {
    /// A token, from memory or from Entra.
    #[inline]
    pub(crate) fn token(&self, ask: Ask) -> Answer {
        let at_hand = self.at_hand(&ask);
        if at_hand.is_some() {
            return Answer(State::AtHand(at_hand));
        }
        Answer(State::Fetching(Box::pin(self.clone().fetch(ask))))
    }

    /// A token without waiting: one that may be handed out as things were known a moment ago.
    #[inline]
    pub(super) fn at_hand(&self, ask: &Ask) -> Option<Token> {
        if ask.instead_of.is_some() || ask.claims.is_some() {
            return None;
        }
        let desk = &self.0;
        let now = desk.clock.glance();
        let place = Place::of(ask, desk.offers.find(&ask.resource)?);
        let token = desk.cache.find(&place, |token| desk.may_hand_out(token, ask, now))?;
        self.handed_out(ask, &token, now);
        Some(token)
    }

    /// Counts it, and has done in the background what is soon to be waited for: a look at what other
    /// processes have changed, the token's successor.
    #[inline]
    fn handed_out(&self, ask: &Ask, token: &Token, now: Glance) {
        if token.hit() {
            self.wake_clock();
        }
        if self.0.watch.wants_look(now) {
            self.look_if_first(ask.partner);
        }
        if token.life().wants_renewal(now) {
            self.renew_if_first(ask, token);
        }
    }

    /// What makes glances cheap does not survive a fork: a clock that is asked in earnest goes on.
    #[cold]
    fn wake_clock(&self) {
        let _woken = self.0.clock.monotonic();
    }

    /// Who asks outside of the runtime leaves it to the next.
    #[cold]
    fn look_if_first(&self, partner: TenantId) {
        let Ok(runtime) = Handle::try_current() else { return };
        if self.0.watch.begins_look() {
            runtime.spawn(self.clone().look_ahead(partner));
        }
    }

    /// As [`look_if_first`](Self::look_if_first).
    #[cold]
    fn renew_if_first(&self, ask: &Ask, token: &Token) {
        let Ok(runtime) = Handle::try_current() else { return };
        if token.begins_renewal() {
            runtime.spawn(self.clone().renew_ahead(ask.clone(), token.clone()));
        }
    }

    /// If it fails, whoever asks once the last look is too long ago looks again, and waits for it.
    async fn look_ahead(self, partner: TenantId) {
        let _known_goes_on = self.0.watch.look_anew(partner).await;
    }

    /// Fetches the successor of a token that still serves. A failure is told by events; the next
    /// try is made a while later.
    async fn renew_ahead(self, ask: Ask, token: Token) {
        let desk = &self.0;
        let generation = token.standing().generation;
        let key = CacheKey::plain(ask.partner, generation, ask.tenant, ask.resource);
        let trip = Trip::of(key, token.standing().clone(), ask.motive);
        if desk.has_room_for(&trip)
            && let Some(ticket) = desk.endpoint.spare_ticket(|| desk.lacks(&trip)).await
            && let Err(error) = self.fly(&trip.clone().prepaid(ticket)).await
        {
            let _told = desk.serve_while_failing(&trip, error);
        }
        desk.clock.sleep(PAUSE_AHEAD).await;
        token.renewal_failed();
    }

    /// A token that is good for some minutes at least, from memory or from Entra.
    pub(super) async fn fetch(self, ask: Ask) -> Landing {
        let desk = &self.0;
        desk.check(&ask)?;
        let standing = desk.standing(ask.partner).await?;
        standing.admit(ask.partner, ask.account.as_ref())?;
        desk.freezes.admit(ask.partner, standing.account())?;
        let key = CacheKey {
            instead: ask.instead_of.is_some(),
            claims: ask.claims.clone(),
            ..CacheKey::plain(ask.partner, standing.generation, ask.tenant, ask.resource.clone())
        };
        self.admit_enforced(&key, ask.account.as_ref()).await?;
        if let Some(refused) = &ask.instead_of {
            desk.take_back(&key, refused).await?;
        }
        if let Some(token) = desk.at_hand(&key) {
            self.handed_out(&ask, &token, desk.clock.glance());
            return Ok(token);
        }
        let standing = desk.view(&key).filter(|view| view.tells_the_same(&standing));
        let standing = standing.ok_or(Error::Superseded { partner: key.partner })?;
        let trip = Trip::of(key, standing, ask.motive);
        let landing = self.fly(&trip).await;
        if landing.is_err() {
            desk.check_enforced(&trip)?;
        }
        let token = match landing {
            Err(error) if trip.claims.is_none() => desk.serve_while_failing(&trip, error),
            landing => landing,
        }?;
        desk.admit_landed(&trip, &token).await?;
        Ok(token)
    }
}

impl Desk {
    #[inline]
    fn may_hand_out(&self, token: &Token, ask: &Ask, now: Glance) -> bool {
        let standing = token.standing();
        // Recent first: else a view that held a moment ago would pass for as recent as the very look
        // that doubts it.
        token.is_good(now)
            && self.watch.is_recent(now)
            && standing.holds()
            && ask.account.as_ref().is_none_or(|account| standing.is_of(account))
            && (!self.freezes.is_on()
                || self.freezes.admit(ask.partner, standing.account()).is_ok())
            && !self.closed.load(Ordering::Acquire)
    }

    /// A good token of the consent that this key speaks of.
    pub(super) fn at_hand(&self, key: &CacheKey) -> Option<Token> {
        if key.claims.is_some() {
            return None;
        }
        let now = self.clock.glance();
        self.find(key, |token| token.is_good(now))
    }

    /// One that needs no successor yet.
    pub(super) fn fresh(&self, key: &CacheKey) -> Option<Token> {
        let now = self.clock.glance();
        self.at_hand(key).filter(|token| !token.life().wants_renewal(now))
    }

    /// Whether a successor is still to be fetched.
    fn lacks(&self, key: &CacheKey) -> bool {
        self.fresh(key).is_none() && !self.closed.load(Ordering::Acquire)
    }

    /// One that lives at all.
    pub(super) fn still_alive(&self, key: &CacheKey) -> Option<Token> {
        let now = self.clock.glance();
        self.find(key, |token| token.is_alive(now))
    }

    fn find(&self, key: &CacheKey, fits: impl Fn(&Token) -> bool) -> Option<Token> {
        let standing = self.view(key)?;
        if standing.generation != key.generation {
            return None;
        }
        let place = Place::at(key, self.offers.find(&key.resource)?);
        self.cache.find(&place, |token| Arc::ptr_eq(token.standing(), &standing) && fits(token))
    }

    /// What another process has shared, kept in memory from now on.
    ///
    /// Boxed, for most hosts share none: so it takes no room in each flight.
    pub(super) async fn shared(&self, trip: &Trip) -> Option<Token> {
        if !self.sharing.is_on() || trip.claims.is_some() || trip.instead {
            return None;
        }
        Box::pin(self.found_shared(trip)).await
    }

    async fn found_shared(&self, trip: &Trip) -> Option<Token> {
        let asked = self.scopes(&trip.resource);
        let shared = self.sharing.find(trip, &asked, MARGIN).await?;
        let held = self.at_hand(trip);
        let ours = held.is_some_and(|held| held.secret().is(&shared.secret));
        if ours { None } else { self.keep(trip, shared).ok() }
    }

    /// Keeps a token under the view that its flight began with, unless that is gone: what was fetched
    /// for a consent says nothing of the next one.
    pub(super) fn keep(&self, trip: &Trip, token: Shared) -> Landing {
        let Trip { key, standing, .. } = trip;
        if standing.is_gone() {
            return Err(Error::Superseded { partner: key.partner });
        }
        let offer = self.offers.find(&key.resource).ok_or(Error::Defect("an API was lost"))?;
        let Shared { secret, scopes: granted, left } = token;
        let life = Life::of(left, &*self.clock);
        let (tenant, offer, standing) = (key.tenant, offer.clone(), standing.clone());
        let place = Place::at(key, &offer);
        let now = self.clock.glance();
        let instead_until = if key.instead { now.monotonic() + REFUSED_AGAIN } else { 0 };
        let issue = Issue { secret, tenant, offer, granted, standing, life, instead_until };
        let token = Token::new(issue);
        self.cache.keep(place, token.clone(), now);
        Ok(token)
    }

    /// Nobody gets it any more. An API that refuses the very next one too does so for a reason that
    /// no third would remove (F-15).
    async fn take_back(&self, key: &CacheKey, refused: &Token) -> Result<(), Error> {
        if refused.is_taken_back() {
            return Ok(());
        }
        if let Some(left) = refused.was_instead(self.clock.glance()) {
            let (partner, tenant, resource) = (key.partner, key.tenant, key.resource.clone());
            return Err(Error::TokenRefused { partner, tenant, resource, left });
        }
        refused.take_back();
        self.sharing.take_back(key, &self.scopes(&key.resource)).await;
        Ok(())
    }
}

impl Place {
    fn of(ask: &Ask, offer: &Offer) -> Self {
        Self { partner: ask.partner, tenant: ask.tenant, offer: offer.number }
    }

    fn at(key: &CacheKey, offer: &Offer) -> Self {
        Self { partner: key.partner, tenant: key.tenant, offer: offer.number }
    }
}

/// A token to come: at once if one was at hand, or else when Entra has answered.
#[must_use = "the token is had by awaiting this"]
pub struct Answer(State);

enum State {
    AtHand(Option<Token>),
    Fetching(Fetching),
}

type Fetching = Pin<Box<dyn Future<Output = Landing> + Send>>;

impl Future for Answer {
    type Output = Landing;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Landing> {
        match &mut self.0 {
            State::AtHand(token) => Poll::Ready(token.take().ok_or(Error::Defect("asked twice"))),
            State::Fetching(fetching) => fetching.as_mut().poll(context),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Answer").finish_non_exhaustive()
    }
}

/// One API of one tenant, looked up once: for a loop that asks for its token at every turn.
///
/// It borrows nothing: keep it in a struct, and a clone of it in each task, or all of them share one
/// behind an `Arc`. It may outlive the broker's other handles. Each hand-out is judged as any other
/// is: a withdrawal in another process stops it within five seconds.
///
/// It asks for the plain token. After a 401, ask by
/// [`instead_of`](crate::TokenRequest::instead_of) or
/// [`satisfying`](crate::TokenRequest::satisfying) as ever; the token that the API has refused is
/// taken out of this hand, too.
pub struct Access {
    exchange: Exchange,
    ask: Ask,
    held: RwLock<Option<Token>>,
}

impl Access {
    pub(crate) fn new(exchange: Exchange, ask: Ask) -> Self {
        let ask = Ask { instead_of: None, claims: None, ..ask };
        Self { exchange, ask, held: RwLock::default() }
    }

    /// The token, as [`Partner::token`](crate::Partner::token) gives it.
    ///
    /// # Errors
    /// As there.
    pub fn token(&self) -> Answer {
        let at_hand = self.at_hand();
        if at_hand.is_some() {
            return Answer(State::AtHand(at_hand));
        }
        Answer(State::Fetching(Box::pin(self.exchange.clone().fetch(self.ask.clone()))))
    }

    fn at_hand(&self) -> Option<Token> {
        let desk = &self.exchange.0;
        let (now, ask) = (desk.clock.glance(), &self.ask);
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let good = held.as_ref().filter(|token| desk.may_hand_out(token, ask, now)).cloned();
        drop(held);
        match good {
            Some(token) => {
                self.exchange.handed_out(&self.ask, &token, now);
                Some(token)
            }
            None => self.look_up(),
        }
    }

    /// From the cache, where what was fetched last lies too.
    fn look_up(&self) -> Option<Token> {
        let token = self.exchange.at_hand(&self.ask);
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = token.clone();
        token
    }
}

/// It begins with the token that this one has in its hand.
impl Clone for Access {
    fn clone(&self) -> Self {
        let (exchange, ask) = (self.exchange.clone(), self.ask.clone());
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner).clone();
        Self { exchange, ask, held: RwLock::new(held) }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Access")
            .field("partner", &self.ask.partner)
            .field("tenant", &self.ask.tenant)
            .field("resource", &self.ask.resource)
            .finish_non_exhaustive()
    }
}
