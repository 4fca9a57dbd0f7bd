//! Thirty-two secret bytes and the three things done with them: derive, encrypt, authenticate.

use std::fmt;

use aws_lc_rs::aead::{self, AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac, rand};
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox};
use zeroize::Zeroizing;

use crate::model::invalid::Invalid;
use crate::storage::keyring::KeyError;

/// A symmetric key of 256 bits: wiped when dropped, never shown.
pub struct DataKey(SecretBox<[u8; DataKey::LENGTH]>);

impl DataKey {
    /// How many bytes a key has.
    pub const LENGTH: usize = 32;

    /// A new random key.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`] when the operating system gives none.
    pub fn generate() -> Result<Self, KeyError> {
        let mut key = SecretBox::new(Box::new([0; Self::LENGTH]));
        rand::fill(key.expose_secret_mut()).map_err(|_| KeyError::NoRandomness)?;
        Ok(Self(key))
    }

    /// The key with these bytes, as a [`KeyWrap`](crate::KeyWrap) unwraps it.
    ///
    /// # Errors
    /// [`Invalid`] when there are not exactly 32 of them.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, Invalid> {
        if bytes.len() != Self::LENGTH {
            return Err(Invalid::new("key", "has another length", "32 bytes"));
        }
        Ok(Self::made(|key| key.copy_from_slice(bytes)))
    }

    /// The key itself. Every call is a place to look at in review.
    #[must_use]
    pub fn expose(&self) -> &[u8; Self::LENGTH] {
        self.0.expose_secret()
    }

    /// Another key for one purpose, from which this one cannot be found (HKDF, RFC 5869).
    pub(crate) fn derive(&self, purpose: &str) -> Self {
        let info = [purpose.as_bytes()];
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(self.expose());
        Self::made(|key| {
            extracted
                .expand(&info, hkdf::HKDF_SHA256)
                .and_then(|output| output.fill(key))
                .expect("one block of HKDF is never too long");
        })
    }

    /// Encrypts in place, with a random nonce and the tag at the end; binds `bound` (RFC 8452).
    pub(crate) fn encrypt(&self, bound: &[u8], text: &mut Vec<u8>) -> Result<NonceBytes, KeyError> {
        let mut nonce: NonceBytes = [0; aead::NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| KeyError::NoRandomness)?;
        self.encrypt_with(nonce, bound, text);
        Ok(nonce)
    }

    /// Encrypts as [`DataKey::encrypt`] does, with a nonce that was drawn before.
    pub(crate) fn encrypt_with(&self, nonce: NonceBytes, bound: &[u8], text: &mut Vec<u8>) {
        let unique = Nonce::assume_unique_for_key(nonce);
        // The tag is appended only now: growing the buffer before would leave plaintext behind.
        let tag = self
            .cipher()
            .seal_in_place_separate_tag(unique, Aad::from(bound), text)
            .expect("a buffer in memory is within the cipher's limits");
        text.extend_from_slice(tag.as_ref());
    }

    /// Decrypts in place; nothing, unless this key encrypted exactly this under exactly `bound`.
    pub(crate) fn decrypt<'t>(
        &self,
        nonce: NonceBytes,
        bound: &[u8],
        text: &'t mut [u8],
    ) -> Option<&'t mut [u8]> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.cipher().open_in_place(nonce, Aad::from(bound), text).ok()
    }

    /// An HMAC-SHA256 over `text`.
    pub(crate) fn authenticate(&self, text: &[u8]) -> hmac::Tag {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, self.expose()), text)
    }

    /// Whether `tag` is the HMAC-SHA256 over `text`, in constant time.
    pub(crate) fn authenticated(&self, text: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, self.expose()), text, tag).is_ok()
    }

    fn cipher(&self) -> LessSafeKey {
        let key = UnboundKey::new(&AES_256_GCM_SIV, self.expose()).expect("32 bytes fit");
        LessSafeKey::new(key)
    }

    fn made(fill: impl FnOnce(&mut [u8; Self::LENGTH])) -> Self {
        Self(SecretBox::init_with_mut(fill))
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("DataKey([redacted])")
    }
}

/// A new key, and two nonces to use with it: drawn at once, for every request has its price.
pub(crate) fn key_and_nonces() -> Result<(DataKey, [NonceBytes; 2]), KeyError> {
    const KEY: usize = DataKey::LENGTH;
    let mut drawn = Zeroizing::new([0; KEY + 2 * aead::NONCE_LEN]);
    rand::fill(drawn.as_mut()).map_err(|_| KeyError::NoRandomness)?;
    let (key, nonces) = drawn.split_at(KEY);
    let nonce = |at: usize| *nonces[at..].first_chunk().expect("two nonces were drawn");
    let nonces = [nonce(0), nonce(aead::NONCE_LEN)];
    Ok((DataKey::made(|made| made.copy_from_slice(key)), nonces))
}

/// A nonce of 96 bits. AES-256-GCM-SIV survives a repeated one, and no key of this crate encrypts
/// more than 2^32 messages (RFC 8452, section 9): a record's key encrypts one, a partner's key one
/// for each time a record of that partner is written.
pub(crate) type NonceBytes = [u8; aead::NONCE_LEN];

/// What encryption adds at the end.
pub(crate) const TAG_LENGTH: usize = 16;

const SALT: &[u8] = b"cpv-consent v1";

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> DataKey {
        DataKey::from_slice(&[7; 32]).expect("32 bytes")
    }

    #[test]
    fn what_is_bound_must_be_the_same() {
        let mut text = b"secret".to_vec();
        let nonce = key().encrypt(b"here", &mut text).expect("randomness");
        assert!(key().decrypt(nonce, b"there", &mut text.clone()).is_none());
        assert_eq!(key().decrypt(nonce, b"here", &mut text).expect("ours"), b"secret");
    }

    #[test]
    fn each_purpose_has_its_own_key() {
        let (first, second) = (key().derive("a"), key().derive("b"));
        assert_ne!(first.expose(), second.expose());
        assert_ne!(first.expose(), key().expose());
        assert_eq!(first.expose(), key().derive("a").expose());
    }

    #[test]
    fn an_authentication_is_of_one_text_and_one_key() {
        let tag = key().authenticate(b"text");
        assert!(key().authenticated(b"text", tag.as_ref()));
        assert!(!key().authenticated(b"other", tag.as_ref()));
        assert!(!key().derive("a").authenticated(b"text", tag.as_ref()));
    }

    #[test]
    fn a_key_is_never_shown() {
        //
        assert_eq!(format!("{:?}", key()), "DataKey([redacted])");
        assert!(DataKey::from_slice(&[7; 16]).is_err());
    }
}
