//! A receipt as text: what is signed, and the line of an export around it.
//!
//! What is signed is a text, and it is kept as that text: nobody who verifies has to put anything into
//! a form of ours first. Around it stands a line of JSON that can be written in one way only, so that
//! no byte of it can be another.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::model::clock::{as_seconds, unix_seconds};
use crate::model::cloud::Realm;
use crate::model::receipt::{ConsentChange, Head, Note, Personal, hex, unhex};
use crate::model::secret::random;
use crate::model::tenant::TenantId;
use crate::storage::receipts::{EntryRecord, hash_of};

/// The version of the text.
const VERSION: u32 = 1;
/// What the first receipt of a chain names as the hash of the one before it.
pub(super) const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What is signed, in the order in which it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Text {
    receipt: u32,
    #[serde(flatten)]
    pub(super) realm: RealmText,
    pub(super) partner: TenantId,
    /// Drawn with the first receipt of a chain.
    pub(super) chain: String,
    pub(super) sequence: u64,
    /// The hash of the text before it.
    pub(super) previous: String,
    #[serde(with = "as_seconds")]
    pub(super) at: SystemTime,
    /// Which key signs.
    pub(super) key: String,
    note: String,
    generation: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    omitted: u64,
    change: ConsentChange,
    /// What is known of a person, as commitments.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    person: BTreeMap<String, String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Which cloud, environment and application a text is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct RealmText {
    cloud: String,
    login: String,
    environment: String,
    application: String,
}

impl From<&Realm> for RealmText {
    fn from(realm: &Realm) -> Self {
        let [cloud, login, environment, application] = realm.parts().clone();
        Self { cloud, login, environment, application }
    }
}

impl Text {
    /// The text that makes this note the next receipt after `last`.
    pub(super) fn after(
        last: Option<&Head>,
        note: &Note,
        partner: TenantId,
        realm: &Realm,
        key: &str,
    ) -> Self {
        let committed = |personal: &Personal| {
            let Personal { field, salt, value } = personal;
            Some((field.clone(), commitment(field, &unhex(salt)?, value)))
        };
        Self {
            receipt: VERSION,
            realm: realm.into(),
            partner,
            chain: last.map_or_else(|| hex(&random::<16>()), |last| last.chain.clone()),
            sequence: last.map_or(0, |last| last.sequence) + 1,
            previous: last.map_or_else(|| NOTHING.to_owned(), |last| last.hash.clone()),
            at: note.at,
            key: key.to_owned(),
            note: note.id.clone(),
            generation: note.generation,
            omitted: note.omitted,
            change: note.change.clone(),
            person: note.person.iter().filter_map(committed).collect(),
        }
    }

    pub(super) fn entry(
        &self,
        signed: String,
        signature: &[u8],
        person: Option<String>,
    ) -> EntryRecord {
        EntryRecord {
            partner: self.partner,
            chain: self.chain.clone(),
            sequence: self.sequence,
            note: self.note.clone(),
            signed,
            signature: hex(signature),
            person,
        }
    }
}

/// SHA-256 over the field's name, a zero byte, the salt and the value: the salt has 32 bytes, so no
/// border can be shifted.
fn commitment(field: &str, salt: &[u8; 32], value: &str) -> String {
    let mut context = Context::new(&SHA256);
    for part in [field.as_bytes(), &[0], salt, value.as_bytes()] {
        context.update(part);
    }
    hex(context.finish().as_ref())
}

/// A text with its signature, as a line of an export and as a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Envelope {
    pub(super) signed: String,
    signature: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    person: BTreeMap<String, Opening>,
}

/// The value of a person's field, and the salt with which it was committed to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Opening {
    salt: String,
    value: String,
}

impl fmt::Debug for Opening {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Opening([redacted])")
    }
}

impl Envelope {
    pub(super) fn new(signed: String, signature: String, person: Vec<Personal>) -> Self {
        let opening = |Personal { field, salt, value }| (field, Opening { salt, value });
        Self { signed, signature, person: person.into_iter().map(opening).collect() }
    }

    /// Reads a line that is just as one is written: another spelling of the same is none.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        let envelope: Self = serde_json::from_slice(line).ok()?;
        (envelope.to_line().as_bytes() == line).then_some(envelope)
    }

    pub(super) fn to_line(&self) -> String {
        serde_json::to_string(self).expect("plain structs are JSON")
    }

    pub(super) fn signature(&self) -> Option<[u8; 64]> {
        unhex(&self.signature)
    }
}

/// A receipt, read and not yet verified.
#[derive(Clone, PartialEq, Eq)]
pub struct Receipt {
    pub(super) text: Text,
    pub(super) envelope: Envelope,
}

impl Receipt {
    /// Whose consent it is about.
    #[must_use]
    pub const fn partner(&self) -> TenantId {
        self.text.partner
    }

    /// Its number in the partner's chain, from 1 on.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.text.sequence
    }

    /// When it happened, by the clock of the process that did it.
    #[must_use]
    pub const fn at(&self) -> SystemTime {
        self.text.at
    }

    /// Which generation of the partner's consent it is about.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.text.generation
    }

    /// What happened.
    #[must_use]
    pub const fn change(&self) -> &ConsentChange {
        &self.text.change
    }

    /// The name of the key that says so.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.text.key
    }

    /// How many times the consent failed and worked again just before, without a receipt: so many were
    /// waiting to be written that they were only counted.
    #[must_use]
    pub const fn omitted(&self) -> u64 {
        self.text.omitted
    }

    /// The fields that are known of a person, erased or not.
    pub fn personal_fields(&self) -> impl Iterator<Item = &str> {
        self.text.person.keys().map(String::as_str)
    }

    /// The value of such a field: `user.id` and `user.name`. `None` once it was erased.
    #[must_use]
    pub fn personal(&self, field: &str) -> Option<&str> {
        self.envelope.person.get(field).map(|opening| opening.value.as_str())
    }

    /// What was signed: JSON, as this very text.
    #[must_use]
    pub fn signed(&self) -> &str {
        &self.envelope.signed
    }

    /// Its line in an export, without the line's end.
    #[must_use]
    pub fn to_line(&self) -> String {
        self.envelope.to_line()
    }

    pub(super) fn read(line: &[u8]) -> Option<Self> {
        Self::of(Envelope::read(line)?)
    }

    pub(super) fn of(envelope: Envelope) -> Option<Self> {
        let text: Text = serde_json::from_str(&envelope.signed).ok()?;
        (text.receipt == VERSION).then_some(Self { text, envelope })
    }

    /// A receipt of the store's, with what is known of a person as far as it opens.
    pub(super) fn stored(entry: EntryRecord, person: Vec<Personal>) -> Result<Self, Error> {
        let envelope = Envelope::new(entry.signed, entry.signature, person);
        Self::of(envelope).ok_or(Error::Damaged { kind: "receipt", partner: Some(entry.partner) })
    }

    pub(super) fn head(&self) -> Head {
        Head {
            chain: self.text.chain.clone(),
            sequence: self.text.sequence,
            hash: hash_of(self.envelope.signed.as_bytes()),
        }
    }

    /// The first value that is not the one that was signed for, by its field.
    pub(super) fn wrong_person(&self) -> Option<&str> {
        let is_right = |field: &str, opening: &Opening| {
            let committed = self.text.person.get(field);
            let salt = unhex(&opening.salt);
            salt.is_some_and(|salt| committed == Some(&commitment(field, &salt, &opening.value)))
        };
        let mut fields = self.envelope.person.iter();
        fields.find(|(field, opening)| !is_right(field, opening)).map(|(field, _)| field.as_str())
    }

    /// Whether something that it knew of a person is not beside it any more.
    pub(super) fn is_undisclosed(&self) -> bool {
        self.text.person.len() > self.envelope.person.len()
    }
}

/// Without anything of a person's.
impl fmt::Debug for Receipt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Receipt({self})")
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (partner, sequence, at) = (self.partner(), self.sequence(), unix_seconds(self.at()));
        write!(out, "partner {partner}, receipt {sequence} at {at}: {}", self.text.change)
    }
}
