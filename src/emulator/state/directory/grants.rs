//! Delegated permissions that applications were granted, for everyone in a tenant or for one user.
//!
//! Source: Microsoft Graph, the `oAuth2PermissionGrant` resource.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::{Directory, Presence};
use crate::emulator::scopes::Asked;
use crate::model::clock::{from_unix_seconds, later};
use crate::model::tenant::{ClientId, TenantId, UserId};

/// Permissions of one resource that an application was granted in a tenant.
#[derive(Debug, Default)]
pub(super) struct Granted {
    everyone: Permissions,
    each: BTreeMap<UserId, Permissions>,
}

/// Names, each with the time from which everybody sees it.
type Permissions = BTreeMap<String, SystemTime>;

/// A grant as Graph lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GrantView {
    pub(crate) id: String,
    /// The resource's URI.
    pub(crate) resource: String,
    /// Whom it is for; everyone if nobody is named.
    pub(crate) user: Option<UserId>,
    pub(crate) permissions: BTreeSet<String>,
}

impl Directory {
    /// Adds permissions for everyone in a tenant, or for one user, as a consent at sign-in does:
    /// they count at once. The application gets a principal there.
    pub(crate) fn grant<'p>(
        &mut self,
        (tenant, client, resource): (TenantId, ClientId, &str),
        user: Option<UserId>,
        permissions: impl IntoIterator<Item = &'p str>,
    ) {
        let now = self.now();
        self.make_principal(tenant, client, now);
        self.write((tenant, client, resource), user, permissions, now);
    }

    /// Adds permissions for everyone in a tenant from elsewhere, as Partner Center does: they and a
    /// new principal count only once that has spread.
    pub(crate) fn provision<'p>(
        &mut self,
        (tenant, client, resource): (TenantId, ClientId, &str),
        permissions: impl IntoIterator<Item = &'p str>,
    ) {
        let spread = later(self.now(), self.consents_take);
        self.make_principal(tenant, client, spread);
        self.write((tenant, client, resource), None, permissions, spread);
    }

    fn write<'p>(
        &mut self,
        (tenant, client, resource): (TenantId, ClientId, &str),
        user: Option<UserId>,
        permissions: impl IntoIterator<Item = &'p str>,
        visible_from: SystemTime,
    ) {
        self.restore_resource(tenant, resource);
        let of_client = self.tenant_mut(tenant).grants.entry(client).or_default();
        let granted = of_client.entry(resource.to_owned()).or_default();
        let known = match user {
            Some(user) => granted.each.entry(user).or_default(),
            None => &mut granted.everyone,
        };
        for permission in permissions {
            known.entry(permission.to_owned()).or_insert(visible_from);
        }
    }

    /// Nothing can be granted on a resource that has no principal, so granting makes one.
    fn restore_resource(&mut self, tenant: TenantId, resource: &str) {
        if let Some(of_resource) = self.catalogue.client_id(resource) {
            self.add_principal(tenant, of_resource);
        }
    }

    /// Takes every grant of an application in a tenant away; its principal stays.
    pub(crate) fn withdraw(&mut self, tenant: TenantId, client: ClientId) {
        self.tenant_mut(tenant).grants.remove(&client);
    }

    /// What an application may do for somebody: what the whole tenant was granted, and what this
    /// user agreed to, which a delegated administrator never could in a customer's tenant.
    pub(crate) fn granted(
        &self,
        presence: Presence,
        client: ClientId,
        resource: &str,
    ) -> BTreeSet<String> {
        let there = self.tenants.get(&presence.tenant);
        let of_client = there.and_then(|there| there.grants.get(&client));
        let Some(granted) = of_client.and_then(|grants| grants.get(resource)) else {
            return BTreeSet::new();
        };
        let now = self.now();
        let mut all = visible(&granted.everyone, now);
        all.extend(granted.each.get(&presence.user).into_iter().flat_map(|own| visible(own, now)));
        all
    }

    /// The permissions asked for that nobody has granted yet. `.default` asks for everything that
    /// the application registered, and only as long as its resource has no grant at all.
    pub(crate) fn ungranted(
        &self,
        asked: &Asked,
        presence: Presence,
        client: ClientId,
    ) -> Vec<(String, String)> {
        let registered = self.applications.get(&client).map(|app| app.permissions.clone());
        let mut wanted = BTreeSet::new();
        for (resource, permission) in &asked.named {
            let granted = self.granted(presence, client, resource);
            if permission == ".default" && granted.is_empty() {
                wanted.extend(registered.clone().unwrap_or_default());
            } else if permission != ".default" {
                wanted.insert((resource.clone(), permission.clone()));
            }
        }
        let missing = |(resource, permission): &(String, String)| {
            !self.granted(presence, client, resource).contains(permission)
        };
        wanted.into_iter().filter(missing).collect()
    }

    /// The grants of an application in a tenant that everybody can see.
    pub(crate) fn grants_of(&self, tenant: TenantId, client: ClientId) -> Vec<GrantView> {
        let principal = self.principal(tenant, client);
        principal.map_or_else(Vec::new, |id| self.views((tenant, client), id, self.now()))
    }

    /// An application's grants in a tenant as their writers see them.
    pub(crate) fn grants_as_written(&self, tenant: TenantId, client: ClientId) -> Vec<GrantView> {
        let ever = from_unix_seconds(u64::MAX);
        let principal = self.principal_as_written(tenant, client);
        principal.map_or_else(Vec::new, |id| self.views((tenant, client), id, ever))
    }

    /// The applications that were granted anything in a tenant.
    pub(crate) fn grantees(&self, tenant: TenantId) -> impl Iterator<Item = ClientId> {
        let there = self.tenants.get(&tenant).into_iter();
        there.flat_map(|there| there.grants.keys().copied())
    }

    fn views(
        &self,
        (tenant, client): (TenantId, ClientId),
        principal: Uuid,
        at: SystemTime,
    ) -> Vec<GrantView> {
        let there = self.tenants.get(&tenant);
        let grants = there.and_then(|there| there.grants.get(&client)).into_iter().flatten();
        let mut views = Vec::new();
        for (resource, granted) in grants {
            let Some(of_resource) = self.resource_principal(tenant, resource) else { continue };
            let users = granted.each.iter().map(|(user, own)| (Some(*user), own));
            for (user, permissions) in std::iter::once((None, &granted.everyone)).chain(users) {
                let permissions = visible(permissions, at);
                if !permissions.is_empty() {
                    let id = grant_id(principal, of_resource, user);
                    views.push(GrantView { id, resource: resource.clone(), user, permissions });
                }
            }
        }
        views
    }
}

fn visible(permissions: &Permissions, at: SystemTime) -> BTreeSet<String> {
    let seen = permissions.iter().filter(|(_, from)| **from <= at);
    seen.map(|(name, _)| name.clone()).collect()
}

/// Made of the ids that it joins, so that it need not be remembered.
fn grant_id(client: Uuid, resource: Uuid, user: Option<UserId>) -> String {
    let mut bytes = [client.into_bytes(), resource.into_bytes()].concat();
    bytes.extend(user.iter().flat_map(UserId::as_bytes));
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::{Kind, personal_tenant};
    use super::*;
    use crate::emulator::chance::Chance;
    use crate::emulator::scopes::GRAPH;
    use crate::model::clock::VirtualClock;

    #[test]
    fn what_takes_for_ever_is_never_seen() {
        let mut directory =
            Directory::new(Arc::new(Chance::new(None)), Arc::new(VirtualClock::default()));
        let client = ClientId::parse("22222222-2222-4222-8222-222222222222").expect("a GUID");
        directory.consents_take = Duration::MAX;
        directory.provision((personal_tenant(), client, GRAPH), ["User.Read"]);
        assert!(directory.grants_of(personal_tenant(), client).is_empty());
        assert_eq!(directory.grants_as_written(personal_tenant(), client).len(), 1);
    }

    #[test]
    fn what_was_provisioned_is_seen_by_its_writer_at_once_and_by_all_once_it_has_spread() {
        let clock = VirtualClock::default();
        let mut directory = Directory::new(Arc::new(Chance::new(None)), Arc::new(clock.clone()));
        let client = ClientId::parse("22222222-2222-4222-8222-222222222222").expect("a GUID");
        let user = UserId::parse("33333333-3333-4333-8333-333333333333").expect("a GUID");
        let tenant = personal_tenant();
        let presence = Presence { tenant, user, kind: Kind::Delegated };
        directory.consents_take = Duration::from_secs(30);
        directory.provision((tenant, client, GRAPH), ["User.Read"]);
        clock.advance(Duration::from_secs(29));
        assert_eq!(directory.principal(tenant, client), None);
        assert!(directory.grants_of(tenant, client).is_empty());
        assert!(directory.granted(presence, client, GRAPH).is_empty());
        let written = directory.grants_as_written(tenant, client);
        assert_eq!(written.len(), 1);
        assert!(directory.principal_as_written(tenant, client).is_some());
        clock.advance(Duration::from_secs(1));
        assert!(directory.principal(tenant, client).is_some());
        assert_eq!(directory.grants_of(tenant, client), written);
        directory.provision((tenant, client, GRAPH), ["User.Read", "User.Read.All"]);
        let granted = directory.granted(presence, client, GRAPH);
        assert_eq!(granted, BTreeSet::from(["User.Read".to_owned()]), "what was seen stays seen");
        directory.grant((tenant, client, GRAPH), Some(user), ["Directory.Read.All"]);
        assert_eq!(directory.granted(presence, client, GRAPH).len(), 2, "a sign-in counts at once");
    }
}
