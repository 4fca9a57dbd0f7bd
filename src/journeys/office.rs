//! Partner Center, asked by a partner's consent: with a token that it takes, under the same id as long
//! as it has not answered, and not while it wants to be left alone.
//!
//! Source: Partner Center REST, "REST headers" and "API throttling guidance".

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OnceCell;

use crate::error::Error;
use crate::journeys::exchange::{Ask, Exchange};
use crate::journeys::token::Token;
use crate::model::clock::Clock;
use crate::model::event::Observers;
use crate::model::scope::Resource;
use crate::model::tenant::{AccountId, TenantId};
use crate::protocol::partner_center::{
    Order, OrderError, PartnerCenter, PartnerCenterCause, PartnerCenterError,
};
use crate::storage::budget::Budget;
use crate::storage::ledger::Ledger;
use crate::transport::http::HttpFault;
use crate::transport::pace::{Closed, Urgency};
use crate::transport::throttle::{Throttle, jitter};

/// By whose consent, and at whose door: what is asked for another's is refused.
#[derive(Debug, Clone)]
pub(crate) struct Errand {
    pub(crate) partner: TenantId,
    pub(crate) account: Option<AccountId>,
    /// Whom it is about.
    pub(crate) customer: Option<TenantId>,
}

impl Errand {
    /// A token's own ask, for an API at a tenant.
    pub(crate) fn ask(&self, tenant: TenantId, resource: Resource) -> Ask {
        Ask::plain(self.partner, self.account.clone(), tenant, resource)
    }

    pub(crate) fn refused(&self, error: PartnerCenterError) -> Error {
        Error::PartnerCenter { partner: self.partner, customer: self.customer, error }
    }
}

/// Carries orders to Partner Center. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Office(Arc<Desk>);

#[derive(Debug)]
struct Desk {
    clock: Arc<dyn Clock>,
    exchange: Exchange,
    partner_center: PartnerCenter,
    ledger: Ledger,
    /// The name of this process.
    own: String,
    /// How many consents may be ordered in a second, by all processes of the application together. It
    /// is begun with the first, for most processes order none.
    budget: OnceCell<Budget>,
    observers: Observers,
    /// Partners whose orders Partner Center does not want for a while (F-17).
    throttle: Throttle<TenantId>,
}

impl Office {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        exchange: Exchange,
        partner_center: PartnerCenter,
        (ledger, own): (Ledger, String),
        observers: Observers,
    ) -> Self {
        let (throttle, budget) = (Throttle::new(clock.clone()), OnceCell::new());
        Self(Arc::new(Desk {
            clock,
            exchange,
            partner_center,
            ledger,
            own,
            budget,
            observers,
            throttle,
        }))
    }

    /// Gives the share of the budget back. Nothing more is ordered that is rationed.
    pub(crate) async fn close(&self) {
        if let Some(budget) = self.0.budget.get() {
            budget.give_back().await;
        }
    }

    /// The body of what Partner Center answers, once it has carried the order out.
    pub(crate) async fn send(&self, errand: &Errand, order: Order) -> Result<Bytes, Error> {
        let desk = &self.0;
        let mut attempt = Attempt { order, pauses: PAUSES.iter(), tokens: TOKENS };
        let mut token = desk.token(errand).await?;
        loop {
            desk.leave(errand, &attempt.order).await?;
            let error = match desk.partner_center.send(token.secret(), &attempt.order).await {
                Ok(body) => return Ok(body),
                Err(error) => error,
            };
            match error {
                OrderError::Http(error) if !may_pass(error.fault()) => return Err(error.into()),
                OrderError::Http(error) => desk.pause(&mut attempt).await.ok_or(error)?,
                OrderError::Refused(error) => {
                    attempt.order = attempt.order.anew();
                    if let Some(other) = desk.after(errand, &token, error, &mut attempt).await? {
                        token = other;
                    }
                }
            }
        }
    }
}

/// An order on its way, and how much patience is left.
struct Attempt<'p> {
    order: Order,
    pauses: std::slice::Iter<'p, Duration>,
    /// How many more tokens are tried.
    tokens: u32,
}

impl Desk {
    async fn token(&self, errand: &Errand) -> Result<Token, Error> {
        self.exchange.token(errand.ask(errand.partner, Resource::PartnerCenter)).await
    }

    /// Leave to send an order now.
    async fn leave(&self, errand: &Errand, order: &Order) -> Result<(), Error> {
        if let Some(rest) = self.throttle.find(&errand.partner) {
            let (partner, tenant) = (Some(errand.partner), Some(errand.partner));
            return Err(Error::Resting { partner, tenant, cause: rest.cause, after: rest.wait });
        }
        if order.is_for_consents() {
            let ticket = self.budget().await.ticket(Urgency::Caller).await;
            let _leave = ticket.map_err(|Closed| Error::Closed)?;
        }
        Ok(())
    }

    async fn budget(&self) -> &Budget {
        let begin = || async {
            let (clock, observers) = (self.clock.clone(), self.observers.clone());
            let budget = Budget::new("partner-center", CONSENTS_A_SECOND, clock, observers);
            budget.begin(&self.ledger, &self.own).await;
            budget
        };
        self.budget.get_or_init(begin).await
    }

    /// What is done about a refusal: another token, a pause, or nothing more.
    async fn after(
        &self,
        errand: &Errand,
        refused: &Token,
        error: PartnerCenterError,
        attempt: &mut Attempt<'_>,
    ) -> Result<Option<Token>, Error> {
        let cause = error.cause();
        if matches!(cause, PartnerCenterCause::MfaMissing | PartnerCenterCause::TokenRefused)
            && attempt.tokens > 0
        {
            attempt.tokens -= 1;
            return self.another(errand, refused, cause).await.map(Some);
        }
        if cause == PartnerCenterCause::Throttled {
            self.throttle.rest(errand.partner, error.retry_after().unwrap_or(UNSAID));
        }
        let passes = cause == PartnerCenterCause::Transient && error.retry_after().is_none();
        if passes && self.pause(attempt).await.is_some() {
            return Ok(None);
        }
        Err(errand.refused(error))
    }

    /// For want of a second factor Partner Center is asked no third time, for whatever reason;
    /// any other token may just have become too old.
    async fn another(
        &self,
        errand: &Errand,
        refused: &Token,
        cause: PartnerCenterCause,
    ) -> Result<Token, Error> {
        let mut ask = errand.ask(errand.partner, Resource::PartnerCenter);
        if cause == PartnerCenterCause::MfaMissing {
            return self.exchange.mfa_missing(ask, refused).await;
        }
        ask.instead_of = Some(refused.clone());
        self.exchange.token(ask).await
    }

    async fn pause(&self, attempt: &mut Attempt<'_>) -> Option<()> {
        let longest = attempt.pauses.next()?;
        self.clock.sleep(*longest / 2 + jitter(*longest / 2)).await;
        Some(())
    }
}

/// Whether the same order may well be answered a little later.
const fn may_pass(fault: HttpFault) -> bool {
    matches!(
        fault,
        HttpFault::Unresolved | HttpFault::Connect | HttpFault::Timeout | HttpFault::Broken
    )
}

/// Partner Center takes no more of one application, whoever the partner is.
const CONSENTS_A_SECOND: NonZeroU32 = NonZeroU32::new(50).unwrap();
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];
/// The second that is refused for want of a second factor is told as well, so that the use of Partner
/// Center is suspended.
const TOKENS: u32 = 2;
/// How long a partner is left alone where Partner Center does not say.
const UNSAID: Duration = Duration::from_secs(10);
