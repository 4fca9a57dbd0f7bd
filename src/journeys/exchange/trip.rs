//! One exchange: what it fetches, why it is made, how it is traced.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::Empty;

use crate::journeys::cache::CacheKey;
use crate::journeys::standing::Standing;
use crate::model::clock::millis;
use crate::model::motive::Motive;
use crate::transport::pace::Ticket;

/// What a flight fetches, under which view of the consent, and the motive of the caller who started
/// it: those who join it cause nothing.
#[derive(Debug, Clone)]
pub(super) struct Trip {
    pub(super) key: CacheKey,
    pub(super) standing: Arc<Standing>,
    pub(super) motive: Motive,
    /// Leave to send its request, where that was waited for before it took off.
    ticket: Arc<Mutex<Option<Ticket>>>,
}

impl Trip {
    pub(super) fn of(key: CacheKey, standing: Arc<Standing>, motive: Motive) -> Self {
        Self { key, standing, motive, ticket: Arc::default() }
    }

    /// The same under another view.
    pub(super) fn under(&self, standing: Arc<Standing>) -> Self {
        Self { standing, ..self.clone() }
    }

    /// What nobody waits for waits before it takes off, so that whoever comes meanwhile and does wait
    /// has a flight of their own.
    pub(super) fn prepaid(self, ticket: Ticket) -> Self {
        Self { ticket: Arc::new(Mutex::new(Some(ticket))), ..self }
    }

    pub(super) fn ticket(&self) -> Option<Ticket> {
        self.ticket.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Deref for Trip {
    type Target = CacheKey;

    fn deref(&self) -> &CacheKey {
        &self.key
    }
}

/// One request to Entra; the endpoint adds the id that it is known by there. What it waited for
/// within the budget is in milliseconds.
pub(super) fn exchange_span(key: &CacheKey, ticket: &Ticket) -> tracing::Span {
    let (partner, tenant, resource) = (key.partner, key.tenant, &key.resource);
    let waited = millis(ticket.waited);
    tracing::info_span!(
        target: "cpv_consent", "exchange", %partner, %tenant, %resource, waited,
        correlation_id = Empty,
    )
}

/// A turn at the partner's own tenant, up to the new refresh token being stored.
pub(super) fn rotation_span(key: &CacheKey) -> tracing::Span {
    let (partner, resource) = (key.partner, &key.resource);
    tracing::info_span!(target: "cpv_consent", "rotation", %partner, %resource)
}
