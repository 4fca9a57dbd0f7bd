//! Elsewhere the temporary folder is the user's own.

use std::fs::{DirBuilder, OpenOptions};

pub(super) fn only(folder: &mut DirBuilder) -> &mut DirBuilder {
    folder
}

pub(super) fn alone(file: &mut OpenOptions) -> &mut OpenOptions {
    file
}
