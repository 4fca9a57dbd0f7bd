//! What a test makes it do: failures, waits, odd replies and lies.

pub(super) mod doubts;
pub(super) mod endpoint;
pub(super) mod failure;
pub(super) mod hold;
pub(super) mod partner_center;
pub(super) mod playbook;
pub(super) mod rule;
pub(super) mod tampering;

pub use endpoint::Endpoint;
pub use failure::Failure;
pub use rule::{Grant, Rule};
pub use tampering::Tampering;

pub(super) use rule::Meant;

use doubts::Doubts;
use partner_center::PartnerCenterScript;

/// What Partner Center says about the second factor when it is asked with `ValidateMfa`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MfaAnswer {
    /// Whether the token was made with one.
    #[default]
    Honest,
    /// `isMfaCompliant: true`, whatever the token says.
    Compliant,
    /// `isMfaCompliant: false`, whatever the token says.
    NotCompliant,
    /// The reply lacks the header.
    HeaderAbsent,
    /// Every call is refused with 401 and code 900421.
    Refused900421,
    /// Every call ends with this status.
    Status(u16),
}

/// How the emulator is set until it is set otherwise.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) doubts: Doubts,
    pub(super) tampering: Tampering,
    pub(super) mfa_answer: MfaAnswer,
    pub(super) partner_center: PartnerCenterScript,
    pub(super) rotation: bool,
    pub(super) ignores_pkce: bool,
    pub(super) load_mode: bool,
    pub(super) opaque_access_tokens: bool,
    pub(super) token_life: [u64; 2],
    pub(super) graph_page_size: usize,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            doubts: Doubts::default(),
            tampering: Tampering::None,
            mfa_answer: MfaAnswer::Honest,
            partner_center: PartnerCenterScript::default(),
            rotation: true,
            ignores_pkce: false,
            load_mode: false,
            opaque_access_tokens: false,
            token_life: [3599, 3599],
            graph_page_size: 100,
        }
    }
}
