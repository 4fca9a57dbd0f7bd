//! A partner's own key, as the ring wraps it and proves that it did.
//!
//! Wrapping may take no more than a public key, so a wrapped key proves its origin: with an HMAC
//! over its place, the name of the ring's key and the wrapped bytes, under a secret of the ring.
//!
//! ```text
//! "CPVK"  format  length, ring key id  length, wrapped key  HMAC-SHA256
//!   4       1         1 + n                 2 + m               32
//! ```

use std::fmt;

use crate::storage::keyring::{DataKey, KeyError, KeyId, KeyRing};
use crate::storage::seal::{Damage, Identity, Sealed, take};

/// Tells one partner's keys apart, past and present; says nothing about any of them.
pub(crate) type PartnerKeyId = [u8; 16];

/// The key under which all of one partner's records stand. Destroying it shreds them.
pub(crate) struct PartnerKey {
    key: DataKey,
    wrapping: DataKey,
    id: PartnerKeyId,
}

impl PartnerKey {
    /// A new random key.
    pub(crate) fn generate() -> Result<Self, KeyError> {
        DataKey::generate().map(Self::from)
    }

    pub(crate) const fn id(&self) -> PartnerKeyId {
        self.id
    }

    /// The key that wraps the keys of records.
    pub(super) const fn wrapping(&self) -> &DataKey {
        &self.wrapping
    }

    /// Wraps this key under the ring's primary key, for one place.
    pub(crate) async fn wrap(
        &self,
        identity: &Identity<'_>,
        ring: &KeyRing,
    ) -> Result<Sealed, KeyError> {
        let primary = ring.primary();
        let wrapped = primary.wrap(&self.key).await?;
        let mut bytes = clear(primary.id(), &wrapped)?;
        let proof = primary.origin().authenticate(&identity.bound(PURPOSE, &bytes));
        bytes.extend_from_slice(proof.as_ref());
        Ok(Sealed::from_bytes(bytes))
    }

    /// Unwraps a key that this ring wrapped for exactly this place.
    pub(crate) async fn unwrap(
        identity: &Identity<'_>,
        ring: &KeyRing,
        sealed: &Sealed,
    ) -> Result<Self, UnwrapError> {
        let wrapped = Wrapped::parse(sealed)?;
        let key = ring.find(&wrapped.ring_key)?;
        let bound = identity.bound(PURPOSE, wrapped.clear);
        if !key.origin().authenticated(&bound, wrapped.proof) {
            return Err(KeyError::Refused { id: wrapped.ring_key }.into());
        }
        Ok(key.unwrap(wrapped.key).await.map(Self::from)?)
    }
}

impl From<DataKey> for PartnerKey {
    fn from(key: DataKey) -> Self {
        let wrapping = key.derive("partner key: wrap");
        let name = key.derive("partner key: id");
        let id = *name.expose().first_chunk().expect("16 of 32 bytes");
        Self { key, wrapping, id }
    }
}

impl fmt::Debug for PartnerKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PartnerKey([redacted])")
    }
}

/// Why a wrapped partner key did not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnwrapError {
    #[error(transparent)]
    Damage(#[from] Damage),
    #[error(transparent)]
    Key(#[from] KeyError),
}

struct Wrapped<'a> {
    clear: &'a [u8],
    ring_key: KeyId,
    key: &'a [u8],
    proof: &'a [u8; PROOF_LENGTH],
}

impl<'a> Wrapped<'a> {
    fn parse(sealed: &'a Sealed) -> Result<Self, Damage> {
        let (clear, proof) = sealed.as_bytes().split_last_chunk().ok_or(Damage::Shape)?;
        let mut rest = clear;
        expect_start(&mut rest)?;
        let [length] = *take(&mut rest)?;
        let ring_key = key_id(taken(&mut rest, usize::from(length))?)?;
        let length = u16::from_be_bytes(*take(&mut rest)?);
        let key = taken(&mut rest, usize::from(length))?;
        if rest.is_empty() { Ok(Self { clear, ring_key, key, proof }) } else { Err(Damage::Shape) }
    }
}

fn expect_start(rest: &mut &[u8]) -> Result<(), Damage> {
    if take::<4>(rest)? != MAGIC {
        return Err(Damage::Shape);
    }
    match take(rest)? {
        [FORMAT] => Ok(()),
        [format] => Err(Damage::Format(*format)),
    }
}

fn taken<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Damage> {
    rest.split_off(..length).ok_or(Damage::Shape)
}

fn key_id(bytes: &[u8]) -> Result<KeyId, Damage> {
    let text = std::str::from_utf8(bytes).map_err(|_| Damage::Shape)?;
    KeyId::new(text).map_err(|_| Damage::Shape)
}

fn clear(ring_key: &KeyId, wrapped: &[u8]) -> Result<Vec<u8>, KeyError> {
    let id = ring_key.as_str().as_bytes();
    let id_length = u8::try_from(id.len()).expect("a key id has at most 64 bytes");
    // The wrap is another's code: what it returns is measured, not trusted to fit.
    let length = u16::try_from(wrapped.len()).map_err(|_| KeyError::Unavailable {
        id: ring_key.clone(),
        because: "its wrapped keys are too long".into(),
    })?;
    let start = [MAGIC.as_slice(), &[FORMAT, id_length]].concat();
    Ok([&start, id, &length.to_be_bytes(), wrapped].concat())
}

const PURPOSE: &str = "partner key";
const MAGIC: &[u8; 4] = b"CPVK";
const FORMAT: u8 = 1;
const PROOF_LENGTH: usize = 32;
