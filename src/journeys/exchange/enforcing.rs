//! Partner Center's enforcement of the second factor: what it refused, when its use is suspended, and
//! how that ends.
//!
//! What is known lies in the stored consent, so that a restart and every other process hold to it.
//! Only tokens for Partner Center at the partner's own tenant are concerned, and a token counts as
//! another one when it was had under another view of it (`standing`): by no clock.

use std::sync::Arc;
use std::time::SystemTime;

use super::{Ask, Desk, Exchange, Trip};
use crate::error::{Absence, Error};
use crate::journeys::cache::CacheKey;
use crate::journeys::flight::Landing;
use crate::journeys::lasting::lasting;
use crate::journeys::standing::Standing;
use crate::journeys::token::Token;
use crate::model::consent::StoredConsent;
use crate::model::enforcement::{Enforcement, Permit};
use crate::model::event::Event;
use crate::model::invalid::Invalid;
use crate::model::mfa::MfaAnswer;
use crate::model::scope::Resource;
use crate::model::tenant::{AccountId, TenantId};
use crate::storage::ledger::Held;
use crate::transport::pace::Urgency;

/// A writer who loses this often gives up.
const TRIES: usize = 8;

/// What Partner Center said of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Refused,
    Proven,
}

impl Exchange {
    /// Partner Center refused this token: another one, or why there is none.
    pub(crate) async fn mfa_missing(&self, ask: Ask, refused: &Token) -> Landing {
        let (desk, partner) = (&self.0, ask.partner);
        desk.check(&ask)?;
        if refused.tenant() != partner || *refused.resource() != ask.resource {
            const EXPECTED: &str = "one for Partner Center at the partner's own tenant";
            return Err(
                Invalid::new("refused token", "is another partner's or API's", EXPECTED).into()
            );
        }
        let standing = desk.standing(partner).await?;
        standing.admit(partner, ask.account.as_ref())?;
        desk.hear(partner, refused, Word::Refused).await?;
        // It counted no further: a suspension was lifted a moment ago.
        if desk.is_of_now(partner, refused) && desk.suspended(partner).is_none() {
            let (tenant, resource, left) = (partner, ask.resource, Enforcement::SETTLED);
            return Err(Error::TokenRefused { partner, tenant, resource, left });
        }
        self.clone().fetch(ask).await
    }

    /// Partner Center's own word on the second factor behind a new token. It is remembered.
    pub(crate) async fn mfa_verdict(&self, partner: TenantId, token: &Token) -> MfaAnswer {
        let desk = &self.0;
        let verdict = desk.partner_center.mfa_verdict(token.secret(), &desk.probe_path).await;
        let word = match verdict.answer {
            MfaAnswer::Proven => Word::Proven,
            _ if verdict.refused => Word::Refused,
            answer => return answer,
        };
        if let Err(error) = desk.hear(partner, token, word).await {
            tracing::debug!(%error, "what partner center said is not stored");
        }
        verdict.answer
    }

    /// Refuses Partner Center's tokens while its use is suspended, unless it takes a new one by now.
    pub(super) async fn admit_enforced(
        &self,
        key: &CacheKey,
        account: Option<&AccountId>,
    ) -> Result<(), Error> {
        let (desk, partner) = (&self.0, key.partner);
        if key.is_for_office() && desk.permit(partner) == Permit::AfterProbe {
            desk.check_manners(key)?; // else a try would be spent on nothing
            // The try is spent whoever goes away, and what it finds out is remembered.
            lasting(self.clone().probe(partner, account.cloned())).await?;
        }
        desk.check_enforced(key)
    }

    /// Shows Partner Center a new token, where nobody else does.
    async fn probe(self, partner: TenantId, account: Option<AccountId>) -> Result<(), Error> {
        if self.0.begins_probe(partner).await {
            let account = account.as_ref();
            let shown =
                self.prove(partner, account, Resource::PartnerCenter, Urgency::Caller).await?;
            self.mfa_verdict(partner, &shown.token).await;
        }
        Ok(())
    }
}

impl Desk {
    /// The view under which a token of this key is had, and under which it is good.
    pub(super) fn view(&self, key: &CacheKey) -> Option<Arc<Standing>> {
        match key.is_for_office() {
            true => self.standings.last_office(key.partner),
            false => self.standings.last(key.partner),
        }
    }

    /// The same trip of the same consent, under the view of today, where Partner Center is used.
    pub(super) fn since_refused(&self, trip: &Trip) -> Option<Trip> {
        let standing = self.view(trip).filter(|now| now.tells_the_same(&trip.standing))?;
        let goes_on = trip.is_for_office() && self.check_enforced(trip).is_ok();
        goes_on.then(|| trip.under(standing))
    }

    /// Refuses Partner Center's tokens while its use is suspended.
    pub(super) fn check_enforced(&self, key: &CacheKey) -> Result<(), Error> {
        let partner = key.partner;
        match self.suspended(partner) {
            Some((since, until)) if key.is_for_office() => {
                Err(Error::PartnerCenterSuspended { partner, since, until })
            }
            _ => Ok(()),
        }
    }

    fn suspended(&self, partner: TenantId) -> Option<(SystemTime, SystemTime)> {
        self.standings.enforcement(partner).suspended()
    }

    fn permit(&self, partner: TenantId) -> Permit {
        self.standings.enforcement(partner).permit(self.clock.now())
    }

    /// Whether nothing is known that would have outdated this token.
    fn is_of_now(&self, partner: TenantId, token: &Token) -> bool {
        let office = self.standings.last_office(partner);
        office.is_some_and(|office| Arc::ptr_eq(&office, token.standing()))
    }

    /// Notes what Partner Center said. The refusal of a token that was outdated before is no news.
    async fn hear(&self, partner: TenantId, token: &Token, word: Word) -> Result<(), Error> {
        if word == Word::Proven && self.standings.enforcement(partner).is_unfelt() {
            return Ok(());
        }
        for _ in 0..TRIES {
            let held = self.look_at(partner).await?;
            let (known, now) = (held.record.consent.enforcement, self.clock.now());
            let next = match word {
                Word::Proven => known.proven(now),
                Word::Refused if self.is_of_now(partner, token) => known.refused(now),
                Word::Refused => known,
            };
            if next == known {
                return Ok(());
            }
            match self.enforce(held, next).await {
                Err(Error::Conflict) => {}
                settled => return settled,
            }
        }
        Err(Error::Conflict)
    }

    /// Whether it is for this caller to have Partner Center asked: of all callers in all processes, one
    /// wins the write that puts the next try off.
    async fn begins_probe(&self, partner: TenantId) -> bool {
        let Ok(held) = self.look_at(partner).await else { return false };
        let (known, now) = (held.record.consent.enforcement, self.clock.now());
        known.permit(now) == Permit::AfterProbe
            && self.enforce(held, known.probed(now)).await.is_ok()
    }

    /// The stored consent, of which this process takes note.
    async fn look_at(&self, partner: TenantId) -> Result<Held<StoredConsent>, Error> {
        let moment = self.standings.moment();
        let held = self.ledger.consent(partner).await?;
        let held = held.ok_or(Error::NoConsent { partner, absence: Absence::Never })?;
        self.note(&held, moment).admit(partner, None)?;
        Ok(held)
    }

    /// Moves what is known by compare-and-swap, once no process finds a token that was refused.
    async fn enforce(&self, held: Held<StoredConsent>, next: Enforcement) -> Result<(), Error> {
        let consent = &held.record.consent;
        let (partner, before) = (consent.partner, consent.enforcement);
        if next.outdates(before) {
            let resource = Resource::PartnerCenter;
            let key = CacheKey::plain(partner, consent.generation, partner, resource);
            self.sharing.take_back(&key, &self.scopes(&key.resource)).await;
        }
        let record = held.record.enforced(next).fitting(self.clock.now());
        let revision = self.ledger.replace(&record, held.revision).await?;
        // Whoever read the row before has read it too early.
        self.standings.changed(partner, Some(revision));
        self.note(&Held { record, revision }, self.standings.moment());
        match (before.suspended(), next.suspended()) {
            (None, Some(_)) => self.observers.tell(&Event::PartnerCenterSuspended { partner }),
            (Some(_), None) => self.observers.tell(&Event::PartnerCenterResumed { partner }),
            _ => {}
        }
        Ok(())
    }
}
