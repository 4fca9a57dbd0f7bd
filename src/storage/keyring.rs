//! The keys that wrap keys, under the names by which records know them.

mod data_key;
mod holder;
mod key_vault;
mod local;
mod source;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::model::invalid::Invalid;

pub use self::data_key::DataKey;
pub(crate) use self::data_key::{NonceBytes, TAG_LENGTH, key_and_nonces};
pub(crate) use self::holder::{Keyholder, PROOF_LENGTH, bounded};
pub use self::key_vault::KeyVaultKey;
pub use self::local::LocalKey;
pub use self::source::KeySourceError;
#[cfg(all(unix, feature = "sqlite"))]
pub(crate) use self::source::is_of_another_user;

/// The name of a key in a ring, such as `2026-11`. It is written in clear beside what it wraps.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct KeyId(String);

impl KeyId {
    /// Takes 1 to 64 characters of `A-Z`, `a-z`, `0-9`, `.`, `_` and `-`.
    ///
    /// # Errors
    /// [`Invalid`] for any other text.
    pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
        const EXPECTED: &str = "1 to 64 of letters, digits, full stop, underscore and hyphen";
        let text = text.into();
        let wellformed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if text.is_empty() || text.len() > 64 || !text.bytes().all(wellformed) {
            return Err(Invalid::new("key id", "is empty, too long or not plain", EXPECTED));
        }
        Ok(Self(text))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

impl TryFrom<String> for KeyId {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Why a key could not do its work. No variant carries key material.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The ring has no key of this name: whoever set up the ring adds it.
    #[error(
        "no key {id} in the key ring: put it back by KeyRing::readable; nothing else opens what is \
         under it"
    )]
    Unknown {
        /// The name found beside the wrapped key.
        id: KeyId,
    },
    /// The key of this name did not make these bytes: another key was given its name, or the bytes
    /// were changed or forged.
    #[error(
        "key {id} did not wrap this: give the ring the key that bore this name first, or restore \
         the row if it was changed"
    )]
    Refused {
        /// The name found beside the wrapped key.
        id: KeyId,
    },
    /// The key is out of reach for now: trying again may help.
    #[error("key {id} is out of reach: {because}")]
    Unavailable {
        /// The key that was asked.
        id: KeyId,
        /// What stood in the way, without anything secret.
        because: Cow<'static, str>,
    },
    /// Whoever keeps the key does not let this application use it, and must be asked to.
    #[error("key {id} may not be used: {because}")]
    Forbidden {
        /// The key that was asked.
        id: KeyId,
        /// Which right is missing, without anything secret.
        because: Cow<'static, str>,
    },
    /// The key was deleted or switched off: whoever keeps it restores it.
    #[error("key {id} is gone: {because}")]
    Gone {
        /// The key that was asked.
        id: KeyId,
        /// What became of it, without anything secret.
        because: Cow<'static, str>,
    },
    /// The provider of the key panicked: it has a defect.
    #[error("the provider of key {id} panicked: whoever wrote it mends it")]
    Panicked {
        /// The key that was asked.
        id: KeyId,
    },
    /// The key was retired: a newer one goes first in the ring.
    #[error("key {id} was retired: put a newer one first in the key ring")]
    Retired {
        /// The ring's primary key.
        id: KeyId,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random bytes: whoever runs it mends that")]
    NoRandomness,
}

impl KeyError {
    /// Whether it may pass by itself.
    pub(crate) const fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    /// The key that it is about.
    pub(crate) const fn key(&self) -> Option<&KeyId> {
        match self {
            Self::Unknown { id }
            | Self::Refused { id }
            | Self::Unavailable { id, .. }
            | Self::Forbidden { id, .. }
            | Self::Gone { id, .. }
            | Self::Panicked { id }
            | Self::Retired { id } => Some(id),
            Self::NoRandomness => None,
        }
    }
}

/// Why the keys are not rotated, or a key is not retired. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRefusal {
    /// A live process would read nothing any more.
    #[error(
        "process {process} cannot read key {key}: make it a readable key of every process first"
    )]
    UnreadableBy {
        /// The ring's primary key here.
        key: KeyId,
        /// That process, as it calls itself.
        process: String,
    },
    /// A live process still wraps under it.
    #[error("key {key} is the primary key of process {process}: put a newer one first there")]
    PrimaryOf {
        /// The key to retire.
        key: KeyId,
        /// That process, as it calls itself.
        process: String,
    },
    /// Partner keys, or marks of destroyed ones, lie under it.
    #[error("{rows} partner keys are under key {key}: rotate the keys first")]
    InUse {
        /// The key to retire.
        key: KeyId,
        /// How many.
        rows: u64,
    },
    /// Those of another application or environment in the same store lie under it.
    #[error("{rows} partner keys of {realm} are under key {key}: rotate the keys there first")]
    InUseElsewhere {
        /// The key to retire.
        key: KeyId,
        /// Whose they are: cloud, login origin, environment and application.
        realm: String,
        /// How many.
        rows: u64,
    },
    /// What lies there cannot be read, so it may be under this key.
    #[error(
        "{rows} partner keys of {realm} cannot be read and may be under key {key}: \
         a rotation names them"
    )]
    Unreadable {
        /// The key to retire.
        key: KeyId,
        /// Whose they are: cloud, login origin, environment and application.
        realm: String,
        /// How many.
        rows: u64,
    },
}

/// Wraps and unwraps data keys under a key of its own: in memory, in Key Vault, in an HSM.
///
/// 1. `unwrap` gives back exactly the key that `wrap` took, in any process that holds the same key.
/// 2. `unwrap` of bytes that were changed, or made under another key, is [`KeyError::Refused`].
/// 3. `id` never changes, and no two different keys ever bear the same one.
/// 4. `origin` is the same in every process and for the life of the key, cannot be computed from
///    what `wrap` needs or returns, and is known to nobody who cannot also `unwrap`. Where wrapping
///    takes only a public key, this is what keeps others from forging records.
/// 5. [`KeyError::Unavailable`] is only for what may pass by itself.
/// 6. Neither `Debug` nor an error shows a key.
///
/// A call that takes longer than 30 seconds counts as [`KeyError::Unavailable`] and is dropped; a
/// panic is caught and is [`KeyError::Panicked`].
#[async_trait]
pub trait KeyWrap: fmt::Debug + Send + Sync + 'static {
    /// The name that is written beside what this key wraps.
    fn id(&self) -> &KeyId;
    /// Wraps a data key.
    async fn wrap(&self, key: &DataKey) -> Result<Vec<u8>, KeyError>;
    /// Gives back the data key that was wrapped.
    async fn unwrap(&self, wrapped: &[u8]) -> Result<DataKey, KeyError>;
    /// A secret that only the holder of this key has: it proves that the holder wrapped a key.
    fn origin(&self) -> &DataKey;
}

/// One key that wraps, and any number that can still be read.
#[derive(Clone)]
pub struct KeyRing {
    primary: Arc<dyn KeyWrap>,
    readable: Vec<Arc<dyn KeyWrap>>,
    cached_for: Duration,
}

impl KeyRing {
    /// A ring whose new records are wrapped under `primary`.
    pub fn new(primary: impl KeyWrap) -> Self {
        Self { primary: Arc::new(primary), readable: Vec::new(), cached_for: CACHED_FOR }
    }

    /// Adds an older key: what it wrapped stays readable, nothing new is wrapped under it.
    ///
    /// # Errors
    /// [`Invalid`] when the ring already has a key of that name.
    pub fn readable(mut self, key: impl KeyWrap) -> Result<Self, Invalid> {
        if self.find(key.id()).is_ok() {
            const EXPECTED: &str = "a name that no other key of the ring bears";
            return Err(Invalid::new("key id", "is in the ring already", EXPECTED));
        }
        self.readable.push(Arc::new(key));
        Ok(self)
    }

    /// How long a partner's key that was unwrapped serves from memory, also while the ring's keys
    /// are out of reach; 15 minutes unless said otherwise. After that it is unwrapped anew.
    #[must_use]
    pub fn cached_for(mut self, limit: Duration) -> Self {
        self.cached_for = limit;
        self
    }

    pub(crate) fn primary(&self) -> &dyn KeyWrap {
        self.primary.as_ref()
    }

    fn find(&self, id: &KeyId) -> Result<&dyn KeyWrap, KeyError> {
        let found = self.keys().find(|key| key.id() == id);
        found.ok_or_else(|| KeyError::Unknown { id: id.clone() })
    }

    /// The names of its keys, the primary one first.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &KeyId> {
        self.keys().map(KeyWrap::id)
    }

    fn keys(&self) -> impl Iterator<Item = &dyn KeyWrap> {
        std::iter::once(&self.primary).chain(&self.readable).map(AsRef::as_ref)
    }
}

const CACHED_FOR: Duration = Duration::from_secs(15 * 60);

impl fmt::Debug for KeyRing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.ids().map(KeyId::as_str);
        out.write_str("KeyRing")?;
        out.debug_list().entries(ids).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(id: &str) -> LocalKey {
        LocalKey::generate(id).expect("a key")
    }

    #[test]
    fn key_ids_are_plain_and_short() {
        for text in ["", "a b", "a/b", "schlüssel", "a\0", &"x".repeat(65)] {
            assert!(KeyId::new(text).is_err(), "{text:?}");
        }
        assert_eq!(KeyId::new("2026-11_a.B").expect("plain").as_str(), "2026-11_a.B");
    }

    #[test]
    fn a_ring_finds_by_name_and_names_what_it_lacks() {
        // R-127
        let ring = KeyRing::new(local("new")).readable(local("old")).expect("another name");
        let id = |text| KeyId::new(text).expect("a key id");
        assert_eq!(ring.find(&id("old")).expect("in the ring").id(), &id("old"));
        let missing = ring.find(&id("gone")).expect_err("not in the ring");
        assert_eq!(missing, KeyError::Unknown { id: id("gone") });
    }

    #[test]
    fn two_keys_of_one_name_do_not_share_a_ring() {
        assert!(KeyRing::new(local("a")).readable(local("a")).is_err());
    }

    #[test]
    fn a_ring_shows_names_only() {
        let ring = KeyRing::new(local("new")).readable(local("old")).expect("another name");
        assert_eq!(format!("{ring:?}"), r#"KeyRing["new", "old"]"#);
    }
}
