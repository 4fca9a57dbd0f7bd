//! Whether a consent of another site is one that this side would have taken.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::journeys::onboarding::FOUND_LIFE;
use crate::model::consent::Consent;
use crate::model::mfa::MfaFinding;
use crate::model::policy::{Candidate, Policies, Refused, admit_tenant};
use crate::model::receipt::PolicyNote;
use crate::model::registration::AppRegistration;

/// What this side asks of a consent, wherever it was confirmed.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) app: AppRegistration,
    pub(crate) policies: Arc<Policies>,
}

impl Admission {
    pub(crate) fn check(&self, consent: &Consent) -> Result<(), Refused> {
        admit_tenant(consent.partner, self.app.home())?;
        let candidate = self.candidate(consent, captured_by(consent));
        self.policies.of(consent.kind).admit_moved(&candidate)
    }

    /// How the receipt of an import tells by which policy it was taken.
    pub(crate) fn note(&self, consent: &Consent, now: SystemTime) -> PolicyNote {
        self.policies.of(consent.kind).note(&self.candidate(consent, now))
    }

    fn candidate<'c>(&'c self, consent: &'c Consent, now: SystemTime) -> Candidate<'c> {
        let policy = self.policies.of(consent.kind);
        let proof = consent.mfa.filter(|proof| policy.believes(proof.source()));
        Candidate {
            user: &consent.user,
            registered: self.app.scopes(),
            granted: &consent.scopes,
            mfa: proof.map_or(MfaFinding::Unknown, MfaFinding::Proven),
            kind_changed: None,
            now,
        }
    }
}

/// The earliest time at which its policy can have looked at it: how long ago the sign-in was is
/// asked once, when a consent is captured.
fn captured_by(consent: &Consent) -> SystemTime {
    consent.confirmed_at.checked_sub(FOUND_LIFE).unwrap_or(UNIX_EPOCH)
}
