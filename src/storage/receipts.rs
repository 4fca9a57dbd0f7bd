//! Receipts in the ledger, and the keys that sign them.
//!
//! A receipt lies under the application's key, so that it outlives its partner's; what it knows of a
//! person lies within it under the partner's key, and ends with that.

mod key;

use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::model::receipt::{Head, hex};
use crate::model::tenant::TenantId;
use crate::storage::ledger::{Held, Ledger, LedgerError, Record};
use crate::storage::store::{Cursor, Kind, Selection};

pub(crate) use self::key::signed_by;
pub use self::key::{ReceiptKey, ReceiptKeys, ReceiptPublicKey, ReceiptSigner};

/// A receipt as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EntryRecord {
    pub(crate) partner: TenantId,
    pub(crate) chain: String,
    /// From 1 on.
    pub(crate) sequence: u64,
    /// Of the note that it was made from.
    pub(crate) note: String,
    /// The very text that was signed.
    pub(crate) signed: String,
    pub(crate) signature: String,
    /// The values of a person with their salts, sealed under the partner's key; in hexadecimal digits.
    pub(crate) person: Option<String>,
}

impl EntryRecord {
    pub(crate) fn head(&self) -> Head {
        Head {
            chain: self.chain.clone(),
            sequence: self.sequence,
            hash: hash_of(self.signed.as_bytes()),
        }
    }
}

/// SHA-256 (FIPS 180-4), in hexadecimal digits.
pub(crate) fn hash_of(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

impl Record for EntryRecord {
    const KIND: Kind = Kind::Receipt;

    fn partner(&self) -> Option<TenantId> {
        None
    }

    fn id(&self) -> String {
        place(self.partner, self.sequence)
    }

    fn generation(&self) -> u64 {
        0
    }

    fn due(&self) -> Option<SystemTime> {
        None
    }
}

/// The receipts of a partner lie side by side, in their order.
fn place(partner: TenantId, sequence: u64) -> String {
    format!("{}{sequence:020}", start(partner))
}

fn start(partner: TenantId) -> String {
    format!("{partner}.")
}

impl Ledger {
    /// The receipt with this number.
    pub(crate) async fn receipt(
        &self,
        partner: TenantId,
        sequence: u64,
    ) -> Result<Option<Held<EntryRecord>>, LedgerError> {
        self.load(None, &place(partner, sequence)).await
    }

    /// One page of the receipts of one partner, or of all, in their order.
    pub(crate) async fn receipts(
        &self,
        partner: Option<TenantId>,
        cursor: Option<Cursor>,
    ) -> Result<ReceiptPage, LedgerError> {
        let first = partner.map(|partner| Cursor { number: 0, id: start(partner) });
        let listing = self.list::<EntryRecord>(Selection::All, cursor.or(first), PAGE).await?;
        let read = listing.records.len();
        let entries = listing.records.into_iter().map(placed);
        let of = |(at, read): &(Option<Place>, Result<_, LedgerError>)| match (partner, at, read) {
            (Some(partner), Some(at), _) => at.partner == partner,
            (Some(partner), None, Err(LedgerError::Damaged { kind: Kind::Receipt, id, .. })) => {
                id.starts_with(&start(partner))
            }
            _ => true, // what concerns all of them concerns this partner's
        };
        let entries: Vec<_> = entries.filter(of).collect();
        let next = listing.next.filter(|_| entries.len() == read);
        Ok(ReceiptPage { entries, next })
    }
}

/// Receipts, each with its place where that can be told: it stands in the id, too, which a damaged one
/// still has.
#[derive(Debug)]
pub(crate) struct ReceiptPage {
    pub(crate) entries: Vec<(Option<Place>, Result<Held<EntryRecord>, LedgerError>)>,
    pub(crate) next: Option<Cursor>,
}

/// Where a receipt lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) partner: TenantId,
    pub(crate) sequence: u64,
}

impl Place {
    fn of(id: &str) -> Option<Self> {
        let (partner, sequence) = id.split_once('.')?;
        let (partner, sequence) = (TenantId::parse(partner).ok()?, sequence.parse().ok()?);
        Some(Self { partner, sequence })
    }
}

/// Of one that does not open, whose it is.
fn placed(
    read: Result<Held<EntryRecord>, LedgerError>,
) -> (Option<Place>, Result<Held<EntryRecord>, LedgerError>) {
    match read {
        Ok(held) => {
            let EntryRecord { partner, sequence, .. } = held.record;
            (Some(Place { partner, sequence }), Ok(held))
        }
        Err(LedgerError::Damaged { kind, id, revision, damage, partner }) => {
            let at = Place::of(&id);
            let partner = partner.or(at.map(|at| at.partner));
            (at, Err(LedgerError::Damaged { kind, id, revision, damage, partner }))
        }
        Err(error) => (None, Err(error)),
    }
}

/// Receipts read at once.
const PAGE: usize = 128;
