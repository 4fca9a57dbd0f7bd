//! Doors for this crate's own benches and properties, to rooms that nobody else enters. No promise is
//! made here.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use zeroize::Zeroizing;

use crate::broker::Broker;
use crate::error::Error;
use crate::journeys::cache::Place;
use crate::model::clock::VirtualClock;
use crate::model::cloud::Realm;
use crate::model::consent::{
    Consent, ConsentState, ConsentingUser, Guest, Past, StoredConsent, StoredToken,
};
use crate::model::enforcement::Enforcement;
use crate::model::partner_kind::PartnerKind;
use crate::model::receipt::Chain;
use crate::model::scope::Scopes;
use crate::model::secret::RefreshToken;
use crate::model::tenant::{AccountId, TenantId, UserId};
use crate::storage::keyring::{DataKey, KeyError, KeyRing};
use crate::storage::ledger::{Ledger, LedgerError, Stores};
use crate::storage::seal::{self, Damage, Identity, PartnerKey, Sealed};
use crate::storage::store::Store;

pub mod targets;

/// One partner's envelope, without a store.
#[derive(Debug)]
pub struct Envelope {
    realm: Realm,
    partner: TenantId,
    key: PartnerKey,
}

impl Envelope {
    /// An envelope for one partner of this realm, under a new key.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn new(realm: Realm, partner: TenantId) -> Result<Self, KeyError> {
        Ok(Self { realm, partner, key: PartnerKey::from(&DataKey::generate()?) })
    }

    /// Seals a copy of this text.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn seal(&self, text: &[u8]) -> Result<Sealed, KeyError> {
        let place = self.partner.to_string();
        seal::seal(&self.place(&place), 1, &self.key, Zeroizing::new(text.to_vec()))
    }

    /// Opens what it sealed, and says how long it is.
    ///
    /// # Errors
    /// When it is not what this envelope sealed.
    pub fn open(&self, sealed: &Sealed) -> Result<usize, Damage> {
        let place = self.partner.to_string();
        seal::open(&self.place(&place), &self.key, sealed).map(|opened| opened.plaintext.len())
    }

    fn place<'a>(&'a self, id: &'a str) -> Identity<'a> {
        Identity { realm: &self.realm, kind: "consent", partner: Some(self.partner), id }
    }
}

/// A store full of sealed consents.
#[derive(Debug, Clone)]
pub struct Shelf {
    ledger: Ledger,
}

impl Shelf {
    /// A ledger over this store and ring.
    pub fn new(store: Arc<dyn Store>, keys: KeyRing, realm: Realm) -> Self {
        let clock = Arc::new(VirtualClock::default());
        Self { ledger: Ledger::new(Stores::new(store, None), keys, realm, clock) }
    }

    /// Seals and puts the consent of partner `number`, with a refresh token of `length` bytes.
    ///
    /// # Errors
    /// What the store or the ring says.
    pub async fn insert(&self, number: u64, length: usize) -> Result<(), LedgerError> {
        self.ledger.insert(&consent(partner(number), length)).await.map(drop)
    }

    /// Reads and opens the consent of partner `number`.
    ///
    /// # Errors
    /// What the store or the ring says.
    pub async fn open(&self, number: u64) -> Result<bool, LedgerError> {
        Ok(self.ledger.consent(partner(number)).await?.is_some())
    }

    /// Reads, and writes anew, the consent of partner `number`.
    ///
    /// # Errors
    /// What the store or the ring says.
    pub async fn renew(&self, number: u64) -> Result<(), LedgerError> {
        let Some(held) = self.ledger.consent(partner(number)).await? else { return Ok(()) };
        let next = held.record.renewed(None, UNIX_EPOCH + Duration::from_secs(number));
        self.ledger.replace(&next, held.revision).await.map(drop)
    }
}

/// The tenant of partner `number`.
#[must_use]
pub fn partner(number: u64) -> TenantId {
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let text =
        format!("{:08x}-{:04x}-4000-8000-{number:012x}", spread >> 32, spread >> 16 & 0xffff);
    TenantId::parse(&text).expect("a GUID")
}

fn consent(partner: TenantId, length: usize) -> StoredConsent {
    let name = partner.to_string();
    let user = ConsentingUser {
        id: UserId::parse(&name).expect("a GUID"),
        subject: name.clone(),
        name: None,
        guest: Guest::No,
        roles: None,
    };
    let consent = Consent {
        partner,
        account: AccountId::new(name).expect("a plain name"),
        kind: PartnerKind::default(),
        user,
        scopes: Scopes::default(),
        mfa: None,
        flow: String::new(),
        begun_at: UNIX_EPOCH,
        generation: 1,
        withdrawn_at: None,
        confirmed_at: UNIX_EPOCH,
        token_issued_at: UNIX_EPOCH,
        state: ConsentState::Live,
        enforcement: Enforcement::default(),
    };
    let token = RefreshToken::new("t".repeat(length)).expect("visible ASCII");
    let (chain, past) = (Chain::default(), Past::default());
    StoredConsent { consent, token: Some(StoredToken(token)), chain, past }
}

/// A place in the cache of access tokens, as a key for other maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenPlace(Place);

impl TokenPlace {
    /// The place of Partner Center's token for this tenant by this partner's consent.
    #[must_use]
    pub const fn new(partner: TenantId, tenant: TenantId) -> Self {
        Self(Place { partner, tenant, offer: 0 })
    }

    /// What the cache spreads places over its shelves by.
    #[must_use]
    pub fn spread(&self) -> usize {
        self.0.spread()
    }
}

/// Gives a broker so many partners, unless it has them, each with tokens of so many bytes for Partner Center at so many
/// customers.
///
/// # Errors
/// What the store or the ring says.
pub async fn plant(
    broker: &Broker,
    partners: u64,
    customers: u64,
    length: usize,
) -> Result<(), Error> {
    for number in 0..partners {
        match broker.ledger.insert(&consent(partner(number), 1000)).await {
            Ok(_) | Err(LedgerError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
        let tenants = (0..customers).map(|of| customer(number, of));
        broker.exchange.plant(partner(number), tenants, length).await?;
    }
    Ok(())
}

/// The tenant of a partner's customer.
#[must_use]
pub fn customer(of: u64, number: u64) -> TenantId {
    partner((1 << 47) + (of << 20) + number)
}
