//! What the policy of a partner's kind says of what was found.

use super::Desk;
use super::found::{FoundFacts, FoundRecord};
use super::ground::Ground;
use crate::model::consent::Consent;
use crate::model::invitation::Invitation;
use crate::model::mfa::MfaFinding;
use crate::model::policy::{Candidate, Refused};
use crate::model::receipt::PolicyNote;

impl Desk {
    /// What may be shown of a finding.
    pub(super) fn facts(
        &self,
        found: &FoundRecord,
        ground: &Ground,
        invitation: Option<Invitation>,
    ) -> FoundFacts {
        let policy = self.policies.of(found.kind);
        found.facts(ground, invitation, policy.warnings(&self.candidate_on(ground, found)))
    }

    /// How the receipt tells by which policy it was taken, and with which warnings.
    pub(super) fn note_policy(&self, found: &FoundRecord, ground: &Ground) -> PolicyNote {
        self.policies.of(found.kind).note(&self.candidate_on(ground, found))
    }

    /// Whether the process that confirms it takes it, too, as of when it was found: another one, with
    /// another policy, may have done so then.
    pub(super) fn admit_again(&self, found: &FoundRecord) -> Result<(), Refused> {
        let candidate = Candidate { now: found.found_at(), ..self.candidate(found) };
        self.policies.of(found.kind).admit(&candidate)
    }

    /// A weaker proof takes the place of no stronger one, unless that one has expired.
    pub(super) fn check_proof(
        &self,
        found: &FoundRecord,
        standing: &Consent,
    ) -> Result<(), Refused> {
        if standing.is_withdrawn() {
            return Ok(());
        }
        let (policies, now) = (&self.policies, self.clock.now());
        let ours = policies.strength(found.kind, found.mfa.proof(), now);
        let theirs = policies.strength(standing.kind, standing.mfa(), now);
        if ours < theirs { Err(Refused::WeakerProof(found.partner)) } else { Ok(()) }
    }

    /// What is known of a second factor by a source that this policy believes.
    fn believed(&self, found: &FoundRecord) -> MfaFinding {
        let policy = self.policies.of(found.kind);
        match found.mfa {
            MfaFinding::Proven(proof) if !policy.believes(proof.source()) => MfaFinding::Unknown,
            mfa => mfa,
        }
    }

    fn candidate<'f>(&'f self, found: &'f FoundRecord) -> Candidate<'f> {
        Candidate {
            user: &found.user,
            registered: self.app.scopes(),
            granted: &found.scopes,
            mfa: self.believed(found),
            kind_changed: None,
            now: self.clock.now(),
        }
    }

    /// The same beside what stands.
    fn candidate_on<'f>(&'f self, ground: &Ground, found: &'f FoundRecord) -> Candidate<'f> {
        let before = ground.standing().map(Consent::kind).filter(|before| *before != found.kind);
        let kind_changed = before.map(|before| (before, found.kind));
        Candidate { kind_changed, ..self.candidate(found) }
    }
}
