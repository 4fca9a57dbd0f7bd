//! Access tokens that processes share: sealed records, kept until their tokens end.
//!
//! They are a short cut and never the truth. One that does not open or does not fit is as good as
//! none, and none is found under the generation of a consent that was replaced.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::journeys::cache::CacheKey;
use crate::model::clock::{Clock, as_seconds, later};
use crate::model::scope::{Resource, Scopes};
use crate::model::secret::{AccessToken, sealed_text};
use crate::model::tenant::TenantId;
use crate::storage::ledger::{Ledger, LedgerError, Record};
use crate::storage::store::Kind;

/// An access token as it is sealed and stored, under its ask.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SharedToken {
    id: String,
    partner: TenantId,
    generation: u64,
    tenant: TenantId,
    resource: Resource,
    scopes: Scopes,
    #[serde(with = "sealed_text")]
    secret: AccessToken,
    #[serde(with = "as_seconds")]
    expires_at: SystemTime,
    /// What was left of its life when it was shared, in seconds.
    life: u64,
}

impl Record for SharedToken {
    const KIND: Kind = Kind::AccessToken;

    fn partner(&self) -> Option<TenantId> {
        Some(self.partner)
    }

    fn id(&self) -> String {
        self.id.clone()
    }

    fn generation(&self) -> u64 {
        self.generation
    }

    fn due(&self) -> Option<SystemTime> {
        Some(self.expires_at)
    }
}

/// The shelf that all processes reach, where the host wants one. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Sharing {
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    wanted: bool,
}

/// A token as it goes from process to process.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) secret: AccessToken,
    pub(crate) scopes: Scopes,
    /// What is left of its life.
    pub(crate) left: Duration,
}

impl Sharing {
    /// Where the store is not shared between processes there is nobody to share with.
    pub(crate) fn new(ledger: Ledger, clock: Arc<dyn Clock>, wanted: bool) -> Self {
        let shared = ledger.promises(Kind::AccessToken).shared_between_processes;
        Self { ledger, clock, wanted: wanted && shared }
    }

    pub(crate) const fn is_on(&self) -> bool {
        self.wanted
    }

    /// A token with more than `margin` of its life left, which may do what is asked.
    pub(crate) async fn find(
        &self,
        key: &CacheKey,
        asked: &Scopes,
        margin: Duration,
    ) -> Option<Shared> {
        if !self.wanted {
            return None;
        }
        let held =
            self.ledger.load::<SharedToken>(Some(key.partner), &Self::place(key, asked)).await;
        let found = held.inspect_err(tell).ok().flatten()?.record;
        let fits = found.generation == key.generation
            && (found.tenant, &found.resource) == (key.tenant, &key.resource)
            && asked.beyond(&found.scopes).is_empty();
        // Its end was written by another's clock: never trust it for longer than a token lives.
        let left = found.expires_at.duration_since(self.clock.now()).unwrap_or_default();
        let left = left.min(Duration::from_secs(found.life));
        let SharedToken { secret, scopes, .. } = found;
        (fits && left > margin).then_some(Shared { secret, scopes, left })
    }

    /// Puts a token where the others find it. A store that refuses costs them an exchange.
    pub(crate) async fn keep(&self, key: &CacheKey, asked: &Scopes, token: &Shared) {
        if !self.wanted {
            return;
        }
        let record = SharedToken {
            id: Self::place(key, asked),
            partner: key.partner,
            generation: key.generation,
            tenant: key.tenant,
            resource: key.resource.clone(),
            scopes: token.scopes.clone(),
            secret: token.secret.clone(),
            expires_at: later(self.clock.now(), token.left),
            life: token.left.as_secs(),
        };
        let _told = self.put(&record).await.inspect_err(tell);
    }

    /// Over whatever lies there: it has ended, does not open, or is as good.
    async fn put(&self, record: &SharedToken) -> Result<(), LedgerError> {
        let there = self.ledger.revision::<SharedToken>(record.partner(), &record.id).await?;
        match there {
            None => self.ledger.insert(record).await?,
            Some(at) => self.ledger.replace(record, at).await?,
        };
        Ok(())
    }

    /// Erases every token that is shared.
    pub(crate) async fn drop_all(&self) -> Result<(), LedgerError> {
        if self.wanted {
            self.ledger.remove_all(Kind::AccessToken, "").await?;
        }
        Ok(())
    }

    /// Takes back a token that an API has refused.
    pub(crate) async fn take_back(&self, key: &CacheKey, asked: &Scopes) {
        if !self.wanted {
            return;
        }
        let (partner, place) = (Some(key.partner), Self::place(key, asked));
        match self.ledger.revision::<SharedToken>(partner, &place).await {
            Ok(Some(at)) => {
                let removed = self.ledger.remove::<SharedToken>(partner, &place, at).await;
                let _told = removed.inspect_err(tell);
            }
            Ok(None) => {}
            Err(error) => tell(&error),
        }
    }

    /// The name of an ask: in clear only as much as a row tells anyway. Cloud and application
    /// are the realm's.
    pub(crate) fn place(key: &CacheKey, asked: &Scopes) -> String {
        let ask = serde_json::to_vec(&(key.generation, key.tenant, &key.resource, asked));
        let ask = ask.expect("plain values");
        format!("{}.{}", key.partner, URL_SAFE_NO_PAD.encode(digest(&SHA256, &ask)))
    }

    /// Erases what is shared of a partner whose consent was replaced or withdrawn. What a flight of
    /// another process adds after that is found under no later generation, and swept at its end.
    pub(crate) async fn drop_partner(&self, partner: TenantId) {
        if self.wanted {
            let start = format!("{partner}.");
            let _told = self.ledger.remove_all(Kind::AccessToken, &start).await.inspect_err(tell);
        }
    }
}

fn tell(error: &LedgerError) {
    tracing::debug!(%error, "shared access tokens");
}

#[cfg(test)]
mod tests;
