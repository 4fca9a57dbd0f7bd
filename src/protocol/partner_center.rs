//! Partner Center's REST API, as one application speaks to it. Nothing is sent twice here.
//!
//! Source: Partner Center REST, "REST headers" and the pages named in each file.

use bytes::Bytes;
use http::header::ACCEPT;
use http::{Request, Response};

use crate::model::cloud::Cloud;
use crate::model::secret::AccessToken;
use crate::transport::http::{HttpError, Wire};

mod consents;
mod customers;
mod order;
mod refusal;
mod verdict;

pub(crate) use consents::{ConsentOrder, withdrawal};
pub(crate) use customers::{CustomerPage, Mark};
pub use customers::{CustomerProfile, RelationshipToPartner};
pub(crate) use order::Order;
pub use refusal::{PartnerCenterCause, PartnerCenterError};
pub use verdict::MfaMissing;

/// Partner Center's REST API of one cloud.
#[derive(Debug)]
pub(crate) struct PartnerCenter {
    wire: Wire,
    cloud: Cloud,
}

impl PartnerCenter {
    /// The cheapest read that an administrator agent may make.
    pub(crate) const PROBE: &str = "/v1/customers?size=1";

    pub(crate) fn new(wire: Wire, cloud: Cloud) -> Self {
        Self { wire, cloud }
    }

    /// Asks as nobody: whether somebody is there, and refuses as Partner Center does.
    pub(crate) async fn knock(&self) -> Result<Response<Bytes>, HttpError> {
        let request = Request::get(format!("{}{}", self.cloud.partner_center(), Self::PROBE))
            .header(ACCEPT, "application/json")
            .body(Bytes::new())
            .expect("an origin that was checked and a path make a request");
        self.wire.send(request).await
    }

    /// Sends an order with a token of the partner's; the body of what was answered, if it was done.
    pub(crate) async fn send(
        &self,
        token: &AccessToken,
        order: &Order,
    ) -> Result<Bytes, OrderError> {
        let request = order.request(&self.cloud, token);
        let reply = self.wire.send(request).await?;
        if reply.status().is_success() {
            return Ok(reply.into_body());
        }
        Err(PartnerCenterError::read(&reply, self.wire.now()).into())
    }
}

/// Why an order was not carried out, or may not have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OrderError {
    /// No reply: whether it was carried out is not known.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Partner Center refused.
    #[error(transparent)]
    Refused(#[from] PartnerCenterError),
}
