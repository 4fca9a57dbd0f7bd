//! Tokens that nobody has fetched, for this crate's own benches.

use std::time::Duration;

use super::{Exchange, Trip};
use crate::error::Error;
use crate::journeys::cache::CacheKey;
use crate::journeys::sharing::Shared;
use crate::model::motive::Motive;
use crate::model::scope::Resource;
use crate::model::secret::AccessToken;
use crate::model::tenant::TenantId;

impl Exchange {
    /// Holds tokens of this length for Partner Center at these tenants.
    pub(crate) async fn plant(
        &self,
        partner: TenantId,
        tenants: impl Iterator<Item = TenantId>,
        length: usize,
    ) -> Result<(), Error> {
        let desk = &self.0;
        let standing = desk.standing(partner).await?;
        let scopes = desk.scopes(&Resource::PartnerCenter);
        for tenant in tenants {
            let resource = Resource::PartnerCenter;
            let key = CacheKey::plain(partner, standing.generation, tenant, resource);
            let standing = desk.view(&key).unwrap_or_else(|| standing.clone());
            let trip = Trip::of(key, standing, Motive::default());
            let (secret, left) = (AccessToken::new("x".repeat(length))?, DAY);
            desk.keep(&trip, Shared { secret, scopes: scopes.clone(), left })?;
        }
        Ok(())
    }
}

const DAY: Duration = Duration::from_secs(86_400);
