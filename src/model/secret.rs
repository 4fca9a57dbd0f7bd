//! Secrets: redacted when shown, wiped when dropped, and without an equality of their own.
//!
//! A secret can be read only by calling `expose`, which is easy to find in review. The buffers of
//! HTTP and TLS libraries cannot be wiped from here; see the threat model.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::invalid::Invalid;

/// A secret text with a meaning; `Debug` shows a fixed word and no length.
macro_rules! secret {
    ($(#[$doc:meta])* $name:ident, $field:literal, $longest:literal) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(SecretString);

        impl $name {
            /// Takes text of visible ASCII characters, as RFC 6749, appendix A, has it.
            ///
            /// # Errors
            /// [`Invalid`] when it is empty, too long, or has a space, line break or other character
            /// that could end a header or a field early.
            pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
                let text = SecretString::from(text.into());
                // Without a way out early it is many bytes at once.
                let bytes = text.expose_secret().bytes();
                let visible = bytes.fold(true, |all, byte| all & byte.is_ascii_graphic());
                let length = text.expose_secret().len();
                if !visible || length == 0 || length > $longest {
                    const EXPECTED: &str = concat!("1 to ", $longest, " visible ASCII characters");
                    return Err(Invalid::new($field, "is empty, too long or not plain", EXPECTED));
                }
                Ok(Self(text))
            }

            /// The secret itself. Every call is a place to look at in review.
            #[must_use]
            pub fn expose(&self) -> &str {
                self.0.expose_secret()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(concat!(stringify!($name), "([redacted])"))
            }
        }
    };
}

secret! {
    /// What a consent leaves behind: good for 90 days from its own issue, replaced at each use.
    RefreshToken, "refresh token", 16384
}
secret! {
    /// What an API accepts: good for about an hour.
    AccessToken, "access token", 16384
}
secret! {
    /// The vendor's application password, the weakest of its credentials.
    ClientSecret, "client secret", 1024
}
secret! {
    /// A signed token that stands in for an application password: good for minutes to hours.
    ClientAssertion, "client assertion", 16384
}
secret! {
    /// A key of the key ring as base64, for saving where the host keeps its secrets.
    KeyText, "key text", 64
}

impl AccessToken {
    /// The value of an `Authorization` header (RFC 6750, section 2.1), marked sensitive so that
    /// HTTP libraries do not log it.
    #[must_use]
    pub fn bearer(&self) -> HeaderValue {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.expose()))
            .expect("visible ASCII is a header value");
        value.set_sensitive(true);
        value
    }

    /// Whether both are the same token, in constant time.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let (one, other) = (self.expose().as_bytes(), other.expose().as_bytes());
        verify_slices_are_equal(one, other).is_ok()
    }
}

/// Bytes from the operating system's generator: the raw material of every state, nonce and id.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// Only for the plaintext that is sealed at once: nothing else in the crate serialises a secret.
pub(crate) mod sealed_text {
    use super::{AccessToken, Deserialize, Deserializer, Invalid, RefreshToken};
    use super::{Serialize, Serializer};

    /// What is kept sealed.
    pub(crate) trait Kept: Sized {
        fn text(&self) -> &str;
        fn read(text: String) -> Result<Self, Invalid>;
    }

    impl Kept for RefreshToken {
        fn text(&self) -> &str {
            self.expose()
        }

        fn read(text: String) -> Result<Self, Invalid> {
            Self::new(text)
        }
    }

    impl Kept for AccessToken {
        fn text(&self) -> &str {
            self.expose()
        }

        fn read(text: String) -> Result<Self, Invalid> {
            Self::new(text)
        }
    }

    pub(crate) fn serialize<T: Kept, S: Serializer>(token: &T, to: S) -> Result<S::Ok, S::Error> {
        token.text().serialize(to)
    }

    pub(crate) fn deserialize<'de, T: Kept, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        T::read(String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_neither_itself_nor_its_length() {
        //
        let secret = ClientSecret::new("hunter2").expect("plain text");
        assert_eq!(format!("{secret:?}"), "ClientSecret([redacted])");
        let token = AccessToken::new("eyJ0").expect("plain text");
        assert_eq!(format!("{:?}", token.bearer()), "Sensitive");
    }

    #[test]
    fn a_token_that_could_end_a_header_early_is_refused() {
        //
        for text in ["", "a\r\nb", "a\nb", "a\0b", "a b", "tök"] {
            assert!(AccessToken::new(text).is_err(), "{text:?}");
            assert!(RefreshToken::new(text).is_err(), "{text:?}");
        }
        assert!(RefreshToken::new("x".repeat(16_385)).is_err());
    }
}
