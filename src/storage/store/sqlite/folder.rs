//! The folder and its files: made for their owner alone, and refused when they are not.

#[cfg(unix)]
mod owner;
#[cfg(not(unix))]
#[path = "folder/owner_elsewhere.rs"]
mod owner;

use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::storage::store::StoreError;
use crate::storage::store::sqlite::io_error;
use crate::storage::store::sqlite::schema::{APPLICATION_ID, VERSION};

/// Records of every kind but partner keys.
pub(super) const RECORDS: &str = "records.sqlite3";
/// Partner keys, to be backed up apart.
pub(super) const PARTNER_KEYS: &str = "partner-keys.sqlite3";

/// A folder that was checked. While this is held, no other process checks or makes it.
pub(super) struct Prepared {
    pub(super) folder: Arc<Path>,
    _lock: File,
}

/// Checks what is there, then makes what is missing.
pub(super) fn prepare(folder: &Path) -> Result<Prepared, StoreError> {
    if folder.to_str().is_none() {
        return Err(StoreError::unusable("its path is not Unicode"));
    }
    refuse_links(folder)?;
    match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => owner::make_folder(folder)?,
        found => check_folder(&found.map_err(|error| io_error(&error))?)?,
    }
    let lock = owner::lock(folder)?;
    let folder = fs::canonicalize(folder).map_err(|error| io_error(&error))?;
    let records = check_file(&folder, RECORDS)?;
    let partner_keys = check_file(&folder, PARTNER_KEYS)?;
    // Keys are made first, so records without them mean that the keys were lost.
    if records == Content::Ours && partner_keys == Content::None {
        return Err(StoreError::unusable("the file of partner keys is missing"));
    }
    owner::make_file(&folder.join(PARTNER_KEYS))?;
    owner::make_file(&folder.join(RECORDS))?;
    Ok(Prepared { folder: claim(folder), _lock: lock })
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    None,
    Ours,
}

/// Someone who may write beside the folder could lead a link anywhere.
fn refuse_links(folder: &Path) -> Result<(), StoreError> {
    let is_link = |path: &&Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    match folder.ancestors().find(is_link) {
        Some(_) => Err(StoreError::unusable("its path has a symbolic link in it")),
        None => Ok(()),
    }
}

fn check_folder(found: &Metadata) -> Result<(), StoreError> {
    if !found.is_dir() {
        return Err(StoreError::unusable("its folder is no folder"));
    }
    owner::refuse_others(found, "its folder is open to others; make it 0700")
}

fn check_file(folder: &Path, name: &str) -> Result<Content, StoreError> {
    let path = folder.join(name);
    let found = match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Content::None),
        found => found.map_err(|error| io_error(&error))?,
    };
    if !found.is_file() {
        return Err(StoreError::unusable("a file of its folder is a link or no file"));
    }
    owner::refuse_others(&found, "a file of its folder is open to others; make it 0600")?;
    match found.len() {
        0 => Ok(Content::None),
        _ if is_claimed(folder) => Ok(Content::Ours),
        _ => check_header(&path),
    }
}

/// Reads the header as bytes, for SQLite itself would already write beside the file.
///
/// Source: "Database File Format", section 1.3, <https://sqlite.org/fileformat2.html>.
fn check_header(path: &Path) -> Result<Content, StoreError> {
    let mut header = [0; 100];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    let number =
        |at: usize| u32::from_be_bytes(*header[at..].first_chunk().expect("the header is longer"));
    if read.is_err() || !header.starts_with(b"SQLite format 3\0") || number(68) != APPLICATION_ID {
        return Err(StoreError::unusable("a file of its folder is no store of this crate"));
    }
    if number(60) > VERSION {
        return Err(StoreError::unusable("it was made for a newer version of this crate"));
    }
    Ok(Content::Ours)
}
