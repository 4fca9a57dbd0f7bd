//! What an error means to the person who sees it.

use http::StatusCode;

use super::phrase::{Phrase, Problem};
use crate::error::{Error, Party};
use crate::model::entra_error::Cause;
use crate::model::policy::Refused;

impl Problem {
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::Refused(refused) => Self::of_refusal(refused),
            Error::Callback(_) => Self::WrongAnswer,
            Error::Entra { error: entra, .. } => match entra.cause() {
                Cause::MfaRequired | Cause::MfaEnrolment => Self::NoSecondFactor,
                _ => Self::of_party(error.remedy().party(None)),
            },
            _ if error.remedy().party(None) == Party::Nobody => Self::TryAgain,
            _ => Self::PanelsFault,
        }
    }

    /// What Microsoft refused, by whose turn it is.
    const fn of_party(party: Party) -> Self {
        match party {
            Party::Nobody => Self::TryAgain,
            Party::Vendor => Self::PanelsFault,
            _ => Self::MicrosoftRefused,
        }
    }

    const fn of_refusal(refused: &Refused) -> Self {
        match refused {
            Refused::StateMissing
            | Refused::StateUnknown
            | Refused::OtherResponseMode
            | Refused::OtherStep
            | Refused::OtherIssuer => Self::WrongAnswer,
            Refused::ForeignRequest => Self::Foreign,
            Refused::ConfirmedAlready(_) => Self::ConfirmedAlready,
            Refused::StateReplayed => Self::AlreadyAnswered,
            Refused::StateExpired => Self::TooLate,
            Refused::OtherBrowser => Self::OtherBrowser,
            Refused::Declined => Self::Declined,
            Refused::AdminApprovalNeeded => Self::NeedsAdministrator,
            Refused::OtherTenant { .. } => Self::WrongTenant,
            Refused::HomeTenant(_) => Self::VendorsOwn,
            Refused::PersonalAccount => Self::PersonalAccount,
            Refused::Guest(_) => Self::GuestAccount,
            Refused::PowerfulRoles(_) => Self::TooPowerful,
            Refused::RolesUnknown => Self::RolesUnknown,
            Refused::MfaMissing(_) => Self::NoSecondFactor,
            Refused::MfaUnknown => Self::SecondFactorUnknown,
            Refused::MfaTooLongAgo => Self::SignInTooOld,
            Refused::ScopesMissing(_) => Self::PermissionsMissing,
            Refused::ScopesBeyond(_) => Self::PermissionsBeyond,
            Refused::NotYours(_) => Self::BoundElsewhere,
            Refused::OtherUser { .. } => Self::OtherUser,
            Refused::LosesCustomers { .. } => Self::LosesCustomers,
            Refused::WeakerProof(_) => Self::WeakerProof,
            Refused::OlderToken(_) => Self::OlderConsent,
            Refused::Withdrawn(_) => Self::Withdrawn,
            Refused::StillNamed(_) | Refused::NothingToRollBack(_) | Refused::RollBackOver(_) => {
                Self::PanelsFault
            }
            Refused::InvitationUnknown => Self::InvitationUnknown,
            Refused::InvitationReplaced => Self::InvitationReplaced,
            Refused::InvitationExpired => Self::InvitationExpired,
            Refused::InvitationRevoked => Self::InvitationRevoked,
            Refused::InvitationSpent => Self::InvitationSpent,
            Refused::InvitationExhausted => Self::InvitationExhausted,
            Refused::InvitationOutgrown(_) => Self::InvitationOutgrown,
            Refused::OtherInvitee { .. } => Self::OtherInvitee,
            Refused::BegunAnew => Self::BegunAnew,
            Refused::NothingToConfirm => Self::NothingToConfirm,
        }
    }

    pub(super) const fn turn(self) -> Phrase {
        match self {
            Self::TryAgain => Phrase::TurnNobody,
            Self::NeedsAdministrator
            | Self::SecondFactorUnknown
            | Self::NoSecondFactor
            | Self::LosesCustomers
            | Self::MicrosoftRefused => Phrase::TurnAdministrator,
            Self::VendorsOwn
            | Self::RolesUnknown
            | Self::PermissionsBeyond
            | Self::BoundElsewhere
            | Self::OtherUser
            | Self::ConfirmedAlready
            | Self::PanelsFault
            | Self::InvitationExpired
            | Self::InvitationExhausted
            | Self::InvitationOutgrown
            | Self::Withdrawn => Phrase::TurnPanel,
            _ => Phrase::TurnYours,
        }
    }

    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Lost | Self::InvitationUnknown => StatusCode::NOT_FOUND,
            Self::InvitationReplaced
            | Self::InvitationExpired
            | Self::InvitationRevoked
            | Self::InvitationSpent
            | Self::InvitationExhausted
            | Self::InvitationOutgrown
            | Self::NothingToConfirm
            | Self::TooLate => StatusCode::GONE,
            Self::AlreadyAnswered
            | Self::BegunAnew
            | Self::OlderConsent
            | Self::ConfirmedAlready
            | Self::Withdrawn => StatusCode::CONFLICT,
            Self::WrongAnswer => StatusCode::BAD_REQUEST,
            Self::TryAgain => StatusCode::SERVICE_UNAVAILABLE,
            Self::PanelsFault => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::FORBIDDEN,
        }
    }
}
