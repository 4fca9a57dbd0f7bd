//! What to do next, and whose turn it is.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::model::entra_error::{Cause, EntraError};
use crate::model::policy::Refused;
use crate::model::tenant::TenantId;
use crate::protocol::partner_center::{PartnerCenterCause, PartnerCenterError};

/// What to do next. Its [`Display`](fmt::Display) says it to a support person.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// Wait, then ask again.
    Retry {
        /// How long at least.
        after: Duration,
    },
    /// The partner must consent again.
    AskConsentAgain {
        /// What Entra wants proven then, to be passed on with the request.
        claims: Option<String>,
    },
    /// By the link they have, nobody at the partner can go on: send a new invitation, on the terms that
    /// the error speaks of.
    InviteAgain,
    /// The application lacks a grant in the customer's tenant, which the vendor makes by the partner's
    /// consent: [`Customer::grant`](crate::Customer::grant). Where that is blocked, its own error says
    /// who acts; one that is too narrow is [withdrawn](crate::Customer::withdraw) first.
    GrantInCustomer,
    /// The delegated administration of this customer is missing or insufficient.
    FixRelationship {
        /// The customer.
        customer: TenantId,
    },
    /// An administrator of a tenant must act.
    AskAdministrator {
        /// Whose.
        tenant: TenantId,
        /// About what.
        why: Cause,
    },
    /// Somebody of the vendor froze these tokens, and knows when to call
    /// [`Broker::lift`](crate::Broker::lift).
    Lift {
        /// The name of the freeze.
        name: String,
    },
    /// The vendor must mend its registration, credential, settings or store.
    FixRegistration,
    /// Somebody broke a rule of the protocol, or this crate is wrong: report it with the error.
    ReportDefect,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Party {
    /// Nobody's: it passes by itself.
    Nobody,
    /// The partner's.
    Partner,
    /// The customer's: something is missing or forbidden in its tenant that no call of ours mends.
    Customer,
    /// The vendor's.
    Vendor,
}

impl Remedy {
    /// The name under which it is logged and counted.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Retry { .. } => "retry",
            Self::AskConsentAgain { .. } => "ask_consent_again",
            Self::InviteAgain => "invite_again",
            Self::GrantInCustomer => "grant_in_customer",
            Self::FixRelationship { .. } => "fix_relationship",
            Self::AskAdministrator { .. } => "ask_administrator",
            Self::Lift { .. } => "lift",
            Self::FixRegistration => "fix_registration",
            Self::ReportDefect => "report_defect",
        }
    }

    /// Whose turn it is, where it concerns this partner: an administrator of its tenant is the
    /// partner's, of any other tenant a customer's. Where no partner is named, every administrator
    /// is taken for a customer's; the remedies of a first contact name none.
    #[must_use]
    pub fn party(&self, partner: Option<TenantId>) -> Party {
        match self {
            Self::Retry { .. } => Party::Nobody,
            Self::AskConsentAgain { .. } => Party::Partner,
            Self::AskAdministrator { tenant, .. } if partner == Some(*tenant) => Party::Partner,
            Self::FixRelationship { .. } | Self::AskAdministrator { .. } => Party::Customer,
            Self::InviteAgain
            | Self::GrantInCustomer
            | Self::Lift { .. }
            | Self::FixRegistration
            | Self::ReportDefect => Party::Vendor,
        }
    }
}

/// As derived, but for the claims: those are for Entra, and nothing to read in a log.
impl fmt::Debug for Remedy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retry { after } => out.debug_struct("Retry").field("after", after).finish(),
            Self::AskConsentAgain { claims } => {
                let claims = claims.as_ref().map(|_| format_args!("[redacted]"));
                out.debug_struct("AskConsentAgain").field("claims", &claims).finish()
            }
            Self::InviteAgain => out.write_str("InviteAgain"),
            Self::GrantInCustomer => out.write_str("GrantInCustomer"),
            Self::FixRelationship { customer } => {
                out.debug_struct("FixRelationship").field("customer", customer).finish()
            }
            Self::AskAdministrator { tenant, why } => out
                .debug_struct("AskAdministrator")
                .field("tenant", tenant)
                .field("why", why)
                .finish(),
            Self::Lift { name } => out.debug_struct("Lift").field("name", name).finish(),
            Self::FixRegistration => out.write_str("FixRegistration"),
            Self::ReportDefect => out.write_str("ReportDefect"),
        }
    }
}

/// Whoever reads it knows which tenants are meant.
impl fmt::Display for Remedy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retry { after } if after.is_zero() => out.write_str("try again"),
            Self::Retry { after } => write!(out, "wait {} s, then try again", after.as_secs()),
            Self::AskConsentAgain { .. } => {
                out.write_str("have the partner's administrator consent again")
            }
            Self::InviteAgain => out.write_str("send the partner a new invitation"),
            Self::GrantInCustomer => out.write_str(
                "grant it at the customer with Customer::grant, after Customer::withdraw where it is \
                 too narrow; where that is blocked, its own error says who acts",
            ),
            Self::FixRelationship { .. } => out.write_str(
                "mend the partner's delegated administration of this customer: relationship, roles \
                 and group",
            ),
            Self::AskAdministrator { why, .. } => {
                write!(out, "ask an administrator of that tenant about: {}", why.words())
            }
            Self::Lift { name } => write!(out, "lift the freeze {name}, once its reason is over"),
            Self::FixRegistration => {
                out.write_str("mend the vendor's own registration, credential, settings or store")
            }
            Self::ReportDefect => {
                out.write_str("report it to the vendor's developers, with the ids of this case")
            }
        }
    }
}

impl Party {
    /// The name under which it is logged and counted.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Partner => "partner",
            Self::Customer => "customer",
            Self::Vendor => "vendor",
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// How long to wait where nobody said.
pub(super) const SOON: Duration = Duration::from_secs(30);
/// No third token is fetched any sooner.
const REFUSED_TWICE: Duration = Duration::from_secs(300);

pub(super) fn entra_remedy(
    partner: Option<TenantId>,
    tenant: Option<TenantId>,
    error: &EntraError,
) -> Remedy {
    let cause = error.cause();
    if cause.is_transient() {
        return Remedy::Retry { after: error.retry_after().unwrap_or(SOON) };
    }
    cause_remedy(partner, tenant, cause, error.claims().map(str::to_owned))
}

pub(super) fn cause_remedy(
    partner: Option<TenantId>,
    tenant: Option<TenantId>,
    cause: Cause,
    claims: Option<String>,
) -> Remedy {
    match (partner, tenant) {
        (Some(partner), Some(customer)) if partner != customer => {
            customer_remedy(partner, customer, cause, claims)
        }
        (Some(partner), _) => partner_remedy(partner, cause, claims),
        (None, _) => first_contact_remedy(cause, claims),
    }
}

fn customer_remedy(
    partner: TenantId,
    customer: TenantId,
    cause: Cause,
    claims: Option<String>,
) -> Remedy {
    match cause {
        Cause::ConsentMissing | Cause::ApplicationMissing | Cause::AdminApprovalRequired => {
            Remedy::GrantInCustomer
        }
        Cause::RelationshipMissing
        | Cause::AccountNotFound
        | Cause::TenantUnknown
        | Cause::TenantGone => Remedy::FixRelationship { customer },
        Cause::ConditionalAccess
        | Cause::DeviceRequired
        | Cause::CrossTenantPolicy
        | Cause::ApplicationDisabled
        | Cause::ResourceMissing => Remedy::AskAdministrator { tenant: customer, why: cause },
        _ => partner_remedy(partner, cause, claims),
    }
}

fn partner_remedy(partner: TenantId, cause: Cause, claims: Option<String>) -> Remedy {
    match cause {
        Cause::ConditionalAccess
        | Cause::DeviceRequired
        | Cause::CrossTenantPolicy
        | Cause::ResourceMissing
        | Cause::PasswordReset
        | Cause::AccountLocked
        | Cause::AccountDisabled
        | Cause::AccountAtRisk
        | Cause::AccountNotFound
        | Cause::NotAssigned
        | Cause::TenantGone => Remedy::AskAdministrator { tenant: partner, why: cause },
        Cause::ApplicationMissing => Remedy::AskConsentAgain { claims },
        _ => first_contact_remedy(cause, claims),
    }
}

fn first_contact_remedy(cause: Cause, claims: Option<String>) -> Remedy {
    match cause {
        Cause::RegistrationIncomplete
        | Cause::ApplicationDisabled
        | Cause::ApplicationMissing
        | Cause::CredentialRejected
        | Cause::RedirectRefused
        | Cause::TenantUnknown
        | Cause::CloudMismatch => Remedy::FixRegistration,
        Cause::RequestMalformed | Cause::Looping | Cause::Unknown => Remedy::ReportDefect,
        _ => Remedy::AskConsentAgain { claims },
    }
}

pub(super) fn standing_remedy(partner: TenantId, cause: Cause) -> Remedy {
    partner_remedy(partner, cause, None)
}

/// What a role lets a user do at a customer is the relationship's; at home, an administrator's.
pub(super) fn office_remedy(
    partner: TenantId,
    customer: Option<TenantId>,
    error: &PartnerCenterError,
) -> Remedy {
    let ask = |why| Remedy::AskAdministrator { tenant: partner, why };
    match (error.cause(), customer) {
        (PartnerCenterCause::Transient | PartnerCenterCause::Throttled, _) => {
            Remedy::Retry { after: error.retry_after().unwrap_or(SOON) }
        }
        (PartnerCenterCause::TokenRefused, _) => Remedy::Retry { after: REFUSED_TWICE },
        (PartnerCenterCause::MfaMissing, _) => Remedy::AskConsentAgain { claims: None },
        (
            PartnerCenterCause::RelationshipMissing
            | PartnerCenterCause::RoleMissing
            | PartnerCenterCause::NotFound,
            Some(customer),
        ) => Remedy::FixRelationship { customer },
        (PartnerCenterCause::RoleMissing, None) => ask(Cause::RoleMissing),
        (PartnerCenterCause::NotEnrolled, _) => ask(Cause::NotEnrolled),
        (PartnerCenterCause::Exists, Some(_)) => Remedy::GrantInCustomer,
        // The partner's own consent has shown that there are such permissions.
        (PartnerCenterCause::Malformed, Some(tenant)) => {
            Remedy::AskAdministrator { tenant, why: Cause::ResourceMissing }
        }
        (PartnerCenterCause::Malformed, None) => Remedy::FixRegistration,
        _ => Remedy::ReportDefect,
    }
}

/// The pages of the web door name the same one.
pub(super) fn refused_remedy(refused: &Refused) -> Remedy {
    let again = Remedy::AskConsentAgain { claims: None };
    let ask = |tenant: &TenantId, why| Remedy::AskAdministrator { tenant: *tenant, why };
    match refused {
        // The manifest says what is told of roles.
        Refused::HomeTenant(_) | Refused::RolesUnknown => Remedy::FixRegistration,
        Refused::NotYours(_) | Refused::OtherIssuer => Remedy::ReportDefect,
        // Only the vendor says whose place may be taken, and no link outlives its terms.
        Refused::OtherUser { .. }
        | Refused::Withdrawn(_)
        | Refused::StillNamed(_)
        | Refused::NothingToRollBack(_)
        | Refused::RollBackOver(_)
        | Refused::InvitationExpired
        | Refused::InvitationExhausted
        | Refused::InvitationOutgrown(_) => Remedy::InviteAgain,
        // The other user works there: this one lacks what the partner gives its own people.
        Refused::LosesCustomers { partner, losses } => {
            losses.first().map_or(again, |loss| ask(partner, loss.cause()))
        }
        Refused::ConfirmedAlready(partner) => ask(partner, Cause::Declined),
        _ => again,
    }
}
