//! Where there are no modes, the access list that the folder inherits says who may read.

use std::fs::{File, Metadata, OpenOptions, create_dir};
use std::io::ErrorKind;
use std::path::Path;

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

pub(super) fn refuse_others(_found: &Metadata, _because: &'static str) -> Result<(), StoreError> {
    Ok(())
}

/// Waits for other processes that open the same store. A folder cannot be locked here, but a file.
pub(super) fn lock(folder: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    let open = options.write(true).create(true).truncate(false).open(folder.join("opening.lock"));
    let open = open.map_err(|error| io_error(&error))?;
    open.lock().map_err(|error| io_error(&error))?;
    Ok(open)
}
