//! Files made by one version and used by another.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use cpv_consent::store::{Expect, Filter, Kind, Selection, Store};
use cpv_consent::{
    AppRegistration, Broker, ClientCredential, ClientId, Cloud, ConsentState, KeyRing, LocalKey,
    Origins, Resource, TenantId,
};
use rusqlite::Connection;

use crate::place::{closed_store, entry, key, opened, place, realm, refusal, set_mode, untouched};

const FILES: [&str; 2] = ["records.sqlite3", "partner-keys.sqlite3"];

/// What the next version might add: a column, a table, an index, a number.
fn change_by_the_next_version(path: &Path, version: u32) {
    for name in FILES {
        let db = Connection::open(path.join(name)).expect("a database");
        db.execute_batch(
            "BEGIN;
             ALTER TABLE record ADD COLUMN novelty TEXT;
             CREATE TABLE novelties (id INTEGER PRIMARY KEY) STRICT;
             CREATE INDEX record_novelty ON record (novelty);
             COMMIT",
        )
        .expect("ours");
        db.pragma_update(None, "user_version", version).expect("ours");
    }
}

fn version_of(path: &Path, name: &str) -> u32 {
    let db = Connection::open(path.join(name)).expect("a database");
    db.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a number")
}

#[tokio::test]
async fn a_store_two_versions_ahead_is_refused_and_left_as_it_was() {
    // F-26
    for name in FILES {
        let (_folder, path) = place();
        closed_store(&path).await;
        let db = Connection::open(path.join(name)).expect("a database");
        db.pragma_update(None, "user_version", 3).expect("ours");
        drop(db);
        let before = untouched(&path);
        assert!(refusal(&path).await.contains("newer version"), "{name}");
        assert_eq!(untouched(&path), before, "{name}");
    }
}

#[tokio::test]
async fn a_store_one_version_ahead_is_served_and_stays_ahead() {
    // F-26
    let (_folder, path) = place();
    closed_store(&path).await;
    change_by_the_next_version(&path, 2);
    used_as_ever(&path).await;
    assert_eq!(FILES.map(|name| version_of(&path, name)), [2, 2]);
}

#[tokio::test]
async fn a_store_that_is_migrated_while_it_is_open_is_served_on() {
    // F-26
    let (_folder, path) = place();
    closed_store(&path).await;
    let old = opened(&path).await;
    old.get(&key(Kind::Consent, "kept")).await.expect("readable").expect("a record");
    old.put(&key(Kind::Consent, "before"), entry("text"), Expect::Absent).await.expect("absent");
    change_by_the_next_version(&path, 2);
    old.put(&key(Kind::Consent, "after"), entry("text"), Expect::Absent).await.expect("absent");
    old.get(&key(Kind::Consent, "after")).await.expect("readable").expect("a record");
    used_as_ever(&path).await;
}

async fn used_as_ever(path: &Path) {
    let store = opened(path).await;
    for kind in [Kind::Consent, Kind::PartnerKey] {
        let stored = store.get(&key(kind, "kept")).await.expect("readable").expect("a record");
        let at = Expect::At(stored.revision);
        store.put(&key(kind, "kept"), entry("next"), at).await.expect("unmoved");
        store.put(&key(kind, "new"), entry("text"), Expect::Absent).await.expect("absent");
        let (selection, cursor, limit) = (Selection::ChangedAfter(stored.revision), None, 100);
        let filter = Filter { realm: realm(), kind, selection, cursor, limit };
        let listed = store.list(filter).await.expect("readable").records;
        assert!(listed.iter().any(|stored| stored.key.id() == "new"), "{listed:?}");
    }
    store.close().await.expect("nothing stands in the way");
}

/// A store that a released version made: its two files, and beside them what was known then.
struct Fixture {
    _folder: tempfile::TempDir,
    path: PathBuf,
    /// Lines of a name and a value.
    made: String,
}

impl Fixture {
    /// A copy to work on.
    fn of(version: &str) -> Self {
        let (folder, path) = place();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(version);
        fs::DirBuilder::new().mode(0o700).create(&path).expect("a folder");
        for name in FILES {
            fs::copy(from.join(name), path.join(name)).expect("a fixture");
            set_mode(&path.join(name), 0o600);
        }
        let made = fs::read_to_string(from.join("made")).expect("a fixture");
        Self { _folder: folder, path, made }
    }

    fn told(&self, name: &str) -> &str {
        let mut lines = self.made.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(found, _)| *found == name).expect("a line").1
    }

    async fn broker(&self) -> Broker {
        let key = LocalKey::from_base64(self.told("key-id"), self.told("key")).expect("a key");
        let app = registration(self.told("login"), self.told("partner-center"), self.told("graph"));
        let store = opened(&self.path).await;
        Broker::builder(app, store, KeyRing::new(key)).build().await.expect("a broker")
    }
}

fn registration(login: &str, partner_center: &str, graph: &str) -> AppRegistration {
    let cloud = Cloud::danger_loopback("emulator", Origins { login, partner_center, graph });
    let home = TenantId::parse("0c0ffee0-1111-4111-8111-111111111111").expect("a GUID");
    let client_id = ClientId::parse("c11e0700-2222-4222-8222-222222222222").expect("a GUID");
    let credential = ClientCredential::secret("only-for-the-emulator").expect("plain text");
    let redirect = "https://panel.example/consent/callback";
    AppRegistration::new(cloud.expect("loopback"), home, client_id, credential, redirect)
        .and_then(|app| app.requesting(Resource::Graph, ["Directory.Read.All"]))
        .expect("a registration")
}

#[tokio::test]
async fn every_released_format_opens() {
    // F-26
    for version in ["0.1.0"] {
        let fixture = Fixture::of(version);
        let broker = fixture.broker().await;
        let partner = TenantId::parse(fixture.told("partner")).expect("a GUID");
        let consent = broker.partner(partner).consent().await.expect("it opens").expect("there");
        assert_eq!(*consent.state(), ConsentState::Live, "{version}");
        assert_eq!(consent.user().to_string(), fixture.told("user"), "{version}");
        broker.partner(partner).withdraw().await.expect("it can be written");
    }
}

/// Makes the fixture of the present version, in the folder that `FIXTURE` names.
#[tokio::test]
#[ignore = "made once for each release, and kept"]
async fn make_the_fixture_of_this_version() {
    use cpv_consent::emulator::{Browser, Emulator};
    use cpv_consent::{AccountId, Callback};

    let folder = PathBuf::from(std::env::var_os("FIXTURE").expect("where to"));
    let entra = Emulator::builder().start().await.expect("free ports");
    let origins = [entra.login_origin(), entra.partner_center_origin(), entra.graph_origin()];
    let app = registration(origins[0], origins[1], origins[2]);
    entra.register(&app);
    let partner = entra.add_tenant("Contoso");
    let admin = entra.add_user(partner, "admin@contoso.example");
    let text = LocalKey::generate("fixture").expect("random bytes").to_base64();
    let key = LocalKey::from_base64("fixture", text.expose()).expect("a key");
    let (_place, path) = place();
    let store = opened(&path).await;
    let broker = Broker::builder(app, store, KeyRing::new(key)).build().await.expect("a broker");
    let account = AccountId::new("panel-1").expect("plain text");
    let pending = broker.partner(partner).request_consent(account).await.expect("a flow");
    let mut browser = Browser::new();
    browser.keep_cookie(pending.browser_key().set_cookie().to_str().expect("ASCII"));
    let request = browser.consent(pending.authorize_url(), &admin).await.expect("a callback");
    let callback = Callback::from_request(&request).expect("a callback");
    let found = broker.capture_consent(callback).await.expect("everything holds");
    let consent = found.confirm().await.expect("a consent");
    broker.close(std::time::Duration::from_secs(10)).await;
    opened(&path).await.close().await.expect("nothing stands in the way");
    fs::create_dir_all(&folder).expect("a folder");
    for name in FILES {
        fs::copy(path.join(name), folder.join(name)).expect("ours");
    }
    let made = format!(
        "key-id fixture\nkey {}\nlogin {}\npartner-center {}\ngraph {}\npartner {partner}\nuser {}\n",
        text.expose(),
        origins[0],
        origins[1],
        origins[2],
        consent.user(),
    );
    fs::write(folder.join("made"), made).expect("ours");
}
