//! What a broker does by itself.

use tokio::sync::watch;

use crate::journeys::sweeping::Sweeper;
use crate::storage::budget::Budget;
use crate::storage::roll::Roll;

/// It tells other processes that this one lives, and sweeps. It ends with the last of the broker's
/// clones. What may be sent in a second is kept for as long as anything is, and given back at the
/// end.
#[derive(Debug)]
pub(super) struct Chores {
    stop: watch::Sender<bool>,
    budget: Option<Budget>,
}

impl Chores {
    pub(super) fn begin(roll: &Roll, sweeper: &Sweeper, budget: Option<Budget>) -> Self {
        let (stop, told) = watch::channel(false);
        if roll.is_shared() {
            tokio::spawn(roll.clone().stay(told.clone()));
        }
        tokio::spawn(sweeper.clone().run(told));
        Self { stop, budget }
    }

    /// Returns once all of it has ended.
    pub(super) async fn end(&self) {
        self.stop.send_replace(true);
        if let Some(budget) = &self.budget {
            budget.give_back().await;
        }
        self.stop.closed().await;
    }
}
