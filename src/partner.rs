//! The verbs that people call for one partner and one customer.

mod approving;
mod granting;
mod inviting;

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use crate::broker::Broker;
use crate::error::Error;
use crate::journeys::diagnosis::Diagnosis;
use crate::journeys::exchange::{Access, Answer, Ask, Exchange};
use crate::journeys::onboarding::{Beginning, Onboarding, PendingConsent};
use crate::journeys::token::Token;
use crate::journeys::verification::Verification;
use crate::model::consent::{Consent, PreviousConsent};
use crate::model::motive::{Actor, Purpose};
use crate::model::partner_kind::PartnerKind;
use crate::model::policy::Refused;
use crate::model::scope::Resource;
use crate::model::tenant::{AccountId, TenantId};
use crate::protocol::authorization::ResponseMode;
use crate::protocol::challenge::ClaimsChallenge;
use crate::protocol::partner_center::MfaMissing;
use crate::transport::pace::Urgency;

pub use self::approving::ApprovalRequest;
pub use self::inviting::{InvitationRequest, Invitations, InvitedConsent};

impl Broker {
    /// The vendor's own door to a partner.
    #[must_use]
    pub const fn partner(&self, partner: TenantId) -> Partner<'_> {
        Partner { broker: self, tenant: partner, account: None }
    }

    /// The door for work done in an account's name: it opens only partners bound to that account.
    #[must_use]
    pub const fn account(&self, account: AccountId) -> Account<'_> {
        Account { broker: self, account }
    }

    /// A first contact: whichever tenant's administrator consents is bound to `account` then. The
    /// flow is sent to Entra's `organizations`, which admits work and school accounts only.
    pub const fn first_consent(&self, account: AccountId) -> ConsentRequest<'_> {
        ConsentRequest::new(&self.onboarding, None, account, None)
    }
}

/// An account's view of the broker.
#[derive(Debug)]
pub struct Account<'b> {
    broker: &'b Broker,
    account: AccountId,
}

impl<'b> Account<'b> {
    /// The door to a partner of this account. What is asked for another's is refused before any
    /// request is made.
    #[must_use]
    pub fn partner(&self, partner: TenantId) -> Partner<'b> {
        Partner { broker: self.broker, tenant: partner, account: Some(self.account.clone()) }
    }
}

/// One partner, seen by the vendor or in an account's name. It borrows the broker and costs nothing.
#[derive(Debug, Clone)]
pub struct Partner<'b> {
    broker: &'b Broker,
    tenant: TenantId,
    account: Option<AccountId>,
}

impl<'b> Partner<'b> {
    /// One of its customers.
    #[must_use]
    #[inline]
    pub fn customer(&self, tenant: TenantId) -> Customer<'b> {
        Customer { partner: self.clone(), tenant }
    }

    /// An access token for an API in the partner's own tenant.
    ///
    /// It comes from memory where one is good for two minutes more. Else the refresh token is
    /// redeemed, once for all who ask at the same time, and its replacement is stored first.
    ///
    /// # Errors
    /// [`Error::NoConsent`] and [`Error::Suspended`] without a request; [`Error::Entra`] when Entra
    /// refuses; [`Error::ScopesMissing`] when less was granted than is registered; [`Error::Unsaved`]
    /// while the store refuses the last rotation; [`Error::Refused`] at another account's door.
    #[inline]
    pub fn token(&self, resource: Resource) -> TokenRequest<'b> {
        self.request(self.tenant, resource)
    }

    /// The same API again and again: for a hot loop.
    #[must_use]
    pub fn access(&self, resource: Resource) -> Access {
        self.token(resource).access()
    }

    /// Whether a token is to be had now, and if not, whose turn it is: one is asked for as by
    /// [`token`](Self::token).
    ///
    /// # Errors
    /// [`Error::Refused`] at another account's door; [`Error::Closed`]. Any other failure is what the
    /// diagnosis is about.
    pub async fn diagnose(&self, resource: Resource) -> Result<Diagnosis, Error> {
        self.examine(self.tenant, resource).await
    }

    /// Partner Center has refused this token, since it was made without a second factor: see
    /// [`MfaMissing::in_reply`]. The answer is another token, to make the call once more with. When
    /// that one is refused too, report it likewise: then Partner Center is not used for this partner
    /// any more, in any process, and [`Error::PartnerCenterSuspended`] says that the partner must
    /// consent again. Tokens for other APIs and for customers go on.
    ///
    /// However many callers report the same token, it counts once. A minute later at the earliest,
    /// then after pauses that grow to six hours, whoever asks next has Partner Center say whether it
    /// takes a new token (`ValidateMfa`); if so, or once the partner has consented anew, it is used
    /// again. That some call was served proves nothing: Partner Center refuses a share of them.
    ///
    /// # Errors
    /// [`Error::PartnerCenterSuspended`]; [`Error::TokenRefused`] for a minute after it was lifted;
    /// [`Error::Setting`] for a token that is not for Partner Center at the partner's own tenant; else
    /// as [`token`](Self::token).
    pub async fn report_mfa_missing(
        &self,
        refused: &Token,
        missing: MfaMissing,
    ) -> Result<Token, Error> {
        let MfaMissing = missing;
        let ask = self.request(self.tenant, Resource::PartnerCenter).ask;
        self.broker.exchange.mfa_missing(ask, refused).await
    }

    async fn examine(&self, tenant: TenantId, resource: Resource) -> Result<Diagnosis, Error> {
        self.broker.diagnostics.examine(self.request(tenant, resource).ask).await
    }

    #[inline]
    fn request(&self, tenant: TenantId, resource: Resource) -> TokenRequest<'b> {
        let (partner, account) = (self.tenant, self.account.clone());
        let ask = Ask::plain(partner, account, tenant, resource);
        TokenRequest { exchange: &self.broker.exchange, ask }
    }

    /// Asks the partner to consent, in the name of `account`. Await it in the request of the browser
    /// that is to be sent to Entra.
    /// Behind an account's door it must be that account, and it cannot be moved there from another.
    pub fn request_consent(&self, account: AccountId) -> ConsentRequest<'b> {
        let door = self.account.clone();
        ConsentRequest::new(&self.broker.onboarding, Some(self.tenant), account, door)
    }

    /// Its consent, or its tombstone, as stored; `None` when it never consented.
    ///
    /// # Errors
    /// [`Error::Refused`] at another account's door; [`Error::Damaged`], [`Error::Store`],
    /// [`Error::Key`].
    pub async fn consent(&self) -> Result<Option<Consent>, Error> {
        let held = self.broker.ledger.consent(self.tenant).await?;
        let consent = held.map(|held| held.record.consent);
        match (&consent, &self.account) {
            (Some(consent), Some(account)) if consent.account() != account => {
                Err(Refused::NotYours(self.tenant).into())
            }
            _ => Ok(consent),
        }
    }

    /// Looks at its consent from every side, now: whether Entra redeems the refresh token for every
    /// registered API and just what is registered, whether Partner Center takes the token as one that
    /// was made with a second factor, whether the user is a member with no more power than needed,
    /// and whether today's policy would take it. What could not be found out is said to be unknown.
    ///
    /// It changes the consent only as any use does: each redemption may replace the refresh token,
    /// and a refusal may suspend it. What Partner Center says is remembered as if you had
    /// [reported](Self::report_mfa_missing) it. A consent that pauses, or is over, is not redeemed.
    ///
    /// Source: Partner Center, "Test the partner security requirements".
    ///
    /// # Errors
    /// [`Error::Refused`] at another account's door; [`Error::NoConsent`] when it never consented;
    /// [`Error::Damaged`], [`Error::Store`], [`Error::Key`], [`Error::Closed`]. What Entra and Partner
    /// Center say is no error, but found.
    pub async fn verify(&self) -> Result<Verification, Error> {
        let account = self.account.as_ref();
        self.broker.verifier.verify(self.tenant, account, Urgency::Caller).await
    }

    /// The consent that the standing one took the place of, while it can still be put back.
    ///
    /// # Errors
    /// As [`roll_back`](Self::roll_back), but that there is none is `None`.
    pub async fn previous_consent(&self) -> Result<Option<PreviousConsent>, Error> {
        self.broker.rollback.previous(self.tenant, self.account.as_ref()).await
    }

    /// Puts back the consent that the standing one took the place of, within the time that
    /// [`BrokerBuilder::roll_back_within`](crate::BrokerBuilder::roll_back_within) gives. The standing
    /// one is dropped, with every token that was had by it, and no write under way and no flow begun
    /// before brings it back. Other processes follow within five seconds. Doing so twice is doing it
    /// once.
    ///
    /// It comes back as it stood, with the refresh token of then. No policy is asked once more:
    /// [`verify`](Self::verify) tells how it fares today.
    ///
    /// # Errors
    /// [`Refused::NothingToRollBack`] and [`Refused::RollBackOver`]; [`Refused::NotYours`] at another
    /// account's door, and where either of the two consents is bound to another account;
    /// [`Error::Superseded`] when another consent was confirmed meanwhile; [`Error::NoConsent`] when it
    /// never consented; what the store says.
    pub async fn roll_back(&self) -> Result<Consent, Error> {
        self.broker.rollback.roll_back(self.tenant, self.account.as_ref(), None).await
    }

    /// The same, to the very consent that [`previous_consent`](Self::previous_consent) has shown: for a
    /// button that a person presses some time later.
    ///
    /// # Errors
    /// As [`roll_back`](Self::roll_back); [`Error::Superseded`] when another consent would come back.
    pub async fn roll_back_to(&self, shown: &PreviousConsent) -> Result<Consent, Error> {
        let shown = Some(shown.consent().clone());
        self.broker.rollback.roll_back(self.tenant, self.account.as_ref(), shown).await
    }

    /// Gives up the consent that the standing one took the place of, with its refresh token, so that
    /// nobody puts it back any more: where a partner has consented anew to be rid of the one before. Says
    /// whether one could have been put back; doing so twice is doing it once. The one that stands goes on, with every
    /// token that was had by it.
    ///
    /// It is what *you* forget: Microsoft honours the refresh token until it expires or the user's
    /// sessions are revoked.
    ///
    /// # Errors
    /// [`Refused::NotYours`] at another account's door, and where either of the two consents is bound to
    /// another account; [`Error::Superseded`] when another consent was confirmed meanwhile;
    /// [`Error::NoConsent`] when it never consented; what the store says.
    pub async fn forget_previous_consent(&self) -> Result<bool, Error> {
        self.broker.rollback.give_up(self.tenant, self.account.as_ref()).await
    }

    /// Lets the partner go: its refresh token is erased and a tombstone takes its place, which no
    /// flow begun before and no write under way can undo. Other processes follow within five
    /// seconds.
    ///
    /// # Errors
    /// [`Error::NoConsent`] when there never was one; [`Error::Refused`] at another account's door;
    /// what the store says.
    pub async fn withdraw(&self) -> Result<Consent, Error> {
        self.broker.offboarding.withdraw(self.tenant, self.account.as_ref()).await
    }

    /// Lets the partner go for good: withdraws it unless it is, then destroys its key. From then on
    /// nothing of it opens with any ring, in no backup of the rows either, unless the backup holds
    /// the partner's key too; and no write under way and no flow begun before brings it back. What
    /// waits for a confirmation ends with it, and its invitations know nobody any more: one that was for
    /// one user is revoked. What is left of its row is swept an hour later, unless
    /// a new flow came first. It may consent anew.
    ///
    /// A consent that is damaged, or was shredded before, is shredded by the vendor's own door only.
    ///
    /// # Errors
    /// [`Error::NoConsent`] when there never was one; [`Error::Refused`] at another account's door;
    /// what the store says.
    pub async fn shred(&self) -> Result<(), Error> {
        self.broker.offboarding.shred(self.tenant, self.account.as_ref()).await
    }
}

/// A customer of a partner.
#[derive(Debug, Clone)]
pub struct Customer<'b> {
    partner: Partner<'b>,
    tenant: TenantId,
}

impl<'b> Customer<'b> {
    /// An access token for an API in the customer's tenant, by the partner's consent and its
    /// delegated administration there.
    ///
    /// # Errors
    /// As [`Partner::token`]. A refusal here never moves the partner's consent.
    pub fn token(&self, resource: Resource) -> TokenRequest<'b> {
        self.partner.request(self.tenant, resource)
    }

    /// The same API again and again: for a hot loop.
    #[must_use]
    pub fn access(&self, resource: Resource) -> Access {
        self.token(resource).access()
    }

    /// Whether a token is to be had now, and if not, whether it is the partner's turn or the
    /// customer's: one for Partner Center is asked for at the partner first, then this one here.
    ///
    /// # Errors
    /// As [`Partner::diagnose`].
    pub async fn diagnose(&self, resource: Resource) -> Result<Diagnosis, Error> {
        self.partner.examine(self.tenant, resource).await
    }
}

/// A token about to be asked for: await it to have it.
#[derive(Debug)]
#[must_use = "nothing is asked until this is awaited"]
pub struct TokenRequest<'b> {
    exchange: &'b Exchange,
    ask: Ask,
}

impl TokenRequest<'_> {
    /// Another token than this one, which the API has refused (401): nobody is given that one any
    /// more, and one request fetches its successor for all who say so. If the API refuses that one
    /// as well, it is not about the token, and [`Error::TokenRefused`] says so.
    pub fn instead_of(mut self, refused: &Token) -> Self {
        self.ask.instead_of = Some(refused.clone());
        self
    }

    /// A token that satisfies what an API has asked for in its 401. Entra is asked once, whatever is
    /// at hand; if a person must act first, the error says so, with the claims for a new consent. What
    /// was at hand goes on serving those who do not ask for more.
    pub fn satisfying(mut self, challenge: &ClaimsChallenge) -> Self {
        self.ask.claims = Some(challenge.clone());
        self
    }

    /// On whose behalf: told with the events that this causes.
    pub fn by(mut self, actor: Actor) -> Self {
        self.ask.motive.actor = Some(actor);
        self
    }

    /// What it is for: told with the events that this causes, and counted by
    /// those who name it to [`Meter::purposes`](crate::metrics::Meter::purposes).
    pub fn for_purpose(mut self, purpose: Purpose) -> Self {
        self.ask.motive.purpose = Some(purpose);
        self
    }

    /// The same API again and again, by this actor and for this purpose: for a hot loop.
    /// [`instead_of`](Self::instead_of) and [`satisfying`](Self::satisfying) speak of one moment, and
    /// are left out.
    #[must_use]
    pub fn access(self) -> Access {
        Access::new(self.exchange.clone(), self.ask)
    }
}

impl IntoFuture for TokenRequest<'_> {
    type Output = Result<Token, Error>;
    type IntoFuture = Answer;

    #[inline]
    fn into_future(self) -> Answer {
        self.exchange.token(self.ask)
    }
}

/// A consent about to be asked for: await it to begin the flow.
#[derive(Debug)]
#[must_use = "a flow begins when this is awaited"]
pub struct ConsentRequest<'b> {
    onboarding: &'b Onboarding,
    beginning: Beginning,
}

impl<'b> ConsentRequest<'b> {
    const fn new(
        onboarding: &'b Onboarding,
        expected: Option<TenantId>,
        account: AccountId,
        door: Option<AccountId>,
    ) -> Self {
        Self { onboarding, beginning: Beginning::of(expected, account, door) }
    }

    /// How the answer comes back; by form post, unless said otherwise.
    pub const fn answered_by(mut self, mode: ResponseMode) -> Self {
        self.beginning.mode = mode;
        self
    }

    /// What kind of partner it is, which decides by [which policy](crate::BrokerBuilder::policy_for) the
    /// consent is taken. Unless said, it stays what it was with the last consent, and is a direct one at
    /// first.
    pub const fn kind(mut self, kind: PartnerKind) -> Self {
        self.beginning.kind = Some(kind);
        self
    }

    /// Fills in the sign-in name.
    pub fn login_hint(mut self, name: impl Into<String>) -> Self {
        self.beginning.login_hint = Some(name.into());
        self
    }

    /// Passes on what Entra wants proven: see
    /// [`Remedy::AskConsentAgain`](crate::Remedy::AskConsentAgain).
    pub fn claims(mut self, claims: impl Into<String>) -> Self {
        self.beginning.claims = Some(claims.into());
        self
    }
}

impl ConsentRequest<'_> {
    /// Lets this consent move the partner to its account from the one it is bound to. Whoever may
    /// call this may give one account the power over another's partner.
    pub const fn danger_rebind(mut self) -> Self {
        self.beginning.rebinds = true;
        self
    }
}

impl<'b> IntoFuture for ConsentRequest<'b> {
    type Output = Result<PendingConsent, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'b>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.onboarding.begin(self.beginning))
    }
}
