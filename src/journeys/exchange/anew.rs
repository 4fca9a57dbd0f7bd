//! What was granted in a customer's tenant has changed, or is to be seen as it is now: tokens from
//! before say nothing of that.

use super::{Ask, Desk, Exchange};
use crate::journeys::cache::{CacheKey, Place};
use crate::journeys::flight::Landing;
use crate::model::scope::Resource;
use crate::model::tenant::TenantId;

impl Exchange {
    /// A token for this customer from Entra, whatever is at hand.
    pub(crate) async fn anew_at_customer(&self, ask: Ask) -> Landing {
        let desk = &self.0;
        desk.check(&ask)?;
        desk.standing(ask.partner).await?.admit(ask.partner, ask.account.as_ref())?;
        desk.forget_token(ask.partner, ask.tenant, &ask.resource).await;
        self.token(ask).await
    }

    /// Nobody is given a token that was had for this customer before. Those in the hands of callers go
    /// on until they end, and other processes keep theirs as long, unless tokens are shared.
    pub(crate) async fn forget_customer(&self, partner: TenantId, customer: TenantId) {
        for resource in self.0.app.scopes().resources() {
            self.0.forget_token(partner, customer, &resource).await;
        }
    }
}

impl Desk {
    async fn forget_token(&self, partner: TenantId, tenant: TenantId, resource: &Resource) {
        let Some(offer) = self.offers.find(resource) else { return };
        self.cache.drop_at(&Place { partner, tenant, offer: offer.number });
        let Some(standing) = self.standings.last(partner) else { return };
        let key = CacheKey::plain(partner, standing.generation, tenant, resource.clone());
        self.sharing.take_back(&key, &self.scopes(resource)).await;
    }
}
