//! A model checker's primitives: at each use of one, another thread or task may come between.

pub(crate) use shuttle::sync::{
    Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic,
};

/// For tasks. What Tokio waits with runs on any executor; its use is one step, since Tokio checks
/// its inside itself.
pub(crate) mod tasks {
    use std::future::{Future, poll_fn};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::task::Poll;
    use std::time::Duration;

    pub(crate) use tokio::sync::{Mutex, watch};

    /// There is always somebody to run a task.
    pub(crate) struct Handle;

    impl Handle {
        #[expect(clippy::unnecessary_wraps, reason = "Tokio's may find none")]
        pub(crate) fn try_current() -> Result<Self, ()> {
            Ok(Self)
        }

        pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
            spawn(task);
        }
    }

    /// Nothing hangs here.
    pub(crate) async fn within<T>(_limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        Some(work.await)
    }

    /// As at Tokio, a panic ends the task and nobody else.
    pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        let mut task = Box::pin(task);
        shuttle::future::spawn(poll_fn(move |context| {
            let polled = catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(context)));
            polled.unwrap_or(Poll::Ready(()))
        }));
    }
}
