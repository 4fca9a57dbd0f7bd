//! Applications as their vendor registered them.
//!
//! Source: Microsoft Graph, the `application` resource; "Redirect URI restrictions".

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::signer::Signer;
use crate::model::registration::AppRegistration;
use crate::model::secret::ClientSecret;
use crate::model::tenant::{ClientId, TenantId};

/// A registered application.
#[derive(Debug, Clone)]
pub(crate) struct Application {
    pub(crate) client_id: ClientId,
    pub(crate) home: TenantId,
    pub(crate) name: String,
    pub(crate) redirects: Vec<Redirect>,
    pub(crate) permissions: BTreeSet<(String, String)>,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) certificates: Vec<RegisteredCertificate>,
    pub(crate) federated: Vec<Federated>,
    /// Whether other tenants than its own may use it.
    pub(crate) multi_tenant: bool,
    /// Whether Entra refuses it everywhere.
    pub(crate) disabled: bool,
    /// Whether an assertion counts only once; Entra does not insist.
    pub(crate) one_time_assertions: bool,
    /// The format of access tokens for the application itself: 1 or 2.
    pub(crate) access_token_version: u8,
    pub(crate) claims: AskedClaims,
}

/// An address that an application may be answered at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redirect {
    pub(crate) platform: Platform,
    pub(crate) uri: String,
}

/// What kind of client an address belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Platform {
    Web,
    /// Its codes are redeemed by a browser only.
    Spa,
    /// Its codes are redeemed without any credential.
    PublicClient,
}

/// The claims that an application asks for beyond those that every token has.
#[derive(Debug, Clone, Default)]
pub(crate) struct AskedClaims {
    /// `wids`: the template ids of directory roles.
    pub(crate) roles: bool,
    /// `groups`: the ids of groups.
    pub(crate) groups: bool,
    /// Names of optional claims of its ID tokens.
    pub(crate) id_token: Vec<String>,
}

/// An application password and its end.
#[derive(Debug, Clone)]
pub(crate) struct Secret {
    pub(crate) value: ClientSecret,
    pub(crate) ends: Option<SystemTime>,
}

impl Application {
    /// What Entra would know of the registration: never its private key.
    pub(crate) fn of(registration: &AppRegistration) -> Self {
        let permissions = registration.scopes().iter().map(|scope| {
            let resource = scope.resource().uri(registration.cloud());
            (resource.to_owned(), scope.permission().to_owned())
        });
        let secret = registration.credential().as_secret().cloned();
        let certificate = registration.credential().as_certificate();
        let certificates = certificate.and_then(|own| RegisteredCertificate::from_der(own.der()));
        let uri = registration.redirect_uri().as_str().to_owned();
        Self {
            redirects: vec![Redirect { platform: Platform::Web, uri }],
            permissions: permissions.collect(),
            secrets: secret.map(|value| Secret { value, ends: None }).into_iter().collect(),
            certificates: certificates.into_iter().collect(),
            multi_tenant: true,
            claims: AskedClaims { roles: true, ..AskedClaims::default() },
            ..Self::bare(registration.client_id(), registration.home(), "Vendor Panel")
        }
    }

    /// One that can do nothing yet.
    pub(crate) fn bare(client_id: ClientId, home: TenantId, name: &str) -> Self {
        Self {
            client_id,
            home,
            name: name.to_owned(),
            redirects: Vec::new(),
            permissions: BTreeSet::new(),
            secrets: Vec::new(),
            certificates: Vec::new(),
            federated: Vec::new(),
            multi_tenant: false,
            disabled: false,
            one_time_assertions: false,
            access_token_version: 1,
            claims: AskedClaims::default(),
        }
    }

    /// Takes on another registration's credentials and addresses, as during a change-over.
    pub(crate) fn merge(&mut self, other: Self) {
        self.redirects.extend(other.redirects);
        self.permissions.extend(other.permissions);
        self.secrets.extend(other.secrets);
        self.certificates.extend(other.certificates);
        self.federated.extend(other.federated);
    }

    pub(crate) fn admits_redirect(&self, asked: &str) -> bool {
        self.platform_of(asked).is_some()
    }

    /// What kind of client an address belongs to, if it is one of the application's. It must be
    /// exact, save that a port does not count on `localhost` ("Redirect URI restrictions").
    pub(crate) fn platform_of(&self, asked: &str) -> Option<Platform> {
        let found = self.redirects.iter().find(|known| {
            let local = localhost(&known.uri);
            known.uri == asked || local.is_some() && local == localhost(asked)
        });
        found.map(|known| known.platform)
    }
}

/// An address on `localhost` in two parts, without its port. Nothing is normalised: who compares
/// addresses that were read as URLs takes `/x/../callback` for `/callback`.
fn localhost(uri: &str) -> Option<(&str, &str)> {
    let prefix = ["http://localhost", "https://localhost"].into_iter();
    let (prefix, rest) = prefix.filter_map(|one| Some((one, uri.strip_prefix(one)?))).next()?;
    let port =
        rest.strip_prefix(':').map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    let path = port.unwrap_or(rest);
    (path.is_empty() || path.starts_with(['/', '?'])).then_some((prefix, path))
}

impl Secret {
    pub(crate) fn has_ended(&self, now: SystemTime) -> bool {
        self.ends.is_some_and(|ends| ends <= now)
    }
}

/// Another issuer's tokens that count as the application's own.
#[derive(Clone)]
pub(crate) struct Federated {
    pub(crate) issuer: String,
    /// Compared with its case.
    pub(crate) subject: String,
    pub(crate) key: Arc<Signer>,
}

impl Federated {
    /// Exactly one audience is registered, in the global cloud this.
    pub(crate) const AUDIENCE: &str = "api://AzureADTokenExchange";
}

impl fmt::Debug for Federated {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Federated({})", self.issuer)
    }
}

/// The public side of a certificate, as an application's `keyCredentials` hold it.
#[derive(Debug, Clone)]
pub(crate) struct RegisteredCertificate {
    pub(crate) sha256: String,
    pub(crate) sha1: String,
    pub(crate) public_key: Vec<u8>,
    pub(crate) valid: RangeInclusive<SystemTime>,
}

impl RegisteredCertificate {
    pub(crate) fn from_der(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let validity = certificate.tbs_certificate.validity;
        let valid = validity.not_before.to_system_time()..=validity.not_after.to_system_time();
        let key = certificate.tbs_certificate.subject_public_key_info.subject_public_key;
        Some(Self {
            sha256: URL_SAFE_NO_PAD.encode(digest(&SHA256, der)),
            sha1: URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, der)),
            public_key: key.as_bytes()?.to_vec(),
            valid,
        })
    }

    /// The same, not taken any more from a moment that the registration sets.
    pub(crate) fn ending_by(self, end: SystemTime) -> Self {
        let (from, until) = self.valid.into_inner();
        Self { valid: from..=until.min(end), ..self }
    }
}
