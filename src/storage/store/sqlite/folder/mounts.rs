//! Linux: the table of mounts says which file systems lie on another machine.
//!
//! SQLite's locks and its shared index do not work there: <https://sqlite.org/wal.html>.

use std::fs;
use std::path::Path;

use crate::storage::store::StoreError;

/// Refuses a folder on a file system that is known to be another machine's. Where the table cannot
/// be read, nothing is refused.
pub(super) fn refuse_network(folder: &Path) -> Result<(), StoreError> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    match file_system_of(&table, folder) {
        Some(found) if is_remote(found) => Err(StoreError::unusable(format!(
            "its folder is on a network file system ({found}); move it to a disk of this machine"
        ))),
        _ => Ok(()),
    }
}

/// The type of the file system that this path is on: the last mount with the longest prefix.
///
/// Source: `proc_pid_mountinfo(5)`: the mount point is the fifth field, the type follows a hyphen.
fn file_system_of<'t>(table: &'t str, path: &Path) -> Option<&'t str> {
    let mounts = table.lines().filter_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        let point = unescaped(mount.split(' ').nth(4)?);
        let kind = file_system.split(' ').next()?;
        path.starts_with(&point).then_some((Path::new(&point).components().count(), kind))
    });
    mounts.max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
}

/// Spaces, tabs, line ends and backslashes are written in octal.
fn unescaped(point: &str) -> String {
    let spaces = point.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n");
    spaces.replace("\\134", "\\")
}

fn is_remote(file_system: &str) -> bool {
    const REMOTE: [&str; 16] = [
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "fuse.ceph",
        "fuse.glusterfs",
        "fuse.gcsfuse",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "gpfs",
        "lustre",
        "nfs",
        "nfs4",
        "smb3",
        "smbfs",
    ];
    REMOTE.contains(&file_system)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
        21 1 252:0 / / rw,relatime - ext4 /dev/vda rw\n\
        40 21 0:50 / /srv/share rw shared:7 - nfs4 server:/share rw\n\
        41 40 0:51 / /srv/share/local rw - xfs /dev/vdb rw\n\
        42 21 0:52 / /mnt/a\\040b rw - cifs //server/b rw\n";

    #[test]
    fn a_network_file_system_is_told_by_the_mount_that_is_nearest() {
        // F-14
        let kind = |path| file_system_of(TABLE, Path::new(path)).expect("the root is mounted");
        for (path, expected) in [
            ("/var/lib/store", "ext4"),
            ("/srv/shared", "ext4"),
            ("/srv/share/store", "nfs4"),
            ("/srv/share/local/store", "xfs"),
            ("/mnt/a b/store", "cifs"),
        ] {
            assert_eq!(kind(path), expected, "{path}");
        }
        assert!(is_remote(kind("/srv/share/store")) && is_remote(kind("/mnt/a b/store")));
        assert!(!is_remote(kind("/srv/share/local/store")));
        assert_eq!(file_system_of("", Path::new("/")), None);
    }
}
