//! The verbs of customers: who they are, and what the application may do there.

use super::{Customer, Partner};
use crate::broker::Broker;
use crate::error::Error;
use crate::journeys::customers::Customers;
use crate::journeys::granting::CustomerGrants;
use crate::journeys::office::Errand;

impl<'b> Partner<'b> {
    /// Its customers, as Partner Center lists them, a page at a time. Those whom it serves by granular
    /// delegated administration alone may be missing there.
    ///
    /// Source: Partner Center REST, "Get a list of customers".
    pub fn customers(&self) -> Customers<'b> {
        let (partner, account) = (self.tenant, self.account.clone());
        Customers::new(&self.broker.office, Errand { partner, account, customer: None })
    }
}

impl Customer<'_> {
    /// What the application may do here, for every registered API but Partner Center: a token is asked
    /// of Entra for each, whatever is at hand.
    ///
    /// # Errors
    /// What concerns the partner's consent or the broker, and no customer: [`Error::NoConsent`],
    /// [`Error::Suspended`], [`Error::Refused`] at another account's door and the like. What Entra says
    /// of this customer is no error, but found.
    pub async fn check(&self) -> Result<CustomerGrants, Error> {
        self.broker().granting.check(&self.errand()).await
    }

    /// Has Partner Center grant the application here what is registered, where nothing is granted yet:
    /// one API at a time, and no permission beyond. Then it waits until Entra shows it, a minute at
    /// most for each, and finds tokens of before no more. Once all is as wanted nothing more is sent to
    /// Partner Center, so it may be repeated at will, also after it was dropped half way.
    ///
    /// What is granted otherwise is left as it is, for Partner Center cannot add to it: see
    /// [`GrantState::Unseen`](crate::GrantState::Unseen).
    ///
    /// The partner's user must be one of its `AdminAgents` and have a role in the customer's tenant that
    /// lets it consent: Global Administrator, Privileged Role Administrator or Cloud Application
    /// Administrator.
    ///
    /// Source: Partner Center REST, "Get customer consent as Control Panel Vendor".
    ///
    /// # Errors
    /// As [`check`](Self::check); [`Error::Setting`] when the application id of a custom API is not
    /// known: see [`AppRegistration::with_resource_id`](crate::AppRegistration::with_resource_id).
    pub async fn grant(&self) -> Result<CustomerGrants, Error> {
        self.broker().granting.grant(&self.errand()).await
    }

    /// Has Partner Center take back all that the application was granted here, for every API, whoever
    /// granted it; says whether there was anything. Tokens that were had before end by themselves,
    /// within about an hour; nobody is given them here any more.
    ///
    /// # Errors
    /// As [`Partner::token`]; [`Error::PartnerCenter`] when Partner Center refuses.
    pub async fn withdraw(&self) -> Result<bool, Error> {
        self.broker().granting.withdraw(&self.errand()).await
    }

    fn errand(&self) -> Errand {
        let Partner { tenant: partner, account, .. } = &self.partner;
        Errand { partner: *partner, account: account.clone(), customer: Some(self.tenant) }
    }

    const fn broker(&self) -> &Broker {
        self.partner.broker
    }
}
