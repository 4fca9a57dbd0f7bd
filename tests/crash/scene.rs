//! A vendor, a partner and a customer on the emulator, described so that a child process finds them.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use cpv_consent::emulator::{Browser, Emulator, User};
use cpv_consent::store::{Sqlite, Store};
use cpv_consent::{
    AccountId, AppRegistration, Broker, Callback, ClientCredential, ClientId, Clock, Cloud, Error,
    KeyRing, LocalKey, Origins, PendingConsent, Reqwest, Resource, Sleep, TenantId, UserId,
};
use http::Request;
use http::header::{CONTENT_TYPE, COOKIE};

use crate::edges::{EdgedHttp, EdgedStore, Edges, note};
use crate::searcher::{Searcher, Secret};

const CLIENT_SECRET: &str = "canary-crash-client-secret";
const GRAPH: &str = "https://graph.microsoft.com";
const HOME: &str = "0c0ffee0-1111-4111-8111-111111111111";
const CLIENT: &str = "c11e0700-2222-4222-8222-222222222222";
/// Random once, and the same in every process of these tests.
pub const RING_KEY: &str = "s3dM0hL7qkq0h3R2V4cTg9xjUeYb1nWwPz8aFfIoK5E=";

/// Where the partner is, and who consents there: all that another process must be told.
#[derive(Debug, Clone)]
pub struct Scene(pub HashMap<String, String>);

impl Scene {
    /// A partner of its own, with a customer that has granted what is asked for. Access tokens end
    /// before they are at hand, so that each one asked for causes an exchange.
    pub fn on(entra: &Emulator) -> Self {
        let mut told = HashMap::new();
        let mut tell = |name: &str, value: &str| told.insert(name.to_owned(), value.to_owned());
        tell("LOGIN", entra.login_origin());
        tell("PARTNER_CENTER", entra.partner_center_origin());
        tell("GRAPH", entra.graph_origin());
        let partner = entra.add_tenant("Contoso");
        let admin = entra.add_user(partner, "admin@contoso.example");
        let customer = entra.add_customer(partner, "Fabrikam");
        let client = ClientId::parse(CLIENT).expect("a GUID");
        entra.grant(customer, client, GRAPH, &["Directory.Read.All"]);
        tell("PARTNER", &partner.to_string());
        tell("CUSTOMER", &customer.to_string());
        tell("USER", &admin.id.to_string());
        tell("NAME", &admin.name);
        tell("PASSWORD", &admin.password);
        tell("CODE", &admin.code);
        let scene = Self(told);
        entra.register(&scene.app());
        entra.access_tokens_live(Duration::from_secs(60), Duration::from_secs(60));
        scene
    }

    /// The same scene twenty minutes later: a token that was stored before is old enough to be
    /// replaced.
    pub fn later(&self) -> Self {
        let mut told = self.0.clone();
        let ahead: u32 = told.get(AHEAD).map_or(0, |minutes| minutes.parse().expect("a number"));
        told.insert(AHEAD.to_owned(), (ahead + 20).to_string());
        Self(told)
    }

    /// What the parent has told this process.
    pub fn told() -> Self {
        Self(std::env::vars().collect())
    }

    pub fn tell(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("{name} was not told"))
    }

    pub fn partner(&self) -> TenantId {
        TenantId::parse(self.tell("PARTNER")).expect("a GUID")
    }

    pub fn customer(&self) -> TenantId {
        TenantId::parse(self.tell("CUSTOMER")).expect("a GUID")
    }

    fn admin(&self) -> User {
        User {
            tenant: self.partner(),
            id: UserId::parse(self.tell("USER")).expect("a GUID"),
            name: self.tell("NAME").to_owned(),
            password: self.tell("PASSWORD").to_owned(),
            code: self.tell("CODE").to_owned(),
        }
    }

    pub fn app(&self) -> AppRegistration {
        let origins = Origins {
            login: self.tell("LOGIN"),
            partner_center: self.tell("PARTNER_CENTER"),
            graph: self.tell("GRAPH"),
        };
        let cloud = Cloud::danger_loopback("emulator", origins).expect("loopback origins");
        let home = TenantId::parse(HOME).expect("a GUID");
        let client = ClientId::parse(CLIENT).expect("a GUID");
        let credential = ClientCredential::secret(CLIENT_SECRET).expect("plain text");
        let redirect = "https://panel.example/consent/callback";
        AppRegistration::new(cloud, home, client, credential, redirect)
            .and_then(|app| app.requesting(Resource::Graph, ["Directory.Read.All"]))
            .expect("a valid registration")
    }

    pub fn ring() -> KeyRing {
        KeyRing::new(LocalKey::from_base64("crash-1", RING_KEY).expect("a random key"))
    }

    /// A broker whose store and network have these edges. Secrets are noted beside the folder.
    pub async fn broker(&self, folder: &Path, edges: Edges) -> Broker {
        self.broker_with(folder, edges, Self::ring()).await
    }

    /// With another ring of keys.
    pub async fn broker_with(&self, folder: &Path, edges: Edges, ring: KeyRing) -> Broker {
        let store = Sqlite::open(folder).await.expect("it opens, whatever happened before");
        let secrets = secrets_of(folder);
        let inner = Reqwest::new().expect("root certificates");
        let http = EdgedHttp { inner, edges: edges.clone(), secrets };
        let store = EdgedStore { inner: store, edges };
        self.builder_with(store, ring).http(http).build().await.expect("a broker")
    }

    pub fn builder(&self, store: impl Store) -> cpv_consent::BrokerBuilder {
        self.builder_with(store, Self::ring())
    }

    pub fn builder_with(&self, store: impl Store, ring: KeyRing) -> cpv_consent::BrokerBuilder {
        let ahead: u32 = self.0.get(AHEAD).map_or(0, |minutes| minutes.parse().expect("a number"));
        let clock = Hasty { started: Instant::now(), ahead: MINUTE * ahead };
        Broker::builder(self.app(), store, ring).clock(clock)
    }

    /// A flow that nobody goes on with.
    pub async fn begins(&self, broker: &Broker) -> Result<PendingConsent, Error> {
        let account = AccountId::new("panel-1").expect("plain text");
        broker.partner(self.partner()).request_consent(account).await
    }

    /// The partner's administrator consents; the request that the browser then makes.
    pub async fn callback(&self, pending: &PendingConsent) -> Request<Bytes> {
        let cookie = pending.browser_key().set_cookie();
        let mut browser = Browser::new();
        browser.keep_cookie(cookie.to_str().expect("ASCII"));
        browser.consent(pending.authorize_url(), &self.admin()).await.expect("a callback")
    }

    /// The same scene, with a callback to be told.
    pub fn telling(&self, callback: &Request<Bytes>) -> Self {
        let mut told = self.0.clone();
        for name in [COOKIE, CONTENT_TYPE] {
            let value = callback.headers()[&name].to_str().expect("ASCII").to_owned();
            told.insert(name.to_string(), value);
        }
        let body = String::from_utf8(callback.body().to_vec()).expect("a form");
        told.insert("BODY".to_owned(), body);
        Self(told)
    }

    /// The callback that this process was told.
    pub fn told_callback(&self) -> Request<Bytes> {
        let mut request = Request::post("/consent/callback");
        for name in [COOKIE, CONTENT_TYPE] {
            request = request.header(&name, self.tell(name.as_str()));
        }
        request.body(self.tell("BODY").to_owned().into()).expect("a request")
    }

    /// The partner's administrator consents, and somebody confirms it.
    pub async fn onboard(&self, broker: &Broker, secrets: &Path) -> Result<(), Error> {
        let pending = self.begins(broker).await?;
        for (name, value) in pending.authorize_url().query_pairs() {
            if ["state", "nonce"].contains(&&*name) {
                note(&secrets.to_owned(), &name, &value);
            }
        }
        let callback = Callback::from_request(&self.callback(&pending).await)?;
        broker.capture_consent(callback).await?.confirm().await.map(drop)
    }

    pub async fn take_tokens(&self, broker: &Broker) -> Result<(), Error> {
        let partner = broker.partner(self.partner());
        let own = partner.token(Resource::PartnerCenter).await?;
        assert_eq!(own.tenant(), self.partner());
        let theirs = partner.customer(self.customer()).token(Resource::Graph).await?;
        assert_eq!(theirs.tenant(), self.customer());
        Ok(())
    }
}

/// The file in which the secrets of one store are noted.
pub fn secrets_of(folder: &Path) -> PathBuf {
    folder.with_extension("secrets")
}

/// Searches every file of a store for every secret that was noted, in every form (R-119, I3).
pub fn assert_sealed(folder: &Path) {
    let noted = fs::read_to_string(secrets_of(folder)).unwrap_or_default();
    let mut secrets: Vec<Secret> = noted
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, value)| Secret::new(name, value))
        .collect();
    secrets.push(Secret::new("client secret", CLIENT_SECRET));
    secrets.push(Secret::new("ring key", RING_KEY));
    let searcher = Searcher::for_all(&secrets);
    for file in fs::read_dir(folder).expect("a folder") {
        let path = file.expect("a file").path();
        // A log goes away when the last handle is closed, which may be now.
        let found = searcher.find(&fs::read(&path).unwrap_or_default());
        assert_eq!(found, None, "{path:?}");
    }
}

/// By how many minutes the date is ahead of the machine's.
const AHEAD: &str = "AHEAD";
const MINUTE: Duration = Duration::from_secs(60);

/// The machine's date or a later one, and waits that pass twenty times as fast: what a killed process held lapses
/// without keeping the test.
#[derive(Debug)]
struct Hasty {
    started: Instant,
    ahead: Duration,
}

const HASTE: u32 = 20;

impl Clock for Hasty {
    fn now(&self) -> SystemTime {
        SystemTime::now() + self.ahead
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed() * HASTE
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration / HASTE))
    }
}
