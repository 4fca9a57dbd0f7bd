//! Partner Center's REST API: customers, application consents, and the verdict on the second
//! factor.
//!
//! Source: Partner Center REST, "REST headers", "REST error codes", "API throttling guidance", and
//! the pages named in each file.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};

use super::bearer::{Bearer, NoBearer};
use super::refusal::status;
use super::scopes::PARTNER_CENTER;
use super::state::record::PartnerCenterCall;
use super::state::{World, lock};

mod call;
mod consents;
mod customers;
mod faults;
mod rate;
mod replays;
mod reports;
mod verdict;

pub use consents::ApplicationConsent;
pub(super) use consents::application_consents;

use call::Call;
use faults::{Fault, Outcome};
use rate::Meter;
use replays::Replays;
use reports::Tally;

pub(super) fn routes(world: &Arc<World>) -> Router {
    let consents = "/v1/customers/{customer}/applicationconsents";
    Router::new()
        .route("/v1/customers", get(customers::list))
        .route("/v1/customers/{customer}", get(customers::one))
        .route(consents, post(consents::create))
        .route(&format!("{consents}/{{application}}"), delete(consents::remove))
        .route("/v1/nonMfaCompliantPartnerPrincipals", get(reports::principals))
        .route("/v1/applicationmfaadoptionstatus", get(reports::adoption))
        .fallback(nothing)
        .method_not_allowed_fallback(nothing)
        .with_state(Arc::new(Office::of(world)))
}

async fn nothing(State(office): State<Arc<Office>>, call: Call) -> Response {
    office.answer(&call, |_| Err(Fault::not_found()))
}

/// What Partner Center remembers by itself; all else is in the directory.
struct Office {
    world: Arc<World>,
    meter: Mutex<Meter>,
    replays: Mutex<Replays>,
    tally: Mutex<Tally>,
}

impl Office {
    fn of(world: &Arc<World>) -> Self {
        Self {
            world: Arc::clone(world),
            meter: Mutex::default(),
            replays: Mutex::default(),
            tally: Mutex::default(),
        }
    }

    /// What every call has in common: the token, the limits, the verdict on the second factor, the
    /// answer to a request that is made again, the echoed ids, the ledger.
    fn answer(&self, call: &Call, work: impl FnOnce(&Bearer) -> Outcome) -> Response {
        let caller = self.caller(&call.headers);
        let (outcome, verdict) = match &caller {
            Ok(bearer) => match self.admitted(call, bearer) {
                Ok(verdict) => (self.once(call, bearer, work), verdict),
                Err(fault) => (Err(fault), None),
            },
            Err(fault) => (Err(fault.clone()), None),
        };
        let ids = self.ids(&call.headers);
        self.note(call, caller.as_ref().ok(), &outcome, &ids);
        let mut response = self.sent(outcome);
        let headers = response.headers_mut();
        headers.insert("MS-RequestId", ids.request);
        headers.insert("MS-CorrelationId", ids.correlation);
        if let Some(compliant) = verdict {
            headers.insert("isMfaCompliant", verdict::header(compliant));
        }
        response
    }

    /// The user and the application behind a call, both of which there must be.
    fn caller(&self, headers: &HeaderMap) -> Result<Bearer, Fault> {
        let bearer = Bearer::of(&self.world, headers, PARTNER_CENTER).map_err(|why| match why {
            NoBearer::Missing => Fault::new(401, "800001", "partner token missing"),
            NoBearer::Invalid => Fault::new(401, "400", "access denied"),
        })?;
        let partner = self.world.directory().is_partner_user(bearer.tid, bearer.oid);
        if partner && bearer.may("user_impersonation") {
            return Ok(bearer);
        }
        Err(Fault::access_denied())
    }

    /// Lets a call pass, with what its reply is to say of the second factor.
    fn admitted(&self, call: &Call, bearer: &Bearer) -> Result<Option<bool>, Fault> {
        let now = self.world.now();
        lock(&self.tally).count(bearer, now);
        self.throttle(call, bearer)?;
        self.verdict(bearer, call.validates_mfa())
    }

    fn ids(&self, request: &HeaderMap) -> Ids {
        let id = |name| {
            let made = || HeaderValue::try_from(self.world.chance.guid().to_string());
            request.get(name).cloned().unwrap_or_else(|| made().expect("a GUID is ASCII"))
        };
        Ids { request: id("MS-RequestId"), correlation: id("MS-CorrelationId") }
    }

    fn note(&self, call: &Call, caller: Option<&Bearer>, outcome: &Outcome, ids: &Ids) {
        let text = |id: &HeaderValue| String::from_utf8_lossy(id.as_bytes()).into_owned();
        self.world.record().partner_center(PartnerCenterCall {
            at: self.world.now(),
            method: call.method.clone(),
            path: call.path.clone(),
            tenant: caller.map(|bearer| bearer.tid),
            application: caller.map(|bearer| bearer.appid),
            customer: call.customer().parse().ok(),
            validates_mfa: call.validates_mfa(),
            request_id: text(&ids.request),
            correlation_id: text(&ids.correlation),
            status: outcome.as_ref().map_or_else(Fault::status, |reply| reply.status),
            code: outcome.as_ref().err().and_then(Fault::code).map(str::to_owned),
        });
    }

    /// JSON, after a byte order mark where this emulator's doubts have one.
    fn sent(&self, outcome: Outcome) -> Response {
        let mark = if self.world.script().doubts.partner_center_bom { "\u{feff}" } else { "" };
        let (code, body, headers) = match outcome {
            Ok(reply) => (reply.status, reply.body, HeaderMap::new()),
            Err(fault) => (fault.status(), fault.body(), fault.headers()),
        };
        let Some(body) = body else { return (status(code), headers).into_response() };
        let json = (CONTENT_TYPE, "application/json; charset=utf-8");
        (status(code), headers, [json], format!("{mark}{body}")).into_response()
    }
}

/// What support asks for: those of the request, or new ones.
struct Ids {
    request: HeaderValue,
    correlation: HeaderValue,
}
