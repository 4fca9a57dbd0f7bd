//! One thread that writes, and puts into one commit whatever waits.

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::storage::store::sqlite::{rows, schema, store_error};
use crate::storage::store::{Entry, Expect, Key, Kind, Revision, StoreError};

/// A write that waits its turn.
#[derive(Debug)]
pub(super) enum Change {
    Put { key: Key, entry: Entry, expect: Expect },
    Remove { key: Key, at: Revision },
}

impl Change {
    /// `None` if the store is not as expected.
    fn apply(&self, db: &Connection) -> rusqlite::Result<Option<Revision>> {
        match self {
            Self::Put { key, entry, expect } => rows::put(db, key, entry, *expect),
            Self::Remove { key, at } => rows::remove(db, key, *at),
        }
    }

    const fn removes_partner_key(&self) -> bool {
        matches!(self, Self::Remove { key, .. } if matches!(key.kind(), Kind::PartnerKey))
    }
}

type Answer = Result<Revision, StoreError>;

struct Job {
    change: Change,
    reply: oneshot::Sender<Answer>,
}

/// The way to the thread, which ends when this is dropped and nothing waits any more.
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    thread: JoinHandle<()>,
}

impl Writer {
    pub(super) fn start(folder: Arc<Path>, connection: Connection) -> Result<Self, StoreError> {
        let (jobs, waiting) = mpsc::channel(MOST_WAITING);
        let desk = Desk { connection: Some(connection), folder };
        let thread = thread::Builder::new().name("cpv-consent-writer".to_owned());
        let thread = thread
            .spawn(move || desk.work(waiting))
            .map_err(|_| StoreError::unavailable("no thread to be had"))?;
        Ok(Self { jobs, thread })
    }

    /// Waits, on a thread that may block, until what was queued is written and the files closed.
    pub(super) fn end(self) -> Result<(), StoreError> {
        drop(self.jobs);
        self.thread.join().map_err(|_| StoreError::unavailable("its writer has ended"))
    }

    /// Waits until the change is on disk, or known not to be. If the caller gives up, it still is.
    pub(super) async fn write(&self, change: Change) -> Answer {
        let stopped = || StoreError::unavailable("its writer has ended");
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job { change, reply }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

/// Where the thread sits.
struct Desk {
    connection: Option<Connection>,
    /// Dropped after the connection: it tells that there may be one.
    folder: Arc<Path>,
}

impl Desk {
    fn work(mut self, mut waiting: mpsc::Receiver<Job>) {
        while let Some(first) = waiting.blocking_recv() {
            let mut batch = vec![first];
            while batch.len() < MOST_IN_COMMIT
                && let Ok(job) = waiting.try_recv()
            {
                batch.push(job);
            }
            self.write(batch);
        }
    }

    fn write(&mut self, batch: Vec<Job>) {
        let changes: Vec<&Change> = batch.iter().map(|job| &job.change).collect();
        let answers = self.answers(&changes);
        for (job, answer) in batch.into_iter().zip(answers) {
            // A caller that has gone needs no answer.
            let _ = job.reply.send(answer);
        }
    }

    /// If one change cannot be made, it must not take down the others: each is then tried alone.
    fn answers(&mut self, changes: &[&Change]) -> Vec<Answer> {
        match self.commit(changes) {
            Ok(answers) => answers,
            Err(Failure::OneChange(_)) if changes.len() > 1 => {
                changes.iter().flat_map(|change| self.answers(&[*change])).collect()
            }
            Err(Failure::OneChange(error) | Failure::Commit(error)) => {
                vec![Err(error); changes.len()]
            }
        }
    }

    /// After a failure the connection is dropped: what it holds in memory is not to be trusted.
    fn commit(&mut self, changes: &[&Change]) -> Result<Vec<Answer>, Failure> {
        let connection = match self.connection.take() {
            Some(connection) => Ok(connection),
            None => schema::connect(&self.folder),
        };
        let mut connection = connection.map_err(Failure::Commit)?;
        let answers = commit(&mut connection, changes)?;
        self.connection = Some(connection);
        Ok(answers)
    }
}

enum Failure {
    OneChange(StoreError),
    Commit(StoreError),
}

fn commit(db: &mut Connection, changes: &[&Change]) -> Result<Vec<Answer>, Failure> {
    let in_commit = |error| Failure::Commit(store_error(&error));
    let transaction =
        db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(in_commit)?;
    let mut answers = Vec::with_capacity(changes.len());
    for change in changes {
        let applied = change.apply(&transaction);
        let applied = applied.map_err(|error| Failure::OneChange(store_error(&error)))?;
        answers.push(applied.ok_or(StoreError::Conflict));
    }
    transaction.commit().map_err(in_commit)?;
    if changes.iter().any(|change| change.removes_partner_key()) {
        empty_log_of_keys(db);
    }
    Ok(answers)
}

/// The removed key is still in the log until the log is emptied. A reader may hold it; then the
/// next checkpoint does it.
fn empty_log_of_keys(db: &Connection) {
    let emptied = db.query_row("PRAGMA partner_keys.wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    if let Err(error) = emptied {
        tracing::debug!(error = %store_error(&error), "the log of partner keys was not emptied");
    }
}

const MOST_WAITING: usize = 1024;
const MOST_IN_COMMIT: usize = 64;
