//! Whoever has the server's disk, its log of writes, its log of statements or a dump has no secret.

use std::fs;
use std::path::{Path, PathBuf};

use cpv_consent::{Resource, ResponseMode};

use crate::logs;
use crate::searcher::Searcher;
use crate::server::{self, Server};
use crate::witness::Witness;
use crate::world::{DAY, HOUR, capture};

#[tokio::test]
async fn neither_files_nor_log_nor_dump_of_the_server_hold_a_secret() {
    //
    let Some(server) = server::own() else { return };
    let database = server.database().await;
    let tell_all = format!("ALTER DATABASE {} SET log_statement = 'all'", database.name);
    database.execute(&tell_all).await;
    let witness = Witness::new().await;
    let world = &witness.world;
    let store = database.open().await;
    witness.show("store", &store);
    let broker = world.builder(store).http(witness.recorder.clone());
    let broker = broker.build().await.expect("a broker");
    for mode in [ResponseMode::Query, ResponseMode::FormPost] {
        let request = witness.callback(witness.request(&broker, mode), &world.admin).await;
        let found = capture(&broker, &request).await.expect("everything holds");
        found.confirm().await.expect("a consent");
    }
    for _ in 0..2 {
        world.clock.advance(8 * DAY);
        let partner = broker.partner(world.contoso);
        partner.token(Resource::PartnerCenter).await.expect("a token");
        partner.customer(world.fabrikam).token(Resource::Graph).await.expect("a token");
    }
    let held = server.dump(&database.name, &[]);
    broker.partner(world.contoso).withdraw().await.expect("withdrawn");
    world.clock.advance(2 * HOUR);
    broker.sweep().await.expect("swept");
    let secrets = witness.secrets();
    assert!(secrets.len() > 20, "there was something to find");
    let searcher = Searcher::for_all(&secrets);
    assert_eq!(searcher.find(&held), None, "dump");
    assert_eq!(searcher.find(&logs::lines()), None, "the program's own log");
    database.execute("CHECKPOINT").await;
    let own =
        database.count("SELECT oid::bigint FROM pg_database WHERE datname = current_database()");
    let own = format!("base/{}", own.await);
    assert_files_silent(&server, &own, &searcher, world.contoso.to_string().as_bytes());
}

/// No file holds a secret, and what may be seen is found: the search is of the right files.
fn assert_files_silent(server: &Server, own: &str, searcher: &Searcher, public: &[u8]) {
    let folder = server.data().parent().expect("a folder").to_owned();
    let mut files = Vec::new();
    collect(&folder, &mut files);
    // The other databases are as the server was installed.
    let is_ours = |path: &Path| {
        let path = path.to_string_lossy();
        !path.contains("/base/") || path.contains(own)
    };
    files.retain(|path| is_ours(path));
    let mut holding = Vec::new();
    for path in files {
        let bytes = fs::read(&path).unwrap_or_default();
        assert_eq!(searcher.find(&bytes), None, "{path:?}");
        if bytes.windows(public.len()).any(|window| window == public) {
            holding.push(path.display().to_string());
        }
    }
    for place in ["pg_wal", own, "log"] {
        assert!(holding.iter().any(|path| path.contains(place)), "{place}: {holding:?}");
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        match entry.file_type().expect("it is there") {
            kind if kind.is_dir() => collect(&entry.path(), files),
            kind if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
}
