//! Assertions: signed by a certificate's key for one token endpoint, or supplied by another issuer,
//! and shown again while they live.
//!
//! Source: RFC 7523, section 3; Microsoft identity platform, "Certificate credentials".

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use url::Url;
use uuid::Builder;

use super::joint::{Joint, within};
use crate::model::clock::{Clock, unix_seconds};
use crate::model::registration::{AssertionSource, Certificate, CredentialError, Key, SigningKey};
use crate::model::secret::{ClientAssertion, random};
use crate::model::tenant::ClientId;

/// Who signs in the application's name.
pub(super) struct Signatory {
    client_id: ClientId,
    clock: Arc<dyn Clock>,
    pub(super) reuses: bool,
}

/// An assertion as one request shows it, and where it is kept for others.
pub(super) struct Assertion {
    jwt: Arc<ClientAssertion>,
    place: Option<Arc<Joint<Held>>>,
    is_supplied: bool,
}

/// An assertion, and until when it is shown.
#[derive(Debug, Clone)]
pub(super) struct Held {
    jwt: Arc<ClientAssertion>,
    until: Duration,
}

/// What one credential has signed: an assertion for each token endpoint.
#[derive(Debug, Default)]
pub(super) struct Signed(Mutex<Endpoints>);

#[derive(Debug, Default)]
struct Endpoints {
    held: HashMap<String, Arc<Joint<Held>>>,
    /// How many there were after the last sweep.
    swept: usize,
}

impl Signatory {
    pub(super) fn new(client_id: ClientId, clock: Arc<dyn Clock>) -> Self {
        Self { client_id, clock, reuses: true }
    }

    /// An assertion of the certificate's for one token endpoint.
    pub(super) async fn signed(
        &self,
        signed: &Signed,
        certificate: &Arc<Certificate>,
        token_url: &Url,
    ) -> Result<Assertion, CredentialError> {
        let now = self.clock.monotonic();
        let making = async {
            let jwt = Arc::new(self.sign(certificate, token_url).await?);
            Ok(Held { jwt, until: now + REUSED })
        };
        if !self.reuses {
            let jwt = making.await?.jwt;
            return Ok(Assertion { jwt, place: None, is_supplied: false });
        }
        let place = signed.place(token_url, now);
        let jwt = place.of(|held| held.is_fresh(now), making).await?.jwt;
        Ok(Assertion { jwt, place: Some(place), is_supplied: false })
    }

    /// The token of another issuer, which is good at every token endpoint.
    pub(super) async fn supplied(
        &self,
        supplied: &Arc<Joint<Held>>,
        source: &dyn AssertionSource,
    ) -> Result<Assertion, CredentialError> {
        let now = self.clock.monotonic();
        let making = async {
            let made = within(&*self.clock, PATIENCE, source.assertion()).await?;
            let lifetime = made.lifetime().min(LONGEST);
            let shown = lifetime.saturating_sub(EARLY.min(lifetime / 2));
            Ok(Held { jwt: Arc::new(made.token().clone()), until: now + shown })
        };
        let jwt = supplied.of(|held| held.is_fresh(now), making).await?.jwt;
        Ok(Assertion { jwt, place: Some(supplied.clone()), is_supplied: true })
    }

    async fn sign(
        &self,
        certificate: &Arc<Certificate>,
        token_url: &Url,
    ) -> Result<ClientAssertion, CredentialError> {
        let text = self.unsigned(certificate, token_url);
        let signature = match certificate.key() {
            Key::Here(_) => sign_here(certificate.clone(), text.clone()).await?,
            Key::Elsewhere(key) => self.sign_elsewhere(certificate, &**key, &text).await?,
        };
        let jwt = format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature));
        ClientAssertion::new(jwt).map_err(|_| CredentialError::Signing)
    }

    /// Another key's signature would be refused by Entra, in words that say nothing of the vault.
    async fn sign_elsewhere(
        &self,
        certificate: &Certificate,
        key: &dyn SigningKey,
        text: &str,
    ) -> Result<Vec<u8>, CredentialError> {
        let hash = digest(&SHA256, text.as_bytes());
        let hash = hash.as_ref().try_into().map_err(|_| CredentialError::Signing)?;
        let signature = within(&*self.clock, PATIENCE, key.sign(hash)).await?;
        let checked = certificate.check_signature(text.as_bytes(), &signature);
        checked.map_err(CredentialError::Certificate)?;
        Ok(signature)
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
}

impl Assertion {
    pub(super) fn text(&self) -> &str {
        self.jwt.expose()
    }

    /// Another is made next time: something was refused that this one was shown with. A supplied one
    /// is good everywhere, so only its own refusal ends it.
    pub(super) async fn forget(&self, was_refused_itself: bool) {
        if let Some(place) = &self.place
            && (was_refused_itself || !self.is_supplied)
        {
            place.forget(|held| Arc::ptr_eq(&held.jwt, &self.jwt)).await;
        }
    }
}

impl Held {
    fn is_fresh(&self, now: Duration) -> bool {
        now < self.until
    }
}

impl Signed {
    /// Where the assertion for an endpoint is kept. There may be a hundred thousand, so those that
    /// have ended are swept whenever their number has doubled.
    fn place(&self, token_url: &Url, now: Duration) -> Arc<Joint<Held>> {
        let mut endpoints = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if endpoints.held.len() > 2 * endpoints.swept.max(FEW) {
            let in_use = |place: &Arc<Joint<Held>>| Arc::strong_count(place) > 1;
            let is_idle = |place: &Arc<Joint<Held>>| place.is_idle(|held| held.is_fresh(now));
            endpoints.held.retain(|_, place| in_use(place) || !is_idle(place));
            endpoints.swept = endpoints.held.len();
        }
        endpoints.held.entry(token_url.to_string()).or_default().clone()
    }

    #[cfg(test)]
    pub(super) fn endpoints(&self) -> usize {
        self.0.lock().expect("not poisoned").held.len()
    }
}

/// An RSA signature takes most of a millisecond, so it is made where it holds up no other task.
async fn sign_here(
    certificate: Arc<Certificate>,
    text: String,
) -> Result<Vec<u8>, CredentialError> {
    let signing = move || match certificate.key() {
        Key::Here(key) => sign_now(key, text.as_bytes()),
        Key::Elsewhere(_) => None,
    };
    let signed = tokio::task::spawn_blocking(signing).await;
    signed.ok().flatten().ok_or(CredentialError::Signing)
}

fn sign_now(key: &RsaKeyPair, text: &[u8]) -> Option<Vec<u8>> {
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), text, &mut signature).ok()?;
    Some(signature)
}

/// Entra sets no limit and advises five to ten minutes.
const LIFETIME: Duration = Duration::from_secs(300);
const REUSED: Duration = Duration::from_secs(240);
/// Microsoft states no tolerance for a clock that is ahead; a minute is customary.
const SKEW: Duration = Duration::from_secs(60);
/// No supplied token is shown for longer, whatever its supplier says.
const LONGEST: Duration = Duration::from_secs(28 * 3600);
/// How long before its end a supplied token is replaced.
const EARLY: Duration = Duration::from_secs(300);
/// Longer than a vault's own pauses and deadlines take where it answers at all.
const PATIENCE: Duration = Duration::from_secs(30);
/// So few need no sweeping.
const FEW: usize = 64;
