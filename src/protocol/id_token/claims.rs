//! The claims of an ID token, typed: a claim of the wrong type is an error and never an absence.
//!
//! Source: Microsoft identity platform, "ID token claims reference".

use std::time::SystemTime;

use serde_json::Value;

use crate::model::clock::from_unix_seconds;
use crate::model::consent::Guest;
use crate::model::invalid::is_invisible;
use crate::model::tenant::{TenantId, UserId};
use crate::protocol::json::Members;

use super::{ALLOWANCE, IdTokenError, OLDEST, required};

/// Whose token it is: tenant and user are the only identity that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) tenant: TenantId,
    pub(crate) user: UserId,
    /// `sub`: this user at this application, and nowhere else.
    pub(crate) subject: String,
}

/// What a verified ID token says.
#[derive(Debug, Clone)]
pub(crate) struct IdClaims {
    pub(crate) tenant: TenantId,
    pub(crate) user: UserId,
    pub(crate) subject: String,
    /// For display only.
    pub(crate) name: Option<String>,
    /// For display only: another tenant's user may bear the same.
    pub(crate) username: Option<String>,
    pub(crate) issued_at: SystemTime,
    pub(crate) auth_time: Option<SystemTime>,
    pub(crate) amr: Option<Vec<String>>,
    pub(crate) guest: Guest,
    /// Role template ids. `None`: not known, which is not "none".
    pub(crate) wids: Option<Vec<String>>,
}

/// What a token says of the account itself, which may change from one token to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccountClaims {
    pub(crate) guest: Guest,
    /// As [`IdClaims::wids`]; of the wrong type they are not known either.
    pub(crate) wids: Option<Vec<String>>,
}

impl AccountClaims {
    pub(super) fn read(members: &mut Members<'_>, tenant: TenantId) -> Self {
        Self { guest: guest(members, tenant), wids: members.texts("wids").ok().flatten() }
    }
}

impl Identity {
    pub(super) fn read(members: &mut Members<'_>) -> Result<Self, IdTokenError> {
        let tid = required(members, "tid")?;
        let tenant = TenantId::parse(&tid).map_err(|_| IdTokenError::Wrong("tid"))?;
        if tenant.to_string() != tid {
            return Err(IdTokenError::Wrong("tid"));
        }
        let oid = required(members, "oid")?;
        let user = UserId::parse(&oid).map_err(|_| IdTokenError::Wrong("oid"))?;
        let subject = required(members, "sub")?;
        if subject.is_empty() || subject.len() > LONGEST_SUBJECT {
            return Err(IdTokenError::Wrong("sub"));
        }
        Ok(Self { tenant, user, subject })
    }
}

/// Checks `exp`, `nbf` and `iat` and returns the last.
pub(super) fn check_times(members: &Members<'_>, now: u64) -> Result<SystemTime, IdTokenError> {
    let ended = members.whole("exp")?.ok_or(IdTokenError::Missing("exp"))?;
    let issued = members.whole("iat")?.ok_or(IdTokenError::Missing("iat"))?;
    let begins = members.whole("nbf")?.unwrap_or(issued).max(issued);
    if now >= ended.saturating_add(ALLOWANCE) {
        return Err(IdTokenError::Expired { ended, now });
    }
    if begins > now + ALLOWANCE {
        return Err(IdTokenError::NotYetValid { begins, now });
    }
    if issued + OLDEST + ALLOWANCE < now {
        return Err(IdTokenError::Stale);
    }
    Ok(from_unix_seconds(issued))
}

/// Reads what is left once everything has been checked.
pub(super) fn read(
    identity: Identity,
    issued_at: SystemTime,
    mut members: Members<'_>,
) -> Result<IdClaims, IdTokenError> {
    let guest = guest(&mut members, identity.tenant);
    let Identity { tenant, user, subject } = identity;
    Ok(IdClaims {
        tenant,
        user,
        subject,
        name: members.text("name")?.and_then(|text| for_display(&text)),
        username: members.text("preferred_username")?.and_then(|text| for_display(&text)),
        issued_at,
        auth_time: members.whole("auth_time")?.map(from_unix_seconds),
        amr: members.texts("amr")?,
        guest,
        wids: members.texts("wids")?,
    })
}

/// `acct` is 1 for a guest; `idp` names the tenant that knows the account, where it is another.
fn guest(members: &mut Members<'_>, tenant: TenantId) -> Guest {
    let by_account = match members.value("acct") {
        None => Guest::No,
        Some(Value::Number(number)) if number.as_u64() == Some(0) => Guest::No,
        Some(Value::Number(number)) if number.as_u64() == Some(1) => Guest::Yes,
        Some(_) => Guest::Unknown,
    };
    let by_provider = match members.value("idp") {
        None => Guest::No,
        Some(Value::String(provider)) => belongs(&provider, tenant),
        Some(_) => Guest::Unknown,
    };
    match (by_account, by_provider) {
        (Guest::Yes, _) | (_, Guest::Yes) => Guest::Yes,
        (Guest::Unknown, _) | (_, Guest::Unknown) => Guest::Unknown,
        (Guest::No, Guest::No) => Guest::No,
    }
}

fn belongs(provider: &str, tenant: TenantId) -> Guest {
    match provider.split('/').find_map(|part| TenantId::parse(part).ok()) {
        Some(home) if home == tenant => Guest::No,
        Some(_) => Guest::Yes,
        None => Guest::Unknown,
    }
}

/// A person reads it on a page or in a terminal: no control or direction marks, and not long.
fn for_display(text: &str) -> Option<String> {
    let shown = text.chars().filter(|c| !c.is_control() && !is_invisible(*c));
    let shown: String = shown.take(LONGEST_NAME).collect();
    (!shown.trim().is_empty()).then(|| shown.trim().to_owned())
}

const LONGEST_SUBJECT: usize = 255;
const LONGEST_NAME: usize = 128;
