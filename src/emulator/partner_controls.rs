//! What a test makes Partner Center do, and what came of it.

use super::Emulator;
use super::partner_center::{ApplicationConsent, application_consents};
use super::script::partner_center::MfaEnforcement;
use crate::model::tenant::TenantId;

impl Emulator {
    /// Whether Partner Center blocks calls whose token was made without a second factor; it does
    /// not unless told to. What [`partner_center_mfa`](Self::partner_center_mfa) says goes before.
    pub fn partner_center_enforces(&self, enforcement: MfaEnforcement) {
        self.world().script().partner_center.enforcement = enforcement;
    }

    /// How many requests for application consents one application may make in a second of the
    /// emulator's clock, over all partners: 50 unless told otherwise, as documented. On a clock that
    /// stands still the second never ends.
    pub fn partner_center_rate(&self, requests: Option<u32>) {
        self.world().script().partner_center.consent_rate = requests;
    }

    /// How many requests of any kind one partner's tenant may make in a second; Microsoft gives no
    /// number, so there is no limit unless told otherwise.
    pub fn partner_center_tenant_rate(&self, requests: Option<u32>) {
        self.world().script().partner_center.tenant_rate = requests;
    }

    /// The applications that were granted something for everybody in a customer's tenant, whether
    /// it has spread or not.
    #[must_use]
    pub fn application_consents(&self, customer: TenantId) -> Vec<ApplicationConsent> {
        application_consents(&self.world().directory(), customer)
    }
}
