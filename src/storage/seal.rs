//! The envelope: how a record becomes bytes that only its own place in the store can open.
//!
//! A record is encrypted under a key of its own, which is wrapped under its partner's key, which is
//! wrapped under the key ring. Its place (realm, kind, partner, id), its generation and its header
//! are bound as associated data; the ring's key is not, so that rotating the ring rewraps partner
//! keys and leaves records alone.
//!
//! ```text
//! "CPVS"  format  algorithm  generation  partner key id  nonce  wrapped key  nonce  ciphertext
//!   4       1         1          8             16          12        48        12      n + 16
//! ```

mod partner_key;

use std::fmt;

use zeroize::Zeroizing;

use crate::model::cloud::Realm;
use crate::model::tenant::TenantId;
use crate::storage::keyring::{DataKey, KeyError, NonceBytes, TAG_LENGTH, key_and_nonces};

pub(crate) use self::partner_key::{
    Destroyed, KeyRow, PartnerKey, PartnerKeyId, UnwrapError, mark, said_to_be_under, wrap_key,
};

/// Bytes of which nothing but their length can be told without the key.
///
/// Only the crate itself makes them from plaintext; a store keeps them as they are.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// What a store has read. It is not believed before it is opened, so any bytes may be given.
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// What a store is to keep.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Sealed({} bytes)", self.0.len())
    }
}

/// Why sealed bytes did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// These are not the bytes of a sealed record, or not all of them.
    #[error("it is not a sealed record")]
    Shape,
    /// A format that this version of the crate does not know.
    #[error("its format {0} is not known")]
    Format(u8),
    /// An algorithm that this version of the crate does not know.
    #[error("its algorithm {0} is not known")]
    Algorithm(u8),
    /// The partner's key under which it was sealed was destroyed or replaced.
    #[error("its partner key is gone")]
    KeyGone,
    /// It was changed, or it was sealed for another place.
    #[error("it was changed or belongs elsewhere")]
    Forged,
    /// It opened, and what is in it is not what this kind of record holds.
    #[error("its contents are not those of its kind")]
    Contents,
    /// The store could not make out the row around it.
    #[error("its row cannot be read")]
    Row,
}

/// The place of a record, bound into its envelope.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity<'a> {
    pub(crate) realm: &'a Realm,
    pub(crate) kind: &'static str,
    pub(crate) partner: Option<TenantId>,
    pub(crate) id: &'a str,
}

impl Identity<'_> {
    /// The associated data of one `purpose`, with the bytes that stand in clear before it.
    fn bound(&self, purpose: &str, clear: &[u8]) -> Vec<u8> {
        let [cloud, authority, environment, application] = self.realm.parts();
        let partner = self.partner.map_or_else(String::new, |partner| partner.to_string());
        length_prefixed(&[
            SCHEMA.as_bytes(),
            purpose.as_bytes(),
            self.kind.as_bytes(),
            cloud.as_bytes(),
            authority.as_bytes(),
            environment.as_bytes(),
            application.as_bytes(),
            partner.as_bytes(),
            self.id.as_bytes(),
            clear,
        ])
    }
}

/// What was in an envelope, wiped when dropped.
pub(crate) struct Opened {
    pub(crate) generation: u64,
    pub(crate) plaintext: Zeroizing<Vec<u8>>,
}

/// Seals a record for one place. The plaintext is overwritten by its own ciphertext.
pub(crate) fn seal(
    identity: &Identity<'_>,
    generation: u64,
    partner_key: &PartnerKey,
    mut plaintext: Zeroizing<Vec<u8>>,
) -> Result<Sealed, KeyError> {
    let (record_key, [key_nonce, nonce]) = key_and_nonces()?;
    let mut envelope = preface(generation, partner_key.id(), plaintext.len());
    let wrapped = wrap_record_key(partner_key, &record_key, key_nonce, &envelope);
    envelope.extend_from_slice(&key_nonce);
    envelope.extend_from_slice(&wrapped);
    record_key.encrypt_with(nonce, &identity.bound(RECORD, &envelope), &mut plaintext);
    envelope.extend_from_slice(&nonce);
    envelope.extend_from_slice(&plaintext);
    Ok(Sealed(envelope))
}

/// Opens what was sealed for exactly this place under exactly this partner key.
pub(crate) fn open(
    identity: &Identity<'_>,
    partner_key: &PartnerKey,
    sealed: &Sealed,
) -> Result<Opened, Damage> {
    let envelope = Envelope::parse(sealed)?;
    let record_key = unwrap_record_key(partner_key, &envelope)?;
    let bound = identity.bound(RECORD, envelope.header);
    let mut plaintext = Zeroizing::new(envelope.ciphertext.to_vec());
    record_key.decrypt(envelope.nonce, &bound, &mut plaintext).ok_or(Damage::Forged)?;
    plaintext.truncate(envelope.ciphertext.len() - TAG_LENGTH);
    Ok(Opened { generation: envelope.generation, plaintext })
}

/// What an envelope says of itself: a hint, proven only by opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Said {
    /// The partner key that it was sealed under.
    pub(crate) under: PartnerKeyId,
    pub(crate) generation: u64,
}

/// What an envelope says of itself.
pub(crate) fn said(sealed: &Sealed) -> Result<Said, Damage> {
    let envelope = Envelope::parse(sealed)?;
    Ok(Said { under: envelope.partner_key, generation: envelope.generation })
}

/// The start of an envelope, with room for all of it.
fn preface(generation: u64, partner_key: PartnerKeyId, text: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_LENGTH + NONCE_LENGTH + text + TAG_LENGTH);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[FORMAT, AES_256_GCM_SIV]);
    bytes.extend_from_slice(&generation.to_be_bytes());
    bytes.extend_from_slice(&partner_key);
    bytes
}

/// The wrap binds what stands before it. The record's place is bound by the record itself, which
/// only this key opens.
fn wrap_record_key(
    partner_key: &PartnerKey,
    record_key: &DataKey,
    nonce: NonceBytes,
    preface: &[u8],
) -> Zeroizing<Vec<u8>> {
    let mut wrapped = Zeroizing::new(Vec::with_capacity(WRAPPED_LENGTH));
    wrapped.extend_from_slice(record_key.expose());
    partner_key.wrapping().encrypt_with(nonce, preface, &mut wrapped);
    wrapped
}

fn unwrap_record_key(partner_key: &PartnerKey, envelope: &Envelope<'_>) -> Result<DataKey, Damage> {
    let mut wrapped = Zeroizing::new(*envelope.wrapped_key);
    let (nonce, preface) = (envelope.key_nonce, envelope.preface);
    let key = partner_key.wrapping().decrypt(nonce, preface, wrapped.as_mut());
    DataKey::from_slice(key.ok_or(Damage::Forged)?).map_err(|_| Damage::Forged)
}

/// The parts of an envelope, none of them believed yet.
struct Envelope<'a> {
    preface: &'a [u8],
    header: &'a [u8],
    generation: u64,
    partner_key: PartnerKeyId,
    key_nonce: NonceBytes,
    wrapped_key: &'a [u8; WRAPPED_LENGTH],
    nonce: NonceBytes,
    ciphertext: &'a [u8],
}

impl<'a> Envelope<'a> {
    fn parse(sealed: &'a Sealed) -> Result<Self, Damage> {
        let all = sealed.as_bytes();
        let mut rest = all;
        expect_start(&mut rest)?;
        let generation = u64::from_be_bytes(*take(&mut rest)?);
        let partner_key = *take(&mut rest)?;
        let preface = &all[..all.len() - rest.len()];
        let key_nonce = *take(&mut rest)?;
        let wrapped_key = take(&mut rest)?;
        let header = &all[..all.len() - rest.len()];
        let nonce = *take(&mut rest)?;
        if rest.len() < TAG_LENGTH {
            return Err(Damage::Shape);
        }
        let ciphertext = rest;
        Ok(Self {
            preface,
            header,
            generation,
            partner_key,
            key_nonce,
            wrapped_key,
            nonce,
            ciphertext,
        })
    }
}

fn expect_start(rest: &mut &[u8]) -> Result<(), Damage> {
    if take::<4>(rest)? != MAGIC {
        return Err(Damage::Shape);
    }
    match take::<2>(rest)? {
        [FORMAT, AES_256_GCM_SIV] => Ok(()),
        [FORMAT, algorithm] => Err(Damage::Algorithm(*algorithm)),
        [format, _] => Err(Damage::Format(*format)),
    }
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], Damage> {
    let (first, others) = rest.split_first_chunk().ok_or(Damage::Shape)?;
    *rest = others;
    Ok(first)
}

/// Fields that no shift of a border can make into other fields.
fn length_prefixed(fields: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(fields.iter().map(|field| field.len() + 8).sum());
    for field in fields {
        bytes.extend_from_slice(&(field.len() as u64).to_be_bytes());
        bytes.extend_from_slice(field);
    }
    bytes
}

const SCHEMA: &str = "cpv-consent sealed v1";
const RECORD: &str = "record";
const MAGIC: &[u8; 4] = b"CPVS";
const FORMAT: u8 = 1;
const AES_256_GCM_SIV: u8 = 1;
const NONCE_LENGTH: usize = size_of::<NonceBytes>();
const WRAPPED_LENGTH: usize = DataKey::LENGTH + TAG_LENGTH;
const PREFACE_LENGTH: usize = 4 + 1 + 1 + 8 + 16;
const HEADER_LENGTH: usize = PREFACE_LENGTH + NONCE_LENGTH + WRAPPED_LENGTH;

#[cfg(test)]
pub(crate) mod tests;
