//! A key ring's key that the host keeps itself, in a file or an environment variable.

use std::fmt;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use crate::model::invalid::Invalid;
use crate::model::secret::KeyText;
use crate::storage::keyring::data_key::{DataKey, NonceBytes};
use crate::storage::keyring::{KeyError, KeyId, KeyWrap};

/// A key in this process's memory, from 32 random bytes that the host keeps.
///
/// Wraps with AES-256-GCM-SIV (RFC 8452) under one key derived from it; its origin is another.
pub struct LocalKey {
    id: KeyId,
    root: DataKey,
    wrapping: DataKey,
    origin: DataKey,
}

impl LocalKey {
    /// A new random key. Save [`LocalKey::to_base64`] before anything is sealed under it.
    ///
    /// # Errors
    /// [`Invalid`] when the id is not one, or the operating system gives no random bytes.
    pub fn generate(id: &str) -> Result<Self, Invalid> {
        let unmade = |_| Invalid::new("key", "could not be made", "a source of random bytes");
        Ok(Self::rooted(KeyId::new(id)?, DataKey::generate().map_err(unmade)?))
    }

    /// The key saved as base64 (RFC 4648, section 4); space around it is ignored.
    ///
    /// # Errors
    /// [`Invalid`] when it is not base64, or not what [`LocalKey::from_bytes`] takes.
    pub fn from_base64(id: &str, text: &str) -> Result<Self, Invalid> {
        let bytes = BASE64_STANDARD.decode(text.trim()).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| Invalid::new("key", "is not base64", EXPECTED))?;
        Self::from_bytes(id, &bytes)
    }

    /// The key of these 32 bytes.
    ///
    /// # Errors
    /// [`Invalid`] when there are more or fewer, or when nobody drew them at random: all of them
    /// alike, or all of them printable as a passphrase is.
    pub fn from_bytes(id: &str, bytes: &[u8]) -> Result<Self, Invalid> {
        let wrong = |problem| Invalid::new("key", problem, EXPECTED);
        let root = DataKey::from_slice(bytes).map_err(|_| wrong("is not 32 bytes long"))?;
        if bytes.iter().all(|byte| *byte == bytes[0]) {
            return Err(wrong("is one byte repeated"));
        }
        if bytes.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(wrong("is printable text"));
        }
        Ok(Self::rooted(KeyId::new(id)?, root))
    }

    /// The key as text, for saving where the host keeps its secrets.
    #[must_use]
    pub fn to_base64(&self) -> KeyText {
        let text = BASE64_STANDARD.encode(self.root.expose());
        KeyText::new(text).expect("base64 is visible ASCII")
    }

    /// A secret of its own for another purpose than sealing.
    pub(crate) fn derive(&self, purpose: &str) -> DataKey {
        self.root.derive(purpose)
    }

    fn rooted(id: KeyId, root: DataKey) -> Self {
        let (wrapping, origin) = (root.derive("local key: wrap"), root.derive("local key: origin"));
        Self { id, root, wrapping, origin }
    }

    fn refused(&self) -> KeyError {
        KeyError::Refused { id: self.id.clone() }
    }
}

#[async_trait]
impl KeyWrap for LocalKey {
    fn id(&self) -> &KeyId {
        &self.id
    }

    async fn wrap(&self, key: &DataKey) -> Result<Vec<u8>, KeyError> {
        let mut text = key.expose().to_vec();
        let nonce = self.wrapping.encrypt(self.id.as_str().as_bytes(), &mut text);
        let text = Zeroizing::new(text);
        Ok([nonce?.as_slice(), &text].concat())
    }

    async fn unwrap(&self, wrapped: &[u8]) -> Result<DataKey, KeyError> {
        let parts: Option<(&NonceBytes, &[u8])> = wrapped.split_first_chunk();
        let (nonce, text) = parts.ok_or_else(|| self.refused())?;
        let mut text = Zeroizing::new(text.to_vec());
        let opened = self.wrapping.decrypt(*nonce, self.id.as_str().as_bytes(), &mut text);
        opened.and_then(|key| DataKey::from_slice(key).ok()).ok_or_else(|| self.refused())
    }

    fn origin(&self) -> &DataKey {
        &self.origin
    }
}

impl fmt::Debug for LocalKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "LocalKey({})", self.id)
    }
}

const EXPECTED: &str = "32 random bytes, as base64: see LocalKey::generate";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_saved_key_unwraps_what_it_wrapped() {
        let key = LocalKey::generate("a").expect("a key");
        let wrapped = key.wrap(&DataKey::from_slice(&[9; 32]).expect("32")).await.expect("wraps");
        let text = format!("  {}\n", key.to_base64().expose());
        let again = LocalKey::from_base64("a", &text).expect("as saved");
        assert_eq!(again.unwrap(&wrapped).await.expect("its own").expose(), &[9; 32]);
        assert_eq!(again.origin().expose(), key.origin().expose());
    }

    #[tokio::test]
    async fn what_was_changed_or_wrapped_by_another_is_refused() {
        //
        let key = LocalKey::generate("a").expect("a key");
        let wrapped = key.wrap(&DataKey::generate().expect("random")).await.expect("wraps");
        let refused = KeyError::Refused { id: KeyId::new("a").expect("an id") };
        for place in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[place] ^= 1;
            assert_eq!(key.unwrap(&changed).await.expect_err("changed"), refused, "{place}");
        }
        for length in [0, 11, 12, 27, wrapped.len() - 1] {
            assert_eq!(key.unwrap(&wrapped[..length]).await.expect_err("cut"), refused);
        }
        let other = LocalKey::generate("a").expect("a key");
        assert_eq!(other.unwrap(&wrapped).await.expect_err("not its own"), refused);
    }

    #[test]
    fn a_key_that_nobody_drew_at_random_is_refused() {
        //
        let passphrase = b"correct horse battery staple 123";
        let bad: [&[u8]; 7] =
            [&[], &[1; 16], &[1; 33], &[0; 32], &[255; 32], b"0123456789abcdef", passphrase];
        for bytes in bad {
            assert_eq!(LocalKey::from_bytes("a", bytes).expect_err("weak").field(), "key");
            let text = BASE64_STANDARD.encode(bytes);
            assert_eq!(LocalKey::from_base64("a", &text).expect_err("weak").field(), "key");
        }
        assert!(LocalKey::from_base64("a", "not base64!").is_err());
    }

    #[test]
    fn a_key_shows_its_name_only() {
        //
        let key = LocalKey::generate("2026-11").expect("a key");
        assert_eq!(format!("{key:?}"), "LocalKey(2026-11)");
        assert_eq!(format!("{:?}", key.to_base64()), "KeyText([redacted])");
    }
}
