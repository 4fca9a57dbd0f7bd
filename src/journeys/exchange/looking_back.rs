//! What exchanges at customers leave to be remembered: who gave a token, and who refuses.

use super::Desk;
use crate::journeys::cache::CacheKey;
use crate::journeys::flight::Landing;
use crate::model::consent::Worked;
use crate::model::entra_error::{Cause, Reach};
use crate::protocol::token_endpoint::TokenError;

impl Desk {
    pub(super) fn saw_landing(&self, key: &CacheKey, landing: &Landing) {
        if landing.is_ok() {
            let (customer, resource) = (key.tenant, key.resource.clone());
            let worked = Worked { customer, resource, at: self.clock.now() };
            self.lately.worked(key.partner, key.generation, worked);
        }
    }

    /// What an API wanted proven beyond the consent says nothing of the customer.
    pub(super) fn saw_refusal(&self, key: &CacheKey, error: &TokenError) {
        let TokenError::Entra(refusal) = error else { return };
        let cause = refusal.cause();
        let about = cause.reach() == Reach::Target && cause != Cause::Unknown;
        if key.claims.is_none() && about && !cause.is_transient() {
            self.lately.failed(key.partner, key.generation, key.tenant, &key.resource);
        }
    }
}
