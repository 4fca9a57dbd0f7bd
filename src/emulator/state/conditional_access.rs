//! What a tenant's Conditional Access policies demand of a sign-in.
//!
//! Source: Microsoft Entra, "Conditional Access: grant" and "Conditional Access: session".

use std::collections::HashMap;
use std::time::Duration;

use crate::model::tenant::TenantId;

/// What a tenant demands; nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConditionalAccess {
    /// Only a sign-in with a second factor is let in (AADSTS50076).
    pub require_mfa: bool,
    /// Nobody is let in (AADSTS53003).
    pub blocked: bool,
    /// A sign-in older than this is not let in (AADSTS70043).
    pub sign_in_frequency: Option<Duration>,
    /// The resources it is about, as in `https://graph.microsoft.com`; all where none are named.
    pub resources: Option<Vec<String>>,
}

impl ConditionalAccess {
    /// Whether it is about a token for this resource.
    pub(crate) fn is_about(&self, resource: &str) -> bool {
        self.resources.as_ref().is_none_or(|named| named.iter().any(|known| known == resource))
    }
}

/// Each tenant's; one without any demands nothing.
pub(crate) type Policies = HashMap<TenantId, ConditionalAccess>;
