//! The stores keep what they promise, and a store that does not is found out. So is a check that no
//! test proves.

#![allow(unreachable_pub)] // its modules are of one program

#[path = "conformance/broken.rs"]
mod broken;
#[path = "conformance/checklist.rs"]
mod checklist;
#[path = "conformance/counted.rs"]
mod counted;
#[path = "conformance/drawn.rs"]
mod drawn;
#[path = "conformance/named.rs"]
mod named;

use std::sync::Arc;

use cpv_consent::store::conformance::{self, Broken, Report};
use cpv_consent::store::{Memory, Store};

/// Every promise but the one that depends on durability.
const KEPT_WITHOUT_A_DISK: usize = 15;

#[tokio::test]
async fn memory_keeps_its_promises() -> Result<(), Broken> {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let report = conformance::check(|| async { Ok(store.clone()) }).await?;
    assert_eq!(report.kept.len(), KEPT_WITHOUT_A_DISK);
    assert_eq!(report.unpromised, ["what_was_written_survives_reopening"]);
    Ok(())
}

#[cfg(all(unix, feature = "sqlite"))]
#[tokio::test]
async fn sqlite_keeps_its_promises() -> Result<(), Broken> {
    use cpv_consent::store::Sqlite;

    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().canonicalize().expect("it is there").join("store");
    let open = || async { Ok(Arc::new(Sqlite::open(&folder).await?) as Arc<dyn Store>) };
    let Report { kept, unpromised, .. } = conformance::check(open).await?;
    assert_eq!(kept.len(), KEPT_WITHOUT_A_DISK + 1);
    assert_eq!(unpromised, [""; 0]);
    Ok(())
}
