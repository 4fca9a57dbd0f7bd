//! One thread that writes, and puts into one commit whatever waits.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::storage::store::sqlite::folder::{LONGEST_WAIT, Site};
use crate::storage::store::sqlite::{is_unsynced, rows, schema, store_error};
use crate::storage::store::{Entry, Expect, Key, Kind, Revision, StoreError};

/// A write that waits its turn.
#[derive(Debug)]
pub(super) enum Change {
    Put { key: Key, entry: Entry, expect: Expect },
    Remove { key: Key, at: Revision },
}

impl Change {
    /// `None` if the store is not as expected.
    fn apply(
        &self,
        db: &Connection,
        clock: &mut rows::Clock,
    ) -> rusqlite::Result<Option<Revision>> {
        match self {
            Self::Put { key, entry, expect } => rows::put(db, key, entry, *expect, clock),
            Self::Remove { key, at } => rows::remove(db, key, *at, clock),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Put { key, .. } | Self::Remove { key, .. } => key.kind(),
        }
    }

    /// Whether a partner's key goes, or gives way to the mark of its destruction.
    fn destroys_partner_key(&self) -> bool {
        match self {
            Self::Put { key, entry, .. } => {
                key.kind() == Kind::PartnerKey && entry.sealed.marks_destruction()
            }
            Self::Remove { key, .. } => key.kind() == Kind::PartnerKey,
        }
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
    pub(super) fn start(site: Arc<Site>, connection: Connection) -> Result<Self, StoreError> {
        let (jobs, waiting) = mpsc::channel(MOST_WAITING);
        let desk = Desk { connection: Some(connection), unsynced: false, lingers: true, site };
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
    /// The disk has failed to take what was written, and may have forgotten it.
    unsynced: bool,
    /// A destroyed partner key may be in the log still, for a reader held it, or a process was killed
    /// before it emptied the log.
    lingers: bool,
    /// Dropped after the connection: it tells that there may be one.
    site: Arc<Site>,
}

impl Desk {
    fn work(mut self, mut waiting: mpsc::Receiver<Job>) {
        let mut expected = 1;
        while let Some(first) = waiting.blocking_recv() {
            let batch = gather(first, &mut waiting, expected);
            expected = batch.len();
            if let Some(error) = self.write(batch) {
                // Who came meanwhile does not wait for the same again.
                while let Ok(job) = waiting.try_recv() {
                    job.answer(Err(error.clone()));
                }
            }
        }
    }

    /// The reason, if the store let nobody write.
    fn write(&mut self, batch: Vec<Job>) -> Option<StoreError> {
        let changes: Vec<&Change> = batch.iter().map(|job| &job.change).collect();
        let (answers, locked_out) = match self.answers(&changes) {
            Ok(answers) => (answers, None),
            Err(error) => (vec![Err(error.clone()); changes.len()], Some(error)),
        };
        for (job, answer) in batch.into_iter().zip(answers) {
            job.answer(answer);
        }
        locked_out
    }

    /// If one change cannot be made, it must not take down the others: each is then tried alone.
    fn answers(&mut self, changes: &[&Change]) -> Result<Vec<Answer>, StoreError> {
        match self.commit(changes) {
            Ok(answers) => Ok(answers),
            Err(Failure::LockedOut(error)) => Err(error),
            Err(Failure::OneChange(_)) if changes.len() > 1 => {
                let mut all = Vec::with_capacity(changes.len());
                for change in changes {
                    all.extend(self.answers(&[*change])?);
                }
                Ok(all)
            }
            Err(Failure::OneChange(error) | Failure::Commit { error, .. }) => {
                Ok(vec![Err(error); changes.len()])
            }
        }
    }

    /// After a failure the connection is dropped: what it holds in memory is not to be trusted.
    fn commit(&mut self, changes: &[&Change]) -> Result<Vec<Answer>, Failure> {
        let mut connection = self.connected().map_err(Failure::LockedOut)?;
        let committed = commit(&mut connection, changes);
        match committed {
            Ok(_) => {
                self.empty_log_of_keys(&connection, changes);
                self.connection = Some(connection);
            }
            Err(Failure::Commit { unsynced: true, .. }) => {
                self.unsynced = true;
                self.site.distrust(true);
                drop(connection);
                self.connection = self.connected().ok();
            }
            Err(_) => {}
        }
        committed
    }

    /// A destroyed key is in the log until that is emptied. Where a reader holds it, the commits that
    /// follow try again, without waiting.
    fn empty_log_of_keys(&mut self, db: &Connection, changes: &[&Change]) {
        let destroyed = changes.iter().any(|change| change.destroys_partner_key());
        if !destroyed && !self.lingers {
            return;
        }
        let emptied = if destroyed { emptied(db, schema::KEYS) } else { emptied_at_once(db) };
        self.lingers = !emptied.unwrap_or_default();
        if self.lingers && destroyed {
            tracing::warn!("a destroyed partner key is in the log still, which a reader may hold");
        }
    }

    fn connected(&mut self) -> Result<Connection, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => {
                self.site.check_in_place()?;
                connection
            }
            None => schema::connect(&self.site)?,
        };
        if self.unsynced {
            write_anew(&connection)?;
            self.unsynced = false;
            self.site.distrust(false);
        }
        Ok(connection)
    }
}

/// After an fsync that failed, the kernel may take for clean what it never wrote, so that another
/// fsync proves nothing: everything in the logs is copied into the files, and these are synced.
///
/// Source: <https://wiki.postgresql.org/wiki/Fsync_Errors>.
fn write_anew(db: &Connection) -> Result<(), StoreError> {
    for schema in [schema::MAIN, schema::KEYS] {
        if !emptied(db, schema).map_err(|error| store_error(&error))? {
            return Err(StoreError::unavailable("a reader holds what must be written anew"));
        }
    }
    Ok(())
}

/// Copies a log into its file and cuts it to nothing, unless somebody reads what is in it.
fn emptied(db: &Connection, schema: &str) -> rusqlite::Result<bool> {
    let sql = format!("PRAGMA {schema}.wal_checkpoint(TRUNCATE)");
    db.query_row(&sql, [], |row| row.get::<_, bool>("busy")).map(|busy| !busy)
}

fn emptied_at_once(db: &Connection) -> rusqlite::Result<bool> {
    db.busy_timeout(Duration::ZERO)?;
    let emptied = emptied(db, schema::KEYS);
    db.busy_timeout(LONGEST_WAIT)?;
    emptied
}

impl Job {
    /// A caller that has gone needs no answer.
    fn answer(self, answer: Answer) {
        let _ = self.reply.send(answer);
    }
}

/// What waits already. Callers who shared the last commit were answered a moment ago and are about
/// to come back: as many are given a moment, for a commit costs more than it. One alone never waits.
fn gather(first: Job, waiting: &mut mpsc::Receiver<Job>, expected: usize) -> Vec<Job> {
    let mut batch = vec![first];
    let mut moments = 0;
    while batch.len() < MOST_IN_COMMIT {
        match waiting.try_recv() {
            Ok(job) => batch.push(job),
            Err(_) if batch.len() >= expected || moments == MOST_MOMENTS => break,
            Err(_) => {
                moments += 1;
                thread::sleep(MOMENT);
            }
        }
    }
    batch
}

enum Failure {
    /// No transaction could be begun: nothing has happened.
    LockedOut(StoreError),
    OneChange(StoreError),
    Commit {
        error: StoreError,
        unsynced: bool,
    },
}

/// Locks the file of keys only for a change in it.
fn commit(db: &mut Connection, changes: &[&Change]) -> Result<Vec<Answer>, Failure> {
    let locked_out = |error| Failure::LockedOut(store_error(&error));
    let in_keys = changes.iter().any(|change| change.kind() == Kind::PartnerKey);
    let files =
        if in_keys { TransactionBehavior::Immediate } else { TransactionBehavior::Deferred };
    let transaction = db.transaction_with_behavior(files).map_err(locked_out)?;
    let clock = rows::Clock::advance(&transaction, changes.len(), in_keys);
    let mut clock = clock.map_err(locked_out)?;
    let mut answers = Vec::with_capacity(changes.len());
    for change in changes {
        let applied = change.apply(&transaction, &mut clock);
        let applied = applied.map_err(|error| Failure::OneChange(store_error(&error)))?;
        answers.push(applied.ok_or(StoreError::Conflict));
    }
    if answers.iter().all(Result::is_err) {
        return Ok(answers); // nothing to keep, not even the revisions
    }
    transaction.commit().map_err(|error| Failure::Commit {
        unsynced: is_unsynced(&error),
        error: store_error(&error),
    })?;
    Ok(answers)
}

const MOST_WAITING: usize = 1024;
const MOST_IN_COMMIT: usize = 256;
const MOMENT: Duration = Duration::from_micros(20);
const MOST_MOMENTS: usize = 3;
