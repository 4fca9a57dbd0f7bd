//! How Partner Center is scripted.

/// Whether Partner Center blocks calls that were made without a second factor.
///
/// Source: the notices on enforcement of 2019 (a bare 401) and of 2025 and 2026 (401 with code
/// 900421, on a growing share of the calls).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MfaEnforcement {
    /// It only says so to whoever asks.
    #[default]
    Off,
    /// 401 with code 900421 in a JSON body.
    Refused,
    /// 401 without a body.
    Bare,
    /// As [`Refused`](Self::Refused), for about so many of a hundred calls: the same token is
    /// refused and taken within a minute.
    Progressive(u8),
}

/// What a test set Partner Center to.
#[derive(Debug)]
pub(crate) struct PartnerCenterScript {
    pub(crate) enforcement: MfaEnforcement,
    /// How many requests a second an application may make for consents, over all partners.
    pub(crate) consent_rate: Option<u32>,
    /// How many requests a second a partner's tenant may make.
    pub(crate) tenant_rate: Option<u32>,
}

impl Default for PartnerCenterScript {
    fn default() -> Self {
        Self { enforcement: MfaEnforcement::Off, consent_rate: Some(50), tenant_rate: None }
    }
}
