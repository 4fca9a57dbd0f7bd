//! What a token request redeems, and whether the application may have what it asks for.
//!
//! Source: Microsoft identity platform, "OAuth 2.0 authorization code flow" and "Permissions and
//! consent"; on v1.0, permissions come from the registration and the request names a `resource`.

use std::collections::BTreeSet;

use super::admission::{check_policy, profile};
use super::claims::Demand;
use super::tokens::Subject;
use crate::emulator::fields::Fields;
use crate::emulator::refusal::Refusal;
use crate::emulator::scopes::{Asked, GRAPH};
use crate::emulator::state::World;
use crate::emulator::state::directory::{Directory, Kind, Presence};
use crate::emulator::state::flow::{Authority, SignIn, Version};
use crate::emulator::state::record::CredentialKind;
use crate::model::tenant::{ClientId, TenantId};

/// A request whose client proved itself.
pub(super) struct Proved<'r> {
    pub(super) world: &'r World,
    pub(super) fields: &'r Fields,
    pub(super) version: Version,
    pub(super) authority: Authority,
    pub(super) client: ClientId,
    pub(super) credential: CredentialKind,
}

/// Everything that a successful reply says.
pub(super) struct Granted {
    pub(super) subject: Subject,
    pub(super) resource: String,
    /// The resource's application, where it takes tokens of the v2.0 format only.
    pub(super) v2_audience: Option<ClientId>,
    pub(super) permissions: BTreeSet<String>,
    pub(super) asked: Asked,
    pub(super) nonce: Option<String>,
    /// Whether the client can answer a claims challenge at any time.
    pub(super) continuous: bool,
    /// Whether it comes from a code: the first refresh token of its line is never withheld.
    pub(super) is_first: bool,
}

impl Proved<'_> {
    /// Whether the application was granted what it asks for, there and for this user, and the
    /// tenant's policies and the request's own claims are met.
    pub(super) fn granted(
        &self,
        signed_in: SignIn,
        presence: Presence,
        asked: Asked,
    ) -> Result<Granted, Refusal> {
        let demand = Demand::of(self.fields)?;
        let profile = profile(self.world, signed_in.person, presence, self.client)?;
        self.check_assignment(presence)?;
        let resource = asked.first_resource().unwrap_or(GRAPH).to_owned();
        check_policy(self.world, presence.tenant, &resource, &signed_in)?;
        let permissions = self.permissions(presence, &asked, &resource)?;
        demand.check(&signed_in)?;
        let v2_audience = self.v2_audience(&resource);
        let (client, credential) = (self.client, self.credential);
        let subject = Subject { client, credential, presence, signed_in, profile };
        Ok(Granted {
            subject,
            resource,
            v2_audience,
            permissions,
            asked,
            nonce: None,
            continuous: demand.continuous,
            is_first: false,
        })
    }

    /// Where users must be assigned, whoever lost their place has no more tokens. Who acts for a
    /// partner has no account in the tenant that could be assigned.
    fn check_assignment(&self, Presence { tenant, user, kind }: Presence) -> Result<(), Refusal> {
        let assigned = self.world.directory().assignments.admit(tenant, self.client, user);
        if assigned || kind == Kind::Delegated { Ok(()) } else { Err(Refusal::new(50_105)) }
    }

    fn permissions(
        &self,
        presence: Presence,
        asked: &Asked,
        resource: &str,
    ) -> Result<BTreeSet<String>, Refusal> {
        let absent = self.world.script().doubts.absent_application;
        let directory = self.world.directory();
        directory.catalogue.check(asked)?;
        let tenant = presence.tenant;
        if directory.principal(tenant, self.client).is_none() {
            return Err(self.refusal(absent, resource, tenant));
        }
        if !directory.has_resource(tenant, resource) {
            return Err(Refusal::new(500_011).about(resource));
        }
        let permissions = directory.granted(presence, self.client, resource);
        if suffice(&permissions, asked, resource) {
            return Ok(permissions);
        }
        if self.version == Version::V1 && !is_registered(&directory, self.client, resource) {
            return Err(self.refusal(650_057, resource, tenant));
        }
        Err(self.refusal(65_001, resource, tenant))
    }

    fn refusal(&self, number: u32, resource: &str, tenant: TenantId) -> Refusal {
        Refusal::new(number).about(&format!("{} for {resource} in {tenant}", self.client))
    }

    /// The format of an access token is its resource's choice.
    fn v2_audience(&self, resource: &str) -> Option<ClientId> {
        let directory = self.world.directory();
        let of_resource = directory.catalogue.client_id(resource)?;
        let application = directory.find_application(of_resource)?;
        (application.access_token_version == 2).then_some(of_resource)
    }
}

/// `.default`, and a request for nothing but a sign-in, are content with any grant.
fn suffice(granted: &BTreeSet<String>, asked: &Asked, resource: &str) -> bool {
    let wanted = asked.permissions(resource);
    if wanted.contains(".default") {
        return !granted.is_empty();
    }
    wanted.iter().all(|name| granted.contains(*name))
}

fn is_registered(directory: &Directory, client: ClientId, resource: &str) -> bool {
    let application = directory.application(client);
    application.is_ok_and(|known| known.permissions.iter().any(|(of, _)| of == resource))
}
