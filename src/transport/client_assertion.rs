//! How the vendor's application proves itself at a token endpoint: a secret in the body, or a
//! signed assertion that stands in for one.
//!
//! Sources: RFC 6749, section 2.3.1; RFC 7523, section 3; Microsoft identity platform, "Certificate
//! credentials".

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::RSA_PSS_SHA256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use url::Url;
use uuid::Builder;
use zeroize::Zeroizing;

use crate::model::clock::{Clock, unix_seconds};
use crate::model::invalid::Invalid;
use crate::model::registration::{AppRegistration, Certificate, ClientCredential};
use crate::model::secret::random;
use crate::model::tenant::ClientId;

/// Fields that are added to the form of a token request.
pub(crate) type FormFields = Vec<(&'static str, Zeroizing<String>)>;

/// Why our application cannot prove itself. Only the vendor can mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The certificate is out of its dates.
    #[error("the application's credential cannot be used: {0}")]
    Certificate(Invalid),
    /// The key did not sign.
    #[error("the application's key did not sign")]
    Signing,
}

/// Makes the fields that authenticate the application, one assertion per token endpoint.
pub(crate) struct ClientAuthentication {
    credential: ClientCredential,
    client_id: ClientId,
    clock: Arc<dyn Clock>,
    reused: bool,
    signed: Mutex<HashMap<String, Assertion>>,
}

#[derive(Clone)]
struct Assertion {
    jwt: Zeroizing<String>,
    made: Duration,
}

impl ClientAuthentication {
    pub(crate) fn new(app: &AppRegistration, clock: Arc<dyn Clock>) -> Self {
        Self {
            credential: app.credential().clone(),
            client_id: app.client_id(),
            clock,
            reused: true,
            signed: Mutex::default(),
        }
    }

    /// Signs anew for each request: ten times the work, for servers that want every `jti` once.
    pub(crate) fn one_time_assertions(mut self) -> Self {
        self.reused = false;
        self
    }

    /// What authenticates a request to `token_url`, besides `client_id`.
    pub(crate) async fn form_fields(&self, token_url: &Url) -> Result<FormFields, CredentialError> {
        if let Some(secret) = self.credential.as_secret() {
            return Ok(vec![("client_secret", secret.expose().to_owned().into())]);
        }
        let jwt = self.assertion(token_url).await?;
        let kind = JWT_BEARER.to_owned().into();
        Ok(vec![("client_assertion_type", kind), ("client_assertion", jwt)])
    }

    /// Signs a new assertion next time: the last one was refused.
    pub(crate) fn forget(&self, token_url: &Url) {
        self.signed().remove(token_url.as_str());
    }

    async fn assertion(&self, token_url: &Url) -> Result<Zeroizing<String>, CredentialError> {
        let certificate = self.certificate()?;
        certificate.check_validity(self.clock.now()).map_err(CredentialError::Certificate)?;
        if let Some(fresh) = self.fresh(token_url) {
            return Ok(fresh);
        }
        let text = self.unsigned(certificate, token_url);
        let jwt = sign(self.credential.clone(), text).await?;
        if self.reused {
            self.keep(token_url, &jwt);
        }
        Ok(jwt)
    }

    fn certificate(&self) -> Result<&Certificate, CredentialError> {
        self.credential.as_certificate().ok_or(CredentialError::Signing)
    }

    fn fresh(&self, token_url: &Url) -> Option<Zeroizing<String>> {
        let now = self.clock.monotonic();
        let signed = self.signed();
        let held = signed.get(token_url.as_str()).filter(|held| held.is_fresh(now))?;
        Some(held.jwt.clone())
    }

    fn keep(&self, token_url: &Url, jwt: &Zeroizing<String>) {
        let made = self.clock.monotonic();
        let mut signed = self.signed();
        signed.retain(|_, held| held.is_fresh(made));
        signed.insert(token_url.to_string(), Assertion { jwt: jwt.clone(), made });
    }

    fn unsigned(&self, certificate: &Certificate, token_url: &Url) -> String {
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, certificate.der()));
        let now = unix_seconds(self.clock.now());
        let header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint });
        let claims = json!({
            "aud": token_url,
            "iss": self.client_id.to_string(),
            "sub": self.client_id.to_string(),
            "jti": Builder::from_random_bytes(random()).into_uuid().to_string(),
            "iat": now,
            "nbf": now.saturating_sub(SKEW.as_secs()),
            "exp": now + LIFETIME.as_secs(),
        });
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}", part(header), part(claims))
    }

    fn signed(&self) -> MutexGuard<'_, HashMap<String, Assertion>> {
        self.signed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ClientAuthentication {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ClientAuthentication")
            .field("client_id", &self.client_id)
            .field("credential", &self.credential)
            .finish_non_exhaustive()
    }
}

impl Assertion {
    fn is_fresh(&self, now: Duration) -> bool {
        now.saturating_sub(self.made) < REUSED
    }
}

/// An RSA signature takes most of a millisecond, so it is made where it holds up no other task.
async fn sign(
    credential: ClientCredential,
    text: String,
) -> Result<Zeroizing<String>, CredentialError> {
    let signing = move || {
        let key = credential.as_certificate()?.key();
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).ok()?;
        Some(Zeroizing::new(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))))
    };
    let signed = tokio::task::spawn_blocking(signing).await;
    signed.ok().flatten().ok_or(CredentialError::Signing)
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Entra sets no limit and advises five to ten minutes.
const LIFETIME: Duration = Duration::from_secs(300);
const REUSED: Duration = Duration::from_secs(240);
/// Microsoft states no tolerance for a clock that is ahead; a minute is customary.
const SKEW: Duration = Duration::from_secs(60);

#[cfg(test)]
pub(crate) mod tests {
    use std::time::SystemTime;

    use aws_lc_rs::signature::{KeyPair, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
    use rcgen::{CertificateParams, KeyPair as Key, PKCS_RSA_SHA256, RsaKeySize};
    use serde_json::Value;

    use crate::model::clock::VirtualClock;
    use crate::model::cloud::Cloud;
    use crate::model::tenant::TenantId;

    use super::*;

    const CLIENT: &str = "22222222-2222-4222-8222-222222222222";

    pub(crate) fn certificate() -> ClientCredential {
        let key = Key::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
        let mut params = CertificateParams::new(vec![]).expect("no names");
        params.not_before = (SystemTime::now() - Duration::from_secs(86_400)).into();
        params.not_after = (SystemTime::now() + Duration::from_secs(864_000)).into();
        let pem = params.self_signed(&key).expect("a certificate").pem() + &key.serialize_pem();
        ClientCredential::certificate(&pem).expect("valid")
    }

    fn authentication(credential: ClientCredential, clock: &VirtualClock) -> ClientAuthentication {
        let home = TenantId::parse("11111111-1111-4111-8111-111111111111").expect("a GUID");
        let client_id = ClientId::parse(CLIENT).expect("a GUID");
        let redirect = "https://panel.example/callback";
        let app = AppRegistration::new(Cloud::Global, home, client_id, credential, redirect);
        ClientAuthentication::new(&app.expect("valid"), Arc::new(clock.clone()))
    }

    fn url(tenant: &str) -> Url {
        Url::parse(&format!("https://login.example/{tenant}/oauth2/v2.0/token")).expect("a URL")
    }

    fn part(jwt: &str, index: usize) -> Vec<u8> {
        let text = jwt.split('.').nth(index).expect("three parts");
        URL_SAFE_NO_PAD.decode(text).expect("base64url")
    }

    async fn assertion(authentication: &ClientAuthentication, tenant: &str) -> Zeroizing<String> {
        let mut fields = authentication.form_fields(&url(tenant)).await.expect("fields");
        assert_eq!(fields.len(), 2);
        assert_eq!(fields[0].0, "client_assertion_type");
        assert_eq!(*fields[0].1, JWT_BEARER);
        fields.remove(1).1
    }

    #[tokio::test]
    async fn an_assertion_is_what_entra_asks_for() {
        //
        let clock = VirtualClock::default();
        let authentication = authentication(certificate(), &clock);
        let jwt = assertion(&authentication, "a").await;
        let header: Value = serde_json::from_slice(&part(&jwt, 0)).expect("JSON");
        let claims: Value = serde_json::from_slice(&part(&jwt, 1)).expect("JSON");
        let now = unix_seconds(clock.now());
        let certificate = authentication.certificate().expect("one");
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, certificate.der()));
        assert_eq!(header, json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint }));
        assert_eq!(claims["aud"], url("a").as_str());
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!(CLIENT), &json!(CLIENT)));
        assert_eq!((&claims["iat"], &claims["exp"]), (&json!(now), &json!(now + 300)));
        assert_eq!(claims["nbf"], now - 60);
        let signed = jwt.rsplit_once('.').expect("three parts").0;
        let public = certificate.key().public_key().as_ref();
        UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, public)
            .verify(signed.as_bytes(), &part(&jwt, 2))
            .expect("the signature holds");
    }

    #[tokio::test]
    async fn an_assertion_is_reused_within_its_life_at_one_endpoint_only() {
        let clock = VirtualClock::default();
        let authentication = authentication(certificate(), &clock);
        let first = assertion(&authentication, "a").await;
        assert_ne!(assertion(&authentication, "b").await, first);
        clock.advance(Duration::from_secs(239));
        assert_eq!(assertion(&authentication, "a").await, first);
        clock.advance(Duration::from_secs(1));
        let second = assertion(&authentication, "a").await;
        assert_ne!(second, first);
        assert_eq!(authentication.signed().len(), 1, "the other one's time is over");
        authentication.forget(&url("a"));
        assert_ne!(assertion(&authentication, "a").await, second);
    }

    #[tokio::test]
    async fn one_time_assertions_are_never_the_same() {
        //
        let authentication = authentication(certificate(), &VirtualClock::default());
        let authentication = authentication.one_time_assertions();
        let first = assertion(&authentication, "a").await;
        assert_ne!(assertion(&authentication, "a").await, first);
    }

    #[tokio::test]
    async fn a_certificate_that_expires_while_running_is_an_error_at_once() {
        //
        let clock = VirtualClock::default();
        let authentication = authentication(certificate(), &clock);
        assertion(&authentication, "a").await;
        clock.advance(Duration::from_secs(864_000 + 60)); // the certificate was made after the clock
        let error = authentication.form_fields(&url("a")).await.expect_err("expired");
        assert!(error.to_string().contains("certificate has expired"), "{error}");
    }

    #[tokio::test]
    async fn a_secret_goes_into_the_body_as_it_is() {
        //
        let credential = ClientCredential::secret("a+b&c=d%/?:").expect("plain");
        let authentication = authentication(credential, &VirtualClock::default());
        let fields = authentication.form_fields(&url("a")).await.expect("fields");
        assert_eq!(fields, [("client_secret", "a+b&c=d%/?:".to_owned().into())]);
        assert!(!format!("{authentication:?}").contains("a+b"));
    }
}
