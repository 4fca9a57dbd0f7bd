//! What a policy lets through and a person should see before confirming.

use std::fmt;

use super::{Candidate, Policy, Privilege};
use crate::model::consent::Guest;
use crate::model::mfa::{MfaFinding, MfaProof, MfaSource};
use crate::model::partner_kind::PartnerKind;
use crate::model::role::DirectoryRole;
use crate::model::scope::Scopes;

/// Something that the policy let through, and that a person should see before it counts: see
/// [`Found::warnings`](crate::Found::warnings).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The user has a role that this work does not need.
    PowerfulRole(DirectoryRole),
    /// Entra did not say which directory roles the user has: it may be any.
    RolesUnknown,
    /// The user is a guest, or may be one.
    Guest(Guest),
    /// More was granted than the registration asks for.
    ScopesBeyond(Scopes),
    /// This source said that there was no second factor.
    MfaMissing(MfaSource),
    /// No source that the policy believes could say whether there was a second factor.
    MfaUnknown,
    /// The second factor was proven by a weaker source than Partner Center's own verdict.
    MfaWeaker(MfaSource),
    /// The proof of the second factor is older than the policy lets it last.
    MfaExpired,
    /// The standing consent was taken as that of another kind of partner, and perhaps by another policy.
    KindChanged {
        /// The kind by the consent that stands.
        from: PartnerKind,
        /// The kind by this one.
        to: PartnerKind,
    },
}

impl Warning {
    /// The warning in a word, as it stands in a receipt before what it is about.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::PowerfulRole(_) => "powerful_role",
            Self::RolesUnknown => "roles_unknown",
            Self::Guest(Guest::Unknown) => "guest_unknown",
            Self::Guest(_) => "guest",
            Self::ScopesBeyond(_) => "scopes_beyond",
            Self::MfaMissing(_) => "mfa_missing",
            Self::MfaUnknown => "mfa_unknown",
            Self::MfaWeaker(_) => "mfa_weaker",
            Self::MfaExpired => "mfa_expired",
            Self::KindChanged { .. } => "kind_changed",
        }
    }

    /// As a receipt says it. The permissions stand in the receipt themselves.
    pub(super) fn noted(&self) -> String {
        let name = self.as_str();
        match self {
            Self::PowerfulRole(role) => format!("{name} {role}"),
            Self::MfaMissing(source) | Self::MfaWeaker(source) => {
                format!("{name} {}", source.as_str())
            }
            Self::KindChanged { from, to } => format!("{name} {} {}", from.as_str(), to.as_str()),
            _ => name.to_owned(),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PowerfulRole(role) => write!(out, "the user is {role}: more than this needs"),
            Self::RolesUnknown => out.write_str("the user's directory roles are not known"),
            Self::Guest(Guest::Unknown) => {
                out.write_str("whether the user is a guest is not known")
            }
            Self::Guest(_) => out.write_str("the user is a guest"),
            Self::ScopesBeyond(scopes) => write!(out, "granted beyond the registration: {scopes}"),
            Self::MfaMissing(source) => write!(out, "there was no second factor, says {source}"),
            Self::MfaUnknown => out.write_str("whether there was a second factor is not known"),
            Self::MfaWeaker(source) => {
                write!(out, "the second factor is proven by {source} alone")
            }
            Self::MfaExpired => out.write_str("the proof of the second factor has expired"),
            Self::KindChanged { from, to } => {
                write!(out, "the kind of partner changes from {from} to {to}")
            }
        }
    }
}

impl Policy {
    /// What is to be seen of a candidate that was admitted.
    pub(crate) fn warnings(&self, candidate: &Candidate<'_>) -> Vec<Warning> {
        let mut warnings = self.about_roles(candidate.user.roles());
        let guest = candidate.user.guest;
        warnings.extend((guest != Guest::No).then_some(Warning::Guest(guest)));
        let beyond = candidate.granted.beyond(candidate.registered);
        warnings.extend((!beyond.is_empty()).then_some(Warning::ScopesBeyond(beyond)));
        match &candidate.mfa {
            MfaFinding::Disproven(source) => warnings.push(Warning::MfaMissing(*source)),
            MfaFinding::Unknown => warnings.push(Warning::MfaUnknown),
            MfaFinding::Proven(proof) => warnings.extend(self.about_proof(proof, candidate)),
        }
        let changed = candidate.kind_changed;
        warnings.extend(changed.map(|(from, to)| Warning::KindChanged { from, to }));
        warnings
    }

    fn about_roles(&self, roles: Option<&[String]>) -> Vec<Warning> {
        if self.privilege == Privilege::Ignored {
            return Vec::new();
        }
        let Some(roles) = roles else { return vec![Warning::RolesUnknown] };
        DirectoryRole::powerful(roles).into_iter().map(Warning::PowerfulRole).collect()
    }

    fn about_proof(
        &self,
        proof: &MfaProof,
        candidate: &Candidate<'_>,
    ) -> impl Iterator<Item = Warning> + use<> {
        let source = proof.source();
        let weaker = (source != MfaSource::PartnerCenter).then_some(Warning::MfaWeaker(source));
        let expired = self.has_expired(proof, candidate.now).then_some(Warning::MfaExpired);
        weaker.into_iter().chain(expired)
    }
}
