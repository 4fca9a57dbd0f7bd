//! A folder on another machine's disk, as the table of mounts tells it.

use std::fs;
use std::process::Command;

use cpv_consent::store::Sqlite;

use crate::child::{Child, folder, say};

/// The child: opens a store.
pub async fn opening_played() {
    match Sqlite::open(folder()).await {
        Ok(store) => {
            say("opened");
            store.close().await.expect("nothing stands in the way");
        }
        Err(error) => say(error),
    }
}

/// Puts another table of mounts in the place of this process's own, then becomes the child.
const UNDER_ANOTHER_TABLE: &str = r#"mount --bind "$TABLE" /proc/$$/mountinfo && exec "$@""#;

/// Whether this user may have mounts of its own; otherwise a word about the test.
fn can_mount(test: &str) -> bool {
    let tried = Command::new("unshare").args(["-m", "true"]).output();
    let can = tried.is_ok_and(|output| output.status.success());
    if !can {
        eprintln!("not run: {test}: only root may have mounts of its own");
    }
    can
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_folder_on_a_network_file_system_is_refused_and_not_made() {
    // F-14
    if !can_mount("a_folder_on_a_network_file_system_is_refused_and_not_made") {
        return;
    }
    let parent = tempfile::tempdir().expect("a folder");
    let share = parent.path().canonicalize().expect("it is there");
    let (folder, table) = (share.join("store"), share.join("table"));
    for (kind, remote) in [("nfs4", true), ("cifs", true), ("fuse.sshfs", true), ("xfs", false)] {
        let own = fs::read_to_string("/proc/self/mountinfo").expect("Linux has one");
        let mount = format!("999 1 0:99 / {} rw - {kind} server:/share rw\n", share.display());
        fs::write(&table, own + &mount).expect("ours");
        let under = ["unshare", "-m", "sh", "-c", UNDER_ANOTHER_TABLE, "sh"];
        let child = Child::playing("opening on a network", &folder).under(&under);
        let ended = child.tell("TABLE", table.display()).run().await;
        assert!(ended.well, "{}", ended.complaint);
        let [said] = &ended.said[..] else { panic!("{ended:?}") };
        if remote {
            assert!(said.contains(&format!("network file system ({kind}); move it")), "{said}");
        } else {
            assert_eq!(said, "opened");
        }
        assert_eq!(folder.exists(), !remote, "{kind}");
    }
}
