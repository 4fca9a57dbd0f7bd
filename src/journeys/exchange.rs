//! From a consent to an access token.
//!
//! Two keys. The partner's lease guards redemptions at the partner's own tenant, which replace the
//! stored refresh token (`rotation`). Redemptions at customer tenants run side by side and replace
//! nothing: the refresh token in their reply is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::error::{Absence, Error};
use crate::journeys::cache::{Cache, CacheKey, Token};
use crate::journeys::flight::{Flights, Landing};
use crate::journeys::standing::{Standing, Standings, absence};
use crate::model::clock::Clock;
use crate::model::cloud::Authority;
use crate::model::consent::{Consent, ConsentState, StoredConsent};
use crate::model::event::{Event, Observers};
use crate::model::invalid::Invalid;
use crate::model::policy::Refused;
use crate::model::registration::AppRegistration;
use crate::model::scope::{Resource, Scopes};
use crate::model::secret::RefreshToken;
use crate::model::tenant::{AccountId, TenantId};
use crate::protocol::id_token::IdTokenVerifier;
use crate::protocol::token_endpoint::{TokenEndpoint, TokenError, TokenReply};
use crate::storage::ledger::{Held, Ledger, LedgerError};

mod lane;
mod rotation;
mod unsaved;

use lane::Lanes;
use unsaved::Unsaved;

/// A hand-out makes sure that at least this much of a token's life is left.
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
}

/// The exchange desk of one broker. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Exchange(Arc<Desk>);

#[derive(Debug)]
struct Desk {
    app: AppRegistration,
    clock: Arc<dyn Clock>,
    ledger: Ledger,
    endpoint: Arc<TokenEndpoint>,
    id_tokens: Arc<IdTokenVerifier>,
    standings: Arc<Standings>,
    observers: Observers,
    cache: Cache,
    flights: Flights,
    lanes: Lanes,
    unsaved: Unsaved,
    closed: AtomicBool,
}

impl Exchange {
    pub(crate) fn new(
        app: AppRegistration,
        clock: Arc<dyn Clock>,
        ledger: Ledger,
        endpoint: Arc<TokenEndpoint>,
        id_tokens: Arc<IdTokenVerifier>,
        standings: Arc<Standings>,
        observers: Observers,
    ) -> Self {
        Self(Arc::new(Desk {
            app,
            clock,
            ledger,
            endpoint,
            id_tokens,
            standings,
            observers,
            cache: Cache::default(),
            flights: Flights::default(),
            lanes: Lanes::default(),
            unsaved: Unsaved::default(),
            closed: AtomicBool::new(false),
        }))
    }

    /// A token that is good for some minutes at least, from memory or from Entra.
    pub(crate) async fn token(&self, ask: Ask) -> Landing {
        let desk = &self.0;
        desk.check(&ask)?;
        let standing = desk.standing(ask.partner).await?;
        standing.admit(ask.partner, ask.account.as_ref())?;
        let Ask { partner, tenant, resource, .. } = ask;
        let key = CacheKey { partner, generation: standing.generation, tenant, resource };
        if let Some(token) = desk.at_hand(&key, MARGIN) {
            return Ok(token);
        }
        let landing = self.fly(&key).await;
        landing.or_else(|error| desk.serve_while_failing(&key, error))
    }

    async fn fly(&self, key: &CacheKey) -> Landing {
        if key.partner == key.tenant {
            return self.fly_own(key).await;
        }
        let at_hand = || self.0.at_hand(key, MARGIN);
        let (desk, flight) = (self.clone(), key.clone());
        self.0.flights.join(key.clone(), at_hand, || desk.at_customer(flight)).await
    }

    async fn fly_own(&self, key: &CacheKey) -> Landing {
        let at_hand = || self.0.at_hand(key, MARGIN);
        let (desk, flight) = (self.clone(), key.clone());
        self.0.flights.join(key.clone(), at_hand, || desk.rotate(flight)).await
    }

    /// Redeems at a customer's tenant, and sees to it that the partner's own token stays young.
    async fn at_customer(self, key: CacheKey) -> Landing {
        let desk = &self.0;
        let _seat = desk.seat(key.partner).await?;
        let held = desk.current(&key).await?;
        let token = usable(&held.record)?;
        let redemption = desk.redeem(&key, token);
        let (reply, ()) = tokio::join!(redemption, self.keep_young(&held.record.consent));
        let reply = reply.map_err(|error| desk.refused(&key, error))?;
        desk.check_customer_reply(&key, &held.record.consent, &reply)?;
        desk.accept(key, reply, false)
    }

    /// Customer redemptions renew nothing, so their use of an ageing token causes one rotation; an
    /// access token at hand for the partner itself shows that there was one within the hour. Its
    /// failure is the consent's own story, not this customer's.
    async fn keep_young(&self, consent: &Consent) {
        let now = self.0.clock.now();
        if !consent.is_older_than(ROTATE_AFTER, now) || is_pausing(consent, &*self.0.clock) {
            return;
        }
        let partner = consent.partner;
        let resource = Resource::PartnerCenter;
        let key = CacheKey { partner, generation: consent.generation, tenant: partner, resource };
        if self.0.at_hand(&key, MARGIN).is_none() {
            let _told_by_events = self.fly_own(&key).await;
        }
    }

    /// Takes no new work, and gives what is under way until `grace` has passed.
    pub(crate) async fn close(&self, grace: Duration) {
        self.0.closed.store(true, Ordering::Release);
        let finish = async {
            self.0.flights.all_landed().await;
            self.save_all().await;
        };
        tokio::select! {
            () = finish => {}
            () = self.0.clock.sleep(grace) => {}
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

    fn at_hand(&self, key: &CacheKey, margin: Duration) -> Option<Token> {
        self.cache.find(key, self.clock.now(), margin)
    }

    /// A valid token outlives a failure that may pass.
    fn serve_while_failing(&self, key: &CacheKey, error: Error) -> Landing {
        let final_word = matches!(
            error,
            Error::NoConsent { .. } | Error::Superseded { .. } | Error::ForeignToken { .. }
        );
        match self.at_hand(key, Duration::ZERO) {
            Some(token) if !final_word => {
                let (partner, tenant, until) = (key.partner, key.tenant, token.expires_at());
                self.observers.tell(&Event::ServedWhileFailing { partner, tenant, until });
                Ok(token)
            }
            _ => Err(error),
        }
    }

    /// This process's view of the consent, read anew when it is too old.
    async fn standing(&self, partner: TenantId) -> Result<Arc<Standing>, Error> {
        let now = self.clock.monotonic();
        if let Some(fresh) = self.standings.fresh(partner, now) {
            return Ok(fresh);
        }
        match self.ledger.consent(partner).await {
            Ok(Some(held)) => Ok(self.note(&held.record.consent, now)),
            Ok(None) => {
                self.forget(partner);
                Err(Error::NoConsent { partner, absence: Absence::Never })
            }
            Err(error @ LedgerError::Damaged { .. }) => {
                self.forget(partner);
                Err(error.into())
            }
            Err(error) => {
                let last = self.standings.last(partner).ok_or(error)?;
                self.observers.tell(&Event::StoreUnreadable { partner });
                Ok(last)
            }
        }
    }

    fn note(&self, consent: &Consent, seen_at: Duration) -> Arc<Standing> {
        let standing = Arc::new(Standing::of(consent, seen_at));
        let last = self.standings.last(consent.partner);
        if last.is_some_and(|last| last.generation != standing.generation) {
            self.cache.drop_partner(consent.partner);
        }
        self.standings.note(consent.partner, standing.clone());
        standing
    }

    fn forget(&self, partner: TenantId) {
        self.standings.forget(partner);
        self.cache.drop_partner(partner);
    }

    async fn seat(&self, partner: TenantId) -> Result<lane::Seat, Error> {
        self.lanes.seat(partner).await.ok_or(Error::Closed)
    }

    /// The consent to redeem with: the one whose write is being retried, or the stored one.
    async fn current(&self, key: &CacheKey) -> Result<Held<StoredConsent>, Error> {
        let partner = key.partner;
        let held = match self.unsaved.find(partner) {
            Some(held) => held,
            None => self
                .ledger
                .consent(partner)
                .await?
                .ok_or(Error::NoConsent { partner, absence: Absence::Never })?,
        };
        if held.record.consent.generation != key.generation {
            self.forget(partner);
            return Err(Error::Superseded { partner });
        }
        Ok(held)
    }

    async fn redeem(&self, key: &CacheKey, token: &RefreshToken) -> Result<TokenReply, TokenError> {
        let authority = Authority::of(self.app.cloud(), key.tenant);
        let scopes = self.scopes(&key.resource);
        self.endpoint.redeem_refresh_token(&authority, token, &key.resource, &scopes, None).await
    }

    fn refused(&self, key: &CacheKey, error: TokenError) -> Error {
        if let TokenError::Entra(refusal) = &error {
            self.observers.tell(&Event::ExchangeRefused {
                partner: key.partner,
                tenant: key.tenant,
                resource: key.resource.clone(),
                cause: refusal.cause(),
                correlation_id: refusal.correlation_id().map(str::to_owned),
            });
        }
        Error::token(Some(key.partner), Some(key.tenant), error)
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

    /// Keeps the access token of a reply that was checked, and hands it out.
    fn accept(&self, key: CacheKey, reply: TokenReply, rotated: bool) -> Landing {
        let (partner, tenant, resource) = (key.partner, key.tenant, key.resource.clone());
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
        });
        let token = Token::new(reply.access_token, tenant, resource, granted, reply.expires_at);
        self.cache.keep(key, token.clone(), self.clock.now());
        Ok(token)
    }
}

/// The refresh token of a consent that is not over.
fn usable(stored: &StoredConsent) -> Result<&RefreshToken, Error> {
    let partner = stored.consent.partner;
    if let Some(absence) = absence(&stored.consent.state) {
        return Err(Error::NoConsent { partner, absence });
    }
    let token = stored.token.as_ref().map(|token| &token.0);
    token.ok_or(Error::NoConsent { partner, absence: Absence::Withdrawn })
}

fn is_pausing(consent: &Consent, clock: &dyn Clock) -> bool {
    matches!(&consent.state, ConsentState::Suspended(pause) if clock.now() < pause.next_probe())
}
