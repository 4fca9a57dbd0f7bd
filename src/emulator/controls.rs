//! What a test makes the emulator do, and what stays in force until it is ended.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::Emulator;
use super::script::doubts::Doubts;
use super::script::hold::Gate;
use super::script::{Endpoint, Failure, MfaAnswer, Rule, Tampering};
use super::state::conditional_access::ConditionalAccess;
use crate::model::tenant::TenantId;

/// Something scripted that is in force until it is cleared; dropping it changes nothing.
#[derive(Debug)]
pub struct Scripted {
    entra: Emulator,
    id: u64,
}

impl Scripted {
    pub(super) const fn id(&self) -> u64 {
        self.id
    }

    /// How many requests it has met so far.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.entra.world().playbook.hits(self.id)
    }

    /// Ends it.
    pub fn clear(self) {
        self.entra.world().playbook.clear(self.id);
    }
}

/// Requests wait as long as this is held; dropping it lets them go on.
#[derive(Debug)]
pub struct Hold {
    entra: Emulator,
    id: u64,
    gate: Arc<Gate>,
}

impl Hold {
    /// Resolves when at least this many requests wait.
    pub async fn waiting(&self, requests: usize) {
        let mut state = self.gate.state.subscribe();
        let _ = state.wait_for(|state| state.waiting >= requests).await; // its sender is ours
    }

    /// Resolves when no more than this many requests wait: others were given up.
    pub async fn waiting_at_most(&self, requests: usize) {
        let mut state = self.gate.state.subscribe();
        let _ = state.wait_for(|state| state.waiting <= requests).await; // its sender is ours
    }

    /// Lets them go on.
    pub fn release(self) {}
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.entra.world().playbook.clear(self.id);
    }
}

impl Emulator {
    /// Makes the requests that a rule matches fail, wherever they come in. Of failures that match,
    /// the latest counts.
    pub fn fail(&self, rule: Rule, failure: Failure) -> Scripted {
        let id = self.world().playbook.fail(rule, failure);
        Scripted { entra: self.clone(), id }
    }

    /// The same at the token endpoint, unless the rule names another place.
    pub fn fail_tokens(&self, rule: Rule, failure: Failure) -> Scripted {
        self.fail(rule.or_at_token(), failure)
    }

    /// Takes a service, or a part of one, out of use: connections are reset.
    pub fn outage(&self, endpoint: Endpoint) -> Scripted {
        self.fail(Rule::at(endpoint), Failure::reset())
    }

    /// Changes the JSON of successful token replies that a rule matches, just before it is sent.
    pub fn alter_tokens(
        &self,
        rule: Rule,
        change: impl Fn(&mut Value) + Send + Sync + 'static,
    ) -> Scripted {
        let id = self.world().playbook.alter(rule, Arc::new(change));
        Scripted { entra: self.clone(), id }
    }

    /// What a tenant's Conditional Access demands from now on, at sign-ins and for tokens.
    pub fn conditional_access(&self, tenant: TenantId, policy: ConditionalAccess) {
        self.world().demand(tenant, policy);
    }

    /// Reads Microsoft's sources the other way where they disagree.
    pub fn doubts(&self, change: impl FnOnce(&mut Doubts)) {
        let mut doubts = self.world().script().doubts.clone();
        change(&mut doubts); // without the lock: it may ask the emulator
        self.world().directory().only_admin_agents = doubts.gdap_needs_admin_agents;
        self.world().directory().names_every_user = doubts.wids_name_every_user;
        self.world().script().doubts = doubts;
    }

    /// Shifts the emulator's clock against the one it was given, forth or back; shifts add up.
    pub fn shift_clock(&self, seconds: i64) {
        self.world().shift_clock(seconds);
    }

    /// Whether redeeming a refresh token yields a new one; it does unless told otherwise.
    pub fn rotation(&self, rotates: bool) {
        self.world().script().rotation = rotates;
    }

    /// Whether codes are redeemed with a wrong verifier, or with none, as a server without PKCE does.
    pub fn ignore_pkce(&self, ignored: bool) {
        self.world().script().ignores_pkce = ignored;
    }

    /// Publishes another signing key, which does not sign yet.
    pub fn publish_next_key(&self) {
        self.world().keys.publish_next();
    }

    /// Signs with the newest published key from now on; where that one signs already, with a new
    /// one, published at the same moment.
    pub fn sign_with_next_key(&self) {
        self.world().keys.sign_with_next();
    }

    /// Takes the keys that do not sign any more out of what is published; tokens under them are
    /// worth nothing then.
    pub fn retire_old_keys(&self) {
        self.world().keys.retire_old();
    }

    /// Publishes a key with the issuer of one tenant, and signs that tenant's tokens with it.
    pub fn sign_with_own_key(&self, tenant: TenantId) {
        self.world().keys.bind(tenant);
    }

    /// What Partner Center answers about the second factor.
    pub fn partner_center_mfa(&self, answer: MfaAnswer) {
        self.world().script().mfa_answer = answer;
    }

    /// How ID tokens issued from now on lie.
    pub fn token_tampering(&self, tampering: Tampering) {
        self.world().script().tampering = tampering;
    }

    /// Whether access tokens can be read by whoever holds them; they can unless told otherwise.
    pub fn opaque_access_tokens(&self, opaque: bool) {
        self.world().script().opaque_access_tokens = opaque;
    }

    /// How long access tokens live, 3599 seconds unless told otherwise. Entra picks a random number
    /// between 60 and 90 minutes; two different ends make the emulator pick as well. None lives for
    /// more than a year.
    pub fn access_tokens_live(&self, shortest: Duration, longest: Duration) {
        self.world().script().token_life = [shortest, longest].map(|life| life.min(YEAR).as_secs());
    }

    /// Makes the requests that a rule matches wait until the hold is released or dropped.
    #[must_use]
    pub fn hold(&self, rule: Rule) -> Hold {
        let (id, gate) = self.world().playbook.hold(rule);
        Hold { entra: self.clone(), id, gate }
    }

    /// Makes every token request wait.
    #[must_use]
    pub fn hold_tokens(&self) -> Hold {
        self.hold_tokens_of(Rule::any())
    }

    /// Makes the token requests that a rule matches wait.
    #[must_use]
    pub fn hold_tokens_of(&self, rule: Rule) -> Hold {
        self.hold(rule.or_at_token())
    }
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
