//! What lies on disk says nothing.

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;

use super::*;
use crate::storage::store::Sqlite;

const MARKER: &str = "0.AXkA-canary-7f3a91e5-refresh-token-of-contoso";

#[tokio::test]
async fn no_file_of_the_store_holds_a_secret_or_a_key() {
    //
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().canonicalize().expect("it is there").join("store");
    let key = LocalKey::generate("a").expect("a key");
    let saved = key.to_base64();
    let store = Arc::new(Sqlite::open(&path).await.expect("a store"));
    let ledger = ledger_over(store, &KeyRing::new(key));
    let contoso = tenant(CONTOSO);
    let first = ledger.insert(&note(contoso, MARKER)).await.expect("absent");
    ledger.replace(&note(contoso, &MARKER.repeat(2)), first).await.expect("unmoved");
    let files = contents(&path);
    assert!(files.iter().any(|(name, _)| name.ends_with("-wal")), "the log is searched too");
    assert!(files.iter().any(|(_, bytes)| holds(bytes, b"CPVS")), "the records are searched");
    assert!(files.iter().any(|(_, bytes)| holds(bytes, b"CPVK")), "the keys are searched");
    for form in forms(MARKER).into_iter().chain(forms(saved.expose())) {
        for (name, bytes) in &files {
            assert!(!holds(bytes, &form), "{name}");
        }
    }
    let shown = format!("{ledger:?} {:?}", ledger.stores);
    assert!(!shown.contains(MARKER) && !shown.contains(saved.expose()));
}

pub(super) fn contents(folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(folder).expect("a folder").map(|file| {
        let file = file.expect("a file");
        let bytes = std::fs::read(file.path()).expect("its bytes");
        (file.file_name().to_string_lossy().into_owned(), bytes)
    });
    files.collect()
}

/// As it is, its beginning, as UTF-16, and as base64 at each of the three offsets.
fn forms(text: &str) -> Vec<Vec<u8>> {
    let utf16 = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut forms = vec![text.as_bytes().to_vec(), text.as_bytes()[..12].to_vec(), utf16];
    for offset in 0..3 {
        let encoded = BASE64_STANDARD_NO_PAD.encode(&text.as_bytes()[offset..]);
        forms.push(encoded.as_bytes()[..16].to_vec());
    }
    forms
}

pub(super) fn holds(bytes: &[u8], sought: &[u8]) -> bool {
    bytes.windows(sought.len()).any(|window| window == sought)
}
