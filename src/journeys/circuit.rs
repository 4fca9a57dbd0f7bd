//! The application's circuit: open while Entra refuses the application itself, so that nobody is
//! asked what everybody would answer.
//!
//! One tenant's reply never speaks for the application. The circuit opens when our own credential is
//! refused at two partners' own tenants in a row, or when several partners meet the same cause that
//! may be ours; a customer counts as its partner, and any success in between clears it all. While it
//! is open one probe at a time goes out, and the first that succeeds closes it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::clock::Clock;
use crate::model::entra_error::Cause;
use crate::model::tenant::TenantId;
use crate::transport::throttle::{Rest, jitter};

/// Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Circuit {
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
}

/// Whose consent is used, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asker {
    pub(crate) partner: TenantId,
    pub(crate) tenant: TenantId,
}

/// What an outcome has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Opened(Cause),
    Closed,
}

#[derive(Debug)]
enum State {
    Closed(Evidence),
    Open(Opening),
}

/// What speaks against the application since the last success.
#[derive(Debug, Default)]
struct Evidence {
    last: Duration,
    /// The partners at whose own tenants our credential was refused.
    rejected_at: HashSet<TenantId>,
    met: HashSet<(Cause, TenantId)>,
}

#[derive(Debug)]
struct Opening {
    cause: Cause,
    /// Until when there is no probe.
    until: Duration,
    /// Whose probe failed last.
    failed: Option<Asker>,
    probing: bool,
}

/// Leave to send one request.
#[derive(Debug)]
pub(crate) struct Pass {
    asker: Asker,
    /// Where it is the probe of an open circuit, which is over once this is dropped.
    probe: Option<Circuit>,
}

impl Circuit {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let state = Arc::new(Mutex::new(State::Closed(Evidence::default())));
        Self { clock, state }
    }

    /// Whether this asker would be refused now.
    pub(crate) fn check(&self, asker: Asker) -> Result<(), Rest> {
        match &*self.state() {
            State::Closed(_) => Ok(()),
            State::Open(open) => open.check(asker, self.clock.monotonic()),
        }
    }

    /// Leave for one request, which may be the probe.
    pub(crate) fn admit(&self, asker: Asker) -> Result<Pass, Rest> {
        let mut state = self.state();
        let State::Open(open) = &mut *state else { return Ok(Pass { asker, probe: None }) };
        open.check(asker, self.clock.monotonic())?;
        open.probing = true;
        Ok(Pass { asker, probe: Some(self.clone()) })
    }

    /// A request that had leave has succeeded.
    pub(crate) fn succeeded(&self, pass: &Pass) -> Option<Turn> {
        let mut state = self.state();
        let closes = match &*state {
            State::Closed(_) => None,
            State::Open(_) if pass.probe.is_some() => Some(Turn::Closed),
            State::Open(_) => return None,
        };
        *state = State::Closed(Evidence::default());
        closes
    }

    /// A request that had leave was refused.
    pub(crate) fn refused(&self, pass: &Pass, cause: Cause) -> Option<Turn> {
        let now = self.clock.monotonic();
        let mut state = self.state();
        match &mut *state {
            State::Closed(evidence) => {
                if !evidence.convicts(pass.asker, cause, now) {
                    return None;
                }
                *state = State::Open(Opening::new(cause, now));
                Some(Turn::Opened(cause))
            }
            State::Open(open) => {
                if pass.probe.is_some() && speaks(pass.asker, cause) {
                    open.stays(pass.asker, now);
                }
                None
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Evidence {
    /// Takes note; true once that is enough.
    fn convicts(&mut self, asker: Asker, cause: Cause, now: Duration) -> bool {
        if !speaks(asker, cause) {
            return false;
        }
        if now.saturating_sub(self.last) > WINDOW {
            *self = Self::default();
        }
        self.last = now;
        if cause.is_credential() && asker.is_at_home() {
            self.rejected_at.insert(asker.partner);
        }
        self.met.insert((cause, asker.partner));
        let partners = self.met.iter().filter(|(met, _)| *met == cause).count();
        self.rejected_at.len() >= REJECTIONS || partners >= PARTNERS
    }
}

impl Opening {
    fn new(cause: Cause, now: Duration) -> Self {
        Self { cause, until: now.saturating_add(pause()), failed: None, probing: false }
    }

    /// Whoever's customer has failed the last probe lets others go first: nobody's customers keep the
    /// circuit open for everybody.
    fn check(&self, asker: Asker, now: Duration) -> Result<(), Rest> {
        let steps_back = |failed: Asker| failed.partner == asker.partner && !asker.is_at_home();
        let turn = if self.failed.is_some_and(steps_back) { PAUSE } else { Duration::ZERO };
        let wait = self.until.saturating_add(turn).saturating_sub(now);
        match wait {
            Duration::ZERO if self.probing => Err(Rest { cause: self.cause, wait: SOON }),
            Duration::ZERO => Ok(()),
            wait => Err(Rest { cause: self.cause, wait }),
        }
    }

    fn stays(&mut self, asker: Asker, now: Duration) {
        self.until = now.saturating_add(pause());
        self.failed = Some(asker);
    }
}

impl Asker {
    fn is_at_home(self) -> bool {
        self.partner == self.tenant
    }
}

/// Whether an answer may be about the application. What a customer's tenant lacks is that tenant's;
/// a credential is ours wherever it is refused.
fn speaks(asker: Asker, cause: Cause) -> bool {
    match cause {
        Cause::CredentialRejected => true,
        Cause::ApplicationDisabled | Cause::ApplicationMissing | Cause::RegistrationIncomplete => {
            asker.is_at_home()
        }
        _ => false,
    }
}

fn pause() -> Duration {
    PAUSE / 2 + jitter(PAUSE / 2)
}

impl Drop for Pass {
    fn drop(&mut self) {
        let Some(circuit) = &self.probe else { return };
        if let State::Open(open) = &mut *circuit.state() {
            open.probing = false;
        }
    }
}

/// A credential that is refused at so many partners' tenants, and never taken in between, is refused everywhere.
const REJECTIONS: usize = 2;
/// So many partners, that have nothing to do with each other, meet the same.
const PARTNERS: usize = 5;
/// Evidence that nothing was added to for so long is void.
const WINDOW: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_secs(30);
/// While a probe is under way.
const SOON: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
