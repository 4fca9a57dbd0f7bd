//! Unix: modes say who may read.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::storage::keyring::is_of_another_user;
use crate::storage::store::StoreError;
use crate::storage::store::sqlite::{ANOTHERS, io_error};

pub(super) fn make_folder(folder: &Path) -> Result<(), StoreError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(StoreError::unusable("the parent of its folder is missing; make it first"))
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

/// A new name is on disk once its folder is.
pub(super) fn sync(folder: &Path) -> Result<(), StoreError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| io_error(&error))
}

pub(super) fn refuse_others(
    found: &Metadata,
    because: impl FnOnce() -> String,
) -> Result<(), StoreError> {
    match found.mode() & 0o077 {
        _ if is_of_another_user(found).map_err(|error| io_error(&error))? => {
            Err(StoreError::unusable(ANOTHERS))
        }
        0 => Ok(()),
        _ => Err(StoreError::unusable(because())),
    }
}

/// What is locked by whoever opens the store.
pub(super) fn open_to_lock(folder: &Path) -> Result<File, StoreError> {
    File::open(folder).map_err(|error| io_error(&error))
}

/// What tells one file from another that has its name: device and inode.
pub(super) type FileId = (u64, u64);

pub(super) fn file_id(found: &Metadata) -> FileId {
    (found.dev(), found.ino())
}
