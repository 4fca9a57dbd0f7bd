//! How a partner buys from Microsoft, which decides what its people can reach.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a partner takes part in Microsoft's Cloud Solution Provider programme.
///
/// You know it from your contract; no token tells. It decides which policy a consent is held
/// against: [`BrokerBuilder::policy_for`](crate::BrokerBuilder::policy_for).
///
/// Source: Microsoft Partner Center, "What is the Cloud Solution Provider program".
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PartnerKind {
    /// Buys from Microsoft and sells to customers.
    #[default]
    Direct,
    /// Buys from Microsoft and sells through resellers.
    IndirectProvider,
    /// Buys from an indirect provider: its people reach little of Partner Center.
    IndirectReseller,
}

impl PartnerKind {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Direct, Self::IndirectProvider, Self::IndirectReseller];

    /// The kind in a word, as it stands in a receipt.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::IndirectProvider => "indirect_provider",
            Self::IndirectReseller => "indirect_reseller",
        }
    }

    /// Then a record says nothing of it, as those of before.
    pub(crate) const fn is_direct(&self) -> bool {
        matches!(self, Self::Direct)
    }
}

impl fmt::Display for PartnerKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Direct => "direct partner",
            Self::IndirectProvider => "indirect provider",
            Self::IndirectReseller => "indirect reseller",
        })
    }
}
