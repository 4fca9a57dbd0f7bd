//! The pages in English.

use super::phrase::Phrase;
use super::problem::Problem;

pub(super) const fn says(phrase: Phrase) -> &'static str {
    match phrase {
        Phrase::InvitationTitle => "{panel} asks for your organization’s consent",
        Phrase::InvitationText => {
            "You were invited to let {panel} work in your organization’s name at Microsoft. {panel} \
             receives nothing before you confirm it on the last page."
        }
        Phrase::Receives => "Who receives the power",
        Phrase::Account => "Account at {panel}",
        Phrase::OwnNumber => "{panel}’s own name for it",
        Phrase::Inviter => "Invited by",
        Phrase::Verified => "verified by {panel}",
        Phrase::Unverified => "not verified: they call themselves so",
        Phrase::Gives => "Who gives it",
        Phrase::Tenant => "Microsoft tenant",
        Phrase::AnyTenant => "that of whoever signs in",
        Phrase::Kind => "Kind of partner",
        Phrase::KindDirect => "direct partner",
        Phrase::KindProvider => "indirect provider",
        Phrase::KindReseller => "indirect reseller",
        Phrase::User => "User",
        Phrase::Unnamed => "without a name",
        Phrase::Roles => "Administrator roles",
        Phrase::RolesUnknown => "not known",
        Phrase::RolesNone => "none",
        Phrase::RolesOther => "others",
        Phrase::Permissions => "What {panel} may do in the name of the user who signs in",
        Phrase::Means(permission) => permission.english(),
        Phrase::Application => "Application",
        Phrase::SecondFactor => "Second factor",
        Phrase::ProvenByPartnerCenter => "proven, says Partner Center",
        Phrase::ProvenByToken => "proven by Microsoft’s signed answer",
        Phrase::NotProven => "not proven",
        Phrase::SignedIn => "signed in at {time}",
        Phrase::ProofLasts => "lasts until {time}",
        Phrase::Policy => "Rules of {panel}",
        Phrase::PolicyAccepts => "met",
        Phrase::PolicyWarns => "met, but see before you confirm:",
        Phrase::WarnsPowerful => {
            "This user is {roles}. That is more than this needs: a service account of its own, with \
             less power, is safer."
        }
        Phrase::WarnsRolesUnknown => {
            "It could not be seen which administrator roles this user has: they may be more than \
             this needs."
        }
        Phrase::WarnsGuest => "This user is a guest: another organization decides who signs in.",
        Phrase::WarnsGuestPerhaps => "It could not be seen whether this user is a guest.",
        Phrase::WarnsBeyond => "More was granted than {panel} asked for: {scopes}.",
        Phrase::WarnsNoFactor => {
            "There was no second factor. Microsoft may refuse what {panel} does with this consent."
        }
        Phrase::WarnsFactorUnknown => "It could not be seen whether there was a second factor.",
        Phrase::WarnsWeaker => {
            "Partner Center itself could not say whether there was a second factor."
        }
        Phrase::WarnsExpired => "The proof of the second factor has expired: better sign in anew.",
        Phrase::WarnsKind => {
            "By the consent that stands this is another kind of partner: {from}. It becomes: {to}."
        }
        Phrase::GoodUntil => "This page is good until {time}.",
        Phrase::BeginText => {
            "You sign in at Microsoft, with a second factor, agree there, and come back here to \
             confirm. Use the account that is meant for this, preferably a dedicated service account."
        }
        Phrase::Begin => "Continue to Microsoft",
        Phrase::ApproveTitle => "If an administrator must approve first",
        Phrase::ApproveText => {
            "Many organizations let only administrators approve applications. Then an administrator \
             opens this same link and approves first, for the whole organization. {panel} can do \
             nothing by that alone: afterwards, today or another day, the account that is meant for \
             this opens the link and continues above."
        }
        Phrase::ApprovalReported => {
            "An approval was reported on {time}. Now the account that is meant for this continues \
             above."
        }
        Phrase::Approve => "Approve as an administrator",
        Phrase::ApproveHere => {
            "Are you an administrator yourself, or is one with you? Then approve here, in this \
             browser. Should Microsoft still know the account that was turned away, choose another \
             there, or open the link in a private window."
        }
        Phrase::ApprovedTitle => "The first step is done",
        Phrase::ApprovedText => {
            "Microsoft reports that an administrator has approved the application for the \
             organization. {panel} can do nothing by that alone."
        }
        Phrase::ApprovedTurn => {
            "Whoever uses the account that is meant for this: they open the same link from the \
             invitation, today or another day, and sign in."
        }
        Phrase::ConfirmTitle => "Is this what you want?",
        Phrase::ConfirmText => {
            "Check first who receives the power. You can take it back at any time, at Microsoft or \
             at {panel}."
        }
        Phrase::OtherStands => {
            "{standing} has consented for this organization before. Only {panel} can put another \
             user in their place: ask them."
        }
        Phrase::Replaces => {
            "{standing} has consented for this organization before. {panel} has approved that \
             {found} takes their place: from then on {panel} works in the name of {found} alone."
        }
        Phrase::Replace => "Yes, take their place",
        Phrase::Loses => "Customers that would be lost",
        Phrase::LosesText => {
            "{panel} works for these customers by the consent that stands, and Microsoft refuses \
             this user there. Give this user the access that the other one has, and open the link \
             from your invitation again. Where they may be lost, tell {panel}."
        }
        Phrase::LosesApproved => {
            "{panel} works for these customers by the consent that stands, and Microsoft refuses \
             this user there. {panel} has approved that they are lost: from your confirmation on, \
             nothing can be done for them until this user has access there."
        }
        Phrase::Confirm => "Yes, give consent",
        Phrase::Decline => "No, give nothing",
        Phrase::DoneTitle => "The consent is given",
        Phrase::DoneText => "{panel} can work for your organization now. You may close this page.",
        Phrase::DeclinedTitle => "Nothing was given",
        Phrase::DeclinedText => {
            "What was found is erased here. At Microsoft your organization may still list the \
             application: an administrator can remove it under “Enterprise applications”. The \
             link from your invitation can be opened again, should you change your mind."
        }
        Phrase::UnansweredTitle => "Nothing was answered here just now",
        Phrase::UnansweredText => {
            "This page tells the browser that has given an answer what came of it, for ten minutes. \
             Whether your organization’s consent stands, {panel} can tell you."
        }
        Phrase::MayStay => {
            "At Microsoft something may stay: if your organization lists the application in \
             Microsoft Entra under “Enterprise applications”, an administrator can remove it there. \
             By that alone {panel} can do nothing."
        }
        Phrase::Home => "Back to {panel}",
        Phrase::Turn => "Who acts now",
        Phrase::TurnYours => "You.",
        Phrase::TurnAdministrator => "An administrator of your organization.",
        Phrase::TurnPanel => "{panel}: tell them what you see here.",
        Phrase::TurnNobody => "Nothing for you to do: it passes. Try again in a minute.",
        Phrase::Reference => "For support",
        Phrase::Title(problem) => title(problem),
        Phrase::Text(problem) => text(problem),
    }
}

const fn title(problem: Problem) -> &'static str {
    match problem {
        Problem::Lost => "There is no such page",
        Problem::Foreign => "Press the button on the page itself",
        Problem::WrongAnswer => "This answer fits nothing that you began here",
        Problem::OtherIssuer => "The answer names another sign-in service",
        Problem::AlreadyAnswered => "This step is done already",
        Problem::TooLate => "That took too long",
        Problem::OtherBrowser => "This browser did not begin it",
        Problem::Declined => "You said no at Microsoft",
        Problem::NeedsAdministrator => "An administrator must approve first",
        Problem::WrongTenant => "Another organization signed in",
        Problem::VendorsOwn => "This is {panel}’s own organization",
        Problem::PersonalAccount => "This is a personal account",
        Problem::GuestAccount => "This is a guest account",
        Problem::TooPowerful => "This account has too much power",
        Problem::RolesUnknown => "The account’s roles are not known",
        Problem::NoSecondFactor => "There was no second factor",
        Problem::SecondFactorUnknown => "The second factor could not be proven",
        Problem::SignInTooOld => "The sign-in was too long ago",
        Problem::PermissionsMissing => "Permissions are missing",
        Problem::PermissionsBeyond => "More was granted than asked for",
        Problem::BoundElsewhere => "Your organization belongs to another account",
        Problem::OtherUser => "Another user’s consent stands",
        Problem::LosesCustomers => "Customers would be lost",
        Problem::WeakerProof => "The consent that stands is the better one",
        Problem::OlderConsent => "A newer consent stands",
        Problem::Withdrawn => "The consent was withdrawn",
        Problem::InvitationUnknown => "There is no invitation at this link",
        Problem::InvitationReplaced => "There is a newer link",
        Problem::InvitationExpired => "The invitation has expired",
        Problem::InvitationRevoked => "The invitation was taken back",
        Problem::InvitationSpent => "The invitation was used",
        Problem::InvitationExhausted => "The link was tried too often",
        Problem::ApprovalsExhausted => "An approval was begun too often",
        Problem::InvitationOutgrown => "The invitation is out of date",
        Problem::OtherInvitee => "Another user was invited",
        Problem::BegunAnew => "You began again in this browser",
        Problem::ConfirmedAlready => "The consent was given before",
        Problem::NothingToConfirm => "There is nothing left to confirm",
        Problem::TryAgain => "Please try again",
        Problem::MicrosoftRefused => "Microsoft refused",
        Problem::PanelsFault => "{panel} has to mend something",
    }
}

const fn text(problem: Problem) -> &'static str {
    match problem {
        Problem::Lost => "Open the link from your invitation.",
        Problem::Foreign => {
            "The request came from another page, or from a browser that does not say where it came \
             from. Nothing was done. Go back and press the button on the page, or open the link from \
             your invitation again."
        }
        Problem::WrongAnswer => {
            "Nothing was stored here. Open the link from your invitation again."
        }
        Problem::OtherIssuer => {
            "It does not come from where you were sent to sign in: somebody may be deceiving you, or \
             a setting is wrong. Nothing was stored here. Tell {panel} before you try again."
        }
        Problem::AlreadyAnswered => {
            "The page was reloaded, or the back button was used. Nothing was done twice. If a page \
             waits for your answer, go on there; else open the link from your invitation again."
        }
        Problem::TooLate => {
            "Half an hour is the most between the start and the sign-in. Nothing was stored here. \
             Open the link from your invitation again."
        }
        Problem::OtherBrowser => {
            "Begin and end in the same browser, and let it keep the cookie of this site: it shows \
             that it was you who began. Nothing was stored here. Open the link again, in this browser."
        }
        Problem::Declined => {
            "{panel} has received nothing. You can open the link from your invitation again."
        }
        Problem::NeedsAdministrator => {
            "Your organization lets only administrators approve applications. Send the link from \
             your invitation to one: its page has a button for administrators. After that open the \
             link again, today or another day, and sign in."
        }
        Problem::WrongTenant => {
            "The invitation is for tenant {expected}; the account belongs to {found}. Nothing was \
             stored here. Open the link again and choose an account of the right organization."
        }
        Problem::VendorsOwn => {
            "The account that signed in is one of {panel}’s own, and those give no consent. Nothing \
             was stored here. Somebody of the organization that was invited opens the link, with an \
             account of their own."
        }
        Problem::PersonalAccount => {
            "A personal account cannot give this consent. Nothing was stored here. Open the link \
             again and sign in with a work account of the organization."
        }
        Problem::GuestAccount => {
            "A guest cannot give this consent: another organization decides who signs in. Nothing \
             was stored here. Open the link again and sign in with an account that belongs to the \
             organization itself."
        }
        Problem::TooPowerful => {
            "It is {roles}, which is more than this needs. Nothing was stored here. Sign in with a \
             service account that has less power, or have the role taken away, and open the link \
             again."
        }
        Problem::RolesUnknown => {
            "Microsoft did not say which administrator roles the account has, and {panel} takes none \
             that has too much power. Nothing was stored here."
        }
        Problem::NoSecondFactor => {
            "The account signed in without multi-factor authentication, or did not pass it, and \
             Microsoft demands it for this. Nothing was stored here. Set it up for the account, sign \
             in with it, and open the link again. If you cannot, ask an administrator."
        }
        Problem::SecondFactorUnknown => {
            "Microsoft did not say whether a second factor was used. Nothing was stored here. See \
             that the account uses multi-factor authentication and may use Partner Center, and open \
             the link again."
        }
        Problem::SignInTooOld => {
            "{panel} takes only a fresh sign-in, and this one is too old, or may be. Nothing was \
             stored here. Open the link again and sign in anew."
        }
        Problem::PermissionsMissing => {
            "Not granted: {scopes}. Nothing was stored here. Open the link again and agree to all \
             that is asked for; if you cannot, ask an administrator."
        }
        Problem::PermissionsBeyond => {
            "Granted beyond what was asked for: {scopes}. Nothing was stored here. An administrator \
             takes away what is too much, in Microsoft Entra under “Enterprise applications”; then \
             open the link again."
        }
        Problem::BoundElsewhere => {
            "At {panel} your organization belongs to another account, and so it stays: nothing of \
             this sign-in was stored. If that is wrong, tell {panel}."
        }
        Problem::OtherUser => {
            "Another user of your organization has consented before, and {panel} works by that: \
             nothing changed. Only {panel} can have you take their place, by an invitation that says \
             so."
        }
        Problem::LosesCustomers => {
            "Microsoft refuses this user at customers for whom {panel} works today: {customers}. \
             Nothing changed: the consent that stands goes on. An administrator gives this user \
             access there; then open the link again. Where they may be lost, tell {panel}."
        }
        Problem::WeakerProof => {
            "The consent that stands was given with a stronger proof of the second factor. It stays, \
             and nothing of this sign-in was stored. For yours to take its place, see that the \
             account uses multi-factor authentication and may use Partner Center, and open the link \
             again."
        }
        Problem::OlderConsent => {
            "After you signed in, another consent was confirmed for your organization, or an earlier \
             one was put back. It stays, and nothing of this sign-in was stored. For yours to take \
             its place, open the link from your invitation again."
        }
        Problem::Withdrawn => {
            "The consent of your organization was withdrawn after this link was sent, or after you \
             began. Nothing was stored here. Ask {panel} for a new invitation."
        }
        Problem::InvitationUnknown => {
            "Check that the whole link was copied. If it was, it has ended: ask {panel} for a new one."
        }
        Problem::InvitationReplaced => "Look for the newer mail: its link works.",
        Problem::InvitationExpired => "Ask {panel} for a new one.",
        Problem::InvitationRevoked => "If you did not expect that, ask the person who invited you.",
        Problem::InvitationSpent => {
            "A consent was confirmed by it. If that was you, all is done. If it was not, tell \
             {panel} at once."
        }
        Problem::InvitationExhausted => {
            "It is good for ten sign-ins, and so many were begun. Ask {panel} for a new one."
        }
        Problem::ApprovalsExhausted => {
            "The link is good for ten approvals, and so many were begun. Sign-ins are counted apart: \
             if an administrator has approved already, whoever uses the account that is meant for \
             this can still open the link. For another approval ask {panel} for a new one."
        }
        Problem::InvitationOutgrown => {
            "{panel} asks for more by now than the invitation said: {scopes}. Ask {panel} for a new one."
        }
        Problem::OtherInvitee => {
            "The invitation is for one user, and another signed in. Nothing was stored here. Open \
             the link again and choose the account that was invited."
        }
        Problem::BegunAnew => "Only the last try counts. Go on there, or open the link again.",
        Problem::ConfirmedAlready => {
            "Your yes arrived before your no, so {panel} can work for your organization now. If you \
             did not mean that, ask {panel} to withdraw the consent."
        }
        Problem::NothingToConfirm => {
            "It was answered, or its ten minutes are over. If you have not confirmed, nothing was \
             stored here: open the link from your invitation again."
        }
        Problem::TryAgain => "Microsoft, or {panel}, is busy. Nothing was lost.",
        Problem::MicrosoftRefused => {
            "Microsoft refused this account, or what {panel} asked for in its name. Nothing was \
             stored here. The numbers below, if there are any, lead an administrator to the reason, \
             in the sign-in logs of Microsoft Entra. Once that is mended, open the link from your \
             invitation again."
        }
        Problem::PanelsFault => "It is no fault of yours, and nothing was stored here.",
    }
}
