//! Where threads and tasks meet.
//!
//! Whatever decides what is handed out takes its locks and atomics from here, so that `tests/flights`
//! can put a model checker's in their place and try the interleavings of the very same modules.

pub(crate) use std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic};

/// For tasks, which wait without holding a thread.
pub(crate) mod tasks {
    use std::future::Future;
    use std::time::Duration;

    pub(crate) use tokio::runtime::Handle;
    pub(crate) use tokio::spawn;
    pub(crate) use tokio::sync::{Mutex, watch};

    /// What comes of it, unless it hangs: by the machine's own time, which a virtual clock does not
    /// move.
    pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(limit, work).await.ok()
    }
}
