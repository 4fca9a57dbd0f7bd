//! Granular delegated administration of customers by partners (GDAP).
//!
//! Source: Microsoft Graph, the `delegatedAdminRelationship` and `delegatedAdminAccessAssignment`
//! resources; Partner Center, "GDAP frequently asked questions".

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use super::{Directory, GroupId, Kind, Person, Presence, role};
use crate::model::tenant::{TenantId, UserId};

/// A partner's delegated administration of a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Relationship {
    /// Its id.
    pub id: String,
    /// The name that people see.
    pub name: String,
    /// Where it stands; one that is active ends by itself at [`ends`](Self::ends).
    pub status: RelationshipStatus,
    /// Template ids of the directory roles that the customer agreed to.
    pub roles: Vec<String>,
    /// When it began.
    pub begins: SystemTime,
    /// When it ends by itself.
    pub ends: SystemTime,
    /// Which of the partner's groups have which of the roles.
    pub assignments: Vec<(GroupId, Vec<String>)>,
}

/// Where a relationship stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelationshipStatus {
    /// The partner has not asked for it yet.
    Created,
    /// The customer has not answered yet.
    ApprovalPending,
    /// The customer agreed, and it is being set up.
    Activating,
    /// It is in force.
    Active,
    /// It ended by itself.
    Expired,
    /// One side ended it.
    Terminated,
}

impl RelationshipStatus {
    /// As Graph spells it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::ApprovalPending => "approvalPending",
            Self::Activating => "activating",
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Terminated => "terminated",
        }
    }
}

impl Relationship {
    /// Where it stands at a time.
    pub(crate) fn status_at(&self, now: SystemTime) -> RelationshipStatus {
        match self.status {
            RelationshipStatus::Active if now >= self.ends => RelationshipStatus::Expired,
            status => status,
        }
    }

    fn is_active(&self, now: SystemTime) -> bool {
        self.status_at(now) == RelationshipStatus::Active
    }
}

/// A customer as its partner keeps it.
#[derive(Debug, Default)]
pub(super) struct Customer {
    name: String,
    /// In the order in which they were made.
    relationships: Vec<Relationship>,
}

impl Directory {
    /// A customer that a partner sells to; that alone admits nobody to the customer's tenant.
    pub(crate) fn add_customer(&mut self, partner: TenantId, customer: TenantId) {
        let name = self.tenant_name(customer).unwrap_or_default().to_owned();
        self.tenant_mut(partner).customers.entry(customer).or_default().name = name;
    }

    /// A new relationship with a customer, every role given to `AdminAgents`, active for two years,
    /// the longest that there is.
    pub(crate) fn relate(&mut self, partner: TenantId, customer: TenantId) -> &mut Relationship {
        self.add_customer(partner, customer);
        let (agents, begins) = (self.admin_agents(partner), self.now());
        let roles: Vec<String> = role::ALL.iter().map(|(id, _)| (*id).to_owned()).collect();
        let id = format!("{}-{}", self.chance.guid(), self.chance.guid());
        let known = self.tenant_mut(partner).customers.entry(customer).or_default();
        known.relationships.push(Relationship {
            id,
            name: format!("Administration of {}", known.name),
            status: RelationshipStatus::Active,
            begins,
            ends: begins + TWO_YEARS,
            assignments: vec![(agents, roles.clone())],
            roles,
        });
        known.relationships.last_mut().expect("one was just added")
    }

    /// The relationships end; the customer stays in the partner's list, without delegated access.
    pub(crate) fn end_relationship(&mut self, partner: TenantId, customer: TenantId) {
        let known = self.tenant_mut(partner).customers.get_mut(&customer);
        for relationship in known.into_iter().flat_map(|known| &mut known.relationships) {
            relationship.status = RelationshipStatus::Terminated;
        }
    }

    pub(crate) fn relationship_mut(
        &mut self,
        partner: TenantId,
        id: &str,
    ) -> Option<&mut Relationship> {
        let customers = self.tenants.get_mut(&partner)?.customers.values_mut();
        let mut all = customers.flat_map(|customer| &mut customer.relationships);
        all.find(|relationship| relationship.id == id)
    }

    /// The partner's relationships with all of its customers, each customer by id and name.
    pub(crate) fn relationships(
        &self,
        partner: TenantId,
    ) -> impl Iterator<Item = (TenantId, &str, &Relationship)> {
        let customers = self.tenants.get(&partner).into_iter().flat_map(|there| &there.customers);
        customers.flat_map(|(id, customer)| {
            let all = customer.relationships.iter();
            all.map(|relationship| (*id, customer.name.as_str(), relationship))
        })
    }

    /// Whether somebody is a user of a partner: of a tenant that is not just another's customer.
    pub(crate) fn is_partner_user(&self, tenant: TenantId, user: UserId) -> bool {
        let Some(home) = self.tenants.get(&tenant) else { return false };
        let is_customer = || self.tenants.values().any(|one| one.customers.contains_key(&tenant));
        home.accounts.contains_key(&user) && (!home.customers.is_empty() || !is_customer())
    }

    /// Whether a partner sells to a customer.
    pub(crate) fn sells_to(&self, partner: TenantId, customer: TenantId) -> bool {
        self.tenants.get(&partner).is_some_and(|there| there.customers.contains_key(&customer))
    }

    /// The partner's customers with their names, and whether it may administer them.
    pub(crate) fn customers(&self, partner: TenantId) -> Vec<(TenantId, String, bool)> {
        let now = self.now();
        let customers = self.tenants.get(&partner).into_iter().flat_map(|there| &there.customers);
        customers
            .map(|(id, customer)| (*id, customer.name.clone(), customer.active(now).count() > 0))
            .collect()
    }

    /// Whether somebody may act in a customer's tenant: an active relationship of their own tenant,
    /// a place in a group that it gives roles to and, unless in doubt, one in `AdminAgents`.
    pub(super) fn administers(&self, person: Person, customer: TenantId) -> bool {
        let Some(home) = self.tenants.get(&person.tenant) else { return false };
        let Some(customer) = home.customers.get(&customer) else { return false };
        if self.only_admin_agents && !home.is_admin_agent(person.user) {
            return false;
        }
        let given = |(group, roles): &(GroupId, Vec<String>)| {
            !roles.is_empty() && home.is_member(*group, person.user)
        };
        customer.active(self.now()).any(|found| found.assignments.iter().any(given))
    }

    /// The directory roles that somebody has where they are: those of the account with, unless in
    /// doubt, that of every member; or for a delegated administrator, who has none there, those that
    /// the relationship gives.
    pub(crate) fn roles(&self, person: Person, presence: Presence) -> Vec<String> {
        let Presence { tenant, user, kind } = presence;
        match kind {
            Kind::Delegated => self.delegated_roles(person, tenant).into_iter().collect(),
            Kind::Member | Kind::Guest => {
                let own = self.account(tenant, user).map(|account| account.roles.clone());
                let named = kind == Kind::Member && self.names_every_user;
                let every = named.then(|| role::USER.to_owned());
                own.unwrap_or_default().into_iter().chain(every).collect()
            }
        }
    }

    /// The directory roles that somebody has in a customer's tenant by way of their groups.
    pub(crate) fn delegated_roles(&self, person: Person, customer: TenantId) -> BTreeSet<String> {
        let Some(home) = self.tenants.get(&person.tenant) else { return BTreeSet::new() };
        let customer = home.customers.get(&customer).into_iter();
        let assignments = customer
            .flat_map(|customer| customer.active(self.now()))
            .flat_map(|relationship| &relationship.assignments);
        let given = assignments.filter(|(group, _)| home.is_member(*group, person.user));
        given.flat_map(|(_, roles)| roles.iter().cloned()).collect()
    }
}

impl Customer {
    fn active(&self, now: SystemTime) -> impl Iterator<Item = &Relationship> {
        self.relationships.iter().filter(move |relationship| relationship.is_active(now))
    }
}

const TWO_YEARS: Duration = Duration::from_secs(2 * 365 * 24 * 3600);
