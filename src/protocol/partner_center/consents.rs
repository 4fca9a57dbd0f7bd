//! What a partner grants the application in a customer's tenant: delegated permissions, for everybody
//! there.
//!
//! Source: Partner Center REST, "Get customer consent as Control Panel Vendor". No call reads them, and
//! none changes one that is there.

use http::Method;
use serde_json::json;

use super::Order;
use super::order::CONSENTS;
use crate::model::scope::Scopes;
use crate::model::tenant::{ClientId, TenantId};

/// A consent to the permissions of one resource. One resource at a time, so that one that the customer
/// lacks takes no other along.
#[derive(Debug)]
pub(crate) struct ConsentOrder<'a> {
    pub(crate) customer: TenantId,
    pub(crate) application: ClientId,
    /// The application's name in Entra, where it is known.
    pub(crate) display_name: Option<&'a str>,
    /// The resource's own application id.
    pub(crate) resource: ClientId,
    pub(crate) scopes: &'a Scopes,
}

impl ConsentOrder<'_> {
    pub(crate) fn order(&self) -> Order {
        let names: Vec<&str> = self.scopes.iter().map(|scope| scope.permission()).collect();
        let mut body = json!({
            "applicationId": self.application,
            "applicationGrants": [{
                "enterpriseApplicationId": self.resource,
                "scope": names.join(","),
            }],
        });
        if let Some(name) = self.display_name {
            body["displayName"] = name.into();
        }
        let path = format!("/v1/customers/{}{CONSENTS}", self.customer);
        Order::new(Method::POST, path).with_json(&body)
    }
}

/// Takes all back that was granted there, of every resource.
pub(crate) fn withdrawal(customer: TenantId, application: ClientId) -> Order {
    let path = format!("/v1/customers/{customer}{CONSENTS}/{application}");
    Order::new(Method::DELETE, path)
}
