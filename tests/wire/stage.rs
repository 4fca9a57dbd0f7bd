//! A broker whose Entra and Partner Center are wiremock's, and what must hold whatever they answer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cpv_consent::store::Sqlite;
use cpv_consent::{
    Broker, Callback, Cause, Cloud, Consent, Error, Found, HttpFault, IdTokenError, KeyRing,
    LocalKey, Origins, Refused, Resource, ResponseMode, TenantId, Token, VirtualClock,
};
use http::header::{CONTENT_TYPE, COOKIE};
use http::{HeaderName, Request};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use wiremock::matchers::{any, method, path};
use wiremock::{Mock, MockServer, Respond, ResponseTemplate};

use crate::entra::{CONTOSO, Entra, FABRIKAM, field};
use crate::front::Front;
use crate::world::{HOUR, account, raw, registration, rows};

pub struct Stage {
    pub clock: VirtualClock,
    pub entra: Arc<Entra>,
    pub login: MockServer,
    pub partner_center: MockServer,
    /// A server that nobody has a reason to ask.
    pub elsewhere: MockServer,
    pub front: Option<Front>,
    pub broker: Broker,
    answer: Answer,
    folder: tempfile::TempDir,
}

/// Where a reply can be odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The code is redeemed.
    Code,
    /// A new consent proves another resource by its refresh token.
    Proof,
    /// A standing consent is redeemed at the partner's own tenant.
    Own,
    /// A standing consent is redeemed at a customer's tenant.
    Customer,
}

impl Place {
    pub const ALL: [Self; 4] = [Self::Code, Self::Proof, Self::Own, Self::Customer];

    pub const fn onboards(self) -> bool {
        matches!(self, Self::Code | Self::Proof)
    }

    const fn tenant(self) -> &'static str {
        if matches!(self, Self::Customer) { FABRIKAM } else { CONTOSO }
    }

    const fn grant(self) -> &'static str {
        if matches!(self, Self::Code) { "authorization_code" } else { "refresh_token" }
    }

    /// Whether a request with this path and body is of this place.
    pub fn means(self, path: &str, body: &str) -> bool {
        path.contains(&format!("/{}/oauth2/v2.0/token", self.tenant()))
            && body.contains(&format!("grant_type={}", self.grant()))
    }

    /// How many token requests lead to it and to its failure.
    const fn requests(self) -> usize {
        if matches!(self, Self::Proof) { 2 } else { 1 }
    }
}

/// What callers are told, as far as the tables tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Reply,
    Http(HttpFault),
    Entra(Cause),
    IdToken,
}

pub fn told(error: &Error) -> Told {
    match error {
        Error::Reply(_) => Told::Reply,
        Error::Http(error) => Told::Http(error.fault()),
        Error::Entra { error, .. } => Told::Entra(error.cause()),
        Error::IdToken(_) => Told::IdToken,
        other => panic!("{other:?}"),
    }
}

/// A reply made from the good one.
pub type Odd = Arc<dyn Fn(Value) -> ResponseTemplate + Send + Sync>;

/// Answers token requests: well, or oddly at one place.
#[derive(Clone)]
struct Answer {
    entra: Arc<Entra>,
    odd: Arc<Mutex<Option<(Place, Odd)>>>,
}

impl Answer {
    fn odd_for(&self, request: &wiremock::Request) -> Option<Odd> {
        let (place, odd) = self.odd.lock().expect("not poisoned").clone()?;
        let body = String::from_utf8_lossy(&request.body);
        place.means(request.url.path(), &body).then_some(odd)
    }
}

impl Respond for Answer {
    fn respond(&self, request: &wiremock::Request) -> ResponseTemplate {
        let good = self.entra.tokens(request);
        match self.odd_for(request) {
            Some(odd) => odd(good),
            None => ResponseTemplate::new(200).set_body_json(good),
        }
    }
}

/// Replies are odd until this is dropped. (A scoped mock with a priority would outlive its guard.)
pub struct OddUntil(Answer);

impl Drop for OddUntil {
    fn drop(&mut self) {
        *self.0.odd.lock().expect("not poisoned") = None;
    }
}

impl Stage {
    pub async fn new() -> Self {
        let login = MockServer::start().await;
        let origin = login.uri();
        Self::at(login, &origin, None).await
    }

    pub async fn behind_a_front() -> Self {
        let login = MockServer::start().await;
        let front = Front::before(*login.address()).await;
        let origin = front.origin.clone();
        Self::at(login, &origin, Some(front)).await
    }

    async fn at(login: MockServer, origin: &str, front: Option<Front>) -> Self {
        let (partner_center, elsewhere) = (MockServer::start().await, MockServer::start().await);
        let clock = VirtualClock::default();
        let origins =
            Origins { login: origin, partner_center: &partner_center.uri(), graph: origin };
        let app = registration(Cloud::danger_loopback("wire", origins).expect("loopback"));
        let entra = Arc::new(Entra::new(origin, &app.client_id().to_string(), &clock));
        let folder = tempfile::tempdir().expect("a folder");
        let store = Sqlite::open(folder.path().join("store")).await.expect("a store");
        let keys = KeyRing::new(LocalKey::generate("wire").expect("a key"));
        let broker =
            Broker::builder(app, store, keys).clock(clock.clone()).retries(0).build().await;
        let broker = broker.expect("a broker");
        let answer = Answer { entra: entra.clone(), odd: Arc::default() };
        let stage =
            Self { clock, entra, login, partner_center, elsewhere, front, broker, answer, folder };
        stage.answer_well().await;
        stage
    }

    async fn answer_well(&self) {
        Mock::given(method("POST")).respond_with(self.answer.clone()).mount(&self.login).await;
        let keys = ResponseTemplate::new(200).set_body_json(self.entra.keys());
        Mock::given(path(keys_path())).respond_with(keys).mount(&self.login).await;
        let verdict = ResponseTemplate::new(200)
            .insert_header("isMfaCompliant", "true")
            .set_body_json(json!({ "totalCount": 0, "items": [] }));
        Mock::given(path("/v1/customers")).respond_with(verdict).mount(&self.partner_center).await;
        // Whoever comes here is welcomed, so that only coming is the fault.
        let trap = Answer { entra: self.entra.clone(), odd: Arc::default() };
        Mock::given(method("POST")).respond_with(trap).mount(&self.elsewhere).await;
        Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&self.elsewhere).await;
    }

    /// A stage on which the places can be reached: with a standing consent, or without one.
    pub async fn reaching(place: Place) -> Self {
        let stage = Self::new().await;
        if !place.onboards() {
            stage.onboard().await;
        }
        stage
    }

    /// The callback that the partner's administrator comes back with.
    pub async fn callback(&self) -> Request<Bytes> {
        self.callback_by(ResponseMode::FormPost).await
    }

    pub async fn callback_by(&self, mode: ResponseMode) -> Request<Bytes> {
        let pending = self.broker.partner(contoso()).request_consent(account("panel-1"));
        let pending = pending.answered_by(mode).await.expect("a flow");
        let query = |name: &str| {
            let mut pairs = pending.authorize_url().query_pairs();
            pairs.find(|(found, _)| found == name).expect("a parameter").1.into_owned()
        };
        self.entra.expect_nonce(&query("nonce"));
        let cookie = pending.browser_key().set_cookie();
        let cookie = cookie.to_str().expect("ASCII").split(';').next().expect("a pair").to_owned();
        let fields = format!("code=code-canary&state={}", query("state"));
        let (request, body) = match mode {
            ResponseMode::FormPost => (Request::post("/consent/callback"), fields),
            ResponseMode::Query => {
                (Request::get(format!("/consent/callback?{fields}")), String::new())
            }
        };
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        request.header(COOKIE, cookie).body(body.into()).expect("a request")
    }

    pub async fn capture(&self) -> Result<Found, Error> {
        self.finish(&self.callback().await).await
    }

    /// The browser is back.
    pub async fn finish(&self, callback: &Request<Bytes>) -> Result<Found, Error> {
        let callback = Callback::from_request(callback).expect("an answer");
        self.broker.capture_consent(callback).await
    }

    pub async fn onboard(&self) -> Consent {
        let found = self.capture().await.expect("everything holds");
        found.confirm().await.expect("a consent")
    }

    pub async fn own(&self) -> Result<Token, Error> {
        self.broker.partner(contoso()).token(Resource::PartnerCenter).await
    }

    pub async fn customer(&self) -> Result<Token, Error> {
        let partner = self.broker.partner(contoso());
        partner.customer(tenant(FABRIKAM)).token(Resource::Graph).await
    }

    /// Does what reaches a place.
    pub async fn go(&self, place: Place) -> Result<(), Error> {
        match place {
            Place::Code | Place::Proof => self.capture().await.map(drop),
            Place::Own => self.own().await.map(drop),
            Place::Customer => self.customer().await.map(drop),
        }
    }

    /// Makes the replies at a place odd, as long as what this returns lives.
    #[must_use]
    pub fn odd(&self, place: Place, odd: Odd) -> OddUntil {
        *self.answer.odd.lock().expect("not poisoned") = Some((place, odd));
        OddUntil(self.answer.clone())
    }

    /// What callers are told of an odd reply, and all that holds whatever it is: one request for
    /// one ask, nobody else was asked, and nothing is stored from which a token can be had or, where
    /// a consent stands, the consent is as it was and works again at once.
    pub async fn meet(&self, place: Place, odd: Odd) -> Error {
        self.prepare(place).await;
        let (before, asked) = (self.consent_rows(), self.token_requests().await.len());
        let guard = self.odd(place, odd);
        let error = self.go(place).await.expect_err("an odd reply");
        let requests = self.token_requests().await.len() - asked;
        assert_eq!(requests, place.requests(), "{error}");
        drop(guard);
        self.check_harmless(place, &before, &error).await;
        error
    }

    /// Makes the next ask at a place a request.
    pub async fn prepare(&self, place: Place) {
        if place.onboards() {
            return;
        }
        self.clock.advance(2 * HOUR);
        if place == Place::Customer {
            self.own().await.expect("a healthy partner, young enough not to be rotated again");
        }
    }

    pub async fn check_harmless(&self, place: Place, before: &[raw::Row], error: &Error) {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("canary"), "{shown}");
        assert_eq!(self.elsewhere.received_requests().await.expect("recorded").len(), 0);
        assert_eq!(self.consent_rows(), before);
        if place.onboards() {
            self.assert_nothing_stored().await;
        } else {
            self.go(place).await.expect("the next healthy reply is enough");
        }
    }

    pub async fn assert_nothing_stored(&self) {
        assert_eq!(self.count("consent") + self.count("found"), 0);
        let token = self.own().await;
        assert!(matches!(token, Err(Error::NoConsent { .. })), "{token:?}");
    }

    pub fn count(&self, kind: &str) -> i64 {
        rows(&self.folder.path().join("store"), kind)
    }

    pub fn consent_rows(&self) -> Vec<raw::Row> {
        let mut rows = raw::rows(&self.folder.path().join("store"));
        rows.retain(|row| row.kind == "consent");
        rows
    }

    pub async fn token_requests(&self) -> Vec<wiremock::Request> {
        let mut requests = self.login.received_requests().await.expect("recorded");
        requests.retain(|request| request.url.path().ends_with("/token"));
        requests
    }

    /// The newest refresh token that was issued.
    pub fn last_issued(&self) -> String {
        format!("rt-canary-{}", self.entra.issued())
    }

    /// The refresh token of the last request that redeemed one.
    pub async fn last_redeemed(&self) -> String {
        let requests = self.token_requests().await;
        let redeemed = requests.iter().rev().find_map(|request| field(request, "refresh_token"));
        redeemed.expect("a redemption")
    }
}

/// What came of a request whose deadline is over: nobody waits for it any longer.
pub async fn cut<T>(asking: JoinHandle<T>) -> T {
    let ended = tokio::time::timeout(Duration::from_secs(30), asking).await;
    ended.expect("its deadline did not end it").expect("no panic")
}

/// The refusal of an ID token.
pub fn id_token_error(outcome: Result<Found, Error>) -> IdTokenError {
    match outcome {
        Err(Error::IdToken(error)) => error,
        other => panic!("{other:?}"),
    }
}

pub fn refusal(outcome: Result<Found, Error>) -> Refused {
    crate::world::refused(outcome)
}

/// A reply with a body that is sent as it is.
pub fn text(status: u16, body: impl Into<Vec<u8>>) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body.into(), "application/json")
}

pub fn away(status: u16, to: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).insert_header(HeaderName::from_static("location"), to)
}

pub fn keys_path() -> String {
    format!("/{CONTOSO}/discovery/v2.0/keys")
}

pub fn contoso() -> TenantId {
    tenant(CONTOSO)
}

pub fn tenant(text: &str) -> TenantId {
    TenantId::parse(text).expect("a GUID")
}
