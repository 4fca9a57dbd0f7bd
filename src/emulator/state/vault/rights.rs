//! Who may do what in a vault.
//!
//! Source: "Assign a Key Vault access policy": rights are given one by one, and purging is part of
//! no template.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::model::tenant::{ClientId, UserId};

/// One thing that somebody may do in the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum VaultRight {
    /// Read a secret's value, also a deleted one's description.
    SecretsGet,
    /// List secrets, versions and deleted secrets.
    SecretsList,
    /// Make a new version of a secret, change a version's attributes.
    SecretsSet,
    /// Delete a secret, which keeps it recoverable.
    SecretsDelete,
    /// Bring a deleted secret back.
    SecretsRecover,
    /// Destroy a deleted secret before its time.
    SecretsPurge,
    /// Read a key's public half.
    KeysGet,
    /// List keys and their versions.
    KeysList,
    /// Wrap another key with a key.
    KeysWrap,
    /// Unwrap another key with a key.
    KeysUnwrap,
    /// Sign a digest with a key.
    KeysSign,
}

/// Somebody to whom rights can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum VaultUser {
    /// An application or a managed identity, in its own name.
    Application(ClientId),
    /// A user, through whichever application.
    Person(UserId),
}

impl VaultRight {
    /// Every right, purging included.
    pub const ALL: [Self; 11] = [
        Self::SecretsGet,
        Self::SecretsList,
        Self::SecretsSet,
        Self::SecretsDelete,
        Self::SecretsRecover,
        Self::SecretsPurge,
        Self::KeysGet,
        Self::KeysList,
        Self::KeysWrap,
        Self::KeysUnwrap,
        Self::KeysSign,
    ];
}

impl fmt::Display for VaultRight {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::SecretsGet => "secrets get",
            Self::SecretsList => "secrets list",
            Self::SecretsSet => "secrets set",
            Self::SecretsDelete => "secrets delete",
            Self::SecretsRecover => "secrets recover",
            Self::SecretsPurge => "secrets purge",
            Self::KeysGet => "keys get",
            Self::KeysList => "keys list",
            Self::KeysWrap => "keys wrapKey",
            Self::KeysUnwrap => "keys unwrapKey",
            Self::KeysSign => "keys sign",
        })
    }
}

impl From<ClientId> for VaultUser {
    fn from(client: ClientId) -> Self {
        Self::Application(client)
    }
}

impl From<UserId> for VaultUser {
    fn from(user: UserId) -> Self {
        Self::Person(user)
    }
}

/// The access policies of a vault.
#[derive(Debug, Default)]
pub(crate) struct Policies(BTreeMap<VaultUser, BTreeSet<VaultRight>>);

impl Policies {
    pub(crate) fn set(&mut self, user: VaultUser, rights: &[VaultRight]) {
        self.0.insert(user, rights.iter().copied().collect());
    }

    pub(crate) fn of(&self, user: VaultUser) -> Option<BTreeSet<VaultRight>> {
        self.0.get(&user).cloned()
    }
}
