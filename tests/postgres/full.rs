//! A disk without room for tables.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use cpv_consent::store::{Expect, Kind, Store, StoreError};

use crate::mount::Mounted;
use crate::server;
use crate::{entry, key, put};

/// Fills the file system; removing the file makes room again.
fn fill(folder: &Path) {
    let mut file = File::create(folder.join("filler")).expect("ours");
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

#[tokio::test]
async fn a_full_disk_is_typed_leaves_the_old_row_and_is_written_again_when_there_is_room() {
    // F-11
    const TEST: &str =
        "a_full_disk_is_typed_leaves_the_old_row_and_is_written_again_when_there_is_room";
    // Its log lies elsewhere: without room for that, a server goes down.
    let Some(mounted) = Mounted::of(16 << 20, TEST) else { return };
    let Some(server) = server::own() else { return };
    server::give_away(&mounted.path());
    let database = server.database().await;
    let superuser = server.superuser("postgres").await;
    let small = format!("CREATE TABLESPACE small LOCATION '{}'", mounted.path().display());
    superuser.batch_execute(&small).await.expect("a place");
    let moved = format!("ALTER DATABASE {} SET TABLESPACE small", database.name);
    superuser.batch_execute(&moved).await.expect("nobody is connected");

    let store = database.open().await;
    let at = put(&store, "a").await;
    fill(&mounted.path());
    let (place, large) = (key(Kind::Consent, "a"), entry(&"x".repeat(100_000)));
    for _ in 0..20 {
        let refused = store.put(&place, large.clone(), Expect::At(at)).await;
        assert_eq!(refused, Err(StoreError::Full));
        let stored = store.get(&place).await.expect("readable").expect("the old row");
        assert_eq!((stored.entry, stored.revision), (entry("a"), at));
    }
    fs::remove_file(mounted.path().join("filler")).expect("ours");
    store.put(&place, large.clone(), Expect::At(at)).await.expect("room again");
    let stored = database.open().await.get(&place).await.expect("readable").expect("the new row");
    assert_eq!(stored.entry, large);
}
