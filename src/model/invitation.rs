//! An invitation to consent: what it says, what it is bound to, and how it stands.

use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use super::clock::as_seconds;
use super::invalid::{Invalid, is_invisible};
use super::partner_kind::PartnerKind;
use super::scope::Scopes;
use super::secret::random;
use super::tenant::{AccountId, ClientId, TenantId, UserId};

mod stored;

pub(crate) use stored::{Claim, Erasure, InvitedFlow, LiveFlow, StoredInvitation, Whom};

/// Names an invitation: for your panel and your books. It is no secret, and opens nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InvitationId(String);

impl InvitationId {
    pub(crate) fn drawn() -> Self {
        Self(URL_SAFE_NO_PAD.encode(random::<16>()))
    }

    /// Reads the text that [`Display`](fmt::Display) wrote.
    ///
    /// # Errors
    /// [`Invalid`] when it has another shape.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        const EXPECTED: &str = "the text of an id, as it was displayed";
        if is_base64url(text, ID_LENGTH) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new("invitation id", "has another shape", EXPECTED))
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InvitationId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl TryFrom<String> for InvitationId {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(&text)
    }
}

impl From<InvitationId> for String {
    fn from(id: InvitationId) -> Self {
        id.0
    }
}

/// A name to be shown to whoever is invited, and whether you vouch for it: a person decides by it who
/// receives power.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownName {
    name: String,
    verified: bool,
}

impl ShownName {
    /// A name that you have found to be true.
    ///
    /// # Errors
    /// [`Invalid`] unless it is one line of 1 to 200 bytes, without characters that turn the
    /// direction of text.
    pub fn verified(name: impl Into<String>) -> Result<Self, Invalid> {
        Self::new(name.into(), true)
    }

    /// A name that somebody gave to himself.
    ///
    /// # Errors
    /// As [`verified`](Self::verified).
    pub fn unverified(name: impl Into<String>) -> Result<Self, Invalid> {
        Self::new(name.into(), false)
    }

    fn new(name: String, verified: bool) -> Result<Self, Invalid> {
        const EXPECTED: &str = "1 to 200 bytes of text in one line";
        let wrong = |problem| Err(Invalid::new("shown name", problem, EXPECTED));
        if name.trim().is_empty() || name.len() > 200 {
            return wrong("is empty or too long");
        }
        if name.chars().any(|c| c.is_control() || is_invisible(c)) {
            return wrong("has a character that controls how text is shown");
        }
        Ok(Self { name, verified })
    }

    /// The name itself: escape it where you show it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether you vouched for it.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        self.verified
    }
}

/// Where an invitation stands. Its [`Display`](fmt::Display) says it to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvitationStatus {
    /// Nobody has begun a sign-in by its link. Whether somebody has looked at it is not noted.
    Open,
    /// Somebody has begun a sign-in by its link, and nobody has confirmed.
    Started {
        /// How often, of ten.
        times: u32,
    },
    /// A consent was confirmed by it.
    Confirmed {
        /// The partner.
        partner: TenantId,
        /// Who consented; `None` once that person was [erased](crate::Broker::erase_person).
        user: Option<UserId>,
        /// When.
        at: SystemTime,
    },
    /// You took it back.
    Revoked {
        /// When.
        at: SystemTime,
    },
    /// Its time is over.
    Expired,
}

impl fmt::Display for InvitationStatus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => out.write_str("open"),
            Self::Started { times: 1 } => out.write_str("started once"),
            Self::Started { times } => write!(out, "started {times} times"),
            Self::Confirmed { .. } => out.write_str("confirmed"),
            Self::Revoked { .. } => out.write_str("revoked"),
            Self::Expired => out.write_str("expired"),
        }
    }
}

/// What an invitation is bound to, and what it says.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Terms {
    pub(crate) account: AccountId,
    pub(crate) account_name: Option<ShownName>,
    pub(crate) inviter: Option<ShownName>,
    /// The tenant asked; none at a first contact.
    pub(crate) partner: Option<TenantId>,
    /// What kind of partner it is, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<PartnerKind>,
    /// The one user who may consent.
    pub(crate) user: Option<UserId>,
    /// Whose consent this one may take the place of; versions before this one knew nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replaces: Option<UserId>,
    /// Whether customers may be lost by it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) loses: bool,
    pub(crate) rebinds: bool,
    pub(crate) login_hint: Option<String>,
    pub(crate) claims: Option<String>,
    pub(crate) life: Duration,
}

impl Terms {
    pub(crate) const fn new(partner: Option<TenantId>, account: AccountId) -> Self {
        Self {
            account,
            account_name: None,
            inviter: None,
            partner,
            kind: None,
            user: None,
            replaces: None,
            loses: false,
            rebinds: false,
            login_hint: None,
            claims: None,
            life: LIFE,
        }
    }

    /// # Errors
    /// [`Invalid`] for a life that nobody can use, or that outlives what is known of the partner.
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        const EXPECTED: &str = "a minute to 90 days";
        if SHORTEST_LIFE <= self.life && self.life <= LONGEST_LIFE {
            Ok(())
        } else {
            Err(Invalid::new("expires in", "is too short or too long", EXPECTED))
        }
    }
}

/// Neither a person's name nor what is to be proven is for a log.
impl fmt::Debug for Terms {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Terms")
            .field("account", &self.account)
            .field("partner", &self.partner)
            .field("user", &self.user)
            .field("replaces", &self.replaces)
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}

/// An invitation, as it stood when it was read. It holds no secret.
#[derive(Debug, Clone)]
pub struct Invitation {
    pub(crate) id: InvitationId,
    pub(crate) terms: Terms,
    pub(crate) application: ClientId,
    pub(crate) scopes: Scopes,
    pub(crate) made_at: SystemTime,
    pub(crate) sent_at: SystemTime,
    pub(crate) expires_at: SystemTime,
    pub(crate) starts: u32,
    pub(crate) approvals: u32,
    pub(crate) approval_reported_at: Option<SystemTime>,
    pub(crate) status: InvitationStatus,
}

impl Invitation {
    /// Its name in your books.
    #[must_use]
    pub const fn id(&self) -> &InvitationId {
        &self.id
    }

    /// The account that receives the power.
    #[must_use]
    pub const fn account(&self) -> &AccountId {
        &self.terms.account
    }

    /// What that account is called, if you said so.
    #[must_use]
    pub const fn account_name(&self) -> Option<&ShownName> {
        self.terms.account_name.as_ref()
    }

    /// Who invites, if you said so.
    #[must_use]
    pub const fn inviter(&self) -> Option<&ShownName> {
        self.terms.inviter.as_ref()
    }

    /// The tenant that is asked for it; `None` at a first contact.
    #[must_use]
    pub const fn partner(&self) -> Option<TenantId> {
        self.terms.partner
    }

    /// What kind of partner is asked, if you said so.
    #[must_use]
    pub const fn kind(&self) -> Option<PartnerKind> {
        self.terms.kind
    }

    /// The one user who may consent, if it is for one.
    #[must_use]
    pub const fn user(&self) -> Option<UserId> {
        self.terms.user
    }

    /// The user whose consent it may take the place of, if you have approved that.
    #[must_use]
    pub const fn replaces(&self) -> Option<UserId> {
        self.terms.replaces
    }

    /// Whether you have said that customers may be lost by it.
    #[must_use]
    pub const fn may_lose_customers(&self) -> bool {
        self.terms.loses
    }

    /// The application that asks.
    #[must_use]
    pub const fn application(&self) -> ClientId {
        self.application
    }

    /// What it asks for.
    #[must_use]
    pub const fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// When it was made.
    #[must_use]
    pub const fn made_at(&self) -> SystemTime {
        self.made_at
    }

    /// When its present link was made.
    #[must_use]
    pub const fn sent_at(&self) -> SystemTime {
        self.sent_at
    }

    /// When nothing can come of it any more.
    #[must_use]
    pub const fn expires_at(&self) -> SystemTime {
        self.expires_at
    }

    /// How often its present link can still be begun by.
    #[must_use]
    pub const fn starts_left(&self) -> u32 {
        MOST_STARTS.saturating_sub(self.starts)
    }

    /// When a browser last said that an administrator has approved the application for the tenant.
    /// It proves nothing: whether a sign-in is let through, the sign-in shows.
    #[must_use]
    pub const fn approval_reported_at(&self) -> Option<SystemTime> {
        self.approval_reported_at
    }

    /// How often an administrator's approval can still be begun by its present link.
    #[must_use]
    pub const fn approvals_left(&self) -> u32 {
        MOST_STARTS.saturating_sub(self.approvals)
    }

    /// How it stood.
    #[must_use]
    pub const fn status(&self) -> &InvitationStatus {
        &self.status
    }
}

/// An invitation with the link that is to be sent: nobody can tell the link again.
pub struct SentInvitation {
    pub(crate) invitation: Invitation,
    pub(crate) link: Url,
}

impl SentInvitation {
    /// The link. Whoever holds it may begin, so send it to the one person alone, and log the
    /// [id](Invitation::id) instead.
    #[must_use]
    pub const fn link(&self) -> &Url {
        &self.link
    }

    /// What was sent.
    #[must_use]
    pub const fn invitation(&self) -> &Invitation {
        &self.invitation
    }
}

/// Without the link, which is the secret.
impl fmt::Debug for SentInvitation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { invitation, .. } = self;
        out.debug_struct("SentInvitation").field("invitation", invitation).finish_non_exhaustive()
    }
}

/// What a link's path ends with: which invitation it is, and the secret that proves the link.
pub(crate) struct LinkToken {
    pub(crate) id: InvitationId,
    pub(crate) secret: Zeroizing<String>,
}

impl LinkToken {
    /// The last of its 43 characters stands for four bits, so that it is a letter or a digit: where
    /// an address ends with a sign, mail programs cut it off.
    pub(crate) fn drawn(id: &InvitationId) -> Self {
        let secret = URL_SAFE_NO_PAD.encode(random::<32>()).into();
        Self { id: id.clone(), secret }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.split_once('.')?;
        let id = InvitationId::parse(id).ok()?;
        is_base64url(secret, SECRET_LENGTH).then(|| Self { id, secret: secret.to_owned().into() })
    }

    pub(crate) fn text(&self) -> Zeroizing<String> {
        format!("{}.{}", self.id, *self.secret).into()
    }
}

fn is_base64url(text: &str, length: usize) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    text.len() == length && text.bytes().all(plain)
}

/// How often a sign-in, and how often an approval, can be begun by a link.
pub(crate) const MOST_STARTS: u32 = 10;
const ID_LENGTH: usize = 22;
const SECRET_LENGTH: usize = 43;
const LIFE: Duration = Duration::from_secs(7 * 86_400);
const SHORTEST_LIFE: Duration = Duration::from_secs(60);
const LONGEST_LIFE: Duration = Duration::from_secs(90 * 86_400);

#[cfg(test)]
mod tests;
