//! Who can sign in, and how they appear in a tenant.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Directory, Tenant};
use crate::emulator::refusal::Refusal;
use crate::model::tenant::{TenantId, UserId};

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
    /// What the person's second factor shows, always the same six digits.
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
    Authenticator,
    /// A code by text message.
    Phone,
}

/// What can be changed about a user.
#[derive(Clone)]
#[non_exhaustive]
pub struct Account {
    /// The second factor; an authenticator by default.
    pub mfa: MfaMethod,
    /// Whether this user may grant what needs an administrator; true by default.
    pub administrator: bool,
    /// Whether the account is blocked from signing in.
    pub disabled: bool,
    /// Whether too many wrong passwords have locked it.
    pub locked: bool,
    /// Whether the password is to be changed at the next sign-in.
    pub must_change_password: bool,
    /// Template ids of directory roles, for the claim `wids` and for Graph. Tokens lack the claim
    /// where nobody asks for it; else it names the role of every member as well.
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
        let Self { name, mfa, administrator, disabled, locked, must_change_password, .. } = self;
        out.debug_struct("Account")
            .field("name", name)
            .field("mfa", mfa)
            .field("administrator", administrator)
            .field("disabled", disabled)
            .field("locked", locked)
            .field("must_change_password", must_change_password)
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

    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    pub(crate) fn shows(&self, code: &str) -> bool {
        self.code == code
    }

    pub(crate) fn revoke_sessions(&mut self) {
        self.revocations += 1;
    }

    /// Takes what can be changed about a user from a copy; all else stays as it is by now.
    pub(crate) fn become_like(&mut self, changed: Self) {
        let was = std::mem::replace(self, changed);
        let Self { name, person, password, code, revocations, .. } = was;
        (self.name, self.person, self.password) = (name, person, password);
        (self.code, self.revocations) = (code, revocations);
    }

    pub(crate) fn set_password(&mut self, password: &str) {
        password.clone_into(&mut self.password);
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

impl Directory {
    /// A user, whose domain becomes their tenant's unless another has it.
    pub(crate) fn add_user(&mut self, tenant: TenantId, name: &str) -> User {
        let person = Person { tenant, user: self.new_user_id() };
        self.homes.insert(name.to_lowercase(), person);
        let user = self.place(tenant, person.user, self.new_account(person, name));
        if let Some((_, domain)) = name.rsplit_once('@') {
            self.add_domain(tenant, domain);
        }
        self.join_admin_agents(person);
        user
    }

    /// The same person as a guest: their own object id, but the home account's password and code.
    pub(crate) fn add_guest(&mut self, home: &User, tenant: TenantId) -> User {
        let person = Person { tenant: home.tenant, user: home.id };
        let id = self.new_user_id();
        let mut account = self.new_account(person, &home.name);
        account.password.clone_from(&home.password);
        account.code.clone_from(&home.code);
        self.tenant_mut(tenant).guests.insert(person, id);
        self.place(tenant, id, account)
    }

    fn place(&mut self, tenant: TenantId, id: UserId, account: Account) -> User {
        let (name, password) = (account.name.clone(), account.password.clone());
        let code = account.code.clone();
        let there = self.tenant_mut(tenant);
        there.names.insert(name.to_lowercase(), id);
        there.accounts.insert(id, account);
        User { tenant, id, name, password, code }
    }

    /// Deletes an account, and its place in every group.
    pub(crate) fn remove_user(&mut self, tenant: TenantId, user: UserId) {
        let Some(there) = self.tenants.get_mut(&tenant) else { return };
        there.accounts.remove(&user);
        there.names.retain(|_, id| *id != user);
        there.guests.retain(|_, id| *id != user);
        there.groups.values_mut().for_each(|group| group.leave(user));
        self.homes.retain(|_, person| *person != Person { tenant, user });
    }

    pub(crate) fn account(&self, tenant: TenantId, user: UserId) -> Option<&Account> {
        self.tenants.get(&tenant)?.accounts.get(&user)
    }

    pub(crate) fn account_mut(&mut self, tenant: TenantId, user: UserId) -> Option<&mut Account> {
        self.tenants.get_mut(&tenant)?.accounts.get_mut(&user)
    }

    /// Whose name it is: in `tenant`, guests included, or else wherever the account is at home.
    pub(crate) fn person_named(&self, name: &str, tenant: Option<TenantId>) -> Option<Person> {
        let name = name.trim().to_lowercase();
        let Some(tenant) = tenant else { return self.homes.get(&name).copied() };
        let there = self.tenants.get(&tenant)?;
        Some(there.accounts.get(there.names.get(&name)?)?.person)
    }

    /// How a person appears in a tenant, or why not at all.
    pub(crate) fn presence(&self, person: Person, tenant: TenantId) -> Result<Presence, Refusal> {
        let unknown = || Refusal::new(90_002).about(&tenant.to_string());
        let there = self.tenants.get(&tenant).ok_or_else(unknown)?;
        let (user, kind) = if person.tenant == tenant {
            (person.user, Kind::Member)
        } else if let Some(guest) = there.guests.get(&person) {
            (*guest, Kind::Guest)
        } else if self.administers(person, tenant) {
            (person.user, Kind::Delegated)
        } else {
            return Err(Refusal::new(50_020));
        };
        Ok(Presence { tenant, user, kind })
    }

    fn new_account(&self, person: Person, name: &str) -> Account {
        let display_name = name.split('@').next().unwrap_or(name).to_owned();
        Account {
            mfa: MfaMethod::Authenticator,
            administrator: true,
            disabled: false,
            locked: false,
            must_change_password: false,
            roles: Vec::new(),
            display_name,
            name: name.to_owned(),
            person,
            password: self.chance.word(),
            code: self.chance.digits(),
            revocations: 0,
        }
    }
}

impl Tenant {
    /// Whoever is at home in a tenant: not its guests.
    pub(super) fn members(&self) -> impl Iterator<Item = UserId> {
        let members = self.accounts.iter().filter(|(user, account)| account.person.user == **user);
        members.map(|(user, _)| *user)
    }
}
