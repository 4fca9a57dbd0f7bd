//! What a test lays out before and between: applications, tenants, users, grants.

use super::Emulator;
use super::client::Application;
use super::state::directory::{Account, User, new_tenant_id, personal_tenant};
use crate::model::registration::AppRegistration;
use crate::model::tenant::{ClientId, TenantId};

impl Emulator {
    /// Registers an application as its vendor's tenant would; one known by its client id is
    /// replaced, credentials included.
    pub fn register(&self, registration: &AppRegistration) {
        self.world().directory().register(Application::of(registration));
    }

    /// Adds a registration's credential and redirect address to those of the same application, as
    /// during a change-over.
    pub fn register_beside(&self, registration: &AppRegistration) {
        let mut application = Application::of(registration);
        let mut directory = self.world().directory();
        if let Ok(known) = directory.application(application.client_id) {
            application.merge(known.clone());
        }
        directory.register(application);
    }

    /// A new tenant.
    pub fn add_tenant(&self, name: &str) -> TenantId {
        let tenant = new_tenant_id();
        self.world().directory().add_tenant(tenant, name);
        tenant
    }

    /// Deletes a tenant: it is not found from then on (AADSTS90002).
    pub fn remove_tenant(&self, tenant: TenantId) {
        self.world().directory().remove_tenant(tenant);
    }

    /// A new customer tenant that `partner` may administer by an active relationship.
    pub fn add_customer(&self, partner: TenantId, name: &str) -> TenantId {
        let customer = self.add_tenant(name);
        self.world().directory().relate(partner, customer, name);
        customer
    }

    /// Ends the partner's delegated access to a customer.
    pub fn end_relationship(&self, partner: TenantId, customer: TenantId) {
        self.world().directory().end_relationship(partner, customer);
    }

    /// A new administrator with a second factor; see [`change_user`](Self::change_user). A tenant
    /// that is not known is made.
    pub fn add_user(&self, tenant: TenantId, name: &str) -> User {
        self.world().directory().add_user(tenant, name)
    }

    /// Invites a user to another tenant. The guest signs in with the home account's name, password
    /// and code; the second factor and the sessions are the home account's too.
    pub fn add_guest(&self, home: &User, tenant: TenantId) -> User {
        self.world().directory().add_guest(home, tenant)
    }

    /// A personal Microsoft account: it can sign in at `common` only.
    pub fn add_personal_user(&self, name: &str) -> User {
        self.world().directory().add_user(personal_tenant(), name)
    }

    /// Changes a user's account. A user who is not known is left alone.
    pub fn change_user(&self, user: &User, change: impl FnOnce(&mut Account)) {
        if let Some(account) = self.world().directory().account_mut(user.tenant, user.id) {
            change(account);
        }
    }

    /// Revokes the user's sessions: every refresh token issued so far is refused (AADSTS50173).
    pub fn revoke_sessions(&self, user: &User) {
        self.change_user(user, Account::revoke_sessions);
    }

    /// Gives the user another password. Microsoft's sources disagree on whether refresh tokens of
    /// confidential clients survive that, so the caller says whether sessions are revoked.
    #[must_use]
    pub fn change_password(&self, user: &User, revokes_sessions: bool) -> User {
        let mut changed = user.clone();
        self.change_user(user, |account| {
            changed.password = account.change_password();
            if revokes_sessions {
                account.revoke_sessions();
            }
        });
        changed
    }

    /// Grants an application permissions for everyone in a tenant, in addition to earlier ones.
    pub fn grant(&self, tenant: TenantId, client: ClientId, resource: &str, permissions: &[&str]) {
        let mut directory = self.world().directory();
        directory.grant((tenant, client, resource), None, permissions.iter().copied());
    }

    /// Takes all that an application was granted in a tenant away, users' own grants included.
    pub fn withdraw_grants(&self, tenant: TenantId, client: ClientId) {
        self.world().directory().withdraw(tenant, client);
    }
}
