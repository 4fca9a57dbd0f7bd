//! Connections over TLS for axum.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::serve::Listener;
use cpv_consent::emulator::CertifiedKeyPem;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

/// Connections whose handshake is done. A browser opens some that it never uses, so that no
/// handshake waits for another.
pub struct TlsListener {
    address: SocketAddr,
    connections: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl TlsListener {
    pub fn new(listener: TcpListener, certificate: &CertifiedKeyPem) -> io::Result<Self> {
        let (sender, connections) = mpsc::channel(16);
        let address = listener.local_addr()?;
        let acceptor = acceptor(certificate);
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let (handshake, sender) = (acceptor.accept(stream), sender.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = handshake.await {
                        let _ = sender.send((stream, peer)).await; // the panel has ended
                    }
                });
            }
        });
        Ok(Self { address, connections })
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        self.connections.recv().await.expect("the listener lives as long as the process")
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

fn acceptor(certificate: &CertifiedKeyPem) -> TlsAcceptor {
    let chain = CertificateDer::from_pem_slice(certificate.certificate.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).expect("a key");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![chain.expect("a certificate")], key)
        .expect("a key that fits");
    TlsAcceptor::from(Arc::new(config))
}
