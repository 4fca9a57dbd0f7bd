//! The listeners and their connections, by raw sockets.

use std::future::pending;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::mischief::apply;
use super::*;
use crate::model::clock::{Clock, VirtualClock};

mod authority;
mod host;
mod mischief;

/// Both fronts, with routes that misbehave on demand.
struct Stage {
    clock: VirtualClock,
    http: String,
    https: Https,
    stop: watch::Sender<bool>,
    servers: Vec<JoinHandle<()>>,
    /// Says when a handler that misbehaves has begun, and when it is dropped.
    seen: mpsc::UnboundedReceiver<Seen>,
}

impl Stage {
    async fn new() -> Self {
        let plain = Front::plain(0).await.expect("free ports");
        let (https, secure) = Https::open(0).await.expect("free ports");
        let http = plain.by_address().login;
        let (stop, stopped) = watch::channel(false);
        let (clock, (tell, seen)) = (VirtualClock::default(), mpsc::unbounded_channel());
        let routes = routes(&(Arc::new(clock.clone()) as Arc<dyn Clock>), tell);
        let mut servers = plain.serve(&routes, &stopped);
        servers.extend(secure.serve(&routes, &stopped));
        Self { clock, http, https, stop, servers, seen }
    }

    async fn plain(&self) -> TcpStream {
        TcpStream::connect(authority_of(&self.http)).await.expect("it listens")
    }

    async fn secure(&self, name: &'static str) -> io::Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(authority_of(&self.https.origins().login)).await?;
        let name = ServerName::try_from(name).expect("a name");
        trusting(self.https.ca_pem()).connect(name, tcp).await
    }

    /// Asks with the right `Host`.
    async fn ask(&self, line: &mut (impl tokio::io::AsyncWrite + Unpin), path: &str) {
        say(line, &format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host())).await;
    }

    /// The same by https, as localhost.
    async fn ask_secure(&self, line: &mut TlsStream<TcpStream>, path: &str) {
        let host = authority_of(&self.https.origins().login);
        say(line, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
    }

    fn host(&self) -> &str {
        authority_of(&self.http)
    }

    async fn end(self) {
        self.stop.send_replace(true);
        for server in self.servers {
            server.await.expect("a server ends by itself");
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Begun,
    Dropped,
}

struct Watched(mpsc::UnboundedSender<Seen>);

impl Watched {
    fn new(tell: &mpsc::UnboundedSender<Seen>) -> Self {
        let _ = tell.send(Seen::Begun); // not every test looks
        Self(tell.clone())
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.0.send(Seen::Dropped); // not every test looks
    }
}

fn routes(clock: &Arc<dyn Clock>, tell: mpsc::UnboundedSender<Seen>) -> [Router; SERVICES] {
    let clock = Arc::clone(clock);
    let mischief = async move |Path(kind): Path<String>, line: Line| {
        let _watched = Watched::new(&tell);
        let reply = axum::response::Response::new(axum::body::Body::from(TEXT));
        match named(&kind) {
            Some(mischief) => apply(reply, &line, &clock, mischief).await,
            None => pending().await,
        }
    };
    let login = Router::new()
        .route("/origin", get(async |site: Site| site.login.clone()))
        .route("/do/{kind}", get(mischief));
    let mut routes: [Router; SERVICES] = Default::default();
    routes[0] = login;
    routes
}

fn named(kind: &str) -> Option<Mischief> {
    Some(match kind {
        "reset" => Mischief::Reset,
        "hang" => Mischief::Hang,
        "lose" => Mischief::LoseAnswer,
        "truncate" => Mischief::TruncateAfter(4),
        "headers" => Mischief::TruncateAfter(0),
        "whole" => Mischief::TruncateAfter(TEXT.len()),
        "drip" => Mischief::Drip { bytes: 4, every: SECOND },
        _ => return None,
    })
}

fn trusting(ca_pem: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).expect("PEM")).expect("a CA");
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

fn authority_of(origin: &str) -> &str {
    origin.split_once("://").expect("an origin").1
}

async fn say(line: &mut (impl tokio::io::AsyncWrite + Unpin), text: &str) {
    line.write_all(text.as_bytes()).await.expect("it listens");
    line.flush().await.expect("it listens");
}

/// Reads on until what was read ends with this.
async fn until(line: &mut (impl tokio::io::AsyncRead + Unpin), end: &str) -> String {
    let mut read = String::new();
    while !read.ends_with(end) {
        let byte = line.read_u8().await.unwrap_or_else(|error| panic!("{error} after {read:?}"));
        read.push(byte.into());
    }
    read
}

/// Everything that still comes, and how it ends.
async fn rest(line: &mut (impl tokio::io::AsyncRead + Unpin)) -> (String, io::Result<()>) {
    let mut read = Vec::new();
    let end = line.read_to_end(&mut read).await.map(|_| ());
    (String::from_utf8(read).expect("text"), end)
}

const TEXT: &str = "ten bytes!";
const SECOND: std::time::Duration = std::time::Duration::from_secs(1);
