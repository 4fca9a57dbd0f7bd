//! A partner's standing permission, and how its state moves.
//!
//! The transitions are pure: they take what was seen and when, and return the next state. Whoever
//! loads a consent, moves it and stores it again does so by compare-and-swap (`exchange`,
//! `onboarding`, `offboarding`).

mod noting;
mod past;

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::clock::{age, as_seconds, from_unix_seconds, unix_seconds};
use super::enforcement::Enforcement;
use super::entra_error::{Cause, Reach};
use super::mfa::MfaProof;
use super::partner_kind::PartnerKind;
use super::receipt::Chain;
use super::role::DirectoryRole;
use super::scope::{Resource, Scopes};
use super::secret::{RefreshToken, sealed_text};
use super::tenant::{AccountId, TenantId, UserId};

pub use self::past::{Loss, PreviousConsent};
pub(crate) use self::past::{NoWayBack, Past, SAMPLE, Worked, sample};

/// A partner's standing permission, with its proof. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    pub(crate) partner: TenantId,
    pub(crate) account: AccountId,
    /// Versions before this one knew nothing of it.
    #[serde(default, skip_serializing_if = "PartnerKind::is_direct")]
    pub(crate) kind: PartnerKind,
    pub(crate) user: ConsentingUser,
    pub(crate) scopes: Scopes,
    pub(crate) mfa: Option<MfaProof>,
    pub(crate) flow: String,
    pub(crate) generation: u64,
    /// The last withdrawal, in seconds since 1970: no flow that began before it counts any more.
    pub(crate) withdrawn_at: Option<u64>,
    /// When the flow that it came from began.
    #[serde(with = "as_seconds")]
    pub(crate) begun_at: SystemTime,
    #[serde(with = "as_seconds")]
    pub(crate) confirmed_at: SystemTime,
    #[serde(with = "as_seconds")]
    pub(crate) token_issued_at: SystemTime,
    pub(crate) state: ConsentState,
    /// How Partner Center takes its tokens; versions before this one knew nothing of it.
    #[serde(default, skip_serializing_if = "Enforcement::is_unfelt")]
    pub(crate) enforcement: Enforcement,
}

impl Consent {
    /// The tenant whose user consented.
    #[must_use]
    pub const fn partner(&self) -> TenantId {
        self.partner
    }

    /// The host's own record that this partner is bound to.
    #[must_use]
    pub const fn account(&self) -> &AccountId {
        &self.account
    }

    /// What kind of partner it is, as was said when it was asked: a direct one where nothing was.
    #[must_use]
    pub const fn kind(&self) -> PartnerKind {
        self.kind
    }

    /// Who consented.
    #[must_use]
    pub const fn user(&self) -> &ConsentingUser {
        &self.user
    }

    /// What was granted.
    #[must_use]
    pub const fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// The proof of a second factor; absent only under a policy that does not ask for one.
    #[must_use]
    pub const fn mfa(&self) -> Option<&MfaProof> {
        self.mfa.as_ref()
    }

    /// Counts the partner's consents and withdrawals: a higher one replaced the lower.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// When a person confirmed it.
    #[must_use]
    pub const fn confirmed_at(&self) -> SystemTime {
        self.confirmed_at
    }

    /// Its state as last seen.
    #[must_use]
    pub const fn state(&self) -> &ConsentState {
        &self.state
    }

    /// Since when Partner Center is not used by it, having refused two tokens one after the other for
    /// want of a second factor; `None` while it is used. See
    /// [`Partner::report_mfa_missing`](crate::Partner::report_mfa_missing).
    #[must_use]
    pub fn partner_center_suspended_since(&self) -> Option<SystemTime> {
        self.enforcement.suspended().map(|(since, _)| since)
    }

    /// When the stored refresh token dies, unless it is replaced before: 90 days after its own
    /// issue, however often it is used (Microsoft identity platform, "Refresh tokens").
    #[must_use]
    pub fn deadline(&self) -> SystemTime {
        self.token_issued_at + REFRESH_TOKEN_LIFE
    }

    /// Whether the partner was withdrawn after `begun_at`, whatever came since.
    pub(crate) fn was_withdrawn_since(&self, begun_at: SystemTime) -> bool {
        self.withdrawn_at.is_some_and(|at| unix_seconds(begun_at) <= at)
    }

    /// Whether its token was issued this short a time before `now`, or after it by no more, since
    /// the date may be of another machine's clock.
    pub(crate) fn is_younger_than(&self, limit: Duration, now: SystemTime) -> bool {
        age(now, self.token_issued_at).max(age(self.token_issued_at, now)) < limit
    }

    /// Whether it wants to be redeemed at the partner's own tenant, however its customers fare: its
    /// token grows old, or nobody has seen it work here.
    pub(crate) fn wants_rotation(&self, limit: Duration, now: SystemTime) -> bool {
        let unproven = matches!(self.state, ConsentState::Unproven { .. });
        unproven || self.is_older_than(limit, now)
    }

    pub(crate) const fn is_withdrawn(&self) -> bool {
        matches!(self.state, ConsentState::Withdrawn { .. })
    }

    /// A token dated further ahead than that was dated by a wrong clock, and may be as old.
    fn is_older_than(&self, limit: Duration, now: SystemTime) -> bool {
        age(now, self.token_issued_at).max(age(self.token_issued_at, now)) > limit
    }
}

/// A refresh token lives this long from its own issue.
const REFRESH_TOKEN_LIFE: Duration = Duration::from_secs(90 * 86_400);

/// The person whose sign-in a consent rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentingUser {
    pub(crate) id: UserId,
    pub(crate) subject: String,
    pub(crate) name: Option<String>,
    pub(crate) guest: Guest,
    pub(crate) roles: Option<Vec<String>>,
}

impl ConsentingUser {
    /// The object id within the partner's tenant: the identity.
    #[must_use]
    pub const fn id(&self) -> UserId {
        self.id
    }

    /// The name Entra shows, for display only: anyone can give himself any name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether the account is a guest in this tenant.
    #[must_use]
    pub const fn guest(&self) -> Guest {
        self.guest
    }

    /// Template ids of the directory roles (`wids`), where Entra told them; `None` means not known.
    #[must_use]
    pub fn roles(&self) -> Option<&[String]> {
        self.roles.as_deref()
    }

    /// Those of [`roles`](Self::roles) that are known by name; `None` where Entra did not tell any.
    #[must_use]
    pub fn directory_roles(&self) -> Option<Vec<DirectoryRole>> {
        let roles = self.roles.as_deref()?;
        Some(roles.iter().filter_map(|id| DirectoryRole::of(id)).collect())
    }
}

impl fmt::Display for ConsentingUser {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(out, "{name} ({})", self.id),
            None => self.id.fmt(out),
        }
    }
}

/// Whether an account belongs to another tenant than the one it signed in to.
///
/// Source: Microsoft identity platform, "Optional claims" (`acct`) and "ID token claims" (`idp`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Guest {
    /// A member.
    No,
    /// A guest: another tenant decides about its sign-in.
    Yes,
    /// The token did not say it in a way that could be read.
    Unknown,
}

/// Where a consent stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ConsentState {
    /// The last use succeeded.
    Live,
    /// It was imported, and nobody has seen it work here: the first success at the partner's own
    /// tenant makes it live.
    Unproven {
        /// When it was imported.
        #[serde(with = "as_seconds")]
        since: SystemTime,
    },
    /// The last use at the partner's own tenant failed for a reason that may pass.
    Suspended(Suspension),
    /// It is over: the cause was seen twice, at least 15 minutes apart.
    Ended {
        /// Why.
        cause: Cause,
        /// Since when.
        #[serde(with = "as_seconds")]
        since: SystemTime,
    },
    /// We let it go.
    Withdrawn {
        /// When.
        #[serde(with = "as_seconds")]
        at: SystemTime,
    },
}

/// A pause in a consent's life, with the time of the next try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    cause: Cause,
    #[serde(with = "as_seconds")]
    since: SystemTime,
    #[serde(with = "as_seconds")]
    next_probe: SystemTime,
    probes: u32,
    /// When a cause that ends a consent was first seen; any other answer clears it.
    ending: Option<u64>,
}

impl Suspension {
    /// What the last answer was.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// Since when uses fail.
    #[must_use]
    pub const fn since(&self) -> SystemTime {
        self.since
    }

    /// When the next use will be tried; until then callers get this answer without a request.
    #[must_use]
    pub const fn next_probe(&self) -> SystemTime {
        self.next_probe
    }

    /// Whether the next try is still to come. One further off than any pause lasts was set by a
    /// wrong clock, and holds nobody up.
    pub(crate) fn holds_at(&self, now: SystemTime) -> bool {
        now < self.next_probe && age(self.next_probe, now) <= LONGEST_PAUSE
    }

    fn begun(cause: Cause, now: SystemTime) -> Self {
        let next_probe = now + FIRST_PAUSE;
        let ending = cause.ends_consent().then(|| unix_seconds(now));
        Self { cause, since: now, next_probe, probes: 0, ending }
    }

    fn again(&self, cause: Cause, now: SystemTime) -> Self {
        let probes = self.probes.saturating_add(1);
        let pause = FIRST_PAUSE.saturating_mul(1 << probes.min(16)).min(LONGEST_PAUSE);
        let seen = cause.ends_consent().then(|| unix_seconds(now));
        let ending = seen.map(|now| self.ending.unwrap_or(now));
        Self { cause, since: self.since, next_probe: now + pause, probes, ending }
    }

    fn has_ended_by(&self, cause: Cause, now: SystemTime) -> bool {
        let waited = |first| age(now, from_unix_seconds(first)) >= SECOND_LOOK;
        cause.ends_consent() && self.ending.is_some_and(waited)
    }
}

const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3600);
/// One bad answer may be the server's own fault; only the same verdict after this time counts.
const SECOND_LOOK: Duration = Duration::from_secs(15 * 60);

impl ConsentState {
    /// The state after a failure at the partner's own tenant that concerns the whole consent.
    #[must_use]
    pub(crate) fn failed(&self, cause: Cause, now: SystemTime) -> Self {
        match self {
            Self::Live | Self::Unproven { .. } => Self::Suspended(Suspension::begun(cause, now)),
            Self::Suspended(pause) if pause.has_ended_by(cause, now) => {
                Self::Ended { cause, since: now }
            }
            Self::Suspended(pause) => Self::Suspended(pause.again(cause, now)),
            Self::Ended { .. } | Self::Withdrawn { .. } => self.clone(),
        }
    }
}

impl fmt::Display for ConsentState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live => out.write_str("live"),
            Self::Unproven { .. } => out.write_str("unproven"),
            Self::Suspended(pause) => write!(out, "suspended: {}", pause.cause),
            Self::Ended { cause, .. } => write!(out, "ended: {cause}"),
            Self::Withdrawn { .. } => out.write_str("withdrawn"),
        }
    }
}

/// Whether a failure at the partner's own tenant says something of the whole consent.
///
/// One tenant's answer never speaks for the application, and an answer about one resource speaks
/// for the consent only when that resource is Partner Center.
pub(crate) fn concerns_consent(cause: Cause, resource: &Resource) -> bool {
    match cause.reach() {
        Reach::Consent => true,
        Reach::Target => *resource == Resource::PartnerCenter && !cause.is_transient(),
        _ => false,
    }
}

/// A consent with the secret that makes it work: the form that is sealed and stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredConsent {
    pub(crate) consent: Consent,
    pub(crate) token: Option<StoredToken>,
    /// What waits for its receipt; versions before this one knew nothing of it.
    #[serde(default, skip_serializing_if = "Chain::is_unknown")]
    pub(crate) chain: Chain,
    /// What lies behind it; versions before this one knew nothing of it.
    #[serde(default, skip_serializing_if = "Past::is_empty")]
    pub(crate) past: Past,
}

/// The refresh token in use, wiped with its record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredToken(#[serde(with = "sealed_text")] pub(crate) RefreshToken);

impl StoredConsent {
    /// After a success at the partner's own tenant: live, and with the new token where one came.
    pub(crate) fn renewed(&self, token: Option<RefreshToken>, asked_at: SystemTime) -> Self {
        let mut next = self.clone();
        next.consent.state = ConsentState::Live;
        if let Some(token) = token {
            next.token = Some(StoredToken(token));
            next.consent.token_issued_at = asked_at;
        }
        next
    }

    /// After a failure at the partner's own tenant. The token is kept until replaced or withdrawn.
    pub(crate) fn failed(&self, cause: Cause, now: SystemTime) -> Self {
        let mut next = self.clone();
        next.consent.state = self.consent.state.failed(cause, now);
        next
    }

    /// The same with what is known of Partner Center.
    pub(crate) fn enforced(&self, enforcement: Enforcement) -> Self {
        let mut next = self.clone();
        next.consent.enforcement = enforcement;
        next
    }

    /// As it stands after it came in an export: to be proven by use, unless it was over there. What
    /// Partner Center makes of it is known here, or not at all.
    pub(crate) fn imported(&self, ours: Option<&Consent>, now: SystemTime) -> Self {
        let same = ours.filter(|ours| ours.flow == self.consent.flow);
        let mut next = self.enforced(same.map(|ours| ours.enforcement).unwrap_or_default());
        next.past = Past::default();
        let withdrawn_at = ours.and_then(|ours| ours.withdrawn_at);
        next.consent.withdrawn_at = next.consent.withdrawn_at.max(withdrawn_at);
        if let ConsentState::Live | ConsentState::Suspended(_) = next.consent.state {
            next.consent.state = ConsentState::Unproven { since: now };
        }
        next
    }

    /// The tombstone: a higher generation without a token, which nothing in flight can undo.
    pub(crate) fn withdrawn(&self, now: SystemTime) -> Self {
        self.withdrawn_as(self.consent.generation.saturating_add(1), now)
    }

    /// Its last withdrawal stays the latest: the clock that tells `at` may be behind another's.
    pub(crate) fn withdrawn_as(&self, generation: u64, at: SystemTime) -> Self {
        let mut next = self.clone();
        next.consent.generation = generation;
        next.consent.withdrawn_at = self.consent.withdrawn_at.max(Some(unix_seconds(at)));
        next.consent.state = ConsentState::Withdrawn { at };
        next.consent.enforcement = Enforcement::default();
        next.past = Past::default();
        next.token = None;
        next
    }
}

/// A generation that nobody vouches for, held to where most numbers are above it: a planted one
/// leaves room for the partner's next consents.
pub(crate) fn believed(generation: u64) -> u64 {
    generation.min(MOST_BELIEVED)
}

/// No count of consents comes near.
pub(crate) const MOST_BELIEVED: u64 = 1 << 62;

#[cfg(test)]
mod edges;

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use serde_json::json;

    use super::*;

    fn at(minutes: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(minutes * 60)
    }

    #[test]
    fn one_look_never_ends_a_consent() {
        let seen = ConsentState::Live.failed(Cause::GrantRevoked, at(0));
        assert!(matches!(&seen, ConsentState::Suspended(pause) if pause.since() == at(0)));
        let soon = seen.failed(Cause::GrantRevoked, at(14));
        assert!(matches!(soon, ConsentState::Suspended(_)));
        let later = soon.failed(Cause::GrantRevoked, at(15));
        assert_eq!(later, ConsentState::Ended { cause: Cause::GrantRevoked, since: at(15) });
    }

    #[test]
    fn what_is_unproven_is_suspended_by_its_first_failure_and_not_ended() {
        let seen = ConsentState::Unproven { since: at(0) }.failed(Cause::GrantRevoked, at(1));
        assert!(matches!(&seen, ConsentState::Suspended(pause) if pause.since() == at(1)));
        assert!(matches!(seen.failed(Cause::GrantRevoked, at(15)), ConsentState::Suspended(_)));
    }

    #[test]
    fn a_cause_that_may_pass_never_ends_a_consent() {
        let mut state = ConsentState::Live;
        for minute in 0..10_000 {
            state = state.failed(Cause::AccountLocked, at(minute * 30));
        }
        assert!(matches!(state, ConsentState::Suspended(_)));
    }

    #[test]
    fn another_answer_in_between_starts_the_second_look_anew() {
        let state = ConsentState::Live
            .failed(Cause::GrantRevoked, at(0))
            .failed(Cause::AccountLocked, at(10))
            .failed(Cause::GrantRevoked, at(20));
        assert!(matches!(state, ConsentState::Suspended(_)));
    }

    #[test]
    fn pauses_grow_to_six_hours() {
        let mut state = ConsentState::Live;
        for _ in 0..40 {
            state = state.failed(Cause::ConditionalAccess, at(0));
        }
        let ConsentState::Suspended(pause) = state else { panic!("{state}") };
        assert_eq!(pause.next_probe(), at(6 * 60));
    }

    #[test]
    fn what_is_over_stays_over() {
        let ended = ConsentState::Ended { cause: Cause::GrantExpired, since: at(1) };
        assert_eq!(ended.failed(Cause::GrantRevoked, at(99)), ended);
        let withdrawn = ConsentState::Withdrawn { at: at(1) };
        assert_eq!(withdrawn.failed(Cause::GrantRevoked, at(99)), withdrawn);
    }

    #[test]
    fn a_withdrawal_by_a_slower_clock_takes_back_no_later_one() {
        //
        let id = "22222222-2222-4222-8222-222222222222";
        let user = json!({
            "id": id, "subject": "subject", "name": null, "guest": "no", "roles": null,
        });
        let stored = json!({
            "consent": {
                "partner": id, "account": "panel-1", "user": user, "scopes": [], "mfa": null,
                "flow": "flow", "generation": 3, "withdrawn_at": 600, "begun_at": 700,
                "confirmed_at": 700, "token_issued_at": 700, "state": "Live",
            },
            "token": "refresh-token",
        });
        let stored: StoredConsent = serde_json::from_value(stored).expect("a consent");
        let slower = stored.withdrawn(at(9));
        assert_eq!((slower.consent.generation, slower.consent.withdrawn_at), (4, Some(600)));
        assert_eq!(stored.withdrawn(at(11)).consent.withdrawn_at, Some(660));
    }
}
