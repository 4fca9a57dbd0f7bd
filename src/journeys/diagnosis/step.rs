//! What is missing, and what somebody does about it.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::error::{Error, Party, Remedy};
use crate::model::entra_error::{Cause, EntraError};
use crate::model::scope::Scopes;
use crate::model::tenant::TenantId;

/// What somebody does next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    #[serde(skip_serializing_if = "Option::is_none")]
    happened_at: Option<Party>,
    whose_turn: Party,
    remedy: &'static str,
    words: String,
}

impl Step {
    pub(super) fn of(remedy: &Remedy, partner: Option<TenantId>) -> Self {
        let (whose_turn, words) = (remedy.party(partner), remedy.to_string());
        Self { happened_at: None, whose_turn, remedy: remedy.as_str(), words }
    }

    /// Where nobody knows which tenant answered: one step for both places, or one for each.
    pub(super) fn by_place(refusal: &EntraError, home: TenantId) -> Vec<Self> {
        // Any two tenants will do: neither is shown.
        let at = |tenant: TenantId| {
            let error = Arc::new(refusal.clone());
            let error = Error::Entra { partner: Some(home), tenant: Some(tenant), error };
            Self::of(&error.remedy(), Some(home))
        };
        let (own, customers) = (at(home), at(TenantId::PERSONAL));
        if own == customers {
            return vec![own];
        }
        let [partner, customer] = [Party::Partner, Party::Customer].map(Some);
        vec![Self { happened_at: partner, ..own }, Self { happened_at: customer, ..customers }]
    }

    /// At whose tenant it must have happened for this to be the step; `None` where that is known.
    #[must_use]
    pub const fn happened_at(&self) -> Option<Party> {
        self.happened_at
    }

    /// Who does it.
    #[must_use]
    pub const fn whose_turn(&self) -> Party {
        self.whose_turn
    }

    /// The remedy's name: see [`Remedy::as_str`].
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        self.remedy
    }

    /// What to do, in words.
    #[must_use]
    pub fn words(&self) -> &str {
        &self.words
    }
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(party) = self.happened_at {
            write!(out, "if a {party}'s tenant answered so: ")?;
        }
        write!(out, "{} ({}'s turn)", self.words, self.whose_turn)
    }
}

/// What is not there and would have to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// A consent of the partner that works.
    PartnerConsent,
    /// The application's grant in the customer's tenant.
    CustomerGrant,
    /// The partner's delegated administration of the customer.
    Relationship,
    /// Permissions that are registered and were not granted.
    Scopes(Scopes),
    /// A second factor at the sign-in.
    SecondFactor,
    /// A device that the tenant accepts.
    Device,
    /// The service in the tenant: mostly a licence.
    Service,
    /// A permission or setting of the vendor's registration.
    Registration,
}

impl Missing {
    pub(super) fn of(error: &Error) -> Option<Self> {
        match error {
            Error::NoConsent { .. } => Some(Self::PartnerConsent),
            Error::PartnerCenterSuspended { .. } => Some(Self::SecondFactor),
            Error::ScopesMissing { missing, .. } => Some(Self::Scopes(missing.clone())),
            Error::Entra { partner, tenant, error } => Self::by(error.cause(), *partner, *tenant),
            Error::Suspended { partner, cause, .. } => {
                Self::by(*cause, Some(*partner), Some(*partner))
            }
            _ => None,
        }
    }

    fn by(cause: Cause, partner: Option<TenantId>, tenant: Option<TenantId>) -> Option<Self> {
        let of_consent = match (partner, tenant) {
            (Some(partner), Some(tenant)) if partner != tenant => Some(Self::CustomerGrant),
            (Some(_), _) => Some(Self::PartnerConsent),
            _ => None,
        };
        match cause {
            Cause::ConsentMissing | Cause::ApplicationMissing | Cause::AdminApprovalRequired => {
                of_consent
            }
            Cause::GrantExpired | Cause::GrantRevoked | Cause::PasswordChanged => {
                partner.map(|_| Self::PartnerConsent)
            }
            Cause::RelationshipMissing | Cause::AccountNotFound if partner != tenant => {
                Some(Self::Relationship)
            }
            Cause::MfaRequired | Cause::MfaEnrolment => Some(Self::SecondFactor),
            Cause::DeviceRequired => Some(Self::Device),
            Cause::ResourceMissing => Some(Self::Service),
            Cause::RegistrationIncomplete => Some(Self::Registration),
            _ => None,
        }
    }

    /// The name under which it is logged and counted.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::PartnerConsent => "partner_consent",
            Self::CustomerGrant => "customer_grant",
            Self::Relationship => "relationship",
            Self::Scopes(_) => "scopes",
            Self::SecondFactor => "second_factor",
            Self::Device => "device",
            Self::Service => "service",
            Self::Registration => "registration",
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PartnerConsent => out.write_str("a consent of the partner that works"),
            Self::CustomerGrant => {
                out.write_str("the application's grant in the customer's tenant")
            }
            Self::Relationship => {
                out.write_str("the partner's delegated administration of the customer")
            }
            Self::Scopes(scopes) => scopes.fmt(out),
            Self::SecondFactor => out.write_str("a second factor at the sign-in"),
            Self::Device => out.write_str("a device that the tenant accepts"),
            Self::Service => out.write_str("the service in that tenant, mostly a licence"),
            Self::Registration => {
                out.write_str("a permission or setting of the vendor's registration")
            }
        }
    }
}
