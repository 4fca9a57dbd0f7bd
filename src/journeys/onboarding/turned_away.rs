//! An approval begun where somebody was just turned away: in place of the sign-in that needed it.

use super::approval::PendingApproval;
use super::browser::{cookie_name, flow_id};
use super::pending::PendingRecord;
use super::{Beginning, Desk, Onboarding};
use crate::error::Error;
use crate::model::policy::Refused;
use crate::protocol::authorization::{Callback, Cookies};
use crate::storage::ledger::{Held, LedgerError};

impl Onboarding {
    /// Names the sign-in that this answers, if there is one.
    pub(crate) fn flow_of(callback: &Callback) -> Option<String> {
        callback.state().map(flow_id)
    }

    /// Begins an approval for what the sign-in of that name was begun for, by the same invitation if
    /// it was by one.
    pub(crate) async fn begin_approval_after(
        &self,
        flow: &str,
        cookies: &Cookies,
    ) -> Result<PendingApproval, Error> {
        let sign_in = self.told(self.0.sign_in(flow, cookies).await)?;
        if let Some(invited) = sign_in.invited {
            let opened = self.0.book.by_id(&invited.id).await?.record;
            return self.told(self.0.begin_approval_by(&opened, invited).await);
        }
        let PendingRecord { expected, account, rebinds, .. } = sign_in;
        self.begin_approval(Beginning { rebinds, ..Beginning::of(expected, account, None) }).await
    }
}

impl Desk {
    /// The sign-in of that name that was answered, for the browser that began it, until its time is
    /// over; and once, unless it was by an invitation.
    async fn sign_in(&self, flow: &str, cookies: &Cookies) -> Result<PendingRecord, Error> {
        if !is_flow_id(flow) {
            return Err(Refused::StateUnknown.into());
        }
        let held = self.ledger.load::<PendingRecord>(None, flow).await?;
        let Held { record, revision } = held.ok_or(Refused::StateUnknown)?;
        if record.proof.is_some() {
            return Err(Refused::StateUnknown.into());
        }
        if !record.browser.matches(cookies.find(&cookie_name(&record.id))) {
            return Err(Refused::OtherBrowser.into());
        }
        if self.clock.now() >= record.expires_at {
            return Err(Refused::StateExpired.into());
        }
        if record.invited.is_some() {
            return Ok(record); // counted by its invitation
        }
        if record.led_to_approval {
            return Err(Refused::StateReplayed.into());
        }
        let next = PendingRecord { led_to_approval: true, ..record };
        match self.ledger.replace(&next, revision).await {
            Err(LedgerError::Conflict) => Err(Refused::StateReplayed.into()),
            replaced => Ok(replaced.map(|_| next)?),
        }
    }
}

/// Whether a text has the shape of a flow's name.
fn is_flow_id(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    text.len() == 43 && text.bytes().all(plain)
}
