//! Partner Center's customers, and its verdict on the second factor.
//!
//! Source: Partner Center REST, "Get a list of customers", "REST headers" and "REST error codes".

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::bearer::{Bearer, NoBearer};
use super::errors::status;
use super::random;
use super::record::PartnerCenterCall;
use super::scopes::PARTNER_CENTER;
use super::script::MfaAnswer;
use super::state::World;

pub(super) fn routes(world: &Arc<World>) -> Router {
    Router::new()
        .route("/v1/customers", get(customers))
        .fallback(nothing)
        .with_state(Arc::clone(world))
}

async fn customers(
    State(world): State<Arc<World>>,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answered(&world, &uri, &headers, |bearer| {
        let customers = world.directory().customers(bearer.tid);
        let page = Page::of(&query.unwrap_or_default(), &headers);
        page.reply(&customers.iter().map(customer).collect::<Vec<_>>())
    })
}

async fn nothing(State(world): State<Arc<World>>, uri: Uri, headers: HeaderMap) -> Response {
    answered(&world, &uri, &headers, |_| fault(404, "1000", "not found"))
}

fn customer((id, name, delegated): &(impl ToString, String, bool)) -> Value {
    let id = id.to_string();
    json!({
        "id": id,
        "companyProfile": {
            "tenantId": id,
            "domain": format!("{}.example", name.to_lowercase().replace(' ', "-")),
            "companyName": name,
        },
        "relationshipToPartner": "reseller",
        "allowDelegatedAccess": delegated,
    })
}

/// Which part of a list is asked for; a size of 0 asks for all of it.
struct Page {
    size: usize,
    from: usize,
}

impl Page {
    fn of(query: &str, headers: &HeaderMap) -> Self {
        let field = |wanted: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
        };
        let size = field("size").and_then(|size| size.parse().ok()).unwrap_or(0);
        let token = headers.get(CONTINUATION).and_then(|token| token.to_str().ok());
        let place = token.and_then(|token| token.split_once('-'));
        let numbers = place.and_then(|(from, size)| Some((from.parse().ok()?, size.parse().ok()?)));
        match (field("seekOperation").as_deref(), numbers) {
            (Some("Next"), Some((from, size))) => Self { size, from },
            _ => Self { size, from: 0 },
        }
    }

    fn reply(&self, all: &[Value]) -> Response {
        let from = self.from.min(all.len());
        let until =
            if self.size == 0 { all.len() } else { all.len().min(from.saturating_add(self.size)) };
        let mut links = json!({ "self": { "uri": "/customers", "method": "GET", "headers": [] } });
        let mut body = json!({ "totalCount": all.len(), "items": all[from..until] });
        if until < all.len() {
            let token = format!("{until}-{}", self.size);
            links["next"] = json!({
                "uri": "/customers?seekOperation=Next", "method": "GET",
                "headers": [{ "key": CONTINUATION, "value": token }],
            });
            body["continuationToken"] = Value::from(token);
        }
        body["links"] = links;
        body["attributes"] = json!({ "objectType": "Collection" });
        axum::Json(body).into_response()
    }
}

/// What every call has in common: the token, the verdict, the ledger, the echoed ids.
fn answered(
    world: &World,
    uri: &Uri,
    headers: &HeaderMap,
    answer: impl FnOnce(&Bearer) -> Response,
) -> Response {
    let validates_mfa =
        headers.get("ValidateMfa").is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"true"));
    let bearer = Bearer::of(world, headers, PARTNER_CENTER);
    let mfa = world.script().mfa_answer;
    let mut response = match &bearer {
        Ok(bearer) if bearer.may("user_impersonation") => {
            with_verdict(bearer, mfa, validates_mfa, answer)
        }
        Ok(_) => fault(403, "2032", "access denied"),
        Err(NoBearer::Missing) => fault(401, "800001", "partner token missing"),
        Err(NoBearer::Invalid) => fault(401, "400", "access denied"),
    };
    echo_ids(headers, response.headers_mut());
    world.record().partner_center(PartnerCenterCall {
        at: world.now(),
        path: uri.path().to_owned(),
        tenant: bearer.ok().map(|bearer| bearer.tid),
        validates_mfa,
        status: response.status().as_u16(),
    });
    response
}

fn with_verdict(
    bearer: &Bearer,
    mfa: MfaAnswer,
    asked: bool,
    answer: impl FnOnce(&Bearer) -> Response,
) -> Response {
    let compliant = match mfa {
        MfaAnswer::Refused900421 => return fault(401, "900421", "MFA is required"),
        MfaAnswer::Status(code) => return status(code).into_response(),
        MfaAnswer::HeaderAbsent => None,
        MfaAnswer::Honest => Some(bearer.proved_mfa()),
        MfaAnswer::Compliant => Some(true),
        MfaAnswer::NotCompliant => Some(false),
    };
    let mut response = answer(bearer);
    if let Some(compliant) = compliant.filter(|_| asked) {
        let verdict = HeaderValue::from_static(if compliant { "true" } else { "false" });
        response.headers_mut().insert("ismfacompliant", verdict);
    }
    response
}

fn echo_ids(request: &HeaderMap, response: &mut HeaderMap) {
    for name in ["MS-RequestId", "MS-CorrelationId"] {
        let made = || HeaderValue::try_from(random::guid().to_string()).expect("a GUID is ASCII");
        response.insert(name, request.get(name).cloned().unwrap_or_else(made));
    }
}

fn fault(code: u16, number: &str, description: &str) -> Response {
    let body = json!({
        "code": number, "description": description, "data": [], "source": "PartnerApi",
    });
    let mut response = (status(code), axum::Json(body)).into_response();
    if response.status() == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        response.headers_mut().insert(axum::http::header::WWW_AUTHENTICATE, challenge);
    }
    response
}

const CONTINUATION: &str = "MS-ContinuationToken";
