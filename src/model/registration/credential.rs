//! How the vendor's application proves itself to Entra.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::certificate::Certificate;
use super::supplier::{AssertionSource, CredentialProvider, SigningKey};
use crate::model::invalid::Invalid;
use crate::model::secret::ClientSecret;

/// How the vendor's application proves itself to Entra.
///
/// One that is fixed lasts as long as the broker; one [from a
/// provider](Self::from_provider) is rotated while it runs.
#[derive(Clone)]
pub struct ClientCredential {
    name: Option<Arc<str>>,
    kind: Kind,
}

#[derive(Clone)]
pub(crate) enum Kind {
    Secret(ClientSecret),
    Certificate(Arc<Certificate>),
    Federated(Arc<dyn AssertionSource>),
    Provided(Arc<dyn CredentialProvider>),
}

impl ClientCredential {
    /// An application password. A certificate is better: it never travels.
    ///
    /// # Errors
    /// [`Invalid`] when it is empty or has characters that no Entra secret has.
    pub fn secret(text: impl Into<String>) -> Result<Self, Invalid> {
        Ok(Self::of(Kind::Secret(ClientSecret::new(text)?)))
    }

    /// A certificate with its RSA key, both in one PEM text; its key signs a short assertion for
    /// each token endpoint (RFC 7523).
    ///
    /// # Errors
    /// [`Invalid`] when a part is missing or unreadable, the key is not RSA of at least 2048 bits,
    /// the two do not belong together, or the certificate is expired or not yet valid.
    pub fn certificate(pem: &str) -> Result<Self, Invalid> {
        Self::valid(Certificate::from_pem(pem)?)
    }

    /// A certificate whose key is somewhere else and signs there. For Key Vault there is
    /// [`key_vault`](Self::key_vault). Each signature is checked against the certificate.
    ///
    /// # Errors
    /// [`Invalid`] when the certificate is missing, unreadable, expired or not yet valid.
    pub fn certificate_signed_by(pem: &str, key: impl SigningKey) -> Result<Self, Invalid> {
        Self::valid(Certificate::signed_elsewhere(pem, Arc::new(key))?)
    }

    /// The token of an issuer that the registration trusts: a federated identity credential.
    pub fn federated(source: impl AssertionSource) -> Self {
        Self::of(Kind::Federated(Arc::new(source)))
    }

    /// Whatever a provider lists, read again while the application runs: see
    /// [`CredentialProvider`].
    pub fn from_provider(provider: impl CredentialProvider) -> Self {
        Self::of(Kind::Provided(Arc::new(provider)))
    }

    /// Gives it the name that events know it by. Unnamed, a certificate is known by its thumbprint,
    /// the others by their kind.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The name that events know it by; never a secret.
    #[must_use]
    pub fn name(&self) -> String {
        match (&self.name, &self.kind) {
            (Some(name), _) => name.to_string(),
            (None, Kind::Secret(_)) => "secret".to_owned(),
            (None, Kind::Certificate(own)) => format!("certificate {}", own.thumbprint()),
            (None, Kind::Federated(_)) => "federated assertion".to_owned(),
            (None, Kind::Provided(_)) => "provider".to_owned(),
        }
    }

    /// The application password, where this is one.
    #[must_use]
    pub const fn as_secret(&self) -> Option<&ClientSecret> {
        match &self.kind {
            Kind::Secret(secret) => Some(secret),
            _ => None,
        }
    }

    /// The certificate, where this is one.
    #[must_use]
    pub fn as_certificate(&self) -> Option<&Certificate> {
        match &self.kind {
            Kind::Certificate(certificate) => Some(certificate),
            _ => None,
        }
    }

    /// Whether another issuer vouches for the application.
    pub(crate) const fn is_federated(&self) -> bool {
        matches!(self.kind, Kind::Federated(_))
    }

    pub(crate) const fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Whether another, perhaps made anew, is this one: the third promise of a provider.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Secret(one), Kind::Secret(other)) => {
                let (one, other) = (one.expose().as_bytes(), other.expose().as_bytes());
                verify_slices_are_equal(one, other).is_ok()
            }
            (Kind::Certificate(one), Kind::Certificate(other)) => one.der() == other.der(),
            (Kind::Federated(one), Kind::Federated(another)) => {
                let named = self.name.is_some() && self.name == other.name;
                named || Arc::ptr_eq(one, another)
            }
            _ => false,
        }
    }

    const fn of(kind: Kind) -> Self {
        Self { name: None, kind }
    }

    fn valid(certificate: Certificate) -> Result<Self, Invalid> {
        certificate.check_validity(SystemTime::now())?;
        Ok(Self::of(Kind::Certificate(Arc::new(certificate))))
    }
}

impl fmt::Debug for ClientCredential {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Secret(secret) => secret.fmt(out),
            Kind::Certificate(certificate) => certificate.fmt(out),
            Kind::Federated(_) => out.write_str("Federated"),
            Kind::Provided(_) => out.write_str("Provided"),
        }
    }
}
