//! The broker: one application in one cloud and environment, wired to its store and keys.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use crate::error::Error;
use crate::journeys::exchange::Exchange;
use crate::journeys::offboarding::Offboarding;
use crate::journeys::onboarding::{Desk, Found, FoundId, Onboarding};
use crate::journeys::standing::Standings;
use crate::model::clock::{Clock, SystemClock};
use crate::model::event::{Observer, Observers};
use crate::model::invalid::Invalid;
use crate::model::policy::Policy;
use crate::model::registration::AppRegistration;
use crate::protocol::authorization::Callback;
use crate::protocol::id_token::IdTokenVerifier;
use crate::protocol::partner_center::PartnerCenter;
use crate::protocol::token_endpoint::TokenEndpoint;
use crate::storage::keyring::KeyRing;
use crate::storage::ledger::Ledger;
use crate::storage::store::Store;
use crate::transport::client_assertion::ClientAuthentication;
use crate::transport::http::{Http, Reqwest, Wire};

/// Keeps the consents of a vendor's partners and turns them into access tokens.
///
/// It serves one application in one cloud and environment. Clones share everything; several
/// processes may share a store.
#[derive(Debug, Clone)]
pub struct Broker {
    pub(crate) onboarding: Onboarding,
    pub(crate) exchange: Exchange,
    pub(crate) offboarding: Offboarding,
    pub(crate) ledger: Ledger,
}

impl Broker {
    /// What a broker cannot do without: the registration, a store, and the keys that seal it.
    pub fn builder(app: AppRegistration, store: impl Store, keys: KeyRing) -> BrokerBuilder {
        BrokerBuilder {
            app,
            store: Arc::new(store),
            keys,
            policy: Policy::default(),
            clock: Arc::new(SystemClock::new()),
            observers: Vec::new(),
            http: None,
            mfa_probe: PartnerCenter::PROBE.to_owned(),
            one_time_assertions: false,
        }
    }

    /// Takes the callback of a consent flow: redeems the code, checks tenant, second factor and
    /// scopes, and returns what was found, to be confirmed by a person.
    ///
    /// Once this has failed, nothing is left from which a token could be had.
    ///
    /// # Errors
    /// [`Error::Refused`] with the reason; [`Error::Entra`], [`Error::IdToken`], [`Error::Reply`] and
    /// [`Error::Http`] for what went wrong with Entra; [`Error::Store`] and [`Error::Key`].
    pub async fn capture_consent(&self, callback: Callback) -> Result<Found, Error> {
        self.onboarding.capture(callback).await
    }

    /// What waits for confirmation, found again by the request that confirms it: the same browser,
    /// any process.
    ///
    /// # Errors
    /// [`Error::Refused`] when nothing waits or the cookie is of another browser.
    pub async fn found(&self, id: &FoundId, headers: &HeaderMap) -> Result<Found, Error> {
        self.onboarding.found(id, headers).await
    }

    /// Erases flows and findings whose time is over, and says how many. Run it now and then, in any
    /// process.
    ///
    /// # Errors
    /// What the store says; what was erased stays so.
    pub async fn sweep(&self) -> Result<usize, Error> {
        self.onboarding.sweep().await
    }

    /// Takes no new work, finishes what is under way and stores what is unsaved, for at most
    /// `grace`.
    pub async fn close(self, grace: Duration) {
        self.exchange.close(grace).await;
    }
}

/// Collects what a broker is made of. All but the required has a safe default.
#[derive(Debug)]
#[must_use]
pub struct BrokerBuilder {
    app: AppRegistration,
    store: Arc<dyn Store>,
    keys: KeyRing,
    policy: Policy,
    clock: Arc<dyn Clock>,
    observers: Vec<Watcher>,
    http: Option<Arc<dyn Http>>,
    mfa_probe: String,
    one_time_assertions: bool,
}

impl BrokerBuilder {
    /// Which consents are good enough; the strict [`Policy::default`] unless said otherwise.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Somebody who is told of every event: a closure, or an [`Observer`].
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observers.push(Watcher(Arc::new(observer)));
        self
    }

    /// Another clock than the machine's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Another way to speak HTTP than the one inside.
    pub fn http(mut self, http: impl Http) -> Self {
        self.http = Some(Arc::new(http));
        self
    }

    /// The path, below Partner Center's origin, of the read that is used to ask for its verdict on
    /// a second factor. By default the cheapest: one customer.
    pub fn mfa_probe(mut self, path: &str) -> Self {
        self.mfa_probe = path.to_owned();
        self
    }

    /// Signs a new client assertion for each request, where a server takes every `jti` only once
    /// (RFC 7523, section 3). By default one is used for some minutes at each token endpoint.
    pub fn one_time_assertions(mut self) -> Self {
        self.one_time_assertions = true;
        self
    }

    /// Makes the broker. No request is made.
    ///
    /// # Errors
    /// [`Error::Setting`] when the store cannot do what is needed, when the probe is no path, or
    /// when a cloud on this machine meets a store with records of another realm; [`Error::Http`] when
    /// no certificate authority is found to verify servers by; [`Error::Store`].
    pub async fn build(self) -> Result<Broker, Error> {
        self.check()?;
        self.check_realms().await?;
        let Self {
            app,
            store,
            keys,
            policy,
            clock,
            observers,
            http,
            mfa_probe,
            one_time_assertions,
        } = self;
        let http = match http {
            Some(http) => http,
            None => Arc::new(Reqwest::new()?),
        };
        let wire = Wire::new(http, clock.clone());
        let mut authentication = ClientAuthentication::new(&app, clock.clone());
        if one_time_assertions {
            authentication = authentication.one_time_assertions();
        }
        let endpoint = TokenEndpoint::new(&app, authentication, wire.clone(), clock.clone());
        let endpoint = Arc::new(endpoint);
        let id_tokens = Arc::new(IdTokenVerifier::new(&app, wire.clone(), clock.clone()));
        let ledger = Ledger::new(store, keys, app.realm());
        let standings = Arc::new(Standings::default());
        let observers = observers.into_iter().map(|watcher| watcher.0).collect();
        let observers = Observers::new(observers);
        let onboarding = Onboarding::new(Desk {
            app: app.clone(),
            policy,
            probe_path: mfa_probe,
            clock: clock.clone(),
            ledger: ledger.clone(),
            endpoint: endpoint.clone(),
            id_tokens: id_tokens.clone(),
            partner_center: PartnerCenter::new(wire, app.cloud().clone()),
            standings: standings.clone(),
            observers: observers.clone(),
        });
        let offboarding = Offboarding {
            clock: clock.clone(),
            ledger: ledger.clone(),
            standings: standings.clone(),
            observers: observers.clone(),
        };
        let exchange =
            Exchange::new(app, clock, ledger.clone(), endpoint, id_tokens, standings, observers);
        Ok(Broker { onboarding, exchange, offboarding, ledger })
    }

    fn check(&self) -> Result<(), Invalid> {
        if !self.store.promises().compare_and_swap {
            const EXPECTED: &str = "a store with compare-and-swap";
            return Err(Invalid::new("store", "does not promise compare-and-swap", EXPECTED));
        }
        let visible = self.mfa_probe.bytes().all(|b| b.is_ascii_graphic());
        if !self.mfa_probe.starts_with('/') || self.mfa_probe.starts_with("//") || !visible {
            return Err(Invalid::new("mfa probe", "is no path", "a path such as /v1/customers"));
        }
        Ok(())
    }

    /// An emulated cloud must not meet real partners' records.
    async fn check_realms(&self) -> Result<(), Error> {
        if !self.app.cloud().is_loopback() {
            return Ok(());
        }
        let own = self.app.realm().to_string();
        let realms = self.store.realms().await.map_err(Error::Store)?;
        if realms.iter().any(|realm| *realm != own) {
            const EXPECTED: &str = "a store of its own for a cloud on this machine";
            let invalid = Invalid::new("store", "holds records of another realm", EXPECTED);
            return Err(invalid.into());
        }
        Ok(())
    }
}

struct Watcher(Arc<dyn Observer>);

impl std::fmt::Debug for Watcher {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Observer")
    }
}
