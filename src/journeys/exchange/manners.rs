//! How Entra is asked: not while it wants to be left alone, not again where asking changes nothing,
//! a bounded number of times, and never by one failure for everybody.

use std::sync::Arc;
use std::time::Duration;

use super::view::usable;
use super::{Desk, Trip};
use crate::error::{Error, Remedy};
use crate::journeys::cache::CacheKey;
use crate::journeys::circuit::{Asker, Circuit, Pass, Turn};
use crate::journeys::guard::{Fleet, FleetGuard, Verdict};
use crate::model::clock::Clock;
use crate::model::cloud::Authority;
use crate::model::consent::{Consent, StoredConsent};
use crate::model::entra_error::{Cause, EntraError};
use crate::model::event::Event;
use crate::model::scope::Resource;
use crate::model::secret::RefreshToken;
use crate::model::tenant::TenantId;
use crate::protocol::token_endpoint::{TokenError, TokenReply};
use crate::storage::ledger::Held;
use crate::transport::http::HttpFault;
use crate::transport::pace::Ticket;
use crate::transport::throttle::{Rest, Throttle, jitter};

/// What a broker's host may set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) retries: u32,
    pub(crate) guard: FleetGuard,
}

impl Default for Limits {
    fn default() -> Self {
        Self { retries: 2, guard: FleetGuard::default() }
    }
}

/// What is remembered of failures, in this process.
#[derive(Debug)]
pub(crate) struct Manners {
    retries: u32,
    /// What only the vendor can mend, by whose consent, where, and for which API.
    targets: Throttle<Target>,
    /// Partners whose state would have been suspended, had the guard not held it back.
    held: Throttle<TenantId>,
    circuit: Circuit,
    fleet: Fleet,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Target {
    partner: TenantId,
    tenant: TenantId,
    resource: Resource,
}

impl Manners {
    pub(crate) fn new(limits: Limits, clock: &Arc<dyn Clock>) -> Self {
        Self {
            retries: limits.retries,
            targets: Throttle::new(clock.clone()),
            held: Throttle::new(clock.clone()),
            circuit: Circuit::new(clock.clone()),
            fleet: Fleet::new(limits.guard, clock.clone()),
        }
    }

    fn resting(&self, key: &CacheKey) -> Option<Rest> {
        let held = || self.held.find(&key.partner).filter(|_| key.partner == key.tenant);
        self.targets.find(&target(key)).or_else(held)
    }

    /// Whether nothing would be sent now.
    fn check(&self, key: &CacheKey) -> Result<(), TokenError> {
        if let Some(rest) = self.resting(key) {
            return Err(TokenError::Resting(rest));
        }
        self.circuit.check(asker(key)).map_err(TokenError::CircuitOpen)
    }

    /// Leave for one redemption, retries and all.
    fn admit(&self, key: &CacheKey) -> Result<Pass, TokenError> {
        if let Some(rest) = self.resting(key) {
            return Err(TokenError::Resting(rest));
        }
        self.circuit.admit(asker(key)).map_err(TokenError::CircuitOpen)
    }

    fn works(&self, key: &CacheKey) {
        self.targets.clear(&target(key));
        if key.partner == key.tenant {
            self.held.clear(&key.partner);
        }
    }
}

impl Desk {
    /// Tells a caller at once, before anybody's turn is waited for, that nothing would be sent.
    pub(super) fn check_manners(&self, key: &CacheKey) -> Result<(), Error> {
        let authority = Authority::of(self.app.cloud(), key.tenant);
        let checked = self.manners.check(key).and_then(|()| self.endpoint.check(&authority));
        checked.map_err(|error| Error::token(Some(key.partner), Some(key.tenant), error))
    }

    /// The consent to redeem with, and leave to do so: where that was waited for the consent is read
    /// again, for it may have been withdrawn, by another process too.
    pub(super) async fn held_with_leave(
        &self,
        trip: &Trip,
        admit: impl Fn(&Consent) -> Result<(), Error>,
    ) -> Result<(Held<StoredConsent>, Ticket), Error> {
        let held = self.current(trip).await?;
        admit(&held.record.consent)?;
        usable(&held.record)?;
        let ticket = self.leave(trip).await.map_err(|error| self.refused(trip, error))?;
        if ticket.waited < STALE {
            return Ok((held, ticket));
        }
        let held = self.current(trip).await?;
        admit(&held.record.consent)?;
        Ok((held, ticket))
    }

    /// Leave to send one request, for as long as it would be sent: whoever waits for nothing goes.
    pub(super) async fn leave(&self, trip: &Trip) -> Result<Ticket, TokenError> {
        let authority = Authority::of(self.app.cloud(), trip.tenant);
        loop {
            self.check_road(trip, &authority)?;
            if let Some(ticket) = trip.ticket() {
                return Ok(ticket);
            }
            let wanted = || self.check_road(trip, &authority).is_ok();
            if let Some(ticket) = self.endpoint.ticket_at(&authority, wanted).await? {
                return Ok(ticket);
            }
        }
    }

    fn check_road(&self, trip: &Trip, authority: &Authority) -> Result<(), TokenError> {
        if trip.standing.is_gone() {
            return Err(TokenError::Superseded);
        }
        self.manners.check(trip)?;
        self.endpoint.check(authority)
    }

    /// Redeems a refresh token, again where that failed in passing, and learns from the outcome.
    pub(super) async fn redeem(
        &self,
        ticket: Ticket,
        trip: &Trip,
        token: &RefreshToken,
    ) -> Result<TokenReply, TokenError> {
        // The leave may have been waited for, and much may have failed meanwhile.
        let pass = self.manners.admit(trip)?;
        let outcome = self.redeem_again(ticket, trip, token).await;
        self.learn(trip, &pass, &outcome);
        outcome
    }

    /// Full jitter; and no try is begun so late that whoever waits for this partner's turn gives up.
    async fn redeem_again(
        &self,
        mut ticket: Ticket,
        trip: &Trip,
        token: &RefreshToken,
    ) -> Result<TokenReply, TokenError> {
        let begun = self.clock.monotonic();
        let is_late = |more| self.clock.monotonic().saturating_sub(begun) + more > RETRY_WITHIN;
        let mut longest = FIRST_PAUSE;
        for _ in 0..self.manners.retries {
            let outcome = self.redeem_once(ticket, trip, token).await;
            let pause = jitter(longest);
            if !outcome.as_ref().is_err_and(failed_in_passing) || is_late(pause) {
                return outcome;
            }
            self.clock.sleep(pause).await;
            longest = (2 * longest).min(LONGEST_PAUSE);
            ticket = match self.leave(trip).await {
                Ok(ticket) if !is_late(Duration::ZERO) => ticket,
                _ => return outcome,
            };
        }
        self.redeem_once(ticket, trip, token).await
    }

    fn learn(&self, key: &CacheKey, pass: &Pass, outcome: &Result<TokenReply, TokenError>) {
        let fleet = &self.manners.fleet;
        let is_released = fleet.saw(key.partner)
            || outcome.is_ok() && fleet.worked(key.partner, key.generation, false);
        if is_released {
            self.observers.tell(&Event::FleetReleased);
        }
        let turn = match outcome {
            Ok(_) => {
                self.manners.works(key);
                self.manners.circuit.succeeded(pass)
            }
            Err(TokenError::Entra(refusal)) => self.learn_refusal(key, pass, refusal),
            Err(_) => None,
        };
        match turn {
            Some(Turn::Opened(cause)) => self.observers.tell(&Event::CircuitOpened { cause }),
            Some(Turn::Closed) => self.observers.tell(&Event::CircuitClosed),
            None => {}
        }
    }

    /// what only the vendor can mend is not asked for again and again.
    fn learn_refusal(&self, key: &CacheKey, pass: &Pass, refusal: &EntraError) -> Option<Turn> {
        let cause = refusal.cause();
        let error = TokenError::Entra(refusal.clone());
        let error = Error::token(Some(key.partner), Some(key.tenant), error);
        if error.remedy() == Remedy::FixRegistration {
            self.manners.targets.strike(target(key), cause);
        }
        self.manners.circuit.refused(pass, cause)
    }

    /// The partner's own tenant has answered as it should.
    pub(super) fn holds_up(&self, key: &CacheKey) {
        if self.manners.fleet.worked(key.partner, key.generation, true) {
            self.observers.tell(&Event::FleetReleased);
        }
    }

    /// Whether so many fail that this consent's state is left as it is. It rests in memory then, as it
    /// would by its state, and it is nobody's turn.
    pub(super) fn holds_back(&self, consent: &Consent, next: &Consent, cause: Cause) -> bool {
        let leaves = std::mem::discriminant(&consent.state) != std::mem::discriminant(&next.state);
        match self.manners.fleet.fails(consent.partner, consent.generation, leaves) {
            Verdict::Written => return false,
            Verdict::Held => {}
            Verdict::Alarm { leaving, of } => {
                self.observers.tell(&Event::FleetHeld { leaving, of, cause });
            }
        }
        self.manners.held.strike(consent.partner, Cause::Transient);
        true
    }
}

/// Worth another try: nothing was refused, and nothing said how long to wait.
fn failed_in_passing(error: &TokenError) -> bool {
    match error {
        TokenError::Http(error) => matches!(
            error.fault(),
            HttpFault::Unresolved | HttpFault::Connect | HttpFault::Timeout | HttpFault::Broken
        ),
        TokenError::Entra(refusal) => {
            let at_fault = refusal.status().is_some_and(|status| status >= 500);
            at_fault && refusal.cause() == Cause::Transient && refusal.retry_after().is_none()
        }
        _ => false,
    }
}

fn target(key: &CacheKey) -> Target {
    Target { partner: key.partner, tenant: key.tenant, resource: key.resource.clone() }
}

fn asker(key: &CacheKey) -> Asker {
    Asker { partner: key.partner, tenant: key.tenant }
}

/// A consent that was read so long ago is read again before it is used.
const STALE: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// People wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// One more request takes half a minute at most, and a turn is waited for a minute long.
const RETRY_WITHIN: Duration = Duration::from_secs(20);
