//! An Entra of single replies. It shares no code with the emulator, so the crate is read twice.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::UNIX_EPOCH;

use cpv_consent::{Clock as _, VirtualClock};
use serde_json::{Value, json};
use url::form_urlencoded;
use wiremock::Request;

use crate::signer::Signer;

pub const CONTOSO: &str = "33333333-3333-4333-8333-333333333333";
pub const FABRIKAM: &str = "44444444-4444-4444-8444-444444444444";
pub const ADMIN: &str = "55555555-5555-4555-8555-555555555555";
pub const KEY_ID: &str = "signing-key-1";

/// The key that it publishes and signs with.
pub static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::new(KEY_ID));

/// What it knows. Every token it makes says `canary`.
#[derive(Debug)]
pub struct Entra {
    origin: String,
    client: String,
    clock: VirtualClock,
    nonce: Mutex<String>,
    issued: AtomicU64,
}

impl Entra {
    pub fn new(origin: &str, client: &str, clock: &VirtualClock) -> Self {
        let (origin, client) = (origin.to_owned(), client.to_owned());
        let (nonce, issued) = (Mutex::default(), AtomicU64::new(1));
        Self { origin, client, clock: clock.clone(), nonce, issued }
    }

    /// The nonce that the next code's ID token carries.
    pub fn expect_nonce(&self, nonce: &str) {
        nonce.clone_into(&mut self.nonce.lock().expect("not poisoned"));
    }

    /// The right reply to a token request.
    pub fn tokens(&self, request: &Request) -> Value {
        let number = self.issued.fetch_add(1, Ordering::SeqCst);
        let scope = field(request, "scope").expect("a scope");
        let apis = scope.split(' ').filter(|scope| scope.starts_with("https://"));
        let tenant = request.url.path_segments().and_then(|mut parts| parts.next());
        let mut claims = self.claims(tenant.expect("a tenant"));
        if field(request, "grant_type").as_deref() == Some("authorization_code") {
            claims["nonce"] = self.nonce.lock().expect("not poisoned").as_str().into();
        }
        json!({
            "token_type": "Bearer",
            "scope": apis.collect::<Vec<_>>().join(" "),
            "expires_in": 3599,
            "access_token": format!("at-canary-{number}"),
            "refresh_token": format!("rt-canary-{number}"),
            "id_token": SIGNER.sign(&claims),
        })
    }

    /// How many replies were made.
    pub fn issued(&self) -> u64 {
        self.issued.load(Ordering::SeqCst) - 1
    }

    /// What an ID token of a tenant says.
    pub fn claims(&self, tenant: &str) -> Value {
        let now = self.clock.now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        json!({
            "ver": "2.0", "aud": self.client, "iss": format!("{}/{tenant}/v2.0", self.origin),
            "tid": tenant, "oid": ADMIN, "sub": format!("subject-at-{tenant}"),
            "iat": now, "nbf": now, "exp": now + 3600, "name": "Ann",
        })
    }

    /// The keys as published.
    pub fn keys(&self) -> Value {
        json!({ "keys": [self.jwk()] })
    }

    pub fn jwk(&self) -> Value {
        SIGNER.jwk(&self.origin)
    }
}

/// A field of a token request.
pub fn field(request: &Request, name: &str) -> Option<String> {
    let mut fields = form_urlencoded::parse(&request.body);
    fields.find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}
