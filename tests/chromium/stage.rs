//! A panel at `127.0.0.1` and an Entra at `localhost`: two sites, as they are two in the world.

use std::sync::Arc;

use axum::http::HeaderValue;
use cpv_consent::emulator::{Emulator, Https, User};
use cpv_consent::store::Sqlite;
use cpv_consent::{
    AppRegistration, Broker, ClientCredential, ClientId, Cloud, Consent, KeyRing, LocalKey,
    Origins, Reqwest, Resource, TenantId,
};
use reqwest::Certificate;
use reqwest::redirect::Policy;
use tokio::net::TcpListener;
use url::Url;

use crate::driver::{Chromium, Device};
use crate::panel::Panel;
use crate::tls::TlsListener;
use crate::world::{account, rows};

pub struct Stage {
    pub entra: Emulator,
    pub panel: Arc<Panel>,
    /// The panel's own origin.
    pub origin: String,
    pub contoso: TenantId,
    pub admin: User,
    app: AppRegistration,
    folder: tempfile::TempDir,
}

impl Stage {
    pub async fn new() -> Self {
        Self::with_cookie(|cookie| cookie).await
    }

    /// Whose panel does this to the flow's cookie, on its way to the browser.
    pub async fn with_cookie(change: fn(HeaderValue) -> HeaderValue) -> Self {
        let entra = Emulator::builder().https().start().await.expect("free ports");
        let https = entra.https().expect("asked for");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let origin = format!("https://{}", listener.local_addr().expect("an address"));
        let app = registration(&entra, &origin);
        entra.register(&app);
        let contoso = entra.add_tenant("Contoso");
        let admin = entra.add_user(contoso, "admin@contoso.example");
        let folder = tempfile::tempdir().expect("a folder");
        let broker = broker(&app, &folder, https.ca_pem()).await;
        let panel = Panel::new(broker, account("panel-1"), contoso, change);
        let certificate = https.issue_certificate(["127.0.0.1"]).expect("an address");
        let listener = TlsListener::new(listener, &certificate).expect("an address");
        tokio::spawn(axum::serve(listener, panel.routes()).into_future());
        Self { entra, panel, origin, contoso, admin, app, folder }
    }

    /// Entra's own origin.
    pub fn login(&self) -> &str {
        &self.https().origins().login
    }

    fn https(&self) -> &Https {
        self.entra.https().expect("asked for")
    }

    /// A browser that trusts the emulator's authority and has not been anywhere yet.
    pub async fn browser(&self, device: Device) -> Chromium {
        Chromium::start(device, self.https().ca_path()).await
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

    pub async fn consent(&self) -> Option<Consent> {
        self.panel.broker.partner(self.contoso).consent().await.expect("a store")
    }

    /// How many records of a kind lie in the panel's store.
    pub fn records(&self, kind: &str) -> i64 {
        rows(&self.folder.path().join("store"), kind)
    }
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

/// A broker that trusts the emulator's authority alone.
async fn broker(app: &AppRegistration, folder: &tempfile::TempDir, ca_pem: &str) -> Broker {
    let store = Sqlite::open(folder.path().join("store")).await.expect("a store");
    let keys = KeyRing::new(LocalKey::generate("panel-1").expect("a key"));
    let ca = Certificate::from_pem(ca_pem.as_bytes()).expect("a certificate");
    let client = reqwest::Client::builder().redirect(Policy::none()).no_proxy();
    let client = client.tls_certs_only([ca]).build().expect("a client");
    let broker = Broker::builder(app.clone(), store, keys).http(Reqwest::with_client(client));
    broker.build().await.expect("a broker")
}
