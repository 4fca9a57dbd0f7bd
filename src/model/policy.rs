//! What we accept beyond what Entra accepts, and the words for a refusal.
//!
//! The default is the strict one. A method that loosens it is called `danger_…`, so that it shouts
//! in review.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use super::consent::{ConsentingUser, Guest, Loss};
use super::mfa::{MfaFinding, MfaSource};
use super::partner_kind::PartnerKind;
use super::receipt::PolicyNote;
use super::role::DirectoryRole;
use super::scope::Scopes;
use super::tenant::{TenantId, UserId};

mod by_kind;
mod expiry;
mod privilege;
mod warning;

pub(crate) use by_kind::Policies;
use privilege::{Privilege, listed};
pub use warning::Warning;

/// Which consents are good enough.
///
/// By default: a second factor proven by Partner Center's own verdict, a member of the tenant (no
/// guest), every registered permission granted and none beyond. A user with more power than this
/// needs is taken with a [warning](Warning).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    mfa_sources: BTreeSet<MfaSource>,
    mfa_required: bool,
    mfa_within: Option<Duration>,
    mfa_lasts: Option<Duration>,
    privilege: Privilege,
    unknown_roles: bool,
    guests: BTreeSet<AcceptedGuest>,
    scopes_beyond: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum AcceptedGuest {
    Unknown,
    Certain,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            mfa_sources: BTreeSet::from([MfaSource::PartnerCenter]),
            mfa_required: true,
            mfa_within: None,
            mfa_lasts: None,
            privilege: Privilege::default(),
            unknown_roles: false,
            guests: BTreeSet::new(),
            scopes_beyond: false,
        }
    }
}

impl Policy {
    /// Refuses a consent whose sign-in may be longer ago than `limit`. Where Entra does not tell the
    /// time of it (`auth_time`), it may have been as early as the flow's start, and no earlier: each
    /// flow asks for a fresh one (`prompt=login`).
    #[must_use]
    pub fn mfa_within(mut self, limit: Duration) -> Self {
        self.mfa_within = Some(limit);
        self
    }

    /// Also believes `source` when the stronger ones cannot say.
    #[must_use]
    pub fn danger_also_believing(mut self, source: MfaSource) -> Self {
        self.mfa_sources.insert(source);
        self
    }

    /// Does not ask `source`: neither its yes nor its no counts, so that what a stronger source would
    /// have denied a weaker one may prove. Where no source is left, nothing can be proven.
    #[must_use]
    pub fn danger_not_believing(mut self, source: MfaSource) -> Self {
        self.mfa_sources.remove(&source);
        self
    }

    /// Takes a consent without proof of a second factor. Partner Center will refuse its tokens.
    #[must_use]
    pub fn danger_without_mfa(mut self) -> Self {
        self.mfa_required = false;
        self
    }

    /// Takes the consent of a guest, whose sign-in another tenant decides about.
    #[must_use]
    pub fn danger_guests(mut self) -> Self {
        self.guests.extend([AcceptedGuest::Certain, AcceptedGuest::Unknown]);
        self
    }

    /// Takes the consent of an account of which the token does not say whether it is a guest.
    #[must_use]
    pub fn danger_unknown_guests(mut self) -> Self {
        self.guests.insert(AcceptedGuest::Unknown);
        self
    }

    /// Takes a consent that grants more than the registration asks for.
    #[must_use]
    pub fn danger_scopes_beyond(mut self) -> Self {
        self.scopes_beyond = true;
        self
    }

    /// How a receipt tells that this policy has admitted a consent.
    pub(crate) fn note(&self, candidate: &Candidate<'_>) -> PolicyNote {
        let warnings: Vec<_> = self.warnings(candidate).iter().map(Warning::noted).collect();
        let verdict = if warnings.is_empty() { "admitted" } else { "admitted with warnings" };
        let seconds = |limit: Option<Duration>| limit.map(|limit| limit.as_secs());
        let (mfa_within, mfa_lasts) = (seconds(self.mfa_within), seconds(self.mfa_lasts));
        let (verdict, loosened) = (verdict.to_owned(), self.loosened());
        PolicyNote { verdict, mfa_within, mfa_lasts, loosened, warnings }
    }

    fn loosened(&self) -> Vec<String> {
        let weaker = self.mfa_sources.iter().filter(|s| **s != MfaSource::PartnerCenter);
        let mut loosened: Vec<_> =
            weaker.map(|source| format!("also_believing {}", source.as_str())).collect();
        let mut said = |holds: bool, what: &str| loosened.extend(holds.then(|| what.to_owned()));
        said(!self.believes(MfaSource::PartnerCenter), "not_believing partner_center");
        said(!self.mfa_required, "without_mfa");
        said(self.privilege == Privilege::Ignored, "any_role");
        said(self.unknown_roles, "unknown_roles");
        said(self.guests.contains(&AcceptedGuest::Certain), "guests");
        said(self.guests.contains(&AcceptedGuest::Unknown), "unknown_guests");
        said(self.scopes_beyond, "scopes_beyond");
        loosened
    }

    pub(crate) fn believes(&self, source: MfaSource) -> bool {
        self.mfa_sources.contains(&source)
    }

    pub(crate) fn admit(&self, candidate: &Candidate<'_>) -> Result<(), Refused> {
        self.admit_user(candidate.user)?;
        self.admit_roles(candidate.user)?;
        admit_missing(candidate)?;
        self.admit_beyond(candidate)?;
        self.admit_mfa(candidate)
    }

    /// Whether a consent that was confirmed at another site may be used here. It may grant less than
    /// is registered by now: that is no more than what stands here may.
    pub(crate) fn admit_moved(&self, candidate: &Candidate<'_>) -> Result<(), Refused> {
        self.admit_user(candidate.user)?;
        self.admit_roles(candidate.user)?;
        self.admit_beyond(candidate)?;
        self.admit_mfa(candidate)
    }

    fn admit_user(&self, user: &ConsentingUser) -> Result<(), Refused> {
        let needed = match user.guest {
            Guest::No => return Ok(()),
            Guest::Yes => AcceptedGuest::Certain,
            Guest::Unknown => AcceptedGuest::Unknown,
        };
        if self.guests.contains(&needed) { Ok(()) } else { Err(Refused::Guest(user.guest)) }
    }

    fn admit_beyond(&self, candidate: &Candidate<'_>) -> Result<(), Refused> {
        let beyond = candidate.granted.beyond(candidate.registered);
        let admitted = beyond.is_empty() || self.scopes_beyond;
        if admitted { Ok(()) } else { Err(Refused::ScopesBeyond(beyond)) }
    }

    fn admit_mfa(&self, candidate: &Candidate<'_>) -> Result<(), Refused> {
        if !self.mfa_required {
            return Ok(());
        }
        let proof = match candidate.mfa {
            MfaFinding::Proven(proof) => proof,
            MfaFinding::Disproven(source) => return Err(Refused::MfaMissing(source)),
            MfaFinding::Unknown => return Err(Refused::MfaUnknown),
        };
        match self.mfa_within {
            Some(limit) if !proof.signed_in().is_within(limit, candidate.now) => {
                Err(Refused::MfaTooLongAgo)
            }
            _ => Ok(()),
        }
    }
}

fn admit_missing(candidate: &Candidate<'_>) -> Result<(), Refused> {
    let missing = candidate.registered.beyond(candidate.granted);
    if missing.is_empty() { Ok(()) } else { Err(Refused::ScopesMissing(missing)) }
}

/// Whether a tenant may be a partner of the vendor whose own tenant is `home`.
pub(crate) fn admit_tenant(partner: TenantId, home: TenantId) -> Result<(), Refused> {
    if partner == home {
        return Err(Refused::HomeTenant(partner));
    }
    if partner.is_personal() { Err(Refused::PersonalAccount) } else { Ok(()) }
}

/// What a policy looks at.
pub(crate) struct Candidate<'a> {
    pub(crate) user: &'a ConsentingUser,
    pub(crate) registered: &'a Scopes,
    pub(crate) granted: &'a Scopes,
    pub(crate) mfa: MfaFinding,
    /// The kind of partner by the consent that stands, and by this one, where these differ.
    pub(crate) kind_changed: Option<(PartnerKind, PartnerKind)>,
    pub(crate) now: SystemTime,
}

/// Why we refused, whatever Entra said. Nothing is stored from which a token could be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The callback carried no state: it did not come from a flow that we began.
    #[error("the callback has no state")]
    StateMissing,
    /// No flow with this state is known: never begun here, or swept since.
    #[error("no consent flow with this state is known")]
    StateUnknown,
    /// This flow has had its callback; a second one changes nothing.
    #[error("this consent flow has had its callback")]
    StateReplayed,
    /// The flow took too long: more than 30 minutes from its start to its callback.
    #[error("this consent flow has expired")]
    StateExpired,
    /// The state is right, but the browser is not the one that began: its cookie is missing, or of
    /// another flow.
    #[error("the callback came from another browser than the flow began in")]
    OtherBrowser,
    /// The answer came by query where a form was asked for, or the reverse.
    #[error("the callback came in another response mode than was asked for")]
    OtherResponseMode,
    /// The answer is that of the other step: an administrator's approval where a sign-in was begun, or
    /// the reverse. `Callback::reports_approval` says which of them it is.
    #[error("the callback answers the other of the two steps than was begun")]
    OtherStep,
    /// The answer names an issuer that the flow was not sent to (RFC 9207, section 2.4).
    #[error("the callback names another issuer than the flow was sent to")]
    OtherIssuer,
    /// The person, or an administrator, said no (AADSTS65004).
    #[error("the consent was declined")]
    Declined,
    /// An administrator of the partner must approve first (AADSTS90094, AADSTS90095).
    #[error("an administrator of the partner must approve first")]
    AdminApprovalNeeded,
    /// Somebody of another tenant signed in.
    #[error("tenant {found} signed in where {expected} was expected")]
    OtherTenant {
        /// The tenant that was asked.
        expected: TenantId,
        /// The tenant that answered.
        found: TenantId,
    },
    /// The vendor's own tenant is never a partner.
    #[error("tenant {0} is the vendor's own, which is never a partner")]
    HomeTenant(TenantId),
    /// A personal account is no partner.
    #[error("a personal account signed in")]
    PersonalAccount,
    /// A guest signed in, or an account that may be one.
    #[error("the account is a guest, or may be one ({0:?})")]
    Guest(Guest),
    /// The user has a directory role that this work does not need, and the policy refuses it.
    #[error("the user has more power than this needs: {}", listed(.0))]
    PowerfulRoles(Vec<DirectoryRole>),
    /// Entra did not tell the user's directory roles, and the policy refuses powerful ones.
    #[error("the user's directory roles are not known")]
    RolesUnknown,
    /// No second factor was proven.
    #[error("no second factor was proven, says {0}")]
    MfaMissing(MfaSource),
    /// Nothing that the policy believes could say whether a second factor was proven.
    #[error("whether a second factor was proven could not be found out")]
    MfaUnknown,
    /// The sign-in was, or may have been, too long ago.
    #[error("the sign-in was too long ago")]
    MfaTooLongAgo,
    /// Permissions that the application needs were not granted.
    #[error("permissions were not granted: {0}")]
    ScopesMissing(Scopes),
    /// More was granted than the registration asks for; the extra is taken away first.
    #[error("permissions were granted beyond the registration: {0}")]
    ScopesBeyond(Scopes),
    /// This partner is bound to another account of the host, or was until it was withdrawn: a panel
    /// asked at the wrong door, or a first contact was answered by a tenant that another account has.
    #[error("partner {0} is bound to another account")]
    NotYours(TenantId),
    /// Another user's consent stands; replacing it needs a confirmation that names both, for which
    /// the finding still waits.
    #[error("partner {partner} stands on the consent of {standing}; {found} would replace it")]
    OtherUser {
        /// The partner.
        partner: TenantId,
        /// Whose consent stands.
        standing: Box<ConsentingUser>,
        /// Who signed in now.
        found: Box<ConsentingUser>,
    },
    /// Customers that worked by the standing consent lately refuse the new one, which still waits: have
    /// the new user given what the old one has there, or say that they may be lost.
    #[error("partner {partner} would lose customers that worked lately: {}", named(.losses))]
    LosesCustomers {
        /// The partner.
        partner: TenantId,
        /// Those of the sample that would be lost.
        losses: Box<[Loss]>,
    },
    /// The standing consent has the stronger proof of a second factor.
    #[error("the standing consent of partner {0} has the stronger proof of a second factor")]
    WeakerProof(TenantId),
    /// A consent was confirmed after this one's token was issued, or put back after this flow began.
    #[error("the standing consent of partner {0} is newer")]
    OlderToken(TenantId),
    /// The partner was withdrawn after this flow began.
    #[error("partner {0} was withdrawn after this flow began")]
    Withdrawn(TenantId),
    /// The partner's consent, or what is left of it, is this person's: another user's takes its place
    /// first, or the partner is shredded.
    #[error("the consent of partner {0} is this person's: have another user consent, or shred it")]
    StillNamed(TenantId),
    /// There is no consent that could be put back: none was replaced, or it was over.
    #[error("partner {0} has no consent to roll back to")]
    NothingToRollBack(TenantId),
    /// The time in which the previous consent could be put back is over, or its refresh token's life.
    #[error("the time to roll partner {0} back is over")]
    RollBackOver(TenantId),
    /// This link leads to no invitation: never made, of another application, or swept since.
    #[error("there is no invitation at this link")]
    InvitationUnknown,
    /// The invitation was sent once more: its newer link is the one that works.
    #[error("a newer link of this invitation was sent")]
    InvitationReplaced,
    /// The invitation's time is over.
    #[error("the invitation has expired")]
    InvitationExpired,
    /// The invitation was taken back.
    #[error("the invitation was revoked")]
    InvitationRevoked,
    /// A consent was confirmed by this invitation; it is good for one.
    #[error("a consent was confirmed by this invitation before")]
    InvitationSpent,
    /// The link was begun by ten times.
    #[error("the invitation's link was begun by too often")]
    InvitationExhausted,
    /// The application asks for more than the invitation said.
    #[error("the invitation did not speak of {0}")]
    InvitationOutgrown(Scopes),
    /// The invitation was for another user.
    #[error("user {found} signed in where {invited} was invited")]
    OtherInvitee {
        /// The partner.
        partner: TenantId,
        /// Who was invited.
        invited: UserId,
        /// Who signed in.
        found: UserId,
    },
    /// The same browser has begun anew by the same invitation: only its last flow counts.
    #[error("this browser has begun anew by the same invitation")]
    BegunAnew,
    /// It was confirmed before somebody said no: the consent stands, and only the panel can withdraw it.
    #[error("the consent of partner {0} was confirmed before it was declined")]
    ConfirmedAlready(TenantId),
    /// Another page than ours has sent what only our own may send.
    #[error("the request came from another page than ours")]
    ForeignRequest,
    /// What waited for confirmation is gone: declined, confirmed already, or its ten minutes are over.
    #[error("there is nothing left to confirm")]
    NothingToConfirm,
}

fn named(losses: &[Loss]) -> String {
    losses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod edges;
#[cfg(test)]
mod tests;
