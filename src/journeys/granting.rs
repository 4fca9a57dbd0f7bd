//! What the application may do in a customer's tenant: looked at, granted, taken back.
//!
//! Partner Center tells nobody what is granted, so a token is the proof: one that Entra issues in the
//! customer's tenant, for the API concerned, with every permission that is registered. That is also
//! what a panel needs in the end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Remedy};
use crate::journeys::exchange::Exchange;
use crate::journeys::flight::Landing;
use crate::journeys::office::{Errand, Office};
use crate::model::clock::Clock;
use crate::model::entra_error::Cause;
use crate::model::event::{Event, Observers};
use crate::model::invalid::Invalid;
use crate::model::registration::AppRegistration;
use crate::model::scope::{Resource, Scopes};
use crate::model::tenant::{ClientId, TenantId};
use crate::protocol::partner_center::{ConsentOrder, PartnerCenterCause, withdrawal};

/// What the application may do at a customer, for each API that is registered, Partner Center left out.
#[derive(Debug, Clone)]
pub struct CustomerGrants {
    customer: TenantId,
    grants: Vec<Grant>,
}

impl CustomerGrants {
    /// The customer.
    #[must_use]
    pub const fn customer(&self) -> TenantId {
        self.customer
    }

    /// One for each API; none where Partner Center alone is registered.
    #[must_use]
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// Whether nothing is left to grant: a token for every API does what is registered.
    ///
    /// Where Partner Center alone is registered there is nothing to grant, so it is true, and nobody was
    /// asked: it then says nothing of the customer, nor of the partner's consent.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.grants.iter().all(|grant| matches!(grant.state, GrantState::AsWanted))
    }
}

/// What the application may do with one API at a customer.
#[derive(Debug, Clone)]
pub struct Grant {
    resource: Resource,
    state: GrantState,
    is_new: bool,
}

impl Grant {
    /// The API.
    #[must_use]
    pub const fn resource(&self) -> &Resource {
        &self.resource
    }

    /// How it stands.
    #[must_use]
    pub const fn state(&self) -> &GrantState {
        &self.state
    }

    /// Whether it was granted just now.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.is_new
    }

    /// What to do about it; `None` where nothing is.
    #[must_use]
    pub fn remedy(&self) -> Option<Remedy> {
        match &self.state {
            GrantState::AsWanted => None,
            GrantState::Absent | GrantState::TooNarrow(_) => Some(Remedy::GrantInCustomer),
            GrantState::Unseen => Some(Remedy::Retry { after: SPREADS }),
            GrantState::Blocked(error) | GrantState::Unknown(error) => Some(error.remedy()),
        }
    }
}

/// How a grant stands.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum GrantState {
    /// A token does all that is registered.
    AsWanted,
    /// A token comes and lacks these. Partner Center cannot add to what was granted: it must be
    /// [withdrawn](crate::Customer::withdraw) and granted anew, or widened by an administrator of the
    /// customer.
    TooNarrow(Scopes),
    /// Nothing is granted.
    Absent,
    /// Partner Center says that it is granted, and a token does not show it: it spreads yet, or the
    /// application was granted something else of this API there. Look again some minutes later; if it
    /// stays so, [withdraw](crate::Customer::withdraw) and grant anew.
    Unseen,
    /// It cannot be had before somebody acts: the error's remedy says who.
    Blocked(Error),
    /// It could not be found out: something failed that may pass.
    Unknown(Error),
}

impl fmt::Display for GrantState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AsWanted => out.write_str("as wanted"),
            Self::TooNarrow(missing) => write!(out, "too narrow: {missing} missing"),
            Self::Absent => out.write_str("absent"),
            Self::Unseen => out.write_str("granted, and not to be seen"),
            Self::Blocked(error) => write!(out, "blocked: {error}"),
            Self::Unknown(error) => write!(out, "unknown: {error}"),
        }
    }
}

impl GrantState {
    fn of(landing: Landing) -> Self {
        let error = match landing {
            Ok(_) => return Self::AsWanted,
            Err(Error::ScopesMissing { missing, .. }) => return Self::TooNarrow(missing),
            Err(error) => error,
        };
        match &error {
            Error::Entra { error: refusal, .. } if is_absence(refusal.cause()) => Self::Absent,
            _ => Self::not_had(error),
        }
    }

    fn not_had(error: Error) -> Self {
        match error.remedy() {
            Remedy::Retry { .. } => Self::Unknown(error),
            _ => Self::Blocked(error),
        }
    }
}

/// Whether the customer's tenant knows nothing of a consent.
const fn is_absence(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::ConsentMissing | Cause::ApplicationMissing | Cause::AdminApprovalRequired
    )
}

#[derive(Debug)]
pub(crate) struct Granting {
    pub(crate) app: AppRegistration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) exchange: Exchange,
    pub(crate) office: Office,
    pub(crate) observers: Observers,
}

impl Granting {
    /// How every API stands at the customer.
    pub(crate) async fn check(&self, errand: &Errand) -> Result<CustomerGrants, Error> {
        let customer = customer_of(errand)?;
        let mut grants = Vec::new();
        for resource in self.resources() {
            let state = self.look(errand, customer, &resource).await?;
            grants.push(Grant { resource, state, is_new: false });
        }
        Ok(CustomerGrants { customer, grants })
    }

    /// Grants what is absent, an API at a time, and waits until a token shows it.
    pub(crate) async fn grant(&self, errand: &Errand) -> Result<CustomerGrants, Error> {
        let customer = customer_of(errand)?;
        let mut grants = Vec::new();
        for resource in self.resources() {
            let state = self.look(errand, customer, &resource).await?;
            let (state, is_new) = match state {
                GrantState::Absent => self.create(errand, customer, &resource).await?,
                state => (state, false),
            };
            grants.push(Grant { resource, state, is_new });
        }
        Ok(CustomerGrants { customer, grants })
    }

    /// Takes everything back, and says whether there was anything.
    pub(crate) async fn withdraw(&self, errand: &Errand) -> Result<bool, Error> {
        let customer = customer_of(errand)?;
        let order = withdrawal(customer, self.app.client_id());
        let sent = self.office.send(errand, order).await;
        if matches!(&sent, Ok(_) | Err(Error::PartnerCenter { .. } | Error::Http(_))) {
            self.exchange.forget_customer(errand.partner, customer).await; // it may be done
        }
        match sent {
            Ok(_) => {
                let partner = errand.partner;
                self.observers.tell(&Event::CustomerWithdrawn { partner, customer });
                Ok(true)
            }
            Err(Error::PartnerCenter { error, .. })
                if error.cause() == PartnerCenterCause::NotFound =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Microsoft forbids to grant Partner Center itself at a customer.
    fn resources(&self) -> impl Iterator<Item = Resource> {
        let registered = self.app.scopes().resources().into_iter();
        registered.filter(|resource| *resource != Resource::PartnerCenter)
    }

    /// What a token of now shows. A failure that is not this customer's ends the whole work.
    async fn look(
        &self,
        errand: &Errand,
        customer: TenantId,
        resource: &Resource,
    ) -> Result<GrantState, Error> {
        let ask = errand.ask(customer, resource.clone());
        match self.exchange.anew_at_customer(ask).await {
            Err(error) if concerns_all(&error) => Err(error),
            landing => Ok(GrantState::of(landing)),
        }
    }

    async fn create(
        &self,
        errand: &Errand,
        customer: TenantId,
        resource: &Resource,
    ) -> Result<(GrantState, bool), Error> {
        let order = ConsentOrder {
            customer,
            application: self.app.client_id(),
            display_name: self.app.name(),
            resource: self.id_of(resource)?,
            scopes: &self.app.scopes().of(resource),
        };
        match self.office.send(errand, order.order()).await {
            Ok(_) => {
                let state = self.until_visible(errand, customer, resource).await?;
                if matches!(state, GrantState::AsWanted) {
                    let (partner, resource) = (errand.partner, resource.clone());
                    self.observers.tell(&Event::CustomerGranted { partner, customer, resource });
                }
                Ok((state, true))
            }
            // Somebody was first, with as much or with less.
            Err(Error::PartnerCenter { error, .. })
                if error.cause() == PartnerCenterCause::Exists =>
            {
                Ok((self.until_visible(errand, customer, resource).await?, false))
            }
            Err(error) if concerns_all(&error) => Err(error),
            Err(error) => Ok((GrantState::not_had(error), false)),
        }
    }

    /// What was granted spreads by and by.
    async fn until_visible(
        &self,
        errand: &Errand,
        customer: TenantId,
        resource: &Resource,
    ) -> Result<GrantState, Error> {
        let mut pauses = PAUSES.iter();
        loop {
            match self.look(errand, customer, resource).await? {
                GrantState::Absent | GrantState::Unknown(_) => {}
                seen => return Ok(seen),
            }
            let Some(pause) = pauses.next() else { return Ok(GrantState::Unseen) };
            self.clock.sleep(*pause).await;
        }
    }

    fn id_of(&self, resource: &Resource) -> Result<ClientId, Error> {
        const EXPECTED: &str =
            "one whose application id is known: AppRegistration::with_resource_id";
        let unknown = || {
            let problem = format!("{resource} has no known application id");
            Invalid::new("resource", problem, EXPECTED)
        };
        Ok(self.app.id_of(resource).ok_or_else(unknown)?)
    }
}

fn customer_of(errand: &Errand) -> Result<TenantId, Error> {
    errand.customer.ok_or(Error::Defect("an errand to no customer"))
}

/// Whether the partner's consent or this broker is concerned, and no customer.
const fn concerns_all(error: &Error) -> bool {
    matches!(
        error,
        Error::NoConsent { .. }
            | Error::Refused(_)
            | Error::Frozen { .. }
            | Error::Suspended { .. }
            | Error::PartnerCenterSuspended { .. }
            | Error::CircuitOpen { .. }
            | Error::Damaged { .. }
            | Error::Setting(_)
            | Error::Closed
    )
}

/// Between looks at whether a grant shows, a minute in all.
const PAUSES: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
    Duration::from_secs(30),
];
/// When to look again at what did not show in that minute.
const SPREADS: Duration = Duration::from_secs(300);
