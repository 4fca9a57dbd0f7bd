//! Invitations page by page, for a panel.

use std::fmt;
use std::time::Duration;

use super::{Book, Whose};
use crate::error::Error;
use crate::model::clock::unix_seconds;
use crate::model::invalid::Invalid;
use crate::model::invitation::{Invitation, InvitationId, StoredInvitation};
use crate::storage::ledger::{DamagedRecord, Held, LedgerError};
use crate::storage::store::{Cursor, Kind, Selection};

/// Some invitations of a list.
#[derive(Debug, Clone, Default)]
pub struct InvitationPage {
    invitations: Vec<Invitation>,
    damaged: Vec<DamagedRecord>,
    next: Option<InvitationCursor>,
}

impl InvitationPage {
    /// The invitations: those whose time ends first come first.
    #[must_use]
    pub fn invitations(&self) -> &[Invitation] {
        &self.invitations
    }

    /// Those on the way that do not open: whose they are, nobody can tell.
    #[must_use]
    pub fn damaged(&self) -> &[DamagedRecord] {
        &self.damaged
    }

    /// Where the next page begins; `None` after the last.
    #[must_use]
    pub const fn next(&self) -> Option<&InvitationCursor> {
        self.next.as_ref()
    }
}

/// A place in a list of invitations. It is no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationCursor {
    due: u64,
    id: InvitationId,
}

impl InvitationCursor {
    /// Reads the text that [`Display`](fmt::Display) wrote.
    ///
    /// # Errors
    /// [`Invalid`] when it has another shape.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        const EXPECTED: &str = "the text of a cursor, as it was displayed";
        let wrong = || Invalid::new("invitation cursor", "has another shape", EXPECTED);
        let (due, id) = text.split_once('.').ok_or_else(wrong)?;
        let cursor = Self { due: due.parse().map_err(|_| wrong())?, id: InvitationId::parse(id)? };
        if cursor.to_string() == text { Ok(cursor) } else { Err(wrong()) }
    }

    fn after(record: &StoredInvitation) -> Self {
        Self { due: unix_seconds(record.due()), id: record.id.clone() }
    }
}

impl fmt::Display for InvitationCursor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.due, self.id)
    }
}

impl Book {
    /// One page of at most `limit` invitations. All are read, and those that are not meant left out.
    pub(crate) async fn page(
        &self,
        whose: &Whose,
        limit: usize,
        after: Option<&InvitationCursor>,
    ) -> Result<InvitationPage, Error> {
        let mut page = InvitationPage::default();
        let mut cursor = after.map(|at| Cursor { number: at.due, id: at.id.to_string() });
        let everyone = Selection::DueBy(self.clock.now() + FAR);
        loop {
            let listing = self.ledger.list::<StoredInvitation>(everyone, cursor, ROWS).await?;
            for found in listing.records {
                let Some(record) = self.listed(found, &mut page).await? else { continue };
                if !whose.admits(&record) {
                    continue;
                }
                page.invitations.push(self.shown(&record));
                if page.invitations.len() >= limit.max(1) {
                    page.next = Some(InvitationCursor::after(&record));
                    return Ok(page);
                }
            }
            cursor = listing.next;
            if cursor.is_none() {
                return Ok(page);
            }
        }
    }

    async fn listed(
        &self,
        found: Result<Held<StoredInvitation>, LedgerError>,
        page: &mut InvitationPage,
    ) -> Result<Option<StoredInvitation>, Error> {
        let mut record = match found {
            Ok(held) => held.record,
            Err(LedgerError::Damaged { kind, partner, id, revision, damage }) => {
                let error =
                    LedgerError::Damaged { kind, partner, id: id.clone(), revision, damage };
                page.damaged.push(DamagedRecord::of(Kind::Invitation, partner, &id, error)?);
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        self.settle(&mut record).await?;
        Ok(Some(record))
    }
}

/// Records read at once.
const ROWS: usize = 128;
/// Longer than any invitation is kept.
const FAR: Duration = Duration::from_secs(10 * 365 * 86_400);
