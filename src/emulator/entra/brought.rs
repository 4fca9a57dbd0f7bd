//! The grant that a token request brings, opened once and not judged yet.

use super::refresh::RefreshToken;
use crate::emulator::fields::Fields;
use crate::emulator::script::Grant;
use crate::emulator::state::World;
use crate::emulator::state::directory::Person;
use crate::emulator::state::flow::Code;
use crate::model::tenant::TenantId;

/// The grant that a request brings.
pub(super) enum Brought {
    Code(Option<Code>),
    RefreshToken(Option<RefreshToken>),
    /// The application asks in its own name.
    Nothing,
    Unknown,
}

impl Brought {
    pub(super) fn of(world: &World, fields: &Fields) -> Self {
        match fields.find("grant_type") {
            Some("authorization_code") => {
                let word = fields.find("code").unwrap_or_default();
                Self::Code(world.codes().find(word, world.now()).cloned())
            }
            Some("refresh_token") => {
                let text = fields.find("refresh_token").unwrap_or_default();
                Self::RefreshToken(RefreshToken::open(world, text))
            }
            Some("client_credentials") => Self::Nothing,
            _ => Self::Unknown,
        }
    }

    pub(super) const fn grant(&self) -> Option<Grant> {
        match self {
            Self::Code(_) => Some(Grant::Code),
            Self::RefreshToken(_) => Some(Grant::RefreshToken),
            Self::Nothing => Some(Grant::ClientCredentials),
            Self::Unknown => None,
        }
    }

    /// Whose it is.
    pub(super) fn person(&self) -> Option<Person> {
        match self {
            Self::Code(code) => code.as_ref().map(|code| code.signed_in.person),
            Self::RefreshToken(token) => token.as_ref().map(|token| token.signed_in.person),
            Self::Nothing | Self::Unknown => None,
        }
    }

    /// Where it leads if the path names no tenant.
    pub(super) fn tenant(&self) -> Option<TenantId> {
        match self {
            Self::Code(code) => code.as_ref().map(|code| code.presence.tenant),
            _ => self.person().map(|person| person.tenant),
        }
    }

    /// What it was issued for.
    pub(super) fn resource(&self) -> Option<String> {
        match self {
            Self::Code(code) => code.as_ref().and_then(Code::resource),
            Self::RefreshToken(token) => token.as_ref().and_then(|token| token.resource.clone()),
            Self::Nothing | Self::Unknown => None,
        }
    }

    /// Which refresh token it is.
    pub(super) fn serial(&self) -> Option<u64> {
        match self {
            Self::RefreshToken(token) => token.as_ref().map(|token| token.serial),
            _ => None,
        }
    }
}
