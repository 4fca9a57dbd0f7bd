//! How questions reach the services: tokens by a broker on a copy of the store, all by one recorder.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cpv_consent::store::{Expect, Filter, Kind, Memory, Selection, Store as _, Stored};
use cpv_consent::{
    AppRegistration, Broker, Clock, Error, Http as _, HttpError, Resource, Sleep, SystemClock,
    TenantId, Token,
};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request};
use serde_json::Value;
use tokio::sync::{OnceCell, watch};
use tokio::time::timeout;
use url::Url;
use uuid::{Builder, Uuid};

use super::Outcome;
use super::redaction::{Redaction, without_mark};
use super::settings::Settings;
use super::wire::{Exchange, Recorder, Service};

/// The desk from which all is asked.
#[derive(Debug)]
pub(crate) struct Probe {
    pub(crate) settings: Settings,
    pub(crate) allow_writes: bool,
    pub(crate) recorder: Recorder,
    /// True once no further question is to be asked.
    pub(crate) stop: watch::Receiver<bool>,
    records: Vec<Stored>,
    partner_center: OnceCell<Token>,
}

/// A reply as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Reply {
    /// The `code` of an error body, wherever Partner Center, Graph and Key Vault put it.
    pub(crate) fn code(&self) -> Option<String> {
        let code = [&self.body["code"], &self.body["error"]["code"]];
        let code = code.into_iter().find(|code| !code.is_null())?;
        code.as_str().map(str::to_owned).or_else(|| code.as_u64().map(|code| code.to_string()))
    }

    pub(crate) const fn is_success(&self) -> bool {
        self.status / 100 == 2
    }
}

/// `409 (code 409)`. A code is a word: it is shown by the same rule as in the transcript.
impl fmt::Display for Reply {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.status)?;
        let word = |code: &String| {
            code.len() <= 48 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        match self.code().filter(word) {
            Some(code) => write!(out, " (code {code})"),
            None => Ok(()),
        }
    }
}

/// Why a question has no answer.
#[derive(Debug, Clone)]
pub(crate) struct Silence {
    /// Whether it was asked at all.
    pub(crate) asked: bool,
    /// For everybody: no id and no name is in it.
    pub(crate) words: String,
    /// For whoever runs the program.
    pub(crate) aloud: Option<String>,
    /// What was changed and could not be put back.
    pub(crate) left: Option<String>,
}

impl Silence {
    pub(crate) fn not_asked(why: impl Into<String>) -> Self {
        Self { asked: false, ..Self::not_answered(why) }
    }

    pub(crate) fn not_answered(why: impl Into<String>) -> Self {
        Self { asked: true, words: why.into(), aloud: None, left: None }
    }
}

impl From<HttpError> for Silence {
    fn from(error: HttpError) -> Self {
        let aloud = Some(error.to_string());
        Self { aloud, ..Self::not_answered(format!("no reply: {}", error.fault())) }
    }
}

impl From<Error> for Silence {
    fn from(error: Error) -> Self {
        let words = match &error {
            Error::Entra { error, .. } => {
                let numbers = error.codes().iter().map(|number| format!("AADSTS{number}"));
                format!("Entra refused a token: {}", numbers.collect::<Vec<_>>().join(" "))
            }
            Error::NoConsent { .. } => "the store has no consent of the partner".to_owned(),
            Error::Suspended { .. } => "the partner's consent is suspended".to_owned(),
            Error::ScopesMissing { .. } => "less is granted than the registration names".to_owned(),
            Error::Http(error) => format!("no reply: {}", error.fault()),
            Error::Credential(_) => "the application's credential cannot be used".to_owned(),
            _ => "the broker refused".to_owned(),
        };
        Self { aloud: Some(error.to_string()), ..Self::not_answered(words) }
    }
}

impl Probe {
    /// Copies the partner's records. Whatever the questions do to them, the store stays as it is.
    ///
    /// # Errors
    /// When the store has no consent of the partner that the key opens.
    pub(crate) async fn new(
        settings: Settings,
        allow_writes: bool,
        stop: watch::Receiver<bool>,
    ) -> Outcome<Self> {
        let cloud = settings.app.cloud();
        let mut services = vec![
            (cloud.login().to_owned(), Service::Entra),
            (cloud.partner_center().to_owned(), Service::PartnerCenter),
            (cloud.graph().to_owned(), Service::Graph),
        ];
        let vault = settings.key_vault.as_ref().map(|vault| vault.origin.clone());
        services.extend(vault.map(|origin| (origin, Service::KeyVault)));
        let recorder = Recorder::new(Arc::clone(&settings.http), Redaction::new(services));
        let records = copy(&settings).await?;
        let partner_center = OnceCell::new();
        let probe = Self { settings, allow_writes, recorder, stop, records, partner_center };
        let broker = probe.broker(&probe.settings.app).await?;
        broker
            .partner(probe.settings.partner)
            .consent()
            .await?
            .ok_or("the store has no consent of CPV_PARTNER in this cloud and environment")?;
        Ok(probe)
    }

    /// A broker that remembers nothing of earlier questions.
    pub(crate) async fn broker(&self, app: &AppRegistration) -> Result<Broker, Error> {
        self.broker_ahead(app, Duration::ZERO).await
    }

    /// One whose clock is ahead of the machine's.
    pub(crate) async fn broker_ahead(
        &self,
        app: &AppRegistration,
        ahead: Duration,
    ) -> Result<Broker, Error> {
        let store = Memory::new();
        for Stored { key, entry, .. } in &self.records {
            store.put(key, entry.clone(), Expect::Absent).await.map_err(Error::Store)?;
        }
        let clock = Ahead { clock: SystemClock::new(), ahead };
        let broker = Broker::builder(app.clone(), store, self.settings.keys.clone());
        broker.clock(clock).http(self.recorder.clone()).build().await
    }

    /// A new token of what is registered, at the partner's tenant or a customer's.
    pub(crate) async fn token(&self, tenant: TenantId, resource: Resource) -> Result<Token, Error> {
        self.token_as(&self.settings.app, tenant, resource).await
    }

    /// The same for another registration of the application.
    pub(crate) async fn token_as(
        &self,
        app: &AppRegistration,
        tenant: TenantId,
        resource: Resource,
    ) -> Result<Token, Error> {
        let broker = self.broker(app).await?;
        let partner = broker.partner(self.settings.partner);
        if tenant == self.settings.partner {
            return partner.token(resource).await;
        }
        partner.customer(tenant).token(resource).await
    }

    /// Calls Partner Center; `path` begins with `/v1/`.
    pub(crate) async fn partner_center(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, Silence> {
        let url = format!("{}{path}", self.settings.app.cloud().partner_center());
        self.partner_center_with(method, &url, &[], body).await
    }

    /// The same with headers of one's own.
    pub(crate) async fn partner_center_with(
        &self,
        method: Method,
        url: &str,
        headers: &[(&'static str, HeaderValue)],
        body: Option<&Value>,
    ) -> Result<Reply, Silence> {
        let token = || self.token(self.settings.partner, Resource::PartnerCenter);
        let token = self.partner_center.get_or_try_init(token).await?;
        let mut request = request(method, url, Some(token.bearer()), body);
        let own = request.headers_mut();
        own.insert("ms-requestid", id());
        own.insert("ms-correlationid", id());
        for (name, value) in headers {
            own.insert(*name, value.clone());
        }
        self.send(request).await
    }

    /// Calls Graph; `path` begins with `/v1.0/`.
    pub(crate) async fn graph(&self, token: &Token, path: &str) -> Result<Reply, Silence> {
        let url = format!("{}{path}", self.settings.app.cloud().graph());
        self.send(request(Method::GET, &url, Some(token.bearer()), None)).await
    }

    pub(crate) async fn send(&self, request: Request<Bytes>) -> Result<Reply, Silence> {
        let late = || Silence::not_answered("no complete reply in time");
        let sending = self.recorder.send(request, LONGEST_BODY);
        let (parts, body) = timeout(DEADLINE, sending).await.map_err(|_| late())??.into_parts();
        let body = serde_json::from_slice(without_mark(&body)).unwrap_or_default();
        Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body })
    }

    /// The latest exchange that fits.
    pub(crate) fn latest(&self, fits: impl Fn(&Exchange) -> bool) -> Option<Exchange> {
        self.recorder.seen().into_iter().rev().find(fits)
    }

    /// Resolves when no further question is to be asked.
    pub(crate) async fn stopped(&self) {
        if self.stop.clone().wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await; // whoever could stop it is gone
        }
    }

    pub(crate) fn application(&self) -> String {
        self.settings.app.client_id().to_string()
    }
}

/// A request with a body of JSON, or none.
pub(crate) fn request(
    method: Method,
    url: &str,
    bearer: Option<HeaderValue>,
    body: Option<&Value>,
) -> Request<Bytes> {
    let url = Url::parse(url).expect("an origin that was checked and a path of ours make a URL");
    let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
    let mut request = Request::new(bytes);
    *request.method_mut() = method;
    *request.uri_mut() = url.as_str().parse().expect("a URL is a URI");
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if body.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    headers.extend(bearer.map(|bearer| (AUTHORIZATION, bearer)));
    request
}

/// A new id as a header has it.
fn id() -> HeaderValue {
    HeaderValue::try_from(random_guid().to_string()).expect("a GUID is ASCII")
}

pub(crate) fn random_guid() -> Uuid {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
    Builder::from_random_bytes(bytes).into_uuid()
}

/// The partner's consent and the key of its records.
async fn copy(settings: &Settings) -> Outcome<Vec<Stored>> {
    let mut copied = Vec::new();
    for kind in [Kind::PartnerKey, Kind::Consent] {
        let mut cursor = None;
        loop {
            let (realm, selection) = (settings.app.realm(), Selection::All);
            let filter = Filter { realm, kind, selection, cursor, limit: 100 };
            let page = settings.store.list(filter).await?;
            let own = |stored: &Stored| stored.key.partner() == Some(settings.partner);
            copied.extend(page.records.into_iter().filter(own));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    Ok(copied)
}

/// A clock that is wrong on purpose.
#[derive(Debug)]
struct Ahead {
    clock: SystemClock,
    ahead: Duration,
}

impl Clock for Ahead {
    fn now(&self) -> SystemTime {
        self.clock.now() + self.ahead
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        self.clock.sleep(duration)
    }
}

const DEADLINE: Duration = Duration::from_secs(30);
const LONGEST_BODY: usize = 4 * 1024 * 1024;
