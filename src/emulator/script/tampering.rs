//! How ID tokens lie.

use serde_json::Value;

use crate::model::tenant::TenantId;

/// How ID tokens lie.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum Tampering {
    /// Not at all.
    #[default]
    None,
    /// The signature is one of other content.
    BadSignature,
    /// Unsigned, and says so.
    AlgNone,
    /// HS256 with the public key as its secret.
    PublicKeyAsSecret,
    /// Signed under a key id that is not published.
    UnknownKid,
    /// `iss` of another server.
    WrongIssuer,
    /// `aud` of another application.
    WrongAudience,
    /// A `nonce` that nobody sent.
    WrongNonce,
    /// No `nonce`.
    MissingNonce,
    /// `exp` an hour ago.
    Expired,
    /// `nbf` in an hour.
    NotYetValid,
    /// `tid` and `iss` of another tenant, consistently.
    OtherTenant(TenantId),
    /// Signed with a key that is published for another tenant only.
    KeyOfAnotherTenant,
    /// A claim is left out.
    Without(String),
    /// A claim has this value.
    With(String, Value),
}
