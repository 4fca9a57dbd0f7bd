//! A panel's place at `127.0.0.1` and an Entra at `localhost`: two sites, as they are two in the world.

use std::sync::{Arc, Mutex};

use axum::Router;
use cpv_consent::emulator::{Emulator, Https, User};
use cpv_consent::store::Sqlite;
use cpv_consent::{
    AppRegistration, Broker, ClientCredential, ClientId, Cloud, Consent, Event, KeyRing, LocalKey,
    Origins, Refused, Reqwest, Resource, TenantId, VirtualClock,
};
use reqwest::Certificate;
use reqwest::redirect::Policy;
use tokio::net::TcpListener;
use url::Url;

use crate::driver::Chromium;
use crate::habits::Habits;
use crate::tls::TlsListener;
use crate::world::rows;

/// What a panel stands on: an Entra, a partner, and a broker with an origin of its own.
pub struct Ground {
    pub entra: Emulator,
    pub clock: VirtualClock,
    pub broker: Broker,
    /// The panel's own origin.
    pub origin: String,
    pub contoso: TenantId,
    pub admin: User,
    app: AppRegistration,
    folder: tempfile::TempDir,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Ground {
    /// With the place where the panel is to be served.
    pub async fn new() -> (Self, TlsListener) {
        let clock = VirtualClock::default();
        let entra = Emulator::builder().clock(clock.clone()).https().start().await;
        let entra = entra.expect("free ports");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let origin = format!("https://{}", listener.local_addr().expect("an address"));
        let https = entra.https().expect("asked for");
        let certificate = https.issue_certificate(["127.0.0.1"]).expect("an address");
        let listener = TlsListener::new(listener, &certificate).expect("an address");
        let app = registration(&entra, &origin);
        entra.register(&app);
        let contoso = entra.add_tenant("Contoso");
        let admin = entra.add_user(contoso, "admin@contoso.example");
        let folder = tempfile::tempdir().expect("a folder");
        let events = Arc::default();
        let broker = broker(&app, &folder, &clock, https, Arc::clone(&events)).await;
        (Self { entra, clock, broker, origin, contoso, admin, app, folder, events }, listener)
    }

    /// Entra's own origin.
    pub fn login(&self) -> &str {
        &self.https().origins().login
    }

    fn https(&self) -> &Https {
        self.entra.https().expect("asked for")
    }

    /// A browser that trusts the emulator's authority and has not been anywhere yet.
    pub async fn browser(&self, habits: impl Into<Habits>) -> Chromium {
        Chromium::start(&habits.into(), self.https().ca_path()).await
    }

    /// A program that fetches pages and is no browser.
    pub fn client(&self) -> reqwest::Client {
        client(self.https())
    }

    /// What anybody may ask Entra for in the application's name.
    pub fn authorize_url(&self, prompt: &str) -> Url {
        self.url("oauth2/v2.0/authorize", &[("response_type", "code"), ("prompt", prompt)])
    }

    /// Where an administrator approves for everyone.
    pub fn admin_consent_url(&self) -> Url {
        self.url("v2.0/adminconsent", &[])
    }

    fn url(&self, path: &str, more: &[(&str, &str)]) -> Url {
        let url = format!("{}/{}/{path}", self.login(), self.contoso);
        let client = self.app.client_id().to_string();
        let fields = [
            ("client_id", client.as_str()),
            ("redirect_uri", self.app.redirect_uri().as_str()),
            ("scope", "https://graph.microsoft.com/Directory.Read.All"),
        ];
        Url::parse_with_params(&url, fields.iter().chain(more)).expect("a URL")
    }

    /// The vendor's own tenant.
    pub fn home(&self) -> TenantId {
        self.app.home()
    }

    pub async fn consent(&self) -> Option<Consent> {
        self.consent_of(self.contoso).await
    }

    pub async fn consent_of(&self, partner: TenantId) -> Option<Consent> {
        self.broker.partner(partner).consent().await.expect("a store")
    }

    /// How many records of a kind lie in the panel's store.
    pub fn records(&self, kind: &str) -> i64 {
        rows(&self.folder.path().join("store"), kind)
    }

    /// What the observer was told of, as far as it is of interest.
    pub fn told<T>(&self, interest: impl Fn(&Event) -> Option<T>) -> Vec<T> {
        self.events.lock().expect("not poisoned").iter().filter_map(interest).collect()
    }

    /// Every refusal that the observer was told of.
    pub fn refusals(&self) -> Vec<Refused> {
        self.told(|event| match event {
            Event::ConsentRefused { refused, .. } => Some(refused.clone()),
            _ => None,
        })
    }
}

/// Serves a panel at its place, for as long as the test takes.
pub fn serve(listener: TlsListener, routes: Router) {
    tokio::spawn(axum::serve(listener, routes).into_future());
}

fn registration(entra: &Emulator, panel: &str) -> AppRegistration {
    let origins = entra.https().expect("asked for").origins();
    let origins = Origins {
        login: &origins.login,
        partner_center: &origins.partner_center,
        graph: &origins.graph,
    };
    let cloud = Cloud::danger_loopback("emulator", origins).expect("loopback origins");
    let home = entra.add_tenant("The vendor");
    let client_id = ClientId::parse("c11e0700-2222-4222-8222-222222222222").expect("a GUID");
    let credential = ClientCredential::secret("only-for-the-emulator").expect("plain text");
    let redirect = format!("{panel}/consent/callback");
    AppRegistration::new(cloud, home, client_id, credential, &redirect)
        .and_then(|app| app.requesting(Resource::Graph, ["Directory.Read.All"]))
        .expect("a valid registration")
}

async fn broker(
    app: &AppRegistration,
    folder: &tempfile::TempDir,
    clock: &VirtualClock,
    https: &Https,
    events: Arc<Mutex<Vec<Event>>>,
) -> Broker {
    let store = Sqlite::open(folder.path().join("store")).await.expect("a store");
    let keys = KeyRing::new(LocalKey::generate("panel-1").expect("a key"));
    let start_page = app.redirect_uri().join("invited").expect("an address");
    let broker = Broker::builder(app.clone(), store, keys)
        .clock(clock.clone())
        .http(Reqwest::with_client(client(https)))
        .start_page(start_page.as_str())
        .observer(move |event: &Event| events.lock().expect("not poisoned").push(event.clone()));
    broker.build().await.expect("a broker")
}

/// It trusts the emulator's authority alone.
fn client(https: &Https) -> reqwest::Client {
    let ca = Certificate::from_pem(https.ca_pem().as_bytes()).expect("a certificate");
    let client = reqwest::Client::builder().redirect(Policy::none()).no_proxy();
    client.tls_certs_only([ca]).build().expect("a client")
}
