//! The keys that sign receipts. None of them is in the key ring: whoever can seal a record cannot
//! sign a receipt, and the reverse.

use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::model::clock::{Clock, from_unix_seconds, unix_seconds};
use crate::model::invalid::Invalid;
use crate::model::receipt::{hex, unhex};
use crate::storage::keyring::{KeyError, KeyId, LocalKey, bounded};

/// Signs receipts with Ed25519 (RFC 8032): in memory, as [`ReceiptKey`] does, or wherever the key is.
///
/// Key Vault and Managed HSM have no Ed25519, so a key there cannot sign receipts.
///
/// 1. `public` never changes, and no two different keys ever bear the same id.
/// 2. `sign` signs exactly these bytes, as plain Ed25519: neither a hash of them nor with a context.
/// 3. [`KeyError::Unavailable`] is only for what may pass by itself.
/// 4. Neither `Debug` nor an error shows a key.
///
/// A call that takes longer than 30 seconds is dropped and a panic is caught; the receipt then waits.
#[async_trait]
pub trait ReceiptSigner: fmt::Debug + Send + Sync + 'static {
    /// The half of the key that verifies.
    fn public(&self) -> &ReceiptPublicKey;
    /// The signature of a text.
    async fn sign(&self, text: &[u8]) -> Result<[u8; 64], KeyError>;
}

/// What the signer makes of the text, if it does so in time. Verified here, so that no chain is spoilt
/// by a signer that is not what it says.
pub(crate) async fn signed_by(
    signer: &dyn ReceiptSigner,
    clock: &dyn Clock,
    text: &[u8],
) -> Result<[u8; 64], KeyError> {
    let key = signer.public();
    let signature = bounded(clock, key.id(), signer.sign(text)).await?;
    match key.verifies(text, &signature) {
        true => Ok(signature),
        false => Err(KeyError::Refused { id: key.id().clone() }),
    }
}

/// A key of this process that signs receipts, made from a [`LocalKey`] that seals nothing.
///
/// ```
/// use cpv_consent::{LocalKey, ReceiptKey, ReceiptSigner};
///
/// let local = LocalKey::generate("receipts-2026")?; // save it as you do a key of the ring
/// let key = ReceiptKey::new(&local);
/// println!("{}", key.public().to_pem()); // for whoever verifies
/// # Ok::<(), cpv_consent::Invalid>(())
/// ```
pub struct ReceiptKey {
    public: ReceiptPublicKey,
    pair: Ed25519KeyPair,
}

impl ReceiptKey {
    /// The signing key of this local key: no other can be computed from it. Keep it out of every key
    /// ring; the builder of a broker refuses one whose id is in its ring.
    #[must_use]
    pub fn new(local: &LocalKey) -> Self {
        let seed = local.derive("receipt key: ed25519");
        let pair =
            Ed25519KeyPair::from_seed_unchecked(seed.expose()).expect("any 32 bytes are one");
        let bytes = *pair.public_key().as_ref().first_chunk().expect("a public key has 32 bytes");
        let id = crate::storage::keyring::KeyWrap::id(local).clone();
        Self { public: ReceiptPublicKey { id, bytes }, pair }
    }
}

#[async_trait]
impl ReceiptSigner for ReceiptKey {
    fn public(&self) -> &ReceiptPublicKey {
        &self.public
    }

    async fn sign(&self, text: &[u8]) -> Result<[u8; 64], KeyError> {
        let signature = self.pair.sign(text);
        Ok(*signature.as_ref().first_chunk().expect("a signature has 64 bytes"))
    }
}

impl fmt::Debug for ReceiptKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ReceiptKey({})", self.public.id.as_str())
    }
}

/// The half of a key that verifies receipts.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceiptPublicKey {
    id: KeyId,
    bytes: [u8; 32],
}

impl ReceiptPublicKey {
    /// The public key with these bytes (RFC 8032, section 5.1.5).
    #[must_use]
    pub const fn new(id: KeyId, bytes: [u8; 32]) -> Self {
        Self { id, bytes }
    }

    /// The name that stands in every receipt it verifies.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// The key itself.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// As PEM (RFC 8410), for other tools.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let text = BASE64_STANDARD.encode([SPKI.as_slice(), &self.bytes].concat());
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    }

    pub(crate) fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.bytes).verify(text, signature).is_ok()
    }
}

impl fmt::Debug for ReceiptPublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ReceiptPublicKey({}, {})", self.id.as_str(), hex(&self.bytes))
    }
}

/// The public keys that a verifier believes, each with the time of its retirement, if it is.
///
/// Get them from the vendor by a way of your own: whoever can change them can sign anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptKeys(Vec<Trusted>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Trusted {
    key: ReceiptPublicKey,
    retired: Option<u64>,
}

impl ReceiptKeys {
    /// The key that signs now.
    #[must_use]
    pub fn new(key: &ReceiptPublicKey) -> Self {
        Self(vec![Trusted { key: key.clone(), retired: None }])
    }

    /// Adds another key that signs now: while processes change over there are two.
    ///
    /// # Errors
    /// [`Invalid`] when there is a key of that name.
    pub fn and(self, key: &ReceiptPublicKey) -> Result<Self, Invalid> {
        self.with(Trusted { key: key.clone(), retired: None })
    }

    /// Adds a key that signs no more since `at`: what it signed before stays good.
    ///
    /// # Errors
    /// [`Invalid`] when there is a key of that name.
    pub fn and_retired(self, key: &ReceiptPublicKey, at: SystemTime) -> Result<Self, Invalid> {
        self.with(Trusted { key: key.clone(), retired: Some(unix_seconds(at)) })
    }

    /// The set as JSON, to hand to whoever verifies.
    #[must_use]
    pub fn to_json(&self) -> String {
        let keys = self.0.iter().map(|trusted| KeyText {
            id: trusted.key.id.clone(),
            ed25519: hex(&trusted.key.bytes),
            retired: trusted.retired,
        });
        let set = KeySet { receipt_keys: keys.collect() };
        serde_json::to_string(&set).expect("plain structs are JSON")
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// [`Invalid`] for any other text.
    pub fn from_json(text: &str) -> Result<Self, Invalid> {
        let wrong = || Invalid::new("receipt keys", "are not as they were written", EXPECTED);
        let set: KeySet = serde_json::from_str(text).map_err(|_| wrong())?;
        let mut keys = Self(Vec::new());
        for KeyText { id, ed25519, retired } in set.receipt_keys {
            let bytes = unhex(&ed25519).ok_or_else(wrong)?;
            keys = keys.with(Trusted { key: ReceiptPublicKey { id, bytes }, retired })?;
        }
        Ok(keys)
    }

    pub(crate) fn find(&self, id: &str) -> Option<&ReceiptPublicKey> {
        self.trusted(id).map(|trusted| &trusted.key)
    }

    /// Since when the key of that name signs no more.
    pub(crate) fn retired(&self, id: &str) -> Option<SystemTime> {
        self.trusted(id)?.retired.map(from_unix_seconds)
    }

    fn trusted(&self, id: &str) -> Option<&Trusted> {
        self.0.iter().find(|trusted| trusted.key.id.as_str() == id)
    }

    fn with(mut self, trusted: Trusted) -> Result<Self, Invalid> {
        if self.trusted(trusted.key.id.as_str()).is_some() {
            const EXPECTED: &str = "a name that no other key of the set bears";
            return Err(Invalid::new("receipt key", "is in the set already", EXPECTED));
        }
        self.0.push(trusted);
        Ok(self)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeySet {
    receipt_keys: Vec<KeyText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyText {
    id: KeyId,
    ed25519: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retired: Option<u64>,
}

const EXPECTED: &str = "the JSON of ReceiptKeys::to_json";
/// What stands before the 32 bytes of an Ed25519 key: RFC 8410, section 4.
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn key(id: &str) -> ReceiptKey {
        ReceiptKey::new(&LocalKey::generate(id).expect("a key"))
    }

    #[tokio::test]
    async fn a_saved_key_signs_as_before_and_no_other_does() {
        let local = LocalKey::generate("a").expect("a key");
        let again = LocalKey::from_base64("a", local.to_base64().expose()).expect("as saved");
        let (one, again) = (ReceiptKey::new(&local), ReceiptKey::new(&again));
        assert_eq!(one.public(), again.public());
        let signature = one.sign(b"text").await.expect("signed");
        assert!(again.public().verifies(b"text", &signature));
        assert!(!again.public().verifies(b"texT", &signature));
        assert!(!key("a").public().verifies(b"text", &signature));
    }

    #[test]
    fn a_set_is_read_as_it_was_written() {
        let (old, new) = (key("old"), key("new"));
        let at = UNIX_EPOCH + Duration::from_secs(77);
        let keys = ReceiptKeys::new(new.public()).and_retired(old.public(), at).expect("two names");
        let read = ReceiptKeys::from_json(&keys.to_json()).expect("as written");
        assert_eq!(read, keys);
        assert_eq!((read.retired("old"), read.retired("new")), (Some(at), None));
        assert!(keys.and(old.public()).is_err(), "a name is given once");
        for wrong in ["", "{}", "{\"receipt_keys\":[{\"id\":\"a\",\"ed25519\":\"00\"}]}"] {
            assert!(ReceiptKeys::from_json(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_shows_its_name_only() {
        // R-137
        assert_eq!(format!("{:?}", key("receipts-1")), "ReceiptKey(receipts-1)");
    }
}
