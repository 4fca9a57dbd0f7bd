//! Everything that a page can say, apart from how a language says it.

use super::permission::Permission;
use super::problem::Problem;

/// Something that a page says. What stands in braces in the English text is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phrase {
    /// Heads the page of an invitation.
    InvitationTitle,
    /// What the invitation is about.
    InvitationText,
    /// Heads who receives the power.
    Receives,
    /// The account's label.
    Account,
    /// The panel itself vouches for the account's number.
    OwnNumber,
    /// The inviter's label.
    Inviter,
    /// The host vouches for a name.
    Verified,
    /// The host does not vouch for a name.
    Unverified,
    /// Heads who gives the power.
    Gives,
    /// The tenant's label.
    Tenant,
    /// In place of a tenant that is not known yet.
    AnyTenant,
    /// The label of what kind of partner it is.
    Kind,
    /// It buys from Microsoft.
    KindDirect,
    /// It buys from Microsoft and sells through resellers.
    KindProvider,
    /// It buys from an indirect provider.
    KindReseller,
    /// The user's label.
    User,
    /// In place of a user's name.
    Unnamed,
    /// The label of a user's directory roles.
    Roles,
    /// Its roles are not known.
    RolesUnknown,
    /// It has none.
    RolesNone,
    /// In place of roles that are not known here by name.
    RolesOther,
    /// Heads the permissions.
    Permissions,
    /// What a permission means, beside its name.
    Means(Permission),
    /// The application's label.
    Application,
    /// The second factor's label.
    SecondFactor,
    /// It was proven by Partner Center.
    ProvenByPartnerCenter,
    /// It was proven by a signed token.
    ProvenByToken,
    /// It was not proven, which the policy allows.
    NotProven,
    /// When the person signed in.
    SignedIn,
    /// Until when the proof lasts.
    ProofLasts,
    /// The label of the policy's verdict.
    Policy,
    /// The policy takes it.
    PolicyAccepts,
    /// The policy takes it, with what follows.
    PolicyWarns,
    /// Warns of roles that are too powerful.
    WarnsPowerful,
    /// Warns that the roles are not known.
    WarnsRolesUnknown,
    /// Warns of a guest.
    WarnsGuest,
    /// Warns of a user that may be a guest.
    WarnsGuestPerhaps,
    /// Warns of permissions beyond what was asked for.
    WarnsBeyond,
    /// Warns that there was no second factor.
    WarnsNoFactor,
    /// Warns that nobody could say whether there was a second factor.
    WarnsFactorUnknown,
    /// Warns that Partner Center did not prove the second factor.
    WarnsWeaker,
    /// Warns that the proof has expired.
    WarnsExpired,
    /// Warns that it is another kind of partner than by the consent that stands.
    WarnsKind,
    /// Until when the page is good.
    GoodUntil,
    /// What happens at Microsoft.
    BeginText,
    /// The button that begins.
    Begin,
    /// Heads the administrator's step.
    ApproveTitle,
    /// What that step is for, and what comes after it.
    ApproveText,
    /// When an approval was reported.
    ApprovalReported,
    /// The button that begins an administrator's approval.
    Approve,
    /// Offers the administrator's step where a sign-in was turned away.
    ApproveHere,
    /// Heads the page after an approval.
    ApprovedTitle,
    /// What was reported.
    ApprovedText,
    /// What is next after an approval.
    ApprovedTurn,
    /// Heads the confirmation.
    ConfirmTitle,
    /// What a confirmation does.
    ConfirmText,
    /// Another user's consent stands.
    OtherStands,
    /// Another user's consent stands, and the panel has approved that this one takes its place.
    Replaces,
    /// The button that confirms it in the other's place.
    Replace,
    /// Heads the customers that would be lost.
    Loses,
    /// What it means to lose them.
    LosesText,
    /// The panel has approved that they are lost.
    LosesApproved,
    /// The button that confirms.
    Confirm,
    /// The button that declines.
    Decline,
    /// Heads the page after a confirmation.
    DoneTitle,
    /// What was done.
    DoneText,
    /// Heads the page after a refusal.
    DeclinedTitle,
    /// What was not done.
    DeclinedText,
    /// Heads the page of an answer, in a browser that has not given it.
    UnansweredTitle,
    /// What that page is for.
    UnansweredText,
    /// What may stay at Microsoft where nothing was stored here.
    MayStay,
    /// Leads back to the panel.
    Home,
    /// Heads whose turn it is.
    Turn,
    /// The person's who reads it.
    TurnYours,
    /// An administrator's of the partner.
    TurnAdministrator,
    /// The panel's.
    TurnPanel,
    /// Nobody's: it passes.
    TurnNobody,
    /// The label of what support asks for.
    Reference,
    /// Heads the page of a problem.
    Title(Problem),
    /// What happened, and what to do.
    Text(Problem),
}

impl Phrase {
    /// Each of them, for whoever translates: [`english`](Self::english) is what there is to say.
    pub fn all() -> impl Iterator<Item = Self> {
        let problems = Problem::ALL.into_iter();
        let problems = problems.flat_map(|problem| [Self::Title(problem), Self::Text(problem)]);
        let permissions = Permission::ALL.into_iter().map(Self::Means);
        PLAIN.into_iter().chain(permissions).chain(problems)
    }
}

/// Those that speak of nothing else.
const PLAIN: [Phrase; 77] = [
    Phrase::InvitationTitle,
    Phrase::InvitationText,
    Phrase::Receives,
    Phrase::Account,
    Phrase::OwnNumber,
    Phrase::Inviter,
    Phrase::Verified,
    Phrase::Unverified,
    Phrase::Gives,
    Phrase::Tenant,
    Phrase::AnyTenant,
    Phrase::Kind,
    Phrase::KindDirect,
    Phrase::KindProvider,
    Phrase::KindReseller,
    Phrase::User,
    Phrase::Unnamed,
    Phrase::Roles,
    Phrase::RolesUnknown,
    Phrase::RolesNone,
    Phrase::RolesOther,
    Phrase::Permissions,
    Phrase::Application,
    Phrase::SecondFactor,
    Phrase::ProvenByPartnerCenter,
    Phrase::ProvenByToken,
    Phrase::NotProven,
    Phrase::SignedIn,
    Phrase::ProofLasts,
    Phrase::Policy,
    Phrase::PolicyAccepts,
    Phrase::PolicyWarns,
    Phrase::WarnsPowerful,
    Phrase::WarnsRolesUnknown,
    Phrase::WarnsGuest,
    Phrase::WarnsGuestPerhaps,
    Phrase::WarnsBeyond,
    Phrase::WarnsNoFactor,
    Phrase::WarnsFactorUnknown,
    Phrase::WarnsWeaker,
    Phrase::WarnsExpired,
    Phrase::WarnsKind,
    Phrase::GoodUntil,
    Phrase::BeginText,
    Phrase::Begin,
    Phrase::ApproveTitle,
    Phrase::ApproveText,
    Phrase::ApprovalReported,
    Phrase::Approve,
    Phrase::ApproveHere,
    Phrase::ApprovedTitle,
    Phrase::ApprovedText,
    Phrase::ApprovedTurn,
    Phrase::ConfirmTitle,
    Phrase::ConfirmText,
    Phrase::OtherStands,
    Phrase::Replaces,
    Phrase::Replace,
    Phrase::Loses,
    Phrase::LosesText,
    Phrase::LosesApproved,
    Phrase::Confirm,
    Phrase::Decline,
    Phrase::DoneTitle,
    Phrase::DoneText,
    Phrase::DeclinedTitle,
    Phrase::DeclinedText,
    Phrase::UnansweredTitle,
    Phrase::UnansweredText,
    Phrase::MayStay,
    Phrase::Home,
    Phrase::Turn,
    Phrase::TurnYours,
    Phrase::TurnAdministrator,
    Phrase::TurnPanel,
    Phrase::TurnNobody,
    Phrase::Reference,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The variants of an enum, as its source has them.
    fn declared(source: &str, name: &str) -> BTreeSet<String> {
        let items = syn::parse_file(source).expect("Rust").items.into_iter();
        let enums = items.filter_map(|item| match item {
            syn::Item::Enum(item) if item.ident == name => Some(item),
            _ => None,
        });
        enums.flat_map(|item| item.variants).map(|variant| variant.ident.to_string()).collect()
    }

    fn listed(all: impl Iterator<Item = impl std::fmt::Debug>) -> BTreeSet<String> {
        let names = all.map(|one| format!("{one:?}"));
        names.map(|name| name.split('(').next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn whoever_translates_is_given_all_there_is_to_say() {
        for (declared, listed) in [
            (declared(include_str!("phrase.rs"), "Phrase"), listed(Phrase::all())),
            (declared(include_str!("problem.rs"), "Problem"), listed(Problem::ALL.iter())),
            (declared(include_str!("permission.rs"), "Permission"), listed(Permission::ALL.iter())),
        ] {
            assert!(!declared.is_empty());
            assert_eq!(listed, declared);
        }
        let all: Vec<Phrase> = Phrase::all().collect();
        assert_eq!(all.len(), all.iter().collect::<std::collections::HashSet<_>>().len(), "once");
    }
}
