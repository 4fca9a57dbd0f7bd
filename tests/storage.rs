//! The stores keep what they promise, and a store that does not is found out.

#[path = "storage/broken.rs"]
mod broken;
#[cfg(all(unix, feature = "sqlite"))]
#[path = "storage/sqlite.rs"]
mod sqlite;

use std::sync::Arc;

use cpv_consent::store::conformance::{self, Report};
use cpv_consent::store::{Memory, Store};
use cpv_consent::{AppRegistration, ClientCredential, ClientId, Cloud, Realm, TenantId};

const GUID: &str = "11111111-1111-4111-8111-111111111111";

/// Every promise that does not depend on what the store says of itself, and one that does.
const KEPT_BY_ALL: usize = 12;

#[tokio::test]
async fn memory_keeps_its_promises() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let report = conformance::check(|| async { Ok(Arc::clone(&store)) }).await;
    let Report { kept, unpromised, .. } = report.expect("it keeps its promises");
    assert_eq!(kept.len(), KEPT_BY_ALL);
    assert_eq!(unpromised, ["what_was_written_survives_reopening"]);
}

fn realm() -> Realm {
    let home = TenantId::parse(GUID).expect("a GUID");
    let application = ClientId::parse(GUID).expect("a GUID");
    let credential = ClientCredential::secret("a-secret").expect("plain text");
    let redirect = "https://panel.example/callback";
    AppRegistration::new(Cloud::Global, home, application, credential, redirect)
        .expect("a registration")
        .realm()
}
