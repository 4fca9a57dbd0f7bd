//! The broker: one application in one cloud and environment, wired to its store and keys.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::watch;

use crate::error::Error;
use crate::journeys::exchange::{Exchange, Tools};
use crate::journeys::offboarding::Offboarding;
use crate::journeys::onboarding::{Desk, Found, FoundId, Onboarding};
use crate::journeys::rekeying::{Rekeying, RotateKeys};
use crate::journeys::scan::Scan;
use crate::journeys::sharing::Sharing;
use crate::journeys::standing::Standings;
use crate::journeys::sweeping::{Sweeper, Swept};
use crate::journeys::transfer::{Export, Import, Transfer};
use crate::journeys::watch::Watch;
use crate::model::clock::{Clock, SystemClock};
use crate::model::event::{Event, Observer, Observers};
use crate::model::invalid::Invalid;
use crate::model::policy::Policy;
use crate::model::registration::AppRegistration;
use crate::protocol::authorization::Callback;
use crate::protocol::id_token::IdTokenVerifier;
use crate::protocol::partner_center::PartnerCenter;
use crate::protocol::token_endpoint::TokenEndpoint;
use crate::storage::keyring::{KeyId, KeyRing};
use crate::storage::lease::Leases;
use crate::storage::ledger::{Ledger, LedgerError, Stores};
use crate::storage::parcel::{ExportCode, Recipient, RecipientKey};
use crate::storage::roll::Roll;
use crate::storage::store::{Kind, Revision, Store};
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
    pub(crate) rekeying: Rekeying,
    pub(crate) transfer: Transfer,
    pub(crate) ledger: Ledger,
    roll: Roll,
    clock: Arc<dyn Clock>,
    sweeper: Sweeper,
    chores: Arc<Chores>,
}

impl Broker {
    /// What a broker cannot do without: the registration, a store, and the keys that seal it.
    pub fn builder(app: AppRegistration, store: impl Store, keys: KeyRing) -> BrokerBuilder {
        BrokerBuilder {
            app,
            store: Arc::new(store),
            working_store: None,
            keys,
            policy: Policy::default(),
            clock: Arc::new(SystemClock::new()),
            observers: Vec::new(),
            http: None,
            mfa_probe: PartnerCenter::PROBE.to_owned(),
            one_time_assertions: false,
            shares_access_tokens: false,
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

    /// Erases what nobody wants any more, and says how much of it: flows and findings whose time is
    /// over, shared access tokens that have ended, what processes that died have
    /// left behind, consents whose partner was shredded an hour ago.
    ///
    /// The broker does so by itself every ten minutes. Any process may do it at any time, several
    /// at once too; it reads no more than a page at a time.
    ///
    /// # Errors
    /// What the store says; what was erased stays so.
    pub async fn sweep(&self) -> Result<Swept, Error> {
        self.sweeper.sweep().await
    }

    /// The name that other processes know this one by: see
    /// [`KeyRefusal`](crate::KeyRefusal). It is new at each start.
    #[must_use]
    pub fn process_id(&self) -> &str {
        &self.roll.own().id
    }

    /// Puts every partner's key under the ring's primary key, while everything works: see
    /// [`RotateKeys::run`]. It may be dropped and begun again, and run twice at once.
    pub fn rotate_keys(&self) -> RotateKeys<'_> {
        RotateKeys::new(&self.rekeying)
    }

    /// Retires a key of the ring: no broker may be built any more whose primary key it is. Then it
    /// can be taken out of the rings. Where other processes share the store, this takes minutes: it
    /// looks twice which of them live. One that slept meanwhile puts no partner's key under it any
    /// more.
    ///
    /// It is retired for this application and environment; each rotates and retires for itself.
    /// Others that keep partner keys in another store are not seen.
    ///
    /// # Errors
    /// [`Error::KeyRefused`], and nothing changed, while a live process wraps under the key, or
    /// anything in the store is under it or may be: another application's partner keys too, and
    /// those that cannot be read; [`Error::Key`] when this ring has no such key.
    pub async fn retire_key(&self, key: &KeyId) -> Result<(), Error> {
        self.rekeying.retire(key).await
    }

    /// Writes every consent and every tombstone of this application into an export that only the
    /// recipient can open. `to` is used on a thread where it may block: a file, a pipe.
    pub fn export<'b>(
        &'b self,
        recipient: &'b Recipient,
        to: impl Write + Send + 'static,
    ) -> Export<'b> {
        Export::new(&self.transfer, recipient, to)
    }

    /// Takes over the consents of an export: nothing newer is overwritten, nobody who was withdrawn
    /// here comes back, and each consent is unproven until it has worked once.
    pub fn import<'b>(
        &'b self,
        key: &'b RecipientKey,
        code: &'b ExportCode,
        from: impl Read + Send + 'static,
    ) -> Import<'b> {
        Import::new(&self.transfer, key, code, from)
    }

    /// Opens every record of this application and names those that are damaged.
    pub fn scan(&self) -> Scan<'_> {
        Scan::new(&self.ledger)
    }

    /// Takes no new work, finishes what is under way, gives its leases back, stores what is unsaved
    /// and says good-bye to the other processes, for at most `grace`.
    pub async fn close(self, grace: Duration) {
        let finish = async {
            self.exchange.finish().await;
            self.chores.end().await;
        };
        tokio::select! {
            () = finish => {}
            () = self.clock.sleep(grace) => {}
        }
    }
}

/// What a broker does by itself. It ends with the last of the broker's clones.
#[derive(Debug)]
struct Chores(watch::Sender<bool>);

impl Chores {
    fn begin(roll: &Roll, sweeper: &Sweeper) -> Self {
        let (stop, told) = watch::channel(false);
        if roll.is_shared() {
            tokio::spawn(roll.clone().stay(told.clone()));
        }
        tokio::spawn(sweeper.clone().run(told));
        Self(stop)
    }

    /// Returns once all of it has ended.
    async fn end(&self) {
        self.0.send_replace(true);
        self.0.closed().await;
    }
}

/// Collects what a broker is made of. All but the required has a safe default.
#[derive(Debug)]
#[must_use]
pub struct BrokerBuilder {
    app: AppRegistration,
    store: Arc<dyn Store>,
    working_store: Option<Arc<dyn Store>>,
    keys: KeyRing,
    policy: Policy,
    clock: Arc<dyn Clock>,
    observers: Vec<Watcher>,
    http: Option<Arc<dyn Http>>,
    mfa_probe: String,
    one_time_assertions: bool,
    shares_access_tokens: bool,
}

impl BrokerBuilder {
    /// Another store for everything but consents: flows, leases, the keys of partners. It needs
    /// compare-and-swap; the first store then does not.
    pub fn working_store(mut self, store: impl Store) -> Self {
        self.working_store = Some(Arc::new(store));
        self
    }

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

    /// Lets the processes that share the store share access tokens too, sealed, until they end: many
    /// callers in many processes then cause one exchange in all. By default each process exchanges
    /// for itself, and access tokens are kept in memory only.
    ///
    /// It changes nothing where the store is not shared between processes.
    pub fn share_access_tokens(mut self) -> Self {
        self.shares_access_tokens = true;
        self
    }

    /// Makes the broker. No request is made. It must be called within a Tokio runtime, on which the
    /// broker then sweeps now and then, and tells other processes that it is there.
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
            working_store,
            keys,
            policy,
            clock,
            observers,
            http,
            mfa_probe,
            one_time_assertions,
            shares_access_tokens,
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
        let stores = Stores::new(store, working_store);
        let ledger = Ledger::new(stores, keys.clone(), app.realm(), clock.clone());
        ledger.prove_ring().await?;
        let roll = Roll::new(ledger.clone(), &keys, clock.clone());
        let standings = Arc::new(Standings::default());
        let observers = observers.into_iter().map(|watcher| watcher.0).collect();
        let observers = Observers::new(observers);
        let announced_at = announce(&roll, &observers).await?;
        prove_again(&ledger, &roll).await?;
        let watch = Watch::new(ledger.clone(), clock.clone(), standings.clone(), announced_at);
        let owner = roll.own().id.clone();
        let leases = Leases::new(ledger.clone(), clock.clone(), owner);
        let leases = roll.is_shared().then_some(leases);
        let sharing = Sharing::new(ledger.clone(), clock.clone(), shares_access_tokens);
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
            sharing: sharing.clone(),
            observers: observers.clone(),
        });
        let offboarding = Offboarding {
            clock: clock.clone(),
            ledger: ledger.clone(),
            standings: standings.clone(),
            sharing: sharing.clone(),
            observers: observers.clone(),
        };
        let transfer = Transfer {
            clock: clock.clone(),
            ledger: ledger.clone(),
            standings: standings.clone(),
            observers: observers.clone(),
        };
        let rekeying = Rekeying {
            clock: clock.clone(),
            ledger: ledger.clone(),
            roll: roll.clone(),
            observers: observers.clone(),
        };
        let exchange = Exchange::new(Tools {
            app,
            clock: clock.clone(),
            ledger: ledger.clone(),
            endpoint,
            id_tokens,
            standings,
            watch,
            leases: leases.clone(),
            sharing,
            observers,
        });
        let sweeper = Sweeper { ledger: ledger.clone(), clock: clock.clone(), leases };
        let chores = Arc::new(Chores::begin(&roll, &sweeper));
        Ok(Broker {
            onboarding,
            exchange,
            offboarding,
            rekeying,
            transfer,
            ledger,
            roll,
            clock,
            sweeper,
            chores,
        })
    }

    fn check(&self) -> Result<(), Invalid> {
        let working = self.working_store.as_ref().unwrap_or(&self.store);
        if !working.promises().compare_and_swap {
            const EXPECTED: &str = "one that does, or such a one as BrokerBuilder::working_store";
            return Err(Invalid::new("store", "does not promise compare-and-swap", EXPECTED));
        }
        let keeps = |kind: &Kind| match kind {
            Kind::Consent => self.store.promises().kinds.contains(kind),
            _ => working.promises().kinds.contains(kind),
        };
        if let Some(kind) = Kind::ALL.iter().find(|kind| !keeps(kind)) {
            const EXPECTED: &str = "one that does, or such a one as BrokerBuilder::working_store";
            let problem = format!("does not promise to keep records of the kind {kind}");
            return Err(Invalid::new("store", problem, EXPECTED));
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
        for store in std::iter::once(&self.store).chain(&self.working_store) {
            let realms = store.realms().await.map_err(Error::Store)?;
            if realms.iter().any(|realm| *realm != own) {
                const EXPECTED: &str = "a store of its own for a cloud on this machine";
                let invalid = Invalid::new("store", "holds records of another realm", EXPECTED);
                return Err(invalid.into());
            }
        }
        Ok(())
    }
}

/// Puts this process on the roll. A store that fails for now keeps nobody from starting: valid
/// tokens are to be had, and the next beat tries again.
///
/// The mark of the record is one of the consents' store too, if both lie in one.
async fn announce(roll: &Roll, observers: &Observers) -> Result<Option<Revision>, Error> {
    if !roll.is_shared() {
        return Ok(None);
    }
    match roll.announce().await {
        Ok(revision) => Ok(roll.is_beside_consents().then_some(revision)),
        Err(LedgerError::Store(error)) => {
            tracing::debug!(%error, "this process is not on the roll");
            observers.tell(&Event::Unannounced);
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Whoever retired this ring's primary key meanwhile may not have seen this process.
async fn prove_again(ledger: &Ledger, roll: &Roll) -> Result<(), Error> {
    let proven = ledger.prove_ring().await;
    if proven.is_err() {
        // Who cannot leave is found to be dead.
        let _ = roll.leave().await;
    }
    Ok(proven?)
}

struct Watcher(Arc<dyn Observer>);

impl std::fmt::Debug for Watcher {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Observer")
    }
}
