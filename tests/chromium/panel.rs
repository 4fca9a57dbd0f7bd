//! A small panel with the real broker: start, callback and confirmation, as journeys.md tells it.

use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use axum::routing::{get, post};
use cpv_consent::{AccountId, Broker, Callback, Error, Found, FoundId, MfaFinding, TenantId};

pub struct Panel {
    pub broker: Broker,
    pub account: AccountId,
    pub partner: TenantId,
    /// What becomes of the flow's cookie on its way out.
    pub cookie: fn(HeaderValue) -> HeaderValue,
    callbacks: Mutex<Vec<Arrival>>,
    refusals: Mutex<Vec<Error>>,
}

/// How a callback came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    pub method: Method,
    pub origin: Option<String>,
    /// The browser's own word on where the request comes from (Fetch Metadata).
    pub site: Option<String>,
    pub brings_the_cookie: bool,
}

impl Panel {
    pub fn new(
        broker: Broker,
        account: AccountId,
        partner: TenantId,
        cookie: fn(HeaderValue) -> HeaderValue,
    ) -> Arc<Self> {
        let (callbacks, refusals) = Default::default();
        Arc::new(Self { broker, account, partner, cookie, callbacks, refusals })
    }

    pub fn routes(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/", get(home))
            .route("/consent/start", post(start))
            .route("/consent/callback", post(callback))
            .route("/consent/confirm/{id}", post(confirm))
            .with_state(Arc::clone(self))
    }

    pub fn callbacks(&self) -> Vec<Arrival> {
        lock(&self.callbacks).clone()
    }

    pub fn refusals(&self) -> Vec<Error> {
        lock(&self.refusals).clone()
    }

    fn refuse(&self, error: Error) -> Response<Body> {
        let shown = format!("<p role=\"alert\">{}</p>", escape(&error.to_string()));
        lock(&self.refusals).push(error);
        page(StatusCode::FORBIDDEN, "That did not work", &shown)
    }
}

async fn home() -> Response<Body> {
    let form = "<p>We need your consent to act for your customers.</p>\
                <form method=\"post\" action=\"/consent/start\"><button>Go to Entra</button></form>";
    page(StatusCode::OK, "Connect your tenant", form)
}

async fn start(State(panel): State<Arc<Panel>>) -> Response<Body> {
    let pending = panel.broker.partner(panel.partner).request_consent(panel.account.clone());
    let pending = match pending.await {
        Ok(pending) => pending,
        Err(error) => return panel.refuse(error),
    };
    let mut reply = page(StatusCode::SEE_OTHER, "Connect your tenant", "");
    let headers = reply.headers_mut();
    headers.insert(SET_COOKIE, (panel.cookie)(pending.browser_key().set_cookie()));
    headers.insert(LOCATION, pending.authorize_url().as_str().parse().expect("a URL is ASCII"));
    reply
}

async fn callback(State(panel): State<Arc<Panel>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    lock(&panel.callbacks).push(Arrival::of(&parts.method, &parts.headers));
    let body = to_bytes(body, 16 * 1024).await.expect("a short form");
    let found = match Callback::from_request(&Request::from_parts(parts, body)) {
        Ok(callback) => panel.broker.capture_consent(callback).await,
        Err(error) => Err(error.into()),
    };
    match found {
        Ok(found) => page(StatusCode::OK, "Is this right?", &confirmation(&found)),
        Err(error) => panel.refuse(error),
    }
}

fn confirmation(found: &Found) -> String {
    let mfa = match found.mfa() {
        MfaFinding::Proven(proof) => proof.to_string(),
        _ => "not proven".to_owned(),
    };
    format!(
        "<p>The account {} will act for tenant {}.</p><p>Signed in: {}.</p>\
         <p>Second factor: {mfa}.</p><p>Permissions: {}.</p>\
         <form method=\"post\" action=\"/consent/confirm/{}\"><button>Confirm</button></form>",
        escape(found.account().as_str()),
        found.tenant(),
        escape(&found.user().to_string()),
        escape(&found.scopes().to_string()),
        found.id(),
    )
}

async fn confirm(
    State(panel): State<Arc<Panel>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    let confirmed = async {
        let found = panel.broker.found(&FoundId::parse(&id)?, &headers).await?;
        found.confirm().await
    };
    match confirmed.await {
        Ok(consent) => {
            let thanks = format!("<p>Tenant {} is connected.</p>", consent.partner());
            page(StatusCode::OK, "Thank you", &thanks)
        }
        Err(error) => panel.refuse(error),
    }
}

impl Arrival {
    fn of(method: &Method, headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
        let cookies = text("cookie").unwrap_or_default();
        Self {
            method: method.clone(),
            origin: text(ORIGIN.as_str()),
            site: text("sec-fetch-site"),
            brings_the_cookie: cookies.contains("__Host-cpv-consent-"),
        }
    }
}

fn page(status: StatusCode, heading: &str, body: &str) -> Response<Body> {
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{heading}</title><style>{STYLE}</style><main><h1>{heading}</h1>{body}</main></html>"
    );
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "text/html; charset=utf-8")
        .header(CACHE_CONTROL, "no-store")
        .body(Body::from(page))
        .expect("a reply of fixed headers")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("not poisoned")
}

const STYLE: &str = "body{font:1rem/1.5 sans-serif;margin:1rem;overflow-wrap:anywhere}\
button{font:inherit;min-height:2.75rem;padding:.5rem 1rem}";
