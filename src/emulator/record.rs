//! What was asked of the emulator: the tests' ledger.

use std::collections::HashMap;
use std::time::SystemTime;

use super::Emulator;
use super::script::{Grant, Meant};
use super::state::World;
use super::state::directory::Person;
use crate::model::tenant::{TenantId, UserId};

/// A token request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenRequest {
    /// When it was answered.
    pub at: SystemTime,
    /// The directory in its path: a tenant id, `organizations` or `common`.
    pub tenant: String,
    /// What it redeemed, where that is known.
    pub grant: Option<Grant>,
    /// The resource the token was to be for.
    pub resource: Option<String>,
    /// The user whose code or refresh token it was, in their own tenant.
    pub user: Option<UserId>,
    /// How many other requests with grants of the same user and the same path were under way when
    /// it came.
    pub beside: usize,
    /// The AADSTS number, or 0 for a reply that has none.
    pub result: Result<(), u32>,
}

/// A call that Partner Center answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartnerCenterCall {
    /// When it was answered.
    pub at: SystemTime,
    /// Its path without the query.
    pub path: String,
    /// The tenant of its token, where that was valid.
    pub tenant: Option<TenantId>,
    /// Whether it asked for the verdict on the second factor.
    pub validates_mfa: bool,
    /// The status it was answered with.
    pub status: u16,
}

/// The ledger, and what is under way.
#[derive(Debug, Default)]
pub(super) struct Record {
    tokens: Vec<TokenRequest>,
    partner_center: Vec<PartnerCenterCall>,
    keys: usize,
    under_way: HashMap<(Person, String), usize>,
}

impl Record {
    pub(super) fn partner_center(&mut self, call: PartnerCenterCall) {
        self.partner_center.push(call);
    }

    pub(super) fn keys(&mut self) {
        self.keys += 1;
    }
}

/// A token request from its arrival to its answer. One that is given up leaves no entry.
pub(super) struct UnderWay<'w> {
    world: &'w World,
    path: String,
    person: Option<Person>,
    beside: usize,
}

impl<'w> UnderWay<'w> {
    pub(super) fn begin(world: &'w World, path: &str, person: Option<Person>) -> Self {
        let path = path.to_owned();
        let mut record = world.record();
        let beside = person.map_or(0, |person| {
            let count = record.under_way.entry((person, path.clone())).or_default();
            *count += 1;
            *count - 1
        });
        Self { world, path, person, beside }
    }

    pub(super) fn end(self, meant: &Meant, result: Result<(), u32>) {
        let entry = TokenRequest {
            at: self.world.now(),
            tenant: self.path.clone(),
            grant: meant.grant,
            resource: meant.resource.clone(),
            user: self.person.map(|person| person.user),
            beside: self.beside,
            result,
        };
        self.world.record().tokens.push(entry);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let Some(person) = self.person else { return };
        let mut record = self.world.record();
        let key = (person, std::mem::take(&mut self.path));
        if let Some(count) = record.under_way.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                record.under_way.remove(&key);
            }
        }
    }
}

impl Emulator {
    /// Every token request that was answered, oldest first.
    #[must_use]
    pub fn ledger(&self) -> Vec<TokenRequest> {
        self.world().record().tokens.clone()
    }

    /// How many token requests fit a description.
    pub fn count_tokens(&self, fits: impl Fn(&TokenRequest) -> bool) -> usize {
        self.world().record().tokens.iter().filter(|request| fits(request)).count()
    }

    /// Every call that Partner Center answered, oldest first.
    #[must_use]
    pub fn partner_center_calls(&self) -> Vec<PartnerCenterCall> {
        self.world().record().partner_center.clone()
    }

    /// How often signing keys were fetched.
    #[must_use]
    pub fn key_fetches(&self) -> usize {
        self.world().record().keys
    }

    /// Begins the ledger anew.
    pub fn forget_ledger(&self) {
        let mut record = self.world().record();
        record.tokens.clear();
        record.partner_center.clear();
        record.keys = 0;
    }
}
