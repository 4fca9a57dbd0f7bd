//! Why a vault did not do what it was asked, and whose turn it is then.
//!
//! Source: Key Vault, "REST API error codes"; "Azure Key Vault throttling guidance".

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Deserialize;

use crate::model::entra_error::EntraError;
use crate::model::invalid::Invalid;
use crate::model::registration::CredentialError;
use crate::transport::http::{HttpError, HttpFault, retry_after};

/// Why a Key Vault did not do what it was asked. It holds no value, no name of a secret, no reply.
///
/// Source: Key Vault, "REST API error codes".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyVaultError {
    /// The vault's host has no address.
    #[error(
        "there is no Key Vault at {host}: correct its name, make or recover it, or see to name resolution"
    )]
    NoSuchVault {
        /// Where it was looked for.
        host: String,
    },
    /// The vault believes another tenant than the application's own, or is in another cloud. No
    /// token was sent to it.
    #[error("the Key Vault {host} is not of the application's own tenant and cloud")]
    Foreign {
        /// Where it is.
        host: String,
    },
    /// No reply.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The vault did not accept a fresh token.
    #[error("the Key Vault does not accept the token for {operation}")]
    Unauthorized {
        /// What was asked, as access policies name it.
        operation: &'static str,
    },
    /// The caller lacks a right, or calls from where the vault's firewall lets nobody through.
    #[error(
        "the Key Vault forbids {operation}: give this application or identity that right, and let it through the vault's firewall"
    )]
    Forbidden {
        /// What was asked, as access policies name it.
        operation: &'static str,
    },
    /// The version is disabled.
    #[error("the Key Vault has this version disabled ({operation}): enable it again")]
    Disabled {
        /// What was asked, as access policies name it.
        operation: &'static str,
    },
    /// There is no such thing in the vault; it may have been deleted.
    #[error(
        "the Key Vault finds nothing ({operation}): it was deleted or never made; recover it if it was deleted"
    )]
    NotFound {
        /// What was asked, as access policies name it.
        operation: &'static str,
    },
    /// The name belongs to what was deleted and can still be recovered.
    #[error("the Key Vault keeps what was deleted under this name: recover or purge it")]
    Deleted,
    /// It is being deleted, recovered or purged just now.
    #[error("the Key Vault is still deleting or recovering this name")]
    Underway,
    /// Too many requests, and the vault was asked often enough.
    #[error("the Key Vault has too many requests")]
    Throttled {
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The vault could not do what it was asked with: a ciphertext, a key of another type.
    #[error("the Key Vault cannot do {operation} with this")]
    Unacceptable {
        /// What was asked, as access policies name it.
        operation: &'static str,
    },
    /// The service failed.
    #[error("the Key Vault failed with status {status}")]
    Failed {
        /// The HTTP status.
        status: u16,
    },
    /// A reply that no Key Vault gives.
    #[error("the Key Vault's reply {0}")]
    BadReply(&'static str),
    /// Another version of a key answered than the one that was asked.
    #[error("the Key Vault answered with another version of the key")]
    OtherVersion,
    /// Entra gave no token for the vault.
    #[error("no token for the Key Vault: {0}")]
    Entra(EntraError),
    /// The machine's identity endpoint gave no token for the vault.
    #[error(
        "no token for the Key Vault: the managed identity endpoint answered with status {status}; assign an identity, or name one of several"
    )]
    Identity {
        /// The HTTP status.
        status: u16,
    },
    /// The application could not prove itself; nothing was sent.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// A setting is wrong; nothing was sent.
    #[error(transparent)]
    Setting(#[from] Invalid),
}

impl KeyVaultError {
    /// Whether it may pass by itself, so that trying again makes sense.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::NoSuchVault { .. }
            | Self::Underway
            | Self::Throttled { .. }
            | Self::Failed { .. } => true,
            Self::Http(error) => error.fault() != HttpFault::Setup,
            Self::Entra(error) => error.cause().is_transient(),
            Self::Identity { status } => is_passing(*status),
            _ => false,
        }
    }

    /// Whether the vault may have done what it was asked, and only its answer is lost.
    pub(crate) fn may_have_happened(&self) -> bool {
        matches!(self, Self::Http(_) | Self::Failed { .. } | Self::BadReply(_) | Self::OtherVersion)
    }

    /// How long to wait before the same request again; `None` if that makes no sense.
    pub(super) fn pause(&self, tried: u32) -> Option<Duration> {
        let asked = match self {
            Self::Throttled { retry_after } => *retry_after,
            Self::Failed { .. } => None,
            Self::Identity { status } if is_passing(*status) => None,
            _ => return None,
        };
        let pause = asked.unwrap_or_else(|| Duration::from_secs(1 << tried));
        (tried < MOST_AGAIN && pause <= LONGEST_PAUSE).then_some(pause)
    }

    pub(super) fn unreached(error: HttpError) -> Self {
        match error.fault() {
            HttpFault::Unresolved => Self::NoSuchVault { host: error.host().to_owned() },
            _ => Self::Http(error),
        }
    }

    /// What a refusal says.
    pub(super) fn refused(
        operation: &'static str,
        reply: &Response<Bytes>,
        now: SystemTime,
    ) -> Self {
        let said: Refused = serde_json::from_slice(reply.body()).unwrap_or_default();
        let inner = said.error.innererror.unwrap_or_default().code;
        match (reply.status(), inner.as_str()) {
            (StatusCode::FORBIDDEN, "SecretDisabled" | "KeyDisabled") => {
                Self::Disabled { operation }
            }
            (StatusCode::FORBIDDEN, _) => Self::Forbidden { operation },
            (StatusCode::NOT_FOUND, _) => Self::NotFound { operation },
            (StatusCode::CONFLICT, "ObjectIsDeletedButRecoverable") => Self::Deleted,
            (StatusCode::CONFLICT, _) => Self::Underway,
            (StatusCode::TOO_MANY_REQUESTS, _) => {
                Self::Throttled { retry_after: retry_after(reply.headers(), now) }
            }
            (StatusCode::UNAUTHORIZED, _) => Self::Unauthorized { operation },
            (StatusCode::BAD_REQUEST, _) => Self::Unacceptable { operation },
            (status, _) if status.is_server_error() => Self::Failed { status: status.as_u16() },
            _ => Self::BadReply("has a status that none gives"),
        }
    }
}

/// What a vault says of a certificate's key that lies in it.
impl From<KeyVaultError> for CredentialError {
    fn from(error: KeyVaultError) -> Self {
        match error {
            KeyVaultError::Credential(error) => error,
            error if error.may_pass() => Self::unavailable(error),
            error => Self::withheld(error),
        }
    }
}

/// "How to use managed identities": 404, 410, 429 and 5xx are to be tried again.
fn is_passing(status: u16) -> bool {
    matches!(status, 404 | 410 | 429) || status >= 500
}

#[derive(Default, Deserialize)]
struct Refused {
    #[serde(default)]
    error: Said,
}

#[derive(Default, Deserialize)]
struct Said {
    innererror: Option<Inner>,
}

#[derive(Default, Deserialize)]
struct Inner {
    #[serde(default)]
    code: String,
}

/// 1, 2, 4, 8 seconds, as Microsoft advises.
const MOST_AGAIN: u32 = 4;
const LONGEST_PAUSE: Duration = Duration::from_secs(16);

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, body: &str) -> KeyVaultError {
        let reply = Response::builder().status(status).body(Bytes::from(body.to_owned()));
        KeyVaultError::refused("secrets/get", &reply.expect("a reply"), SystemTime::UNIX_EPOCH)
    }

    fn inner(code: &str) -> String {
        format!(r#"{{"error":{{"code":"x","message":"canary","innererror":{{"code":"{code}"}}}}}}"#)
    }

    #[test]
    fn each_cause_has_a_variant_of_its_own() {
        // R-126
        let operation = "secrets/get";
        for (status, code, expected) in [
            (403, "ForbiddenByPolicy", KeyVaultError::Forbidden { operation }),
            (403, "SecretDisabled", KeyVaultError::Disabled { operation }),
            (403, "KeyDisabled", KeyVaultError::Disabled { operation }),
            (404, "", KeyVaultError::NotFound { operation }),
            (409, "ObjectIsDeletedButRecoverable", KeyVaultError::Deleted),
            (409, "ObjectIsBeingDeleted", KeyVaultError::Underway),
            (429, "", KeyVaultError::Throttled { retry_after: None }),
            (401, "", KeyVaultError::Unauthorized { operation }),
            (400, "", KeyVaultError::Unacceptable { operation }),
            (503, "", KeyVaultError::Failed { status: 503 }),
            (302, "", KeyVaultError::BadReply("has a status that none gives")),
        ] {
            assert_eq!(refused(status, &inner(code)), expected, "{status} {code}");
        }
    }

    #[test]
    fn a_refusal_is_read_however_it_is_spelled_and_never_repeated() {
        // R-136
        for body in ["", "<html>canary</html>", r#"{"error":"canary"}"#, r#"{"error":null}"#] {
            let error = refused(403, body);
            assert_eq!(error, KeyVaultError::Forbidden { operation: "secrets/get" });
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
        let error = refused(403, &inner("canary"));
        assert!(!format!("{error} {error:?}").contains("canary"));
    }

    #[test]
    fn pauses_grow_are_as_asked_and_end() {
        let throttled = |retry_after: Option<u64>| KeyVaultError::Throttled {
            retry_after: retry_after.map(Duration::from_secs),
        };
        let pauses: Vec<_> =
            (0..5).map(|tried| throttled(None).pause(tried).map(|p| p.as_secs())).collect();
        assert_eq!(pauses, [Some(1), Some(2), Some(4), Some(8), None]);
        assert_eq!(throttled(Some(10)).pause(0), Some(Duration::from_secs(10)));
        assert_eq!(throttled(Some(10)).pause(4), None);
        assert_eq!(throttled(Some(17)).pause(0), None);
        assert_eq!(KeyVaultError::Deleted.pause(0), None);
    }
}
