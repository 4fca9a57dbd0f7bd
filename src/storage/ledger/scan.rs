//! Whether records open, whatever they are.

use std::fmt;

use crate::model::tenant::TenantId;
use crate::storage::keyring::KeyError;
use crate::storage::ledger::{Ledger, LedgerError, damaged};
use crate::storage::seal::{Damage, Opened};
use crate::storage::store::{Cursor, Kind, Page, Selection, Stored};

/// A record that does not open. All others are as they were.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DamagedRecord {
    /// What it is.
    pub kind: Kind,
    /// Whose it is: by its id where that names a partner, else as the store says.
    pub partner: Option<TenantId>,
    /// Which of its kind it is.
    pub id: String,
    /// What is wrong with it.
    pub why: Unreadable,
}

impl fmt::Display for DamagedRecord {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.kind, self.id)?;
        if let Some(partner) = self.partner.filter(|partner| partner.to_string() != self.id) {
            write!(out, " of partner {partner}")?;
        }
        match &self.why {
            Unreadable::Key(error) if self.kind != Kind::PartnerKey => {
                write!(out, ": its partner's key does not open, which is to be mended: {error}")
            }
            why => write!(out, ": {why}"),
        }
    }
}

/// What stands in the way of a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// Its own bytes.
    #[error("{0}")]
    Damaged(Damage),
    /// The row of its partner's key, which is the one to restore. Nobody can tell how the record
    /// itself is.
    #[error("its partner's key is damaged, and that is the row to restore: {0}")]
    KeyDamaged(Damage),
    /// The key of its partner, which the key ring does not open.
    #[error("{0}")]
    Key(KeyError),
}

/// What one page of a scan found.
#[derive(Debug, Default)]
pub(crate) struct Examined {
    pub(crate) sound: u64,
    pub(crate) damaged: Vec<DamagedRecord>,
    pub(crate) next: Option<Cursor>,
}

impl Ledger {
    /// Opens one page of records of a kind; `fits` says whether what is in one is of its kind.
    pub(crate) async fn examine(
        &self,
        kind: Kind,
        cursor: Option<Cursor>,
        limit: usize,
        fits: fn(Kind, &Opened) -> bool,
    ) -> Result<Examined, LedgerError> {
        let Page { records, damaged, next } =
            self.page(kind, Selection::All, cursor, limit).await?;
        let rows = damaged.into_iter().map(|id| DamagedRecord {
            kind,
            partner: partner_by_id(kind, &id),
            id,
            why: Unreadable::Damaged(Damage::Row),
        });
        let mut examined = Examined { damaged: rows.collect(), next, ..Examined::default() };
        for stored in records {
            match self.opens(&stored, fits).await {
                Ok(()) => examined.sound += 1,
                Err(error) => {
                    let partner = stored.key.partner();
                    let record = DamagedRecord::of(kind, partner, stored.key.id(), error)?;
                    examined.damaged.push(record);
                }
            }
        }
        Ok(examined)
    }

    /// Whether a record opens in the place where it lies. A destroyed key opens nothing, and is no
    /// damage: somebody wanted it so.
    async fn opens(
        &self,
        stored: &Stored,
        fits: fn(Kind, &Opened) -> bool,
    ) -> Result<(), LedgerError> {
        let key = &stored.key;
        if key.kind() == Kind::PartnerKey {
            return self.keys.examine(stored).await;
        }
        match self.unseal(key, stored).await {
            Ok((opened, _)) if fits(key.kind(), &opened) => Ok(()),
            Ok(_) => Err(damaged(key, stored.revision, Damage::Contents)),
            Err(LedgerError::Shredded { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl DamagedRecord {
    /// The record that this error is about; the error itself, if no other record would open either.
    pub(crate) fn of(
        kind: Kind,
        partner: Option<TenantId>,
        id: &str,
        error: LedgerError,
    ) -> Result<Self, LedgerError> {
        let why = match error {
            LedgerError::Damaged { kind: Kind::PartnerKey, damage, .. }
                if kind != Kind::PartnerKey =>
            {
                Unreadable::KeyDamaged(damage)
            }
            LedgerError::Damaged { damage, .. } => Unreadable::Damaged(damage),
            LedgerError::Key { error, .. } if !may_pass(&error) => Unreadable::Key(error),
            error => return Err(error),
        };
        let partner = partner_by_id(kind, id).or(partner);
        Ok(Self { kind, partner, id: id.to_owned(), why })
    }
}

pub(super) const fn may_pass(error: &KeyError) -> bool {
    matches!(error, KeyError::Unavailable { .. } | KeyError::NoRandomness)
}

/// The ids of some kinds name their partners, whatever was written beside them.
pub(super) fn partner_by_id(kind: Kind, id: &str) -> Option<TenantId> {
    match kind {
        Kind::Consent | Kind::PartnerKey => TenantId::parse(id).ok(),
        Kind::Receipt => TenantId::parse(id.split_once('.')?.0).ok(),
        _ => None,
    }
}
