//! One process with its desk, beside others that only write into the store.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shuttle::future::{JoinHandle, block_on, spawn};

use crate::error::Error;
use crate::journeys::cache::CacheKey;
use crate::journeys::exchange::{Access, Ask, Exchange};
use crate::journeys::offers::Offers;
use crate::journeys::standing::Standings;
use crate::journeys::token::{Issue, Life, Token};
use crate::model::clock::VirtualClock;
use crate::model::consent::{
    Consent, ConsentState, ConsentingUser, Guest, Past, StoredConsent, StoredToken,
};
use crate::model::enforcement::Enforcement;
use crate::model::motive::Motive;
use crate::model::partner_kind::PartnerKind;
use crate::model::receipt::Chain;
use crate::model::registration::AppRegistration;
use crate::model::scope::{Resource, Scope, Scopes};
use crate::model::secret::{AccessToken, RefreshToken};
use crate::model::tenant::{AccountId, TenantId, UserId};
use crate::storage::ledger::{Held, Ledger};
use crate::storage::store::Revision;

/// Longer than a process may act on what it knows.
const LATER: Duration = Duration::from_secs(6);

#[derive(Clone)]
pub(super) struct World {
    pub(super) exchange: Exchange,
    pub(super) clock: VirtualClock,
    ledger: Ledger,
}

impl World {
    /// One partner has consented, and the store says so.
    pub(super) fn new() -> Self {
        let clock = VirtualClock::starting_at(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let ledger = Ledger::default();
        ledger.write(consent(1, "first"));
        let exchange = Exchange::new(app(), Arc::new(clock.clone()), ledger.clone());
        Self { exchange, clock, ledger }
    }

    /// Another process writes this row, and then so much time passes that everybody must know.
    pub(super) fn written_elsewhere(&self, row: StoredConsent) {
        self.ledger.write(row);
        self.clock.advance(LATER);
    }

    pub(super) fn withdrawn_elsewhere(&self) {
        self.written_elsewhere(self.withdrawal());
    }

    /// This process withdraws the consent, as `offboarding` does.
    pub(super) fn withdraw_here(&self) {
        self.ledger.write(self.withdrawal());
        self.exchange.0.standings.forget(partner());
    }

    fn withdrawal(&self) -> StoredConsent {
        let held = self.ledger.row(partner()).expect("a consent");
        held.record.withdrawn(SystemTime::UNIX_EPOCH)
    }

    /// Another process writes the row anew and changes nothing of it.
    pub(super) fn touched_elsewhere(&self) {
        let held = self.ledger.row(partner()).expect("a consent");
        self.written_elsewhere(held.record);
    }

    pub(super) fn after_a_list(&self, happens: impl FnOnce(&Self) + Send + 'static) {
        let world = self.clone();
        self.ledger.after_list(move || happens(&world));
    }

    pub(super) fn after_a_row(&self, happens: impl FnOnce(&Self) + Send + 'static) {
        let world = self.clone();
        self.ledger.after_row(move || happens(&world));
    }

    pub(super) fn during_a_request(&self, happens: impl FnOnce(&Self) + Send + 'static) {
        let world = self.clone();
        self.exchange.0.entra.meanwhile(move || happens(&world));
    }

    pub(super) fn token(&self) -> Result<Token, Error> {
        block_on(self.exchange.token(ask()))
    }

    /// The generation of the consent that a look lets a hand-out act on.
    pub(super) async fn holding(&self) -> Option<u64> {
        let desk = &self.exchange.0;
        desk.watch.look(partner()).await.expect("readable");
        desk.standings.holding(partner()).map(|standing| standing.generation)
    }

    /// What this process knows grows too old to act on.
    pub(super) fn clock_runs(&self) {
        self.clock.advance(LATER);
    }

    pub(super) fn access(&self) -> Access {
        Access::new(self.exchange.clone(), ask())
    }

    /// Somebody who asks, beside whoever else does.
    pub(super) fn asks(&self) -> JoinHandle<Result<Token, Error>> {
        self.asks_for(ask())
    }

    pub(super) fn asks_instead_of(&self, refused: &Token) -> JoinHandle<Result<Token, Error>> {
        self.asks_for(Ask { instead_of: Some(refused.clone()), ..ask() })
    }

    fn asks_for(&self, ask: Ask) -> JoinHandle<Result<Token, Error>> {
        let world = self.clone();
        spawn(async move { world.exchange.token(ask).await })
    }
}

/// What a task came to.
pub(super) fn end<T>(task: JoinHandle<T>) -> T {
    block_on(task).expect("nobody cancels it")
}

pub(super) fn partner() -> TenantId {
    numbered(1)
}

fn numbered(number: u64) -> TenantId {
    TenantId::parse(&format!("11111111-1111-4111-8111-{number:012}")).expect("a GUID")
}

/// The key of one customer among others.
pub(super) fn key(customer: u64) -> CacheKey {
    CacheKey::plain(partner(), 1, numbered(customer), Resource::PartnerCenter)
}

fn ask() -> Ask {
    let (partner, tenant, resource) = (partner(), numbered(2), Resource::PartnerCenter);
    let (account, instead_of, claims, motive) = (None, None, None, Motive::default());
    Ask { partner, account, tenant, resource, instead_of, claims, motive }
}

pub(super) fn app() -> AppRegistration {
    let scope = Scope::new(Resource::PartnerCenter, "user_impersonation").expect("a scope");
    AppRegistration([scope].into_iter().collect::<Scopes>())
}

pub(super) fn consent(generation: u64, flow: &str) -> StoredConsent {
    let consent = Consent {
        enforcement: Enforcement::default(),
        partner: partner(),
        account: AccountId::new("panel-1").expect("plain text"),
        kind: PartnerKind::default(),
        user: ConsentingUser {
            id: UserId::parse("22222222-2222-4222-8222-222222222222").expect("a GUID"),
            subject: "subject".to_owned(),
            name: None,
            guest: Guest::No,
            roles: None,
        },
        scopes: Scopes::default(),
        mfa: None,
        flow: flow.to_owned(),
        begun_at: UNIX_EPOCH,
        generation,
        withdrawn_at: None,
        confirmed_at: UNIX_EPOCH,
        token_issued_at: UNIX_EPOCH,
        state: ConsentState::Live,
    };
    let token = RefreshToken::new("text").expect("visible ASCII");
    let (chain, past) = (Chain::default(), Past::default());
    StoredConsent { consent, token: Some(StoredToken(token)), chain, past }
}

/// A token of a view that holds.
pub(super) fn issued(clock: &VirtualClock) -> Token {
    let standings = Standings::default();
    let held = Held { record: consent(1, "first"), revision: Revision::ZERO };
    let standing = standings.note(&held, standings.moment());
    let offer = Offers::of(&app()).find(&Resource::PartnerCenter).expect("registered").clone();
    Token::new(Issue {
        secret: AccessToken::new("text").expect("plain text"),
        tenant: partner(),
        granted: (*offer.scopes).clone(),
        offer,
        standing,
        life: Life::of(Duration::from_secs(3600), clock),
        instead_until: 0,
    })
}
