//! Unix: modes say who may read.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};

pub(super) fn only(folder: &mut DirBuilder) -> &mut DirBuilder {
    folder.mode(0o700)
}

pub(super) fn alone(file: &mut OpenOptions) -> &mut OpenOptions {
    file.mode(0o600)
}
