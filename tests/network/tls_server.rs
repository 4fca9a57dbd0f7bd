//! Servers that speak TLS, rightly and wrongly, and count what gets through to them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::server::TlsStream;

use crate::child::CANARY;
use crate::world::DAY;

/// An authority that a client trusts, or does not.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

/// What a server shows.
pub struct Identity {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("written");
        Self { issuer, folder }
    }

    /// The file that `SSL_CERT_FILE` is to name.
    pub fn file(&self) -> String {
        self.folder.path().join("ca.pem").display().to_string()
    }

    /// For a server of these names, valid between these days from now.
    pub fn issue(&self, names: &[&str], days: [i32; 2]) -> Identity {
        let (params, key) = (params(names, days), KeyPair::generate().expect("a key"));
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Identity { certificate, key }
    }
}

impl Identity {
    /// Signed by nobody else.
    pub fn of_its_own(names: &[&str]) -> Self {
        let (params, key) = (params(names, [-1, 30]), KeyPair::generate().expect("a key"));
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { certificate, key }
    }
}

fn params(names: &[&str], days: [i32; 2]) -> CertificateParams {
    let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut params = CertificateParams::new(names).expect("names");
    let [begins, ends] = days.map(|days| match u32::try_from(days) {
        Ok(ahead) => SystemTime::now() + ahead * DAY,
        Err(_) => SystemTime::now() - days.unsigned_abs() * DAY,
    });
    (params.not_before, params.not_after) = (begins.into(), ends.into());
    params
}

/// A server that counts the handshakes and the requests that got through.
pub struct TlsServer {
    pub address: SocketAddr,
    handshakes: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl TlsServer {
    /// Answers each request with 200, one on each connection.
    pub async fn answering(identity: Identity) -> Self {
        Self::start(identity, "http/1.1", None).await
    }

    /// Speaks HTTP/2 by handing everything on to a server that does.
    pub async fn before(identity: Identity, behind: Behind) -> Self {
        Self::start(identity, "h2", Some(behind)).await
    }

    async fn start(identity: Identity, protocol: &str, behind: Option<Behind>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (handshakes, requests) = (Arc::<AtomicUsize>::default(), Arc::default());
        let server = Self { address, handshakes, requests };
        let (shaken, answered) = (server.handshakes.clone(), server.requests.clone());
        let acceptor = acceptor(&identity, protocol);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                let (shaken, answered) = (shaken.clone(), answered.clone());
                // A client that hangs up is what the tests are about.
                tokio::spawn(async move {
                    let client = acceptor.accept(client).await?;
                    shaken.fetch_add(1, Ordering::SeqCst);
                    match behind {
                        Some(behind) => behind.relay(client).await,
                        None => answer(client, &answered).await,
                    }
                });
            }
        });
        server
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn handshakes(&self) -> usize {
        self.handshakes.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// A server without TLS, and whether lines to it that are open go dead.
#[derive(Clone)]
pub struct Behind {
    pub address: SocketAddr,
    lines: Arc<AtomicUsize>,
    dead: Arc<AtomicUsize>,
}

impl Behind {
    pub fn at(address: SocketAddr) -> Self {
        Self { address, lines: Arc::default(), dead: Arc::default() }
    }

    /// Every line that is open stays open, and nothing comes or goes there any more.
    pub fn lose_open_lines(&self) {
        self.dead.store(self.lines.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    async fn relay(&self, client: TlsStream<TcpStream>) -> io::Result<()> {
        let number = self.lines.fetch_add(1, Ordering::SeqCst) + 1;
        let server = TcpStream::connect(self.address).await?;
        let (mut from_client, mut to_client) = tokio::io::split(client);
        let (mut from_server, mut to_server) = server.into_split();
        tokio::try_join!(
            self.copy(number, &mut from_client, &mut to_server),
            self.copy(number, &mut from_server, &mut to_client),
        )?;
        Ok(())
    }

    async fn copy(
        &self,
        number: usize,
        from: &mut (impl tokio::io::AsyncRead + Unpin),
        to: &mut (impl tokio::io::AsyncWrite + Unpin),
    ) -> io::Result<()> {
        let mut piece = vec![0; 16 * 1024];
        loop {
            let length = from.read(&mut piece).await?;
            if number <= self.dead.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            if length == 0 {
                return to.shutdown().await;
            }
            to.write_all(&piece[..length]).await?;
            to.flush().await?;
        }
    }
}

fn acceptor(identity: &Identity, protocol: &str) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(identity.key.serialize_der()).expect("a key");
    let chain = vec![identity.certificate.der().clone()];
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a key that fits");
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn answer(mut client: TlsStream<TcpStream>, requests: &AtomicUsize) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(CANARY.as_bytes()) {
        if client.read_buf(&mut request).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    requests.fetch_add(1, Ordering::SeqCst);
    let reply = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    client.write_all(reply).await?;
    client.shutdown().await
}
