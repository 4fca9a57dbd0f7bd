//! A key ring's key that never leaves Azure Key Vault.

use std::fmt;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::model::invalid::Invalid;
use crate::storage::keyring::{DataKey, KeyError, KeyId, KeyWrap};
use crate::transport::key_vault::{KeyVault, KeyVaultError, KeyVersion, Wrapping};

/// An RSA key in Azure Key Vault: it wraps and unwraps there, by RSA-OAEP-256, and cannot be copied.
///
/// It is one *version* of a key: what one version wrapped, no other unwraps, so a vault that makes
/// new versions by itself changes nothing here. The caller needs the rights `keys/wrapKey` and
/// `keys/unwrapKey`.
///
/// Wrapping takes no more than a public key, which many may read. What proves that a wrapped key is
/// the ring's own is its *origin*: 32 random bytes, drawn once by [`draw_origin`], which only who may
/// unwrap can learn. Keep that text in the configuration, beside the key's identifier, and **never in
/// the store's database**: whoever can write there could put an origin of their own in its place,
/// wrapped by the public key alone, and then forge every record.
///
/// Wrapping is asked of the vault too, although it could be done here: so nothing is ever sealed
/// under a key that is disabled, deleted or out of reach.
///
/// ```no_run
/// use cpv_consent::{AppRegistration, KeyRing, KeyVault, KeyVaultError, KeyVaultKey};
///
/// # async fn ring(app: &AppRegistration) -> Result<KeyRing, KeyVaultError> {
/// let vault = KeyVault::builder(app, "contoso-consents")?.connect().await?;
/// let kid = "https://contoso-consents.vault.azure.net/keys/consents/0123456789abcdef0123456789abcdef";
/// let origin = "what KeyVaultKey::draw_origin returned once";
/// Ok(KeyRing::new(KeyVaultKey::connect(&vault, kid, origin).await?))
/// # }
/// ```
///
/// Source: Key Vault REST API, "Wrap Key" and "Unwrap Key"; RFC 7518, section 4.3.
///
/// [`draw_origin`]: KeyVaultKey::draw_origin
pub struct KeyVaultKey {
    id: KeyId,
    vault: KeyVault,
    key: KeyVersion,
    origin: DataKey,
}

impl KeyVaultKey {
    /// Draws the origin of a key, once in its life, and returns it wrapped by the key: the text to
    /// keep in the configuration. `kid` is the key's identifier with its version.
    ///
    /// # Errors
    /// [`KeyVaultError::Setting`] when `kid` is none of this vault, and what the vault says.
    pub async fn draw_origin(vault: &KeyVault, kid: &str) -> Result<String, KeyVaultError> {
        const EXPECTED: &str = "a source of random bytes";
        let key = vault.key_version(kid)?;
        let unmade = |_| Invalid::new("origin", "could not be drawn", EXPECTED);
        let origin = DataKey::generate().map_err(unmade)?;
        let wrapped = vault.wrapping(Wrapping::Wrap, &key, origin.expose()).await?;
        Ok(URL_SAFE_NO_PAD.encode(&wrapped))
    }

    /// The key that `kid` names, with its version, and its origin as [`draw_origin`] returned it.
    /// The origin is unwrapped now, which also proves the key.
    ///
    /// Its [`KeyId`] is made of the key's name and version, so that no two keys ever share one.
    ///
    /// # Errors
    /// [`KeyVaultError::Setting`] when `kid` is none of this vault or `origin` is not its own, and
    /// what the vault says.
    ///
    /// [`draw_origin`]: KeyVaultKey::draw_origin
    pub async fn connect(vault: &KeyVault, kid: &str, origin: &str) -> Result<Self, KeyVaultError> {
        const EXPECTED: &str = "what KeyVaultKey::draw_origin returned for this version of the key";
        let wrong = |problem| Invalid::new("origin", problem, EXPECTED);
        let key = vault.key_version(kid)?;
        let wrapped = URL_SAFE_NO_PAD.decode(origin.trim());
        let wrapped = wrapped.map_err(|_| wrong("is not base64url"))?;
        let origin = match vault.wrapping(Wrapping::Unwrap, &key, &wrapped).await {
            Err(KeyVaultError::Unacceptable { .. }) => {
                return Err(wrong("was not wrapped by this key").into());
            }
            unwrapped => unwrapped?,
        };
        let origin = DataKey::from_slice(&origin).map_err(|_| wrong("has another length"))?;
        let (id, origin) = (name(&key)?, origin.derive("key vault key: origin"));
        Ok(Self { id, vault: vault.clone(), key, origin })
    }

    fn failed(&self, error: &KeyVaultError) -> KeyError {
        let (id, because) = (self.id.clone(), error.to_string().into());
        match error {
            KeyVaultError::OtherVersion => KeyError::Refused { id },
            KeyVaultError::NotFound { .. } | KeyVaultError::Disabled { .. } => {
                KeyError::Gone { id, because }
            }
            error if error.may_pass() || error.may_have_happened() => {
                KeyError::Unavailable { id, because }
            }
            _ => KeyError::Forbidden { id, because },
        }
    }
}

/// A version's id is unique by itself; the beginning of the name is there for people.
fn name(key: &KeyVersion) -> Result<KeyId, Invalid> {
    let name: String = key.name.chars().take(LONGEST_NAME).collect();
    KeyId::new(format!("{name}.{}", key.version))
}

/// 64, without the version and the full stop before it.
const LONGEST_NAME: usize = 31;

#[async_trait]
impl KeyWrap for KeyVaultKey {
    fn id(&self) -> &KeyId {
        &self.id
    }

    async fn wrap(&self, key: &DataKey) -> Result<Vec<u8>, KeyError> {
        let wrapped = self.vault.wrapping(Wrapping::Wrap, &self.key, key.expose()).await;
        wrapped.map(|wrapped| wrapped.to_vec()).map_err(|error| self.failed(&error))
    }

    async fn unwrap(&self, wrapped: &[u8]) -> Result<DataKey, KeyError> {
        let refused = || KeyError::Refused { id: self.id.clone() };
        match self.vault.wrapping(Wrapping::Unwrap, &self.key, wrapped).await {
            Ok(key) => DataKey::from_slice(&key).map_err(|_| refused()),
            // The vault says so of whatever another key wrapped.
            Err(KeyVaultError::Unacceptable { .. }) => Err(refused()),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn origin(&self) -> &DataKey {
        &self.origin
    }
}

impl fmt::Debug for KeyVaultKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "KeyVaultKey({} in {})", self.id, self.vault.host())
    }
}
