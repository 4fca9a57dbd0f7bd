//! The compact form of a JWT (RFC 7515, section 7.1), taken apart without believing it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::protocol::json::Members;

use super::IdTokenError;

/// A token that claims to be signed by RS256.
pub(super) struct Compact<'t> {
    signed: &'t str,
    signature: &'t str,
    claims: Vec<u8>,
    key_id: Option<String>,
}

impl<'t> Compact<'t> {
    pub(super) fn parse(text: &'t str) -> Result<Self, IdTokenError> {
        let mut parts = text.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(IdTokenError::Malformed);
        };
        let key_id = key_id(members(&decoded(header)?)?)?;
        if signature.is_empty() {
            return Err(IdTokenError::Header);
        }
        decoded(signature)?;
        let signed = &text[..header.len() + 1 + claims.len()];
        Ok(Self { signed, signature, claims: decoded(claims)?, key_id })
    }

    pub(super) fn claims(&self) -> Result<Members<'_>, IdTokenError> {
        members(&self.claims)
    }

    /// What the signature is over.
    pub(super) const fn signed(&self) -> &'t str {
        self.signed
    }

    pub(super) const fn signature(&self) -> &'t str {
        self.signature
    }

    pub(super) fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }
}

fn decoded(part: &str) -> Result<Vec<u8>, IdTokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| IdTokenError::Malformed)
}

fn members(text: &[u8]) -> Result<Members<'_>, IdTokenError> {
    Members::parse(text).ok_or(IdTokenError::Malformed)
}

/// Checks the header and takes the key's name from it. Keys that travel in the header (`jwk`, `jku`,
/// `x5u`, `x5c`) are never looked at: RFC 8725, section 3.10.
fn key_id(mut header: Members<'_>) -> Result<Option<String>, IdTokenError> {
    let refused = |_| IdTokenError::Header;
    let algorithm = header.text("alg").map_err(refused)?;
    let kind = header.text("typ").map_err(refused)?;
    let plain = kind.is_none_or(|kind| kind.eq_ignore_ascii_case("JWT"));
    if algorithm.as_deref() != Some("RS256") || !plain || header.has("crit") || header.has("b64") {
        return Err(IdTokenError::Header);
    }
    match header.text("kid").map_err(refused)? {
        Some(name) if name.len() > LONGEST_KEY_ID => Err(IdTokenError::UnknownKey),
        name => Ok(name),
    }
}

const LONGEST_KEY_ID: usize = 256;
