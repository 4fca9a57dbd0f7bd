//! An invitation as it is sealed and stored, and how it moves.
//!
//! The transitions are pure: whoever loads one, moves it and stores it again does so by
//! compare-and-swap.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{
    Invitation, InvitationId, InvitationStatus, LinkToken, MOST_STARTS, Terms, as_seconds,
};
use crate::model::clock::{from_unix_seconds, unix_seconds};
use crate::model::fingerprint::Fingerprint;
use crate::model::policy::Refused;
use crate::model::scope::Scopes;
use crate::model::tenant::{ClientId, TenantId, UserId};

mod approval;
mod erasing;

use approval::ReportedApproval;
pub(crate) use erasing::{Erasure, Whom};

/// How long an invitation stays listed after its end.
const KEPT: Duration = Duration::from_secs(30 * 86_400);
/// Links that were replaced and are still told from links that never were.
const REMEMBERED: usize = 10;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredInvitation {
    pub(crate) id: InvitationId,
    pub(crate) terms: Terms,
    pub(crate) scopes: Scopes,
    #[serde(with = "as_seconds")]
    pub(crate) made_at: SystemTime,
    pub(crate) link: Link,
    replaced: Vec<Fingerprint>,
    stage: Stage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    approval: Option<ReportedApproval>,
}

/// The link that works now, and what was begun by it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Link {
    /// Counts the links of an invitation.
    number: u32,
    secret: Fingerprint,
    #[serde(with = "as_seconds")]
    pub(crate) sent_at: SystemTime,
    #[serde(with = "as_seconds")]
    pub(crate) expires_at: SystemTime,
    starts: u32,
    live: Vec<LiveFlow>,
    /// How often an administrator's approval was begun by it.
    #[serde(default)]
    approvals: u32,
}

/// A flow that was begun and may still be confirmed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LiveFlow {
    pub(crate) flow: String,
    pub(crate) browser: Fingerprint,
    #[serde(with = "as_seconds")]
    pub(crate) until: SystemTime,
}

/// What a flow remembers of the invitation that it was begun by.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct InvitedFlow {
    pub(crate) id: InvitationId,
    link: u32,
    #[serde(with = "as_seconds")]
    pub(crate) since: SystemTime,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    Open,
    Claimed(Claim),
    Confirmed {
        partner: TenantId,
        /// Nobody once that person was erased.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<UserId>,
        #[serde(with = "as_seconds")]
        at: SystemTime,
    },
    Revoked {
        #[serde(with = "as_seconds")]
        at: SystemTime,
    },
}

/// A flow that is being made the consent. It keeps others out until that has happened or has not.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Claim {
    pub(crate) flow: String,
    pub(crate) partner: TenantId,
    pub(crate) user: UserId,
    /// What stood before: once a higher generation stands, the claim has come true.
    pub(crate) above: u64,
    #[serde(with = "as_seconds")]
    pub(crate) at: SystemTime,
    /// Tells it from others of the same flow.
    #[serde(default)]
    pub(crate) mark: u64,
    /// From then on no write of the consent can be under way any more, so that this claim is nobody's.
    #[serde(with = "as_seconds")]
    pub(crate) until: SystemTime,
}

impl StoredInvitation {
    pub(crate) fn new(terms: Terms, scopes: Scopes, token: &LinkToken, now: SystemTime) -> Self {
        let link = Link::sent(1, token, now, terms.life);
        let (replaced, stage, id) = (Vec::new(), Stage::Open, token.id.clone());
        Self { id, terms, scopes, made_at: link.sent_at, link, replaced, stage, approval: None }
    }

    /// When it may be swept.
    pub(crate) fn due(&self) -> SystemTime {
        self.link.expires_at + KEPT
    }

    pub(crate) fn shown(&self, application: ClientId, now: SystemTime) -> Invitation {
        Invitation {
            id: self.id.clone(),
            terms: self.terms.clone(),
            application,
            scopes: self.scopes.clone(),
            made_at: self.made_at,
            sent_at: self.link.sent_at,
            expires_at: self.link.expires_at,
            starts: self.link.starts,
            approvals: self.link.approvals,
            approval_reported_at: self.approval.as_ref().map(ReportedApproval::at),
            status: self.status(now),
        }
    }

    fn status(&self, now: SystemTime) -> InvitationStatus {
        match (&self.stage, self.link.starts) {
            (Stage::Confirmed { partner, user, at }, _) => {
                InvitationStatus::Confirmed { partner: *partner, user: *user, at: *at }
            }
            (Stage::Revoked { at }, _) => InvitationStatus::Revoked { at: *at },
            _ if now >= self.link.expires_at => InvitationStatus::Expired,
            (_, 0) => InvitationStatus::Open,
            (_, times) => InvitationStatus::Started { times },
        }
    }

    /// Whether this is the secret of its link: who does not know one learns nothing.
    pub(crate) fn check_link(&self, secret: &str) -> Result<(), Refused> {
        let brought = Some(secret);
        if self.link.secret.matches(brought) {
            return Ok(());
        }
        let replaced = self.replaced.iter().any(|former| former.matches(brought));
        Err(if replaced { Refused::InvitationReplaced } else { Refused::InvitationUnknown })
    }

    /// Whether its link is still the one that was opened.
    pub(crate) fn check_same_link(&self, opened: &Self) -> Result<(), Refused> {
        let same = self.link.number == opened.link.number;
        if same { Ok(()) } else { Err(Refused::InvitationReplaced) }
    }

    /// Whether anything may come of it, where the application asks for this.
    pub(crate) fn admit(&self, asked: &Scopes, now: SystemTime) -> Result<(), Refused> {
        self.check_stage()?;
        if now >= self.link.expires_at {
            return Err(Refused::InvitationExpired);
        }
        let more = asked.beyond(&self.scopes);
        if more.is_empty() { Ok(()) } else { Err(Refused::InvitationOutgrown(more)) }
    }

    fn check_stage(&self) -> Result<(), Refused> {
        match self.stage {
            Stage::Open | Stage::Claimed(_) => Ok(()),
            Stage::Confirmed { .. } => Err(Refused::InvitationSpent),
            Stage::Revoked { .. } => Err(Refused::InvitationRevoked),
        }
    }

    /// Notes a flow that begins. What the same browser has begun before is over, as is what has ended
    /// by itself.
    pub(crate) fn start(
        &mut self,
        flow: LiveFlow,
        is_same_browser: impl Fn(&LiveFlow) -> bool,
        now: SystemTime,
    ) -> Result<(), Refused> {
        if self.link.starts >= MOST_STARTS {
            return Err(Refused::InvitationExhausted);
        }
        self.link.live.retain(|live| now < live.until && !is_same_browser(live));
        self.link.live.push(flow);
        self.link.starts += 1;
        Ok(())
    }

    /// What a flow that is begun now remembers of it.
    pub(crate) fn flow(&self) -> InvitedFlow {
        InvitedFlow { id: self.id.clone(), link: self.link.number, since: self.link.sent_at }
    }

    /// How often its link was begun by.
    pub(crate) const fn starts(&self) -> u32 {
        self.link.starts
    }

    /// Whether a flow that was begun by it may go on.
    pub(crate) fn check_flow(&self, invited: &InvitedFlow, flow: &str) -> Result<(), Refused> {
        self.check_link_of(invited)?;
        let is_live = self.link.live.iter().any(|live| live.flow == flow);
        if is_live { Ok(()) } else { Err(Refused::BegunAnew) }
    }

    /// Whether its link is still the one that this flow was begun by.
    fn check_link_of(&self, invited: &InvitedFlow) -> Result<(), Refused> {
        let same = invited.link == self.link.number;
        if same { Ok(()) } else { Err(Refused::InvitationReplaced) }
    }

    /// Whether this user may consent by it.
    pub(crate) fn check_user(&self, partner: TenantId, found: UserId) -> Result<(), Refused> {
        match self.terms.user {
            Some(invited) if invited != found => {
                Err(Refused::OtherInvitee { partner, invited, found })
            }
            _ => Ok(()),
        }
    }

    /// Whether it is about this partner: one by which it has consented is, whoever was asked.
    pub(crate) fn concerns(&self, partner: TenantId) -> bool {
        let confirmed = match &self.stage {
            Stage::Confirmed { partner, .. } => Some(*partner),
            _ => None,
        };
        confirmed.or(self.terms.partner) == Some(partner)
    }

    /// Whose claim wants to be looked at: nobody knows yet whether it has come true.
    pub(crate) const fn claim(&self) -> Option<&Claim> {
        match &self.stage {
            Stage::Claimed(claim) => Some(claim),
            _ => None,
        }
    }

    /// Ends a claim that has come true, or never will, by the flow and the generation of the consent
    /// that stands. Once the claim's time is over, what was confirmed since may have taken the place
    /// of its consent: an invitation is sooner spent for nothing than used twice.
    pub(crate) fn settle(&mut self, standing: Option<(&str, u64)>, now: SystemTime) {
        let Stage::Claimed(claim) = &self.stage else { return };
        let is_over = now >= claim.until;
        let came_true = standing.is_some_and(|(flow, generation)| {
            flow == claim.flow || is_over && generation > claim.above
        });
        let Claim { partner, user, at, .. } = *claim;
        if came_true {
            self.stage = Stage::Confirmed { partner, user: Some(user), at };
        } else if is_over {
            self.stage = Stage::Open;
        }
    }

    pub(crate) fn claim_by(&mut self, claim: Claim) {
        self.stage = Stage::Claimed(claim);
    }

    /// The consent of this flow stands. Another try of the same flow may have given up its claim.
    pub(crate) fn confirm(
        &mut self,
        flow: &str,
        invited: &InvitedFlow,
        (partner, user, at): (TenantId, UserId, SystemTime),
    ) {
        let is_open = matches!(self.stage, Stage::Open) && self.check_link_of(invited).is_ok();
        let claimed_at = self.claim_of(flow).map(|claim| claim.at);
        if is_open || claimed_at.is_some() {
            let at = claimed_at.unwrap_or(at);
            self.stage = Stage::Confirmed { partner, user: Some(user), at };
        }
    }

    /// This claim of the flow has not come true.
    pub(crate) fn release(&mut self, flow: &str, mark: u64) {
        if self.claim_of(flow).is_some_and(|claim| claim.mark == mark) {
            self.stage = Stage::Open;
        }
    }

    fn claim_of(&self, flow: &str) -> Option<&Claim> {
        self.claim().filter(|claim| claim.flow == flow)
    }

    /// Takes it back. Doing so twice is doing it once.
    pub(crate) fn revoke(&mut self, now: SystemTime) -> Result<(), Refused> {
        match self.check_stage() {
            Err(Refused::InvitationRevoked) => {}
            open => {
                open?;
                self.stage = Stage::Revoked { at: in_seconds(now) };
            }
        }
        Ok(())
    }

    /// Gives it another link and its whole time again, for what is asked for now.
    pub(crate) fn resend(
        &mut self,
        token: &LinkToken,
        scopes: Scopes,
        now: SystemTime,
    ) -> Result<(), Refused> {
        self.check_stage()?;
        let number = self.link.number.saturating_add(1);
        let link = Link::sent(number, token, now, self.terms.life);
        let former = std::mem::replace(&mut self.link, link);
        self.replaced.push(former.secret);
        let forgotten = self.replaced.len().saturating_sub(REMEMBERED);
        self.replaced.drain(..forgotten);
        (self.scopes, self.stage) = (scopes, Stage::Open);
        Ok(())
    }
}

impl Link {
    fn sent(number: u32, token: &LinkToken, now: SystemTime, life: Duration) -> Self {
        let sent_at = in_seconds(now);
        Self {
            number,
            secret: Fingerprint::of(&token.secret),
            sent_at,
            expires_at: sent_at + life,
            starts: 0,
            live: Vec::new(),
            approvals: 0,
        }
    }
}

/// As it is stored, so that what is shown at once is what is read later.
fn in_seconds(time: SystemTime) -> SystemTime {
    from_unix_seconds(unix_seconds(time))
}
