//! How a broker is put together: what its journeys share is made once, then each takes its part.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::builder::BrokerBuilder;
use super::{Broker, Chores};
use crate::error::Error;
use crate::journeys::cache::Cache;
use crate::journeys::casebook::Casebook;
use crate::journeys::checkup::{self, Examiner};
use crate::journeys::diagnosis::Diagnostics;
use crate::journeys::exchange::{Exchange, Limits, Manners, Tools};
use crate::journeys::freezing::Freezes;
use crate::journeys::granting::Granting;
use crate::journeys::invitation::Book;
use crate::journeys::lately::Lately;
use crate::journeys::offboarding::Offboarding;
use crate::journeys::office::Office;
use crate::journeys::onboarding::{Desk, Onboarding};
use crate::journeys::receipts::Notary;
use crate::journeys::rekeying::Rekeying;
use crate::journeys::rollback::Rollback;
use crate::journeys::sharing::Sharing;
use crate::journeys::standing::Standings;
use crate::journeys::sweeping::Sweeper;
use crate::journeys::transfer::{Admission, Transfer};
use crate::journeys::verification::Verifier;
use crate::journeys::watch::Watch;
use crate::model::clock::Clock;
use crate::model::event::{Event, Observers};
use crate::model::invalid::Invalid;
use crate::model::policy::Policies;
use crate::model::registration::AppRegistration;
use crate::protocol::id_token::IdTokenVerifier;
use crate::protocol::partner_center::PartnerCenter;
use crate::protocol::token_endpoint::TokenEndpoint;
use crate::storage::budget::Budget;
use crate::storage::lease::Leases;
use crate::storage::ledger::{Ledger, LedgerError, Stores};
use crate::storage::roll::Roll;
use crate::transport::client_assertion::ClientAuthentication;
use crate::transport::http::{HttpError, Reqwest, Wire};

/// Makes the broker of what a builder has collected and checked, on its stores.
pub(super) async fn assemble(mut parts: BrokerBuilder, stores: Stores) -> Result<Broker, Error> {
    let watchers = std::mem::take(&mut parts.observers);
    let observers = Observers::new(watchers.into_iter().map(|watcher| watcher.0).collect());
    let speech = Speech::new(&parts, parts.token_budget, &observers)?;
    let (app, clock, start_page) = (parts.app, parts.clock, parts.start_page);
    let ledger = Ledger::new(stores, parts.keys.clone(), app.realm(), clock.clone());
    ledger.prove_ring().await?;
    let roll = Roll::new(ledger.clone(), &parts.keys, clock.clone());
    announce(&roll, &observers).await?;
    prove_again(&ledger, &roll).await?;
    if let Some(budget) = &speech.budget {
        budget.begin(&ledger, &roll.own().id).await;
    }
    let freezes = Freezes::new(ledger.clone(), clock.clone(), observers.clone());
    freezes.look().await?;
    let leases = || Leases::new(ledger.clone(), clock.clone(), roll.own().id.clone());
    let leases = roll.is_shared().then(leases);
    let sharing = Sharing::new(ledger.clone(), clock.clone(), parts.shares_access_tokens);
    let notary = Notary {
        ledger: ledger.clone(),
        clock: clock.clone(),
        observers: observers.clone(),
        signer: parts.receipt_signer,
    };
    let shared = Shared {
        notary,
        cache: Arc::new(Cache::new(parts.cache_at_most)),
        standings: Arc::default(),
        casebook: Casebook::default(),
        lately: Arc::default(),
        roll_back_within: parts.roll_back_within,
        freezes,
        app,
        clock,
        speech,
        ledger,
        roll,
        leases,
        sharing,
        start_page,
        observers,
    };
    Ok(shared.broker(Arc::new(parts.policies), parts.mfa_probe, parts.limits))
}

/// Makes what a checkup looks with: the same ways to speak, told to nobody, and outside of a budget,
/// in which it has no share.
pub(super) fn examiner(
    parts: &BrokerBuilder,
    stores: Stores,
    settings: Result<(), Invalid>,
) -> Examiner {
    let (app, clock) = (parts.app.clone(), parts.clock.clone());
    let ledger = Ledger::new(stores.clone(), parts.keys.clone(), app.realm(), clock.clone());
    let observers = Observers::default();
    let speech = Speech::new(parts, None, &observers).map(|speech| checkup::Speech {
        partner_center: PartnerCenter::new(speech.wire.clone(), app.cloud().clone()),
        wire: speech.wire,
        endpoint: speech.endpoint,
        authentication: ClientAuthentication::new(&app, clock.clone(), observers.clone()),
    });
    let signer = parts.receipt_signer.clone();
    Examiner { app, clock, stores, ledger, settings, signer, speech }
}

/// How the broker speaks.
struct Speech {
    wire: Wire,
    endpoint: Arc<TokenEndpoint>,
    id_tokens: Arc<IdTokenVerifier>,
    budget: Option<Budget>,
}

impl Speech {
    fn new(
        parts: &BrokerBuilder,
        budget: Option<NonZeroU32>,
        observers: &Observers,
    ) -> Result<Self, HttpError> {
        let (app, clock) = (&parts.app, &parts.clock);
        let http = match &parts.http {
            Some(http) => http.clone(),
            None => Arc::new(Reqwest::new()?),
        };
        let wire = Wire::new(http, clock.clone());
        let mut authentication = ClientAuthentication::new(app, clock.clone(), observers.clone());
        if parts.one_time_assertions {
            authentication = authentication.one_time_assertions();
        }
        let budget = budget
            .map(|per_second| Budget::new("tokens", per_second, clock.clone(), observers.clone()));
        let endpoint = TokenEndpoint::new(app, authentication, wire.clone(), clock.clone());
        let endpoint = Arc::new(endpoint.within(budget.clone()));
        let id_tokens = IdTokenVerifier::new(app, wire.clone(), clock.clone());
        Ok(Self { wire, endpoint, id_tokens: Arc::new(id_tokens), budget })
    }
}

/// What the journeys share. Each method gives one journey its part.
struct Shared {
    app: AppRegistration,
    clock: Arc<dyn Clock>,
    speech: Speech,
    ledger: Ledger,
    roll: Roll,
    /// Where the store is shared between processes.
    leases: Option<Leases>,
    standings: Arc<Standings>,
    cache: Arc<Cache>,
    freezes: Freezes,
    sharing: Sharing,
    casebook: Casebook,
    lately: Arc<Lately>,
    roll_back_within: Duration,
    notary: Notary,
    start_page: Option<Url>,
    observers: Observers,
}

impl Shared {
    fn broker(self, policies: Arc<Policies>, probe_path: String, limits: Limits) -> Broker {
        let (sweeper, exchange) = (self.sweeper(), self.exchange(limits, probe_path.clone()));
        let office = self.office(&exchange);
        let admission = Admission { app: self.app.clone(), policies: policies.clone() };
        let admission = Arc::new(admission);
        Broker {
            transfer: self.transfer(admission.clone()),
            verifier: self.verifier(admission, &exchange),
            diagnostics: self.diagnostics(policies.clone(), exchange.clone()),
            onboarding: self.onboarding(policies, probe_path),
            exchange: exchange.clone(),
            freezes: self.freezes.clone(),
            granting: Arc::new(self.granting(&exchange, &office)),
            office,
            offboarding: self.offboarding(),
            rollback: self.rollback(),
            rekeying: self.rekeying(),
            chores: Arc::new(Chores::begin(&self.roll, &sweeper, self.speech.budget.clone())),
            notary: self.notary,
            ledger: self.ledger,
            roll: self.roll,
            clock: self.clock,
            sweeper,
        }
    }

    fn onboarding(&self, policies: Arc<Policies>, probe_path: String) -> Onboarding {
        Onboarding::new(Desk {
            app: self.app.clone(),
            policies,
            probe_path,
            clock: self.clock.clone(),
            ledger: self.ledger.clone(),
            book: self.book(),
            endpoint: self.speech.endpoint.clone(),
            id_tokens: self.speech.id_tokens.clone(),
            partner_center: self.partner_center(),
            standings: self.standings.clone(),
            sharing: self.sharing.clone(),
            casebook: self.casebook.clone(),
            lately: self.lately.clone(),
            roll_back_within: self.roll_back_within,
            notary: self.notary.clone(),
            observers: self.observers.clone(),
        })
    }

    fn book(&self) -> Book {
        Book {
            app: self.app.clone(),
            clock: self.clock.clone(),
            ledger: self.ledger.clone(),
            observers: self.observers.clone(),
            start_page: self.start_page.clone(),
        }
    }

    fn exchange(&self, limits: Limits, probe_path: String) -> Exchange {
        Exchange::new(Tools {
            app: self.app.clone(),
            cache: self.cache.clone(),
            clock: self.clock.clone(),
            ledger: self.ledger.clone(),
            endpoint: self.speech.endpoint.clone(),
            id_tokens: self.speech.id_tokens.clone(),
            partner_center: self.partner_center(),
            probe_path,
            standings: self.standings.clone(),
            watch: self.watch(),
            freezes: self.freezes.clone(),
            leases: self.leases.clone(),
            sharing: self.sharing.clone(),
            casebook: self.casebook.clone(),
            lately: self.lately.clone(),
            notary: self.notary.clone(),
            manners: Manners::new(limits, &self.clock),
            observers: self.observers.clone(),
        })
    }

    fn diagnostics(&self, policies: Arc<Policies>, exchange: Exchange) -> Diagnostics {
        Diagnostics {
            app: self.app.clone(),
            policies,
            clock: self.clock.clone(),
            ledger: self.ledger.clone(),
            casebook: self.casebook.clone(),
            exchange,
        }
    }

    fn watch(&self) -> Watch {
        let (ledger, clock) = (self.ledger.clone(), self.clock.clone());
        let (standings, freezes) = (self.standings.clone(), self.freezes.clone());
        Watch::new(ledger, clock, standings, freezes, self.roll.clone())
    }

    fn office(&self, exchange: &Exchange) -> Office {
        let (clock, partner_center) = (self.clock.clone(), self.partner_center());
        let place = (self.ledger.clone(), self.roll.own().id.clone());
        Office::new(clock, exchange.clone(), partner_center, place, self.observers.clone())
    }

    fn granting(&self, exchange: &Exchange, office: &Office) -> Granting {
        Granting {
            app: self.app.clone(),
            clock: self.clock.clone(),
            exchange: exchange.clone(),
            office: office.clone(),
            observers: self.observers.clone(),
        }
    }

    fn offboarding(&self) -> Offboarding {
        Offboarding {
            clock: self.clock.clone(),
            ledger: self.ledger.clone(),
            standings: self.standings.clone(),
            sharing: self.sharing.clone(),
            notary: self.notary.clone(),
            book: self.book(),
            observers: self.observers.clone(),
        }
    }

    fn rollback(&self) -> Rollback {
        Rollback {
            clock: self.clock.clone(),
            ledger: self.ledger.clone(),
            standings: self.standings.clone(),
            sharing: self.sharing.clone(),
            notary: self.notary.clone(),
            observers: self.observers.clone(),
        }
    }

    fn rekeying(&self) -> Rekeying {
        Rekeying {
            clock: self.clock.clone(),
            ledger: self.ledger.clone(),
            roll: self.roll.clone(),
            observers: self.observers.clone(),
        }
    }

    fn partner_center(&self) -> PartnerCenter {
        PartnerCenter::new(self.speech.wire.clone(), self.app.cloud().clone())
    }

    fn verifier(&self, admission: Arc<Admission>, exchange: &Exchange) -> Verifier {
        Verifier {
            admission,
            clock: self.clock.clone(),
            ledger: self.ledger.clone(),
            exchange: exchange.clone(),
            id_tokens: self.speech.id_tokens.clone(),
        }
    }

    fn transfer(&self, admission: Arc<Admission>) -> Transfer {
        Transfer {
            admission,
            clock: self.clock.clone(),
            ledger: self.ledger.clone(),
            standings: self.standings.clone(),
            notary: self.notary.clone(),
            observers: self.observers.clone(),
        }
    }

    fn sweeper(&self) -> Sweeper {
        let (ledger, clock) = (self.ledger.clone(), self.clock.clone());
        Sweeper { ledger, clock, cache: self.cache.clone(), leases: self.leases.clone() }
    }
}

/// Puts this process on the roll. A store that fails for now keeps nobody from starting: valid
/// tokens are to be had, and the next beat tries again.
async fn announce(roll: &Roll, observers: &Observers) -> Result<(), Error> {
    if !roll.is_shared() {
        return Ok(());
    }
    match roll.announce().await {
        Err(LedgerError::Store(error)) => {
            tracing::debug!(%error, "this process is not on the roll");
            observers.tell(&Event::Unannounced);
            Ok(())
        }
        announced => Ok(announced?),
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
