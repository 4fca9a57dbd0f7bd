//! What was asked of the emulator, as a test reads it.

use super::Emulator;
use super::state::record::{PartnerCenterCall, TokenRequest};

impl Emulator {
    /// Every token request that was answered, oldest first.
    #[must_use]
    pub fn ledger(&self) -> Vec<TokenRequest> {
        self.world().record().token_requests().collect()
    }

    /// How many token requests fit a description, which must not ask the emulator: the ledger is
    /// locked meanwhile.
    pub fn count_tokens(&self, fits: impl Fn(&TokenRequest) -> bool) -> usize {
        self.world().record().token_requests().filter(|request| fits(request)).count()
    }

    /// Every call that Partner Center answered, oldest first.
    #[must_use]
    pub fn partner_center_calls(&self) -> Vec<PartnerCenterCall> {
        self.world().record().calls.clone()
    }

    /// How often signing keys were fetched.
    #[must_use]
    pub fn key_fetches(&self) -> usize {
        self.world().record().key_fetches
    }

    /// Begins the ledger anew.
    pub fn forget_ledger(&self) {
        self.world().record().forget();
        self.world().vault().calls = Vec::new();
    }
}
