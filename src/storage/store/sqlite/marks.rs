//! By what the two files are known: their names, their marks, and that they belong to each other.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use url::Url;

/// Records of every kind but partner keys.
pub(super) const RECORDS: &str = "records.sqlite3";
/// Partner keys, to be backed up apart.
pub(super) const PARTNER_KEYS: &str = "partner-keys.sqlite3";

/// Marks a file as ours: "CPVC".
pub(super) const APPLICATION_ID: u32 = 0x4350_5643;

/// What this program makes, kept as `user_version`. A change first only adds, so that the version
/// before serves a store that the version after it has changed; what it replaces goes one later.
pub(super) const VERSION: u32 = 1;

/// The version after this one leaves what this one needs.
pub(super) const NEWEST_SERVED: u32 = VERSION + 1;

pub(super) const NO_STORE: &str = "is no store of this crate; choose a folder for the store alone";
pub(super) const TOO_NEW: &str =
    "was made for a newer version of this crate, two ahead or more; open it with that one";
pub(super) const OTHER_KEYS: &str =
    "its partner keys belong to another store; restore those that belong to these records";

/// Reads which store a file belongs to.
pub(super) const IDENTITY: &str = "SELECT store FROM identity";

/// Whether both files bear the same identity; an error where they do not tell, for it may still be
/// in a log. Opened as `immutable` they are neither locked, nor is anything made beside them.
///
/// Source: <https://sqlite.org/uri.html>, section 3.
pub(super) fn have_one_identity(folder: &Path) -> rusqlite::Result<bool> {
    let identity = |name| {
        let path = folder.join(name);
        let mut url =
            Url::from_file_path(&path).map_err(|()| rusqlite::Error::InvalidPath(path.clone()))?;
        url.set_query(Some("immutable=1"));
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let db = Connection::open_with_flags(url.as_str(), flags)?;
        db.query_row(IDENTITY, [], |row| row.get::<_, Vec<u8>>(0))
    };
    Ok(identity(RECORDS)? == identity(PARTNER_KEYS)?)
}
