//! Everything the emulator remembers.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::authorize::AuthorizationRequest;
use super::lock;
use super::record::Record;
use super::script::Script;
use super::signin::Flow;
use super::tokens::seal::Seal;
use crate::model::clock::Clock;

pub(super) mod directory;
pub(super) mod shelf;

use directory::{Directory, Person, Presence};
use shelf::Shelf;

/// One emulated cloud. Each part has a lock of its own, and none is held across an await.
pub(super) struct World {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) origins: Origins,
    pub(super) seal: Seal,
    directory: Mutex<Directory>,
    flows: Mutex<Shelf<Flow>>,
    sessions: Mutex<Shelf<Session>>,
    codes: Mutex<Shelf<Code>>,
    script: Mutex<Script>,
    record: Mutex<Record>,
}

/// Where the three listeners are.
#[derive(Debug)]
pub(super) struct Origins {
    pub(super) login: String,
    pub(super) partner_center: String,
    pub(super) graph: String,
}

/// Who signed in, how and when: kept in the browser's session, a code and a refresh token.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct SignIn {
    pub(super) person: Person,
    pub(super) mfa: bool,
    pub(super) at: SystemTime,
    /// How often the person's sessions had been revoked by then.
    pub(super) revocations: u32,
}

/// A browser in which somebody is signed in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session(pub(super) SignIn);

/// An authorization code that was handed out.
#[derive(Clone)]
pub(super) struct Code {
    pub(super) request: Arc<AuthorizationRequest>,
    pub(super) signed_in: SignIn,
    pub(super) presence: Presence,
    pub(super) issued: SystemTime,
    pub(super) redeemed: bool,
}

impl World {
    pub(super) fn new(clock: Arc<dyn Clock>, origins: Origins) -> Self {
        Self {
            clock,
            origins,
            seal: Seal::new(),
            directory: Mutex::new(Directory::new()),
            flows: Mutex::default(),
            sessions: Mutex::default(),
            codes: Mutex::default(),
            script: Mutex::default(),
            record: Mutex::default(),
        }
    }

    pub(super) fn now(&self) -> SystemTime {
        self.clock.now()
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
}
