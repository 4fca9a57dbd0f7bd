//! May this person use this application here, and what do they still have to agree to?
//!
//! Source: Microsoft identity platform, "Permissions and consent" and "Scopes and permissions".

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;

use super::screen::is_administrator;
use crate::emulator::refusal::Refusal;
use crate::emulator::scopes::{Asked, needs_administrator};
use crate::emulator::state::World;
use crate::emulator::state::directory::{Kind, Person, Presence};
use crate::emulator::state::flow::{
    AuthorizationRequest, Code, Consent, Flow, Goal, SignIn, Step, Version,
};

impl Flow {
    /// Somebody is signed in: what is left?
    pub(super) fn signed_in(self, world: &World, signed_in: SignIn) -> Response {
        let presence = match admit(world, &self.request, signed_in.person) {
            Ok(presence) => presence,
            Err(refusal) => return self.turn_away(world, refusal),
        };
        let request = Arc::clone(&self.request);
        let permissions = wanted(world, &request, presence);
        if let Some(refusal) = absent_resource(world, presence, &permissions) {
            return request.return_to.refuse(world, &refusal);
        }
        let is_new = is_new(world, presence, &request);
        if permissions.is_empty() && !is_new && !request.asks_for_consent() {
            return self.finish(world, signed_in, presence, false);
        }
        if self.is_silent() {
            let refusal = Refusal::new(65_001).with_error("consent_required");
            return request.return_to.refuse(world, &refusal);
        }
        let an_administrators = request.is_for_everyone()
            || permissions.iter().any(|(_, permission)| needs_administrator(permission));
        if an_administrators && !is_administrator(world, presence) {
            return self.at(Step::Approval).show(world, None);
        }
        self.at(Step::Consent(Consent { signed_in, presence, permissions })).show(world, None)
    }

    /// The person agreed, and as an administrator perhaps for everyone.
    pub(super) fn agreed(self, world: &World, consent: &Consent, for_everyone: bool) -> Response {
        let Consent { signed_in, presence, permissions } = consent;
        let administrator = is_administrator(world, *presence);
        let for_everyone = self.request.is_for_everyone() || for_everyone && administrator;
        let user = (!for_everyone).then_some(presence.user);
        let mut directory = world.directory();
        directory.add_principal(presence.tenant, self.request.client);
        for (resource, permission) in permissions {
            let key = (presence.tenant, self.request.client, resource.as_str());
            directory.grant(key, user, [permission.as_str()]);
        }
        drop(directory);
        if self.request.goal == Goal::AdminConsent {
            return self.approved(*presence, permissions);
        }
        self.finish(world, *signed_in, *presence, administrator)
    }

    /// An administrator approved: there is no code.
    fn approved(&self, presence: Presence, permissions: &[(String, String)]) -> Response {
        let scopes: Vec<_> =
            permissions.iter().map(|(resource, name)| format!("{resource}/{name}")).collect();
        let (tenant, scope) = (presence.tenant.to_string(), scopes.join(" "));
        self.request.return_to.answer(&[("tenant", &tenant), ("scope", &scope)])
    }

    /// Hands out a code.
    fn finish(
        &self,
        world: &World,
        signed_in: SignIn,
        presence: Presence,
        an_administrator_agreed: bool,
    ) -> Response {
        let (word, issued) = (world.chance.word(), world.now());
        let request = Arc::clone(&self.request);
        let code = Code { request, signed_in, presence, issued, redeemed: false };
        world.codes().put(word.clone(), issued + CODE_KEPT, code, issued);
        let mut fields = vec![("code", word), ("session_state", world.chance.guid().to_string())];
        if an_administrator_agreed && self.request.version == Version::V1 {
            fields.push(("admin_consent", "True".to_owned()));
        }
        if self.request.client_info {
            fields.push(("client_info", signed_in.client_info()));
        }
        if world.script().doubts.callback_issuer {
            let issuer = format!("{}/{}/v2.0", self.request.site.login, presence.tenant);
            fields.push(("iss", issuer));
        }
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.request.return_to.answer(&fields)
    }
}

/// Only members and guests sign in to a tenant, and only to what they may use there.
fn admit(
    world: &World,
    request: &AuthorizationRequest,
    person: Person,
) -> Result<Presence, Refusal> {
    let tenant = request.authority.tenant_for(person)?;
    let directory = world.directory();
    let presence = directory.presence(person, tenant)?;
    if presence.kind == Kind::Delegated {
        return Err(Refusal::new(50_020));
    }
    if directory.account(tenant, presence.user).is_some_and(|account| account.disabled) {
        return Err(Refusal::new(50_057));
    }
    if !directory.assignments.admit(tenant, request.client, presence.user) {
        return Err(Refusal::new(50_105));
    }
    Ok(presence)
}

/// Whether the tenant has not met the application yet. Somebody agrees to its first principal there,
/// even where it only wants to know who they are.
fn is_new(world: &World, presence: Presence, request: &AuthorizationRequest) -> bool {
    world.directory().principal_as_written(presence.tenant, request.client).is_none()
}

/// What is still to be agreed to. Who asks for consent asks for all of it again, which stops whoever
/// may not grant it even where an administrator has.
fn wanted(
    world: &World,
    request: &AuthorizationRequest,
    presence: Presence,
) -> Vec<(String, String)> {
    let directory = world.directory();
    let application = directory.application(request.client);
    let registered = application.map(|known| known.permissions.clone()).unwrap_or_default();
    let asked = meant(request, &registered);
    if !request.asks_for_consent() {
        return directory.ungranted(&asked, presence, request.client);
    }
    let (defaults, named): (Vec<_>, Vec<_>) =
        asked.named.into_iter().partition(|(_, permission)| permission == ".default");
    let registered = if defaults.is_empty() { BTreeSet::new() } else { registered };
    registered.into_iter().chain(named).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Nothing can be agreed to on a resource that the tenant has no principal of.
fn absent_resource(
    world: &World,
    presence: Presence,
    permissions: &[(String, String)],
) -> Option<Refusal> {
    let directory = world.directory();
    let mut resources = permissions.iter().map(|(resource, _)| resource);
    let absent = resources.find(|resource| !directory.has_resource(presence.tenant, resource))?;
    Some(Refusal::new(650_052).about(absent))
}

/// v1 without a resource means each one that is registered.
fn meant(request: &AuthorizationRequest, registered: &BTreeSet<(String, String)>) -> Asked {
    match (request.version, &request.resource) {
        (Version::V1, None) => Asked::default_of(registered.iter().map(|(uri, _)| uri.as_str())),
        _ => request.asked.clone(),
    }
}

/// Far longer than a code lives, so that an expired or spent one is told from an unknown one.
const CODE_KEPT: Duration = Duration::from_secs(24 * 3600);
