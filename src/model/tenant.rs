//! Who is who: tenants, applications, users, and the host's own accounts.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use super::invalid::{Invalid, is_invisible};

/// A GUID with a meaning: parsed once, printed in one spelling, never mistaken for another's.
macro_rules! guid {
    ($(#[$doc:meta])* $name:ident, $field:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// Parses the hyphenated form in either case.
            ///
            /// # Errors
            /// [`Invalid`] for any other text, and for the nil GUID.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                const EXPECTED: &str =
                    "a GUID such as 72f988bf-86f1-41af-91ab-2d7cd011db47, not all zero";
                let wrong = |problem| Invalid::new($field, problem, EXPECTED);
                if text.len() != 36 {
                    return Err(wrong("is not 36 characters long"));
                }
                let guid = Uuid::try_parse(text).map_err(|_| wrong("is not a GUID"))?;
                if guid.is_nil() { Err(wrong("is all zero")) } else { Ok(Self(guid)) }
            }

            /// The sixteen bytes, in the order in which they are printed.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;

            fn try_from(text: String) -> Result<Self, Invalid> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(out)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, out)
            }
        }
    };
}

guid! {
    /// A directory in Entra: the vendor's own, a partner's or a customer's.
    TenantId, "tenant id"
}
guid! {
    /// An application registered in Entra (`appId`, also called client id).
    ClientId, "client id"
}
guid! {
    /// A user within one tenant (`oid`). With the [`TenantId`] it is the only identity that counts;
    /// names and addresses are for display.
    UserId, "user id"
}

impl TenantId {
    /// The tenant that Microsoft uses for personal accounts, which no partner can be.
    pub(crate) const PERSONAL: Self = Self(Uuid::from_u128(0x9188040d_6c67_4c5b_b112_36a304b66dad));

    pub(crate) fn is_personal(self) -> bool {
        self == Self::PERSONAL
    }
}

/// The host's own customer record: opaque here, given to every invitation and request.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(Arc<str>);

impl AccountId {
    /// Takes an identifier of 1 to 128 bytes without control or invisible characters.
    ///
    /// # Errors
    /// [`Invalid`] for any other text.
    pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
        const EXPECTED: &str = "1 to 128 bytes of text in one line";
        let text = text.into();
        if text.is_empty() || text.len() > 128 {
            return Err(Invalid::new("account id", "is empty or too long", EXPECTED));
        }
        if text.chars().any(|c| c.is_control() || is_invisible(c)) {
            return Err(Invalid::new("account id", "has a character that is not seen", EXPECTED));
        }
        Ok(Self(text.into()))
    }

    /// The text as the host gave it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AccountId {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

impl From<AccountId> for String {
    fn from(account: AccountId) -> Self {
        account.0.as_ref().to_owned()
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_never_makes_a_second_tenant() {
        //
        let lower = TenantId::parse("72f988bf-86f1-41af-91ab-2d7cd011db47").expect("a GUID");
        let upper = TenantId::parse("72F988BF-86F1-41AF-91AB-2D7CD011DB47").expect("a GUID");
        assert_eq!(lower, upper);
        assert_eq!(upper.to_string(), "72f988bf-86f1-41af-91ab-2d7cd011db47");
    }

    #[test]
    fn what_is_no_guid_is_refused_by_name() {
        for text in [
            "",
            "contoso.example",
            "72f988bf86f141af91ab2d7cd011db47",
            "{72f988bf-86f1-41af-91ab-2d7cd011db47}",
            "00000000-0000-0000-0000-000000000000",
            "72f988bf-86f1-41af-91ab-2d7cd011db4\u{0}",
        ] {
            assert_eq!(TenantId::parse(text).expect_err(text).field(), "tenant id");
        }
    }

    #[test]
    fn accounts_are_bounded_and_printable() {
        assert!(AccountId::new("a\nb").is_err());
        assert!(AccountId::new("").is_err());
        assert!(AccountId::new("x".repeat(129)).is_err());
        assert_eq!(AccountId::new("panel-17").expect("fine").as_str(), "panel-17");
    }
}
