//! Evidence that a person proved a second factor, and when.
//!
//! Microsoft requires multi-factor authentication for every consent under the Secure Application
//! Model. A v2.0 ID token does not say how its user signed in, so the evidence comes from a ladder
//! of sources, best first; only Partner Center's own verdict is believed by default.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::clock::{age, as_seconds, from_unix_seconds, unix_seconds};

/// Where evidence of a second factor comes from. The greater, the stronger.
///
/// Sources: RFC 8176; Microsoft Partner Center, "Mandating MFA for your partner tenant".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum MfaSource {
    /// `amr` in an ID token whose signature was verified (v1.0 ID tokens only).
    IdToken,
    /// `amr` in the access token for Partner Center, straight from the token endpoint.
    AccessToken,
    /// Partner Center's header `isMfaCompliant`, asked for with the very access token of this
    /// consent.
    PartnerCenter,
}

impl MfaSource {
    /// The source in a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IdToken => "id_token",
            Self::AccessToken => "access_token",
            Self::PartnerCenter => "partner_center",
        }
    }
}

impl fmt::Display for MfaSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::IdToken => "the ID token's amr",
            Self::AccessToken => "the Partner Center access token's amr",
            Self::PartnerCenter => "Partner Center's own verdict",
        })
    }
}

/// What one source says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MfaAnswer {
    Proven,
    Disproven,
    Unknown,
}

impl MfaAnswer {
    /// Reads `amr` (RFC 8176): exactly the member `mfa` proves, a list without it disproves.
    pub(crate) fn from_amr(amr: Option<&[String]>) -> Self {
        match amr {
            Some(methods) if methods.iter().any(|method| method == "mfa") => Self::Proven,
            Some(_) => Self::Disproven,
            None => Self::Unknown,
        }
    }
}

/// A second factor, proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MfaProof {
    source: MfaSource,
    signed_in: SignInTime,
    /// In seconds since 1970; versions before this one knew nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
}

impl MfaProof {
    /// Who vouched for it.
    #[must_use]
    pub const fn source(&self) -> MfaSource {
        self.source
    }

    /// When the person signed in.
    #[must_use]
    pub const fn signed_in(&self) -> SignInTime {
        self.signed_in
    }

    /// Until when it lasts by the policy under which it was taken; `None` where that let it last as
    /// long as its consent. See [`Policy::mfa_lasts`](crate::Policy::mfa_lasts).
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.expires.map(from_unix_seconds)
    }

    /// The same, lasting until then.
    pub(crate) fn expiring(self, at: Option<SystemTime>) -> Self {
        Self { expires: at.map(unix_seconds), ..self }
    }
}

impl fmt::Display for MfaProof {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "proven by {}", self.source)
    }
}

/// When a person signed in, as narrowly as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInTime {
    #[serde(with = "as_seconds")]
    earliest: SystemTime,
    #[serde(with = "as_seconds")]
    latest: SystemTime,
}

impl SignInTime {
    /// The moment that Entra stated as `auth_time`.
    pub(crate) const fn at(moment: SystemTime) -> Self {
        Self { earliest: moment, latest: moment }
    }

    /// Some time between the flow's start and its ID token, which `prompt=login` guarantees.
    pub(crate) const fn between(earliest: SystemTime, latest: SystemTime) -> Self {
        Self { earliest, latest }
    }

    /// It was not before this.
    #[must_use]
    pub const fn earliest(&self) -> SystemTime {
        self.earliest
    }

    /// It was not after this.
    #[must_use]
    pub const fn latest(&self) -> SystemTime {
        self.latest
    }

    /// Whether it was certainly no longer ago than `limit`.
    pub(crate) fn is_within(&self, limit: Duration, now: SystemTime) -> bool {
        age(now, self.earliest) <= limit
    }
}

/// What the whole ladder says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum MfaFinding {
    /// A second factor was proven.
    Proven(MfaProof),
    /// This source said that there was none.
    Disproven(MfaSource),
    /// No accepted source could say.
    Unknown,
}

impl MfaFinding {
    /// Climbs down from the strongest answer; the first that is not unknown decides.
    pub(crate) fn climb(
        answers: impl IntoIterator<Item = (MfaSource, MfaAnswer)>,
        signed_in: SignInTime,
    ) -> Self {
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.sort_by_key(|(source, _)| std::cmp::Reverse(*source));
        for (source, answer) in answers {
            match answer {
                MfaAnswer::Proven => {
                    return Self::Proven(MfaProof { source, signed_in, expires: None });
                }
                MfaAnswer::Disproven => return Self::Disproven(source),
                MfaAnswer::Unknown => {}
            }
        }
        Self::Unknown
    }

    /// The same, its proof lasting until then.
    pub(crate) fn expiring(self, at: Option<SystemTime>) -> Self {
        match self {
            Self::Proven(proof) => Self::Proven(proof.expiring(at)),
            other => other,
        }
    }

    /// The proof, where there is one.
    #[must_use]
    pub const fn proof(&self) -> Option<&MfaProof> {
        match self {
            Self::Proven(proof) => Some(proof),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn climbed(answers: &[(MfaSource, MfaAnswer)]) -> MfaFinding {
        MfaFinding::climb(answers.iter().copied(), SignInTime::at(UNIX_EPOCH))
    }

    #[test]
    fn the_strongest_definite_answer_decides() {
        //
        use MfaAnswer::{Disproven, Proven, Unknown};
        use MfaSource::{AccessToken, PartnerCenter};
        let refused = climbed(&[(AccessToken, Proven), (PartnerCenter, Disproven)]);
        assert_eq!(refused, MfaFinding::Disproven(PartnerCenter));
        let lower = climbed(&[(AccessToken, Proven), (PartnerCenter, Unknown)]);
        assert_eq!(lower.proof().map(MfaProof::source), Some(AccessToken));
        assert_eq!(climbed(&[(PartnerCenter, Unknown)]), MfaFinding::Unknown);
        assert_eq!(climbed(&[]), MfaFinding::Unknown);
    }

    #[test]
    fn only_the_exact_member_mfa_counts() {
        //
        let amr =
            |methods: &[&str]| -> Vec<String> { methods.iter().map(ToString::to_string).collect() };
        let answer = |methods: &[&str]| MfaAnswer::from_amr(Some(&amr(methods)));
        assert_eq!(answer(&["pwd", "mfa"]), MfaAnswer::Proven);
        for methods in [&["pwd"][..], &[], &["MFA"], &["ngcmfa"], &["mfa "]] {
            assert_eq!(answer(methods), MfaAnswer::Disproven, "{methods:?}");
        }
        assert_eq!(MfaAnswer::from_amr(None), MfaAnswer::Unknown);
    }
}
