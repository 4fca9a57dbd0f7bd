//! What a broker does by itself.

use tokio::sync::watch;

use crate::journeys::sweeping::Sweeper;
use crate::storage::roll::Roll;

/// It tells other processes that this one lives, and sweeps. It ends with the last of the broker's
/// clones.
#[derive(Debug)]
pub(super) struct Chores(watch::Sender<bool>);

impl Chores {
    pub(super) fn begin(roll: &Roll, sweeper: &Sweeper) -> Self {
        let (stop, told) = watch::channel(false);
        if roll.is_shared() {
            tokio::spawn(roll.clone().stay(told.clone()));
        }
        tokio::spawn(sweeper.clone().run(told));
        Self(stop)
    }

    /// Returns once all of it has ended.
    pub(super) async fn end(&self) {
        self.0.send_replace(true);
        self.0.closed().await;
    }
}
