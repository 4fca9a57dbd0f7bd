//! What a test lays out before and between: applications, tenants, users, grants.

use std::time::Duration;

use super::Emulator;
use super::state::application::{Application, Secret};
use super::state::directory::{Account, GroupId, Relationship, User, personal_tenant};
use super::state::manifest::{self, ManifestError};
use crate::model::cloud::{self, Cloud};
use crate::model::invalid::Invalid;
use crate::model::registration::{AppRegistration, ClientCredential};
use crate::model::secret::ClientSecret;
use crate::model::tenant::{ClientId, TenantId};

impl Emulator {
    /// An application of this cloud, its tenant, client id and secret made up. Say what it requests,
    /// then [`register`](Self::register) it.
    ///
    /// # Errors
    /// [`Invalid`] when `redirect_uri` is none that Entra takes: see [`AppRegistration::new`].
    pub fn registration(&self, redirect_uri: &str) -> Result<AppRegistration, Invalid> {
        let (login, graph) = (self.login_origin(), self.graph_origin());
        let partner_center = self.partner_center_origin();
        let origins = cloud::Origins { login, partner_center, graph };
        let cloud = Cloud::danger_loopback("emulator", origins)?;
        let home = self.add_tenant("The vendor");
        let client_id = self.world().directory().new_client_id();
        let credential = ClientCredential::secret(self.world().chance.word())?;
        AppRegistration::new(cloud, home, client_id, credential, redirect_uri)
    }

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

    /// Registers an application from its manifest, in Microsoft Graph's `application` format; one
    /// that has the same `appId` is replaced. A manifest without `appId` is given one.
    ///
    /// # Errors
    /// [`ManifestError`] names the property that Entra would not take.
    pub fn register_manifest(
        &self,
        home: TenantId,
        manifest: &str,
    ) -> Result<RegisteredApplication, ManifestError> {
        let mut directory = self.world().directory();
        let fresh = directory.new_client_id();
        let application = manifest::read(manifest, home, &directory.catalogue, fresh)?;
        let (client_id, name) = (application.client_id, application.name.clone());
        directory.register(application);
        Ok(RegisteredApplication { client_id, home, name })
    }

    /// Adds a delegated permission that a manifest may name to a resource: one of Microsoft's that
    /// the emulator does not list, or one of an API of your own.
    pub fn offer_permission(&self, app_id: ClientId, resource: &str, permission: &str, id: &str) {
        let mut directory = self.world().directory();
        directory.catalogue.offer(&app_id.to_string(), resource, permission, id);
    }

    /// Gives an application another password, which is good until it is
    /// [expired](Self::expire_secrets). `None` if there is no such application.
    pub fn add_secret(&self, client: ClientId) -> Option<ClientSecret> {
        let text = self.world().chance.word();
        let value = ClientSecret::new(text).expect("a random word is visible ASCII");
        let secret = Secret { value: value.clone(), ends: None };
        self.world().directory().application_mut(client)?.secrets.push(secret);
        Some(value)
    }

    /// Ends every password that an application has (AADSTS7000222).
    pub fn expire_secrets(&self, client: ClientId) {
        let now = self.world().now();
        self.change_application(client, |application| {
            application.secrets.iter_mut().for_each(|secret| secret.ends = Some(now));
        });
    }

    /// Gives an application another certificate, in PEM or DER.
    ///
    /// # Errors
    /// [`ManifestError::Invalid`] when it cannot be read.
    pub fn add_certificate(
        &self,
        client: ClientId,
        certificate: &[u8],
    ) -> Result<(), ManifestError> {
        let certificate = manifest::certificate(certificate)?;
        self.change_application(client, |application| application.certificates.push(certificate));
        Ok(())
    }

    /// Disables an application everywhere (AADSTS7000112), or enables it again.
    pub fn disable_application(&self, client: ClientId, disabled: bool) {
        self.change_application(client, |application| application.disabled = disabled);
    }

    /// Whether an assertion of the application counts only once; Entra does not insist on that.
    pub fn one_time_assertions(&self, client: ClientId, once: bool) {
        self.change_application(client, |application| application.one_time_assertions = once);
    }

    fn change_application(&self, client: ClientId, change: impl FnOnce(&mut Application)) {
        if let Some(application) = self.world().directory().application_mut(client) {
            change(application);
        }
    }

    /// A new tenant. Its first domain is its name under `onmicrosoft.com`.
    pub fn add_tenant(&self, name: &str) -> TenantId {
        let mut directory = self.world().directory();
        let tenant = directory.new_tenant_id();
        directory.add_tenant(tenant, name);
        tenant
    }

    /// Verifies another domain for a tenant, which addresses may then name it by. False if another
    /// tenant has it.
    pub fn add_domain(&self, tenant: TenantId, domain: &str) -> bool {
        self.world().directory().add_domain(tenant, domain)
    }

    /// A tenant's verified domains, its first one first.
    #[must_use]
    pub fn domains(&self, tenant: TenantId) -> Vec<String> {
        self.world().directory().domains(tenant).to_vec()
    }

    /// Deletes a tenant: it is not found from then on (AADSTS90002).
    pub fn remove_tenant(&self, tenant: TenantId) {
        self.world().directory().remove_tenant(tenant);
    }

    /// A new customer tenant that `partner` may administer by an active relationship, in which the
    /// group `AdminAgents` has every role.
    pub fn add_customer(&self, partner: TenantId, name: &str) -> TenantId {
        let customer = self.add_tenant(name);
        self.world().directory().relate(partner, customer);
        customer
    }

    /// A new customer tenant that `partner` only sells to: nobody of the partner may enter it.
    pub fn add_reseller_customer(&self, partner: TenantId, name: &str) -> TenantId {
        let customer = self.add_tenant(name);
        self.world().directory().add_customer(partner, customer);
        customer
    }

    /// A relationship between two tenants that are there, beside those that they may have already.
    /// Unless changed it is active for two years and gives every role to `AdminAgents`, as it does
    /// until the change is made.
    pub fn add_relationship(
        &self,
        partner: TenantId,
        customer: TenantId,
        change: impl FnOnce(&mut Relationship),
    ) -> Relationship {
        let mut relationship = self.world().directory().relate(partner, customer).clone();
        let id = relationship.id.clone();
        change(&mut relationship); // without the lock: it may ask the emulator
        self.put_relationship(partner, &id, relationship.clone());
        relationship
    }

    /// Changes a relationship of a partner. One that is not known is left alone.
    pub fn change_relationship(
        &self,
        partner: TenantId,
        id: &str,
        change: impl FnOnce(&mut Relationship),
    ) {
        let known = self.world().directory().relationship_mut(partner, id).cloned();
        let Some(mut relationship) = known else { return };
        change(&mut relationship); // without the lock: it may ask the emulator
        self.put_relationship(partner, id, relationship);
    }

    fn put_relationship(&self, partner: TenantId, id: &str, changed: Relationship) {
        if let Some(relationship) = self.world().directory().relationship_mut(partner, id) {
            *relationship = changed;
        }
    }

    /// Ends the partner's delegated access to a customer: every relationship is terminated.
    pub fn end_relationship(&self, partner: TenantId, customer: TenantId) {
        self.world().directory().end_relationship(partner, customer);
    }

    /// A new security group without members.
    pub fn add_group(&self, tenant: TenantId, name: &str) -> GroupId {
        self.world().directory().add_group(tenant, name)
    }

    /// The group `AdminAgents` of a partner, which every user of the partner is in unless
    /// [removed](Self::remove_member).
    pub fn admin_agents(&self, partner: TenantId) -> GroupId {
        self.world().directory().admin_agents(partner)
    }

    /// Puts a user into a group of the same tenant.
    pub fn add_member(&self, group: GroupId, user: &User) {
        self.world().directory().add_member(group, user.tenant, user.id);
    }

    /// Takes a user out of a group.
    pub fn remove_member(&self, group: GroupId, user: &User) {
        self.world().directory().remove_member(group, user.tenant, user.id);
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

    /// Deletes a user's account (AADSTS50034).
    pub fn remove_user(&self, user: &User) {
        self.world().directory().remove_user(user.tenant, user.id);
    }

    /// Changes a user's account. A user who is not known is left alone.
    pub fn change_user(&self, user: &User, change: impl FnOnce(&mut Account)) {
        let known = self.world().directory().account_mut(user.tenant, user.id).cloned();
        let Some(mut changed) = known else { return };
        change(&mut changed); // without the lock: it may ask the emulator
        self.change_account(user, |account| account.become_like(changed));
    }

    fn change_account(&self, user: &User, change: impl FnOnce(&mut Account)) {
        if let Some(account) = self.world().directory().account_mut(user.tenant, user.id) {
            change(account);
        }
    }

    /// Revokes the user's sessions: every refresh token issued so far is refused (AADSTS50173).
    pub fn revoke_sessions(&self, user: &User) {
        self.change_account(user, Account::revoke_sessions);
    }

    /// Gives the user another password. Microsoft's sources disagree on whether refresh tokens of
    /// confidential clients survive that, so the caller says whether sessions are revoked.
    #[must_use]
    pub fn change_password(&self, user: &User, revokes_sessions: bool) -> User {
        let changed = User { password: self.world().chance.word(), ..user.clone() };
        self.change_account(user, |account| {
            account.set_password(&changed.password);
            if revokes_sessions {
                account.revoke_sessions();
            }
        });
        changed
    }

    /// Lets only these users of a tenant use an application there (AADSTS50105 for all others).
    pub fn require_assignment(&self, tenant: TenantId, client: ClientId, users: &[&User]) {
        let users = users.iter().map(|user| user.id);
        self.world().directory().assignments.require(tenant, client, users);
    }

    /// An administrator gives the user another password; whether sessions are revoked is as
    /// [`Doubts::password_reset_revokes`](super::Doubts::password_reset_revokes) has it.
    #[must_use]
    pub fn reset_password(&self, user: &User) -> User {
        let revokes_sessions = self.world().script().doubts.password_reset_revokes;
        self.change_password(user, revokes_sessions)
    }

    /// Grants an application permissions for everyone in a tenant, in addition to earlier ones. It
    /// gets a service principal there, and so does the resource if that was removed.
    pub fn grant(&self, tenant: TenantId, client: ClientId, resource: &str, permissions: &[&str]) {
        let mut directory = self.world().directory();
        directory.grant((tenant, client, resource), None, permissions.iter().copied());
    }

    /// Takes all that an application was granted in a tenant away, users' own grants included. Its
    /// service principal stays.
    pub fn withdraw_grants(&self, tenant: TenantId, client: ClientId) {
        self.world().directory().withdraw(tenant, client);
    }

    /// Makes the service principal of an application or of a resource in a tenant.
    pub fn add_principal(&self, tenant: TenantId, client: ClientId) {
        self.world().directory().add_principal(tenant, client);
    }

    /// Removes the service principal of an application from a tenant with its grants, or that of a
    /// resource with every grant on it. Resources have one in every tenant until then.
    pub fn remove_principal(&self, tenant: TenantId, client: ClientId) {
        self.world().directory().remove_principal(tenant, client);
    }

    /// How long it takes until Graph and the token endpoint see a consent that Partner Center made:
    /// no time, unless told otherwise.
    pub fn consents_take(&self, time: Duration) {
        self.world().directory().consents_take = time;
    }

    /// How many entries a page of Graph has where a request does not say: 100, unless told
    /// otherwise.
    pub fn graph_page_size(&self, entries: usize) {
        self.world().script().graph_page_size = entries.max(1);
    }
}

/// An application as it was registered from a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegisteredApplication {
    /// Its application id.
    pub client_id: ClientId,
    /// The tenant it is registered in.
    pub home: TenantId,
    /// The name that people see when they consent.
    pub name: String,
}
