//! What a checkup can find wrong, with what to do about it.

use std::time::Duration;

use crate::model::entra_error::{Cause, EntraError};
use crate::model::invalid::Invalid;
use crate::model::manifest::ManifestFinding;
use crate::model::registration::CredentialError;
use crate::storage::keyring::KeyError;
use crate::storage::store::StoreError;
use crate::transport::http::{HttpError, HttpFault};

/// Something that must be mended before a partner is invited. It holds no secret.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// A setting is wrong.
    #[error(transparent)]
    Setting(Invalid),
    /// The registration in Entra keeps partners from consenting, or makes what they give useless.
    #[error("{0}")]
    Manifest(ManifestFinding),
    /// A service does not answer.
    #[error(transparent)]
    Unreachable(HttpError),
    /// Something answers, and not as that service would.
    #[error("{host} answered with status {status}")]
    Answered {
        /// Who was asked.
        host: String,
        /// What came.
        status: u16,
    },
    /// What came from Entra is not its metadata.
    #[error("{host} sent no metadata")]
    NoMetadata {
        /// Who was asked.
        host: String,
    },
    /// Entra names another address than this cloud has.
    #[error("{host} names another {member}")]
    OtherAddress {
        /// Who was asked.
        host: String,
        /// Of what.
        member: &'static str,
    },
    /// Entra calls itself otherwise than the ID tokens must.
    #[error("the issuer is {found}, and every ID token must come from {expected}")]
    OtherIssuer {
        /// What is said.
        found: String,
        /// What the cloud has.
        expected: String,
    },
    /// The clock is more than a minute off.
    #[error("the clock is {} s {} of {host}", by.as_secs(), if *ahead { "ahead" } else { "behind" })]
    ClockOff {
        /// Whose clock it was compared with.
        host: String,
        /// How much.
        by: Duration,
        /// Whether ours is the later one.
        ahead: bool,
    },
    /// The application has no credential to show.
    #[error(transparent)]
    Credential(CredentialError),
    /// Entra refuses the application.
    #[error(transparent)]
    Refused(EntraError),
    /// The key ring does not do its work.
    #[error(transparent)]
    Key(KeyError),
    /// Who signs receipts does not, or with another key than it names.
    #[error(transparent)]
    ReceiptKey(KeyError),
    /// The store does not do its work.
    #[error(transparent)]
    Store(StoreError),
    /// The store breaks a promise, by its name in the contract of [`Store`](crate::store::Store).
    #[error("the store breaks a promise: {0}")]
    BrokenPromise(&'static str),
    /// The store forgets everything with the process.
    #[error("the store does not promise to outlive the process")]
    Forgetful,
}

impl Trouble {
    /// What to do about it.
    #[must_use]
    pub fn mend(&self) -> String {
        match self {
            Self::Setting(invalid) => format!("give {}", invalid.expected()),
            Self::Manifest(finding) => finding.mend().to_owned(),
            Self::Unreachable(error) => unreachable(error.fault()).to_owned(),
            Self::Refused(error) => refused(error.cause()).to_owned(),
            Self::Key(error) => key(error).to_owned(),
            Self::ReceiptKey(error) => receipt_key(error).to_owned(),
            Self::Store(error) => store(error).to_owned(),
            trouble => trouble.plainly().to_owned(),
        }
    }

    const fn plainly(&self) -> &'static str {
        match self {
            Self::Answered { .. } | Self::NoMetadata { .. } => {
                "look at what stands between: a proxy, a portal that wants a login, another cloud's \
                 address; a status of 400 from Entra may mean that it does not know the home tenant"
            }
            Self::OtherAddress { .. } | Self::OtherIssuer { .. } => {
                "choose the cloud that the application is registered in"
            }
            Self::ClockOff { .. } => {
                "set the machine's clock by a time server: assertions and ID tokens are judged by it"
            }
            Self::Credential(_) => {
                "look at the provider, vault or certificate that the credential comes from"
            }
            Self::BrokenPromise(_) => {
                "run store::conformance on this store, and use another one until it holds"
            }
            Self::Forgetful => "use one that does: Sqlite, Postgres or Key Vault",
            _ => "",
        }
    }
}

const fn unreachable(fault: HttpFault) -> &'static str {
    match fault {
        HttpFault::Setup => "install the package ca-certificates",
        HttpFault::Unresolved => {
            "let names be resolved here, or look for a slip in the cloud's name"
        }
        HttpFault::Connect | HttpFault::Timeout => {
            "let this machine reach that host by https, or name its proxy in HTTPS_PROXY"
        }
        HttpFault::Tls => {
            "look who ends TLS between: its certificate must be one that this machine trusts"
        }
        _ => "look at what stands between this machine and that host",
    }
}

const fn refused(cause: Cause) -> &'static str {
    match cause {
        Cause::CredentialRejected => {
            "show the credential that is registered: a secret's value and not its id, a certificate \
             that was uploaded; a new one may take minutes"
        }
        Cause::ApplicationDisabled => "have the application enabled in the home tenant",
        Cause::ApplicationMissing => {
            "look at client id and home tenant: the application is not registered there"
        }
        Cause::TenantUnknown | Cause::TenantGone | Cause::CloudMismatch => {
            "look at home tenant and cloud"
        }
        _ => "look the number up in docs/errors.md",
    }
}

const fn key(error: &KeyError) -> &'static str {
    match error {
        KeyError::Retired { .. } => "put a newer key first in the ring",
        KeyError::Unavailable { .. } => "look whether who keeps the key can be reached",
        KeyError::Forbidden { .. } => "let this application wrap and unwrap with the key",
        KeyError::Gone { .. } => "restore the key, or begin with another",
        _ => "mend the key's provider, or use another",
    }
}

const fn receipt_key(error: &KeyError) -> &'static str {
    match error {
        KeyError::Unavailable { .. } => "look whether who keeps the key can be reached",
        KeyError::Forbidden { .. } => "let this application sign with the key",
        _ => "sign with Ed25519, and by the key whose public half is named",
    }
}

const fn store(error: &StoreError) -> &'static str {
    match error {
        StoreError::Unavailable { .. } => "look whether the store is up and can be reached",
        StoreError::Full => "make room",
        StoreError::ReadOnly => "let this process write there",
        StoreError::Damaged { .. } => "restore it from a backup",
        _ => "set the store up as docs/stores.md says",
    }
}
