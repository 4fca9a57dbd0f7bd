//! Token requests that wait until a test lets them go on.

use std::sync::Arc;

use tokio::sync::watch;

use super::Emulator;
use super::script::Rule;

/// Token requests wait as long as this is held; dropping it lets them go on.
#[derive(Debug)]
pub struct Hold {
    entra: Emulator,
    gate: Arc<Gate>,
}

impl Hold {
    /// Resolves when at least this many requests wait.
    pub async fn waiting(&self, requests: usize) {
        let mut state = self.gate.state.subscribe();
        let _ = state.wait_for(|state| state.waiting >= requests).await; // its sender is ours
    }

    /// Resolves when no more than this many requests wait: others were given up.
    pub async fn waiting_at_most(&self, requests: usize) {
        let mut state = self.gate.state.subscribe();
        let _ = state.wait_for(|state| state.waiting <= requests).await; // its sender is ours
    }

    /// Lets them go on.
    pub fn release(self) {}
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.entra.world().script().gates.retain(|(_, gate)| !Arc::ptr_eq(gate, &self.gate));
        self.gate.open();
    }
}

#[derive(Debug)]
pub(super) struct Gate {
    state: watch::Sender<GateState>,
}

#[derive(Debug, Default)]
struct GateState {
    open: bool,
    waiting: usize,
}

impl Gate {
    fn new() -> Arc<Self> {
        Arc::new(Self { state: watch::Sender::default() })
    }

    pub(super) fn open(&self) {
        self.state.send_modify(|state| state.open = true);
    }

    /// Waits until it is open. A request that is given up no longer counts as waiting.
    pub(super) async fn pass(&self) {
        let _counted = Waiting::at(self);
        let mut state = self.state.subscribe();
        let _ = state.wait_for(|state| state.open).await; // its sender is ours
    }
}

struct Waiting<'g>(&'g Gate);

impl<'g> Waiting<'g> {
    fn at(gate: &'g Gate) -> Self {
        gate.state.send_modify(|state| state.waiting += 1);
        Self(gate)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.waiting -= 1);
    }
}

impl Emulator {
    /// Makes every token request wait until the hold is released or dropped.
    #[must_use]
    pub fn hold_tokens(&self) -> Hold {
        self.hold_tokens_of(Rule::any())
    }

    /// Makes the token requests that a rule matches wait.
    #[must_use]
    pub fn hold_tokens_of(&self, rule: Rule) -> Hold {
        let gate = Gate::new();
        self.world().script().gates.push((rule, Arc::clone(&gate)));
        Hold { entra: self.clone(), gate }
    }
}
