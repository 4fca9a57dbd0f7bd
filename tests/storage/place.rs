//! A place for a store, and what lies there.

#![allow(unreachable_pub)] // shared by the files of this test

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use cpv_consent::store::{Entry, Expect, Key, Kind, Sqlite, Store, StoreError};
use cpv_consent::{AppRegistration, ClientCredential, ClientId, Cloud, Realm, Sealed, TenantId};
use tempfile::TempDir;

/// A place for a store, which is not there yet. The folder goes away with the first value.
pub fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().canonicalize().expect("it is there").join("store");
    (folder, path)
}

pub fn key(kind: Kind, id: &str) -> Key {
    Key::new(realm(), kind, None, id)
}

pub fn entry(text: &str) -> Entry {
    Entry { sealed: Sealed::from_bytes(text.as_bytes().to_vec()), due: None }
}

pub async fn opened(path: &Path) -> Sqlite {
    Sqlite::open(path).await.expect("a store")
}

pub async fn refusal(path: &Path) -> String {
    match Sqlite::open(path).await.expect_err("it must be refused") {
        StoreError::Unusable { because } => because.into_owned(),
        other => panic!("{other}"),
    }
}

/// Every file of a folder with its mode and bytes.
pub fn contents(folder: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|file| file.expect("a file").path())
        .map(|path| (mode(&path), fs::read(&path).expect("its bytes"), path))
        .map(|(mode, bytes, path)| (path, mode, bytes))
        .collect();
    files.sort();
    files
}

pub fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("it is there").mode() & 0o777
}

pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
}

/// A folder with a closed store of two records in it.
pub async fn closed_store(path: &Path) {
    let store = opened(path).await;
    for kind in [Kind::Consent, Kind::PartnerKey] {
        store.put(&key(kind, "kept"), entry("text"), Expect::Absent).await.expect("absent");
    }
    store.close().await.expect("nothing stands in the way");
}

/// What a refusal must leave as it is, of a folder and each file in it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Untouched {
    path: PathBuf,
    mode: u32,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    bytes: Vec<u8>,
}

pub fn untouched(folder: &Path) -> Vec<Untouched> {
    let files = fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path());
    let mut all: Vec<_> = files.chain([folder.to_owned()]).map(Untouched::at).collect();
    all.sort();
    all
}

impl Untouched {
    fn at(path: PathBuf) -> Self {
        let found = fs::symlink_metadata(&path).expect("it is there");
        let bytes = if found.is_file() { fs::read(&path).expect("its bytes") } else { Vec::new() };
        Self {
            mode: found.mode(),
            inode: found.ino(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
            bytes,
            path,
        }
    }
}

pub fn realm() -> Realm {
    const GUID: &str = "11111111-1111-4111-8111-111111111111";
    let home = TenantId::parse(GUID).expect("a GUID");
    let application = ClientId::parse(GUID).expect("a GUID");
    let credential = ClientCredential::secret("a-secret").expect("plain text");
    let redirect = "https://panel.example/callback";
    AppRegistration::new(Cloud::Global, home, application, credential, redirect)
        .expect("a registration")
        .realm()
}
