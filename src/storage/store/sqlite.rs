//! The embedded store: two SQLite files in a folder of their own.
//!
//! Partner keys live in a file apart from the records, so that a backup of the records alone does
//! not hold what opens them. Both are open in one connection: one write lock, one growing revision.

mod folder;
mod marks;
mod rows;
mod salvage;
mod schema;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rusqlite::{Connection, ErrorCode, ffi};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::storage::store::sqlite::folder::Site;
use crate::storage::store::sqlite::writer::{Change, Writer};
use crate::storage::store::{
    Entry, Expect, Filter, Key, Page, Promises, Revision, Store, StoreError, Stored,
};

/// Keeps records in two SQLite files, compiled in. Several processes of one machine may share it.
///
/// Each write is on disk before it is answered (`synchronous=FULL`); writes that arrive together
/// share one commit. Removed bytes are overwritten (`secure_delete`), and removing a partner's key
/// also empties the write-ahead log of the file of keys, as soon as no reader holds it. Not for
/// network file systems: see <https://sqlite.org/wal.html>. While it is open, nothing else in the
/// process may open its files, not even to copy them: see
/// <https://sqlite.org/howtocorrupt.html>, section 2.2.
pub struct Sqlite {
    readers: Arc<Readers>,
    writer: Writer,
}

impl Sqlite {
    /// Opens the store in `folder`, which is made if it is missing and its parent is there.
    ///
    /// On Unix the folder is for its owner only (0700), as are its files (0600).
    ///
    /// # Errors
    /// [`StoreError::Unusable`], and nothing changed, when folder or files are open to others or, as
    /// is told on Linux, another user's, the path has a symbolic link in it or leads to another
    /// machine, a file is no store of this crate, was made for a version two ahead, or belongs to
    /// another store, or the partner keys are missing; [`StoreError::ReadOnly`],
    /// [`StoreError::Full`]; [`StoreError::Unavailable`] when another process has been opening or
    /// writing it for five seconds.
    pub async fn open(folder: impl AsRef<Path> + Send) -> Result<Self, StoreError> {
        let folder = std::path::absolute(folder).map_err(|error| io_error(&error))?;
        let place = folder.clone();
        let set_up = blocking(move || schema::set_up(&folder)).await;
        let (connection, site) = set_up.map_err(|error| said_of(&place, error))?;
        let readers = Arc::new(Readers::of(Arc::clone(&site)));
        let writer = Writer::start(site, connection)?;
        Ok(Self { readers, writer })
    }

    /// Finishes what was queued and closes the files: they then are whole without their logs,
    /// unless another process has them open. A store that is dropped does the same at its own pace,
    /// and leaves its logs if the process ends first; nothing is lost by that.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the runtime is shutting down already.
    pub async fn close(self) -> Result<(), StoreError> {
        let Self { readers, writer } = self;
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
        .map_err(|error| self.said(error))
    }

    fn said(&self, error: StoreError) -> StoreError {
        said_of(&self.readers.site.folder, error)
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let key = key.clone();
        let row = self.read(move |db| rows::read(db, &key)).await?;
        row.map(rows::Row::into_stored).transpose().map_err(|error| self.said(error))
    }

    async fn put(&self, key: &Key, entry: Entry, expect: Expect) -> Result<Revision, StoreError> {
        self.promises().admit(key, &entry)?;
        let written = self.writer.write(Change::Put { key: key.clone(), entry, expect }).await;
        written.map_err(|error| self.said(error))
    }

    async fn remove(&self, key: &Key, at: Revision) -> Result<(), StoreError> {
        let removed = self.writer.write(Change::Remove { key: key.clone(), at }).await;
        removed.map(drop).map_err(|error| self.said(error))
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        self.read(move |db| salvage::page(db, &filter)).await
    }

    async fn realms(&self) -> Result<Vec<String>, StoreError> {
        self.read(rows::realms).await
    }

    fn promises(&self) -> Promises {
        Promises {
            compare_and_swap: true,
            durable: true,
            shared_between_processes: true,
            ..Promises::NONE
        }
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Sqlite")
            .field("folder", &self.readers.site.folder)
            .finish_non_exhaustive()
    }
}

/// A few connections that only read.
struct Readers {
    idle: Mutex<Vec<Connection>>,
    /// Dropped after the connections: it tells that there may be some.
    site: Arc<Site>,
    permits: Arc<Semaphore>,
}

impl Readers {
    fn of(site: Arc<Site>) -> Self {
        let permits = Arc::new(Semaphore::new(MOST_READERS));
        Self { idle: Mutex::default(), site, permits }
    }

    /// A connection that failed is not used again.
    fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.site.check_in_place_lately()?;
        self.site.check_trusted()?;
        let idle = self.idle().pop();
        let connection = idle.map_or_else(|| schema::connect_to_read(&self.site), Ok)?;
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

/// With the folder, for whoever has more than one store.
fn said_of(folder: &Path, error: StoreError) -> StoreError {
    let told = |because| format!("{}: {because}", folder.display());
    match error {
        StoreError::Unavailable { because } => StoreError::unavailable(told(because)),
        StoreError::Damaged { because } => StoreError::damaged(told(because)),
        StoreError::Unusable { because } => StoreError::unusable(told(because)),
        other => other,
    }
}

/// What an error of SQLite asks of whom. Its text may quote a row, so only its code is told.
fn store_error(error: &rusqlite::Error) -> StoreError {
    let rusqlite::Error::SqliteFailure(failure, _) = error else {
        return StoreError::damaged("a row has another shape");
    };
    let because = format!("sqlite error {}", failure.extended_code);
    match failure.code {
        ErrorCode::DiskFull => StoreError::Full,
        _ if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE => StoreError::Full,
        ErrorCode::ReadOnly => StoreError::ReadOnly,
        ErrorCode::DatabaseCorrupt | ErrorCode::ConstraintViolation => {
            StoreError::damaged(format!("{because}; restore its files from a backup"))
        }
        ErrorCode::NotADatabase | ErrorCode::PermissionDenied => {
            StoreError::unusable(format!("{because}; see whose its files are, or restore them"))
        }
        ErrorCode::CannotOpen => {
            StoreError::unavailable("a file of it could not be opened; are too many open?")
        }
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            StoreError::unavailable("another writer holds it")
        }
        _ => StoreError::unavailable(because),
    }
}

/// Whether the operating system could not tell that the disk has what was written.
fn is_unsynced(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|failure| failure.extended_code);
    code.is_some_and(|code| [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC].contains(&code))
}

/// What an error of the file system asks of whom.
fn io_error(error: &std::io::Error) -> StoreError {
    match error.kind() {
        _ if error.raw_os_error().is_some_and(|code| TOO_MANY_OPEN.contains(&code)) => {
            StoreError::unavailable("too many files are open")
        }
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StoreError::Full,
        std::io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly,
        std::io::ErrorKind::PermissionDenied => StoreError::unusable(ANOTHERS),
        kind => StoreError::unusable(format!(
            "its folder or a file in it: {kind}; see that this process may read and write there"
        )),
    }
}

const ANOTHERS: &str = "its folder or a file in it is another user's; run as its owner";
/// `ENFILE` and `EMFILE`, which have no name in the standard library: the same on every Unix.
const TOO_MANY_OPEN: [i32; 2] = if cfg!(unix) { [23, 24] } else { [-1, -1] };
