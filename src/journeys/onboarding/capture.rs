//! The callback: redeemed, checked, and kept for a confirmation.

use std::time::SystemTime;

use oauth2::AuthorizationCode;

use super::browser::flow_id;
use super::found::{FoundFacts, FoundRecord};
use super::ground::is_damage;
use super::pending::{FlowProof, PendingRecord};
use super::taking_over::Comparison;
use super::{Desk, FOUND_LIFE, denied};
use crate::error::Error;
use crate::model::cloud::{Authority, Directory};
use crate::model::consent::{Consent, ConsentingUser, StoredToken};
use crate::model::event::Event;
use crate::model::mfa::{MfaAnswer, MfaFinding, MfaSource, SignInTime};
use crate::model::policy::{Candidate, Policy, Refused};
use crate::model::scope::{Resource, Scopes};
use crate::model::secret::{AccessToken, RefreshToken};
use crate::model::tenant::TenantId;
use crate::protocol::authorization::{Answer, Callback};
use crate::protocol::id_token::{IdClaims, IdTokenError};
use crate::protocol::token_endpoint::{BadReply, TokenReply};
use crate::storage::ledger::{Held, LedgerError};

/// What the code was redeemed for, with the person it speaks of.
struct Redeemed {
    reply: TokenReply,
    claims: IdClaims,
    asked_at: SystemTime,
}

/// What the refresh token is good for, and the newest of its kind.
struct Proven {
    token: RefreshToken,
    asked_at: SystemTime,
    granted: Scopes,
}

impl Desk {
    pub(super) async fn capture(&self, callback: Callback) -> Result<FoundFacts, Error> {
        if callback.reports_approval() {
            return Err(Refused::OtherStep.into());
        }
        let (mut pending, proof) = self.spend(&callback).await?;
        let code = match callback.answer() {
            Answer::Code(code) => code,
            Answer::Denied(error) => return Err(denied(error, pending.expected)),
            Answer::Approved { .. } => return Err(Refused::OtherStep.into()),
        };
        let invitation = self.invitation(pending.invited.as_ref(), &pending.id).await?;
        let redeemed = self.redeem(&pending, &proof, code).await?;
        let partner = redeemed.claims.tenant;
        self.check_tenant(pending.expected, partner)?;
        if let Some(invitation) = &invitation {
            invitation.check_user(partner, redeemed.claims.user)?;
        }
        self.check_issuer(&callback, Some(partner))?;
        let ground = self.ground(partner).await?;
        ground.check_binding(partner, &pending.account, pending.rebinds)?;
        ground.check_tombstone(partner, pending.wanted_since(), pending.above)?;
        // Before a first contact nobody can say of which tenant it will be: what is known of that counts.
        let known = ground.consent().map(Consent::kind).filter(|_| pending.expected.is_none());
        pending.kind = known.or(pending.kind);
        let kind = *pending.kind.get_or_insert_with(|| ground.kind());
        let policy = self.policies.of(kind);
        let mfa = self.mfa(policy, &pending, &redeemed).await;
        let user = consenting_user(&redeemed.claims);
        let proven = self.prove_resources(redeemed).await?;
        policy.admit(&Candidate {
            user: &user,
            registered: self.app.scopes(),
            granted: &proven.granted,
            mfa,
            kind_changed: None, // it is warned of, and refuses nothing
            now: self.clock.now(),
        })?;
        let compared = self.compared(&ground, &proven.token).await;
        pending.above = ground.above();
        let record = self.keep(pending, partner, user, mfa, proven, compared).await?;
        let ground = self.ground(partner).await?;
        let invitation = invitation.map(|invitation| self.book.shown(&invitation));
        Ok(self.facts(&record, &ground, invitation))
    }

    /// Finds the flow and leaves a spent mark in its place, once, whoever else tries.
    async fn spend(&self, callback: &Callback) -> Result<(PendingRecord, FlowProof), Error> {
        let state = callback.state().ok_or(Refused::StateMissing)?;
        let held = self.ledger.load::<PendingRecord>(None, &flow_id(state)).await?;
        let Held { record, revision } = held.ok_or(Refused::StateUnknown)?;
        record.check(callback, self.clock.now())?;
        self.check_issuer(callback, record.expected)?;
        let proof = record.proof.clone().ok_or(Refused::StateReplayed)?;
        match self.ledger.replace(&record.spent(), revision).await {
            Ok(_) => Ok((record, proof)),
            Err(LedgerError::Conflict) => Err(Refused::StateReplayed.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// RFC 9207, section 2.4. Entra does not announce `iss`, so its absence is allowed; at a first
    /// contact it may name any tenant of this cloud until it is known who signed in.
    pub(super) fn check_issuer(
        &self,
        callback: &Callback,
        tenant: Option<TenantId>,
    ) -> Result<(), Refused> {
        let Some(found) = callback.iss() else { return Ok(()) };
        let named = || TenantId::parse(found.rsplit('/').nth(1)?).ok();
        let tenant = tenant.or_else(named).ok_or(Refused::OtherIssuer)?;
        let issuer = Authority::of(self.app.cloud(), tenant).issuer(tenant);
        if found == issuer { Ok(()) } else { Err(Refused::OtherIssuer) }
    }

    /// At the authority that the flow was sent to, never one chosen after the callback.
    async fn redeem(
        &self,
        pending: &PendingRecord,
        proof: &FlowProof,
        code: &AuthorizationCode,
    ) -> Result<Redeemed, Error> {
        let directory = pending.expected.map_or(Directory::Organizations, Directory::Tenant);
        let authority = Authority::new(self.app.cloud(), directory);
        let resource = Resource::PartnerCenter;
        let scopes = self.app.scopes().of(&resource);
        let asked_at = self.clock.now();
        let reply = self
            .endpoint
            .redeem_code(
                &authority,
                code,
                &proof.verifier,
                &pending.redirect_uri,
                &resource,
                &scopes,
            )
            .await
            .map_err(|error| Error::token(pending.expected, pending.expected, error))?;
        let id_token = reply.id_token.as_ref().ok_or(BadReply::NO_ID_TOKEN)?;
        let claims = self
            .id_tokens
            .verify(id_token, &authority, &proof.nonce, &reply.access_token)
            .await
            .map_err(wrong_person)?;
        Ok(Redeemed { reply, claims, asked_at })
    }

    ///
    pub(super) fn check_tenant(
        &self,
        expected: Option<TenantId>,
        found: TenantId,
    ) -> Result<(), Refused> {
        match expected {
            Some(expected) if expected != found => Err(Refused::OtherTenant { expected, found }),
            _ => self.check_partner(found),
        }
    }

    /// Asks each source that the policy believes.
    async fn mfa(
        &self,
        policy: &Policy,
        pending: &PendingRecord,
        redeemed: &Redeemed,
    ) -> MfaFinding {
        let Redeemed { reply, claims, .. } = redeemed;
        let mut answers = vec![(MfaSource::IdToken, MfaAnswer::from_amr(claims.amr.as_deref()))];
        answers.push((MfaSource::AccessToken, self.amr(&reply.access_token, claims)));
        if policy.believes(MfaSource::PartnerCenter) {
            let verdict = self.partner_center.mfa_verdict(&reply.access_token, &self.probe_path);
            answers.push((MfaSource::PartnerCenter, verdict.await.answer));
        }
        let signed_in = match claims.auth_time {
            Some(moment) => SignInTime::at(moment),
            None => SignInTime::between(pending.begun_at, claims.issued_at),
        };
        answers.retain(|(source, _)| policy.believes(*source));
        policy.dated(MfaFinding::climb(answers, signed_in))
    }

    fn amr(&self, token: &AccessToken, claims: &IdClaims) -> MfaAnswer {
        let amr = self.id_tokens.access_token_amr(token, claims.tenant, claims.user);
        MfaAnswer::from_amr(amr.as_deref())
    }

    /// Redeems once for every other resource: a consent is complete only when each was seen to work.
    async fn prove_resources(&self, redeemed: Redeemed) -> Result<Proven, Error> {
        let Redeemed { reply, claims, asked_at } = redeemed;
        let token = reply.refresh_token.ok_or(BadReply::NO_REFRESH_TOKEN)?;
        let asked = self.app.scopes().of(&Resource::PartnerCenter);
        let granted = reply.granted.unwrap_or(asked);
        let mut proven = Proven { token, asked_at, granted };
        let others = self.app.scopes().resources();
        for resource in others.into_iter().filter(|other| *other != Resource::PartnerCenter) {
            self.prove(&claims, &resource, &mut proven).await?;
        }
        Ok(proven)
    }

    async fn prove(
        &self,
        claims: &IdClaims,
        resource: &Resource,
        proven: &mut Proven,
    ) -> Result<(), Error> {
        let partner = claims.tenant;
        let authority = Authority::of(self.app.cloud(), partner);
        let scopes = self.app.scopes().of(resource);
        let refused = |error| Error::token(Some(partner), Some(partner), error);
        let ticket = self.endpoint.sign_in_ticket(&authority).await.map_err(refused)?;
        let asked_at = self.clock.now();
        let reply = self
            .endpoint
            .redeem_refresh_token(ticket, &authority, &proven.token, resource, &scopes, None)
            .await
            .map_err(refused)?;
        let owner = reply.id_token.as_ref();
        let owner = owner.map(|text| self.id_tokens.read_from_tls(text, &authority)).transpose()?;
        if owner.is_some_and(|owner| owner.user != claims.user || owner.subject != claims.subject) {
            return Err(Error::ForeignToken { partner, tenant: partner });
        }
        proven.granted.extend(reply.granted.unwrap_or(scopes).iter().cloned());
        if let Some(token) = reply.refresh_token {
            (proven.token, proven.asked_at) = (token, asked_at);
        }
        Ok(())
    }

    async fn keep(
        &self,
        pending: PendingRecord,
        partner: TenantId,
        user: ConsentingUser,
        mfa: MfaFinding,
        proven: Proven,
        compared: Comparison,
    ) -> Result<FoundRecord, Error> {
        // A mark goes with the partner's return; whoever put it there may have died before that was told
        // by a receipt.
        self.notary.enter_mark_first(partner).await?;
        let now = self.clock.now();
        let record = FoundRecord {
            id: pending.id,
            sealed_for: Some(partner),
            partner,
            account: pending.account,
            kind: pending.kind.unwrap_or_default(),
            rebinds: pending.rebinds,
            user,
            scopes: proven.granted,
            mfa,
            token: StoredToken(proven.token),
            token_issued_at: proven.asked_at,
            losses: compared.losses,
            worked: compared.worked,
            browser: pending.browser,
            invited: pending.invited,
            begun_at: pending.begun_at,
            expires_at: now + FOUND_LIFE,
            confirming: 0,
            above: pending.above,
        };
        let record = self.seal(record).await?;
        self.observers.tell(&Event::ConsentFound { partner, user: record.user.id });
        Ok(record)
    }

    /// Under the partner's key, so that whoever shreds the partner shreds this, too, in every copy.
    /// A damaged key is not replaced before somebody says so: until then the application's serves.
    async fn seal(&self, mut record: FoundRecord) -> Result<FoundRecord, Error> {
        match self.seal_for_partner(&mut record).await {
            Err(error) if is_damage(&error) => {
                let record = FoundRecord { sealed_for: None, ..record };
                self.ledger.insert(&record).await?;
                Ok(record)
            }
            Err(LedgerError::Shredded { partner, .. }) => Err(Refused::Withdrawn(partner).into()),
            sealed => Ok(sealed.map(|()| record)?),
        }
    }

    async fn seal_for_partner(&self, record: &mut FoundRecord) -> Result<(), LedgerError> {
        let let_go = self.ledger.revive(record.partner, record.begun_at).await?;
        let since = let_go.map_or(0, |let_go| let_go.generation.saturating_add(1));
        record.above = record.above.map(|above| above.max(since));
        self.ledger.insert(record).await.map(drop)
    }
}

fn consenting_user(claims: &IdClaims) -> ConsentingUser {
    ConsentingUser {
        id: claims.user,
        subject: claims.subject.clone(),
        name: claims.username.clone().or_else(|| claims.name.clone()),
        guest: claims.guest,
        roles: claims.wids.clone(),
    }
}

/// A token that is genuine and of the wrong person is a refusal, not a fault.
fn wrong_person(error: IdTokenError) -> Error {
    match error {
        IdTokenError::Tenant { expected, found } => Refused::OtherTenant { expected, found }.into(),
        IdTokenError::PersonalAccount => Refused::PersonalAccount.into(),
        error => error.into(),
    }
}
