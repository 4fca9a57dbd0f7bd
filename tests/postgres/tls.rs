//! TLS to a real server: the right authority and name, and every wrong one.

use cpv_consent::store::{Postgres, PostgresBuilder, StoreError};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

use crate::put;
use crate::server::{self, Database, Server};

/// The address of a database by a name; its certificate is for `localhost` and `db.example`.
fn at(database: &Database<'_>, role: &str, host: &str, query: &str) -> PostgresBuilder {
    let (port, name) = (database.server.port, &database.name);
    Postgres::at(&format!("postgres://{role}@{host}:{port}/{name}?{query}"))
}

async fn refusal(opening: PostgresBuilder) -> String {
    match opening.connect().await.expect_err("it must be refused") {
        StoreError::Unusable { because } => because.into_owned(),
        other => panic!("{other}"),
    }
}

/// An authority that signed nothing of this server's.
fn another_authority() -> String {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    params.self_signed(&key).expect("a certificate").pem()
}

async fn is_encrypted(server: &Server, database: &Database<'_>) -> bool {
    let sql = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE ssl AND application_name = 'cpv-consent' AND datname = $1";
    let superuser = server.superuser("postgres").await;
    let count: i64 = superuser.query_one(sql, &[&database.name]).await.expect("a count").get(0);
    count > 0
}

#[tokio::test]
async fn another_machine_is_believed_by_authority_and_name() {
    //
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    // The name is another machine's, and so decides; the address beside it is where it leads.
    let far =
        |query: &str| at(&database, "panel", "db.example", &format!("hostaddr=127.0.0.1{query}"));
    let store = far("").trusting_only(server.authority.clone()).connect().await;
    put(&store.expect("the right authority and name"), "a").await;
    for mode in ["require", "verify-ca", "verify-full"] {
        let opening = far(&format!("&sslmode={mode}")).trusting_only(server.authority.clone());
        let store = opening.connect().await.expect("the right authority and name");
        assert!(is_encrypted(server, &database).await, "{mode}");
        drop(store);
    }
    let told = refusal(far("").trusting_only(another_authority())).await;
    assert!(told.contains("certificate is refused"), "{told}");
    let told = refusal(far("&sslmode=require")).await;
    assert!(told.contains("certificate is refused"), "of the machine's own authorities: {told}");
    let elsewhere = at(&database, "panel", "other.example", "hostaddr=127.0.0.1");
    let told = refusal(elsewhere.trusting_only(server.authority.clone())).await;
    assert!(told.contains("certificate is refused") && told.contains("other.example"), "{told}");
    for weak in ["disable", "allow", "prefer"] {
        let told = refusal(far(&format!("&sslmode={weak}"))).await;
        assert!(told.contains("plain text to another machine"), "{told}");
    }
}

#[tokio::test]
async fn within_this_machine_tls_is_verified_where_it_is_asked_for() {
    //
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let plain = at(&database, "panel", "localhost", "").connect().await.expect("plain text");
    assert!(!is_encrypted(server, &database).await);
    drop(plain);
    let named = at(&database, "panel", "localhost", "sslmode=require");
    let store = named.trusting_only(server.authority.clone()).connect().await;
    put(&store.expect("the right authority and name"), "a").await;
    let by_number = at(&database, "panel", "127.0.0.1", "sslmode=require");
    let told = refusal(by_number.trusting_only(server.authority.clone())).await;
    assert!(told.contains("certificate is refused"), "{told}");
}

#[tokio::test]
async fn a_server_that_demands_tls_or_has_none_says_so() {
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let told = refusal(at(&database, "careful", "localhost", "")).await;
    assert!(told.contains("sslmode=require"), "{told}");
    let encrypted = at(&database, "careful", "localhost", "sslmode=require");
    let store = encrypted.trusting_only(server.authority.clone()).connect().await;
    put(&store.expect("admitted"), "a").await;
    let told = refusal(Postgres::at(&plain_server().await)).await;
    assert!(told.contains("TLS"), "{told}");
}

/// A server that answers no to the question for TLS.
async fn plain_server() -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a caller");
        let mut question = [0; 8];
        socket.read_exact(&mut question).await.expect("a question");
        socket.write_all(b"N").await.expect("a caller that listens");
    });
    format!("postgres://panel@localhost:{port}/store?sslmode=require")
}

#[tokio::test]
async fn migrate_speaks_tls_as_well() {
    let Some(server) = server::shared() else { return };
    let database = server.empty_database().await;
    let opening = || at(&database, "owner", "db.example", "hostaddr=127.0.0.1");
    let refused = opening().trusting_only(another_authority()).migrate().await;
    assert!(matches!(refused, Err(StoreError::Unusable { .. })), "{refused:?}");
    opening().trusting_only(server.authority.clone()).migrate().await.expect("trusted");
}

#[tokio::test]
async fn what_is_no_authority_is_refused() {
    for pem in
        ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
    {
        let told = refusal(Postgres::at("postgres://a@db.example/b").trusting_only(pem)).await;
        assert!(told.contains("authorities to trust"), "{told}");
    }
}

#[tokio::test]
async fn a_unix_socket_needs_no_tls() {
    let Some(server) = server::shared() else { return };
    let database = server.database().await;
    let folder = server.socket_folder().to_str().expect("ASCII").replace('/', "%2F");
    let url = format!("postgres://panel@{folder}:{}/{}", server.port, database.name);
    put(&Postgres::connect(&url).await.expect("a socket"), "a").await;
}
