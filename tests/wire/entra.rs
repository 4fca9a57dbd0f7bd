//! An Entra of single replies. It shares no code with the emulator, so the crate is read twice.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::UNIX_EPOCH;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cpv_consent::{Clock as _, VirtualClock};
use serde_json::{Value, json};
use url::form_urlencoded;
use wiremock::Request;
use x509_cert::der::asn1::UintRef;
use x509_cert::der::{Decode, Reader, SliceReader};

pub const CONTOSO: &str = "33333333-3333-4333-8333-333333333333";
pub const FABRIKAM: &str = "44444444-4444-4444-8444-444444444444";
pub const ADMIN: &str = "55555555-5555-4555-8555-555555555555";
pub const KEY_ID: &str = "signing-key-1";

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
            "id_token": sign(&claims),
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
        let [modulus, exponent] = rsa_numbers(key().public_key().as_ref());
        json!({
            "kty": "RSA", "use": "sig", "kid": KEY_ID, "n": modulus, "e": exponent,
            "issuer": format!("{}/{{tenantid}}/v2.0", self.origin),
        })
    }
}

/// A field of a token request.
pub fn field(request: &Request, name: &str) -> Option<String> {
    let mut fields = form_urlencoded::parse(&request.body);
    fields.find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

/// Signs an ID token (RS256).
pub fn sign(claims: &Value) -> String {
    let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let header = json!({ "typ": "JWT", "alg": "RS256", "kid": KEY_ID });
    let signed = format!("{}.{}", part(&header), part(claims));
    let mut signature = vec![0; key().public_modulus_len()];
    key()
        .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .expect("a signature");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A public key that signed nothing, as modulus.
pub fn other_modulus() -> String {
    let other = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let [modulus, _] = rsa_numbers(other.public_key().as_ref());
    modulus
}

fn key() -> &'static KeyPair {
    static KEY: OnceLock<KeyPair> = OnceLock::new();
    KEY.get_or_init(|| KeyPair::generate(KeySize::Rsa2048).expect("a key"))
}

/// Modulus and exponent of a PKCS #1 public key, as a JWK has them.
fn rsa_numbers(der: &[u8]) -> [String; 2] {
    let read = || {
        SliceReader::new(der)?.sequence(|key| {
            Ok([UintRef::decode(key)?.as_bytes(), UintRef::decode(key)?.as_bytes()])
        })
    };
    let numbers: x509_cert::der::Result<[&[u8]; 2]> = read();
    numbers.expect("PKCS #1").map(|number| URL_SAFE_NO_PAD.encode(number))
}
