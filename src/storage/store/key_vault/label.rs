//! What a secret is called and what is said of it in clear.
//!
//! Names may be copied globally and anybody who may list sees tags, so neither holds personal data.
//!
//! Source: "About Azure Key Vault secrets": names of 1 to 127 letters, digits and hyphens, 15 tags
//! of 256 characters.

use std::fmt::Write as _;
use std::time::SystemTime;

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::model::clock::{from_unix_seconds, unix_seconds};
use crate::model::tenant::TenantId;
use crate::storage::store::{Filter, Key, Revision, StoreError};
use crate::transport::key_vault::{SecretInfo, Tags};

/// What the tags of a version say, believed no more than a column of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) realm: String,
    pub(super) kind: String,
    pub(super) id: String,
    pub(super) partner: Option<TenantId>,
    pub(super) due: Option<SystemTime>,
    pub(super) revision: Revision,
}

impl Label {
    pub(super) fn new(key: &Key, due: Option<SystemTime>, revision: Revision) -> Self {
        let (realm, kind) = (key.realm().to_string(), key.kind().name().to_owned());
        let (id, partner) = (key.id().to_owned(), key.partner());
        let due = due.map(|due| from_unix_seconds(unix_seconds(due)));
        Self { realm, kind, id, partner, due, revision }
    }

    /// Nothing, if these are no tags that this store wrote.
    pub(super) fn read(tags: &Tags) -> Option<Self> {
        let text = |name: &str| tags.get(name).map(String::as_str);
        let id = URL_SAFE_NO_PAD.decode(text(ID)?).ok()?;
        Some(Self {
            realm: text(REALM)?.to_owned(),
            kind: text(KIND)?.to_owned(),
            id: String::from_utf8(id).ok()?,
            partner: text(PARTNER).map(TenantId::parse).transpose().ok()?,
            due: text(DUE).map(str::parse).transpose().ok()?.map(from_unix_seconds),
            revision: Revision::new(text(REVISION)?.parse().ok()?),
        })
    }

    pub(super) fn tags(&self) -> Result<Tags, StoreError> {
        let mut tags = Tags::from([
            (REALM.to_owned(), self.realm.clone()),
            (KIND.to_owned(), self.kind.clone()),
            (ID.to_owned(), URL_SAFE_NO_PAD.encode(&self.id)),
            (REVISION.to_owned(), self.revision.number().to_string()),
        ]);
        tags.extend(self.partner.map(|partner| (PARTNER.to_owned(), partner.to_string())));
        tags.extend(self.due.map(|due| (DUE.to_owned(), unix_seconds(due).to_string())));
        if tags.values().any(|value| value.chars().count() > LONGEST_TAG) {
            return Err(StoreError::unfit("its realm or id is longer than a tag"));
        }
        Ok(tags)
    }

    /// The secret in which its record lies.
    fn secret_name(&self) -> String {
        named(&self.realm, &self.kind, &self.id)
    }

    /// The key at which a list of that kind finds it.
    pub(super) fn key(&self, filter: &Filter) -> Option<Key> {
        let listed = self.realm == filter.realm.to_string() && self.kind == filter.kind.name();
        let key = || Key::new(filter.realm.clone(), filter.kind, self.partner, self.id.clone());
        listed.then(key)
    }
}

/// The secret in which a record lies.
pub(super) fn secret_name(key: &Key) -> String {
    named(&key.realm().to_string(), key.kind().name(), key.id())
}

fn named(realm: &str, kind: &str, id: &str) -> String {
    let mut hash = Context::new(&SHA256);
    for part in [realm, kind, id] {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut name = PREFIX.to_owned() + kind + "-";
    for byte in hash.finish().as_ref() {
        write!(name, "{byte:02x}").expect("memory");
    }
    name
}

/// Whether a secret has a name like those of this store, damaged as it may be.
pub(super) fn is_ours(info: &SecretInfo) -> bool {
    info.name.to_ascii_lowercase().starts_with(PREFIX)
}

/// Whether this store wrote a secret, which then lies where its tags say: our prefix alone anybody
/// may have chosen for a secret of their own, and that is let alone.
pub(super) fn is_surely_ours(info: &SecretInfo) -> bool {
    Label::read(&info.tags)
        .is_some_and(|label| label.secret_name().eq_ignore_ascii_case(&info.name))
}

/// Whether a secret is of this kind, and of this realm as far as it says.
pub(super) fn is_of(filter: &Filter, info: &SecretInfo) -> bool {
    let kind = PREFIX.to_owned() + filter.kind.name() + "-";
    let realm = info.tags.get(REALM);
    info.name.starts_with(&kind) && realm.is_none_or(|realm| *realm == filter.realm.to_string())
}

/// Whether the record was removed and only its remains are there, whoever enabled them again.
pub(super) fn is_removed(info: &SecretInfo) -> bool {
    info.tags.contains_key(REMOVED)
}

/// The tags of a version whose record is removed.
pub(super) fn removed(mut tags: Tags) -> Tags {
    tags.insert(REMOVED.to_owned(), "yes".to_owned());
    tags
}

const PREFIX: &str = "cpv-";
const REALM: &str = "realm";
const KIND: &str = "kind";
const ID: &str = "id";
const PARTNER: &str = "partner";
const DUE: &str = "due";
const REVISION: &str = "revision";
const REMOVED: &str = "removed";
const LONGEST_TAG: usize = 256;

#[cfg(test)]
mod tests {
    use crate::model::cloud::{Cloud, Environment, Realm};
    use crate::model::tenant::ClientId;
    use crate::storage::store::Kind;

    use super::*;

    fn key(kind: Kind, partner: Option<TenantId>, id: &str) -> Key {
        let client = ClientId::parse("22222222-2222-4222-8222-222222222222").expect("a GUID");
        let realm = Realm::new(&Cloud::Global, Environment::Production, client);
        Key::new(realm, kind, partner, id)
    }

    #[test]
    fn a_name_is_one_that_a_vault_takes_and_tells_nothing() {
        let partner = TenantId::parse("72f988bf-86f1-41af-91ab-2d7cd011db47").expect("a GUID");
        let name = secret_name(&key(Kind::Consent, Some(partner), &partner.to_string()));
        assert_eq!(name.len(), "cpv-consent-".len() + 64);
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
        assert!(!name.contains("72f988bf"));
        assert_ne!(name, secret_name(&key(Kind::Found, None, &partner.to_string())));
        assert_ne!(
            secret_name(&key(Kind::Consent, None, "a")),
            secret_name(&key(Kind::Consent, None, "A"))
        );
    }

    #[test]
    fn tags_are_read_as_they_were_written() {
        let partner = TenantId::parse("72f988bf-86f1-41af-91ab-2d7cd011db47").expect("a GUID");
        let due = Some(from_unix_seconds(1_800_000_000));
        for (partner, id, due) in [(Some(partner), "a", due), (None, "", None), (None, "é\0", due)]
        {
            let label = Label::new(&key(Kind::Consent, partner, id), due, Revision::new(u64::MAX));
            let tags = label.tags().expect("short enough");
            assert_eq!(Label::read(&tags), Some(label));
        }
        assert_eq!(Label::read(&Tags::new()), None);
        let long = Label::new(&key(Kind::Consent, None, &"x".repeat(193)), None, Revision::ZERO);
        assert!(matches!(long.tags(), Err(StoreError::Unfit { .. })));
    }
}
