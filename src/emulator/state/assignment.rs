//! Who may use an application where a tenant wants its users assigned.
//!
//! Source: Microsoft Graph, `appRoleAssignmentRequired` of the `servicePrincipal` resource.

use std::collections::{HashMap, HashSet};

use crate::model::tenant::{ClientId, TenantId, UserId};

/// The users assigned to applications; everyone may use one that is not listed.
#[derive(Debug, Default)]
pub(crate) struct Assignments(HashMap<(TenantId, ClientId), HashSet<UserId>>);

impl Assignments {
    /// Wants users assigned from now on, and assigns these.
    pub(crate) fn require(
        &mut self,
        tenant: TenantId,
        client: ClientId,
        users: impl IntoIterator<Item = UserId>,
    ) {
        self.0.insert((tenant, client), users.into_iter().collect());
    }

    pub(crate) fn admit(&self, tenant: TenantId, client: ClientId, user: UserId) -> bool {
        self.0.get(&(tenant, client)).is_none_or(|assigned| assigned.contains(&user))
    }
}
