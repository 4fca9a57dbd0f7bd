//! A stop on the hand-out of tokens, until somebody lifts it by its name.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::clock::{as_seconds, from_unix_seconds, unix_seconds};
use super::invalid::Invalid;
use super::tenant::{AccountId, TenantId};

/// Whose tokens a freeze keeps back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FreezeScope {
    /// Everybody's.
    Application,
    /// One partner's, at its own tenant and at its customers'.
    Partner(TenantId),
    /// Those of every partner that is bound to this account.
    Account(AccountId),
}

impl FreezeScope {
    /// The kind of it, in a word.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Partner(_) => "partner",
            Self::Account(_) => "account",
        }
    }

    pub(crate) fn covers(&self, partner: TenantId, bound_to: &AccountId) -> bool {
        match self {
            Self::Application => true,
            Self::Partner(frozen) => *frozen == partner,
            Self::Account(frozen) => frozen == bound_to,
        }
    }
}

impl fmt::Display for FreezeScope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application => out.write_str("every partner"),
            Self::Partner(partner) => write!(out, "partner {partner}"),
            Self::Account(account) => write!(out, "account {account}"),
        }
    }
}

/// A freeze: whose tokens are kept back, since when, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    name: String,
    scope: FreezeScope,
    reason: String,
    #[serde(with = "as_seconds")]
    since: SystemTime,
}

impl Freeze {
    /// `chance` sets its name apart from those of all others.
    ///
    /// # Errors
    /// [`Invalid`] for a reason that is no line of text.
    pub(crate) fn new(
        scope: FreezeScope,
        reason: String,
        since: SystemTime,
        chance: [u8; 6],
    ) -> Result<Self, Invalid> {
        const EXPECTED: &str = "1 to 256 bytes without control characters";
        let wrong = |problem| Err(Invalid::new("reason", problem, EXPECTED));
        if reason.is_empty() || reason.len() > 256 {
            return wrong("is empty or too long");
        }
        if reason.chars().any(char::is_control) {
            return wrong("has a control character");
        }
        let drawn = chance.iter().fold(0_u64, |drawn, byte| drawn << 8 | u64::from(*byte));
        let name = format!("{}-{drawn:012x}", scope.as_str());
        let since = from_unix_seconds(unix_seconds(since));
        Ok(Self { name, scope, reason, since })
    }

    /// What a freeze is taken for whose record does not open: nobody can tell whom it meant.
    pub(crate) fn unreadable(name: String, seen: SystemTime) -> Self {
        let reason = "its record does not open: freeze anew whom it meant, then lift it".to_owned();
        Self { name, scope: FreezeScope::Application, reason, since: seen }
    }

    /// The name by which it is lifted, such as `partner-3f9a0c12d4e5`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whose tokens it keeps back.
    #[must_use]
    pub const fn scope(&self) -> &FreezeScope {
        &self.scope
    }

    /// Why, in the words of whoever froze.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Since when, by the clock of the process that froze.
    #[must_use]
    pub const fn since(&self) -> SystemTime {
        self.since
    }
}

impl fmt::Display for Freeze {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, scope, reason, .. } = self;
        write!(out, "{scope} is frozen until {name} is lifted: {reason}")
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn freeze(reason: &str) -> Result<Freeze, Invalid> {
        Freeze::new(FreezeScope::Application, reason.to_owned(), UNIX_EPOCH, [0, 1, 2, 3, 4, 255])
    }

    #[test]
    fn a_name_tells_the_kind_of_scope_and_is_short_enough_to_type() {
        let freeze = freeze("a stolen laptop").expect("a reason");
        assert_eq!(freeze.name(), "application-0001020304ff");
        let shown = "every partner is frozen until application-0001020304ff is lifted: \
                     a stolen laptop";
        assert_eq!(freeze.to_string(), shown);
    }

    #[test]
    fn a_reason_is_one_short_line() {
        //
        for wrong in ["", "two\nlines", "a bell\u{7}", &"x".repeat(257)] {
            assert_eq!(freeze(wrong).expect_err(wrong).field(), "reason");
        }
        freeze(&"x".repeat(256)).expect("not too long");
    }
}
