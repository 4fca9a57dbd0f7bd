//! What an error means to the person who sees it.

use http::StatusCode;

use super::phrase::Phrase;
use crate::error::{Error, Party};
use crate::model::entra_error::Cause;
use crate::model::policy::Refused;

/// What went wrong, as far as the person who reads it is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Problem {
    /// There is no such page.
    Lost,
    /// The request was sent by a page that is not ours.
    Foreign,
    /// An answer to nothing that was begun here.
    WrongAnswer,
    /// An answer that names another sign-in service than the person was sent to.
    OtherIssuer,
    /// The flow has had its answer.
    AlreadyAnswered,
    /// The flow took too long.
    TooLate,
    /// The flow began in another browser, or the browser keeps no cookies.
    OtherBrowser,
    /// The person said no at Microsoft.
    Declined,
    /// An administrator has to approve for the whole organization first.
    NeedsAdministrator,
    /// Another organisation signed in.
    WrongTenant,
    /// The vendor's own organisation signed in.
    VendorsOwn,
    /// A personal account signed in.
    PersonalAccount,
    /// A guest signed in.
    GuestAccount,
    /// The user has more power than this needs.
    TooPowerful,
    /// The user's roles are not known.
    RolesUnknown,
    /// There was no second factor.
    NoSecondFactor,
    /// Nobody could say whether there was one.
    SecondFactorUnknown,
    /// The sign-in is too old.
    SignInTooOld,
    /// Permissions were not granted.
    PermissionsMissing,
    /// More was granted than asked for.
    PermissionsBeyond,
    /// The organisation belongs to another account.
    BoundElsewhere,
    /// Another user's consent stands.
    OtherUser,
    /// Customers would be lost.
    LosesCustomers,
    /// The standing consent is the better proven.
    WeakerProof,
    /// The standing consent is newer.
    OlderConsent,
    /// The consent was withdrawn meanwhile.
    Withdrawn,
    /// There is no such invitation.
    InvitationUnknown,
    /// A newer link was sent.
    InvitationReplaced,
    /// Its time is over.
    InvitationExpired,
    /// It was taken back.
    InvitationRevoked,
    /// It was used.
    InvitationSpent,
    /// It was begun too often.
    InvitationExhausted,
    /// An administrator's approval was begun by it too often.
    ApprovalsExhausted,
    /// The application wants more by now.
    InvitationOutgrown,
    /// Another user was invited.
    OtherInvitee,
    /// The same browser began anew.
    BegunAnew,
    /// It was confirmed before somebody said no.
    ConfirmedAlready,
    /// There is nothing left to confirm.
    NothingToConfirm,
    /// It passes.
    TryAgain,
    /// Microsoft refused.
    MicrosoftRefused,
    /// The panel has to mend something.
    PanelsFault,
}

impl Problem {
    /// Each of them, for whoever translates.
    pub const ALL: [Self; 41] = [
        Self::Lost,
        Self::Foreign,
        Self::WrongAnswer,
        Self::OtherIssuer,
        Self::AlreadyAnswered,
        Self::TooLate,
        Self::OtherBrowser,
        Self::Declined,
        Self::NeedsAdministrator,
        Self::WrongTenant,
        Self::VendorsOwn,
        Self::PersonalAccount,
        Self::GuestAccount,
        Self::TooPowerful,
        Self::RolesUnknown,
        Self::NoSecondFactor,
        Self::SecondFactorUnknown,
        Self::SignInTooOld,
        Self::PermissionsMissing,
        Self::PermissionsBeyond,
        Self::BoundElsewhere,
        Self::OtherUser,
        Self::LosesCustomers,
        Self::WeakerProof,
        Self::OlderConsent,
        Self::Withdrawn,
        Self::InvitationUnknown,
        Self::InvitationReplaced,
        Self::InvitationExpired,
        Self::InvitationRevoked,
        Self::InvitationSpent,
        Self::InvitationExhausted,
        Self::ApprovalsExhausted,
        Self::InvitationOutgrown,
        Self::OtherInvitee,
        Self::BegunAnew,
        Self::ConfirmedAlready,
        Self::NothingToConfirm,
        Self::TryAgain,
        Self::MicrosoftRefused,
        Self::PanelsFault,
    ];

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
            | Refused::OtherStep => Self::WrongAnswer,
            Refused::OtherIssuer => Self::OtherIssuer,
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

    /// Whose turn it is, as [`Error::remedy`] says it to the host.
    pub(super) const fn turn(self) -> Phrase {
        match self {
            Self::TryAgain => Phrase::TurnNobody,
            Self::NeedsAdministrator
            | Self::SecondFactorUnknown
            | Self::PermissionsBeyond
            | Self::LosesCustomers
            | Self::MicrosoftRefused => Phrase::TurnAdministrator,
            Self::OtherIssuer
            | Self::VendorsOwn
            | Self::RolesUnknown
            | Self::BoundElsewhere
            | Self::OtherUser
            | Self::PanelsFault
            | Self::InvitationExpired
            | Self::InvitationExhausted
            | Self::ApprovalsExhausted
            | Self::InvitationOutgrown
            | Self::Withdrawn => Phrase::TurnPanel,
            _ => Phrase::TurnYours,
        }
    }

    /// Whether Microsoft may list the application in the person's organization although nothing was
    /// stored here. Where a consent stands, or an administrator is sent there anyway, that is no news.
    pub(super) const fn may_stay(self) -> bool {
        matches!(
            self,
            Self::TooLate
                | Self::OtherBrowser
                | Self::Declined
                | Self::WrongTenant
                | Self::GuestAccount
                | Self::TooPowerful
                | Self::RolesUnknown
                | Self::NoSecondFactor
                | Self::SecondFactorUnknown
                | Self::SignInTooOld
                | Self::PermissionsMissing
                | Self::Withdrawn
                | Self::OtherInvitee
                | Self::MicrosoftRefused
        )
    }

    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Lost | Self::InvitationUnknown => StatusCode::NOT_FOUND,
            Self::InvitationReplaced
            | Self::InvitationExpired
            | Self::InvitationRevoked
            | Self::InvitationSpent
            | Self::InvitationExhausted
            | Self::ApprovalsExhausted
            | Self::InvitationOutgrown
            | Self::NothingToConfirm
            | Self::TooLate => StatusCode::GONE,
            Self::AlreadyAnswered
            | Self::BegunAnew
            | Self::OlderConsent
            | Self::ConfirmedAlready
            | Self::Withdrawn => StatusCode::CONFLICT,
            Self::WrongAnswer | Self::OtherIssuer => StatusCode::BAD_REQUEST,
            Self::TryAgain => StatusCode::SERVICE_UNAVAILABLE,
            Self::PanelsFault => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::FORBIDDEN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::samples;
    use crate::web::english;

    /// Whoever at the partner's is named, it is the partner's turn.
    fn party(turn: Phrase) -> Party {
        match turn {
            Phrase::TurnYours | Phrase::TurnAdministrator => Party::Partner,
            Phrase::TurnPanel => Party::Vendor,
            Phrase::TurnNobody => Party::Nobody,
            other => panic!("{other:?} names nobody"),
        }
    }

    #[test]
    fn a_page_and_the_remedy_name_the_same_one() {
        for refused in samples::refusals() {
            let error = Error::from(refused);
            let said = party(Problem::of(&error).turn());
            assert_eq!(said, error.remedy().party(Some(samples::partner())), "{error:?}");
        }
    }

    #[test]
    fn no_page_says_that_nothing_was_given_where_microsoft_may_have_noted_it() {
        for problem in Problem::ALL {
            let text = english::says(Phrase::Text(problem));
            assert!(!text.contains("Nothing was given"), "{problem:?}: {text}");
            let says_what_was_kept =
                ["stored here", "received nothing"].iter().any(|words| text.contains(words));
            assert!(says_what_was_kept || !problem.may_stay(), "{problem:?}: {text}");
        }
    }
}
