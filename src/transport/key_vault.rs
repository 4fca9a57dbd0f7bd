//! Azure Key Vault over its REST API: secrets, and keys that never leave it.
//!
//! Sources: Key Vault REST API reference, api-version 7.4; "Authentication, requests and responses";
//! "Azure Key Vault throttling guidance". Whom the vault says it believes is compared with whom we
//! expect and never followed, so that no token reaches another host.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use crate::model::clock::{Clock, SystemClock};
use crate::model::cloud::Cloud;
use crate::model::invalid::Invalid;
use crate::model::registration::AppRegistration;
use crate::model::tenant::TenantId;
use crate::transport::http::{Http, Reqwest, Wire};
use crate::transport::key_vault::address::Address;
use crate::transport::key_vault::application::Application;
use crate::transport::key_vault::challenge::Expected;
use crate::transport::key_vault::identity::IdentityEndpoint;
use crate::transport::key_vault::token::{Caller, Tokens};

mod address;
mod application;
mod challenge;
mod error;
mod identity;
mod keys;
mod secrets;
mod signing;
mod token;
mod token_reply;

pub use self::error::KeyVaultError;
pub use self::identity::ManagedIdentity;
pub(crate) use self::keys::{KeyVersion, Wrapping};
pub(crate) use self::secrets::{NewVersion, Secret, SecretInfo, Tags};

/// One Key Vault of the vendor's own tenant, and who asks it. Clones share everything.
///
/// Source: Key Vault REST API reference.
#[derive(Clone)]
pub struct KeyVault(Arc<Connection>);

struct Connection {
    address: Address,
    expected: Expected,
    tokens: Tokens,
    wire: Wire,
    clock: Arc<dyn Clock>,
}

impl KeyVault {
    /// The vault of this name in the application's cloud and home tenant, asked by the application
    /// itself with its own credential.
    ///
    /// The name is 3 to 24 letters, digits and hyphens, or the whole address, such as
    /// `https://contoso-consents.vault.azure.net`; for a cloud of one's own it is an origin. A
    /// Managed HSM has another API and is none.
    ///
    /// # Errors
    /// [`Invalid`] when that is no vault of this cloud.
    pub fn builder(app: &AppRegistration, name: &str) -> Result<KeyVaultBuilder, Invalid> {
        let asking = Asking::Application(Box::new(app.clone()));
        KeyVaultBuilder::new(app.cloud(), app.home(), name, asking)
    }

    /// The vault of this name in the vendor's cloud and home tenant, asked by this machine's own
    /// identity. No application is needed for it, so the application's own key may lie there: see
    /// [`ClientCredential::key_vault`](crate::ClientCredential::key_vault).
    ///
    /// # Errors
    /// [`Invalid`] when that is no vault of this cloud.
    pub fn for_identity(
        cloud: &Cloud,
        home: TenantId,
        name: &str,
        identity: ManagedIdentity,
    ) -> Result<KeyVaultBuilder, Invalid> {
        KeyVaultBuilder::new(cloud, home, name, Asking::Identity(identity))
    }

    /// The vault's host name.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.address.host()
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// Asks without a token: whoever answers must be a vault that believes our own tenant.
    async fn prove(&self) -> Result<(), KeyVaultError> {
        let url = self.0.address.at(&["secrets"]);
        let reply = self.send(request(&Method::GET, &url, None)).await?;
        match reply.status() {
            StatusCode::UNAUTHORIZED => self.check_challenge(&reply),
            _ => Err(KeyVaultError::refused("any call", &reply, self.0.clock.now())),
        }
    }

    /// Makes a call, again and again while the vault is too busy, for some seconds.
    async fn call(&self, call: &Call) -> Result<Bytes, KeyVaultError> {
        let mut tried = 0;
        loop {
            let error = match self.try_once(call).await {
                Err(error) => error,
                done => return done,
            };
            let again = call.repeatable || !error.may_have_happened();
            let pause = error.pause(tried).filter(|_| again);
            let Some(pause) = pause else { return Err(error) };
            self.pause(pause).await;
            tried += 1;
        }
    }

    /// A token may have been taken back before its end, so a refused one is replaced once.
    async fn try_once(&self, call: &Call) -> Result<Bytes, KeyVaultError> {
        let token = self.0.tokens.token().await?;
        let reply = self.send(call.request(token.bearer())).await?;
        if reply.status() != StatusCode::UNAUTHORIZED {
            return self.read(call, reply);
        }
        self.check_challenge(&reply)?;
        self.0.tokens.forget(&token).await;
        let token = self.0.tokens.token().await?;
        let reply = self.send(call.request(token.bearer())).await?;
        self.read(call, reply)
    }

    fn read(&self, call: &Call, reply: Response<Bytes>) -> Result<Bytes, KeyVaultError> {
        if matches!(reply.status(), StatusCode::OK | StatusCode::NO_CONTENT) {
            return Ok(reply.into_body());
        }
        Err(KeyVaultError::refused(call.operation, &reply, self.0.clock.now()))
    }

    fn check_challenge(&self, reply: &Response<Bytes>) -> Result<(), KeyVaultError> {
        if self.0.expected.is_in(reply.headers()) {
            return Ok(());
        }
        Err(KeyVaultError::Foreign { host: self.host().to_owned() })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, KeyVaultError> {
        self.0.wire.send(request).await.map_err(KeyVaultError::unreached)
    }

    pub(crate) async fn pause(&self, pause: Duration) {
        self.0.clock.sleep(pause).await;
    }
}

impl fmt::Debug for KeyVault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "KeyVault({})", self.host())
    }
}

/// Collects how a vault is asked. All but the required has a safe default.
#[derive(Debug)]
#[must_use]
pub struct KeyVaultBuilder {
    cloud: Cloud,
    home: TenantId,
    address: Address,
    asking: Asking,
    http: Option<Arc<dyn Http>>,
    clock: Arc<dyn Clock>,
}

/// Who is going to ask.
#[derive(Debug)]
enum Asking {
    Application(Box<AppRegistration>),
    Identity(ManagedIdentity),
}

impl KeyVaultBuilder {
    fn new(cloud: &Cloud, home: TenantId, name: &str, asking: Asking) -> Result<Self, Invalid> {
        let address = Address::parse(cloud, name)?;
        let clock = Arc::new(SystemClock::new());
        Ok(Self { cloud: cloud.clone(), home, address, asking, http: None, clock })
    }

    /// Asks as this machine's own identity, so that no credential need be kept for it.
    pub fn identity(mut self, identity: ManagedIdentity) -> Self {
        self.asking = Asking::Identity(identity);
        self
    }

    /// Another way to speak HTTP than the one inside.
    pub fn http(mut self, http: impl Http) -> Self {
        self.http = Some(Arc::new(http));
        self
    }

    /// Another clock than the machine's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Finds the vault, proves that it is of the application's own tenant, and takes a token for it.
    /// Nothing is changed there.
    ///
    /// # Errors
    /// [`KeyVaultError::NoSuchVault`], [`KeyVaultError::Foreign`]; [`KeyVaultError::Entra`],
    /// [`KeyVaultError::Identity`] and [`KeyVaultError::Credential`] for who asks;
    /// [`KeyVaultError::Http`].
    pub async fn connect(self) -> Result<KeyVault, KeyVaultError> {
        let Self { cloud, home, address, asking, http, clock } = self;
        let http = match http {
            Some(http) => http,
            None => Arc::new(Reqwest::new()?),
        };
        let wire = Wire::new(http, clock.clone());
        let expected = Expected::new(cloud, home);
        let resource = expected.resource();
        let caller = match asking {
            Asking::Identity(identity) => {
                Caller::Identity(IdentityEndpoint::new(identity, resource, wire.clone()))
            }
            Asking::Application(app) => {
                let application = Application::new(&app, &resource, wire.clone(), clock.clone());
                Caller::Application(application)
            }
        };
        let tokens = Tokens::new(caller, clock.clone());
        let vault = KeyVault(Arc::new(Connection { address, expected, tokens, wire, clock }));
        vault.prove().await?;
        vault.0.tokens.token().await?;
        Ok(vault)
    }
}

/// One call of the REST API.
struct Call {
    /// As access policies name it, such as `secrets/get`.
    operation: &'static str,
    method: Method,
    url: Url,
    body: Option<Bytes>,
    /// Whether doing it twice is the same as doing it once.
    repeatable: bool,
}

impl Call {
    const fn new(operation: &'static str, method: Method, url: Url) -> Self {
        Self { operation, method, url, body: None, repeatable: true }
    }

    fn with(self, body: impl Into<Bytes>) -> Self {
        Self { body: Some(body.into()), ..self }
    }

    fn once(self) -> Self {
        Self { repeatable: false, ..self }
    }

    fn request(&self, bearer: HeaderValue) -> Request<Bytes> {
        let mut request = request(&self.method, &self.url, self.body.clone());
        request.headers_mut().insert(AUTHORIZATION, bearer);
        request
    }
}

fn request(method: &Method, url: &Url, body: Option<Bytes>) -> Request<Bytes> {
    let request = Request::builder().method(method).uri(url.as_str());
    let request = request.header(ACCEPT, "application/json");
    let request = match body {
        Some(_) => request.header(CONTENT_TYPE, "application/json"),
        None => request,
    };
    let body = body.unwrap_or_default();
    request.body(body).expect("a vault's address and these headers make a request")
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, KeyVaultError> {
    serde_json::from_slice(body).map_err(|_| KeyVaultError::BadReply("is not what was asked for"))
}
