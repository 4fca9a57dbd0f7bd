//! What a host brings so that no key, secret or assertion need lie in this process from its start.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::credential::ClientCredential;
use crate::model::invalid::Invalid;
use crate::model::secret::ClientAssertion;

/// Why our application cannot prove itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The certificate is out of its dates, or its key is another's.
    #[error("the application's credential cannot be used: {0}")]
    Certificate(Invalid),
    /// The key did not sign.
    #[error("the application's key did not sign")]
    Signing,
    /// Who keeps the key, or supplies the credential, does not answer for now.
    #[error("the application's credential is out of reach: {because}")]
    Unavailable {
        /// What is said there, without any secret.
        because: String,
    },
    /// Who keeps the key, or supplies the credential, refuses; the vendor must mend that.
    #[error("the application's credential is withheld: {because}")]
    Withheld {
        /// What is said there, without any secret.
        because: String,
    },
    /// The provider lists no credential.
    #[error("the application has no credential: its provider lists none")]
    NoneListed,
}

impl CredentialError {
    /// For a supplier that cannot be reached for now. `because` must hold no secret.
    #[must_use]
    pub fn unavailable(because: impl fmt::Display) -> Self {
        Self::Unavailable { because: because.to_string() }
    }

    /// For a supplier that refuses until somebody acts. `because` must hold no secret.
    #[must_use]
    pub fn withheld(because: impl fmt::Display) -> Self {
        Self::Withheld { because: because.to_string() }
    }

    /// Whether it may pass by itself, so that trying again makes sense.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// Lists the application's credentials while it runs, so that a new one needs no restart.
///
/// 1. The list is in order of preference; what is not in it any more is not used any more.
/// 2. It may be asked at any time, by several tasks; it is asked every five minutes while the
///    application is used, and at once after a credential was refused.
/// 3. The same secret or certificate is the same credential, however often it is made anew; so is a
///    federated one of the same name, while one without a name is the same as its clones only.
/// 4. No error holds a secret. After ten seconds without an answer what is known is used.
///
/// To rotate, put the new credential first and leave the old one behind it: one request tries the
/// new one while all others go on with the old. Once
/// [`Event::CredentialProven`](crate::Event::CredentialProven) has named it, take the old one out.
#[async_trait]
pub trait CredentialProvider: fmt::Debug + Send + Sync + 'static {
    /// The credentials, the one to be used first.
    ///
    /// # Errors
    /// [`CredentialError::unavailable`] and [`CredentialError::withheld`]: what is known is used.
    async fn credentials(&self) -> Result<Vec<ClientCredential>, CredentialError>;
}

/// A certificate's RSA key that stays where it is: in Key Vault, in an HSM.
///
/// 1. It signs a SHA-256 digest by RSASSA-PSS with MGF1-SHA-256 and a salt of 32 bytes: `PS256` of
///    RFC 7518, section 3.5.
/// 2. It may be asked by several tasks at once. It is asked once for all that wait, and not again
///    while the assertion lives.
/// 3. No error holds a secret.
#[async_trait]
pub trait SigningKey: fmt::Debug + Send + Sync + 'static {
    /// The signature of a digest, as long as the key's modulus.
    ///
    /// # Errors
    /// [`CredentialError::unavailable`] and [`CredentialError::withheld`].
    async fn sign(&self, digest: &[u8; 32]) -> Result<Vec<u8>, CredentialError>;
}

/// Supplies the token that a trusted issuer gives our application, for a federated identity
/// credential: a workload's service account token, a managed identity's token.
///
/// 1. Issuer, subject and audience are those of the federated credential in the registration; the
///    audience is `api://AzureADTokenExchange` in the global cloud.
/// 2. It may be asked by several tasks at once. It is asked once for all that wait, and not again
///    until shortly before the token ends, or Entra refuses it.
/// 3. No error holds a secret.
///
/// Source: Microsoft Graph, `federatedIdentityCredential` resource.
#[async_trait]
pub trait AssertionSource: fmt::Debug + Send + Sync + 'static {
    /// A token that lives for some minutes at least.
    ///
    /// # Errors
    /// [`CredentialError::unavailable`] and [`CredentialError::withheld`].
    async fn assertion(&self) -> Result<FederatedAssertion, CredentialError>;
}

/// A trusted issuer's token and how long it lives.
#[derive(Debug, Clone)]
pub struct FederatedAssertion {
    token: ClientAssertion,
    lifetime: Duration,
}

impl FederatedAssertion {
    /// The token as it came, and how much of its life is left; more than 28 hours count as 28.
    ///
    /// # Errors
    /// [`Invalid`] when it is no text that a form could carry: see [`ClientAssertion::new`].
    pub fn new(token: impl Into<String>, lifetime: Duration) -> Result<Self, Invalid> {
        Ok(Self { token: ClientAssertion::new(token)?, lifetime })
    }

    pub(crate) const fn token(&self) -> &ClientAssertion {
        &self.token
    }

    pub(crate) const fn lifetime(&self) -> Duration {
        self.lifetime
    }
}
