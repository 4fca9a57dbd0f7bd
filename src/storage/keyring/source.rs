//! Where a host keeps a local key: an environment variable, or a file for its owner alone.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::model::invalid::Invalid;
use crate::storage::keyring::LocalKey;

pub(crate) use self::user::is_of_another_user;

/// Why a key was not read from where it is kept, or not saved there. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySourceError {
    /// The environment variable is not there.
    #[error("environment variable {variable} is not set: set it to the key as base64")]
    VariableMissing {
        /// Its name.
        variable: String,
    },
    /// There is no such file, or no folder for it.
    #[error("there is no {}: name the key's file, or save a new key there", path.display())]
    Missing {
        /// Where it was sought.
        path: PathBuf,
    },
    /// Whoever may write beside a link could lead it anywhere.
    #[error("{} is a symbolic link: name the file itself", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// A folder, a pipe or a device.
    #[error("{} is no regular file: name the key's file", path.display())]
    NoFile {
        /// What was named.
        path: PathBuf,
    },
    /// Its owner may read it and write to it, whatever its mode.
    #[error("{} is another user's: give it to the user that this process runs as", path.display())]
    OfAnotherUser {
        /// The file.
        path: PathBuf,
    },
    /// Others than its owner may read it or write to it.
    #[error("{} is open to others (mode {mode:04o}): make it 0600", path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// There is a file already: a key that is overwritten is lost with all that it sealed.
    #[error("{} is there already and is not overwritten: choose another name", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("{}: {because}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        because: String,
    },
    /// What is there is no key, or the name is none.
    #[error("{place}: {problem}")]
    Invalid {
        /// The variable or file.
        place: String,
        /// What is wrong, without what was read.
        problem: Invalid,
    },
}

impl LocalKey {
    /// The key that an environment variable holds, as base64. Other programs of the same user can
    /// read it; a file cannot be read by those of other users only.
    ///
    /// # Errors
    /// [`KeySourceError`], which says what to do.
    pub fn from_env(id: &str, variable: &str) -> Result<Self, KeySourceError> {
        let text = std::env::var_os(variable);
        let text = text.ok_or(KeySourceError::VariableMissing { variable: variable.to_owned() })?;
        // What is not even Unicode is refused as an empty key is.
        read(id, &Zeroizing::new(text.into_string().unwrap_or_default()), variable)
    }

    /// The key that a file holds, as base64: a regular file, no link, and on Unix for its owner
    /// alone (0600 or stricter), who on Linux must be the user of this process.
    ///
    /// # Errors
    /// [`KeySourceError`], which says what to do.
    pub fn from_file(id: &str, path: impl AsRef<Path>) -> Result<Self, KeySourceError> {
        let path = path.as_ref();
        let text = contents(path)?;
        read(id, &text, &path.display().to_string())
    }

    /// Saves the key in a new file for its owner alone (0600 on Unix); it is on disk when this
    /// returns. A file that is there is never overwritten.
    ///
    /// # Errors
    /// [`KeySourceError`], which says what to do.
    pub fn save_new(&self, path: impl AsRef<Path>) -> Result<(), KeySourceError> {
        let path = path.as_ref();
        let mut file = owner::new_file().open(path).map_err(|error| io_error(path, &error))?;
        let line = Zeroizing::new(format!("{}\n", self.to_base64().expose()));
        let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_all());
        let written = written.and_then(|()| owner::sync_folder(path));
        written.map_err(|error| {
            // Half a key would stand in the way of the next try.
            let _ = fs::remove_file(path);
            io_error(path, &error)
        })
    }
}

fn read(id: &str, text: &str, place: &str) -> Result<LocalKey, KeySourceError> {
    let invalid = |problem| KeySourceError::Invalid { place: place.to_owned(), problem };
    LocalKey::from_base64(id, text).map_err(invalid)
}

fn contents(path: &Path) -> Result<Zeroizing<String>, KeySourceError> {
    let failed = |error: io::Error| io_error(path, &error);
    // Looked at before it is opened: opening a pipe would wait for somebody to write.
    let named = fs::symlink_metadata(path).map_err(failed)?;
    check(path, &named)?;
    let file = File::open(path).map_err(failed)?;
    let opened = file.metadata().map_err(failed)?;
    if !owner::same_file(&named, &opened) {
        return Err(failed(ErrorKind::StaleNetworkFileHandle.into()));
    }
    check(path, &opened)?;
    let mut text = Zeroizing::new(String::with_capacity(LONGEST));
    file.take(LONGEST as u64).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

fn check(path: &Path, found: &Metadata) -> Result<(), KeySourceError> {
    let path = path.to_owned();
    if found.is_symlink() {
        return Err(KeySourceError::Link { path });
    }
    if !found.is_file() {
        return Err(KeySourceError::NoFile { path });
    }
    if is_of_another_user(found).map_err(|error| io_error(&path, &error))? {
        return Err(KeySourceError::OfAnotherUser { path });
    }
    match owner::mode_for_others(found) {
        Some(mode) => Err(KeySourceError::OpenToOthers { path, mode }),
        None => Ok(()),
    }
}

fn io_error(path: &Path, error: &io::Error) -> KeySourceError {
    let path = path.to_owned();
    match error.kind() {
        ErrorKind::NotFound => KeySourceError::Missing { path },
        ErrorKind::AlreadyExists => KeySourceError::Exists { path },
        kind => KeySourceError::Unreadable { path, because: kind.to_string() },
    }
}

/// A key in base64 has 44 characters; more than this is another file.
const LONGEST: usize = 1024;

#[cfg(unix)]
mod owner {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

    use super::*;

    pub(super) fn new_file() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options
    }

    /// The mode, where it lets others in.
    pub(super) fn mode_for_others(found: &Metadata) -> Option<u32> {
        let mode = found.mode() & 0o7777;
        (mode & 0o077 != 0).then_some(mode)
    }

    pub(super) fn same_file(one: &Metadata, other: &Metadata) -> bool {
        (one.dev(), one.ino()) == (other.dev(), other.ino())
    }

    /// A new name is on disk once its folder is.
    pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// Where there are no modes, the access list that the folder inherits says who may read.
#[cfg(not(unix))]
mod owner {
    use super::*;

    pub(super) fn new_file() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        options
    }

    pub(super) fn mode_for_others(_: &Metadata) -> Option<u32> {
        None
    }

    pub(super) fn same_file(_: &Metadata, _: &Metadata) -> bool {
        true
    }

    pub(super) fn sync_folder(_: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// Whether somebody else owns a file, which matters to root, who may read what is anybody's.
#[cfg(target_os = "linux")]
mod user {
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    /// A pipe belongs to the user that this process runs as, and is to be had everywhere, unlike
    /// `/proc`.
    ///
    /// Source: `create_pipe_files`, <https://github.com/torvalds/linux/blob/v6.12/fs/pipe.c>.
    pub(crate) fn is_of_another_user(found: &Metadata) -> io::Result<bool> {
        let (own, _) = io::pipe()?;
        let own = File::from(OwnedFd::from(own)).metadata()?;
        Ok(own.uid() != found.uid())
    }
}

/// Elsewhere it is not told.
#[cfg(not(target_os = "linux"))]
mod user {
    use super::*;

    pub(crate) fn is_of_another_user(_: &Metadata) -> io::Result<bool> {
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::keyring::KeyWrap;

    fn key() -> LocalKey {
        LocalKey::generate("a").expect("a key")
    }

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    #[test]
    fn a_saved_key_is_read_back_and_never_overwritten() {
        let (folder, first) = (folder(), key());
        let path = folder.path().join("ring.key");
        first.save_new(&path).expect("a new file");
        assert_eq!(key().save_new(&path), Err(KeySourceError::Exists { path: path.clone() }));
        let read = LocalKey::from_file("a", &path).expect("as saved");
        assert_eq!(read.origin().expose(), first.origin().expose());
        let nowhere = folder.path().join("missing").join("ring.key");
        let missing = KeySourceError::Missing { path: nowhere.clone() };
        assert_eq!(key().save_new(&nowhere), Err(missing));
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_is_for_its_owner_alone() {
        //
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = folder();
        let path = folder.path().join("ring.key");
        key().save_new(&path).expect("a new file");
        let set_mode = |mode| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("ours");
        };
        let saved = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(saved & 0o7777, 0o600);
        for mode in [0o400, 0o600, 0o700] {
            set_mode(mode);
            assert!(LocalKey::from_file("a", &path).is_ok(), "{mode:o}");
        }
        for mode in [0o604, 0o640, 0o602, 0o620, 0o610, 0o666] {
            set_mode(mode);
            let refused = LocalKey::from_file("a", &path).expect_err("open to others");
            assert_eq!(refused, KeySourceError::OpenToOthers { path: path.clone(), mode });
        }
        set_mode(0o600);
        let link = folder.path().join("link");
        symlink(&path, &link).expect("a link");
        let refused = LocalKey::from_file("a", &link).expect_err("a link");
        assert_eq!(refused, KeySourceError::Link { path: link });
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_key_file_of_another_user_is_refused() {
        //
        let folder = folder();
        let mut path = folder.path().join("ring.key");
        key().save_new(&path).expect("a new file");
        LocalKey::from_file("a", &path).expect("our own");
        let own = std::os::unix::fs::MetadataExt::uid(&fs::metadata(&path).expect("it is there"));
        // Only root may give a file away; whoever is not root finds files of root.
        if std::os::unix::fs::chown(&path, Some(own + 1), None).is_err() {
            path = PathBuf::from("/etc/passwd");
        }
        let refused = LocalKey::from_file("a", &path).expect_err("another's");
        assert_eq!(refused, KeySourceError::OfAnotherUser { path });
    }

    #[test]
    fn what_is_no_key_file_is_refused_by_its_own_error() {
        //
        let folder = folder();
        let refused = |path: &Path| LocalKey::from_file("a", path).expect_err("no key");
        let missing = folder.path().join("missing");
        assert_eq!(refused(&missing), KeySourceError::Missing { path: missing.clone() });
        let no_file = KeySourceError::NoFile { path: folder.path().to_owned() };
        assert_eq!(refused(folder.path()), no_file);
        for (number, text) in ["", "c2hvcnQ=", "not base64!", &"A".repeat(5000)].iter().enumerate()
        {
            let path = folder.path().join(number.to_string());
            let mut file = owner::new_file().open(&path).expect("a new file");
            file.write_all(text.as_bytes()).expect("room");
            assert!(matches!(refused(&path), KeySourceError::Invalid { .. }), "{text:.9}");
        }
    }

    #[test]
    fn a_key_comes_from_a_variable_that_is_set() {
        let missing = LocalKey::from_env("a", "CPV_CONSENT_NOT_SET").expect_err("not set");
        let variable = "CPV_CONSENT_NOT_SET".to_owned();
        assert_eq!(missing, KeySourceError::VariableMissing { variable });
        // Every build has this one, and it is no key.
        let wrong = LocalKey::from_env("a", "PATH").expect_err("no key");
        assert!(matches!(wrong, KeySourceError::Invalid { .. }));
    }

    #[test]
    fn a_refusal_says_what_to_do_and_nothing_that_was_read() {
        let path = PathBuf::from("/etc/panel/ring.key");
        let refused = KeySourceError::OpenToOthers { path, mode: 0o644 };
        let said = "/etc/panel/ring.key is open to others (mode 0644): make it 0600";
        assert_eq!(refused.to_string(), said);
        let secret = std::env::var("PATH").expect("every build has one");
        let refused = LocalKey::from_env("a", "PATH").expect_err("no key");
        assert!(!format!("{refused} {refused:?}").contains(&secret));
    }
}
