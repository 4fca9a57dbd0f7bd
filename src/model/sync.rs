//! Where threads and tasks meet.
//!
//! Whatever decides what is handed out takes its locks and atomics from here, so that `tests/flights`
//! can put a model checker's in their place and try the interleavings of the very same modules.

pub(crate) use std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic};

/// For tasks, which wait without holding a thread.
pub(crate) mod tasks {
    pub(crate) use tokio::runtime::Handle;
    pub(crate) use tokio::spawn;
    pub(crate) use tokio::sync::{Mutex, watch};
}
