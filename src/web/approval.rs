//! The administrator's step at the door: offered on the start page, and where a sign-in was turned away
//! for want of it.

use bytes::Bytes;
use http::header::SET_COOKIE;
use http::{HeaderMap, Request, Response, StatusCode};
use maud::{Markup, html};

use super::answered::Answered;
use super::pages::{Pages, moment};
use super::phrase::Phrase;
use super::problem::Problem;
use super::{WebDoor, reply};
use crate::error::Error;
use crate::journeys::onboarding::{Onboarding, PendingApproval};
use crate::model::invitation::Invitation;
use crate::model::policy::Refused;
use crate::protocol::authorization::{Callback, Cookies};

/// Whether the start page's second button was pressed.
pub(super) fn wanted(request: &Request<Bytes>) -> bool {
    request.body().as_ref() == b"step=approve"
}

impl WebDoor {
    /// By the start page's second button.
    pub(super) async fn approve(
        &self,
        token: &str,
        headers: &HeaderMap,
        pages: &Pages<'_>,
    ) -> Result<Response<Bytes>, Error> {
        if !self.site.sent(headers) {
            return Err(self.broker.onboarding.refuse_foreign());
        }
        to_administrator(self.broker.begin_invited_approval(token).await, pages)
    }

    /// In place of a sign-in of the same browser.
    pub(super) async fn approve_instead(
        &self,
        flow: &str,
        headers: &HeaderMap,
        pages: &Pages<'_>,
    ) -> Result<Response<Bytes>, Error> {
        if !self.site.sent(headers) {
            return Err(self.broker.onboarding.refuse_foreign());
        }
        let cookies = Cookies::read(headers)?;
        let begun = self.broker.onboarding.begin_approval_after(flow, &cookies).await;
        to_administrator(begun, pages)
    }

    /// Leads to an address of its own, as the callback of a sign-in does.
    pub(super) async fn approved(&self, callback: Callback) -> Result<Response<Bytes>, Error> {
        self.broker.capture_approval(callback).await?;
        Ok(self.lead_to(Answered::Approved))
    }

    /// Where an approval is begun in place of the sign-in that this answers.
    pub(super) fn instead(&self, callback: &Callback) -> Option<String> {
        let flow = Onboarding::flow_of(callback)?;
        Some(self.site.path(&format!("/approve/{flow}")))
    }
}

/// Leads to Microsoft, unless it was begun too often: of that the sign-ins by the same link know nothing.
fn to_administrator(
    begun: Result<PendingApproval, Error>,
    pages: &Pages<'_>,
) -> Result<Response<Bytes>, Error> {
    let pending = match begun {
        Err(Error::Refused(Refused::InvitationExhausted)) => {
            return Ok(pages.explain(Problem::ApprovalsExhausted, &[], None, None));
        }
        begun => begun?,
    };
    let mut response = reply::see_other(pending.approval_url().as_str());
    response.headers_mut().insert(SET_COOKIE, pending.browser_key().set_cookie());
    Ok(response)
}

impl Pages<'_> {
    /// The start page's second way, below the first.
    pub(super) fn approval_first(&self, invitation: &Invitation) -> Markup {
        html! {
            h2 { (self.says(Phrase::ApproveTitle)) }
            @if let Some(at) = invitation.approval_reported_at() {
                p { (self.says_of(Phrase::ApprovalReported, &[("time", html! { (moment(at)) })])) }
            }
            p { (self.says(Phrase::ApproveText)) }
            form method="post" {
                button .quiet name="step" value="approve" { (self.says(Phrase::Approve)) }
            }
        }
    }

    /// What is next, once an administrator has approved.
    pub(super) fn approved(&self) -> Response<Bytes> {
        let body = html! {
            p { (self.says(Phrase::ApprovedText)) }
            h2 { (self.says(Phrase::Turn)) }
            p { (self.says(Phrase::ApprovedTurn)) }
            (self.home())
        };
        self.page(StatusCode::OK, Phrase::ApprovedTitle, &body)
    }

    /// An administrator has to approve: here and now, or by the same link.
    pub(super) fn needs_administrator(&self, instead: &str) -> Response<Bytes> {
        let offer = html! {
            p { (self.says(Phrase::ApproveHere)) }
            form method="post" action=(instead) {
                button .quiet { (self.says(Phrase::Approve)) }
            }
        };
        self.explain(Problem::NeedsAdministrator, &[], None, Some(&offer))
    }
}
