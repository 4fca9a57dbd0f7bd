//! Which policy a partner is held against.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::Policy;
use crate::model::consent::Consent;
use crate::model::mfa::{MfaProof, MfaSource};
use crate::model::partner_kind::PartnerKind;

/// The policy of each kind of partner: its own where it has one, else the usual one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policies {
    pub(crate) usual: Policy,
    pub(crate) own: BTreeMap<PartnerKind, Policy>,
}

impl Policies {
    pub(crate) fn of(&self, kind: PartnerKind) -> &Policy {
        self.own.get(&kind).unwrap_or(&self.usual)
    }

    /// The expiry of a consent's proof, if it has one.
    pub(crate) fn proof_end(&self, consent: &Consent) -> Option<SystemTime> {
        self.of(consent.kind).proof_end(consent.mfa.as_ref()?)
    }

    /// Who vouches for a consent's second factor today: nobody, once the proof has expired.
    pub(crate) fn strength(
        &self,
        kind: PartnerKind,
        proof: Option<&MfaProof>,
        now: SystemTime,
    ) -> Option<MfaSource> {
        let lasting = proof.filter(|proof| !self.of(kind).has_expired(proof, now));
        lasting.map(MfaProof::source)
    }
}
