//! Service principals: an application's presence in a tenant.
//!
//! The principals of resources are there without being remembered, so that a thousand tenants cost
//! little; only what was made or removed is.
//!
//! Source: Microsoft Graph, the `servicePrincipal` resource.

use std::collections::BTreeSet;
use std::time::SystemTime;

use uuid::Uuid;

use super::Directory;
use crate::emulator::state::catalogue::derived;
use crate::model::tenant::{ClientId, TenantId};

/// A service principal that was made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Principal {
    id: Uuid,
    visible_from: SystemTime,
}

impl Directory {
    /// The object id of an application's principal in a tenant, once everybody can see it.
    pub(crate) fn principal(&self, tenant: TenantId, client: ClientId) -> Option<Uuid> {
        match self.made(tenant, client) {
            Some(made) => made.filter(|made| made.visible_from <= self.now()).map(|made| made.id),
            None => self.implied(tenant, client),
        }
    }

    /// The same as its writers see it, who need not wait until everybody does.
    pub(crate) fn principal_as_written(&self, tenant: TenantId, client: ClientId) -> Option<Uuid> {
        match self.made(tenant, client) {
            Some(made) => made.map(|made| made.id),
            None => self.implied(tenant, client),
        }
    }

    /// Every principal of a tenant that everybody can see.
    pub(crate) fn principals(&self, tenant: TenantId) -> Vec<(ClientId, Uuid)> {
        let made = self.tenants.get(&tenant).into_iter().flat_map(|there| there.principals.keys());
        let resources = self.catalogue.client_ids();
        let clients: BTreeSet<ClientId> = made.copied().chain(resources).collect();
        let visible = |client| Some((client, self.principal(tenant, client)?));
        clients.into_iter().filter_map(visible).collect()
    }

    /// Makes a principal that everybody sees at once; one that is there stays as it is.
    pub(crate) fn add_principal(&mut self, tenant: TenantId, client: ClientId) -> Uuid {
        let now = self.now();
        self.make_principal(tenant, client, now)
    }

    pub(super) fn make_principal(
        &mut self,
        tenant: TenantId,
        client: ClientId,
        visible_from: SystemTime,
    ) -> Uuid {
        if let Some(id) = self.principal_as_written(tenant, client) {
            return id;
        }
        let id = self.chance.guid();
        let made = Some(Principal { id, visible_from });
        self.tenant_mut(tenant).principals.insert(client, made);
        id
    }

    /// Removes a principal with the grants that it has and, if it is a resource's, that others
    /// have on it.
    pub(crate) fn remove_principal(&mut self, tenant: TenantId, client: ClientId) {
        let resource = self.catalogue.resource_of(&client.to_string()).map(str::to_owned);
        let there = self.tenant_mut(tenant);
        there.grants.remove(&client);
        let Some(resource) = resource else {
            there.principals.remove(&client);
            return;
        };
        there.principals.insert(client, None);
        for grants in there.grants.values_mut() {
            grants.remove(&resource);
        }
    }

    /// The object id of a resource's principal in a tenant.
    pub(crate) fn resource_principal(&self, tenant: TenantId, uri: &str) -> Option<Uuid> {
        self.principal(tenant, self.catalogue.client_id(uri)?)
    }

    /// Whether a tenant has the principal of a resource.
    pub(crate) fn has_resource(&self, tenant: TenantId, uri: &str) -> bool {
        let Some(of_resource) = self.catalogue.client_id(uri) else { return false };
        let made = self.made(tenant, of_resource);
        made.is_none_or(|made| made.is_some_and(|made| made.visible_from <= self.now()))
    }

    /// The object id of a directory role in a tenant.
    pub(crate) fn role_object(&self, tenant: TenantId, template: &str) -> Uuid {
        derived([tenant.as_bytes().as_slice(), template.as_bytes()])
    }

    fn made(&self, tenant: TenantId, client: ClientId) -> Option<Option<Principal>> {
        self.tenants.get(&tenant)?.principals.get(&client).copied()
    }

    /// A resource's own principal is in every tenant, until it is removed.
    fn implied(&self, tenant: TenantId, client: ClientId) -> Option<Uuid> {
        self.catalogue.resource_of(&client.to_string())?;
        Some(derived([tenant.as_bytes().as_slice(), client.as_bytes().as_slice()]))
    }
}
