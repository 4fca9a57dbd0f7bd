//! Tenants, users, applications, relationships and grants.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::emulator::client::Application;
use crate::emulator::errors::Refusal;
use crate::emulator::random;
use crate::emulator::scopes::{Asked, Catalogue};
use crate::model::tenant::{ClientId, TenantId, UserId};

/// Somebody who can sign in, with what they know and hold.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The tenant this account is in.
    pub tenant: TenantId,
    /// Its object id there.
    pub id: UserId,
    /// The name to sign in with.
    pub name: String,
    /// The password.
    pub password: String,
    /// What the person's authenticator shows, always the same six digits.
    pub code: String,
}

impl fmt::Debug for User {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, id, name, .. } = self;
        let mut user = out.debug_struct("User");
        user.field("tenant", tenant).field("id", id).field("name", name).finish_non_exhaustive()
    }
}

/// A user's second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MfaMethod {
    /// None: signing in asks for the password only, and tokens do not say `mfa`.
    None,
    /// A code from an authenticator.
    Registered,
}

/// What can be changed about a user.
#[derive(Clone)]
#[non_exhaustive]
pub struct Account {
    /// The second factor; registered by default.
    pub mfa: MfaMethod,
    /// Whether this user may grant what needs an administrator; true by default.
    pub administrator: bool,
    /// Whether the account is blocked from signing in.
    pub disabled: bool,
    /// Role template ids for the claim `wids`; where there is none, tokens lack the claim, as they
    /// do when the resource does not ask for it.
    pub roles: Vec<String>,
    /// The name that people see.
    pub display_name: String,
    name: String,
    /// The account that this one is a guest copy of, or itself.
    person: Person,
    password: String,
    code: String,
    revocations: u32,
}

impl fmt::Debug for Account {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, mfa, administrator, disabled, .. } = self;
        out.debug_struct("Account")
            .field("name", name)
            .field("mfa", mfa)
            .field("administrator", administrator)
            .field("disabled", disabled)
            .finish_non_exhaustive()
    }
}

impl Account {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) const fn revocations(&self) -> u32 {
        self.revocations
    }

    pub(crate) fn knows(&self, password: &str) -> bool {
        self.password == password
    }

    pub(crate) fn shows(&self, code: &str) -> bool {
        self.code == code
    }

    pub(crate) fn revoke_sessions(&mut self) {
        self.revocations += 1;
    }

    pub(crate) fn change_password(&mut self) -> String {
        self.password = random::word();
        self.password.clone()
    }
}

/// An account in the tenant it belongs to: the same person wherever they are a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) tenant: TenantId,
    pub(crate) user: UserId,
}

/// How a person appears in a tenant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Presence {
    pub(crate) tenant: TenantId,
    pub(crate) user: UserId,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Member,
    Guest,
    /// By a partner's delegated administration of a customer.
    Delegated,
}

/// Permissions of one resource that an application was granted in a tenant.
#[derive(Debug, Default)]
struct Granted {
    everyone: BTreeSet<String>,
    each: HashMap<UserId, BTreeSet<String>>,
}

type GrantKey = (TenantId, ClientId, String);

/// Everything an administrator could see.
#[derive(Debug)]
pub(crate) struct Directory {
    tenants: HashMap<TenantId, String>,
    accounts: HashMap<Person, Account>,
    names: HashMap<(TenantId, String), UserId>,
    homes: HashMap<String, Person>,
    guests: HashMap<(Person, TenantId), UserId>,
    relationships: HashSet<(TenantId, TenantId)>,
    customers: HashMap<TenantId, BTreeMap<TenantId, String>>,
    applications: HashMap<ClientId, Application>,
    grants: HashMap<GrantKey, Granted>,
    pub(crate) catalogue: Catalogue,
}

impl Directory {
    pub(crate) fn new() -> Self {
        let tenants = HashMap::from([(personal_tenant(), "Personal accounts".to_owned())]);
        Self {
            tenants,
            accounts: HashMap::new(),
            names: HashMap::new(),
            homes: HashMap::new(),
            guests: HashMap::new(),
            relationships: HashSet::new(),
            customers: HashMap::new(),
            applications: HashMap::new(),
            grants: HashMap::new(),
            catalogue: Catalogue::new(),
        }
    }

    pub(crate) fn add_tenant(&mut self, tenant: TenantId, name: &str) {
        self.tenants.insert(tenant, name.to_owned());
    }

    pub(crate) fn remove_tenant(&mut self, tenant: TenantId) {
        self.tenants.remove(&tenant);
    }

    pub(crate) fn tenant_name(&self, tenant: TenantId) -> Option<&str> {
        self.tenants.get(&tenant).map(String::as_str)
    }

    pub(crate) fn add_user(&mut self, tenant: TenantId, name: &str) -> User {
        self.tenants.entry(tenant).or_insert_with(|| tenant.to_string());
        let person = Person { tenant, user: new_user_id() };
        self.homes.insert(name.to_lowercase(), person);
        self.place(tenant, person.user, new_account(person, name))
    }

    /// The same person as a guest: their own object id, but the home account's password and code.
    pub(crate) fn add_guest(&mut self, home: &User, tenant: TenantId) -> User {
        let person = Person { tenant: home.tenant, user: home.id };
        self.tenants.entry(tenant).or_insert_with(|| tenant.to_string());
        let id = new_user_id();
        let mut account = new_account(person, &home.name);
        account.password.clone_from(&home.password);
        account.code.clone_from(&home.code);
        self.guests.insert((person, tenant), id);
        self.place(tenant, id, account)
    }

    fn place(&mut self, tenant: TenantId, id: UserId, account: Account) -> User {
        let (name, password) = (account.name.clone(), account.password.clone());
        let code = account.code.clone();
        self.names.insert((tenant, name.to_lowercase()), id);
        self.accounts.insert(Person { tenant, user: id }, account);
        User { tenant, id, name, password, code }
    }

    pub(crate) fn account(&self, tenant: TenantId, user: UserId) -> Option<&Account> {
        self.accounts.get(&Person { tenant, user })
    }

    pub(crate) fn account_mut(&mut self, tenant: TenantId, user: UserId) -> Option<&mut Account> {
        self.accounts.get_mut(&Person { tenant, user })
    }

    /// Whose name it is: in `tenant`, guests included, or else wherever the account is at home.
    pub(crate) fn person_named(&self, name: &str, tenant: Option<TenantId>) -> Option<Person> {
        let name = name.trim().to_lowercase();
        let Some(tenant) = tenant else { return self.homes.get(&name).copied() };
        let user = *self.names.get(&(tenant, name))?;
        Some(self.account(tenant, user)?.person)
    }

    /// How a person appears in a tenant, or why not at all.
    pub(crate) fn presence(&self, person: Person, tenant: TenantId) -> Result<Presence, Refusal> {
        if !self.tenants.contains_key(&tenant) {
            return Err(Refusal::new(90_002).about(&tenant.to_string()));
        }
        let as_user = |user, kind| Ok(Presence { tenant, user, kind });
        if person.tenant == tenant {
            return as_user(person.user, Kind::Member);
        }
        if let Some(guest) = self.guests.get(&(person, tenant)) {
            return as_user(*guest, Kind::Guest);
        }
        if self.relationships.contains(&(person.tenant, tenant)) {
            return as_user(person.user, Kind::Delegated);
        }
        Err(Refusal::new(50_020))
    }

    pub(crate) fn relate(&mut self, partner: TenantId, customer: TenantId, name: &str) {
        self.relationships.insert((partner, customer));
        self.customers.entry(partner).or_default().insert(customer, name.to_owned());
    }

    /// The relationship ends; the customer stays in the partner's list, without delegated access.
    pub(crate) fn end_relationship(&mut self, partner: TenantId, customer: TenantId) {
        self.relationships.remove(&(partner, customer));
    }

    pub(crate) fn customers(&self, partner: TenantId) -> Vec<(TenantId, String, bool)> {
        let of = self.customers.get(&partner).into_iter().flatten();
        of.map(|(customer, name)| {
            (*customer, name.clone(), self.relationships.contains(&(partner, *customer)))
        })
        .collect()
    }

    pub(crate) fn register(&mut self, application: Application) {
        let home = application.home;
        self.tenants.entry(home).or_insert_with(|| "Vendor".to_owned());
        for (resource, permission) in &application.permissions {
            self.catalogue.learn(resource, permission);
        }
        self.applications.insert(application.client_id, application);
    }

    pub(crate) fn application(&self, client: ClientId) -> Result<&Application, Refusal> {
        let missing = || Refusal::new(700_016).about(&client.to_string());
        self.applications.get(&client).ok_or_else(missing)
    }

    /// Adds permissions for everyone in a tenant, or for one user.
    pub(crate) fn grant<'p>(
        &mut self,
        (tenant, client, resource): (TenantId, ClientId, &str),
        user: Option<UserId>,
        permissions: impl IntoIterator<Item = &'p str>,
    ) {
        let granted = self.grants.entry((tenant, client, resource.to_owned())).or_default();
        let set = match user {
            Some(user) => granted.each.entry(user).or_default(),
            None => &mut granted.everyone,
        };
        set.extend(permissions.into_iter().map(str::to_owned));
    }

    pub(crate) fn withdraw(&mut self, tenant: TenantId, client: ClientId) {
        self.grants.retain(|(known, of, _), _| (*known, *of) != (tenant, client));
    }

    /// What an application may do for somebody: what the whole tenant was granted, and what this
    /// user agreed to, which a delegated administrator never could in a customer's tenant.
    pub(crate) fn granted(
        &self,
        presence: Presence,
        client: ClientId,
        resource: &str,
    ) -> BTreeSet<String> {
        let key = (presence.tenant, client, resource.to_owned());
        let Some(granted) = self.grants.get(&key) else { return BTreeSet::new() };
        let mut all = granted.everyone.clone();
        all.extend(granted.each.get(&presence.user).into_iter().flatten().cloned());
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
}

fn new_account(person: Person, name: &str) -> Account {
    let display_name = name.split('@').next().unwrap_or(name).to_owned();
    Account {
        mfa: MfaMethod::Registered,
        administrator: true,
        disabled: false,
        roles: Vec::new(),
        display_name,
        name: name.to_owned(),
        person,
        password: random::word(),
        code: random::digits(),
        revocations: 0,
    }
}

/// Where personal Microsoft accounts live.
pub(crate) fn personal_tenant() -> TenantId {
    TenantId::parse("9188040d-6c67-4c5b-b112-36a304b66dad").expect("a GUID")
}

pub(crate) fn new_tenant_id() -> TenantId {
    TenantId::parse(&random::guid().to_string()).expect("a random GUID is not all zero")
}

fn new_user_id() -> UserId {
    UserId::parse(&random::guid().to_string()).expect("a random GUID is not all zero")
}
