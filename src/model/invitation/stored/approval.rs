//! What an invitation knows of an administrator's approval: how often one was begun, and that one was
//! reported. Neither spends it, nor moves its status, nor ends a flow.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{InvitedFlow, MOST_STARTS, StoredInvitation, as_seconds, in_seconds};
use crate::model::policy::Refused;

/// A browser came back and said so.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ReportedApproval {
    #[serde(with = "as_seconds")]
    at: SystemTime,
}

impl ReportedApproval {
    pub(super) const fn at(&self) -> SystemTime {
        self.at
    }
}

impl StoredInvitation {
    /// Counts an approval that begins: apart from the sign-ins, so that neither of two people uses up
    /// what the other needs.
    pub(crate) fn start_approval(&mut self, invited: &InvitedFlow) -> Result<(), Refused> {
        self.check_link_of(invited)?;
        if self.link.approvals >= MOST_STARTS {
            return Err(Refused::InvitationExhausted);
        }
        self.link.approvals += 1;
        Ok(())
    }

    /// Notes that an approval begun by it was reported. Another link leaves the note: what was
    /// approved is the application, for the tenant.
    pub(crate) fn note_approval(
        &mut self,
        invited: &InvitedFlow,
        now: SystemTime,
    ) -> Result<(), Refused> {
        self.check_link_of(invited)?;
        self.approval = Some(ReportedApproval { at: in_seconds(now) });
        Ok(())
    }
}
