//! Whether what is held is what it should be: one consent looked at from every side, or all of them.
//!
//! A verification is a read. It redeems the refresh token as any use does, and asks Partner Center
//! for its verdict, which is remembered as if a call of the host had met it; nothing else is changed
//! by it.

mod check;
mod fleet;

use std::sync::Arc;

use crate::error::{Absence, Error};
use crate::journeys::exchange::{Exchange, Shown};
use crate::journeys::transfer::Admission;
use crate::model::clock::Clock;
use crate::model::consent::{Consent, Guest};
use crate::model::mfa::{MfaAnswer, MfaFinding, MfaProof, MfaSource, SignInTime};
use crate::model::policy::Refused;
use crate::model::role::DirectoryRole;
use crate::model::scope::{Resource, Scopes};
use crate::model::tenant::{AccountId, TenantId};
use crate::protocol::id_token::{AccountClaims, IdTokenVerifier};
use crate::storage::ledger::Ledger;
use crate::transport::pace::Urgency;

pub use check::{Aspect, Check, Finding, Verdict, Verification};
pub use fleet::{Unverified, Verified, VerifyAll};

/// The inspector of one broker. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Verifier {
    pub(crate) admission: Arc<Admission>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ledger: Ledger,
    pub(crate) exchange: Exchange,
    pub(crate) id_tokens: Arc<IdTokenVerifier>,
}

/// What Entra answered for each registered API.
struct Answers(Vec<(Resource, Result<Shown, Error>)>);

impl Answers {
    /// Partner Center's: the first of all.
    fn own(&self) -> Option<&Shown> {
        self.0.first().and_then(|(_, answer)| answer.as_ref().ok())
    }

    fn account(&self) -> Option<&AccountClaims> {
        self.own()?.account.as_ref()
    }

    /// What is granted, as far as Entra said so.
    fn granted(&self) -> Scopes {
        let shown = self.0.iter().filter_map(|(_, answer)| answer.as_ref().ok());
        shown.flat_map(|shown| shown.token.scopes().iter().cloned()).collect()
    }
}

impl Verifier {
    /// Looks at a partner's consent, in the name of `account` where it is not the vendor who asks.
    pub(crate) async fn verify(
        &self,
        partner: TenantId,
        account: Option<&AccountId>,
        urgency: Urgency,
    ) -> Result<Verification, Error> {
        let answers = self.ask_each(partner, account, urgency).await?;
        let held = self.ledger.consent(partner).await?;
        let never = Error::NoConsent { partner, absence: Absence::Never };
        let consent = held.ok_or(never)?.record.consent;
        let mfa = self.mfa(&consent, answers.own()).await;
        let checks = vec![
            Check::new(Aspect::Alive, alive(&answers)),
            Check::new(Aspect::SecondFactor, self.second_factor(&consent, mfa)),
            Check::new(Aspect::LeastPrivilege, self.privilege(&consent, &answers)),
            Check::new(Aspect::Scopes, self.scopes(&answers)),
            Check::new(Aspect::Membership, membership(&consent, &answers)),
            Check::new(Aspect::Policy, self.policy(consent, &answers)),
        ];
        let mfa = mfa.and_then(|finding| finding.proof().copied());
        Ok(Verification { partner, at: self.clock.now(), mfa, checks })
    }

    /// One redemption for every registered API, Partner Center's first: where that fails, the others
    /// would fail for the same reason.
    async fn ask_each(
        &self,
        partner: TenantId,
        account: Option<&AccountId>,
        urgency: Urgency,
    ) -> Result<Answers, Error> {
        let mut answers = Vec::new();
        for resource in self.admission.app.scopes().resources() {
            let answer = self.exchange.prove(partner, account, resource.clone(), urgency).await;
            if let Err(error) = &answer
                && is_no_finding(error)
            {
                return Err(error.clone());
            }
            let goes_on = !answers.is_empty() || is_alive(&answer);
            answers.push((resource, answer));
            if !goes_on {
                break;
            }
        }
        Ok(Answers(answers))
    }

    /// Partner Center is asked whatever the policy believes, and its no always counts, since it will
    /// refuse the token; the other rung is the token's own `amr`.
    async fn mfa(&self, consent: &Consent, own: Option<&Shown>) -> Option<MfaFinding> {
        let token = &own?.token;
        let policy = self.admission.policies.of(consent.kind);
        let verdict = self.exchange.mfa_verdict(consent.partner, token).await;
        let counts = policy.believes(MfaSource::PartnerCenter) || verdict == MfaAnswer::Disproven;
        let mut answers = vec![(MfaSource::PartnerCenter, verdict)];
        answers.retain(|_| counts);
        if policy.believes(MfaSource::AccessToken) {
            let user = consent.user.id;
            let amr = self.id_tokens.access_token_amr(token.secret(), consent.partner, user);
            answers.push((MfaSource::AccessToken, MfaAnswer::from_amr(amr.as_deref())));
        }
        let flow = SignInTime::between(consent.begun_at, consent.confirmed_at);
        let signed_in = consent.mfa.as_ref().map_or(flow, MfaProof::signed_in);
        let expiry = consent.mfa.and_then(|proof| proof.expires_at());
        Some(policy.dated(MfaFinding::climb(answers, signed_in).expiring(expiry)))
    }

    /// Whether the token is taken today, and whether what the consent rests on still lasts.
    fn second_factor(&self, consent: &Consent, today: Option<MfaFinding>) -> Vec<Finding> {
        let ends = self.admission.policies.proof_end(consent);
        let expired = ends.filter(|end| *end <= self.clock.now());
        let expired = expired.map(|at| Finding::MfaExpired { at });
        second_factor(today).into_iter().chain(expired).collect()
    }

    /// What was true when the partner consented still speaks against it, and no longer for it.
    fn privilege(&self, consent: &Consent, answers: &Answers) -> Vec<Finding> {
        if self.admission.policies.of(consent.kind).ignores_roles() {
            return Vec::new();
        }
        let today = answers.account().and_then(|account| account.wids.as_deref());
        let known = today.or(consent.user.roles.as_deref()).unwrap_or_default();
        let powerful = DirectoryRole::powerful(known).into_iter().map(Finding::PowerfulRole);
        let unknown = match answers.account() {
            None => Some(Finding::NotAsked),
            Some(_) => today.is_none().then_some(Finding::RolesUnknown),
        };
        powerful.chain(unknown).collect()
    }

    fn scopes(&self, answers: &Answers) -> Vec<Finding> {
        let registered = self.admission.app.scopes();
        let missing = answers.0.iter().filter_map(|(resource, answer)| match answer {
            Ok(_) => None,
            Err(Error::ScopesMissing { missing, .. }) => {
                Some(Finding::ScopesMissing(missing.clone()))
            }
            Err(_) if *resource == Resource::PartnerCenter => Some(Finding::NotAsked),
            Err(error) => Some(Finding::Met { resource: resource.clone(), error: error.clone() }),
        });
        let beyond = answers.granted().beyond(registered);
        let beyond = (!beyond.is_empty()).then_some(Finding::ScopesBeyond(beyond));
        missing.chain(beyond).collect()
    }

    /// With what Entra says today of the account and its grants, where it says so.
    fn policy(&self, mut consent: Consent, answers: &Answers) -> Option<Finding> {
        if let Some(account) = answers.account() {
            consent.user.guest = account.guest;
            consent.user.roles = account.wids.clone().or(consent.user.roles);
        }
        if answers.0.iter().all(|(_, answer)| answer.is_ok()) {
            consent.scopes = answers.granted();
        }
        self.admission.check(&consent).err().map(Finding::Policy)
    }
}

/// Whether there is nothing to say of the partner's consent at all.
const fn is_no_finding(error: &Error) -> bool {
    matches!(
        error,
        Error::Refused(Refused::NotYours(_))
            | Error::NoConsent { absence: Absence::Never, .. }
            | Error::Damaged { .. }
            | Error::Closed
    )
}

/// A token that may do too little was granted all the same.
const fn is_alive(answer: &Result<Shown, Error>) -> bool {
    matches!(answer, Ok(_) | Err(Error::ScopesMissing { .. }))
}

fn alive(answers: &Answers) -> Option<Finding> {
    let (resource, answer) = answers.0.first()?;
    let error = answer.as_ref().err().filter(|_| !is_alive(answer))?;
    Some(Finding::Met { resource: resource.clone(), error: error.clone() })
}

const fn second_factor(finding: Option<MfaFinding>) -> Option<Finding> {
    match finding {
        Some(MfaFinding::Proven(_)) => None,
        Some(MfaFinding::Disproven(source)) => Some(Finding::MfaMissing(source)),
        Some(MfaFinding::Unknown) => Some(Finding::MfaUnknown),
        None => Some(Finding::NotAsked),
    }
}

/// As for roles: an account that was a guest is not believed to have become a member, unless it
/// consents anew.
fn membership(consent: &Consent, answers: &Answers) -> Option<Finding> {
    let today = answers.account().map_or(Guest::Unknown, |account| account.guest);
    match (consent.user.guest, today) {
        (Guest::Yes, _) | (_, Guest::Yes) => Some(Finding::Guest(Guest::Yes)),
        (Guest::No, Guest::No) => None,
        _ if answers.account().is_none() => Some(Finding::NotAsked),
        _ => Some(Finding::Guest(Guest::Unknown)),
    }
}
