//! An Entra, a Partner Center and a little of Graph on this machine, for tests and examples.
//!
//! It speaks the protocol as Microsoft documents it and as strictly as a server may: exact redirect
//! addresses, single-use codes, refresh tokens that die ninety days after their own issue, one
//! table of AADSTS numbers. It shares no protocol code with the rest of the crate (only the clock, the
//! identifiers and the registration's getters), so that one misreading cannot sit on both sides.
//!
//! ```no_run
//! # async fn example(app: cpv_consent::AppRegistration, authorize_url: url::Url)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! use cpv_consent::emulator::{Browser, Emulator};
//!
//! let entra = Emulator::builder().start().await?;
//! entra.register(&app);
//! let contoso = entra.add_tenant("Contoso");
//! let admin = entra.add_user(contoso, "admin@contoso.example");
//! let callback = Browser::new().consent(&authorize_url, &admin).await?;
//! # Ok(()) }
//! ```

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::model::clock::{Clock, SystemClock};

mod assertion;
mod authorize;
mod bearer;
mod browser;
mod callback;
mod client;
mod discovery;
mod errors;
mod fields;
mod grants;
mod graph;
mod hold;
mod pages;
mod partner_center;
mod random;
mod record;
mod scopes;
mod script;
mod setup;
mod signin;
mod state;
mod token;
mod tokens;

pub use browser::{Answer, Browser, BrowserError};
pub use hold::Hold;
pub use record::{PartnerCenterCall, TokenRequest};
pub use script::{Failure, Grant, MfaAnswer, Rule, Scripted, Tampering};
pub use state::directory::{Account, MfaMethod, User};

use state::{Origins, World};

/// A running emulator. Clones are the same one; it ends when the last clone is dropped.
#[derive(Clone)]
pub struct Emulator {
    running: Arc<Running>,
}

/// What an [`Emulator`] is started with: see [`Emulator::builder`].
#[derive(Debug)]
pub struct EmulatorBuilder {
    clock: Arc<dyn Clock>,
}

struct Running {
    world: Arc<World>,
    stop: watch::Sender<bool>,
    servers: Mutex<Vec<JoinHandle<()>>>,
}

impl Emulator {
    /// An emulator that lives by the machine's clock, unless told otherwise.
    #[must_use]
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder { clock: Arc::new(SystemClock::new()) }
    }

    /// Where people sign in and tokens are issued, such as `http://127.0.0.1:41234`.
    #[must_use]
    pub fn login_origin(&self) -> &str {
        &self.world().origins.login
    }

    /// Partner Center's REST API.
    #[must_use]
    pub fn partner_center_origin(&self) -> &str {
        &self.world().origins.partner_center
    }

    /// Microsoft Graph's REST API.
    #[must_use]
    pub fn graph_origin(&self) -> &str {
        &self.world().origins.graph
    }

    /// Ends it now: requests that are held are let go, listeners and idle connections close.
    pub async fn shutdown(&self) {
        self.running.end();
        let servers = std::mem::take(&mut *lock(&self.running.servers));
        for server in servers {
            let _ = server.await; // a listener that failed has ended as well
        }
    }

    fn world(&self) -> &World {
        &self.running.world
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Emulator").field("origins", &self.world().origins).finish_non_exhaustive()
    }
}

impl EmulatorBuilder {
    /// The clock that codes, tokens and sessions live by. Give it the broker's.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// As [`clock`](Self::clock), for one that is shared already.
    #[must_use]
    pub fn shared_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Starts three listeners on free ports of 127.0.0.1.
    ///
    /// # Errors
    /// The system's, when a port cannot be bound.
    pub async fn start(self) -> io::Result<Emulator> {
        let (login, login_origin) = listener().await?;
        let (partner_center, partner_center_origin) = listener().await?;
        let (graph, graph_origin) = listener().await?;
        let origins = Origins {
            login: login_origin,
            partner_center: partner_center_origin,
            graph: graph_origin,
        };
        let world = Arc::new(World::new(self.clock, origins));
        let (stop, stopped) = watch::channel(false);
        let servers = Mutex::new(vec![
            serve(login, login_routes(&world), stopped.clone()),
            serve(partner_center, partner_center::routes(&world), stopped.clone()),
            serve(graph, graph::routes(&world), stopped),
        ]);
        Ok(Emulator { running: Arc::new(Running { world, stop, servers }) })
    }
}

impl Running {
    fn end(&self) {
        self.world.script().open_every_gate();
        self.stop.send_replace(true);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

async fn listener() -> io::Result<(TcpListener, String)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let origin = format!("http://{}", listener.local_addr()?);
    Ok((listener, origin))
}

fn serve(on: TcpListener, routes: Router, mut stopped: watch::Receiver<bool>) -> JoinHandle<()> {
    let stop = async move {
        let _ = stopped.wait_for(|stop| *stop).await; // an error: nobody is left to stop it
    };
    tokio::spawn(async move {
        let _ = axum::serve(on, routes).with_graceful_shutdown(stop).await; // it never fails
    })
}

fn login_routes(world: &Arc<World>) -> Router {
    authorize::routes()
        .merge(signin::routes())
        .merge(token::routes())
        .merge(discovery::routes())
        .with_state(Arc::clone(world))
}

/// A panic elsewhere leaves the emulator's state readable: every change is made in one go.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
