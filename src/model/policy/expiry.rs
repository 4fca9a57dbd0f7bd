//! How long a proof of a second factor lasts.

use std::time::{Duration, SystemTime};

use super::Policy;
use crate::model::mfa::{MfaFinding, MfaProof};

impl Policy {
    /// Lets a proof of a second factor last this long, counted from the earliest moment at which the
    /// person may have signed in.
    ///
    /// No token is refused because a proof has expired. [`verify`](crate::Partner::verify) and
    /// [`diagnose`](crate::Partner::diagnose) say then that the partner is to consent anew, and a new
    /// consent with a weaker proof may take its place. Without it a proof lasts as long as its consent.
    #[must_use]
    pub fn mfa_lasts(mut self, limit: Duration) -> Self {
        self.mfa_lasts = Some(limit);
        self
    }

    /// The finding with the expiry that this policy gives its proof.
    pub(crate) fn dated(&self, finding: MfaFinding) -> MfaFinding {
        let end = finding.proof().and_then(|proof| self.proof_end(proof));
        finding.expiring(end)
    }

    /// The earlier of what was said when the proof was taken, and what is said today.
    pub(crate) fn proof_end(&self, proof: &MfaProof) -> Option<SystemTime> {
        let earliest = proof.signed_in().earliest();
        let today = self.mfa_lasts.and_then(|limit| earliest.checked_add(limit));
        match (proof.expires_at(), today) {
            (Some(then), Some(today)) => Some(then.min(today)),
            (then, today) => then.or(today),
        }
    }

    pub(crate) fn has_expired(&self, proof: &MfaProof, now: SystemTime) -> bool {
        self.proof_end(proof).is_some_and(|end| now >= end)
    }
}
