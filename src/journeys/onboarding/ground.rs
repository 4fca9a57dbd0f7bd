//! What a partner's new consent meets when it comes.

use std::time::SystemTime;

use super::Desk;
use super::found::FoundRecord;
use crate::error::Error;
use crate::model::clock::unix_seconds;
use crate::model::consent::{Consent, ConsentingUser, StoredConsent, believed};
use crate::model::partner_kind::PartnerKind;
use crate::model::policy::Refused;
use crate::model::receipt::{Chain, ConsentChange};
use crate::model::tenant::{AccountId, TenantId};
use crate::storage::keyring::KeyError;
use crate::storage::ledger::{Held, LedgerError};
use crate::storage::seal::Destroyed;
use crate::storage::store::Revision;

/// What stands in the partner's place.
#[derive(Debug)]
pub(super) enum Ground {
    /// Nothing.
    Free,
    /// A consent, or a tombstone.
    Held(Box<Held<StoredConsent>>),
    /// What was destroyed with the partner's key. A flow that began later may build here.
    Shredded {
        /// When.
        at: SystemTime,
        /// All of it, and older.
        generation: u64,
        /// Where what is left of it lies, if it does.
        row: Option<Row>,
    },
    /// A record that does not open. Nobody knows what it was.
    Damaged {
        /// Where it lies, if the store can say.
        row: Option<Row>,
        /// What was met.
        error: LedgerError,
    },
}

/// A row that does not open.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    revision: Revision,
    /// As its header says, which nobody vouches for.
    generation: u64,
}

impl Ground {
    /// The generation of what stands, as far as it can be read.
    pub(super) fn generation(&self) -> u64 {
        match self {
            Self::Held(held) => held.record.consent.generation,
            Self::Shredded { generation, .. } => *generation,
            Self::Free | Self::Damaged { .. } => 0,
        }
    }

    /// What is let go after now is let go in a generation above this one.
    pub(super) fn above(&self) -> Option<u64> {
        match self {
            Self::Damaged { .. } => None,
            Self::Shredded { generation, .. } => Some(generation.saturating_add(1)),
            ground => Some(ground.generation()),
        }
    }

    pub(super) fn held(&self) -> Option<&Held<StoredConsent>> {
        if let Self::Held(held) = self { Some(held) } else { None }
    }

    pub(super) fn consent(&self) -> Option<&Consent> {
        self.held().map(|held| &held.record.consent)
    }

    /// What is known of the partner's receipts.
    fn chain(&self) -> Chain {
        match self {
            Self::Held(held) => held.record.chain.clone(),
            _ => Chain::default(),
        }
    }

    pub(super) const fn is_damaged(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }

    /// What kind of partner it is known to be, also after it was let go.
    pub(super) fn kind(&self) -> PartnerKind {
        self.consent().map(Consent::kind).unwrap_or_default()
    }

    /// Whether Partner Center is not used for the consent that stands.
    pub(super) fn is_suspended_by_office(&self) -> bool {
        self.consent().is_some_and(|consent| consent.enforcement.suspended().is_some())
    }

    /// The consent that stands, unless it was withdrawn.
    pub(super) fn standing(&self) -> Option<&Consent> {
        self.consent().filter(|consent| !consent.is_withdrawn())
    }

    /// Whose consent stands, unless it was withdrawn.
    pub(super) fn user(&self) -> Option<&ConsentingUser> {
        self.standing().map(|consent| &consent.user)
    }

    /// A tenant bound to one account is not bound to a second, unless the host said so.
    pub(super) fn check_binding(
        &self,
        partner: TenantId,
        account: &AccountId,
        rebinds: bool,
    ) -> Result<(), Refused> {
        let elsewhere = self.consent().is_some_and(|consent| consent.account != *account);
        if elsewhere && !rebinds { Err(Refused::NotYours(partner)) } else { Ok(()) }
    }

    /// A flow that began before the partner was let go does not bring it back.
    pub(super) fn check_tombstone(
        &self,
        partner: TenantId,
        begun_at: SystemTime,
        above: Option<u64>,
    ) -> Result<(), Refused> {
        let let_go = match self {
            Self::Held(held) => return check_tombstone(&held.record.consent, begun_at, above),
            Self::Shredded { at, generation, .. } => {
                let overtook = unix_seconds(begun_at) <= unix_seconds(*at);
                overtook || is_above(generation.saturating_add(1), above)
            }
            _ => false,
        };
        if let_go { Err(Refused::Withdrawn(partner)) } else { Ok(()) }
    }
}

/// By the date, and by the generation: two clocks may be minutes apart.
pub(super) fn check_tombstone(
    standing: &Consent,
    begun_at: SystemTime,
    above: Option<u64>,
) -> Result<(), Refused> {
    let later = standing.is_withdrawn() && is_above(standing.generation, above);
    match later || standing.was_withdrawn_since(begun_at) {
        true => Err(Refused::Withdrawn(standing.partner)),
        false => Ok(()),
    }
}

/// Whether it came after that generation, where that is known.
pub(super) fn is_above(generation: u64, above: Option<u64>) -> bool {
    above.is_some_and(|above| generation > above)
}

impl Desk {
    pub(super) async fn ground(&self, partner: TenantId) -> Result<Ground, Error> {
        match self.ledger.consent(partner).await {
            Ok(None) => Ok(Ground::Free),
            Ok(Some(held)) => Ok(Ground::Held(Box::new(held))),
            Err(LedgerError::Shredded { at, generation, .. }) => {
                let row = self.row(partner).await?;
                Ok(Ground::Shredded { at, generation, row })
            }
            Err(error) if is_damage(&error) => {
                let row = self.row(partner).await?;
                Ok(Ground::Damaged { row, error })
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn row(&self, partner: TenantId) -> Result<Option<Row>, Error> {
        let row = self.ledger.consent_row(partner).await?;
        Ok(row.map(|(revision, generation)| Row { revision, generation }))
    }

    /// Puts the consent that was found where the ground was seen to be, if nothing came there since.
    pub(super) async fn build(
        &self,
        ground: &Ground,
        found: &FoundRecord,
    ) -> Result<StoredConsent, Error> {
        let now = self.clock.now();
        if let Ground::Damaged { row: None, error } = ground {
            return Err(error.clone().into());
        }
        if ground.is_damaged() {
            self.ledger.replace_damaged_key(found.partner).await?;
        }
        let let_go = self.revive(found).await?;
        let at = match ground {
            Ground::Free => None,
            Ground::Held(held) => Some(held.revision),
            Ground::Shredded { row, .. } | Ground::Damaged { row, .. } => {
                row.map(|row| row.revision)
            }
        };
        let above = match ground {
            Ground::Held(held) => held.record.consent.generation,
            Ground::Shredded { row: Some(row), .. } => believed(row.generation),
            Ground::Damaged { row: Some(row), .. } => above_damage(row.generation, now),
            _ => 0,
        };
        let above = let_go.map_or(above, |mark| mark.generation.max(above));
        let (previous, within) = (ground.held().map(|held| &held.record), self.roll_back_within);
        let mut next = found.consent(previous, above.saturating_add(1), within, now);
        let let_go_at = let_go.map(|mark| unix_seconds(mark.at));
        next.consent.withdrawn_at = next.consent.withdrawn_at.max(let_go_at);
        next.chain = ground.chain();
        let granted = next.consent.granted(self.note_policy(found, ground));
        let next = self.notary.noted(next, ConsentChange::Confirmed(granted)).await;
        match at {
            None => self.ledger.insert(&next).await?,
            Some(revision) => self.ledger.replace(&next, revision).await?,
        };
        Ok(next)
    }

    /// What was let go since it was found stays so.
    async fn revive(&self, found: &FoundRecord) -> Result<Option<Destroyed>, Error> {
        let let_go = match self.ledger.revive(found.partner, found.begun_at).await {
            Err(LedgerError::Shredded { partner, .. }) => {
                return Err(Refused::Withdrawn(partner).into());
            }
            revived => revived?,
        };
        match let_go {
            Some(mark) if is_above(mark.generation.saturating_add(1), found.above) => {
                Err(Refused::Withdrawn(found.partner).into())
            }
            let_go => Ok(let_go),
        }
    }
}

/// A generation above all that the damaged row may have had. Its header may lie, so the time is
/// taken too, which no count of consents reaches.
fn above_damage(header: u64, now: SystemTime) -> u64 {
    believed(header).max(unix_seconds(now))
}

/// Whether this record alone is lost, rather than out of reach.
pub(super) const fn is_damage(error: &LedgerError) -> bool {
    matches!(
        error,
        LedgerError::Damaged { .. }
            | LedgerError::Key { partner: Some(_), error: KeyError::Refused { .. } }
    )
}
