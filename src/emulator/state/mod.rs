//! Everything the emulator remembers.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use super::chance::Chance;
use super::refusal::{Refusal, Trace};
use super::script::Script;
use super::script::playbook::Playbook;
use super::site::Origins;
use crate::model::clock::Clock;
use crate::model::tenant::{ClientId, TenantId, UserId};

pub(super) mod application;
pub(super) mod assignment;
pub(super) mod catalogue;
pub(super) mod conditional_access;
pub(super) mod directory;
pub(super) mod flow;
pub(super) mod keys;
pub(super) mod manifest;
pub(super) mod record;
pub(super) mod seal;
pub(super) mod shelf;
pub(super) mod shifted;
pub(super) mod signer;
pub(super) mod vault;

use conditional_access::{ConditionalAccess, Policies};
use directory::Directory;
use flow::{Code, Flow, Session, Version};
use keys::Keys;
use record::Record;
use seal::Seal;
use shelf::Shelf;
use shifted::ShiftedClock;
use vault::Vault;

/// One emulated cloud. Each part has a lock of its own, and none is held across an await.
pub(super) struct World {
    pub(super) clock: Arc<dyn Clock>,
    shifted: Arc<ShiftedClock>,
    pub(super) origins: Origins,
    pub(super) chance: Arc<Chance>,
    pub(super) seal: Seal,
    pub(super) keys: Keys,
    pub(super) playbook: Playbook,
    directory: Mutex<Directory>,
    policies: RwLock<Policies>,
    flows: Mutex<Shelf<Flow>>,
    sessions: Mutex<Shelf<Session>>,
    codes: Mutex<Shelf<Code>>,
    assertions: Mutex<Shelf<()>>,
    id_tokens: Mutex<IdTokens>,
    refresh_tokens: AtomicU64,
    replaced_tokens: Mutex<HashSet<u64>>,
    script: Mutex<Script>,
    record: Mutex<Record>,
    vault: Mutex<Vault>,
}

/// ID tokens that are handed out again until a time, in seconds since 1970.
type IdTokens = HashMap<IdTokenKey, (u64, Arc<str>)>;
type IdTokenKey = (TenantId, UserId, ClientId, Version);

impl World {
    pub(super) fn new(clock: Arc<dyn Clock>, chance: Chance, origins: Origins) -> Self {
        let (chance, shifted) = (Arc::new(chance), Arc::new(ShiftedClock::new(clock)));
        let clock: Arc<dyn Clock> = Arc::clone(&shifted) as Arc<dyn Clock>;
        let directory = Directory::new(Arc::clone(&chance), Arc::clone(&clock));
        Self {
            clock,
            shifted,
            origins,
            seal: Seal::new(),
            keys: Keys::new(),
            playbook: Playbook::default(),
            directory: Mutex::new(directory),
            chance,
            policies: RwLock::default(),
            flows: Mutex::default(),
            sessions: Mutex::default(),
            codes: Mutex::default(),
            assertions: Mutex::default(),
            id_tokens: Mutex::default(),
            refresh_tokens: AtomicU64::new(0),
            replaced_tokens: Mutex::default(),
            script: Mutex::default(),
            record: Mutex::default(),
            vault: Mutex::default(),
        }
    }

    pub(super) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Runs evenly, whatever the clock is set to.
    pub(super) fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    pub(super) fn shift_clock(&self, seconds: i64) {
        self.shifted.shift(seconds);
    }

    /// What support would ask for, for a request that gives no correlation id.
    pub(super) fn trace(&self) -> Trace {
        Trace::new(&self.chance, self.now(), None)
    }

    /// A refusal spelled as this emulator's doubts have it; every way out calls it.
    pub(super) fn spelled(&self, refusal: Refusal) -> Refusal {
        refusal.paired(&self.script().doubts.pairings)
    }

    /// What a tenant's Conditional Access demands.
    pub(super) fn conditional_access(&self, tenant: TenantId) -> ConditionalAccess {
        let policies = self.policies.read().unwrap_or_else(PoisonError::into_inner);
        policies.get(&tenant).cloned().unwrap_or_default()
    }

    pub(super) fn demand(&self, tenant: TenantId, policy: ConditionalAccess) {
        self.policies.write().unwrap_or_else(PoisonError::into_inner).insert(tenant, policy);
    }

    /// The serial number of one more refresh token.
    pub(super) fn next_refresh_token(&self) -> u64 {
        self.refresh_tokens.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The serial numbers of refresh tokens that are refused, since newer ones were had for them.
    pub(super) fn replaced_tokens(&self) -> MutexGuard<'_, HashSet<u64>> {
        lock(&self.replaced_tokens)
    }

    /// Whether a client's assertion with this id is new.
    pub(super) fn use_assertion(&self, client: ClientId, id: &str, until: SystemTime) -> bool {
        let (word, now) = (format!("{client} {id}"), self.now());
        let mut assertions = lock(&self.assertions);
        let is_new = assertions.find(&word, now).is_none();
        assertions.put(word, until, (), now);
        is_new
    }

    /// Keeps one that load mode signed; now and then those that have ended are thrown away.
    pub(super) fn keep_id_token(&self, of: IdTokenKey, until: u64, token: Arc<str>, now: u64) {
        let mut tokens = lock(&self.id_tokens);
        if tokens.len() >= SMALLEST_SWEEP && tokens.len().is_power_of_two() {
            tokens.retain(|_, (until, _)| now < *until);
        }
        tokens.insert(of, (until, token));
    }

    /// Those that load mode signs once.
    pub(super) fn id_tokens(&self) -> MutexGuard<'_, IdTokens> {
        lock(&self.id_tokens)
    }

    pub(super) fn directory(&self) -> MutexGuard<'_, Directory> {
        lock(&self.directory)
    }

    pub(super) fn flows(&self) -> MutexGuard<'_, Shelf<Flow>> {
        lock(&self.flows)
    }

    pub(super) fn sessions(&self) -> MutexGuard<'_, Shelf<Session>> {
        lock(&self.sessions)
    }

    pub(super) fn codes(&self) -> MutexGuard<'_, Shelf<Code>> {
        lock(&self.codes)
    }

    pub(super) fn script(&self) -> MutexGuard<'_, Script> {
        lock(&self.script)
    }

    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        lock(&self.record)
    }

    pub(super) fn vault(&self) -> MutexGuard<'_, Vault> {
        lock(&self.vault)
    }
}

/// A panic elsewhere leaves the emulator's state readable: every change is made in one go.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const SMALLEST_SWEEP: usize = 1024;
