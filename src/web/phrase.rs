//! Everything that a page can say, apart from how a language says it.

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
    pub const ALL: [Self; 39] = [
        Self::Lost,
        Self::Foreign,
        Self::WrongAnswer,
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
        Self::InvitationOutgrown,
        Self::OtherInvitee,
        Self::BegunAnew,
        Self::ConfirmedAlready,
        Self::NothingToConfirm,
        Self::TryAgain,
        Self::MicrosoftRefused,
        Self::PanelsFault,
    ];
}
