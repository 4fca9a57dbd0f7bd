//! Looking now: a token is asked for as a caller would, at the partner first.

use super::{Ask, Basis, Diagnosis, Diagnostics, Facts};
use crate::error::{Error, Party, Remedy};
use crate::model::policy::Refused;
use crate::model::scope::Resource;
use crate::model::tenant::TenantId;

impl Diagnostics {
    /// Whether this ask works, and if not, whose turn it is. An answer that speaks of the customer is
    /// believed; anything else that fails there is the partner's, where the partner itself fails too.
    pub(crate) async fn examine(&self, ask: Ask) -> Result<Diagnosis, Error> {
        let failure = self.failure(&ask).await;
        match failure {
            Some(error @ (Error::Refused(Refused::NotYours(_)) | Error::Closed)) => Err(error),
            failure => Ok(self.diagnosis(Facts {
                basis: Basis::Asked,
                partner: Some(ask.partner),
                tenant: Some(ask.tenant),
                resource: Some(ask.resource.clone()),
                health: self.health_for(&ask).await?,
                failure,
                seen_at: self.clock.now(),
            })),
        }
    }

    async fn failure(&self, ask: &Ask) -> Option<Error> {
        let own = match ask.tenant == ask.partner {
            true => None,
            false => self.exchange.token(of_the_partner(ask)).await.err(),
        };
        let error = self.exchange.token(ask.clone()).await.err()?;
        let is_customers = speaks_of_customer(&error, ask.partner);
        // What Partner Center refuses by itself is in no customer's way.
        let own = own.filter(|own| !matches!(own, Error::PartnerCenterSuspended { .. }));
        Some(own.filter(|_| !is_customers).unwrap_or(error))
    }
}

/// Partner Center is what every consent must be able to do.
fn of_the_partner(ask: &Ask) -> Ask {
    Ask { tenant: ask.partner, resource: Resource::PartnerCenter, ..ask.clone() }
}

/// A grant is missing at this customer, whoever makes it.
fn speaks_of_customer(error: &Error, partner: TenantId) -> bool {
    let remedy = error.remedy();
    remedy == Remedy::GrantInCustomer || remedy.party(Some(partner)) == Party::Customer
}
