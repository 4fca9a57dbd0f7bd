//! A token endpoint that does nothing but answer, for both sides alike, on a thread of its own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cpv_consent::TenantId;
use cpv_consent::measure::partner;
use serde_json::{Value, json};
use tokio::runtime::Builder;

use crate::{APPLICATION, Outcome};

/// What an access token, and a refresh token, are long.
const TOKEN: usize = 1500;
const KEY_ID: &str = "bench";

/// Entra and Partner Center, as a hand that always gives.
pub(crate) struct Entra {
    pub(crate) origin: String,
    desk: Arc<Desk>,
}

struct Desk {
    origin: String,
    key: KeyPair,
    keys: Value,
    /// The signature of some token: nobody checks it in the reply to a refresh token.
    signature: String,
    /// The ID tokens of codes, signed ahead.
    codes: Mutex<HashMap<String, String>>,
    asked: AtomicU64,
    delay: AtomicU64,
}

impl Entra {
    pub(crate) fn start() -> Outcome<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let origin = format!("http://{}", listener.local_addr()?);
        let desk = Arc::new(Desk::new(origin.clone())?);
        let routes = Router::new()
            .route("/{tenant}/oauth2/v2.0/token", post(tokens))
            .route("/{tenant}/discovery/v2.0/keys", get(keys))
            .route("/v1/customers", get(verdict))
            .with_state(Arc::clone(&desk));
        let runtime = Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || {
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                axum::serve(listener, routes).await
            })
        });
        Ok(Self { origin, desk })
    }

    pub(crate) fn token_url(&self, tenant: TenantId) -> String {
        format!("{}/{tenant}/oauth2/v2.0/token", self.origin)
    }

    /// How many requests for tokens have come.
    pub(crate) fn asked(&self) -> u64 {
        self.desk.asked.load(Ordering::Acquire)
    }

    /// From now on it thinks for so long before it gives tokens.
    pub(crate) fn think(&self, delay: Duration) {
        let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.desk.delay.store(millis, Ordering::Release);
    }

    /// Makes the ID token that comes with this code, and says what it is.
    pub(crate) fn give_code(&self, code: &str, tenant: TenantId, nonce: &str) -> Outcome<String> {
        let mut claims = self.desk.claims(tenant);
        claims["nonce"] = nonce.into();
        claims["auth_time"] = claims["iat"].clone();
        claims["amr"] = json!(["pwd", "mfa"]);
        let signed = unsigned(&claims);
        let mut signature = vec![0; self.desk.key.public_modulus_len()];
        let (by, random) = (&RSA_PKCS1_SHA256, SystemRandom::new());
        self.desk.key.sign(by, &random, signed.as_bytes(), &mut signature)?;
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        self.desk.codes().insert(code.to_owned(), token.clone());
        Ok(token)
    }

    /// What verifies its signatures.
    pub(crate) fn decoding_key(&self) -> Outcome<jsonwebtoken::DecodingKey> {
        let key = &self.desk.keys["keys"][0];
        let part = |name: &str| key[name].as_str().ok_or("a part of the key is missing");
        Ok(jsonwebtoken::DecodingKey::from_rsa_components(part("n")?, part("e")?)?)
    }
}

impl Desk {
    fn new(origin: String) -> Outcome<Self> {
        let key = KeyPair::generate(KeySize::Rsa2048)?;
        let public = key.public_key();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let keys = json!({"keys": [{
            "kty": "RSA", "use": "sig", "kid": KEY_ID,
            "n": text(public.modulus().big_endian_without_leading_zero()),
            "e": text(public.exponent().big_endian_without_leading_zero()),
            "issuer": format!("{origin}/{{tenantid}}/v2.0"),
        }]});
        let (asked, delay) = (AtomicU64::new(0), AtomicU64::new(0));
        let (signature, codes) = (text(&[7; 256]), Mutex::default());
        Ok(Self { origin, key, keys, signature, codes, asked, delay })
    }

    fn claims(&self, tenant: TenantId) -> Value {
        let now = seconds_since_1970();
        let user = consenting(tenant);
        json!({
            "aud": APPLICATION, "iss": format!("{}/{tenant}/v2.0", self.origin),
            "iat": now - 300, "nbf": now - 300, "exp": now + 3600, "tid": tenant, "oid": user,
            "sub": user, "ver": "2.0", "name": "Ada Administrator", "rh": "0.".repeat(30),
            "preferred_username": "ada@partner.example", "uti": "c7sZ0tqLkEaD9QJk5nQGAA",
        })
    }

    /// The ID token of a reply that nobody checks the signature of.
    fn id_token(&self, tenant: TenantId) -> String {
        format!("{}.{}", unsigned(&self.claims(tenant)), self.signature)
    }

    fn codes(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.codes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Header and claims of a token (RFC 7515, section 5.1).
fn unsigned(claims: &Value) -> String {
    let header = format!(r#"{{"typ":"JWT","alg":"RS256","kid":"{KEY_ID}"}}"#);
    let [header, claims] = [header, claims.to_string()].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{claims}")
}

/// Whose consent it is: each partner's user bears the number of the partner, and a customer's the
/// number of the partner it is of.
fn consenting(tenant: TenantId) -> TenantId {
    let text = tenant.to_string();
    let number = u64::from_str_radix(&text[24..], 16).unwrap_or_default();
    match number >> 47 {
        0 => tenant,
        _ => partner((number & !(1 << 47)) >> 20),
    }
}

async fn tokens(
    State(desk): State<Arc<Desk>>,
    Path(tenant): Path<String>,
    form: String,
) -> impl IntoResponse {
    desk.asked.fetch_add(1, Ordering::AcqRel);
    let delay = desk.delay.load(Ordering::Acquire);
    if delay > 0 {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    let tenant = TenantId::parse(&tenant).expect("a tenant");
    let code = form.split('&').find_map(|field| field.strip_prefix("code="));
    let id_token = match code {
        Some(code) => desk.codes().get(code).cloned().expect("a code that was given"),
        None => desk.id_token(tenant),
    };
    let (access, renewed) = ("a".repeat(TOKEN), "r".repeat(TOKEN));
    let reply =
        format!(r#"{{"token_type":"Bearer","scope":"{SCOPE} openid profile","expires_in":3599,"#)
            + &format!(
                r#""ext_expires_in":3599,"access_token":"{access}","refresh_token":"{renewed}","#
            )
            + &format!(r#""id_token":"{id_token}"}}"#);
    let headers = [(CACHE_CONTROL, "no-store"), (CONTENT_TYPE, "application/json; charset=utf-8")];
    (headers, reply)
}

async fn keys(State(desk): State<Arc<Desk>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], desk.keys.to_string())
}

/// Partner Center says that there was a second factor.
async fn verdict() -> impl IntoResponse {
    let mut headers = HeaderMap::new();
    headers.insert("ismfacompliant", "true".parse().expect("plain"));
    (headers, r#"{"totalCount":0,"items":[]}"#)
}

fn seconds_since_1970() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

const SCOPE: &str = "https://api.partnercenter.microsoft.com/user_impersonation";
