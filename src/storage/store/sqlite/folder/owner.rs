//! Unix: modes say who may read.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::storage::store::StoreError;
use crate::storage::store::sqlite::io_error;

pub(super) fn make_folder(folder: &Path) -> Result<(), StoreError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(StoreError::unusable("the parent of its folder is missing"))
        }
        made => made.map_err(|error| io_error(&error)),
    }
}

/// Makes an empty file unless there is one.
pub(super) fn make_file(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(io_error(&error)),
        _ => Ok(()),
    }
}

pub(super) fn refuse_others(found: &Metadata, because: &'static str) -> Result<(), StoreError> {
    if found.mode() & 0o077 == 0 { Ok(()) } else { Err(StoreError::unusable(because)) }
}

/// Waits for other processes that open the same store.
pub(super) fn lock(folder: &Path) -> Result<File, StoreError> {
    let open = File::open(folder).map_err(|error| io_error(&error))?;
    open.lock().map_err(|error| io_error(&error))?;
    Ok(open)
}
