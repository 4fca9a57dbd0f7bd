//! Taking people out of invitations, wherever they stand.

use super::{Book, TRIES};
use crate::error::Error;
use crate::model::event::Event;
use crate::model::invitation::{Erasure, InvitationId, StoredInvitation, Whom};
use crate::model::policy::Refused;
use crate::model::tenant::TenantId;
use crate::storage::ledger::Held;
use crate::storage::store::Selection;

/// Records read at once.
const PAGE: usize = 128;

impl Book {
    /// Takes people of this partner out of every invitation; one that was for one of them alone is taken
    /// back. All are read. One that does not open names nobody.
    pub(crate) async fn erase(&self, partner: TenantId, whom: Whom) -> Result<(), Error> {
        let mut cursor = None;
        loop {
            let page = self.ledger.list::<StoredInvitation>(Selection::All, cursor, PAGE).await?;
            for read in page.records {
                match read {
                    Ok(held) => self.erase_from(held.record, partner, whom).await?,
                    Err(error) if error.is_of_one_record() => {}
                    Err(error) => return Err(error.into()),
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    /// Whoever loses looks anew.
    async fn erase_from(
        &self,
        mut found: StoredInvitation,
        partner: TenantId,
        whom: Whom,
    ) -> Result<(), Error> {
        if found.erase(partner, whom, self.clock.now()) == Erasure::Untouched {
            return Ok(());
        }
        for _ in 0..TRIES {
            match self.try_erase(&found.id, partner, whom).await {
                Err(Error::Conflict) => {}
                Err(Error::Refused(Refused::InvitationUnknown)) => return Ok(()), // swept since
                settled => return settled,
            }
        }
        Err(Error::Conflict)
    }

    async fn try_erase(
        &self,
        id: &InvitationId,
        partner: TenantId,
        whom: Whom,
    ) -> Result<(), Error> {
        let Held { mut record, revision } = self.by_id(id).await?;
        let erasure = record.erase(partner, whom, self.clock.now());
        match erasure {
            Erasure::Untouched => return Ok(()),
            Erasure::Undecided => return Err(Error::Conflict),
            Erasure::Erased | Erasure::Revoked => {}
        }
        self.ledger.replace(&record, revision).await?;
        if erasure == Erasure::Revoked {
            let (invitation, account) = (record.id, record.terms.account);
            self.observers.tell(&Event::InvitationRevoked { invitation, account });
        }
        Ok(())
    }
}
