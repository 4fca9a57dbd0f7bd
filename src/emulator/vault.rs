//! What a test lays out, changes and asks about the Key Vault and the managed identities.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Emulator;
use super::state::vault::{Budget, KeyVersion, Pair, Phase, VaultCall, VaultRight, VaultUser};
use crate::model::tenant::{ClientId, TenantId};

impl Emulator {
    /// The Key Vault: where a real one has `https://{name}.vault.azure.net`. It takes tokens of the
    /// registered applications' own tenant for the resource `https://vault.azure.net`.
    #[must_use]
    pub fn key_vault_origin(&self) -> &str {
        &self.world().origins.key_vault
    }

    /// The managed identity endpoint: where a machine in Azure has `http://169.254.169.254`.
    #[must_use]
    pub fn managed_identity_origin(&self) -> &str {
        &self.world().origins.identity
    }

    /// Moves the vault, with the managed identities, to another tenant than the registered
    /// applications' own (where those have several, the vault is in the first by id).
    pub fn vault_tenant(&self, tenant: TenantId) {
        self.world().vault().tenant = Some(tenant);
    }

    /// What an application, a managed identity or a user may do in the vault, in place of what they
    /// might before. Untold, applications and identities may do all but purge, users nothing.
    pub fn vault_rights(&self, user: impl Into<VaultUser>, rights: &[VaultRight]) {
        self.world().vault().policies.set(user.into(), rights);
    }

    /// Makes an RSA key of 2048 bits in the vault, or a new version of that name, and says its key
    /// identifier, version included. The key signs, wraps and unwraps, and never leaves the vault.
    pub fn create_vault_key(&self, name: &str) -> String {
        let world = self.world();
        let (pair, now) = (Arc::new(Pair::generate()), world.now());
        let (name, id) = (name.to_owned(), world.chance.guid().simple().to_string());
        let key = KeyVersion { name, id, enabled: true, created: now, updated: now, pair };
        let kid = key.kid(&world.origins.key_vault);
        world.vault().keys.entry(key.name.to_ascii_lowercase()).or_default().push(key);
        kid
    }

    /// A certificate of a key in the vault, by its key identifier, in PEM: what the vault's own
    /// certificates are, good for so long from the day before the machine's present time, which is
    /// what certificates are read by. `None` if there is no such key.
    #[must_use]
    pub fn vault_certificate(&self, kid: &str, lifetime: Duration) -> Option<String> {
        let world = self.world();
        let pair = {
            let vault = world.vault();
            let mut keys = vault.keys.values().flatten();
            keys.find(|key| key.kid(&world.origins.key_vault) == kid)?.pair.clone()
        };
        Some(pair.certificate(SystemTime::now() - DAY, DAY + lifetime))
    }

    /// Disables a version of a key, by its key identifier, or enables it again.
    pub fn vault_key_enabled(&self, kid: &str, enabled: bool) {
        let world = self.world();
        let mut vault = world.vault();
        let keys = vault.keys.values_mut().flatten();
        for key in keys.filter(|key| key.kid(&world.origins.key_vault) == kid) {
            key.enabled = enabled;
            key.updated = world.now();
        }
    }

    /// With purge protection, no deleted secret can be purged before its time; off by default.
    pub fn purge_protection(&self, on: bool) {
        self.world().vault().retention.purge_protection = on;
    }

    /// How many days what is deleted from now on stays recoverable: 7 to 90, by default 90.
    pub fn vault_retention(&self, days: u64) {
        self.world().vault().retention.days = days.clamp(7, 90);
    }

    /// How long, by the emulator's clock, deleting, recovering and purging a secret go on after
    /// they were answered. By default they are over at once; in Azure they take seconds to minutes.
    pub fn vault_deletes_take(&self, time: Duration) {
        self.world().vault().retention.takes = time;
    }

    /// How many requests the vault answers in ten seconds; the others get 429, with a Retry-After
    /// where it `says_when`: published replies of Azure's have none. Without a limit by default.
    pub fn vault_throttle(&self, limit: Option<usize>, says_when: bool) {
        self.world().vault().budget = Budget::of(limit, says_when);
    }

    /// The names of the secrets in use, in order.
    #[must_use]
    pub fn vault_secret_names(&self) -> Vec<String> {
        let world = self.world();
        world.vault().names(Phase::Live, world.now())
    }

    /// The names of the deleted secrets that could be recovered, in order.
    #[must_use]
    pub fn vault_deleted_names(&self) -> Vec<String> {
        let world = self.world();
        world.vault().names(Phase::Deleted, world.now())
    }

    /// Every call that the vault answered, oldest first.
    #[must_use]
    pub fn vault_calls(&self) -> Vec<VaultCall> {
        self.world().vault().calls.clone()
    }

    /// Gives the machine one more managed identity, in the vault's tenant.
    pub fn add_managed_identity(&self) -> ClientId {
        let world = self.world();
        let id = world.chance.guid().to_string();
        let client = ClientId::parse(&id).expect("a random GUID is not all zero");
        world.vault().identities.push(client);
        client
    }
}

const DAY: Duration = Duration::from_secs(86_400);
