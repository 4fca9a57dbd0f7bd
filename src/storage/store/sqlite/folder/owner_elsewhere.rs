//! Where there are no modes, the access list that the folder inherits says who may read.

use std::fs::{File, Metadata, OpenOptions, create_dir};
use std::io::ErrorKind;
use std::path::Path;
use std::time::SystemTime;

use crate::storage::store::StoreError;
use crate::storage::store::sqlite::io_error;

pub(super) fn make_folder(folder: &Path) -> Result<(), StoreError> {
    create_dir(folder).map_err(|error| io_error(&error))
}

/// Makes an empty file unless there is one.
pub(super) fn make_file(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(io_error(&error)),
        _ => Ok(()),
    }
}

/// A folder cannot be synced here.
pub(super) fn sync(_folder: &Path) -> Result<(), StoreError> {
    Ok(())
}

pub(super) fn refuse_others(
    _found: &Metadata,
    _because: impl FnOnce() -> String,
) -> Result<(), StoreError> {
    Ok(())
}

/// What is locked by whoever opens the store. A folder cannot be locked here, but a file.
pub(super) fn open_to_lock(folder: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    let open = options.write(true).create(true).truncate(false).open(folder.join("opening.lock"));
    open.map_err(|error| io_error(&error))
}

/// What tells one file from another that has its name: when it was made.
pub(super) type FileId = Option<SystemTime>;

pub(super) fn file_id(found: &Metadata) -> FileId {
    found.created().ok()
}
