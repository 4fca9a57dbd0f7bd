//! A certificate whose key lies in the vault.
//!
//! The vault believes its own caller: a machine's identity, or an application by a credential of its
//! own. It was connected before this credential was made, so the two can never wait for each other.

use std::fmt;

use async_trait::async_trait;

use crate::model::invalid::Invalid;
use crate::model::registration::{ClientCredential, CredentialError, SigningKey};
use crate::transport::key_vault::{KeyVault, KeyVersion};

struct KeyInVault {
    vault: KeyVault,
    key: KeyVersion,
}

impl ClientCredential {
    /// A certificate, in PEM, whose key never leaves Key Vault: `kid` is the key's identifier with its
    /// version, as the certificate's page in the vault shows it. The vault's caller needs the right
    /// `keys/sign`. It signs once for each token endpoint in four minutes, however many ask.
    ///
    /// Nothing is asked of the vault now. A key that is not the certificate's own is found out when it
    /// first signs, and nothing is sent to Entra then.
    ///
    /// # Errors
    /// [`Invalid`] when the certificate is missing, unreadable, expired or not yet valid, or `kid`
    /// names no version of a key in this vault.
    ///
    /// Source: Key Vault REST API, "Sign"; RFC 7518, section 3.5.
    pub fn key_vault(certificate: &str, vault: &KeyVault, kid: &str) -> Result<Self, Invalid> {
        let (key, vault) = (vault.key_version(kid)?, vault.clone());
        Self::certificate_signed_by(certificate, KeyInVault { vault, key })
    }
}

#[async_trait]
impl SigningKey for KeyInVault {
    async fn sign(&self, digest: &[u8; 32]) -> Result<Vec<u8>, CredentialError> {
        Ok(self.vault.signature(&self.key, digest).await?)
    }
}

impl fmt::Debug for KeyInVault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} in {:?}", self.key.name, self.vault)
    }
}
