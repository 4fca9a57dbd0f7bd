//! What a test makes the emulator do: refusals, waits, odd replies and lies.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use serde_json::Value;

use super::Emulator;
use super::errors::Refusal;
use super::hold::Gate;
use crate::model::tenant::TenantId;

/// Which token requests are meant; a part that is not said matches any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// The tenant the token would be for.
    pub tenant: Option<TenantId>,
    /// What is redeemed.
    pub grant: Option<Grant>,
    /// The resource the token would be for, as in `https://graph.microsoft.com`.
    pub resource: Option<String>,
}

/// What a token request redeems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Grant {
    /// An authorization code.
    Code,
    /// A refresh token.
    RefreshToken,
}

impl Rule {
    /// Every token request.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Only for tokens of one tenant.
    #[must_use]
    pub fn tenant(mut self, tenant: TenantId) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// Only redemptions of one kind.
    #[must_use]
    pub fn grant(mut self, grant: Grant) -> Self {
        self.grant = Some(grant);
        self
    }

    /// Only for tokens of one resource.
    #[must_use]
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    fn matches(&self, request: &Meant) -> bool {
        self.tenant.is_none_or(|tenant| request.tenant == Some(tenant))
            && self.grant.is_none_or(|grant| request.grant == Some(grant))
            && self.resource.as_ref().is_none_or(|name| request.resource.as_ref() == Some(name))
    }
}

/// What a token request is about, as far as it can be read.
#[derive(Debug, Clone, Default)]
pub(super) struct Meant {
    pub(super) tenant: Option<TenantId>,
    pub(super) grant: Option<Grant>,
    pub(super) resource: Option<String>,
}

/// How the token endpoint fails.
#[derive(Debug, Clone)]
pub struct Failure {
    scene: Scene,
    times: Option<u32>,
}

/// What is sent then.
#[derive(Debug, Clone)]
pub(super) enum Scene {
    Refused(Refusal),
    Plain { status: u16, content_type: String, body: Bytes, retry_after: Option<Duration> },
}

impl Failure {
    /// A refusal with an AADSTS number, spelled as the emulator's table has it.
    #[must_use]
    pub fn aadsts(number: u32) -> Self {
        Self { scene: Scene::Refused(Refusal::new(number)), times: None }
    }

    /// A bare status without a body, as a gateway sends it.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::reply(status, "text/html", Bytes::new())
    }

    /// Any reply at all.
    #[must_use]
    pub fn reply(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let (content_type, body) = (content_type.to_owned(), body.into());
        let scene = Scene::Plain { status, content_type, body, retry_after: None };
        Self { scene, times: None }
    }

    /// Only for the next `times` requests that the rule matches.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// With a `Retry-After` of whole seconds.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        match &mut self.scene {
            Scene::Refused(refusal) => refusal.retry_after = Some(wait),
            Scene::Plain { retry_after, .. } => *retry_after = Some(wait),
        }
        self
    }

    /// With another HTTP status than the table's.
    #[must_use]
    pub fn with_status(mut self, code: u16) -> Self {
        match &mut self.scene {
            Scene::Refused(refusal) => refusal.status = code,
            Scene::Plain { status, .. } => *status = code,
        }
        self
    }

    /// With another `error` than the table's.
    #[must_use]
    pub fn error(self, error: &str) -> Self {
        self.refusal(|refusal| error.clone_into(&mut refusal.error))
    }

    /// With this `suberror`, or with none.
    #[must_use]
    pub fn suberror(self, suberror: Option<&str>) -> Self {
        self.refusal(|refusal| refusal.suberror = suberror.map(str::to_owned))
    }

    /// With a claims challenge.
    #[must_use]
    pub fn claims(self, claims: &str) -> Self {
        self.refusal(|refusal| refusal.claims = Some(claims.to_owned()))
    }

    fn refusal(mut self, change: impl FnOnce(&mut Refusal)) -> Self {
        if let Scene::Refused(refusal) = &mut self.scene {
            change(refusal);
        }
        self
    }
}

/// What Partner Center says about the second factor when it is asked with `ValidateMfa`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MfaAnswer {
    /// Whether the token was made with one.
    #[default]
    Honest,
    /// `isMfaCompliant: true`, whatever the token says.
    Compliant,
    /// `isMfaCompliant: false`, whatever the token says.
    NotCompliant,
    /// The reply lacks the header.
    HeaderAbsent,
    /// Every call is refused with 401 and code 900421.
    Refused900421,
    /// Every call ends with this status.
    Status(u16),
}

/// How ID tokens lie.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum Tampering {
    /// Not at all.
    #[default]
    None,
    /// The signature is one of other content.
    BadSignature,
    /// Unsigned, and says so.
    AlgNone,
    /// HS256 with the public key as its secret.
    PublicKeyAsSecret,
    /// Signed under a key id that is not published.
    UnknownKid,
    /// `iss` of another server.
    WrongIssuer,
    /// `aud` of another application.
    WrongAudience,
    /// A `nonce` that nobody sent.
    WrongNonce,
    /// No `nonce`.
    MissingNonce,
    /// `exp` an hour ago.
    Expired,
    /// `nbf` in an hour.
    NotYetValid,
    /// `tid` and `iss` of another tenant, consistently.
    OtherTenant(TenantId),
    /// A claim is left out.
    Without(String),
    /// A claim has this value.
    With(String, Value),
}

/// Something scripted that is in force until it is cleared; dropping it changes nothing.
#[derive(Debug)]
pub struct Scripted {
    entra: Emulator,
    id: u64,
}

impl Scripted {
    /// Ends it.
    pub fn clear(self) {
        let mut script = self.entra.world().script();
        script.failures.retain(|failure| failure.id != self.id);
        script.alterations.retain(|alteration| alteration.id != self.id);
    }
}

/// Everything that is scripted.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) tampering: Tampering,
    pub(super) mfa_answer: MfaAnswer,
    pub(super) rotation: bool,
    pub(super) opaque_access_tokens: bool,
    pub(super) token_life: [u64; 2],
    failures: Vec<ScriptedFailure>,
    alterations: Vec<Alteration>,
    pub(super) gates: Vec<(Rule, Arc<Gate>)>,
    next_id: u64,
}

#[derive(Debug)]
struct ScriptedFailure {
    id: u64,
    rule: Rule,
    failure: Failure,
}

/// Changes a reply.
pub(super) type Change = Arc<dyn Fn(&mut Value) + Send + Sync>;

struct Alteration {
    id: u64,
    rule: Rule,
    change: Change,
}

impl fmt::Debug for Alteration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Alteration").field("rule", &self.rule).finish_non_exhaustive()
    }
}

impl Default for Script {
    fn default() -> Self {
        Self {
            tampering: Tampering::None,
            mfa_answer: MfaAnswer::Honest,
            rotation: true,
            opaque_access_tokens: false,
            token_life: [3599, 3599],
            failures: Vec::new(),
            alterations: Vec::new(),
            gates: Vec::new(),
            next_id: 0,
        }
    }
}

impl Script {
    /// The latest failure whose rule matches; each use of one that is counted counts.
    pub(super) fn scene(&mut self, request: &Meant) -> Option<Scene> {
        let matching = |scripted: &&mut ScriptedFailure| {
            scripted.failure.times != Some(0) && scripted.rule.matches(request)
        };
        let scripted = self.failures.iter_mut().rev().find(matching)?;
        scripted.failure.times = scripted.failure.times.map(|left| left - 1);
        Some(scripted.failure.scene.clone())
    }

    pub(super) fn gate(&self, request: &Meant) -> Option<Arc<Gate>> {
        let (_, gate) = self.gates.iter().find(|(rule, _)| rule.matches(request))?;
        Some(Arc::clone(gate))
    }

    pub(super) fn open_every_gate(&mut self) {
        self.gates.drain(..).for_each(|(_, gate)| gate.open());
    }

    /// What changes a reply before it is sent, to be called without the script's lock.
    pub(super) fn alterations(&self, request: &Meant) -> Vec<Change> {
        let matching = self.alterations.iter().filter(|one| one.rule.matches(request));
        matching.map(|one| Arc::clone(&one.change)).collect()
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

impl Emulator {
    /// Makes the token requests that a rule matches fail, once the client has proved itself. Of
    /// several rules that match, the latest counts.
    pub fn fail_tokens(&self, rule: Rule, failure: Failure) -> Scripted {
        let mut script = self.world().script();
        let id = script.id();
        script.failures.push(ScriptedFailure { id, rule, failure });
        Scripted { entra: self.clone(), id }
    }

    /// Changes the JSON of successful token replies that a rule matches, just before it is sent.
    pub fn alter_tokens(
        &self,
        rule: Rule,
        change: impl Fn(&mut Value) + Send + Sync + 'static,
    ) -> Scripted {
        let mut script = self.world().script();
        let id = script.id();
        script.alterations.push(Alteration { id, rule, change: Arc::new(change) });
        Scripted { entra: self.clone(), id }
    }

    /// Whether redeeming a refresh token yields a new one; it does unless told otherwise.
    pub fn rotation(&self, rotates: bool) {
        self.world().script().rotation = rotates;
    }

    /// What Partner Center answers about the second factor.
    pub fn partner_center_mfa(&self, answer: MfaAnswer) {
        self.world().script().mfa_answer = answer;
    }

    /// How ID tokens issued from now on lie.
    pub fn token_tampering(&self, tampering: Tampering) {
        self.world().script().tampering = tampering;
    }

    /// Whether access tokens can be read by whoever holds them; they can unless told otherwise.
    pub fn opaque_access_tokens(&self, opaque: bool) {
        self.world().script().opaque_access_tokens = opaque;
    }

    /// How long access tokens live, 3599 seconds unless told otherwise. Entra picks a random number
    /// between 60 and 90 minutes; two different ends make the emulator pick as well.
    pub fn access_tokens_live(&self, shortest: Duration, longest: Duration) {
        self.world().script().token_life = [shortest.as_secs(), longest.as_secs()];
    }
}
