//! Tenants and all that is in them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::application::Application;
use super::assignment::Assignments;
use super::catalogue::Catalogue;
use crate::emulator::chance::Chance;
use crate::emulator::refusal::Refusal;
use crate::model::clock::Clock;
use crate::model::tenant::{ClientId, TenantId, UserId};

mod grants;
mod groups;
mod people;
mod principals;
mod relationships;
pub mod role;

pub(crate) use grants::GrantView;
pub(crate) use groups::Group;
pub use groups::GroupId;
pub use people::{Account, MfaMethod, User};
pub(crate) use people::{Kind, Person, Presence};
pub use relationships::{Relationship, RelationshipStatus};

use grants::Granted;
use groups::Members;
use principals::Principal;
use relationships::Customer;

/// Everything an administrator could see.
pub(crate) struct Directory {
    chance: Arc<Chance>,
    clock: Arc<dyn Clock>,
    tenants: HashMap<TenantId, Tenant>,
    domains: HashMap<String, TenantId>,
    /// Where the names that people sign in with are at home.
    homes: HashMap<String, Person>,
    applications: HashMap<ClientId, Application>,
    /// How long it takes until everybody sees what was provisioned.
    pub(crate) consents_take: Duration,
    /// Whether nobody else acts in a customer's tenant, whatever roles their groups have.
    pub(crate) only_admin_agents: bool,
    /// Whether tokens name the role that every member has.
    pub(crate) names_every_user: bool,
    pub(crate) catalogue: Catalogue,
    pub(crate) assignments: Assignments,
}

/// One tenant. An empty one costs a few hundred bytes.
#[derive(Default)]
struct Tenant {
    name: String,
    /// The first is the one that it was made with.
    domains: Vec<String>,
    accounts: HashMap<UserId, Account>,
    names: HashMap<String, UserId>,
    guests: HashMap<Person, UserId>,
    groups: BTreeMap<GroupId, Members>,
    /// Those whom this tenant sells to.
    customers: BTreeMap<TenantId, Customer>,
    /// Those that were made, and `None` for a resource's that was removed.
    principals: BTreeMap<ClientId, Option<Principal>>,
    /// By application and resource.
    grants: BTreeMap<ClientId, BTreeMap<String, Granted>>,
}

impl Directory {
    pub(crate) fn new(chance: Arc<Chance>, clock: Arc<dyn Clock>) -> Self {
        let mut directory = Self {
            chance,
            clock,
            tenants: HashMap::new(),
            domains: HashMap::new(),
            homes: HashMap::new(),
            applications: HashMap::new(),
            consents_take: Duration::ZERO,
            only_admin_agents: true,
            names_every_user: true,
            catalogue: Catalogue::new(),
            assignments: Assignments::default(),
        };
        directory.add_tenant(personal_tenant(), "Personal accounts");
        directory
    }

    fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// A tenant with its first domain; one that is known gets another name only.
    pub(crate) fn add_tenant(&mut self, tenant: TenantId, name: &str) {
        if let Some(known) = self.tenants.get_mut(&tenant) {
            name.clone_into(&mut known.name);
            return;
        }
        self.tenants.insert(tenant, Tenant { name: name.to_owned(), ..Tenant::default() });
        let word: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let number = tenant.to_string().replace('-', "");
        if word.is_empty() || !self.add_domain(tenant, &format!("{word}.onmicrosoft.com")) {
            self.add_domain(tenant, &format!("{word}{number}.onmicrosoft.com"));
        }
    }

    /// A tenant that is written to; one that is not known is made.
    fn tenant_mut(&mut self, tenant: TenantId) -> &mut Tenant {
        if !self.tenants.contains_key(&tenant) {
            self.add_tenant(tenant, &tenant.to_string());
        }
        self.tenants.get_mut(&tenant).expect("it was made if it was not known")
    }

    pub(crate) fn remove_tenant(&mut self, tenant: TenantId) {
        self.tenants.remove(&tenant);
        self.domains.retain(|_, of| *of != tenant);
        self.homes.retain(|_, person| person.tenant != tenant);
    }

    pub(crate) fn tenant_name(&self, tenant: TenantId) -> Option<&str> {
        self.tenants.get(&tenant).map(|tenant| tenant.name.as_str())
    }

    /// Verifies a domain for a tenant; false if another tenant has it.
    pub(crate) fn add_domain(&mut self, tenant: TenantId, domain: &str) -> bool {
        let domain = domain.to_ascii_lowercase();
        let Some(known) = self.tenants.get_mut(&tenant) else { return false };
        let owner = *self.domains.entry(domain.clone()).or_insert(tenant);
        if owner == tenant && !known.domains.contains(&domain) {
            known.domains.push(domain);
        }
        owner == tenant
    }

    /// A tenant's verified domains, its first one first.
    pub(crate) fn domains(&self, tenant: TenantId) -> &[String] {
        self.tenants.get(&tenant).map_or(&[], |tenant| &tenant.domains)
    }

    /// The tenant that a path segment or a header names: by its id, or by a verified domain.
    pub(crate) fn tenant_named(&self, text: &str) -> Option<TenantId> {
        match TenantId::parse(text) {
            Ok(tenant) => self.tenants.contains_key(&tenant).then_some(tenant),
            Err(_) => self.domains.get(&text.to_ascii_lowercase()).copied(),
        }
    }

    pub(crate) fn register(&mut self, application: Application) {
        let (home, client) = (application.home, application.client_id);
        if !self.tenants.contains_key(&home) {
            self.add_tenant(home, "Vendor");
        }
        for (resource, permission) in &application.permissions {
            self.catalogue.learn(resource, permission);
        }
        self.applications.insert(client, application);
        self.add_principal(home, client);
    }

    pub(crate) fn application(&self, client: ClientId) -> Result<&Application, Refusal> {
        let missing = || Refusal::new(700_016).about(&client.to_string());
        self.find_application(client).ok_or_else(missing)
    }

    pub(crate) fn find_application(&self, client: ClientId) -> Option<&Application> {
        self.applications.get(&client)
    }

    /// Where the vendor is at home; with applications of several homes, the first by id.
    pub(crate) fn vendor(&self) -> Option<TenantId> {
        self.applications.values().map(|application| application.home).min()
    }

    pub(crate) fn application_mut(&mut self, client: ClientId) -> Option<&mut Application> {
        self.applications.get_mut(&client)
    }

    /// The application as a tenant admits it: one of a single tenant is unknown elsewhere, and
    /// cannot be used where no tenant is named; one that is disabled, nowhere.
    pub(crate) fn application_at(
        &self,
        client: ClientId,
        tenant: Option<TenantId>,
    ) -> Result<&Application, Refusal> {
        let application = self.application(client)?;
        let refused = |number| Err(Refusal::new(number).about(&client.to_string()));
        match tenant {
            _ if application.disabled => refused(7_000_112),
            _ if application.multi_tenant => Ok(application),
            None => refused(50_194),
            Some(tenant) if tenant == application.home => Ok(application),
            Some(_) => refused(700_016),
        }
    }

    /// Whether any application registered this address.
    pub(crate) fn knows_redirect(&self, uri: &str) -> bool {
        self.applications.values().any(|application| application.admits_redirect(uri))
    }

    pub(crate) fn new_tenant_id(&self) -> TenantId {
        TenantId::parse(&self.chance.guid().to_string()).expect("a random GUID is not all zero")
    }

    pub(crate) fn new_client_id(&self) -> ClientId {
        ClientId::parse(&self.chance.guid().to_string()).expect("a random GUID is not all zero")
    }

    fn new_user_id(&self) -> UserId {
        UserId::parse(&self.chance.guid().to_string()).expect("a random GUID is not all zero")
    }
}

/// Where personal Microsoft accounts live.
pub(crate) fn personal_tenant() -> TenantId {
    TenantId::parse("9188040d-6c67-4c5b-b112-36a304b66dad").expect("a GUID")
}
