//! A folder for this process alone, gone when the emulator ends.

use std::env;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;

use crate::emulator::chance::Chance;

#[cfg(unix)]
mod owner;
#[cfg(not(unix))]
#[path = "folder/owner_elsewhere.rs"]
mod owner;

/// A fresh folder below the system's temporary one.
#[derive(Debug)]
pub(in crate::emulator) struct PrivateFolder {
    path: PathBuf,
}

impl PrivateFolder {
    pub(in crate::emulator) fn new() -> io::Result<Self> {
        let path = env::temp_dir().join(format!("cpv-consent-{}", Chance::new(None).guid()));
        let mut folder = DirBuilder::new();
        owner::only(&mut folder).create(&path)?; // refuses a path that somebody else has made
        Ok(Self { path })
    }

    /// Writes a file that is new.
    pub(in crate::emulator) fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        let mut options = OpenOptions::new();
        let mut file = owner::alone(options.write(true).create_new(true)).open(&path)?;
        file.write_all(text.as_bytes())?;
        Ok(path)
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path); // nobody is left to be told
    }
}
