//! The folder and its files: made for their owner alone, and refused when they are not.

#[cfg(target_os = "linux")]
mod mounts;
#[cfg(unix)]
mod owner;
#[cfg(not(unix))]
#[path = "folder/owner_elsewhere.rs"]
mod owner;

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::storage::store::StoreError;
use crate::storage::store::sqlite::io_error;
use crate::storage::store::sqlite::marks::{
    APPLICATION_ID, NEWEST_SERVED, NO_STORE, OTHER_KEYS, PARTNER_KEYS, RECORDS, TOO_NEW,
    have_one_identity,
};

/// A folder that was checked. While this is held, no other process checks or makes it.
pub(super) struct Prepared {
    pub(super) folder: Arc<Path>,
    pub(super) records: Content,
    pub(super) partner_keys: Content,
    _lock: File,
}

/// Checks what is there, then makes what is missing.
pub(super) fn prepare(folder: &Path) -> Result<Prepared, StoreError> {
    if folder.to_str().is_none() {
        return Err(StoreError::unusable("its path is not Unicode; choose one that is"));
    }
    refuse_links(folder)?;
    #[cfg(target_os = "linux")]
    mounts::refuse_network(folder)?;
    match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => owner::make_folder(folder)?,
        found => check_folder(&found.map_err(|error| io_error(&error))?)?,
    }
    let lock = lock(folder)?;
    let folder = fs::canonicalize(folder).map_err(|error| io_error(&error))?;
    let (records, partner_keys) = check_files(&folder)?;
    owner::make_file(&folder.join(PARTNER_KEYS))?;
    owner::make_file(&folder.join(RECORDS))?;
    if records == Content::None {
        // Whoever made them may have been killed before this.
        [Some(&*folder), folder.parent()].into_iter().flatten().try_for_each(owner::sync)?;
    }
    Ok(Prepared { folder: claim(folder), records, partner_keys, _lock: lock })
}

fn check_files(folder: &Path) -> Result<(Content, Content), StoreError> {
    let files = (check_file(folder, RECORDS)?, check_file(folder, PARTNER_KEYS)?);
    match files {
        // Keys are made first, so records without them mean that the keys were lost.
        (Content::Ours, Content::None) => Err(StoreError::unusable(format!(
            "the file of partner keys is missing; restore {PARTNER_KEYS}, without which no record \
             opens"
        ))),
        (Content::Ours, Content::Ours)
            if !is_claimed(folder) && !have_one_identity(folder).unwrap_or(true) =>
        {
            Err(StoreError::unusable(OTHER_KEYS))
        }
        files => Ok(files),
    }
}

/// Waits for other processes that open the same store, but not for one that hangs.
fn lock(folder: &Path) -> Result<File, StoreError> {
    let file = owner::open_to_lock(folder)?;
    let deadline = Instant::now() + LONGEST_WAIT;
    while Instant::now() < deadline {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
            Err(TryLockError::Error(error)) => return Err(io_error(&error)),
        }
    }
    Err(StoreError::unavailable("another process has been opening it for too long"))
}

/// How long one process waits for another, to open the store or to write.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

/// The two files as they were when the store was opened.
pub(super) struct Site {
    pub(super) folder: Arc<Path>,
    pub(super) identity: Vec<u8>,
    files: [owner::FileId; 2],
    distrusted: AtomicBool,
    opened: Instant,
    /// Milliseconds from `opened` until which readers believe that the files are in place.
    believed: AtomicU64,
}

impl Site {
    pub(super) fn of(folder: Arc<Path>, identity: Vec<u8>) -> Result<Self, StoreError> {
        let files = files_of(&folder).map_err(|error| io_error(&error))?;
        let (distrusted, believed) = (AtomicBool::new(false), AtomicU64::new(0));
        Ok(Self { folder, identity, files, distrusted, opened: Instant::now(), believed })
    }

    /// Whether what is read may never have reached the disk.
    pub(super) fn distrust(&self, distrusted: bool) {
        self.distrusted.store(distrusted, Ordering::Release);
    }

    /// Refuses to read what the disk may not have.
    pub(super) fn check_trusted(&self) -> Result<(), StoreError> {
        match self.distrusted.load(Ordering::Acquire) {
            true => Err(StoreError::unavailable("the disk did not take an earlier write")),
            false => Ok(()),
        }
    }

    /// What is read a moment after the files were replaced might as well have been read before: one
    /// look in so many milliseconds is enough, for it costs nearly as much as the reading.
    pub(super) fn check_in_place_lately(&self) -> Result<(), StoreError> {
        let now = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        if now < self.believed.load(Ordering::Acquire) {
            return Ok(());
        }
        self.check_in_place()?;
        self.believed.store(now.saturating_add(BELIEVED), Ordering::Release);
        Ok(())
    }

    /// Whoever has files open that somebody has replaced would write where nobody reads.
    pub(super) fn check_in_place(&self) -> Result<(), StoreError> {
        match files_of(&self.folder) {
            Ok(files) if files == self.files => Ok(()),
            Err(error) if error.kind() != ErrorKind::NotFound => Err(io_error(&error)),
            _ => Err(StoreError::unusable(REPLACED)),
        }
    }
}

/// Milliseconds.
const BELIEVED: u64 = 20;

pub(super) const REPLACED: &str =
    "its files were replaced or moved while it was open; open it anew";

fn files_of(folder: &Path) -> std::io::Result<[owner::FileId; 2]> {
    let id = |name| fs::symlink_metadata(folder.join(name)).map(|found| owner::file_id(&found));
    Ok([id(RECORDS)?, id(PARTNER_KEYS)?])
}

/// The folders that this process has open: a claim is held as long as any connection.
///
/// On Unix, closing a file ends all locks that the process has on it, SQLite's among them: where
/// there is a claim, files are left to SQLite alone. Source: "How To Corrupt An SQLite Database
/// File", section 2.2, <https://sqlite.org/howtocorrupt.html>.
static CLAIMS: Mutex<Vec<Weak<Path>>> = Mutex::new(Vec::new());

fn claims() -> MutexGuard<'static, Vec<Weak<Path>>> {
    CLAIMS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn claim(folder: PathBuf) -> Arc<Path> {
    let folder: Arc<Path> = folder.into();
    let mut claims = claims();
    claims.retain(|claim| claim.strong_count() > 0);
    claims.push(Arc::downgrade(&folder));
    folder
}

fn is_claimed(folder: &Path) -> bool {
    claims().iter().filter_map(Weak::upgrade).any(|claimed| *claimed == *folder)
}

/// What a file has in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing yet, or what a process left that was killed while it made the file.
    None,
    Ours,
}

/// Someone who may write beside the folder could lead a link anywhere.
fn refuse_links(folder: &Path) -> Result<(), StoreError> {
    let is_link = |path: &&Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    match folder.ancestors().find(is_link) {
        Some(link) => Err(StoreError::unusable(format!(
            "{} in its path is a symbolic link; give the path that it leads to",
            link.display()
        ))),
        None => Ok(()),
    }
}

fn check_folder(found: &Metadata) -> Result<(), StoreError> {
    if !found.is_dir() {
        return Err(StoreError::unusable("its folder is no folder; choose another place"));
    }
    owner::refuse_others(found, || "its folder is open to others; make it 0700".to_owned())
}

fn check_file(folder: &Path, name: &str) -> Result<Content, StoreError> {
    let path = folder.join(name);
    let found = match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Content::None),
        found => found.map_err(|error| io_error(&error))?,
    };
    if !found.is_file() {
        let because = format!("{name} is a link or no file; put the file itself there");
        return Err(StoreError::unusable(because));
    }
    owner::refuse_others(&found, || format!("{name} is open to others; make it 0600"))?;
    match found.len() {
        0 => Ok(Content::None),
        _ if is_claimed(folder) => Ok(Content::Ours),
        _ if is_being_made(&path) => Ok(Content::None),
        _ => check_header(&path, name),
    }
}

/// Whether a process was killed while it made this file: its journal, which SQLite will follow,
/// says that there was nothing before.
///
/// Source: "Database File Format", section 3, <https://sqlite.org/fileformat2.html>.
fn is_being_made(path: &Path) -> bool {
    const MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
    let mut header = [0; 20];
    let journal = path.with_extension("sqlite3-journal");
    let read = File::open(journal).and_then(|mut journal| journal.read_exact(&mut header));
    read.is_ok() && header.starts_with(&MAGIC) && header[16..] == [0; 4]
}

/// Reads the header as bytes, for SQLite itself would already write beside the file; opened for
/// writing, so that a file that cannot be written is refused here.
///
/// Source: "Database File Format", section 1.3, <https://sqlite.org/fileformat2.html>.
fn check_header(path: &Path, name: &str) -> Result<Content, StoreError> {
    let mut file =
        OpenOptions::new().read(true).write(true).open(path).map_err(|e| io_error(&e))?;
    let mut header = [0; 100];
    let read = file.read_exact(&mut header);
    let number =
        |at: usize| u32::from_be_bytes(*header[at..].first_chunk().expect("the header is longer"));
    if read.is_err() || !header.starts_with(b"SQLite format 3\0") || number(68) != APPLICATION_ID {
        return Err(StoreError::unusable(format!("{name} {NO_STORE}")));
    }
    if number(60) > NEWEST_SERVED {
        return Err(StoreError::unusable(format!("{name} {TOO_NEW}")));
    }
    Ok(Content::Ours)
}
