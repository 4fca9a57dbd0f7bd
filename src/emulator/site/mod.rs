//! Where the emulator listens: every service by http, and by https under an authority of its own.
//!
//! A router's handlers take [`Site`] for the origins that the client uses, and [`Line`] for the
//! connection it came by.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

use crate::model::invalid::Invalid;

mod arrival;
mod authority;
mod folder;
mod line;
mod listener;
mod mischief;
mod origins;
#[cfg(test)]
mod tests;
mod tls;

pub use authority::CertifiedKeyPem;
pub use mischief::Mischief;
pub use origins::Origins;

pub(super) use arrival::Site;
pub(super) use folder::PrivateFolder;
pub(super) use line::Line;
pub(super) use mischief::apply;
pub(super) use origins::SERVICES;

use arrival::{Hosts, Receptions};
use authority::Authority;
use listener::{Door, bind};

/// The https side of an [`Emulator`](super::Emulator): its origins, and the authority behind them.
pub struct Https {
    origins: Origins,
    authority: Authority,
    ca_path: PathBuf,
    _folder: PrivateFolder,
}

impl Https {
    /// Makes an authority, and listens on ten ports above `base` and the following, or on free ones
    /// for 0.
    pub(super) async fn open(base: u16) -> io::Result<(Self, Front)> {
        let authority = Authority::new();
        let folder = PrivateFolder::new()?;
        let ca_path = folder.write("ca.pem", authority.pem())?;
        let tls = tls::acceptor(&authority, &[LOCALHOST, ADDRESS]);
        let front = Front::bind(base, SECURE_PORTS, Some(tls)).await?;
        let origins = front.origins(LOCALHOST);
        Ok((Self { origins, authority, ca_path, _folder: folder }, front))
    }

    /// Where each service is, as `localhost`. The same ports answer as `127.0.0.1`, which is another
    /// site to a browser.
    #[must_use]
    pub fn origins(&self) -> &Origins {
        &self.origins
    }

    /// The authority's certificate, for clients to trust.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        self.authority.pem()
    }

    /// A file with that certificate, for as long as the emulator runs: `SSL_CERT_FILE` and
    /// `REQUESTS_CA_BUNDLE` take it.
    #[must_use]
    pub fn ca_path(&self) -> &Path {
        &self.ca_path
    }

    /// A certificate under the same authority, with which a test's own server speaks https.
    ///
    /// # Errors
    /// [`Invalid`] when there is no name, or one that is no DNS name and no address.
    pub fn issue_certificate(
        &self,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<CertifiedKeyPem, Invalid> {
        self.authority.issue(names.into_iter().map(Into::into).collect())
    }
}

impl fmt::Debug for Https {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (origins, ca_path) = (&self.origins, &self.ca_path);
        out.debug_struct("Https")
            .field("origins", origins)
            .field("ca_path", ca_path)
            .finish_non_exhaustive()
    }
}

/// A listener for each service, all by http or all by https.
pub(super) struct Front {
    listeners: Vec<TcpListener>,
    ports: [u16; SERVICES],
    tls: Option<TlsAcceptor>,
}

impl Front {
    /// Listens by http on `base` and the ports that follow, or on free ones for 0.
    pub(super) async fn plain(base: u16) -> io::Result<Self> {
        Self::bind(base, PLAIN_PORTS, None).await
    }

    async fn bind(base: u16, offset: u16, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let (mut listeners, mut ports) = (Vec::with_capacity(SERVICES), [0; SERVICES]);
        for (place, port) in (offset..).zip(&mut ports) {
            let listener = bind(fixed(base, place)?).await?;
            *port = listener.local_addr()?.port();
            listeners.push(listener);
        }
        Ok(Self { listeners, ports, tls })
    }

    /// The origins as 127.0.0.1.
    pub(super) fn by_address(&self) -> Origins {
        self.origins(ADDRESS)
    }

    fn origins(&self, host: &str) -> Origins {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        Origins::new(scheme, host, &self.ports)
    }

    /// Serves each service, in the order of [`Origins`].
    pub(super) fn serve(
        self,
        services: &[impl Serves; SERVICES],
        stopped: &watch::Receiver<bool>,
    ) -> Vec<JoinHandle<()>> {
        let sites = [ADDRESS, LOCALHOST].map(|host| (host, Site::new(self.origins(host))));
        let doors = self.listeners.into_iter().zip(self.ports).zip(services);
        let serve = doors.map(|((listener, port), service)| {
            let hosts = Arc::new(Hosts::new(port, &sites));
            let service = Receptions { hosts, service: service.clone() };
            serve(listener, self.tls.clone(), service, stopped.clone())
        });
        serve.collect()
    }
}

/// What answers requests, as a `Router` does.
pub(super) trait Serves:
    Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>
    + Clone
    + Send
    + 'static
{
}

impl<S> Serves for S where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>
        + Clone
        + Send
        + 'static
{
}

fn fixed(base: u16, place: u16) -> io::Result<u16> {
    let too_high =
        || io::Error::new(io::ErrorKind::InvalidInput, "the ports would end above 65535");
    if base == 0 { Ok(0) } else { base.checked_add(place).ok_or_else(too_high) }
}

/// Ends when it is told to: at once with clients that read and write, soon without those that do not.
fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    service: Receptions<impl Serves>,
    stopped: watch::Receiver<bool>,
) -> JoinHandle<()> {
    let (give_up, given_up) = watch::channel(false);
    let door = Door::new(listener, tls, stopped.clone(), given_up);
    let served = axum::serve(door, service).with_graceful_shutdown(stop(stopped.clone()));
    tokio::spawn(async move {
        let mut served = served.into_future();
        tokio::select! {
            _ = &mut served => return, // it never fails
            () = patience(stopped) => {}
        }
        give_up.send_replace(true);
        let _ = served.await; // it never fails
    })
}

async fn stop(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await; // an error: nobody is left to stop it
}

/// Answers that are under way get this long, by the machine's clock: the emulator's may stand still.
async fn patience(stopped: watch::Receiver<bool>) {
    stop(stopped).await;
    sleep(Duration::from_secs(1)).await;
}

/// Two names of one machine are two sites to a browser.
const ADDRESS: &str = "127.0.0.1";
const LOCALHOST: &str = "localhost";

/// Where the fixed ports of each scheme begin, counted from the base.
const PLAIN_PORTS: u16 = 0;
const SECURE_PORTS: u16 = 10;
