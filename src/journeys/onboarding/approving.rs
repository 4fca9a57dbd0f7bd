//! The first of two steps: an administrator approves the application for the whole tenant.
//!
//! A service account is no administrator, so Entra turns its sign-in away until that was done. What
//! comes back from there is a query that anybody can write, without a code: it is taken once, from the
//! browser that began, as a report. The proof is the sign-in that follows.

use std::time::SystemTime;

use super::approval::{ApprovalRecord, ApprovalReport, PendingApproval};
use super::{Beginning, Desk, Onboarding, denied, refused_partner};
use crate::error::Error;
use crate::model::cloud::{Authority, Directory};
use crate::model::entra_error::{Cause, EntraError};
use crate::model::event::Event;
use crate::model::invitation::{InvitedFlow, StoredInvitation};
use crate::model::policy::Refused;
use crate::model::tenant::{AccountId, TenantId};
use crate::protocol::authorization::{AdminConsentRequest, Answer, Callback};
use crate::storage::ledger::{Held, LedgerError};

impl Onboarding {
    /// Begins an approval in the browser that asks.
    pub(crate) async fn begin_approval(
        &self,
        beginning: Beginning,
    ) -> Result<PendingApproval, Error> {
        self.0.admit_beginning(&beginning).await?;
        self.0.send_administrator(beginning.expected, beginning.account, None).await
    }

    /// Begins an approval by an invitation's link. No sign-in that was begun by it ends.
    pub(crate) async fn begin_invited_approval(
        &self,
        token: &str,
    ) -> Result<PendingApproval, Error> {
        let opened = self.told(self.0.book.by_token(token).await)?.record;
        let invited = opened.flow();
        self.told(self.0.begin_approval_by(&opened, invited).await)
    }

    /// Takes the callback of an approval.
    pub(crate) async fn capture_approval(
        &self,
        callback: Callback,
    ) -> Result<ApprovalReport, Error> {
        let reported = self.0.capture_approval(&callback).await;
        self.0.note_denial(&reported);
        if let Err(Error::Refused(refused)) = &reported {
            let (partner, refused) = (asked_partner(refused), refused.clone());
            self.0.observers.tell(&Event::ConsentRefused { partner, refused });
        }
        reported
    }
}

impl Desk {
    pub(super) async fn begin_approval_by(
        &self,
        opened: &StoredInvitation,
        invited: InvitedFlow,
    ) -> Result<PendingApproval, Error> {
        self.admit_invitation(opened).await?;
        let now = self.clock.now();
        let started = self.book.advance(&opened.id, |record| {
            record.admit(self.app.scopes(), now)?;
            Ok(record.start_approval(&invited)?)
        });
        let started = started.await?;
        let (expected, account) = (started.terms.partner, started.terms.account.clone());
        let pending = self.send_administrator(expected, account, Some(invited)).await?;
        Ok(pending.ending(started.link.expires_at))
    }

    async fn send_administrator(
        &self,
        expected: Option<TenantId>,
        account: AccountId,
        invited: Option<InvitedFlow>,
    ) -> Result<PendingApproval, Error> {
        let directory = expected.map_or(Directory::Organizations, Directory::Tenant);
        let authority = Authority::new(self.app.cloud(), directory);
        let (request, now) = (AdminConsentRequest::new(&self.app, &authority), self.clock.now());
        let (record, pending) = ApprovalRecord::begun(expected, account, invited, request, now);
        self.ledger.insert(&record).await?;
        self.observers.tell(&Event::ApprovalRequested {
            partner: record.expected,
            account: record.account,
            invitation: record.invited.map(|invited| invited.id),
        });
        Ok(pending)
    }

    async fn capture_approval(&self, callback: &Callback) -> Result<ApprovalReport, Error> {
        let approval = self.answer(callback).await?;
        match callback.answer() {
            Answer::Approved { tenant: Some(said) } => {
                self.check_tenant(approval.expected, *said)?
            }
            Answer::Approved { tenant: None } => {}
            Answer::Denied(error) => return Err(not_approved(error, approval.expected)),
            Answer::Code(_) => return Err(Refused::OtherStep.into()),
        }
        self.report(approval).await
    }

    /// Finds the approval and leaves it answered, once, whoever else tries.
    async fn answer(&self, callback: &Callback) -> Result<ApprovalRecord, Error> {
        let state = callback.state().ok_or(Refused::StateMissing)?;
        if !callback.reports_approval() {
            return Err(Refused::OtherStep.into());
        }
        let held = self.ledger.load::<ApprovalRecord>(None, &ApprovalRecord::id_of(state)).await?;
        let Held { record, revision } = held.ok_or(Refused::StateUnknown)?;
        record.check(callback, self.clock.now())?;
        self.check_issuer(callback, record.expected)?;
        match self.ledger.replace(&record.answered(), revision).await {
            Ok(_) => Ok(record),
            Err(LedgerError::Conflict) => Err(Refused::StateReplayed.into()),
            Err(error) => Err(error.into()),
        }
    }

    async fn report(&self, approval: ApprovalRecord) -> Result<ApprovalReport, Error> {
        let at = self.clock.now();
        // Microsoft has the approval, whatever becomes of our note.
        let noted = match self.note_approval(approval.invited.as_ref(), at).await {
            Err(error @ Error::Refused(_)) => return Err(error),
            noted => noted.ok().flatten(),
        };
        let ApprovalRecord { expected: partner, account, .. } = approval;
        self.observers.tell(&Event::ApprovalReported {
            partner,
            account: account.clone(),
            invitation: noted.as_ref().map(|invitation| invitation.id.clone()),
        });
        let invitation = noted.map(|invitation| self.book.shown(&invitation));
        Ok(ApprovalReport { account, partner, invitation, at })
    }

    async fn note_approval(
        &self,
        invited: Option<&InvitedFlow>,
        at: SystemTime,
    ) -> Result<Option<StoredInvitation>, Error> {
        let Some(invited) = invited else { return Ok(None) };
        let noted = self.book.advance(&invited.id, |record| {
            record.admit(self.app.scopes(), at)?;
            Ok(record.note_approval(invited, at)?)
        });
        Ok(Some(noted.await?))
    }
}

/// A no to an approval. Entra says `consent_required` where an administrator declined.
fn not_approved(error: &EntraError, partner: Option<TenantId>) -> Error {
    match error.cause() {
        Cause::ConsentMissing => Refused::Declined.into(),
        _ => denied(error, partner),
    }
}

/// The partner that was asked: never the tenant that the callback names.
const fn asked_partner(refused: &Refused) -> Option<TenantId> {
    match refused {
        Refused::OtherTenant { expected, .. } => Some(*expected),
        Refused::HomeTenant(_) => None,
        refused => refused_partner(refused),
    }
}
