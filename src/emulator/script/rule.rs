//! Which requests something scripted is about.

use http::Method;

use super::endpoint::Endpoint;
use crate::model::tenant::{ClientId, TenantId, UserId};

/// Which requests are meant; a part that is not said matches any, and one that a request does not
/// tell matches none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// Where they come in.
    pub endpoint: Option<Endpoint>,
    /// Their method.
    pub method: Option<Method>,
    /// The tenant the token would be for; at an API, that of the token; on Entra's other pages, that
    /// in the path.
    pub tenant: Option<TenantId>,
    /// The customer in a path of Partner Center.
    pub customer: Option<TenantId>,
    /// The application that asks.
    pub application: Option<ClientId>,
    /// The user whose code or token it is.
    pub user: Option<UserId>,
    /// What is redeemed.
    pub grant: Option<Grant>,
    /// The resource the token would be for, as in `https://graph.microsoft.com`.
    pub resource: Option<String>,
}

/// What a token request redeems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Grant {
    /// An authorization code.
    Code,
    /// A refresh token.
    RefreshToken,
    /// Nobody's grant: the application asks in its own name.
    ClientCredentials,
}

impl Rule {
    /// Every request.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Every request at one place.
    #[must_use]
    pub fn at(endpoint: Endpoint) -> Self {
        Self::default().endpoint(endpoint)
    }

    /// Only at one place.
    #[must_use]
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    /// Only with one method.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// Only for one tenant, or with tokens of it.
    #[must_use]
    pub fn tenant(mut self, tenant: TenantId) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// Only about one customer of Partner Center's.
    #[must_use]
    pub fn customer(mut self, customer: TenantId) -> Self {
        self.customer = Some(customer);
        self
    }

    /// Only from one application.
    #[must_use]
    pub fn application(mut self, application: ClientId) -> Self {
        self.application = Some(application);
        self
    }

    /// Only with what one user was given.
    #[must_use]
    pub fn user(mut self, user: UserId) -> Self {
        self.user = Some(user);
        self
    }

    /// Only redemptions of one kind.
    #[must_use]
    pub fn grant(mut self, grant: Grant) -> Self {
        self.grant = Some(grant);
        self
    }

    /// Only for tokens of one resource.
    #[must_use]
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// The same, at the token endpoint unless it names another place.
    pub(crate) fn or_at_token(mut self) -> Self {
        self.endpoint = self.endpoint.or(Some(Endpoint::Token));
        self
    }

    pub(super) fn matches(&self, request: &Meant) -> bool {
        let includes = |place: Endpoint| request.endpoint.is_some_and(|at| place.includes(at));
        self.endpoint.is_none_or(includes)
            && fits(&self.method, &request.method)
            && fits(&self.tenant, &request.tenant)
            && fits(&self.customer, &request.customer)
            && fits(&self.application, &request.application)
            && fits(&self.user, &request.user)
            && fits(&self.grant, &request.grant)
            && fits(&self.resource, &request.resource)
    }
}

fn fits<T: PartialEq>(said: &Option<T>, told: &Option<T>) -> bool {
    said.is_none() || said == told
}

/// What a request is about, as far as it can be read; none of it is judged.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meant {
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) method: Option<Method>,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) customer: Option<TenantId>,
    pub(crate) application: Option<ClientId>,
    pub(crate) user: Option<UserId>,
    pub(crate) grant: Option<Grant>,
    pub(crate) resource: Option<String>,
}
