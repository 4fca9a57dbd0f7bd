//! A vendor, a partner and a customer on the emulator, with a SQLite store on disk.

#![allow(dead_code, unreachable_pub)] // each test file uses its own part of it

pub mod fleet;
pub mod late;
pub mod raw;
pub mod recorder;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cpv_consent::emulator::{Answer, Browser, Emulator, User};
use cpv_consent::store::Sqlite;
use cpv_consent::{
    AccountId, AppRegistration, ApprovalReport, Broker, BrokerBuilder, Callback, ClientCredential,
    ClientId, Cloud, Consent, Error, Event, Found, KeyRing, LocalKey, Origins, PendingApproval,
    PendingConsent, Policy, Refused, Resource, ResponseMode, SentInvitation, TenantId,
    VirtualClock,
};
use http::Request;
use url::Url;

pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3600);
pub const DAY: Duration = Duration::from_secs(86_400);
pub const SECRET: &str = "canary-client-secret";
pub const GRAPH: &str = "https://graph.microsoft.com";
pub const REDIRECT: &str = "https://panel.example/consent/callback";
pub const START_PAGE: &str = "https://panel.example/invited";

pub struct World {
    pub clock: VirtualClock,
    pub entra: Emulator,
    pub app: AppRegistration,
    pub folder: tempfile::TempDir,
    pub events: Arc<Mutex<Vec<Event>>>,
    /// The partner, its administrator, and a customer that has granted what we ask for.
    pub contoso: TenantId,
    pub admin: User,
    pub fabrikam: TenantId,
    key: [u8; 32],
}

impl World {
    pub async fn new() -> Self {
        Self::proving(ClientCredential::secret(SECRET).expect("plain text")).await
    }

    /// A vendor with this credential.
    pub async fn proving(credential: ClientCredential) -> Self {
        Self::told_by(VirtualClock::default(), credential).await
    }

    /// A world that begins when this clock says.
    pub async fn told_by(clock: VirtualClock, credential: ClientCredential) -> Self {
        let entra = Emulator::builder().clock(clock.clone()).start().await.expect("free ports");
        let app = registration_proving(cloud(&entra), credential);
        entra.register(&app);
        let contoso = entra.add_tenant("Contoso");
        let admin = entra.add_user(contoso, "admin@contoso.example");
        let fabrikam = entra.add_customer(contoso, "Fabrikam");
        entra.grant(fabrikam, app.client_id(), GRAPH, &["Directory.Read.All"]);
        let folder = tempfile::tempdir().expect("a folder");
        let key = rand_key();
        Self { clock, entra, app, folder, events: Arc::default(), contoso, admin, fabrikam, key }
    }

    pub fn store_folder(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    pub async fn store(&self) -> Sqlite {
        Sqlite::open(self.store_folder()).await.expect("a store")
    }

    /// What seals the store.
    pub const fn sealing_key(&self) -> &[u8; 32] {
        &self.key
    }

    pub fn keys(&self) -> KeyRing {
        KeyRing::new(LocalKey::from_bytes("test-1", &self.key).expect("a random key"))
    }

    /// A broker as another process would open it: its own handles on the same files.
    pub async fn broker(&self) -> Broker {
        self.builder(self.store().await).build().await.expect("a broker")
    }

    pub async fn broker_with(&self, policy: Policy) -> Broker {
        self.builder(self.store().await).policy(policy).build().await.expect("a broker")
    }

    pub fn builder(&self, store: impl cpv_consent::store::Store) -> BrokerBuilder {
        let events = self.events.clone();
        Broker::builder(self.app.clone(), store, self.keys())
            .clock(self.clock.clone())
            .retries(0)
            .start_page(START_PAGE)
            .observer(move |event: &Event| events.lock().expect("events").push(event.clone()))
    }

    pub fn account(&self) -> AccountId {
        account("panel-1")
    }

    /// The partner consents and a person confirms.
    pub async fn onboard(&self, broker: &Broker) -> Consent {
        let pending = broker.partner(self.contoso).request_consent(self.account());
        let pending = pending.await.expect("a flow");
        let request = accept(&pending, &self.admin).await;
        let found = capture(broker, &request).await.expect("everything holds");
        found.confirm().await.expect("a consent")
    }

    /// Another partner with an account of its own.
    pub async fn onboard_another(&self, broker: &Broker, name: &str) -> TenantId {
        let tenant = self.entra.add_tenant(name);
        let admin = self.entra.add_user(tenant, &format!("admin@{name}.example"));
        let pending = broker.partner(tenant).request_consent(account(&format!("panel-{name}")));
        let request = accept(&pending.await.expect("a flow"), &admin).await;
        let found = capture(broker, &request).await.expect("everything holds");
        found.confirm().await.expect("a consent");
        tenant
    }

    /// The user that is meant to consent: no administrator, as a service account is none.
    pub fn service_account(&self) -> User {
        let user = self.entra.add_user(self.contoso, "service@contoso.example");
        self.entra.change_user(&user, |account| account.administrator = false);
        user
    }

    /// An approval for the partner, up to the callback that its administrator's browser makes.
    pub async fn approval(&self, broker: &Broker) -> Request<Bytes> {
        let pending = broker.partner(self.contoso).request_approval(self.account());
        approve(&pending.await.expect("begun"), &self.admin, Answer::Accept).await
    }

    /// The partner is invited by a link.
    pub async fn invite(&self, broker: &Broker) -> SentInvitation {
        broker.partner(self.contoso).invite(self.account()).await.expect("an invitation")
    }

    /// A flow for the partner, up to the callback that its administrator's browser makes.
    pub async fn callback(&self, broker: &Broker) -> Request<Bytes> {
        self.callback_by(broker, ResponseMode::FormPost).await
    }

    pub async fn callback_by(&self, broker: &Broker, mode: ResponseMode) -> Request<Bytes> {
        let request = broker.partner(self.contoso).request_consent(self.account());
        let pending = request.answered_by(mode).await.expect("a flow");
        accept(&pending, &self.admin).await
    }

    pub fn events(&self) -> Vec<Event> {
        self.events.lock().expect("events").clone()
    }

    /// Nothing from which a token can be had: no consent on record, no finding that waits, and the
    /// broker gives no token.
    pub async fn assert_nothing_stored(&self, broker: &Broker) {
        assert_eq!(rows(&self.store_folder(), "consent"), 0, "a consent is stored");
        assert_eq!(rows(&self.store_folder(), "found"), 0, "a finding is stored");
        let token = broker.partner(self.contoso).token(Resource::PartnerCenter).await;
        assert!(matches!(token, Err(Error::NoConsent { .. })), "{token:?}");
    }
}

pub fn cloud(entra: &Emulator) -> Cloud {
    let origins = Origins {
        login: entra.login_origin(),
        partner_center: entra.partner_center_origin(),
        graph: entra.graph_origin(),
    };
    Cloud::danger_loopback("emulator", origins).expect("loopback origins")
}

pub fn registration(cloud: Cloud) -> AppRegistration {
    registration_proving(cloud, ClientCredential::secret(SECRET).expect("plain text"))
}

pub fn registration_proving(cloud: Cloud, credential: ClientCredential) -> AppRegistration {
    let home = TenantId::parse("0c0ffee0-1111-4111-8111-111111111111").expect("a GUID");
    let client_id = ClientId::parse("c11e0700-2222-4222-8222-222222222222").expect("a GUID");
    AppRegistration::new(cloud, home, client_id, credential, REDIRECT)
        .and_then(|app| app.requesting(Resource::Graph, ["Directory.Read.All"]))
        .expect("a valid registration")
}

pub fn account(text: &str) -> AccountId {
    AccountId::new(text).expect("plain text")
}

/// A browser that holds the flow's cookie.
pub fn browser_of(pending: &PendingConsent) -> Browser {
    let mut browser = Browser::new();
    let cookie = pending.browser_key().set_cookie();
    browser.keep_cookie(cookie.to_str().expect("ASCII"));
    browser
}

/// Signs in, proves the second factor and accepts; returns the request that the browser then makes.
pub async fn accept(pending: &PendingConsent, user: &User) -> Request<Bytes> {
    browser_of(pending).consent(pending.authorize_url(), user).await.expect("a callback")
}

/// What an administrator does, in a browser that holds the approval's cookie; returns the request that
/// the browser then makes.
pub async fn approve(pending: &PendingApproval, user: &User, answer: Answer) -> Request<Bytes> {
    let mut browser = Browser::new();
    let cookie = pending.browser_key().set_cookie();
    browser.keep_cookie(cookie.to_str().expect("ASCII"));
    browser.walk(pending.approval_url(), user, answer).await.expect("a callback")
}

pub async fn report(broker: &Broker, request: &Request<Bytes>) -> Result<ApprovalReport, Error> {
    broker.capture_approval(Callback::from_request(request)?).await
}

pub async fn capture(broker: &Broker, request: &Request<Bytes>) -> Result<Found, Error> {
    broker.capture_consent(Callback::from_request(request)?).await
}

/// What a link ends with.
pub fn token_of(sent: &SentInvitation) -> String {
    sent.link().path().rsplit('/').next().expect("a path").to_owned()
}

/// Presses the button of an invitation's start page in a browser without cookies.
pub async fn start(broker: &Broker, sent: &SentInvitation) -> Result<PendingConsent, Error> {
    broker.begin_invited(&token_of(sent), &http::HeaderMap::new()).await
}

/// The headers of a browser that holds the flow's cookie.
pub fn cookies_of(pending: &PendingConsent) -> http::HeaderMap {
    let cookie = pending.browser_key().set_cookie();
    let pair = cookie.to_str().expect("ASCII").split(';').next().expect("a pair").to_owned();
    http::HeaderMap::from_iter([(http::header::COOKIE, pair.parse().expect("a header"))])
}

/// Begins by the invitation, signs in and comes back.
pub async fn answer(broker: &Broker, sent: &SentInvitation, user: &User) -> Request<Bytes> {
    accept(&start(broker, sent).await.expect("a flow"), user).await
}

/// The refusal, or a panic that shows what came instead.
pub fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Refused {
    match outcome {
        Err(Error::Refused(refused)) => refused,
        other => panic!("not refused: {other:?}"),
    }
}

/// How many records of a kind lie in the raw database.
pub fn rows(folder: &Path, kind: &str) -> i64 {
    let db = rusqlite::Connection::open(folder.join("records.sqlite3")).expect("a database");
    let sql = "SELECT count(*) FROM record WHERE kind = ?1";
    db.query_row(sql, [kind], |row| row.get(0)).expect("a count")
}

/// The callback with its query or form changed.
pub fn tampered(request: &Request<Bytes>, change: impl Fn(&str) -> String) -> Request<Bytes> {
    let mut tampered = request.clone();
    if request.body().is_empty() {
        let url = Url::parse(&absolute(request)).expect("a URL");
        let query = change(url.query().unwrap_or_default());
        let uri = format!("{}?{query}", request.uri().path());
        *tampered.uri_mut() = uri.parse().expect("a URI");
    } else {
        let body = std::str::from_utf8(request.body()).expect("a form");
        *tampered.body_mut() = change(body).into();
    }
    tampered
}

fn absolute(request: &Request<Bytes>) -> String {
    let path = request.uri().path_and_query().expect("a path");
    format!("https://panel.example{path}")
}

fn rand_key() -> [u8; 32] {
    let mut key = [0; 32];
    aws_lc_rs::rand::fill(&mut key).expect("random bytes");
    key
}
