//! What a callback brought, until a person has confirmed it.

use std::fmt;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use super::browser::{self, cookie_name};
use super::ground::{Ground, check_tombstone, is_above};
use super::{Onboarding, Replacement};
use crate::error::Error;
use crate::model::clock::as_seconds;
use crate::model::consent::{
    Consent, ConsentState, ConsentingUser, Loss, Past, StoredConsent, StoredToken, Worked,
};
use crate::model::enforcement::Enforcement;
use crate::model::fingerprint::Fingerprint;
use crate::model::invalid::Invalid;
use crate::model::invitation::{Invitation, InvitedFlow};
use crate::model::mfa::MfaFinding;
use crate::model::partner_kind::PartnerKind;
use crate::model::policy::{Refused, Warning};
use crate::model::receipt::Chain;
use crate::model::scope::Scopes;
use crate::model::tenant::{AccountId, TenantId, UserId};
use crate::protocol::authorization::Cookies;
use crate::storage::ledger::Record;
use crate::storage::store::Kind;

/// Who consented to what, waiting for a person to confirm it.
///
/// Nothing is given yet: its refresh token is sealed where no token path reads it, under the
/// partner's key. It waits ten minutes. Show the account that receives the power first, then tenant,
/// user, scopes and proof, and what there is to [warn](Self::warnings) of.
#[derive(Debug)]
pub struct Found {
    onboarding: Onboarding,
    facts: FoundFacts,
    replacement: Replacement,
}

/// What may be shown of it.
#[derive(Debug, Clone)]
pub(super) struct FoundFacts {
    id: FoundId,
    tenant: TenantId,
    account: AccountId,
    kind: PartnerKind,
    user: ConsentingUser,
    scopes: Scopes,
    mfa: MfaFinding,
    warnings: Vec<Warning>,
    expires_at: SystemTime,
    replaces: Option<ConsentingUser>,
    replaces_damaged: bool,
    losses: Vec<Loss>,
    invitation: Option<Invitation>,
}

impl Found {
    pub(super) fn new(onboarding: Onboarding, facts: FoundFacts) -> Self {
        Self { onboarding, facts, replacement: Replacement::default() }
    }

    /// Names it in your confirmation form; [`Broker::found`](crate::Broker::found) finds it again.
    #[must_use]
    pub const fn id(&self) -> &FoundId {
        &self.facts.id
    }

    /// The account that receives the power.
    #[must_use]
    pub const fn account(&self) -> &AccountId {
        &self.facts.account
    }

    /// The tenant that gives it.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.facts.tenant
    }

    /// What kind of partner that is: its policy has admitted this.
    #[must_use]
    pub const fn kind(&self) -> PartnerKind {
        self.facts.kind
    }

    /// Who signed in.
    #[must_use]
    pub const fn user(&self) -> &ConsentingUser {
        &self.facts.user
    }

    /// What was granted, each resource seen to work.
    #[must_use]
    pub const fn scopes(&self) -> &Scopes {
        &self.facts.scopes
    }

    /// What is known of a second factor: who proved it, when, and until when that lasts.
    #[must_use]
    pub const fn mfa(&self) -> &MfaFinding {
        &self.facts.mfa
    }

    /// What the policy let through and a person should see before confirming; nothing where all is as
    /// it should be. The receipt of the consent names them, too.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.facts.warnings
    }

    /// The invitation that it came by: who invited, and whether you vouched for the name.
    #[must_use]
    pub const fn invitation(&self) -> Option<&Invitation> {
        self.facts.invitation.as_ref()
    }

    /// When it is erased unless confirmed.
    #[must_use]
    pub const fn expires_at(&self) -> SystemTime {
        self.facts.expires_at
    }

    /// The other user whose consent stands, if there is one: then only
    /// [`confirm_instead_of`](Self::confirm_instead_of) replaces it.
    #[must_use]
    pub const fn replaces(&self) -> Option<&ConsentingUser> {
        self.facts.replaces.as_ref()
    }

    /// The user whose consent you have approved it to take the place of, by
    /// [`InvitationRequest::replacing`](crate::InvitationRequest::replacing), if that is whose consent
    /// stands: give it to [`confirm_instead_of`](Self::confirm_instead_of), once a person was shown both.
    #[must_use]
    pub fn approved_replacement(&self) -> Option<UserId> {
        let approved = self.invitation().and_then(Invitation::replaces);
        approved.filter(|user| self.replaces().is_some_and(|standing| standing.id == *user))
    }

    /// Customers that worked by the standing consent lately and refuse this one, of the few that were
    /// tried: with any of them it takes over only after
    /// [`danger_losing_customers`](Self::danger_losing_customers).
    #[must_use]
    pub fn loses(&self) -> &[Loss] {
        &self.facts.losses
    }

    /// Whether customers are lost of which nobody has said yet that they may be.
    #[cfg(feature = "web")]
    pub(crate) fn loses_unapproved(&self) -> bool {
        let approved = self.invitation().is_some_and(Invitation::may_lose_customers);
        !self.loses().is_empty() && !self.replacement.losing_customers && !approved
    }

    /// Lets it take over although customers are [lost](Self::loses) by that.
    #[must_use]
    pub const fn danger_losing_customers(mut self) -> Self {
        self.replacement.losing_customers = true;
        self
    }

    /// Whether the partner's record is damaged: then it takes its place only after
    /// [`danger_replace_damaged`](Self::danger_replace_damaged).
    #[must_use]
    pub const fn replaces_damaged(&self) -> bool {
        self.facts.replaces_damaged
    }

    /// The value of a `Set-Cookie` header that takes the flow's cookie away, for the reply to whoever
    /// has confirmed or declined. Nothing needs it any more, and browsers then forget this page: else
    /// their back button may show it again, as it was, although it must not be stored.
    #[must_use]
    pub fn cookie_removal(&self) -> HeaderValue {
        browser::removal(&self.facts.id.flow)
    }

    /// Lets it take the place of a record that does not open, and of its key if that is damaged.
    /// Nobody can say any more whose consent that was, which account it was bound to, or whether it
    /// was withdrawn. Try to restore the record first: `docs/stores.md`.
    #[must_use]
    pub const fn danger_replace_damaged(mut self) -> Self {
        self.replacement.of_damaged = true;
        self
    }

    /// Makes it the partner's consent. Doing so twice is doing it once.
    ///
    /// # Errors
    /// [`Refused`] when it is gone, when another user's consent stands, when customers would be lost,
    /// when the standing consent is better proven, or when the partner was withdrawn, or rolled back,
    /// meanwhile; [`Error::Damaged`] or [`Error::Key`] when the standing record does not open;
    /// [`Error::Conflict`] while another browser confirms by the same invitation; else what the store
    /// says.
    pub async fn confirm(self) -> Result<Consent, Error> {
        self.onboarding.confirm(&self.facts.id, self.facts.tenant, self.replacement).await
    }

    /// Makes it the partner's consent in place of that of `user`, whom a person was shown.
    ///
    /// # Errors
    /// As [`confirm`](Self::confirm); also when the consent that stands is not that of `user`.
    pub async fn confirm_instead_of(self, user: UserId) -> Result<Consent, Error> {
        let replacement = Replacement { instead_of: Some(user), ..self.replacement };
        self.onboarding.confirm(&self.facts.id, self.facts.tenant, replacement).await
    }

    /// Erases it.
    ///
    /// # Errors
    /// [`Refused::ConfirmedAlready`] when the consent stands; [`Error::Conflict`] while it is being
    /// confirmed; else what the store says: it then ends by itself at
    /// [`expires_at`](Self::expires_at).
    pub async fn decline(self) -> Result<(), Error> {
        self.onboarding.decline(&self.facts.id, self.facts.tenant).await
    }
}

/// Names something found. Only the browser that found it can confirm it; guard your confirmation
/// form against requests from other sites all the same, and keep the id out of logs.
#[derive(Clone, PartialEq, Eq)]
pub struct FoundId {
    /// Under whose key it is sealed: the partner's, or the application's while that is damaged.
    sealed_for: Option<TenantId>,
    flow: String,
}

impl FoundId {
    /// Reads the text that [`Display`](fmt::Display) wrote.
    ///
    /// # Errors
    /// [`Invalid`] when it has another shape.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        const EXPECTED: &str = "the text of an id, as it was displayed";
        let invalid = || Invalid::new("found id", "has another shape", EXPECTED);
        let (sealed_for, flow) = match text.split_once('.') {
            Some((tenant, flow)) => (Some(TenantId::parse(tenant)?), flow),
            None => (None, text),
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if flow.len() != 43 || !flow.bytes().all(plain) {
            return Err(invalid());
        }
        let id = Self { sealed_for, flow: flow.to_owned() };
        if id.to_string() == text { Ok(id) } else { Err(invalid()) }
    }

    /// Whether the consent that stands is what was found under this name.
    pub(super) fn became(&self, standing: &Consent) -> bool {
        standing.flow == self.flow && !standing.is_withdrawn()
    }

    /// The `Set-Cookie` value that has the browser forget the flow.
    #[cfg(feature = "web")]
    pub(crate) fn cookie_removal(&self) -> HeaderValue {
        browser::removal(&self.flow)
    }

    /// Under whose key it is sealed.
    pub(super) const fn sealed_for(&self) -> Option<TenantId> {
        self.sealed_for
    }
}

impl fmt::Display for FoundId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(partner) = self.sealed_for {
            write!(out, "{partner}.")?;
        }
        out.write_str(&self.flow)
    }
}

/// Without the id itself: what is found is debugged into logs.
impl fmt::Debug for FoundId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("FoundId([redacted])")
    }
}

/// What was found as it is sealed and stored, under a kind of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct FoundRecord {
    /// Of the flow.
    pub(super) id: String,
    /// Under whose key it lies; nobody's but the application's if made by version 0.1.0.
    #[serde(default)]
    pub(super) sealed_for: Option<TenantId>,
    pub(super) partner: TenantId,
    pub(super) account: AccountId,
    /// Versions before this one knew nothing of it.
    #[serde(default, skip_serializing_if = "PartnerKind::is_direct")]
    pub(super) kind: PartnerKind,
    pub(super) rebinds: bool,
    pub(super) user: ConsentingUser,
    pub(super) scopes: Scopes,
    pub(super) mfa: MfaFinding,
    pub(super) token: StoredToken,
    #[serde(with = "as_seconds")]
    pub(super) token_issued_at: SystemTime,
    /// Who worked by the consent that stood then, and refuses this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) losses: Vec<Loss>,
    /// Who works by this one, of those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) worked: Vec<Worked>,
    pub(super) browser: Fingerprint,
    /// The invitation that it came by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) invited: Option<InvitedFlow>,
    #[serde(with = "as_seconds")]
    pub(super) begun_at: SystemTime,
    #[serde(with = "as_seconds")]
    pub(super) expires_at: SystemTime,
    /// How many have said yes, and what comes of it is not known yet.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) confirming: u32,
    /// The generation that stood when it was found: what was let go, or put back, above it came later,
    /// whatever two clocks say. Not known where that was damaged, and to versions before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) above: Option<u64>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl FoundRecord {
    pub(super) fn facts(
        &self,
        ground: &Ground,
        invitation: Option<Invitation>,
        warnings: Vec<Warning>,
    ) -> FoundFacts {
        let standing = ground.user().filter(|standing| standing.id != self.user.id);
        let losses = if ground.user().is_some() { self.losses.clone() } else { Vec::new() };
        FoundFacts {
            id: self.found_id(),
            tenant: self.partner,
            account: self.account.clone(),
            kind: self.kind,
            user: self.user.clone(),
            scopes: self.scopes.clone(),
            mfa: self.mfa,
            warnings,
            expires_at: self.expires_at,
            replaces: standing.cloned(),
            replaces_damaged: ground.is_damaged(),
            losses,
            invitation,
        }
    }

    fn found_id(&self) -> FoundId {
        FoundId { sealed_for: self.sealed_for, flow: self.id.clone() }
    }

    pub(super) fn check_browser(&self, headers: &HeaderMap) -> Result<(), Error> {
        let cookies = Cookies::read(headers)?;
        let same = self.browser.matches(cookies.find(&cookie_name(&self.id)));
        if same { Ok(()) } else { Err(Refused::OtherBrowser.into()) }
    }

    /// Whether it was confirmed before, and only its erasure is missing.
    pub(super) fn became(&self, standing: &Consent) -> bool {
        self.found_id().became(standing)
    }

    /// Whether it may take the place of what stands.
    pub(super) fn check_replacement(
        &self,
        stored: &StoredConsent,
        replacement: Replacement,
    ) -> Result<(), Refused> {
        let (partner, standing) = (self.partner, &stored.consent);
        if standing.account != self.account && !self.rebinds {
            return Err(Refused::NotYours(partner));
        }
        if standing.is_withdrawn() || standing.was_withdrawn_since(self.begun_at) {
            return check_tombstone(standing, self.begun_at, self.above);
        }
        let put_back = stored.past.was_rolled_back_since(self.begun_at)
            || stored.past.is_put_back() && is_above(standing.generation, self.above);
        if self.token_issued_at < standing.confirmed_at || put_back {
            return Err(Refused::OlderToken(partner));
        }
        let named = replacement.instead_of == Some(standing.user.id);
        if standing.user.id != self.user.id && !named {
            let (standing, found) = (standing.user.clone().into(), self.user.clone().into());
            return Err(Refused::OtherUser { partner, standing, found });
        }
        self.check_losses(replacement)
    }

    fn check_losses(&self, replacement: Replacement) -> Result<(), Refused> {
        if self.losses.is_empty() || replacement.losing_customers {
            return Ok(());
        }
        let (partner, losses) = (self.partner, self.losses.clone().into());
        Err(Refused::LosesCustomers { partner, losses })
    }

    pub(super) fn consent(
        &self,
        previous: Option<&StoredConsent>,
        generation: u64,
        within: Duration,
        now: SystemTime,
    ) -> StoredConsent {
        let (user, worked) = (self.user.id, self.worked.clone());
        let past = match previous {
            Some(previous) => previous.past_of_next(user, worked, within, now),
            None => Past::default(),
        };
        let consent = Consent {
            partner: self.partner,
            account: self.account.clone(),
            kind: self.kind,
            user: self.user.clone(),
            scopes: self.scopes.clone(),
            mfa: self.mfa.proof().copied(),
            flow: self.id.clone(),
            generation,
            withdrawn_at: previous.and_then(|old| old.consent.withdrawn_at),
            begun_at: self.begun_at,
            confirmed_at: now,
            token_issued_at: self.token_issued_at,
            state: ConsentState::Live,
            enforcement: Enforcement::default(),
        };
        StoredConsent { consent, token: Some(self.token.clone()), chain: Chain::default(), past }
    }
}

impl Record for FoundRecord {
    const KIND: Kind = Kind::Found;

    /// Its refresh token is the partner's, and ends with the partner's key.
    fn partner(&self) -> Option<TenantId> {
        self.sealed_for
    }

    fn id(&self) -> String {
        self.found_id().to_string()
    }

    fn generation(&self) -> u64 {
        0
    }

    fn due(&self) -> Option<SystemTime> {
        Some(self.kept_until())
    }
}
