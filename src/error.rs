//! What went wrong, and whose turn it is.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::model::entra_error::{Cause, EntraError};
use crate::model::freeze::Freeze;
use crate::model::invalid::Invalid;
use crate::model::policy::Refused;
use crate::model::registration::CredentialError;
use crate::model::scope::{Resource, Scopes};
use crate::model::tenant::TenantId;
use crate::protocol::authorization::CallbackError;
use crate::protocol::id_token::IdTokenError;
use crate::protocol::partner_center::PartnerCenterError;
use crate::protocol::token_endpoint::{BadReply, TokenError};
use crate::storage::keyring::{KeyError, KeyRefusal};
use crate::storage::ledger::LedgerError;
use crate::storage::parcel::TransferError;
use crate::storage::store::StoreError;
use crate::transport::http::HttpError;
use crate::transport::throttle::Rest;

#[cfg(test)]
mod page;
mod remedy;

#[cfg(test)]
pub(crate) use page::samples;
pub use remedy::{Party, Remedy};
use remedy::{SOON, cause_remedy, entra_remedy, office_remedy, refused_remedy, standing_remedy};

/// Any failure of this crate. Cheap to clone, since callers who wait together share it.
///
/// Ask it for its [`remedy`](Error::remedy) and branch on that; log the error itself, which holds no
/// secret, no reply body and no URL query.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Entra answered with an error.
    #[error("{}: {error}", at(*partner, *tenant))]
    Entra {
        /// The partner whose consent was used or asked for, where it is known.
        partner: Option<TenantId>,
        /// The tenant that answered, where one was named.
        tenant: Option<TenantId>,
        /// Its answer.
        error: Arc<EntraError>,
    },
    /// Partner Center answered with an error.
    #[error("{}: {error}", at(Some(*partner), *customer))]
    PartnerCenter {
        /// The partner whose consent was used.
        partner: TenantId,
        /// The customer it was about, where it was about one.
        customer: Option<TenantId>,
        /// Its answer.
        error: PartnerCenterError,
    },
    /// Partner Center answered something that it never does.
    #[error("partner {partner}: Partner Center's answer is not one")]
    PartnerCenterReply {
        /// The partner whose consent was used.
        partner: TenantId,
    },
    /// We refused, whatever Entra said.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The partner has no consent that could be used.
    #[error("partner {partner} has no consent: {absence}")]
    NoConsent {
        /// The partner.
        partner: TenantId,
        /// Why not.
        absence: Absence,
    },
    /// The partner's consent is suspended; the next try is made at `until`.
    #[error("consent of partner {partner} is suspended: {cause}")]
    Suspended {
        /// The partner.
        partner: TenantId,
        /// What the last try met.
        cause: Cause,
        /// When the next ask makes a request again.
        until: SystemTime,
    },
    /// Partner Center refused two tokens of this partner, one after the other, since they were made
    /// without a second factor. Tokens for other APIs and for customers go on.
    #[error("partner center is not used for partner {partner}: it misses a second factor")]
    PartnerCenterSuspended {
        /// The partner.
        partner: TenantId,
        /// Since when.
        since: SystemTime,
        /// When the next ask has Partner Center say whether it takes a new token.
        until: SystemTime,
    },
    /// Somebody of the vendor keeps these tokens back until the freeze is lifted.
    #[error("no token is handed out: {freeze}")]
    Frozen {
        /// What to lift, since when it holds, and why.
        freeze: Arc<Freeze>,
    },
    /// A freeze holds in this process, which is still trying to store it, so the others do not know of
    /// it. Freezing again for the same reason gives the same freeze.
    #[error("freeze {} holds in this process alone so far: {error}", freeze.name())]
    FreezeUnsaved {
        /// What holds here.
        freeze: Arc<Freeze>,
        /// Why the others do not know of it.
        error: Box<Self>,
    },
    /// The store refuses this partner's new refresh token, so its own tenant is not asked again until
    /// that is saved, or the access token that came with it has ended. Customers are served.
    #[error("the new refresh token of partner {partner} is not stored yet")]
    Unsaved {
        /// The partner.
        partner: TenantId,
    },
    /// The tenant asked to be left alone, or refuses what only somebody else can mend: nothing was
    /// sent.
    #[error("{}: left alone for another {} s ({cause})", at(*partner, *tenant), after.as_secs() + 1)]
    Resting {
        /// The partner whose consent was to be used, where it is known.
        partner: Option<TenantId>,
        /// The tenant that rests, where one was named.
        tenant: Option<TenantId>,
        /// What it answered last.
        cause: Cause,
        /// When to ask again.
        after: Duration,
    },
    /// Entra refuses the application itself, whoever asks: nothing was sent.
    #[error("the application is refused ({cause}); the next try is made in {} s", after.as_secs() + 1)]
    CircuitOpen {
        /// What Entra answers.
        cause: Cause,
        /// When the next request may be made.
        after: Duration,
    },
    /// Others were at work for this partner for as long as a caller waits.
    #[error("others were at work for partner {partner} for too long")]
    Busy {
        /// The partner.
        partner: TenantId,
    },
    /// Another consent took this one's place while the request was under way.
    #[error("the consent of partner {partner} was replaced meanwhile")]
    Superseded {
        /// The partner.
        partner: TenantId,
    },
    /// A token came that may do less than was asked; it is neither handed out nor kept.
    #[error("the token for {resource} at tenant {tenant} lacks {missing}")]
    ScopesMissing {
        /// The partner whose consent was used.
        partner: TenantId,
        /// The tenant asked.
        tenant: TenantId,
        /// The API asked for.
        resource: Resource,
        /// What is not granted there.
        missing: Scopes,
    },
    /// A token came that belongs to another tenant or user than was asked for.
    #[error("the answer of tenant {tenant} belongs to another tenant or user")]
    ForeignToken {
        /// The partner whose consent was used.
        partner: TenantId,
        /// The tenant asked.
        tenant: TenantId,
    },
    /// An API refused a token, and the one that was fetched in its place.
    #[error("{resource} at tenant {tenant} refused two tokens, one after the other")]
    TokenRefused {
        /// The partner whose consent was used.
        partner: TenantId,
        /// The tenant that the tokens are for.
        tenant: TenantId,
        /// The API that refused them.
        resource: Resource,
        /// For how long no other one is fetched in place of a refused one.
        left: Duration,
    },
    /// The callback could not be read.
    #[error(transparent)]
    Callback(#[from] CallbackError),
    /// The ID token does not hold.
    #[error(transparent)]
    IdToken(#[from] IdTokenError),
    /// The token endpoint's answer is not one.
    #[error(transparent)]
    Reply(#[from] BadReply),
    /// The network, or whoever answered there.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The vendor's own credential.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
    /// The key ring failed.
    #[error("{}{error}", about(*partner))]
    Key {
        /// Whose key it was about, where it was about one.
        partner: Option<TenantId>,
        /// What it says.
        error: KeyError,
    },
    /// The keys cannot be rotated, or a key not be retired, as things stand.
    #[error(transparent)]
    KeyRefused(#[from] KeyRefusal),
    /// A stored record does not open: it was altered, moved, or sealed under another key.
    #[error("the {kind} record{} is damaged: {}", of(*partner), mend(kind, *partner))]
    Damaged {
        /// What kind of record.
        kind: &'static str,
        /// Whose, where it is known.
        partner: Option<TenantId>,
    },
    /// Another process wrote the same record at the same time; nothing is lost.
    #[error("another process wrote the same record")]
    Conflict,
    /// An export could not be written or imported; it says what to do.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// A setting is wrong.
    #[error(transparent)]
    Setting(#[from] Invalid),
    /// The broker was closed.
    #[error("the broker is closed")]
    Closed,
    /// This crate, or something the host brought, broke its word.
    #[error("defect: {0}")]
    Defect(&'static str),
}

/// Why there is no consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Absence {
    /// The partner never consented, or its record was removed.
    #[error("it never consented")]
    Never,
    /// The consent ended.
    #[error("it ended ({0})")]
    Ended(Cause),
    /// It was withdrawn.
    #[error("it was withdrawn")]
    Withdrawn,
}

impl Error {
    /// Whose turn it is.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Entra { partner, tenant, error } => entra_remedy(*partner, *tenant, error),
            Self::PartnerCenter { partner, customer, error } => {
                office_remedy(*partner, *customer, error)
            }
            Self::Refused(refused) => refused_remedy(refused),
            Self::NoConsent { .. }
            | Self::PartnerCenterSuspended { .. }
            | Self::IdToken(_)
            | Self::Callback(_) => Remedy::AskConsentAgain { claims: None },
            // Nothing stands yet that could be lost.
            Self::Damaged { kind: "pending" | "found" | "invitation", .. } => {
                Remedy::AskConsentAgain { claims: None }
            }
            Self::Resting { cause, after, .. } if cause.is_transient() => {
                Remedy::Retry { after: *after }
            }
            Self::Resting { partner, tenant, cause, .. } => {
                cause_remedy(*partner, *tenant, *cause, None)
            }
            Self::CircuitOpen { .. } => Remedy::FixRegistration,
            Self::Suspended { partner, cause, .. } => standing_remedy(*partner, *cause),
            Self::ScopesMissing { partner, tenant, .. } if partner == tenant => {
                Remedy::AskConsentAgain { claims: None }
            }
            Self::ScopesMissing { .. } => Remedy::GrantInCustomer,
            Self::Frozen { freeze } => Remedy::Lift { name: freeze.name().to_owned() },
            Self::FreezeUnsaved { error, .. } => error.remedy(),
            Self::Http(_) => Remedy::Retry { after: SOON },
            Self::Unsaved { .. }
            | Self::Busy { .. }
            | Self::Store(StoreError::Unavailable { .. }) => Remedy::Retry { after: SOON },
            Self::Store(_) => Remedy::FixRegistration,
            Self::Key { error, .. } if error.may_pass() => Remedy::Retry { after: SOON },
            Self::TokenRefused { left, .. } => Remedy::Retry { after: *left },
            Self::Credential(error) if error.may_pass() => Remedy::Retry { after: SOON },
            Self::Superseded { .. } | Self::Conflict => Remedy::Retry { after: Duration::ZERO },
            Self::Credential(_)
            | Self::Key { .. }
            | Self::KeyRefused(_)
            | Self::Setting(_)
            | Self::Transfer(_)
            | Self::Damaged { .. } => Remedy::FixRegistration,
            Self::ForeignToken { .. }
            | Self::Reply(_)
            | Self::PartnerCenterReply { .. }
            | Self::Closed
            | Self::Defect(_) => Remedy::ReportDefect,
        }
    }

    pub(crate) fn token(
        partner: Option<TenantId>,
        tenant: Option<TenantId>,
        error: TokenError,
    ) -> Self {
        match error {
            TokenError::Http(error) => Self::Http(error),
            TokenError::Entra(error) => Self::Entra { partner, tenant, error: Arc::new(error) },
            TokenError::BadReply(problem) => Self::Reply(problem),
            TokenError::Credential(error) => Self::Credential(error),
            TokenError::Resting(Rest { cause, wait: after }) => {
                Self::Resting { partner, tenant, cause, after }
            }
            TokenError::CircuitOpen(Rest { cause, wait: after }) => {
                Self::CircuitOpen { cause, after }
            }
            TokenError::Closed => Self::Closed,
            TokenError::Superseded => match partner {
                Some(partner) => Self::Superseded { partner },
                None => Self::Conflict,
            },
            TokenError::NoScope(_) => {
                const EXPECTED: &str = "a resource of which a permission is requested";
                Invalid::new("resource", "is not registered", EXPECTED).into()
            }
        }
    }
}

impl From<LedgerError> for Error {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Conflict => Self::Conflict,
            LedgerError::Store(error) => Self::Store(error),
            LedgerError::Key { partner, error } => Self::Key { partner, error },
            LedgerError::Shredded { partner, .. } => {
                Self::NoConsent { partner, absence: Absence::Withdrawn }
            }
            LedgerError::Damaged { kind, partner, .. } => {
                Self::Damaged { kind: kind.name(), partner }
            }
        }
    }
}

fn at(partner: Option<TenantId>, tenant: Option<TenantId>) -> String {
    match (partner, tenant) {
        (Some(partner), Some(tenant)) if partner != tenant => {
            format!("partner {partner} at customer {tenant}")
        }
        (Some(partner), _) => format!("partner {partner}"),
        (None, _) => "first contact".to_owned(),
    }
}

fn mend(kind: &str, partner: Option<TenantId>) -> &'static str {
    match (kind, partner) {
        ("pending" | "found", _) => "begin the consent anew",
        ("invitation", _) => "invite anew",
        (_, None) => "restore it; Broker::scan names every such record",
        (_, Some(_)) => {
            "restore it, or have the partner consent anew and confirm by danger_replace_damaged; \
             Broker::scan names every such record"
        }
    }
}

fn about(partner: Option<TenantId>) -> String {
    partner.map(|partner| format!("partner {partner}: ")).unwrap_or_default()
}

fn of(partner: Option<TenantId>) -> String {
    partner.map(|partner| format!(" of partner {partner}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_flow_is_begun_again_and_a_damaged_consent_restored() {
        let of = |kind| Error::Damaged { kind, partner: None }.remedy();
        for kind in ["pending", "found", "invitation"] {
            assert!(matches!(of(kind), Remedy::AskConsentAgain { claims: None }), "{kind}");
        }
        for kind in ["consent", "partner-key"] {
            assert!(matches!(of(kind), Remedy::FixRegistration), "{kind}");
        }
    }
}
