//! One exchange: what it fetches, why it is made, how it is traced.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tracing::field::Empty;

use crate::journeys::cache::CacheKey;
use crate::journeys::standing::Standing;
use crate::model::motive::Motive;
use crate::protocol::token_endpoint::TokenReply;

/// What a flight fetches, under which view of the consent, and the motive of the caller who started
/// it: those who join it cause nothing.
#[derive(Debug, Clone)]
pub(super) struct Trip {
    pub(super) key: CacheKey,
    pub(super) standing: Arc<Standing>,
    pub(super) motive: Motive,
}

impl Deref for Trip {
    type Target = CacheKey;

    fn deref(&self) -> &CacheKey {
        &self.key
    }
}

/// A reply, and how long it took to come.
#[derive(Debug)]
pub(super) struct Redeemed {
    pub(super) reply: TokenReply,
    pub(super) took: Duration,
}

impl Deref for Redeemed {
    type Target = TokenReply;

    fn deref(&self) -> &TokenReply {
        &self.reply
    }
}

/// One request to Entra; the endpoint adds the id that it is known by there.
pub(super) fn exchange_span(key: &CacheKey) -> tracing::Span {
    let (partner, tenant, resource) = (key.partner, key.tenant, &key.resource);
    tracing::info_span!(
        target: "cpv_consent", "exchange", %partner, %tenant, %resource, correlation_id = Empty,
    )
}

/// A turn at the partner's own tenant, up to the new refresh token being stored.
pub(super) fn rotation_span(key: &CacheKey) -> tracing::Span {
    let (partner, resource) = (key.partner, &key.resource);
    tracing::info_span!(target: "cpv_consent", "rotation", %partner, %resource)
}
