//! Where requests wait until a test lets them go on.

use std::sync::Arc;

use tokio::sync::watch;

#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) state: watch::Sender<GateState>,
}

#[derive(Debug, Default)]
pub(crate) struct GateState {
    open: bool,
    pub(crate) waiting: usize,
}

impl Gate {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { state: watch::Sender::default() })
    }

    pub(crate) fn open(&self) {
        self.state.send_modify(|state| state.open = true);
    }

    /// Waits until it is open. A request that is given up no longer counts as waiting.
    pub(crate) async fn pass(&self) {
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
