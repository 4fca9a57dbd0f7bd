//! How the vendor's application proves itself at a token endpoint: a secret in the body, a signed
//! assertion that stands in for one, or the token of an issuer that the registration trusts.
//!
//! Which credential is shown, while one is rotated, is told in `wallet`; how the list of them is read
//! again, in `reading`.
//!
//! Sources: RFC 6749, section 2.3.1; RFC 7523, section 3; Microsoft identity platform, "Certificate
//! credentials".

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::model::clock::Clock;
use crate::model::event::Observers;
use crate::model::registration::{AppRegistration, ClientCredential, CredentialError, Kind};
use crate::model::secret::ClientSecret;

mod assertion;
mod ending;
mod joint;
mod reading;
mod wallet;

use self::assertion::{Assertion, Signatory};
use self::reading::Reading;
use self::wallet::{Care, Choice, Listed, Wallet};

/// Shows the application's credential, and learns from what is answered.
pub(crate) struct ClientAuthentication {
    signatory: Signatory,
    clock: Arc<dyn Clock>,
    observers: Observers,
    wallet: Arc<Wallet>,
    reading: Option<Arc<Reading>>,
}

/// What authenticates one request, besides `client_id`.
pub(crate) struct Proof {
    choice: Choice,
    shown: Shown,
}

enum Shown {
    Secret(ClientSecret),
    Assertion(Assertion),
}

/// What a token endpoint's answer says of the credential.
pub(crate) enum Verdict {
    /// There was a token: it is good.
    Taken,
    /// It is refused, in these words.
    Refused(String),
    /// Something else was refused; what was signed for it is not shown again.
    Declined,
    /// Nothing.
    Open,
}

impl ClientAuthentication {
    pub(crate) fn new(app: &AppRegistration, clock: Arc<dyn Clock>, observers: Observers) -> Self {
        let wallet = Arc::new(Wallet::new(clock.clone(), observers.clone()));
        let reading = match app.credential().kind() {
            Kind::Provided(provider) => {
                let (provider, wallet) = (provider.clone(), wallet.clone());
                Some(Arc::new(Reading::new(provider, wallet, clock.clone(), observers.clone())))
            }
            _ => {
                wallet.adopt(vec![app.credential().clone()]);
                None
            }
        };
        let signatory = Signatory::new(app.client_id(), clock.clone());
        Self { signatory, clock, observers, wallet, reading }
    }

    /// Signs anew for each request: ten times the work, for servers that want every `jti` once.
    pub(crate) fn one_time_assertions(mut self) -> Self {
        self.signatory.reuses = false;
        self
    }

    /// What authenticates a request to `token_url` that can be made again.
    pub(crate) async fn proof(&self, token_url: &Url) -> Result<Proof, CredentialError> {
        self.prepare(token_url, Care::MayTry).await
    }

    /// What authenticates a request that is good for one try only: nothing is tried with it that
    /// was not taken before, where there is such a credential.
    pub(crate) async fn sure_proof(&self, token_url: &Url) -> Result<Proof, CredentialError> {
        self.prepare(token_url, Care::Sure).await
    }

    /// Another proof for a request whose own was refused, if there is one to hope for.
    pub(crate) async fn instead_of(&self, refused: &Proof, token_url: &Url) -> Option<Proof> {
        let passed = vec![refused.choice.listed.clone()];
        self.first_working(token_url, Care::Sure, passed).await.ok()
    }

    /// Whether there is another proof to hope for.
    pub(crate) fn has_other(&self, refused: &Proof) -> bool {
        self.wallet.choose(Care::Sure, std::slice::from_ref(&refused.choice.listed)).is_some()
    }

    /// Signs what will be reused, so that the next proof is at hand. A trial is left to whoever asks.
    pub(crate) async fn sign_ahead(&self, token_url: &Url) -> Result<(), CredentialError> {
        match self.signatory.reuses {
            true => self.proof(token_url).await.map(drop),
            false => Ok(()),
        }
    }

    /// Takes note of an answer. After a refusal the credentials are listed anew.
    pub(crate) async fn learn(&self, proof: &Proof, verdict: Verdict) {
        match verdict {
            Verdict::Taken => self.wallet.taken(&proof.choice.listed),
            Verdict::Refused(because) => self.refused(proof, because).await,
            Verdict::Declined => proof.forget(false).await,
            Verdict::Open => {}
        }
    }

    /// Lists the credentials anew and forgets all that was signed, also if there is no list to be had:
    /// then the old ones are signed with again.
    pub(crate) async fn start_anew(&self) -> Result<(), CredentialError> {
        let listed = match &self.reading {
            Some(reading) => reading.read_now().await,
            None => Ok(()),
        };
        self.wallet.start_anew();
        listed
    }

    async fn refused(&self, proof: &Proof, because: String) {
        proof.forget(true).await;
        self.wallet.refused(&proof.choice.listed, because);
        if let Some(reading) = &self.reading {
            reading.read_after(proof.choice.edition).await;
        }
    }

    async fn prepare(&self, token_url: &Url, care: Care) -> Result<Proof, CredentialError> {
        if let Some(reading) = &self.reading {
            reading.ready().await?;
        }
        self.first_working(token_url, care, Vec::new()).await
    }

    /// A credential that cannot be shown has sent nothing, so the next one takes its place.
    async fn first_working(
        &self,
        token_url: &Url,
        care: Care,
        mut passed: Vec<Arc<Listed>>,
    ) -> Result<Proof, CredentialError> {
        let mut failure = CredentialError::NoneListed;
        while let Some(choice) = self.wallet.choose(care, &passed) {
            let error = match self.show(&choice.listed, token_url).await {
                Ok(shown) => return Ok(Proof { choice, shown }),
                Err(error) => error,
            };
            let pause = error.may_pass().then_some(SHORT_PAUSE);
            self.wallet.set_aside(&choice.listed, error.to_string(), pause);
            passed.push(choice.listed.clone());
            if failure == CredentialError::NoneListed {
                failure = error;
            }
        }
        Err(failure)
    }

    async fn show(&self, listed: &Listed, token_url: &Url) -> Result<Shown, CredentialError> {
        let credential = listed.credential();
        let assertion = match credential.kind() {
            Kind::Secret(secret) => return Ok(Shown::Secret(secret.clone())),
            Kind::Certificate(certificate) => {
                let valid = certificate.check_validity(self.clock.now());
                valid.map_err(CredentialError::Certificate)?;
                self.warn_of_ending(listed, &credential);
                self.signatory.signed(&listed.signed, certificate, token_url).await?
            }
            Kind::Federated(source) => self.signatory.supplied(&listed.supplied, &**source).await?,
            Kind::Provided(_) => return Err(CredentialError::withheld(NESTED)),
        };
        Ok(Shown::Assertion(assertion))
    }

    fn warn_of_ending(&self, listed: &Listed, credential: &ClientCredential) {
        if let Some(event) = listed.ending.warning(credential, self.clock.now()) {
            self.observers.tell(&event);
        }
    }
}

impl Proof {
    /// The fields to be added to the form of the request.
    pub(crate) fn fields(&self) -> Vec<(&'static str, &str)> {
        match &self.shown {
            Shown::Secret(secret) => vec![("client_secret", secret.expose())],
            Shown::Assertion(jwt) => {
                vec![("client_assertion_type", JWT_BEARER), ("client_assertion", jwt.text())]
            }
        }
    }

    async fn forget(&self, was_refused_itself: bool) {
        if let Shown::Assertion(assertion) = &self.shown {
            assertion.forget(was_refused_itself).await;
        }
    }
}

impl fmt::Debug for ClientAuthentication {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ClientAuthentication")
            .field("wallet", &self.wallet)
            .finish_non_exhaustive()
    }
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// For what passes by itself, such as a vault that is too busy.
const SHORT_PAUSE: Duration = Duration::from_secs(30);
const NESTED: &str = "a provider lists another provider";

#[cfg(test)]
pub(crate) mod tests;
