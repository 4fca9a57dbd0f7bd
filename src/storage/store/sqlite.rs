//! The embedded store: two SQLite files in a folder of their own.
//!
//! Partner keys live in a file apart from the records, so that a backup of the records alone does
//! not hold what opens them. Both are open in one connection: one write lock, one growing revision.

mod folder;
mod rows;
mod schema;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::storage::store::sqlite::writer::{Change, Writer};
use crate::storage::store::{
    Entry, Expect, Filter, Key, Page, Promises, Revision, Store, StoreError, Stored,
};

/// Keeps records in two SQLite files, compiled in. Several processes of one machine may share it.
///
/// Each write is on disk before it is answered (`synchronous=FULL`); writes that arrive together
/// share one commit. Removed bytes are overwritten (`secure_delete`), and removing a partner's key
/// also empties the write-ahead log of the file of keys. Not for network file systems: see
/// <https://sqlite.org/wal.html>. While it is open, nothing else in the process may open its files,
/// not even to copy them: see <https://sqlite.org/howtocorrupt.html>, section 2.2.
pub struct Sqlite {
    folder: Arc<Path>,
    readers: Arc<Readers>,
    writer: Writer,
}

impl Sqlite {
    /// Opens the store in `folder`, which is made if it is missing and its parent is there.
    ///
    /// On Unix the folder is for its owner only (0700), as are its files (0600).
    ///
    /// # Errors
    /// [`StoreError::Unusable`], and nothing changed, when folder or files are open to others, the
    /// path has a symbolic link in it, a file is no store of this crate, was made for a newer
    /// version of it, or belongs to another store, or the partner keys are missing.
    pub async fn open(folder: impl AsRef<Path> + Send) -> Result<Self, StoreError> {
        let folder = std::path::absolute(folder).map_err(|error| io_error(&error))?;
        let (connection, folder) = blocking(move || schema::set_up(&folder)).await?;
        let readers = Arc::new(Readers::of(Arc::clone(&folder)));
        let writer = Writer::start(Arc::clone(&folder), connection)?;
        Ok(Self { folder, readers, writer })
    }

    /// Finishes what was queued and closes the files: they then are whole without their logs,
    /// unless another process has them open. A store that is dropped does the same at its own pace.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the runtime is shutting down already.
    pub async fn close(self) -> Result<(), StoreError> {
        let Self { readers, writer, .. } = self;
        drop(readers);
        blocking(move || writer.end()).await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let readers = Arc::clone(&self.readers);
        let permit = Arc::clone(&readers.permits).acquire_owned().await;
        blocking(move || {
            let _permit = permit.map_err(|_| StoreError::unavailable("its readers have ended"))?;
            readers.read(work)
        })
        .await
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let key = key.clone();
        let row = self.read(move |db| rows::read(db, &key)).await?;
        row.map(rows::Row::into_stored).transpose()
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        self.writer.write(Change::Put { key: key.clone(), entry, expect }).await
    }

    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError> {
        self.writer.write(Change::Remove { key: key.clone(), at }).await.map(drop)
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        self.read(move |db| rows::page(db, &filter)).await
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        self.read(rows::realms).await
    }

    fn promises(&self) -> Promises {
        Promises { compare_and_swap: true, durable: true, shared_between_processes: true }
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Sqlite").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// A few connections that only read.
struct Readers {
    idle: Mutex<Vec<Connection>>,
    /// Dropped after the connections: it tells that there may be some.
    folder: Arc<Path>,
    permits: Arc<Semaphore>,
}

impl Readers {
    fn of(folder: Arc<Path>) -> Self {
        let permits = Arc::new(Semaphore::new(MOST_READERS));
        Self { idle: Mutex::default(), folder, permits }
    }

    /// A connection that failed is not used again.
    fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let idle = self.idle().pop();
        let connection = idle.map_or_else(|| schema::connect_to_read(&self.folder), Ok)?;
        let read = work(&connection).map_err(|error| store_error(&error))?;
        self.idle().push(connection);
        Ok(read)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const MOST_READERS: usize = 4;

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let stopped = |_| StoreError::unavailable("the runtime is shutting down");
    spawn_blocking(work).await.map_err(stopped)?
}

/// What an error of SQLite asks of whom. Its text may quote a row, so only its code is told.
fn store_error(error: &rusqlite::Error) -> StoreError {
    let rusqlite::Error::SqliteFailure(failure, _) = error else {
        return StoreError::damaged("a row has another shape");
    };
    let because = format!("sqlite error {}", failure.extended_code);
    match failure.code {
        ErrorCode::DiskFull => StoreError::Full,
        ErrorCode::ReadOnly => StoreError::ReadOnly,
        ErrorCode::DatabaseCorrupt | ErrorCode::ConstraintViolation => StoreError::damaged(because),
        ErrorCode::NotADatabase | ErrorCode::CannotOpen | ErrorCode::PermissionDenied => {
            StoreError::unusable(because)
        }
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            StoreError::unavailable("another writer holds it")
        }
        _ => StoreError::unavailable(because),
    }
}

/// What an error of the file system asks of whom.
fn io_error(error: &std::io::Error) -> StoreError {
    match error.kind() {
        std::io::ErrorKind::StorageFull => StoreError::Full,
        std::io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly,
        kind => StoreError::unusable(format!("its folder or a file in it: {kind}")),
    }
}
