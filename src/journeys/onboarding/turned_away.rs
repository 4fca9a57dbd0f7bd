//! An approval begun where somebody was just turned away: in place of the sign-in that needed it.

use super::approval::PendingApproval;
use super::browser::{cookie_name, flow_id};
use super::pending::PendingRecord;
use super::{Beginning, Desk, Onboarding};
use crate::error::Error;
use crate::model::policy::Refused;
use crate::protocol::authorization::{Callback, Cookies};

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
        let sign_in = self.0.sign_in(flow, cookies).await?;
        if let Some(invited) = sign_in.invited {
            let opened = self.0.book.by_id(&invited.id).await?.record;
            return self.0.begin_approval_by(&opened, invited).await;
        }
        let PendingRecord { expected, account, rebinds, .. } = sign_in;
        self.begin_approval(Beginning { rebinds, ..Beginning::of(expected, account, None) }).await
    }
}

impl Desk {
    /// The sign-in of that name, for the browser that began it, until its time is over.
    async fn sign_in(&self, flow: &str, cookies: &Cookies) -> Result<PendingRecord, Error> {
        if !is_flow_id(flow) {
            return Err(Refused::StateUnknown.into());
        }
        let held = self.ledger.load::<PendingRecord>(None, flow).await?;
        let record = held.ok_or(Refused::StateUnknown)?.record;
        if !record.browser.matches(cookies.find(&cookie_name(&record.id))) {
            return Err(Refused::OtherBrowser.into());
        }
        let is_over = self.clock.now() >= record.expires_at;
        if is_over { Err(Refused::StateExpired.into()) } else { Ok(record) }
    }
}

/// Whether a text has the shape of a flow's name.
fn is_flow_id(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    text.len() == 43 && text.bytes().all(plain)
}
