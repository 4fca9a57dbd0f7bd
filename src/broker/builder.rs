//! What a broker is made of, collected and checked.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::Broker;
use super::assembly::{assemble, examiner};
use crate::error::Error;
use crate::journeys::checkup::Examiner;
use crate::journeys::exchange::Limits;
use crate::journeys::guard::FleetGuard;
use crate::model::clock::{Clock, SystemClock};
use crate::model::event::Observer;
use crate::model::invalid::Invalid;
use crate::model::partner_kind::PartnerKind;
use crate::model::policy::{Policies, Policy};
use crate::model::registration::AppRegistration;
use crate::protocol::partner_center::PartnerCenter;
use crate::storage::keyring::KeyRing;
use crate::storage::ledger::Stores;
use crate::storage::receipts::ReceiptSigner;
use crate::storage::store::{Kind, Store};
use crate::transport::http::Http;

/// Collects what a broker is made of. All but the required has a safe default.
#[derive(Debug)]
#[must_use]
pub struct BrokerBuilder {
    pub(crate) app: AppRegistration,
    store: Arc<dyn Store>,
    working_store: Option<Arc<dyn Store>>,
    pub(super) keys: KeyRing,
    pub(super) policies: Policies,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) observers: Vec<Watcher>,
    pub(super) http: Option<Arc<dyn Http>>,
    pub(super) mfa_probe: String,
    pub(super) one_time_assertions: bool,
    pub(super) shares_access_tokens: bool,
    pub(super) cache_at_most: usize,
    pub(super) limits: Limits,
    pub(super) token_budget: Option<NonZeroU32>,
    pub(super) roll_back_within: Duration,
    pub(super) receipt_signer: Option<Arc<dyn ReceiptSigner>>,
    start_page_text: Option<String>,
    /// That text, once it was found to be right.
    pub(super) start_page: Option<Url>,
}

impl BrokerBuilder {
    pub(super) fn new(app: AppRegistration, store: Arc<dyn Store>, keys: KeyRing) -> Self {
        Self {
            app,
            store,
            working_store: None,
            keys,
            policies: Policies::default(),
            clock: Arc::new(SystemClock::new()),
            observers: Vec::new(),
            http: None,
            mfa_probe: PartnerCenter::PROBE.to_owned(),
            one_time_assertions: false,
            shares_access_tokens: false,
            cache_at_most: CACHE,
            limits: Limits::default(),
            token_budget: None,
            roll_back_within: ROLL_BACK,
            receipt_signer: None,
            start_page_text: None,
            start_page: None,
        }
    }

    /// Another store for everything but consents: flows, leases, the keys of partners. It needs
    /// compare-and-swap; the first store then does not.
    pub fn working_store(mut self, store: impl Store) -> Self {
        self.working_store = Some(Arc::new(store));
        self
    }

    /// Which consents are good enough; the strict [`Policy::default`] unless said otherwise.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policies.usual = policy;
        self
    }

    /// Which consents of one kind of partner are good enough; as for all the others, unless said. It is
    /// asked when a consent is captured, imported and verified.
    pub fn policy_for(mut self, kind: PartnerKind, policy: Policy) -> Self {
        self.policies.own.insert(kind, policy);
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

    /// How many bytes the access tokens in memory may take: 256 MiB, unless said otherwise, which is
    /// room for more than 100,000. Beyond it tokens give way that end soonest, of those partners that
    /// have the most; who has few keeps them.
    pub fn cache_at_most(mut self, bytes: usize) -> Self {
        self.cache_at_most = bytes;
        self
    }

    /// How often more a refresh token is redeemed at once where that failed in passing: the server was
    /// at fault and did not say how long to wait, or the connection failed. By default twice, after
    /// pauses drawn anew each time. A code is never sent again, and nothing that was refused.
    pub fn retries(mut self, retries: u32) -> Self {
        self.limits.retries = retries;
        self
    }

    /// How many requests for tokens may be sent in a second, by all processes together that share the
    /// store: exchanges, their retries, and the codes of people who sign in. By default as many as
    /// there are.
    ///
    /// Whatever is beyond it waits: people who sign in go first, then callers, and what nobody waits
    /// for yet comes last. Tokens that are at hand are handed out as ever. Each process has an equal
    /// share, which is told among them by a record in the store; one that has just started has none for
    /// a second or two, or for some seconds where others were killed. How to choose the number, and
    /// what happens when the store fails, is told in the guide `docs/operation.md`.
    pub fn token_budget(mut self, per_second: NonZeroU32) -> Self {
        self.token_budget = Some(per_second);
        self
    }

    /// Who signs receipts: from then on every consent that is confirmed, imported, suspended, ended,
    /// withdrawn or shredded leaves one, in a chain of its partner's. Without a signer none is made.
    /// Give it to every process that shares the store, and keep its key out of the key ring.
    ///
    /// A change and the note of it are one write, so there is no change without its receipt; one that
    /// cannot be signed or stored at once waits in its consent. What they say and how they are verified
    /// is told in the guide `docs/receipts.md`.
    pub fn receipts(mut self, signer: impl ReceiptSigner) -> Self {
        self.receipt_signer = Some(Arc::new(signer));
        self
    }

    /// How many partners may fail at once before that is held to be no fault of theirs: see
    /// [`FleetGuard`].
    pub fn fleet_guard(mut self, guard: FleetGuard) -> Self {
        self.limits.guard = guard;
        self
    }

    /// For how long a consent that another has taken the place of is kept, sealed beside it, so that
    /// [`Partner::roll_back`](crate::Partner::roll_back) can put it back: seven days, unless said
    /// otherwise, and never for longer than its refresh token lives. Zero keeps none.
    pub fn roll_back_within(mut self, time: Duration) -> Self {
        self.roll_back_within = time;
        self
    }

    /// Where the links of invitations lead to: the address of a page of yours, to which a slash and
    /// the invitation's token are added. It must be on the host of the redirect address, for which
    /// alone the cookie of a flow is good. Without it nobody can be invited.
    pub fn start_page(mut self, url: &str) -> Self {
        self.start_page_text = Some(url.to_owned());
        self
    }

    /// Makes the broker. No request is made. It must be called within a Tokio runtime, on which the
    /// broker then sweeps now and then, and tells other processes that it is there.
    ///
    /// # Errors
    /// [`Error::Setting`] when the store cannot do what is needed, when the probe is no path, when
    /// the start page is none of the redirect address's host, or when a cloud on this machine meets a store with records of another realm; [`Error::Http`] when
    /// no certificate authority is found to verify servers by; [`Error::Store`].
    pub async fn build(mut self) -> Result<Broker, Error> {
        let stores = Stores::new(self.store.clone(), self.working_store.clone());
        self.start_page = self.checked_start_page()?;
        self.check(&stores)?;
        self.check_realms(&stores).await?;
        assemble(self, stores).await
    }

    /// What a look at all of it needs.
    pub(crate) async fn examiner(&self) -> Examiner {
        let stores = Stores::new(self.store.clone(), self.working_store.clone());
        let settings = match self.checked_start_page().and_then(|_| self.check(&stores)) {
            Ok(()) => match self.check_realms(&stores).await {
                Err(Error::Setting(invalid)) => Err(invalid),
                _ => Ok(()), // a store that fails is looked at by itself
            },
            wrong => wrong,
        };
        examiner(self, stores, settings)
    }

    fn check(&self, stores: &Stores) -> Result<(), Invalid> {
        if !stores.of(Kind::Pending).promises().compare_and_swap {
            const EXPECTED: &str = "one that does, or such a one as BrokerBuilder::working_store";
            return Err(Invalid::new("store", "does not promise compare-and-swap", EXPECTED));
        }
        let keeps = |kind: &Kind| stores.of(*kind).promises().kinds.contains(kind);
        if let Some(kind) = Kind::ALL.iter().find(|kind| !keeps(kind)) {
            const EXPECTED: &str = "one that does, or such a one as BrokerBuilder::working_store";
            let problem = format!("does not promise to keep records of the kind {kind}");
            return Err(Invalid::new("store", problem, EXPECTED));
        }
        if let Some(signer) = &self.receipt_signer
            && self.keys.ids().any(|id| id == signer.public().id())
        {
            const EXPECTED: &str = "a key of its own, with another id";
            return Err(Invalid::new("receipt signer", "is a key of the ring", EXPECTED));
        }
        let visible = self.mfa_probe.bytes().all(|b| b.is_ascii_graphic());
        if !self.mfa_probe.starts_with('/') || self.mfa_probe.starts_with("//") || !visible {
            return Err(Invalid::new("mfa probe", "is no path", "a path such as /v1/customers"));
        }
        Ok(())
    }

    pub(crate) fn checked_start_page(&self) -> Result<Option<Url>, Invalid> {
        const EXPECTED: &str = "an address such as https://panel.example/invited, on the host of \
                                the redirect address, without query and fragment";
        let wrong = |problem| Invalid::new("start page", problem, EXPECTED);
        let Some(text) = &self.start_page_text else { return Ok(None) };
        let page = Url::parse(text).map_err(|_| wrong("is not an absolute URL"))?;
        let redirect = self.app.redirect_uri();
        let beside = (page.scheme(), page.host()) == (redirect.scheme(), redirect.host());
        if !beside || !page.username().is_empty() || page.password().is_some() {
            return Err(wrong("is not on the host of the redirect address"));
        }
        if page.query().is_some() || page.fragment().is_some() {
            return Err(wrong("has a query or a fragment"));
        }
        Ok(Some(page))
    }

    /// An emulated cloud must not meet real partners' records.
    async fn check_realms(&self, stores: &Stores) -> Result<(), Error> {
        if !self.app.cloud().is_loopback() {
            return Ok(());
        }
        let own = self.app.realm().to_string();
        for store in stores.each() {
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

/// Long enough for who works only on some days of the week to notice.
const ROLL_BACK: Duration = Duration::from_secs(7 * 86_400);

/// Tokens of 2 kB for more than 100,000 customers.
const CACHE: usize = 256 << 20;

/// An observer, which need not be [`Debug`](fmt::Debug).
pub(super) struct Watcher(pub(super) Arc<dyn Observer>);

impl fmt::Debug for Watcher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Observer")
    }
}
