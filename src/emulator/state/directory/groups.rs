//! Security groups. A partner's `AdminAgents` is one: every user of a partner is in it unless told
//! otherwise.
//!
//! Source: Microsoft Graph, the `group` resource; Partner Center, "GDAP role guidance".

use std::collections::BTreeSet;
use std::fmt;

use uuid::Uuid;

use super::{Directory, Person, Tenant};
use crate::model::tenant::{TenantId, UserId};

/// A group's object id within its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId(Uuid);

impl fmt::Display for GroupId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(out)
    }
}

/// A security group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) id: GroupId,
    /// The name that people see.
    pub(crate) name: String,
}

/// A group's name and who is in it.
#[derive(Debug)]
pub(super) struct Members {
    name: String,
    users: BTreeSet<UserId>,
}

impl Members {
    pub(super) fn leave(&mut self, user: UserId) {
        self.users.remove(&user);
    }
}

impl Directory {
    pub(crate) fn add_group(&mut self, tenant: TenantId, name: &str) -> GroupId {
        let id = GroupId(self.chance.guid());
        let members = Members { name: name.to_owned(), users: BTreeSet::new() };
        self.tenant_mut(tenant).groups.insert(id, members);
        id
    }

    /// Whoever is not of the group's tenant does not get in.
    pub(crate) fn add_member(&mut self, group: GroupId, tenant: TenantId, user: UserId) {
        if let Some(members) = self.group_mut(tenant, group) {
            members.users.insert(user);
        }
    }

    pub(crate) fn remove_member(&mut self, group: GroupId, tenant: TenantId, user: UserId) {
        if let Some(members) = self.group_mut(tenant, group) {
            members.leave(user);
        }
    }

    fn group_mut(&mut self, tenant: TenantId, group: GroupId) -> Option<&mut Members> {
        self.tenants.get_mut(&tenant)?.groups.get_mut(&group)
    }

    /// The partner's group of administrators, made with everybody in it if there is none yet.
    pub(crate) fn admin_agents(&mut self, partner: TenantId) -> GroupId {
        let id = GroupId(self.chance.guid());
        let tenant = self.tenant_mut(partner);
        if let Some(known) = tenant.group_named(ADMIN_AGENTS) {
            return known;
        }
        let users = tenant.members().collect();
        tenant.groups.insert(id, Members { name: ADMIN_AGENTS.to_owned(), users });
        id
    }

    pub(super) fn join_admin_agents(&mut self, person: Person) {
        let Person { tenant, user } = person;
        let group = self.tenants.get(&tenant).and_then(|there| there.group_named(ADMIN_AGENTS));
        if let Some(group) = group {
            self.add_member(group, tenant, user);
        }
    }

    /// The groups that somebody is in.
    pub(crate) fn groups_of(&self, tenant: TenantId, user: UserId) -> Vec<Group> {
        let groups = self.tenants.get(&tenant).into_iter().flat_map(|there| &there.groups);
        groups
            .filter(|(_, members)| members.users.contains(&user))
            .map(|(id, members)| Group { id: *id, name: members.name.clone() })
            .collect()
    }
}

impl Tenant {
    fn group_named(&self, name: &str) -> Option<GroupId> {
        self.groups.iter().find(|(_, members)| members.name == name).map(|(id, _)| *id)
    }

    pub(super) fn is_member(&self, group: GroupId, user: UserId) -> bool {
        self.groups.get(&group).is_some_and(|members| members.users.contains(&user))
    }

    pub(super) fn is_admin_agent(&self, user: UserId) -> bool {
        self.group_named(ADMIN_AGENTS).is_some_and(|group| self.is_member(group, user))
    }
}

const ADMIN_AGENTS: &str = "AdminAgents";
