//! An Entra, a Partner Center and a little of Graph on this machine, for tests and examples.
//!
//! It speaks the protocol as Microsoft documents it and as strictly as a server may: exact redirect
//! addresses, single-use codes, refresh tokens that die ninety days after their own issue, one
//! table of AADSTS numbers. It shares no protocol code with the rest of the crate (only the clock, the
//! identifiers and the registration), so that one misreading cannot sit on both sides.
//!
//! ```no_run
//! # async fn example(authorize_url: url::Url) -> Result<(), Box<dyn std::error::Error>> {
//! use cpv_consent::emulator::{Browser, Emulator};
//!
//! let entra = Emulator::builder().start().await?;
//! let app = entra.registration("https://panel.example/consent/callback")?;
//! entra.register(&app);
//! let contoso = entra.add_tenant("Contoso");
//! let admin = entra.add_user(contoso, "admin@contoso.example");
//! let callback = Browser::new().consent(&authorize_url, &admin).await?;
//! # Ok(()) }
//! ```

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::model::clock::{Clock, SystemClock};

mod aadsts;
mod admin;
mod app_token;
mod bearer;
mod browser;
mod chance;
mod controls;
mod entra;
mod federation;
mod fields;
mod graph;
mod key_vault;
mod ledger;
mod partner_center;
mod partner_controls;
mod refusal;
mod scopes;
mod script;
mod setup;
mod site;
mod stage;
mod state;
mod vault;

pub use aadsts::{Aadsts, Basis};
pub use admin::Admin;
pub use browser::{Answer, Browser, BrowserError};
pub use controls::{Hold, Scripted};
pub use federation::FederatedIssuer;
pub use partner_center::ApplicationConsent;
pub use script::doubts::Doubts;
pub use script::partner_center::MfaEnforcement;
pub use script::{Endpoint, Failure, Grant, MfaAnswer, Rule, Tampering};
pub use setup::RegisteredApplication;
pub use site::{CertifiedKeyPem, Https, Mischief, Origins};
pub use state::conditional_access::ConditionalAccess;
pub use state::directory::{
    Account, GroupId, MfaMethod, Relationship, RelationshipStatus, User, role,
};
pub use state::flow::Version;
pub use state::manifest::ManifestError;
pub use state::record::{CredentialKind, Issued, PartnerCenterCall, TokenRequest};
pub use state::vault::{VaultCall, VaultRight, VaultUser};

use chance::Chance;
use site::{Front, SERVICES};
use stage::Staged;
use state::{World, lock};

/// A running emulator. Clones are the same one; it ends when the last clone is dropped.
#[derive(Clone)]
pub struct Emulator {
    running: Arc<Running>,
}

/// What an [`Emulator`] is started with: see [`Emulator::builder`].
#[derive(Debug)]
pub struct EmulatorBuilder {
    clock: Arc<dyn Clock>,
    seed: Option<u64>,
    https: bool,
    admin: bool,
    base_port: u16,
    load_mode: bool,
}

struct Running {
    world: Arc<World>,
    https: Option<Https>,
    admin: Option<Admin>,
    stop: watch::Sender<bool>,
    servers: Mutex<Vec<JoinHandle<()>>>,
}

impl Emulator {
    /// An emulator that lives by the machine's clock, unless told otherwise.
    #[must_use]
    pub fn builder() -> EmulatorBuilder {
        let clock = Arc::new(SystemClock::new());
        EmulatorBuilder {
            clock,
            seed: None,
            https: false,
            admin: false,
            base_port: 0,
            load_mode: false,
        }
    }

    /// Where each service is by http, as `127.0.0.1`.
    #[must_use]
    pub fn origins(&self) -> &Origins {
        &self.world().origins
    }

    /// The same services by https, where it was started with [`EmulatorBuilder::https`].
    #[must_use]
    pub fn https(&self) -> Option<&Https> {
        self.running.https.as_ref()
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

    /// The admin endpoint, where it was started with [`EmulatorBuilder::admin`].
    #[must_use]
    pub fn admin(&self) -> Option<&Admin> {
        self.running.admin.as_ref()
    }

    /// A browser without cookies, which trusts the emulator's authority where it has one.
    #[must_use]
    pub fn browser(&self) -> Browser {
        Browser::trusting(self.https().map(Https::ca_pem))
    }

    /// Ends it now: requests that are held are let go, listeners and idle connections close. A client
    /// that neither finishes its request nor reads its answer is cut off after a second.
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

    /// Makes ids, names, passwords and lifetimes the same in every run. Signing keys and tokens are
    /// never: a key that a seed yields would be everybody's.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// For measuring clients: access tokens are opaque, and an ID token without a nonce is signed
    /// once per tenant, user and application, so that cryptography does not hide the client's cost.
    #[must_use]
    pub fn load_mode(mut self) -> Self {
        self.load_mode = true;
        self
    }

    /// Serves by https as well, under a certificate authority made at start: [`Emulator::https`].
    #[must_use]
    pub fn https(mut self) -> Self {
        self.https = true;
        self
    }

    /// Opens the admin endpoint, for tests in other languages: [`Emulator::admin`].
    #[must_use]
    pub fn admin(mut self) -> Self {
        self.admin = true;
        self
    }

    /// Listens on `base` and the five ports that follow (login, Partner Center, Graph, Key Vault,
    /// managed identity, admin), and by https on those ten above, instead of on free ports; 0 means
    /// free ones.
    #[must_use]
    pub fn ports(mut self, base: u16) -> Self {
        self.base_port = base;
        self
    }

    /// Starts listening on 127.0.0.1.
    ///
    /// # Errors
    /// The system's, naming the port that cannot be bound; or when no file can be written for the
    /// authority's certificate.
    pub async fn start(self) -> io::Result<Emulator> {
        let plain = Front::plain(self.base_port).await?;
        let world = Arc::new(World::new(self.clock, Chance::new(self.seed), plain.by_address()));
        world.script().load_mode = self.load_mode;
        let mut fronts = vec![plain];
        let mut https = None;
        if self.https {
            let (side, front) = Https::open(self.base_port).await?;
            https = Some(side);
            fronts.push(front);
        }
        let admin = self.admin.then(|| Admin::at(&world.origins.admin));
        let (stop, stopped) = watch::channel(false);
        let running = Arc::new_cyclic(|running| {
            let routes = routes(&world, admin.as_ref(), running);
            let servers = fronts.into_iter().flat_map(|front| front.serve(&routes, &stopped));
            let servers = Mutex::new(servers.collect());
            Running { world, https, admin, stop, servers }
        });
        Ok(Emulator { running })
    }
}

impl Running {
    fn end(&self) {
        self.world.playbook.open_every_gate();
        self.stop.send_replace(true);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// What each service answers to, in the order of [`Origins`].
fn routes(
    world: &Arc<World>,
    admin: Option<&Admin>,
    emulator: &Weak<Running>,
) -> [Staged; SERVICES] {
    let admin = admin.map(|admin| admin::routes(admin.clone(), emulator.clone()));
    let staged = |service, routes| Staged::around(world, service, routes);
    [
        staged(Endpoint::Entra, entra::routes(world)),
        staged(Endpoint::PartnerCenter, partner_center::routes(world)),
        staged(Endpoint::Graph, graph::routes(world)),
        staged(Endpoint::KeyVault, key_vault::routes(world)),
        staged(Endpoint::ManagedIdentity, key_vault::identity::routes(world)),
        Staged::alone(admin.unwrap_or_default()),
    ]
}
