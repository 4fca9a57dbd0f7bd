//! The verbs of an administrator's approval.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use super::Partner;
use crate::broker::Broker;
use crate::error::Error;
use crate::journeys::onboarding::{Beginning, Onboarding, PendingApproval};
use crate::model::tenant::{AccountId, TenantId};

impl Broker {
    /// Asks an administrator of whichever tenant answers to approve the application: the first step of
    /// a first contact, where whoever signs in later is no administrator. It binds nothing.
    pub const fn first_approval(&self, account: AccountId) -> ApprovalRequest<'_> {
        ApprovalRequest::new(&self.onboarding, None, account, None)
    }

    /// Begins an administrator's approval by the invitation whose link ends with `token`. Await it in
    /// the request that the start page's second button makes, a POST, and never for a GET.
    ///
    /// Ten can be begun by a link, counted apart from its ten sign-ins, and no sign-in that was begun
    /// by it ends. The invitation is not spent, and its login hint and claims, which are the signing
    /// user's, are not sent.
    ///
    /// # Errors
    /// [`Error::Refused`] with the reason why nothing can come of it; what the store says.
    pub async fn begin_invited_approval(&self, token: &str) -> Result<PendingApproval, Error> {
        self.onboarding.begin_invited_approval(token).await
    }
}

impl<'b> Partner<'b> {
    /// Asks an administrator of the partner to approve the application for the whole tenant, as the
    /// first of two steps: a service account that is no administrator can consent only then. Await it
    /// in the request of the browser that is to be sent to Entra.
    ///
    /// Behind an account's door it must be that account.
    pub fn request_approval(&self, account: AccountId) -> ApprovalRequest<'b> {
        let door = self.account.clone();
        ApprovalRequest::new(&self.broker.onboarding, Some(self.tenant), account, door)
    }
}

/// An administrator's approval about to be asked for: await it to begin.
#[derive(Debug)]
#[must_use = "nothing begins before this is awaited"]
pub struct ApprovalRequest<'b> {
    onboarding: &'b Onboarding,
    beginning: Beginning,
}

impl<'b> ApprovalRequest<'b> {
    const fn new(
        onboarding: &'b Onboarding,
        expected: Option<TenantId>,
        account: AccountId,
        door: Option<AccountId>,
    ) -> Self {
        Self { onboarding, beginning: Beginning::of(expected, account, door) }
    }
}

impl<'b> IntoFuture for ApprovalRequest<'b> {
    type Output = Result<PendingApproval, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'b>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.onboarding.begin_approval(self.beginning))
    }
}
