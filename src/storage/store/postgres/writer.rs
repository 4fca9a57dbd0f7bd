//! Writes that meet share one commit.
//!
//! The clock's lock is held to the commit, so commits come one after the other: what waits for one
//! goes into the next together. Whoever finds nobody at work writes on its own, without a detour.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use crate::storage::store::postgres::connections::{Connections, Question};
use crate::storage::store::postgres::failure::Failure;
use crate::storage::store::postgres::rows::{self, Put};
use crate::storage::store::{Entry, Expect, Key, Revision, StoreError};

/// Puts records, one commit at a time.
pub(super) struct Writer {
    desk: Arc<Desk>,
    /// For those who wait.
    room: Semaphore,
    /// How long a put waits for its turn and its answer.
    patience: Duration,
}

/// Where puts wait.
struct Desk {
    connections: Arc<Connections>,
    turn: Semaphore,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    jobs: Vec<Job>,
    /// Somebody is on the way to serve them, or at it.
    served: bool,
}

struct Job {
    change: Change,
    reply: oneshot::Sender<Answer>,
}

/// A put that waits its turn.
struct Change {
    key: Key,
    entry: Entry,
    expect: Expect,
}

type Answer = Result<Revision, StoreError>;

impl Writer {
    pub(super) fn new(connections: Arc<Connections>, patience: Duration) -> Self {
        let (turn, waiting) = (Semaphore::new(1), Mutex::default());
        let desk = Arc::new(Desk { connections, turn, waiting });
        Self { desk, room: Semaphore::new(MOST_WAITING), patience }
    }

    /// Waits until the record is committed, or known not to be. If the caller gives up while others
    /// write, it may still be.
    pub(super) async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Answer {
        let change = Change { key: key.clone(), entry, expect };
        if let Ok(_turn) = self.desk.turn.try_acquire() {
            return Ok(self.desk.put(&change).await?);
        }
        let answer = timeout(self.patience, async {
            let _room = self.room.acquire().await;
            self.desk.queue(change).await
        });
        match answer.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(StoreError::unavailable("its writer has ended")),
            Err(_) => Err(StoreError::unavailable("its turn did not come in time")),
        }
    }
}

impl Desk {
    /// The first to wait sends for someone who serves all.
    fn queue(self: &Arc<Self>, change: Change) -> oneshot::Receiver<Answer> {
        let (reply, answer) = oneshot::channel();
        let mut waiting = self.waiting();
        waiting.jobs.push(Job { change, reply });
        if !waiting.served {
            waiting.served = true;
            tokio::spawn(Server { desk: Arc::clone(self), done: false }.serve());
        }
        answer
    }

    /// Those whose turn it is. Whoever gave up before is not served.
    fn next(&self) -> Vec<Job> {
        let mut waiting = self.waiting();
        waiting.jobs.retain(|job| !job.reply.is_closed());
        let count = waiting.jobs.len().min(MOST_IN_COMMIT);
        waiting.served = count > 0;
        waiting.jobs.drain(..count).collect()
    }

    /// If they cannot be made together, each is tried alone for as long as that is any use.
    async fn serve(&self, jobs: Vec<Job>) {
        let together = self.together(&jobs).await;
        let mut useless = together.as_ref().err().and_then(Failure::of_all);
        let mut outcomes = together.unwrap_or_default().into_iter();
        for Job { change, reply } in jobs {
            let answer = match (outcomes.next(), &useless) {
                (Some(Ok(Put::Written(revision))), _) => Ok(revision),
                (Some(Ok(Put::Conflict)), _) => Err(StoreError::Conflict),
                (Some(Err(error)), _) => Err(error),
                (_, Some(error)) => Err(error.clone()),
                // Whoever gave up may have read by now that it was not put.
                _ if reply.is_closed() => continue,
                _ => self.put(&change).await.map_err(|failure| {
                    useless = failure.of_all();
                    failure.error
                }),
            };
            // A caller that has gone needs no answer.
            let _ = reply.send(answer);
        }
    }

    /// Nothing for one alone, which needs no transaction.
    async fn together(&self, jobs: &[Job]) -> Result<Vec<Result<Put, StoreError>>, Failure> {
        if let [_] = jobs {
            return Ok(Vec::new());
        }
        let questions: Vec<Question> = jobs.iter().map(|job| job.change.question()).collect();
        let rows = self.connections.write_together(&questions).await?;
        Ok(rows.iter().map(|rows| rows::outcome(rows)).collect())
    }

    /// The first record of a realm names the realm before.
    async fn put(&self, change: &Change) -> Result<Revision, Failure> {
        let question = change.question();
        for _ in 0..2 {
            match rows::outcome(&self.connections.write(&question).await?)? {
                Put::Written(revision) => return Ok(revision),
                Put::Conflict => break,
                Put::UnknownRealm if matches!(change.expect, Expect::At(_)) => break,
                Put::UnknownRealm => {
                    self.connections.write(&rows::add_realm(&change.key)).await?;
                }
            }
        }
        Err(StoreError::Conflict.into())
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who serves all that wait.
struct Server {
    desk: Arc<Desk>,
    /// Nobody waited any more.
    done: bool,
}

impl Server {
    async fn serve(mut self) {
        let desk = Arc::clone(&self.desk);
        let Ok(_turn) = desk.turn.acquire().await else { return };
        loop {
            let batch = desk.next();
            if batch.is_empty() {
                self.done = true;
                return;
            }
            desk.serve(batch).await;
        }
    }
}

/// One that ends before its time, with its runtime or by a panic, leaves nobody waiting for it, and
/// whoever comes next sends for another.
impl Drop for Server {
    fn drop(&mut self) {
        if !self.done {
            *self.desk.waiting() = Waiting::default();
        }
    }
}

impl Change {
    fn question(&self) -> Question {
        rows::put(&self.key, &self.entry, self.expect)
    }
}

const MOST_WAITING: usize = 1024;
const MOST_IN_COMMIT: usize = 64;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::model::cloud::{Cloud, Environment, Realm};
    use crate::model::tenant::ClientId;
    use crate::storage::seal::Sealed;
    use crate::storage::store::Kind;
    use crate::storage::store::postgres::Limits;
    use crate::storage::store::postgres::address::Address;

    use super::*;

    /// Of a server that is not there.
    fn desk() -> Arc<Desk> {
        let address = Address::parse("postgres://a@127.0.0.1:1/b", None).expect("a URL");
        let second = Duration::from_secs(1);
        let limits = Limits { connections: 1, wait: second, statement: second };
        let connections = Arc::new(Connections::to(address, limits).expect("a pool"));
        Writer::new(connections, second).desk
    }

    fn change() -> Change {
        let client = ClientId::parse("22222222-2222-4222-8222-222222222222").expect("a GUID");
        let realm = Realm::new(&Cloud::Global, Environment::Production, client);
        let key = Key::new(realm, Kind::Consent, None, "a");
        let entry = Entry { sealed: Sealed::from_bytes(Vec::new()), due: None };
        Change { key, entry, expect: Expect::Absent }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("threads")
    }

    #[test]
    fn a_server_that_ends_with_its_runtime_leaves_nobody_waiting() {
        let desk = desk();
        let turn = desk.turn.try_acquire().expect("nobody is at work");
        let ending = runtime();
        let inside = ending.enter();
        let mut left = desk.queue(change());
        drop(inside);
        drop(ending);
        assert_eq!(left.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        drop(turn);
        let answer = runtime().block_on(async { desk.queue(change()).await });
        assert!(matches!(answer, Ok(Err(StoreError::Unavailable { .. }))), "{answer:?}");
    }
}
