//! The verbs of invitations.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use http::HeaderMap;
use zeroize::Zeroizing;

use super::{Account, Partner};
use crate::broker::Broker;
use crate::error::Error;
use crate::journeys::invitation::{InvitationCursor, InvitationPage, Whose};
use crate::journeys::onboarding::{Onboarding, PendingConsent};
use crate::model::invitation::{Invitation, InvitationId, SentInvitation, ShownName, Terms};
use crate::model::partner_kind::PartnerKind;
use crate::model::tenant::{AccountId, TenantId, UserId};
use crate::protocol::authorization::{CallbackError, Cookies, ResponseMode};

impl Broker {
    /// Invites whoever is to answer first: whichever tenant's administrator consents by the link is
    /// bound to `account` then. Where you know the tenant, [`Partner::invite`] is the safer one.
    pub const fn first_invitation(&self, account: AccountId) -> InvitationRequest<'_> {
        InvitationRequest::new(&self.onboarding, None, account, None)
    }

    /// The vendor's view of all invitations: what became of them, sent again and taken back.
    #[must_use]
    pub const fn invitations(&self) -> Invitations<'_> {
        Invitations { onboarding: &self.onboarding, whose: Whose::ANY }
    }

    /// What the start page shows of the invitation whose link ends with `token`: who receives power,
    /// who invites, and what for. It reads only, so that a mail scanner may open the page as often as
    /// it likes.
    ///
    /// # Errors
    /// [`Error::Refused`] with the reason why nothing can come of it; what the store says.
    pub async fn open_invitation(&self, token: &str) -> Result<Invitation, Error> {
        self.onboarding.open_invitation(token).await
    }

    /// Begins a flow by the invitation whose link ends with `token`, in the browser that sent these
    /// headers. Await it in the request that the start page's button makes, a POST, and never for a
    /// GET.
    ///
    /// It counts as one of ten starts. What the same browser has begun before by the same link is
    /// over.
    pub fn begin_invited(&self, token: &str, headers: &HeaderMap) -> InvitedConsent<'_> {
        InvitedConsent {
            onboarding: &self.onboarding,
            token: Zeroizing::new(token.to_owned()),
            cookies: Cookies::read(headers),
            mode: ResponseMode::default(),
        }
    }
}

impl<'b> Partner<'b> {
    /// Invites the partner to consent, in the name of `account`: for whoever may consent and does not
    /// use your panel. Behind an account's door it must be that account, and the partner cannot be
    /// moved there from another.
    pub fn invite(&self, account: AccountId) -> InvitationRequest<'b> {
        let door = self.account.clone();
        InvitationRequest::new(&self.broker.onboarding, Some(self.tenant), account, door)
    }
}

impl<'b> Account<'b> {
    /// The invitations in this account's name.
    #[must_use]
    pub fn invitations(&self) -> Invitations<'b> {
        let mut own = self.broker.invitations().of_account(self.account.clone());
        own.whose.door = Some(self.account.clone());
        own
    }
}

/// An invitation about to be made: await it to have its link.
#[derive(Debug)]
#[must_use = "nobody is invited until this is awaited"]
pub struct InvitationRequest<'b> {
    onboarding: &'b Onboarding,
    terms: Terms,
    door: Option<AccountId>,
}

impl<'b> InvitationRequest<'b> {
    const fn new(
        onboarding: &'b Onboarding,
        partner: Option<TenantId>,
        account: AccountId,
        door: Option<AccountId>,
    ) -> Self {
        Self { onboarding, terms: Terms::new(partner, account), door }
    }

    /// How long it is good for: a minute to 90 days, and seven days unless said otherwise. The
    /// consent must be confirmed within that time.
    pub const fn expires_in(mut self, life: Duration) -> Self {
        self.terms.life = life;
        self
    }

    /// What kind of partner it is: as
    /// [`ConsentRequest::kind`](crate::ConsentRequest::kind).
    pub const fn kind(mut self, kind: PartnerKind) -> Self {
        self.terms.kind = Some(kind);
        self
    }

    /// The one user who may consent. Names are for display, so it is the object id that counts.
    pub const fn only_for(mut self, user: UserId) -> Self {
        self.terms.user = Some(user);
        self
    }

    /// Approves that the consent takes the place of the one that `user` has given, and of nobody
    /// else's: the page that asks for the confirmation then names both, and has a button for it. It is
    /// sealed with the invitation, and holds for its later links too. Say who may take it by
    /// [`only_for`](Self::only_for): else it is whoever of the tenant has the link.
    pub const fn replacing(mut self, user: UserId) -> Self {
        self.terms.replaces = Some(user);
        self
    }

    /// Lets the consent take over although customers are [lost](crate::Found::loses) by that, of which
    /// whoever confirms it is told.
    pub const fn danger_losing_customers(mut self) -> Self {
        self.terms.loses = true;
        self
    }

    /// What the account that receives the power is called, shown to whoever is invited.
    pub fn account_name(mut self, name: ShownName) -> Self {
        self.terms.account_name = Some(name);
        self
    }

    /// Who invites, shown to whoever is invited.
    pub fn invited_by(mut self, name: ShownName) -> Self {
        self.terms.inviter = Some(name);
        self
    }

    /// Fills in the sign-in name.
    pub fn login_hint(mut self, name: impl Into<String>) -> Self {
        self.terms.login_hint = Some(name.into());
        self
    }

    /// Passes on what Entra wants proven: see
    /// [`Remedy::AskConsentAgain`](crate::Remedy::AskConsentAgain).
    pub fn claims(mut self, claims: impl Into<String>) -> Self {
        self.terms.claims = Some(claims.into());
        self
    }

    /// Lets the consent move the partner to its account from the one it is bound to. Whoever may call
    /// this may give one account the power over another's partner.
    pub const fn danger_rebind(mut self) -> Self {
        self.terms.rebinds = true;
        self
    }
}

impl<'b> IntoFuture for InvitationRequest<'b> {
    type Output = Result<SentInvitation, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'b>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.onboarding.invite(self.terms, self.door))
    }
}

/// A flow about to be begun by an invitation: await it.
#[must_use = "a flow begins when this is awaited"]
pub struct InvitedConsent<'b> {
    onboarding: &'b Onboarding,
    token: Zeroizing<String>,
    cookies: Result<Cookies, CallbackError>,
    mode: ResponseMode,
}

impl InvitedConsent<'_> {
    /// How the answer comes back; by form post, unless said otherwise.
    pub const fn answered_by(mut self, mode: ResponseMode) -> Self {
        self.mode = mode;
        self
    }
}

/// Without token and cookies, which are secrets.
impl fmt::Debug for InvitedConsent<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("InvitedConsent").field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl<'b> IntoFuture for InvitedConsent<'b> {
    type Output = Result<PendingConsent, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'b>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            self.onboarding.begin_invited(&self.token, &self.cookies?, self.mode).await
        })
    }
}

/// A view of invitations: of all, or of an account's and a partner's alone. What is outside of it is
/// not there.
#[derive(Debug, Clone)]
pub struct Invitations<'b> {
    onboarding: &'b Onboarding,
    whose: Whose,
}

impl Invitations<'_> {
    /// Only those in the name of this account.
    #[must_use]
    pub fn of_account(mut self, account: AccountId) -> Self {
        self.whose.accounts.push(account);
        self
    }

    /// Only those that ask this partner, or by which it has consented.
    #[must_use]
    pub fn of_partner(mut self, partner: TenantId) -> Self {
        self.whose.partners.push(partner);
        self
    }

    /// At most `limit` of them, after the page that ended there. Those whose time ends first come
    /// first. Each call reads all that are stored on the way, which is meant for a panel.
    ///
    /// # Errors
    /// What the store says. An invitation that does not open is named by the page.
    pub async fn page(
        &self,
        limit: usize,
        after: Option<&InvitationCursor>,
    ) -> Result<InvitationPage, Error> {
        self.onboarding.book().page(&self.whose, limit, after).await
    }

    /// One of them, as it stands now.
    ///
    /// # Errors
    /// [`Refused::InvitationUnknown`](crate::Refused::InvitationUnknown) when it is none of them;
    /// what the store says.
    pub async fn find(&self, id: &InvitationId) -> Result<Invitation, Error> {
        let book = self.onboarding.book();
        Ok(book.shown(&book.find(&self.whose, id).await?.record))
    }

    /// Takes one back, with every flow that was begun by it. Doing so twice is doing it once.
    ///
    /// # Errors
    /// [`Refused::InvitationSpent`](crate::Refused::InvitationSpent) once a consent was confirmed by
    /// it: then only [`Partner::withdraw`] takes the power back;
    /// [`Refused::InvitationUnknown`](crate::Refused::InvitationUnknown); [`Error::Conflict`] while
    /// somebody confirms by it; what the store says.
    pub async fn revoke(&self, id: &InvitationId) -> Result<Invitation, Error> {
        self.onboarding.book().revoke(&self.whose, id).await
    }

    /// Sends one again: by another link, with its whole time and ten starts again, for what is
    /// registered now. Its older links and what was begun by them are over. One that has expired can
    /// be sent again until it is swept.
    ///
    /// # Errors
    /// [`Error::Refused`] when it was confirmed or revoked, or could not be made today; else as
    /// [`revoke`](Self::revoke).
    pub async fn resend(&self, id: &InvitationId) -> Result<SentInvitation, Error> {
        self.onboarding.resend(&self.whose, id).await
    }
}
