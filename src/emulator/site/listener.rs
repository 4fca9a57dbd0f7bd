//! Accepting connections: the TLS handshakes run beside each other, so that a client that dawdles
//! keeps nobody waiting; they are bounded in number and in time, so that a crowd of such clients does
//! not either.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::line::{Line, Stream, Wire};

/// A listener for http, or for https. Handshakes that are under way end with it.
pub(super) struct Door {
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
    handshakes: JoinSet<Option<(Stream, SocketAddr)>>,
    pub(super) bounds: Bounds,
    stopped: watch::Receiver<bool>,
    given_up: watch::Receiver<bool>,
}

/// Of the handshakes under way.
pub(super) struct Bounds {
    /// Who comes when there are so many waits until one of them ends.
    pub(super) at_once: usize,
    /// By the machine's clock: a network does not go by the emulator's.
    pub(super) each: Duration,
}

impl Door {
    pub(super) fn new(
        tcp: TcpListener,
        tls: Option<TlsAcceptor>,
        stopped: watch::Receiver<bool>,
        given_up: watch::Receiver<bool>,
    ) -> Self {
        let bounds = Bounds { at_once: 256, each: Duration::from_secs(10) };
        Self { tcp, tls, handshakes: JoinSet::new(), bounds, stopped, given_up }
    }

    /// The next connection over which HTTP can be spoken.
    async fn stream(&mut self) -> (Stream, SocketAddr) {
        loop {
            tokio::select! {
                (tcp, from) = Listener::accept(&mut self.tcp), if self.has_room() => {
                    let _ = tcp.set_nodelay(true); // only makes it quicker
                    let Some(tls) = self.tls.clone() else { return (Stream::Plain(tcp), from) };
                    let secured = timeout(self.bounds.each, handshake(tls, tcp, from));
                    self.handshakes.spawn(async move { secured.await.ok().flatten() });
                }
                Some(ended) = self.handshakes.join_next() => {
                    if let Ok(Some(secured)) = ended {
                        return secured;
                    }
                }
            }
        }
    }

    fn has_room(&self) -> bool {
        self.handshakes.len() < self.bounds.at_once
    }
}

impl Listener for Door {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        let (stream, from) = self.stream().await;
        let line = Line::new(self.stopped.clone());
        (Wire::new(stream, line, self.given_up.clone()), from)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// Nothing where the client speaks no TLS, or does not trust us.
async fn handshake(
    tls: TlsAcceptor,
    tcp: TcpStream,
    from: SocketAddr,
) -> Option<(Stream, SocketAddr)> {
    let secured = tls.accept(tcp).await.ok()?;
    Some((Stream::Secure(Box::new(secured)), from))
}

/// Takes a port of this machine, or any free one for 0.
///
/// # Errors
/// The system's, with the port it is about.
pub(super) async fn bind(port: u16) -> io::Result<TcpListener> {
    let named = |error: io::Error| {
        io::Error::new(error.kind(), format!("port {port} of {}: {error}", Ipv4Addr::LOCALHOST))
    };
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(named)
}
