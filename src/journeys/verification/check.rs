//! What a verification looked at, and what it found.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::error::{Error, Remedy};
use crate::model::clock::age;
use crate::model::consent::Guest;
use crate::model::entra_error::Reach;
use crate::model::mfa::{MfaProof, MfaSource};
use crate::model::policy::Refused;
use crate::model::role::DirectoryRole;
use crate::model::scope::{Resource, Scopes};
use crate::model::tenant::TenantId;

/// What was found when a consent was looked at: see [`Partner::verify`](crate::Partner::verify).
#[derive(Debug, Clone)]
pub struct Verification {
    pub(super) partner: TenantId,
    pub(super) at: SystemTime,
    pub(super) mfa: Option<MfaProof>,
    pub(super) checks: Vec<Check>,
}

impl Verification {
    /// The partner.
    #[must_use]
    pub const fn partner(&self) -> TenantId {
        self.partner
    }

    /// When it was looked at.
    #[must_use]
    pub const fn at(&self) -> SystemTime {
        self.at
    }

    /// Every aspect, in the order of [`Aspect::ALL`].
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// What was found of one aspect.
    #[must_use]
    pub fn verdict(&self, aspect: Aspect) -> Verdict {
        let mut checks = self.checks.iter().filter(|check| check.aspect == aspect);
        checks.next().map_or(Verdict::Unknown, Check::verdict)
    }

    /// Who vouched for the second factor today, and when the person signed in; `None` unless it is
    /// proven.
    #[must_use]
    pub const fn mfa(&self) -> Option<&MfaProof> {
        self.mfa.as_ref()
    }

    /// How long ago the person may have proven the second factor.
    #[must_use]
    pub fn mfa_age(&self) -> Option<Duration> {
        self.mfa.map(|proof| age(self.at, proof.signed_in().earliest()))
    }

    /// The worst of all verdicts.
    #[must_use]
    pub fn overall(&self) -> Verdict {
        self.checks.iter().map(Check::verdict).max().unwrap_or(Verdict::Unknown)
    }

    /// Whether every check passed.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.overall() == Verdict::Passed
    }
}

/// What a verification looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Aspect {
    /// Whether Entra redeems the refresh token, at the partner's own tenant.
    Alive,
    /// Whether Partner Center takes the token as one that was made with a second factor, and whether
    /// the proof of it still lasts.
    SecondFactor,
    /// Whether the user has no directory role that this work does not need.
    LeastPrivilege,
    /// Whether just what is registered is granted, for every API.
    Scopes,
    /// Whether the user is a member of the partner's tenant.
    Membership,
    /// Whether the consent would be taken by the policy of today.
    Policy,
}

impl Aspect {
    /// Each of them.
    pub const ALL: [Self; 6] = [
        Self::Alive,
        Self::SecondFactor,
        Self::LeastPrivilege,
        Self::Scopes,
        Self::Membership,
        Self::Policy,
    ];
}

impl fmt::Display for Aspect {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Alive => "alive",
            Self::SecondFactor => "second factor",
            Self::LeastPrivilege => "least privilege",
            Self::Scopes => "scopes",
            Self::Membership => "membership",
            Self::Policy => "policy",
        })
    }
}

/// What came of a check. The greater, the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Verdict {
    /// It is as it should be.
    Passed,
    /// Nobody could say.
    Unknown,
    /// It is not as it should be.
    Failed,
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Passed => "passed",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
        })
    }
}

/// One aspect of a consent, with everything that stands against it.
#[derive(Debug, Clone)]
pub struct Check {
    aspect: Aspect,
    findings: Vec<Finding>,
}

impl Check {
    pub(super) fn new(aspect: Aspect, findings: impl IntoIterator<Item = Finding>) -> Self {
        Self { aspect, findings: findings.into_iter().collect() }
    }

    /// What was looked at.
    #[must_use]
    pub const fn aspect(&self) -> Aspect {
        self.aspect
    }

    /// The worst of its findings; passed without any.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.findings.iter().map(Finding::verdict).max().unwrap_or(Verdict::Passed)
    }

    /// Why it did not pass.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What to do about the worst of its findings, and so whose turn it is.
    #[must_use]
    pub fn remedy(&self) -> Option<Remedy> {
        let mut findings: Vec<_> = self.findings.iter().collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.verdict()));
        findings.into_iter().find_map(Finding::remedy)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.aspect, self.verdict())?;
        let mut separator = " (";
        for finding in &self.findings {
            write!(out, "{separator}{finding}")?;
            separator = "; ";
        }
        out.write_str(if self.findings.is_empty() { "" } else { ")" })
    }
}

/// Something that stands against a consent, or that could not be found out.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// What a redemption for an API met.
    #[error("{resource}: {error}")]
    Met {
        /// The API.
        resource: Resource,
        /// What went wrong.
        error: Error,
    },
    /// The token was made without a second factor.
    #[error("no second factor was proven, says {0}")]
    MfaMissing(MfaSource),
    /// Partner Center did not say, nor did any source that the policy believes.
    #[error("whether a second factor was proven could not be found out")]
    MfaUnknown,
    /// What the consent's proof of a second factor rests on is older than the policy lets it last. Its
    /// tokens go on; see [`Policy::mfa_lasts`](crate::Policy::mfa_lasts).
    #[error("the proof of the second factor has expired")]
    MfaExpired {
        /// When.
        at: SystemTime,
    },
    /// The user has a role that this work does not need.
    #[error("the user is {0}: take the role away, or have another account consent")]
    PowerfulRole(DirectoryRole),
    /// Entra did not say which directory roles the user has today.
    #[error(
        "the user's directory roles are not known: the manifest asks for them by {ROLES_ASKED}"
    )]
    RolesUnknown,
    /// The user is a guest, or may be one.
    #[error("the account is a guest, or may be one ({0:?})")]
    Guest(Guest),
    /// These are registered and not granted.
    #[error("not granted: {0}")]
    ScopesMissing(Scopes),
    /// These are granted and not registered.
    #[error("not registered: {0}; have it taken away in the partner's tenant")]
    ScopesBeyond(Scopes),
    /// The policy would not take it.
    #[error("the policy refuses it: {0}")]
    Policy(Refused),
    /// There was no token to ask with.
    #[error("there was no token to ask with")]
    NotAsked,
}

impl Finding {
    /// Whether it is a fault, or a thing that nobody could say.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Met { error, .. } if !speaks_of_consent(error) => Verdict::Unknown,
            Self::MfaUnknown
            | Self::RolesUnknown
            | Self::NotAsked
            | Self::Guest(Guest::Unknown) => Verdict::Unknown,
            _ => Verdict::Failed,
        }
    }

    /// Whose turn it is; `None` where another finding says so.
    #[must_use]
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Self::Met { error, .. } => Some(error.remedy()),
            Self::Policy(refused) => Some(Error::from(refused.clone()).remedy()),
            // What is too much, a role or a permission, the partner can also take away.
            Self::MfaMissing(_)
            | Self::MfaExpired { .. }
            | Self::Guest(Guest::Yes)
            | Self::ScopesMissing(_)
            | Self::ScopesBeyond(_)
            | Self::PowerfulRole(_) => Some(Remedy::AskConsentAgain { claims: None }),
            // The manifest says what is told of roles and guests.
            Self::RolesUnknown | Self::Guest(_) => Some(Remedy::FixRegistration),
            Self::MfaUnknown => Some(Remedy::Retry { after: SOON }),
            Self::NotAsked => None,
        }
    }
}

/// Whether the failure is the consent's own, not the network's, the store's or the application's.
fn speaks_of_consent(error: &Error) -> bool {
    match error {
        Error::Entra { error, .. } => {
            let cause = error.cause();
            !cause.is_transient() && matches!(cause.reach(), Reach::Target | Reach::Consent)
        }
        Error::NoConsent { .. }
        | Error::Suspended { .. }
        | Error::ScopesMissing { .. }
        | Error::ForeignToken { .. } => true,
        _ => false,
    }
}

const SOON: Duration = Duration::from_secs(60);
const ROLES_ASKED: &str = "groupMembershipClaims: DirectoryRole";
