//! What a receipt says, and what waits inside a consent until its receipt is in the chain.
//!
//! A note is made by the very write that it speaks of, so neither is ever without the other. It stays
//! with the consent until the next change, whether or not its receipt was written meanwhile: who
//! writes receipts tells by the note's id.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::clock::{as_seconds, from_unix_seconds, unix_seconds};
use super::entra_error::Cause;
use super::mfa::MfaProof;
use super::secret::random;
use super::tenant::AccountId;

/// What became of a consent: the subject of a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConsentChange {
    /// A person confirmed it.
    Confirmed(Granted),
    /// It came from another site in an export, and the policy here admitted it.
    Imported(Granted),
    /// The consent that it had taken the place of was put back.
    RolledBack(Granted),
    /// The consent that it had taken the place of was given up, while it could still be put back: its
    /// refresh token is erased.
    PreviousForgotten {
        /// That one's generation.
        previous: u64,
    },
    /// It works: it was seen to after it had failed, or for the first time after an import.
    Live,
    /// Its use at the partner's own tenant began to fail, for a reason that may pass.
    Suspended {
        /// Why.
        cause: Cause,
    },
    /// It is over.
    Ended {
        /// Why.
        cause: Cause,
    },
    /// It was let go: its refresh token is erased.
    Withdrawn,
    /// The partner's key was destroyed: no copy of its records opens any more.
    Shredded,
}

impl ConsentChange {
    /// The change in a word, as it stands in a receipt.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Confirmed(_) => "confirmed",
            Self::Imported(_) => "imported",
            Self::RolledBack(_) => "rolled_back",
            Self::PreviousForgotten { .. } => "previous_forgotten",
            Self::Live => "live",
            Self::Suspended { .. } => "suspended",
            Self::Ended { .. } => "ended",
            Self::Withdrawn => "withdrawn",
            Self::Shredded => "shredded",
        }
    }

    /// What was granted, where it was.
    #[must_use]
    pub const fn granted(&self) -> Option<&Granted> {
        match self {
            Self::Confirmed(granted) | Self::Imported(granted) | Self::RolledBack(granted) => {
                Some(granted)
            }
            _ => None,
        }
    }

    /// Whether it may come again and again without anybody's doing.
    const fn may_flap(&self) -> bool {
        matches!(self, Self::Live | Self::Suspended { .. })
    }
}

impl fmt::Display for ConsentChange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suspended { cause } | Self::Ended { cause } => {
                write!(out, "{}: {cause}", self.as_str())
            }
            _ => out.write_str(self.as_str()),
        }
    }
}

/// Who received what power, and on which proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    pub(crate) account: AccountId,
    /// How the partner buys from Microsoft; receipts of before did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) partner_kind: Option<String>,
    /// When the flow began.
    pub(crate) begun: u64,
    pub(crate) guest: String,
    /// Template ids of the user's directory roles; absent if not known.
    pub(crate) roles: Option<Vec<String>>,
    pub(crate) scopes: Vec<String>,
    pub(crate) mfa: Option<ProofNote>,
    pub(crate) policy: PolicyNote,
}

impl Granted {
    /// The account that received the power.
    #[must_use]
    pub const fn account(&self) -> &AccountId {
        &self.account
    }

    /// Which [kind of partner](crate::PartnerKind) it was; `None` in a receipt of before that was noted.
    #[must_use]
    pub fn partner_kind(&self) -> Option<&str> {
        self.partner_kind.as_deref()
    }

    /// Template ids of the directory roles that the user had; `None` means not known.
    #[must_use]
    pub fn roles(&self) -> Option<&[String]> {
        self.roles.as_deref()
    }

    /// The permissions, each with its API.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Which policy admitted it: what was said to loosen the default.
    #[must_use]
    pub fn loosened(&self) -> &[String] {
        &self.policy.loosened
    }

    /// What the policy let through and a person was to see: names as of
    /// [`Warning::as_str`](crate::Warning::as_str), with what it is about.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.policy.warnings
    }

    /// Who vouched for the second factor, and between which moments the user signed in.
    #[must_use]
    pub fn second_factor(&self) -> Option<(&str, SystemTime, SystemTime)> {
        let proof = self.mfa.as_ref()?;
        let [from, to] = [proof.earliest, proof.latest].map(from_unix_seconds);
        Some((&proof.source, from, to))
    }

    /// Until when that proof lasts, where the policy said so.
    #[must_use]
    pub fn second_factor_expires_at(&self) -> Option<SystemTime> {
        self.mfa.as_ref()?.expires.map(from_unix_seconds)
    }
}

/// A second factor's proof, as it stands in a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProofNote {
    source: String,
    earliest: u64,
    latest: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
}

impl From<&MfaProof> for ProofNote {
    fn from(proof: &MfaProof) -> Self {
        let signed_in = proof.signed_in();
        let [earliest, latest] = [signed_in.earliest(), signed_in.latest()].map(unix_seconds);
        let expires = proof.expires_at().map(unix_seconds);
        Self { source: proof.source().as_str().to_owned(), earliest, latest, expires }
    }
}

/// The policy's verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PolicyNote {
    pub(crate) verdict: String,
    /// In seconds.
    pub(crate) mfa_within: Option<u64>,
    /// In seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mfa_lasts: Option<u64>,
    pub(crate) loosened: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<String>,
}

impl PolicyNote {
    /// Of a consent that is put back: no policy is asked once more.
    pub(crate) fn admitted_before() -> Self {
        let (loosened, warnings) = (Vec::new(), Vec::new());
        let verdict = "admitted before".to_owned();
        Self { verdict, mfa_within: None, mfa_lasts: None, loosened, warnings }
    }
}

/// What a receipt will say, as long as it is not in the chain.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// Tells it from all others: a receipt that was written is known by it.
    pub(crate) id: String,
    #[serde(with = "as_seconds")]
    pub(crate) at: SystemTime,
    pub(crate) generation: u64,
    /// How many changes before it were not noted, since too many waited.
    #[serde(default)]
    pub(crate) omitted: u64,
    pub(crate) change: ConsentChange,
    #[serde(default)]
    pub(crate) person: Vec<Personal>,
}

impl Note {
    pub(crate) fn new(change: ConsentChange, generation: u64, at: SystemTime) -> Self {
        let id = hex(&random::<16>());
        Self { id, at, generation, omitted: 0, change, person: Vec::new() }
    }

    /// The destruction of a key has no consent to wait in; what it left behind names it.
    pub(crate) fn of_shredding(generation: u64, at: SystemTime) -> Self {
        let id = format!("shredded-{generation}");
        Self { id, ..Self::new(ConsentChange::Shredded, generation, at) }
    }

    pub(crate) fn about(mut self, field: &str, value: String) -> Self {
        let salt = hex(&random::<32>());
        self.person.push(Personal { field: field.to_owned(), salt, value });
        self
    }

    pub(crate) fn names(&self, value: &str) -> bool {
        self.person.iter().any(|personal| personal.value == value)
    }
}

/// Without the values of a person.
impl fmt::Debug for Note {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Note({}, {})", self.id, self.change)
    }
}

/// A value that is a person's, with the salt of its commitment.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Personal {
    pub(crate) field: String,
    /// 32 bytes.
    pub(crate) salt: String,
    pub(crate) value: String,
}

impl fmt::Debug for Personal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Personal({})", self.field)
    }
}

/// The last receipt of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// Sets this chain apart from any other of the partner's.
    pub(crate) chain: String,
    pub(crate) sequence: u64,
    /// SHA-256 of what was signed.
    pub(crate) hash: String,
}

/// What a consent knows of its chain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Chain {
    /// The last receipt that was seen to be written. There may be more by now.
    #[serde(default)]
    pub(crate) head: Option<Head>,
    /// In the order in which they happened.
    #[serde(default)]
    pub(crate) waiting: Vec<Note>,
    #[serde(default)]
    omitted: u64,
}

impl Chain {
    /// The number of the next receipt.
    pub(crate) fn next(&self) -> u64 {
        self.head.as_ref().map_or(0, |head| head.sequence).saturating_add(1)
    }

    /// The receipt of this note was seen to be written, as the next one.
    pub(crate) fn wrote(&mut self, note: &str, head: Head) {
        self.waiting.retain(|waiting| waiting.id != note);
        self.head = Some(head);
    }

    pub(crate) fn is_unknown(&self) -> bool {
        *self == Self::default()
    }

    /// Notes what happened. A consent must stay small enough for every store, so what comes and goes
    /// by itself is only counted once many notes wait.
    pub(crate) fn note(&mut self, note: Note) {
        if note.change.may_flap() && self.waiting.len() >= MOST_WAITING {
            self.omitted = self.omitted.saturating_add(1);
            return;
        }
        let omitted = std::mem::take(&mut self.omitted);
        self.waiting.push(Note { omitted, ..note });
    }
}

const MOST_WAITING: usize = 16;

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of just as many lower-case digits: nothing is written in two ways.
pub(crate) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    unhex_all(text)?.try_into().ok()
}

pub(crate) fn unhex_all(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let byte = |pair: &[u8]| match *pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use serde_json::json;

    use super::*;

    fn note(change: ConsentChange) -> Note {
        Note::new(change, 1, UNIX_EPOCH)
    }

    #[test]
    fn what_flaps_is_counted_once_many_wait_and_what_somebody_did_is_always_noted() {
        let mut chain = Chain::default();
        for _ in 0..100 {
            chain.note(note(ConsentChange::Live));
        }
        assert_eq!(chain.waiting.len(), MOST_WAITING);
        chain.note(note(ConsentChange::Withdrawn));
        let last = chain.waiting.last().expect("noted");
        assert_eq!((last.change.as_str(), last.omitted), ("withdrawn", 84));
        chain.waiting.clear();
        chain.note(note(ConsentChange::Live));
        assert_eq!(chain.waiting[0].omitted, 0, "said once");
    }

    #[test]
    fn what_was_granted_reads_as_it_was_written_by_this_version_and_the_one_before() {
        let older = json!({
            "kind": "confirmed", "account": "panel-1", "begun": 1, "guest": "no", "roles": null,
            "scopes": [], "mfa": { "source": "partner_center", "earliest": 1, "latest": 2 },
            "policy": { "verdict": "admitted", "mfa_within": null, "loosened": [] },
        });
        let mut newer = older.clone();
        newer["partner_kind"] = json!("indirect_reseller");
        newer["mfa"]["expires"] = json!(9);
        newer["policy"]["mfa_lasts"] = json!(8);
        newer["policy"]["warnings"] = json!(["roles_unknown"]);
        for text in [older.to_string(), newer.to_string()] {
            let change: ConsentChange = serde_json::from_str(&text).expect("a change");
            let again = serde_json::to_string(&change).expect("JSON");
            let [text, again] = [&text, &again]
                .map(|text| serde_json::from_str::<serde_json::Value>(text).expect("JSON"));
            assert_eq!(again, text);
            let Some(granted) = change.granted() else { panic!("{change}") };
            let said = granted.partner_kind().is_some();
            assert_eq!(said, granted.second_factor_expires_at().is_some());
            assert_eq!(said, !granted.warnings().is_empty());
        }
    }

    #[test]
    fn digits_are_read_in_one_way() {
        assert_eq!(unhex::<2>("00ff"), Some([0, 255]));
        for wrong in ["00fF", "0ff", "00ff0", "00ff00", "00f", "", "0x00", "00gg", "€0"] {
            assert_eq!(unhex::<2>(wrong), None, "{wrong}");
        }
        let bytes = random::<32>();
        assert_eq!(unhex(&hex(&bytes)), Some(bytes));
    }

    #[test]
    fn a_note_shows_nobodys_name() {
        let note = note(ConsentChange::Withdrawn).about("user.name", "canary".to_owned());
        assert!(!format!("{note:?} {:?}", note.person).contains("canary"));
        assert!(note.names("canary") && !note.names("cana"));
    }
}
