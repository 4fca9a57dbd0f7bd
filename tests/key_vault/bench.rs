//! A vendor with a vault on the emulator, and a clock whose pauses pass at once.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use cpv_consent::emulator::{Emulator, Grant};
use cpv_consent::store::{Entry, Expect, Key, KeyVaultSecrets, Kind, Revision, Store};
use cpv_consent::{
    AppRegistration, Clock, Cloud, Http, KeyVault, KeyVaultBuilder, KeyVaultKey, Origins, Sealed,
    Sleep, TenantId, VirtualClock,
};
use serde_json::{Value, json};

use crate::world::{SECRET, cloud, registration};

pub const RESOURCE: &str = "https://vault.azure.net";

pub struct Bench {
    pub clock: Hurried,
    pub entra: Emulator,
    pub app: AppRegistration,
    http: reqwest::Client,
}

impl Bench {
    pub async fn new() -> Self {
        let clock = Hurried::default();
        let entra = Emulator::builder().clock(clock.inner.clone()).start().await.expect("ports");
        let app = registration(cloud(&entra));
        entra.register(&app);
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { clock, entra, app, http }
    }

    pub fn builder(&self) -> KeyVaultBuilder {
        let builder = KeyVault::builder(&self.app, self.entra.key_vault_origin());
        builder.expect("a loopback origin").clock(self.clock.clone())
    }

    pub async fn vault(&self) -> KeyVault {
        self.builder().connect().await.expect("a vault")
    }

    pub async fn vault_over(&self, http: impl Http) -> KeyVault {
        self.builder().http(http).connect().await.expect("a vault")
    }

    pub async fn store(&self) -> KeyVaultSecrets {
        KeyVaultSecrets::open(self.vault().await).await.expect("a store")
    }

    /// A key in the vault with its origin.
    pub async fn key(&self) -> (String, String, KeyVaultKey) {
        let kid = self.entra.create_vault_key("consents");
        let vault = self.vault().await;
        let origin = KeyVaultKey::draw_origin(&vault, &kid).await.expect("an origin");
        let key = KeyVaultKey::connect(&vault, &kid, &origin).await.expect("a key");
        (kid, origin, key)
    }

    /// The place of a consent.
    pub fn place(&self, id: &str) -> Key {
        let partner = TenantId::parse("72f988bf-86f1-41af-91ab-2d7cd011db47").expect("a GUID");
        Key::new(self.app.realm(), Kind::Consent, Some(partner), id)
    }

    pub async fn put(&self, store: &KeyVaultSecrets, id: &str, text: &str) -> Revision {
        let put = store.put(&self.place(id), entry(text), Expect::Absent).await;
        put.expect("nothing is there")
    }

    /// How often the application asked for a token in its own name.
    pub fn own_tokens(&self) -> usize {
        self.entra.count_tokens(|request| request.grant == Some(Grant::ClientCredentials))
    }

    /// How many calls the vault answered that fit.
    pub fn calls(&self, method: &str, beginning: &str) -> usize {
        let calls = self.entra.vault_calls();
        let fits = |call: &&cpv_consent::emulator::VaultCall| {
            call.method == method && call.path.starts_with(beginning)
        };
        calls.iter().filter(fits).count()
    }

    /// A call as an operator would make it, with the vendor's token.
    pub async fn raw(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let token = self.raw_token().await;
        let url = format!("{}{path}?api-version=7.4", self.entra.key_vault_origin());
        let method = method.parse().expect("a method");
        let request = self.http.request(method, url).bearer_auth(token).body(body.to_string());
        let reply = request.send().await.expect("a reply");
        let status = reply.status().as_u16();
        let body = reply.text().await.expect("a body");
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    async fn raw_token(&self) -> String {
        let url = format!("{}/{}/oauth2/v2.0/token", self.entra.login_origin(), self.app.home());
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.app.client_id().to_string())
            .append_pair("client_secret", SECRET)
            .append_pair("scope", &format!("{RESOURCE}/.default"));
        let request = self.http.post(url).body(form.finish());
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let reply = request.send().await.expect("a reply").text().await.expect("a body");
        let reply: Value = serde_json::from_str(&reply).expect("JSON");
        reply["access_token"].as_str().expect("a token").to_owned()
    }

    /// Which versions of the only secret can be read, by their values.
    pub async fn readable(&self, name: &str) -> Vec<String> {
        let (_, list) = self.raw("GET", &format!("/secrets/{name}/versions"), &json!({})).await;
        let mut readable = Vec::new();
        for item in list["value"].as_array().expect("a list") {
            let id = item["id"].as_str().and_then(|id| id.rsplit('/').next()).expect("an id");
            let (status, secret) =
                self.raw("GET", &format!("/secrets/{name}/{id}"), &json!({})).await;
            if status == 200 {
                readable.push(secret["value"].as_str().expect("a value").to_owned());
            }
        }
        readable
    }
}

pub fn entry(text: &str) -> Entry {
    Entry { sealed: Sealed::from_bytes(text.into()), due: None }
}

pub fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.encode(text)
}

/// A cloud of one's own whose servers are elsewhere.
pub fn far_cloud() -> Cloud {
    let origin = "https://nowhere.invalid";
    let origins = Origins { login: origin, partner_center: origin, graph: origin };
    Cloud::custom("far", origins).expect("https origins")
}

/// A clock whose pauses pass at once and are noted. A deadline, which nobody waits for, does not.
#[derive(Debug, Clone, Default)]
pub struct Hurried {
    pub inner: VirtualClock,
    pauses: Arc<Mutex<Vec<u64>>>,
}

impl Hurried {
    pub fn pauses(&self) -> Vec<u64> {
        std::mem::take(&mut self.pauses.lock().expect("pauses"))
    }

    pub fn advance(&self, by: Duration) {
        self.inner.advance(by);
    }
}

impl Clock for Hurried {
    fn now(&self) -> SystemTime {
        self.inner.now()
    }

    fn monotonic(&self) -> Duration {
        self.inner.monotonic()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        if duration == DEADLINE {
            return self.inner.sleep(duration);
        }
        self.pauses.lock().expect("pauses").push(duration.as_secs());
        self.inner.advance(duration);
        Box::pin(std::future::ready(()))
    }
}

/// For one request.
pub const DEADLINE: Duration = Duration::from_secs(30);
