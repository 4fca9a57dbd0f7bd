//! A small file system of a test's own, where the test may mount one.

#![allow(dead_code, unreachable_pub)] // each test file uses its own part of it

use std::path::{Path, PathBuf};
use std::process::Command;

/// Unmounted when it is dropped.
pub struct Mounted {
    folder: tempfile::TempDir,
}

impl Mounted {
    /// A memory file system of so many bytes; `None`, and a word about the test that cannot run,
    /// where this user may not mount.
    pub fn of(size: usize, test: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let options = format!("size={size},mode=0700");
        let arguments = ["-t", "tmpfs", "-o", &options, "tmpfs"];
        if !mount(&arguments, folder.path()) {
            eprintln!("not run: {test}: only root may mount a file system");
            return None;
        }
        Some(Self { folder })
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().canonicalize().expect("it is there")
    }

    pub fn make_read_only(&self) {
        assert!(mount(&["-o", "remount,ro"], self.folder.path()));
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

fn mount(arguments: &[&str], place: &Path) -> bool {
    let output = Command::new("mount").args(arguments).arg(place).output();
    output.is_ok_and(|output| output.status.success())
}
