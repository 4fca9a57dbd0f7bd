//! Who asks for a token, and what for, in the host's own words.

use std::fmt;
use std::sync::Arc;

use super::invalid::Invalid;

/// A short text of the host's, checked once; clones share it.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $field:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes 1 to 128 bytes without control characters.
            ///
            /// # Errors
            /// [`Invalid`] for any other text.
            pub fn new(text: &str) -> Result<Self, Invalid> {
                const EXPECTED: &str = "1 to 128 bytes without control characters";
                if text.is_empty() || text.len() > 128 {
                    return Err(Invalid::new($field, "is empty or too long", EXPECTED));
                }
                if text.chars().any(char::is_control) {
                    return Err(Invalid::new($field, "has a control character", EXPECTED));
                }
                Ok(Self(text.into()))
            }

            /// The text as the host gave it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "{:?}", self.0)
            }
        }
    };
}

text! {
    /// On whose behalf the panel works: a user of the host, a job. Opaque here; it is told with the
    /// events that it caused, so give it no name that your logs may not hold.
    Actor, "actor"
}
text! {
    /// What a token is for, such as `invoices`. Few different ones can be counted.
    Purpose, "purpose"
}

/// Why a token is asked for, as far as the host says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Motive {
    pub(crate) actor: Option<Actor>,
    pub(crate) purpose: Option<Purpose>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_one_short_line() {
        //
        for wrong in ["", "two\nlines", &"x".repeat(129)] {
            assert_eq!(Actor::new(wrong).expect_err(wrong).field(), "actor");
            assert_eq!(Purpose::new(wrong).expect_err(wrong).field(), "purpose");
        }
        assert_eq!(Actor::new("user-17").expect("plain text").as_str(), "user-17");
        assert_eq!(Purpose::new("invoices").expect("plain text").to_string(), "invoices");
    }
}
