//! From a consent to an access token.
//!
//! Two keys. The partner's lease guards redemptions at the partner's own tenant, which replace the
//! stored refresh token (`rotation`), within this process and among all that share the store
//! (`turn`). Redemptions at customer tenants run side by side and replace nothing: the refresh token
//! in their reply is dropped.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing::Instrument;

use crate::error::Error;
use crate::journeys::cache::{Cache, CacheKey};
use crate::journeys::casebook::Casebook;
use crate::journeys::flight::{Flights, Landing};
use crate::journeys::freezing::Freezes;
use crate::journeys::lasting::lasting;
use crate::journeys::lately::Lately;
use crate::journeys::offers::Offers;
use crate::journeys::receipts::Notary;
use crate::journeys::sharing::{Shared, Sharing};
use crate::journeys::standing::Standings;
use crate::journeys::token::Token;
use crate::journeys::watch::Watch;
use crate::model::clock::Clock;
use crate::model::cloud::Authority;
use crate::model::consent::{Consent, ConsentState};
use crate::model::event::{Event, Observers};
use crate::model::invalid::Invalid;
use crate::model::motive::Motive;
use crate::model::policy::Refused;
use crate::model::registration::AppRegistration;
use crate::model::scope::{Resource, Scopes};
use crate::model::secret::RefreshToken;
use crate::model::tenant::{AccountId, TenantId};
use crate::protocol::challenge::ClaimsChallenge;
use crate::protocol::id_token::IdTokenVerifier;
use crate::protocol::partner_center::PartnerCenter;
use crate::protocol::token_endpoint::{BadReply, TokenEndpoint, TokenError, TokenReply};
use crate::storage::lease::Leases;
use crate::storage::ledger::Ledger;
use crate::transport::pace::Ticket;

mod anew;
mod enforcing;
mod flying;
mod hand_out;
mod lane;
mod looking_back;
mod manners;
#[cfg(feature = "measure")]
mod plant;
mod proving;
mod rotation;
mod trip;
mod turn;
mod unsaved;
mod view;

pub use hand_out::{Access, Answer};
use lane::Lanes;
pub(crate) use manners::{Limits, Manners};
pub(crate) use proving::Shown;
use trip::{Trip, exchange_span};
use unsaved::Unsaved;
use view::usable;

/// What another process shares must be good for so long.
const MARGIN: Duration = Duration::from_secs(120);
/// Any use of a partner whose stored token is older than this causes one rotation.
const ROTATE_AFTER: Duration = Duration::from_secs(7 * 86_400);

/// What somebody wants a token for.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) partner: TenantId,
    pub(crate) account: Option<AccountId>,
    pub(crate) tenant: TenantId,
    pub(crate) resource: Resource,
    /// The token that the API has refused.
    pub(crate) instead_of: Option<Token>,
    /// What the API wants proven.
    pub(crate) claims: Option<ClaimsChallenge>,
    pub(crate) motive: Motive,
}

impl Ask {
    /// An ask for nothing special.
    pub(crate) fn plain(
        partner: TenantId,
        account: Option<AccountId>,
        tenant: TenantId,
        resource: Resource,
    ) -> Self {
        let (instead_of, claims, motive) = (None, None, Motive::default());
        Self { partner, account, tenant, resource, instead_of, claims, motive }
    }
}

/// The exchange desk of one broker. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Exchange(Arc<Desk>);

/// What an exchange desk works with.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) app: AppRegistration,
    pub(crate) cache: Arc<Cache>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ledger: Ledger,
    pub(crate) endpoint: Arc<TokenEndpoint>,
    pub(crate) id_tokens: Arc<IdTokenVerifier>,
    pub(crate) partner_center: PartnerCenter,
    pub(crate) probe_path: String,
    pub(crate) standings: Arc<Standings>,
    pub(crate) watch: Watch,
    pub(crate) freezes: Freezes,
    /// Where the store is shared between processes.
    pub(crate) leases: Option<Leases>,
    pub(crate) sharing: Sharing,
    pub(crate) casebook: Casebook,
    pub(crate) lately: Arc<Lately>,
    pub(crate) notary: Notary,
    pub(crate) manners: Manners,
    pub(crate) observers: Observers,
}

#[derive(Debug)]
struct Desk {
    tools: Tools,
    offers: Offers,
    flights: Flights,
    lanes: Lanes,
    unsaved: Unsaved,
    closed: AtomicBool,
}

impl Deref for Desk {
    type Target = Tools;

    fn deref(&self) -> &Tools {
        &self.tools
    }
}

impl Exchange {
    pub(crate) fn new(tools: Tools) -> Self {
        Self(Arc::new(Desk {
            offers: Offers::of(&tools.app),
            tools,
            flights: Flights::default(),
            lanes: Lanes::default(),
            unsaved: Unsaved::default(),
            closed: AtomicBool::new(false),
        }))
    }

    async fn at_customer(self, trip: Trip) -> Landing {
        let desk = &self.0;
        if let Some(token) = desk.shared(&trip).await {
            return Ok(token);
        }
        desk.check_manners(&trip)?;
        let _seat = desk.seat(trip.partner).await?;
        let lease = desk.customer_lease(&trip).await?;
        let landing = self.redeem_at_customer(trip).await;
        turn::release(lease).await;
        landing
    }

    /// Redeems at a customer's tenant, and sees to it that the partner's own token stays young.
    async fn redeem_at_customer(&self, trip: Trip) -> Landing {
        let desk = &self.0;
        if let Some(token) = desk.shared(&trip).await {
            return Ok(token);
        }
        let (held, ticket) = desk.held_with_leave(&trip, |_| Ok(())).await?;
        let redemption = desk.redeem(ticket, &trip, usable(&held.record)?);
        let (redeemed, ()) = tokio::join!(redemption, self.keep_young(&trip, &held.record.consent));
        let redeemed = redeemed.map_err(|error| {
            desk.saw_refusal(&trip, &error);
            desk.refused(&trip, error)
        })?;
        desk.check_customer_reply(&trip, &held.record.consent, &redeemed)?;
        let key = trip.key.clone();
        let landing = desk.accept(trip, redeemed, false).await;
        desk.saw_landing(&key, &landing);
        landing
    }

    /// Customer redemptions renew nothing, so their use of an ageing token causes one rotation; an
    /// access token at hand for the partner itself shows that there was one within the hour. Its
    /// failure is the consent's own story, not this customer's.
    async fn keep_young(&self, trip: &Trip, consent: &Consent) {
        let now = self.0.clock.now();
        if !consent.wants_rotation(ROTATE_AFTER, now) || is_pausing(consent, &*self.0.clock) {
            return;
        }
        let partner = consent.partner;
        let resource = Resource::PartnerCenter;
        let key = CacheKey::plain(partner, consent.generation, partner, resource);
        let view = self.0.view(&key).filter(|view| view.generation == key.generation);
        if let Some(standing) = view
            && self.0.at_hand(&key).is_none()
        {
            let trip = Trip::of(key, standing, trip.motive.clone());
            let _told_by_events = Box::pin(self.fly_own(&trip)).await;
        }
    }

    /// Forgets every access token, the ones to come of flights under way too, and all that was signed
    /// to get them; as much of it as goes, whatever fails.
    pub(crate) async fn start_anew(&self) -> Result<(), Error> {
        let desk = self.0.clone();
        let work = async move {
            let listed = desk.endpoint.start_anew().await;
            desk.forget_all(); // what is under way is shared no more
            let erased = desk.sharing.drop_all().await;
            desk.forget_all(); // nor is kept what was found there meanwhile
            listed?;
            Ok(erased?)
        };
        lasting(work).await
    }

    /// How often a token came from memory.
    pub(crate) fn hits(&self) -> u64 {
        self.0.cache.hits()
    }

    /// Takes no new work, and returns once what was under way has landed and is stored; whoever calls
    /// it bounds the time.
    pub(crate) async fn finish(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.flights.close().await;
        self.save_all().await;
    }

    /// Gives back the leases of what did not finish in time: it may still be stored, and is fenced
    /// by the revision that it is written at.
    pub(crate) async fn hand_over(&self) {
        if let Some(leases) = &self.0.leases {
            leases.hand_over().await;
        }
    }
}

impl Desk {
    fn check(&self, ask: &Ask) -> Result<(), Error> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        if ask.partner == self.app.home() {
            return Err(Refused::HomeTenant(ask.partner).into());
        }
        if self.scopes(&ask.resource).is_empty() {
            const EXPECTED: &str = "one that was named to AppRegistration::requesting";
            let problem = format!("{} is not registered", ask.resource);
            return Err(Invalid::new("resource", problem, EXPECTED).into());
        }
        Ok(())
    }

    fn scopes(&self, resource: &Resource) -> Scopes {
        self.app.scopes().of(resource)
    }

    async fn redeem_once(
        &self,
        ticket: Ticket,
        key: &CacheKey,
        token: &RefreshToken,
    ) -> Result<TokenReply, TokenError> {
        let authority = Authority::of(self.app.cloud(), key.tenant);
        let scopes = self.scopes(&key.resource);
        let claims = key.claims.as_ref().map(ClaimsChallenge::claims);
        let span = exchange_span(key, &ticket);
        let (endpoint, resource) = (&self.endpoint, &key.resource);
        let answer =
            endpoint.redeem_refresh_token(ticket, &authority, token, resource, &scopes, claims);
        answer.instrument(span).await
    }

    fn refused(&self, trip: &Trip, error: TokenError) -> Error {
        let (partner, tenant) = (trip.partner, trip.tenant);
        if let TokenError::Entra(refusal) = &error {
            let Motive { actor, purpose } = trip.motive.clone();
            self.observers.tell(&Event::ExchangeRefused {
                partner,
                tenant,
                resource: trip.resource.clone(),
                cause: refusal.cause(),
                correlation_id: refusal.correlation_id().map(str::to_owned),
                actor,
                purpose,
            });
        }
        let error = Error::token(Some(partner), Some(tenant), error);
        self.casebook.note(&error, Some(&trip.resource), self.clock.now());
        error
    }

    /// the tenant must be the one asked; the user is Entra's to map, so it is only watched.
    fn check_customer_reply(
        &self,
        key: &CacheKey,
        consent: &Consent,
        reply: &TokenReply,
    ) -> Result<(), Error> {
        let (partner, tenant) = (key.partner, key.tenant);
        let unproven = || self.observers.tell(&Event::UnprovenUser { partner, tenant });
        let Some(id_token) = &reply.id_token else {
            unproven();
            return Ok(());
        };
        let authority = Authority::of(self.app.cloud(), tenant);
        let owner = self.id_tokens.read_from_tls(id_token, &authority);
        let Ok(owner) = owner else { return Err(Error::ForeignToken { partner, tenant }) };
        if owner.user != consent.user.id {
            unproven();
        }
        Ok(())
    }

    /// Keeps the access token of a reply that was checked, shares it, and hands it out.
    async fn accept(&self, trip: Trip, reply: TokenReply, rotated: bool) -> Landing {
        let (partner, tenant, resource) = (trip.partner, trip.tenant, trip.resource.clone());
        let Motive { actor, purpose } = trip.motive.clone();
        if reply.left.is_zero() {
            return Err(BadReply::NO_LIFE.into());
        }
        let asked = self.scopes(&resource);
        let granted = reply.granted.unwrap_or_else(|| asked.clone());
        let missing = asked.beyond(&granted);
        if !missing.is_empty() {
            return Err(Error::ScopesMissing { partner, tenant, resource, missing });
        }
        self.observers.tell(&Event::Exchanged {
            partner,
            tenant,
            resource: resource.clone(),
            rotated,
            took: reply.took,
            actor,
            purpose,
        });
        let token = Shared { secret: reply.access_token, scopes: granted, left: reply.left };
        if self.sharing.is_on() && !trip.standing.is_gone() {
            Box::pin(self.sharing.keep(&trip, &asked, &token)).await;
        }
        let kept = self.keep(&trip, token);
        if kept.is_err() {
            self.sharing.take_back(&trip, &asked).await; // its view has gone meanwhile
        }
        kept
    }
}

fn is_pausing(consent: &Consent, clock: &dyn Clock) -> bool {
    matches!(&consent.state, ConsentState::Suspended(pause) if pause.holds_at(clock.now()))
}
