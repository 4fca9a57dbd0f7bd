//! Where all chains stood at one time, signed: what a store has lost since, its own rows cannot show.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::audit::ReceiptPlace;
use super::line::{Envelope, RealmText};
use crate::model::clock::as_seconds;
use crate::model::cloud::Realm;
use crate::model::invalid::Invalid;
use crate::model::receipt::{Head, hex};
use crate::model::tenant::TenantId;
use crate::storage::receipts::Place;

/// The last receipt of every chain, signed. Keep it where whoever can write to the store cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub(super) text: CheckpointText,
    pub(super) envelope: Envelope,
    /// Of whom something is expected, where it is not everybody.
    pub(super) only: Option<TenantId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CheckpointText {
    checkpoint: u32,
    #[serde(flatten)]
    pub(super) realm: RealmText,
    #[serde(with = "as_seconds")]
    pub(super) at: SystemTime,
    pub(super) key: String,
    pub(super) chains: Vec<ChainText>,
    /// Receipts that lay there and did not open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<PlaceText>,
}

/// Where one chain stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ChainText {
    pub(super) partner: TenantId,
    #[serde(flatten)]
    pub(super) head: Head,
}

/// Where a receipt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PlaceText {
    partner: TenantId,
    sequence: u64,
}

impl From<Place> for PlaceText {
    fn from(Place { partner, sequence }: Place) -> Self {
        Self { partner, sequence }
    }
}

impl CheckpointText {
    pub(super) fn new(
        realm: &Realm,
        at: SystemTime,
        key: &str,
        chains: Vec<ChainText>,
        unreadable: Vec<PlaceText>,
    ) -> Self {
        let (realm, key) = (realm.into(), key.to_owned());
        Self { checkpoint: VERSION, realm, at, key, chains, unreadable }
    }
}

impl Checkpoint {
    pub(super) fn signed(text: CheckpointText, signed: String, signature: &[u8]) -> Self {
        Self { text, envelope: Envelope::new(signed, hex(signature), Vec::new()), only: None }
    }

    /// Reads what [`to_text`](Self::to_text) wrote. Its signature is verified where it is used.
    ///
    /// # Errors
    /// [`Invalid`] for any other text.
    pub fn read(text: &str) -> Result<Self, Invalid> {
        const EXPECTED: &str = "the text of Checkpoint::to_text, with nothing before or after it";
        let wrong = || Invalid::new("checkpoint", "is not as it was written", EXPECTED);
        let envelope = Envelope::read(text.as_bytes()).ok_or_else(wrong)?;
        let text: CheckpointText = serde_json::from_str(&envelope.signed).map_err(|_| wrong())?;
        if text.checkpoint != VERSION {
            return Err(wrong());
        }
        Ok(Self { text, envelope, only: None })
    }

    /// The checkpoint as one line of text, to be kept elsewhere.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.envelope.to_line()
    }

    /// When it was made.
    #[must_use]
    pub const fn at(&self) -> SystemTime {
        self.text.at
    }

    /// Whose chains it names.
    pub fn partners(&self) -> impl Iterator<Item = TenantId> {
        self.text.chains.iter().map(|chain| chain.partner)
    }

    /// Receipts that lay in the store and did not open, so that nothing is said of them: restore their
    /// rows. A chain is named by the last of its receipts that did.
    pub fn unreadable(&self) -> impl Iterator<Item = ReceiptPlace> {
        let places = self.text.unreadable.iter();
        places.map(|PlaceText { partner, sequence }| ReceiptPlace {
            partner: *partner,
            sequence: *sequence,
        })
    }

    /// Those of whom something is expected.
    pub(super) fn unread(&self) -> impl Iterator<Item = ReceiptPlace> {
        self.unreadable().filter(|place| self.only.is_none_or(|only| only == place.partner))
    }

    /// The same, to verify the receipts of this partner alone: nothing is said of the others'.
    #[must_use]
    pub fn only(&self, partner: TenantId) -> Self {
        Self { only: Some(partner), ..self.clone() }
    }

    /// The chains of which something is expected.
    pub(super) fn expected(&self) -> impl Iterator<Item = &ChainText> {
        let chains = self.text.chains.iter();
        chains.filter(|chain| self.only.is_none_or(|only| only == chain.partner))
    }
}

const VERSION: u32 = 1;
