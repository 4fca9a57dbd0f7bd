//! What lies in the place of a partner's key: the key, as the ring wraps it, or the mark that it was
//! destroyed.
//!
//! Wrapping may take no more than a public key, so each proves its origin: with an HMAC over its
//! place and its bytes, under a secret of the ring. A key remembers the last time that its partner
//! was let go, withdrawn or destroyed, so that what is older than that never counts again: keys live
//! apart from rows, so a row that was put back from a backup meets that memory.
//!
//! ```text
//! "CPVK"  format  generation  time  length, ring key id  length, wrapped key  HMAC-SHA256
//! "CPVD"  format  generation  time  length, ring key id                       HMAC-SHA256
//!   4       1         8        8         1 + n                 2 + m               32
//! ```
//!
//! Generation and time are those of the last destruction or withdrawal, both zero where there was
//! none.

use std::fmt;
use std::time::SystemTime;

use crate::model::clock::{from_unix_seconds, unix_seconds};
use crate::model::consent::Consent;
use crate::storage::keyring::{DataKey, KeyError, KeyId, Keyholder, PROOF_LENGTH};
use crate::storage::seal::{Damage, Identity, Sealed, take};

/// Tells one partner's keys apart, past and present; says nothing about any of them.
pub(crate) type PartnerKeyId = [u8; 16];

/// The key under which all of one partner's records stand. Destroying it shreds them.
pub(crate) struct PartnerKey {
    wrapping: DataKey,
    id: PartnerKeyId,
    let_go: Option<Destroyed>,
}

impl PartnerKey {
    pub(crate) const fn id(&self) -> PartnerKeyId {
        self.id
    }

    /// With its memory of the last time that the partner was let go.
    pub(crate) const fn remembering(mut self, let_go: Option<Destroyed>) -> Self {
        self.let_go = let_go;
        self
    }

    /// The last time that the partner was let go, as far as this key was there.
    pub(crate) const fn let_go(&self) -> Option<Destroyed> {
        self.let_go
    }

    /// The key that wraps the keys of records.
    pub(super) const fn wrapping(&self) -> &DataKey {
        &self.wrapping
    }
}

impl From<&DataKey> for PartnerKey {
    fn from(key: &DataKey) -> Self {
        let wrapping = key.derive("partner key: wrap");
        let name = key.derive("partner key: id");
        let id = *name.expose().first_chunk().expect("16 of 32 bytes");
        Self { wrapping, id, let_go: None }
    }
}

impl fmt::Debug for PartnerKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PartnerKey([redacted])")
    }
}

/// The destruction of a partner's key, or a withdrawal: nothing of this generation or older, and
/// nothing that began before, counts any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Destroyed {
    pub(crate) generation: u64,
    pub(crate) at: SystemTime,
}

impl Destroyed {
    /// The withdrawal that a tombstone tells of; `None` if it is none.
    pub(crate) fn told_by(tombstone: &Consent) -> Option<Self> {
        let withdrawn_at = tombstone.withdrawn_at.filter(|_| tombstone.is_withdrawn());
        let at = from_unix_seconds(withdrawn_at?);
        Some(Self { generation: tombstone.generation.saturating_sub(1), at })
    }

    /// Both in one: the higher generation, and the later time.
    pub(crate) fn with(self, other: Self) -> Self {
        let generation = self.generation.max(other.generation);
        Self { generation, at: self.at.max(other.at) }
    }

    /// Whether it came after `begun_at`, or within the same second.
    pub(crate) fn overtook(&self, begun_at: SystemTime) -> bool {
        unix_seconds(begun_at) <= unix_seconds(self.at)
    }
}

/// What a ring has said of a place. Reading it takes no provider; only the key itself does.
#[derive(Debug)]
pub(crate) struct KeyRow<'a> {
    destroyed: Option<Destroyed>,
    ring_key: KeyId,
    /// Nothing in a mark.
    wrapped: Option<&'a [u8]>,
}

impl<'a> KeyRow<'a> {
    /// Reads what this ring wrote for exactly this place.
    pub(crate) fn read(
        identity: &Identity<'_>,
        holder: &Keyholder,
        sealed: &'a Sealed,
    ) -> Result<Self, UnwrapError> {
        let (clear, proof) = parts(sealed)?;
        let row = Self::parse(clear)?;
        holder.verify(&row.ring_key, &identity.bound(PURPOSE, clear), proof)?;
        Ok(row)
    }

    /// The last time that this partner was let go.
    pub(crate) const fn destroyed(&self) -> Option<Destroyed> {
        self.destroyed
    }

    /// The same with this memory.
    pub(crate) fn remembering(self, let_go: Destroyed) -> Self {
        Self { destroyed: Some(let_go), ..self }
    }

    /// The mark that this is, if it is one.
    pub(crate) const fn mark(&self) -> Option<Destroyed> {
        if self.wrapped.is_none() { self.destroyed } else { None }
    }

    /// The key, if this is no mark.
    pub(crate) async fn unwrap(&self, holder: &Keyholder) -> Result<Option<DataKey>, KeyError> {
        match self.wrapped {
            Some(wrapped) => holder.unwrap(&self.ring_key, wrapped).await.map(Some),
            None => Ok(None),
        }
    }

    /// The same under the ring's primary key.
    pub(crate) async fn rewrap(
        &self,
        identity: &Identity<'_>,
        holder: &Keyholder,
    ) -> Result<Sealed, KeyError> {
        match (self.unwrap(holder).await?, self.destroyed) {
            (Some(key), destroyed) => wrap_key(identity, holder, &key, destroyed).await,
            (None, destroyed) => sign(identity, holder, start(MARK, destroyed, holder)),
        }
    }

    fn parse(clear: &'a [u8]) -> Result<Self, Damage> {
        let mut rest = clear;
        let magic = expect_start(&mut rest)?;
        let generation = u64::from_be_bytes(*take(&mut rest)?);
        let at = from_unix_seconds(u64::from_be_bytes(*take(&mut rest)?));
        let destroyed = (generation != 0).then_some(Destroyed { generation, at });
        let [length] = *take(&mut rest)?;
        let ring_key = key_id(taken(&mut rest, usize::from(length))?)?;
        let wrapped = match magic {
            MARK => None,
            _ => Some(wrapped(&mut rest)?),
        };
        let whole = rest.is_empty() && (wrapped.is_some() || destroyed.is_some());
        if whole { Ok(Self { destroyed, ring_key, wrapped }) } else { Err(Damage::Shape) }
    }
}

/// Which key of the ring a row says it is under: a hint, proven only by reading it.
pub(crate) fn said_to_be_under(sealed: &Sealed) -> Result<KeyId, Damage> {
    KeyRow::parse(parts(sealed)?.0).map(|row| row.ring_key)
}

/// Wraps a partner's key for one place under the ring's primary key.
pub(crate) async fn wrap_key(
    identity: &Identity<'_>,
    holder: &Keyholder,
    key: &DataKey,
    after: Option<Destroyed>,
) -> Result<Sealed, KeyError> {
    let wrapped = holder.wrap(key).await?;
    // The wrap is another's code: what it returns is measured, not trusted to fit.
    let length = u16::try_from(wrapped.len()).map_err(|_| KeyError::Unavailable {
        id: holder.primary().clone(),
        because: "its wrapped keys are too long".into(),
    })?;
    let mut clear = start(KEY, after, holder);
    clear.extend_from_slice(&length.to_be_bytes());
    clear.extend_from_slice(&wrapped);
    sign(identity, holder, clear)
}

/// The mark that takes the place of a key.
pub(crate) fn mark(
    identity: &Identity<'_>,
    holder: &Keyholder,
    destroyed: Destroyed,
) -> Result<Sealed, KeyError> {
    sign(identity, holder, start(MARK, Some(destroyed), holder))
}

impl Sealed {
    /// Whether it is the mark of a destroyed partner key. A store that keeps older bytes for a
    /// while, in a log, drops them when it gets one.
    #[must_use]
    pub fn marks_destruction(&self) -> bool {
        self.as_bytes().starts_with(MARK)
    }
}

/// Why what lies in the place of a partner's key is not believed, or does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnwrapError {
    #[error(transparent)]
    Damage(#[from] Damage),
    #[error(transparent)]
    Key(#[from] KeyError),
}

fn start(magic: &[u8; 4], destroyed: Option<Destroyed>, holder: &Keyholder) -> Vec<u8> {
    let generation = destroyed.map_or(0, |destroyed| destroyed.generation.max(1));
    let at = destroyed.map_or(0, |destroyed| unix_seconds(destroyed.at));
    let id = holder.primary().as_str().as_bytes();
    let id_length = u8::try_from(id.len()).expect("a key id has at most 64 bytes");
    let mut clear = Vec::with_capacity(ROOM);
    clear.extend_from_slice(magic);
    clear.push(FORMAT);
    clear.extend_from_slice(&generation.to_be_bytes());
    clear.extend_from_slice(&at.to_be_bytes());
    clear.push(id_length);
    clear.extend_from_slice(id);
    clear
}

fn sign(
    identity: &Identity<'_>,
    holder: &Keyholder,
    mut clear: Vec<u8>,
) -> Result<Sealed, KeyError> {
    let proof = holder.sign(&identity.bound(PURPOSE, &clear))?;
    clear.extend_from_slice(&proof);
    Ok(Sealed::from_bytes(clear))
}

fn parts(sealed: &Sealed) -> Result<(&[u8], &[u8; PROOF_LENGTH]), Damage> {
    sealed.as_bytes().split_last_chunk().ok_or(Damage::Shape)
}

fn expect_start<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8; 4], Damage> {
    let magic = take(rest)?;
    if magic != KEY && magic != MARK {
        return Err(Damage::Shape);
    }
    match take(rest)? {
        [FORMAT] => Ok(magic),
        [format] => Err(Damage::Format(*format)),
    }
}

fn wrapped<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Damage> {
    let length = u16::from_be_bytes(*take(rest)?);
    taken(rest, usize::from(length))
}

fn taken<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Damage> {
    rest.split_off(..length).ok_or(Damage::Shape)
}

fn key_id(bytes: &[u8]) -> Result<KeyId, Damage> {
    let text = std::str::from_utf8(bytes).map_err(|_| Damage::Shape)?;
    KeyId::new(text).map_err(|_| Damage::Shape)
}

const PURPOSE: &str = "partner key";
const KEY: &[u8; 4] = b"CPVK";
const MARK: &[u8; 4] = b"CPVD";
const FORMAT: u8 = 1;
/// Enough for a local key's row, so that its buffer does not grow.
const ROOM: usize = 192;

#[cfg(test)]
mod edges;
