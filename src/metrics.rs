//! Events as metrics, for whatever exporter the host has installed (feature `metrics`).
//!
//! No label grows without bound: APIs are three kinds, causes and states are lists of this crate,
//! purposes are those that the host has named. No tenant, user or account is one.
//!
//! | Name | Kind | Labels | What it says |
//! |---|---|---|---|
//! | `cpv_consent_exchanges_total` | counter | `resource`, `purpose` | access tokens had from Entra |
//! | `cpv_consent_exchange_seconds` | histogram | `resource` | how long Entra took for each |
//! | `cpv_consent_rotations_total` | counter | – | stored refresh tokens replaced |
//! | `cpv_consent_refusals_total` | counter | `resource`, `cause`, `purpose` | exchanges that Entra refused |
//! | `cpv_consent_degradations_total` | counter | `kind` | what went on without a part of itself, or stopped in part |
//! | `cpv_consent_state_changes_total` | counter | `from`, `to` | consents that moved |
//! | `cpv_consent_partner_center_total` | counter | `use` | partners for whom Partner Center is not used, or again |
//! | `cpv_consent_consents_total` | counter | `step` | flows, by how far they came |
//! | `cpv_consent_freezes` | gauge | `scope` | freezes that hold in this process |
//!
//! `purpose` is there once [`Meter::purposes`] was called.

use std::sync::Arc;

use metrics::{
    Label, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::model::consent::ConsentState;
use crate::model::event::{Event, Observer};
use crate::model::motive::Purpose;
use crate::model::scope::Resource;

/// Counts events by the recorder that the host has installed: give it to
/// [`BrokerBuilder::observer`](crate::BrokerBuilder::observer).
#[derive(Debug, Clone)]
pub struct Meter {
    purposes: Arc<[Purpose]>,
}

impl Meter {
    /// Describes the metrics, so it is best made once a recorder is installed.
    #[must_use]
    pub fn new() -> Self {
        describe();
        Self { purposes: Arc::default() }
    }

    /// Counts exchanges and refusals by these purposes: every other one is `other`, and where none
    /// was given it is `none`.
    #[must_use]
    pub fn purposes(mut self, purposes: impl IntoIterator<Item = Purpose>) -> Self {
        self.purposes = purposes.into_iter().collect();
        self
    }

    fn labels(&self, resource: &Resource, purpose: Option<&Purpose>) -> Vec<Label> {
        let mut labels = vec![Label::from_static_parts("resource", kind_of(resource))];
        if !self.purposes.is_empty() {
            labels.push(Label::new("purpose", self.named(purpose)));
        }
        labels
    }

    fn named(&self, purpose: Option<&Purpose>) -> String {
        let name = match purpose {
            None => "none",
            Some(purpose) if self.purposes.contains(purpose) => purpose.as_str(),
            Some(_) => "other",
        };
        name.to_owned()
    }

    fn exchange(&self, event: &Event) {
        match event {
            Event::Exchanged { resource, rotated, took, purpose, .. } => {
                counter!(EXCHANGES, self.labels(resource, purpose.as_ref())).increment(1);
                histogram!(SECONDS, "resource" => kind_of(resource)).record(took.as_secs_f64());
                counter!(ROTATIONS).increment(u64::from(*rotated));
            }
            Event::ExchangeRefused { resource, cause, purpose, .. } => {
                let mut labels = self.labels(resource, purpose.as_ref());
                labels.push(Label::from_static_parts("cause", cause.as_str()));
                counter!(REFUSALS, labels).increment(1);
            }
            _ => {}
        }
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer for Meter {
    fn record(&self, event: &Event) {
        self.exchange(event);
        if let Some(kind) = degradation(event) {
            counter!(DEGRADATIONS, "kind" => kind).increment(1);
        }
        if let Some(step) = step(event) {
            counter!(CONSENTS, "step" => step).increment(1);
        }
        match event {
            Event::StateChanged { from, to, .. } => {
                counter!(STATE_CHANGES, "from" => state(from), "to" => state(to)).increment(1);
            }
            Event::PartnerCenterSuspended { .. } => {
                counter!(PARTNER_CENTER, "use" => "suspended").increment(1);
            }
            Event::PartnerCenterResumed { .. } => {
                counter!(PARTNER_CENTER, "use" => "resumed").increment(1);
            }
            Event::Frozen { scope, .. } => gauge!(FREEZES, "scope" => scope.as_str()).increment(1),
            Event::Lifted { scope, .. } => gauge!(FREEZES, "scope" => scope.as_str()).decrement(1),
            _ => {}
        }
    }
}

const fn degradation(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::Unsaved { .. } => "unsaved",
        Event::Unleased { .. } => "unleased",
        Event::ReceiptWaiting { .. } => "receipt_waiting",
        Event::Unannounced => "unannounced",
        Event::BudgetShort { .. } => "budget_short",
        Event::BudgetUnshared { .. } => "budget_unshared",
        Event::StoreUnreadable { .. } => "store_unreadable",
        Event::ServedWhileFailing { .. } => "served_while_failing",
        Event::UnprovenUser { .. } => "unproven_user",
        Event::CircuitOpened { .. } => "circuit_opened",
        Event::FleetHeld { .. } => "fleet_held",
        Event::CredentialSetAside { .. } => "credential_set_aside",
        Event::CredentialEnding { .. } => "credential_ending",
        Event::CredentialsUnread { .. } => "credentials_unread",
        _ => return None,
    })
}

const fn step(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::Invited { .. } => "invited",
        Event::ConsentRequested { .. } => "requested",
        Event::ConsentFound { .. } => "found",
        Event::ConsentRefused { .. } | Event::ConsentDenied { .. } => "refused",
        Event::ConsentConfirmed { .. } => "confirmed",
        Event::ConsentImported { .. } => "imported",
        Event::ConsentRolledBack { .. } => "rolled_back",
        Event::Shredded { .. } => "shredded",
        _ => return None,
    })
}

const fn state(state: &ConsentState) -> &'static str {
    match state {
        ConsentState::Live => "live",
        ConsentState::Unproven { .. } => "unproven",
        ConsentState::Suspended(_) => "suspended",
        ConsentState::Ended { .. } => "ended",
        ConsentState::Withdrawn { .. } => "withdrawn",
    }
}

const fn kind_of(resource: &Resource) -> &'static str {
    match resource {
        Resource::PartnerCenter => "partner_center",
        Resource::Graph => "graph",
        Resource::Custom(_) => "custom",
    }
}

fn describe() {
    describe_counter!(EXCHANGES, "access tokens had from Entra");
    describe_histogram!(SECONDS, Unit::Seconds, "how long Entra took for an exchange");
    describe_counter!(ROTATIONS, "stored refresh tokens replaced");
    describe_counter!(REFUSALS, "exchanges that Entra refused, by cause");
    describe_counter!(DEGRADATIONS, "what went on without a part, or stopped in part, by kind");
    describe_counter!(STATE_CHANGES, "consents that moved from one state to another");
    describe_counter!(PARTNER_CENTER, "partners for whom Partner Center is not used, or again");
    describe_counter!(CONSENTS, "consent flows, by how far they came");
    describe_gauge!(FREEZES, "freezes that hold in this process");
}

const EXCHANGES: &str = "cpv_consent_exchanges_total";
const SECONDS: &str = "cpv_consent_exchange_seconds";
const ROTATIONS: &str = "cpv_consent_rotations_total";
const REFUSALS: &str = "cpv_consent_refusals_total";
const DEGRADATIONS: &str = "cpv_consent_degradations_total";
const STATE_CHANGES: &str = "cpv_consent_state_changes_total";
const PARTNER_CENTER: &str = "cpv_consent_partner_center_total";
const CONSENTS: &str = "cpv_consent_consents_total";
const FREEZES: &str = "cpv_consent_freezes";
