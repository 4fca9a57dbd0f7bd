//! Where threads and tasks meet.
//!
//! Whatever decides what is handed out takes its locks and atomics from here, so that `tests/flights`
//! can put a model checker's in their place and try the interleavings of the very same modules.

pub(crate) use std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic};

/// For tasks, which wait without holding a thread.
pub(crate) mod tasks {
    use std::future::{Future, poll_fn};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::pin;
    use std::task::Poll;
    use std::time::Duration;

    pub(crate) use tokio::runtime::Handle;
    pub(crate) use tokio::spawn;
    pub(crate) use tokio::sync::{Mutex, watch};

    /// What comes of it, unless it hangs: by the machine's own time, which a virtual clock does not
    /// move.
    pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(limit, work).await.ok()
    }

    /// What comes of it, unless it panics: then it is not polled again, and what it said, which may
    /// be any secret that it held, goes no further.
    pub(crate) async fn caught<T>(work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|context| {
            let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
            polled.map_or(Poll::Ready(None), |polled| polled.map(Some))
        })
        .await
    }
}
