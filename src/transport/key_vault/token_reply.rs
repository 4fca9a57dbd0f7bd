//! The reply that has a token for a vault in it, whoever gives it.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::model::clock::from_unix_seconds;
use crate::model::secret::AccessToken;
use crate::transport::key_vault::error::KeyVaultError;

/// What token and identity endpoints answer. Integers are numbers or texts of digits.
#[derive(Deserialize)]
pub(super) struct TokenReply {
    access_token: Zeroizing<String>,
    token_type: String,
    #[serde(default, deserialize_with = "digits")]
    expires_in: Option<u64>,
    #[serde(default, deserialize_with = "digits")]
    expires_on: Option<u64>,
}

impl TokenReply {
    pub(super) fn parse(body: &[u8]) -> Result<Self, KeyVaultError> {
        let reply: Self = serde_json::from_slice(body)
            .map_err(|_| KeyVaultError::BadReply("with a token is not one"))?;
        if !reply.token_type.eq_ignore_ascii_case("Bearer") {
            return Err(KeyVaultError::BadReply("has no bearer token"));
        }
        Ok(reply)
    }

    /// App Service says only when the token ends.
    pub(super) fn lifetime(&self, now: SystemTime) -> Result<Duration, KeyVaultError> {
        let left = |end| from_unix_seconds(end).duration_since(now).unwrap_or_default();
        let said = self.expires_in.map(Duration::from_secs).or(self.expires_on.map(left));
        let lifetime = said.ok_or(KeyVaultError::BadReply("does not say when its token ends"))?;
        Ok(lifetime.min(LONGEST))
    }

    pub(super) fn into_token(self) -> Result<AccessToken, KeyVaultError> {
        let token = AccessToken::new(self.access_token.as_str());
        token.map_err(|_| KeyVaultError::BadReply("has a token that no header can carry"))
    }
}

fn digits<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let value = Value::deserialize(from)?;
    let number = value.as_str().map_or_else(|| value.as_u64(), |text| text.parse().ok());
    number.map(Some).ok_or_else(|| serde::de::Error::custom("no number"))
}

const LONGEST: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    fn lifetime(members: &str) -> Option<u64> {
        let body = format!(r#"{{"access_token":"a","token_type":"Bearer"{members}}}"#);
        let reply = TokenReply::parse(body.as_bytes()).ok()?;
        reply.lifetime(from_unix_seconds(1_000)).ok().map(|lifetime| lifetime.as_secs())
    }

    #[test]
    fn lifetimes_are_numbers_or_digits_and_must_be_there() {
        for (members, expected) in [
            (r#","expires_in":3599"#, Some(3599)),
            (r#","expires_in":"3599","expires_on":"9999""#, Some(3599)),
            (r#","expires_on":"4600""#, Some(3600)),
            (r#","expires_on":999"#, Some(0)),
            (r#","expires_in":99999999999999999"#, Some(86_400)),
            ("", None),
            (r#","expires_in":"soon""#, None),
            (r#","expires_in":-1"#, None),
            (r#","expires_in":1,"expires_in":2"#, None),
        ] {
            assert_eq!(lifetime(members), expected, "{members}");
        }
    }

    #[test]
    fn only_a_bearer_token_is_taken() {
        let body = br#"{"access_token":"a","token_type":"pop","expires_in":1}"#;
        assert!(TokenReply::parse(body).is_err());
    }
}
