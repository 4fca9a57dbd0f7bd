//! What is a partner's within a record that is not: it opens for as long as the partner's key lives.

use zeroize::Zeroizing;

use crate::model::tenant::TenantId;
use crate::storage::ledger::{Ledger, LedgerError};
use crate::storage::seal::{self, Damage, Destroyed, Identity, Opened, Sealed};

impl Ledger {
    /// Seals a part of another record under the partner's key; nothing where that was destroyed.
    pub(crate) async fn seal_beside(
        &self,
        part: &Part<'_>,
        generation: u64,
        plaintext: Zeroizing<Vec<u8>>,
    ) -> Result<Option<Sealed>, LedgerError> {
        match self.keys.for_writing(Some(part.partner)).await {
            Ok(key) => Ok(Some(seal::seal(&part.identity(self), generation, &key, plaintext)?)),
            Err(LedgerError::Shredded { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens such a part; nothing where the key that it was sealed under is no more.
    pub(crate) async fn open_beside(
        &self,
        part: &Part<'_>,
        sealed: &Sealed,
    ) -> Result<Option<Opened>, LedgerError> {
        let damaged = |damage| part.damaged(damage);
        let said = seal::said(sealed).map_err(damaged)?;
        let key = match self.keys.for_reading(Some(part.partner), said).await {
            Err(LedgerError::Shredded { .. }) => None,
            key => key?,
        };
        let Some(key) = key else { return Ok(None) };
        seal::open(&part.identity(self), &key, sealed).map(Some).map_err(damaged)
    }

    /// The mark of the partner's destroyed key, as long as it stands.
    pub(crate) async fn mark_of(
        &self,
        partner: TenantId,
    ) -> Result<Option<Destroyed>, LedgerError> {
        let place = self.keys.place(Some(partner));
        match self.keys.store().get(&place).await? {
            Some(stored) => Ok(self.keys.row(&place, &stored)?.mark()),
            None => Ok(None),
        }
    }
}

/// The place of such a part.
pub(crate) struct Part<'a> {
    /// What it is: no name of a kind of record.
    pub(crate) what: &'static str,
    pub(crate) partner: TenantId,
    pub(crate) id: &'a str,
}

impl Part<'_> {
    const fn identity<'a>(&'a self, ledger: &'a Ledger) -> Identity<'a> {
        let partner = Some(self.partner);
        Identity { realm: &ledger.realm, kind: self.what, partner, id: self.id }
    }

    pub(crate) fn damaged(&self, damage: Damage) -> LedgerError {
        let (kind, id) = (crate::storage::store::Kind::Receipt, self.id.to_owned());
        LedgerError::Damaged { kind, partner: Some(self.partner), id, revision: None, damage }
    }
}
