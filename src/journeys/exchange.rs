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

use crate::error::{Absence, Error};
use crate::journeys::cache::{Cache, CacheKey, Token};
use crate::journeys::flight::{Flights, Landing};
use crate::journeys::sharing::Sharing;
use crate::journeys::standing::{Moment, Standing, Standings, absence};
use crate::journeys::watch::Watch;
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
use crate::protocol::token_endpoint::{BadReply, TokenEndpoint, TokenError, TokenReply};
use crate::storage::lease::Leases;
use crate::storage::ledger::{Held, Ledger, LedgerError};

mod lane;
mod rotation;
mod turn;
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

/// What an exchange desk works with.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) app: AppRegistration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ledger: Ledger,
    pub(crate) endpoint: Arc<TokenEndpoint>,
    pub(crate) id_tokens: Arc<IdTokenVerifier>,
    pub(crate) standings: Arc<Standings>,
    pub(crate) watch: Watch,
    /// Where the store is shared between processes.
    pub(crate) leases: Option<Leases>,
    pub(crate) sharing: Sharing,
    pub(crate) observers: Observers,
}

#[derive(Debug)]
struct Desk {
    tools: Tools,
    cache: Cache,
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
            tools,
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

    async fn at_customer(self, key: CacheKey) -> Landing {
        let desk = &self.0;
        if let Some(token) = desk.shared(&key).await {
            return Ok(token);
        }
        let _seat = desk.seat(key.partner).await?;
        let lease = desk.customer_lease(&key).await?;
        let landing = self.redeem_at_customer(key).await;
        turn::release(lease).await;
        landing
    }

    /// Redeems at a customer's tenant, and sees to it that the partner's own token stays young.
    async fn redeem_at_customer(&self, key: CacheKey) -> Landing {
        let desk = &self.0;
        if let Some(token) = desk.shared(&key).await {
            return Ok(token);
        }
        let held = desk.current(&key).await?;
        let token = usable(&held.record)?;
        let redemption = desk.redeem(&key, token);
        let (reply, ()) = tokio::join!(redemption, self.keep_young(&held.record.consent));
        let reply = reply.map_err(|error| desk.refused(&key, error))?;
        desk.check_customer_reply(&key, &held.record.consent, &reply)?;
        desk.accept(key, reply, false).await
    }

    /// Customer redemptions renew nothing, so their use of an ageing token causes one rotation; an
    /// access token at hand for the partner itself shows that there was one within the hour. Its
    /// failure is the consent's own story, not this customer's.
    async fn keep_young(&self, consent: &Consent) {
        let now = self.0.clock.now();
        if !consent.wants_rotation(ROTATE_AFTER, now) || is_pausing(consent, &*self.0.clock) {
            return;
        }
        let partner = consent.partner;
        let resource = Resource::PartnerCenter;
        let key = CacheKey { partner, generation: consent.generation, tenant: partner, resource };
        if self.0.at_hand(&key, MARGIN).is_none() {
            let _told_by_events = self.fly_own(&key).await;
        }
    }

    /// Takes no new work, and returns once what was under way has landed and is stored; whoever calls
    /// it bounds the time.
    pub(crate) async fn finish(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.flights.all_landed().await;
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

    fn at_hand(&self, key: &CacheKey, margin: Duration) -> Option<Token> {
        self.cache.find(key, self.clock.now(), margin)
    }

    /// A valid token outlives a failure that may pass.
    fn serve_while_failing(&self, key: &CacheKey, error: Error) -> Landing {
        let final_word = matches!(
            error,
            Error::NoConsent { .. }
                | Error::Superseded { .. }
                | Error::ForeignToken { .. }
                | Error::Damaged { .. }
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

    /// This process's view of the consent, read anew where it was seen to change.
    async fn standing(&self, partner: TenantId) -> Result<Arc<Standing>, Error> {
        let looked = self.watch.look(partner).await;
        match (&looked, self.standings.holding(partner), self.standings.last(partner)) {
            (Ok(()), Some(standing), _) => return Ok(standing),
            (Err(_), _, Some(last)) => return Ok(self.unreadable(partner, last)),
            _ => {}
        }
        let moment = self.standings.moment();
        match self.ledger.consent(partner).await {
            Ok(Some(held)) => Ok(self.note(&held, moment)),
            Ok(None) => {
                self.forget(partner);
                Err(Error::NoConsent { partner, absence: Absence::Never })
            }
            Err(error @ (LedgerError::Damaged { .. } | LedgerError::Shredded { .. })) => {
                self.forget(partner);
                Err(error.into())
            }
            Err(error) => {
                let last = self.standings.last(partner).ok_or(error)?;
                Ok(self.unreadable(partner, last))
            }
        }
    }

    /// What is known from before serves while the store cannot be read.
    fn unreadable(&self, partner: TenantId, last: Arc<Standing>) -> Arc<Standing> {
        self.observers.tell(&Event::StoreUnreadable { partner });
        last
    }

    /// What this process forgot, and a consent of the same generation from another flow, leave no
    /// token behind.
    fn note(&self, held: &Held<StoredConsent>, moment: Moment) -> Arc<Standing> {
        let partner = held.record.consent.partner;
        let last = self.standings.last(partner);
        let standing = self.standings.note(held, moment);
        if !last.is_some_and(|last| last.is_of_the_same_consent(&standing)) {
            self.cache.drop_partner(partner);
        }
        standing
    }

    fn forget(&self, partner: TenantId) {
        self.standings.forget(partner);
        self.cache.drop_partner(partner);
    }

    /// What another process has shared, kept in memory from now on.
    async fn shared(&self, key: &CacheKey) -> Option<Token> {
        let asked = self.scopes(&key.resource);
        let token = self.sharing.find(key, &asked, MARGIN).await?;
        self.cache.keep(key.clone(), token.clone(), self.clock.now());
        Some(token)
    }

    /// The consent to redeem with: the one whose write is being retried, or the stored one.
    async fn current(&self, key: &CacheKey) -> Result<Held<StoredConsent>, Error> {
        let partner = key.partner;
        let held = match self.still_unsaved(partner).await? {
            Some(held) => Some(held),
            None => self.ledger.consent(partner).await?,
        };
        let same = |held: &Held<StoredConsent>| held.record.consent.generation == key.generation;
        match held {
            Some(held) if same(&held) => Ok(held),
            found => {
                self.forget(partner);
                let never = Error::NoConsent { partner, absence: Absence::Never };
                Err(found.map_or(never, |_| Error::Superseded { partner }))
            }
        }
    }

    /// What waits for its write, unless somebody else has written since: that may be a withdrawal,
    /// which must hold also while its key is out of reach.
    async fn still_unsaved(
        &self,
        partner: TenantId,
    ) -> Result<Option<Held<StoredConsent>>, LedgerError> {
        let Some(waiting) = self.unsaved.find(partner) else { return Ok(None) };
        let id = partner.to_string();
        let at = self.ledger.revision::<StoredConsent>(Some(partner), &id).await?;
        Ok(Some(waiting.held).filter(|held| at == Some(held.revision)))
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

    /// Keeps the access token of a reply that was checked, shares it, and hands it out.
    async fn accept(&self, key: CacheKey, reply: TokenReply, rotated: bool) -> Landing {
        let (partner, tenant, resource) = (key.partner, key.tenant, key.resource.clone());
        if reply.is_over {
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
        });
        let token = Token::new(reply.access_token, tenant, resource, granted, reply.expires_at);
        self.sharing.keep(&key, &asked, &token).await;
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
    matches!(&consent.state, ConsentState::Suspended(pause) if pause.holds_at(clock.now()))
}
