//! The `claims` of a token request: what a resource demands of the next token, and what the client
//! says it can do.
//!
//! Source: OpenID Connect Core 1.0, section 5.5; Microsoft identity platform, "Claims challenges,
//! claims requests, and client capabilities". Members that are not known are ignored.

use serde::Deserialize;
use serde_json::Value;

use crate::emulator::fields::Fields;
use crate::emulator::refusal::Refusal;
use crate::emulator::state::flow::SignIn;
use crate::model::clock::unix_seconds;

/// What a request demands.
#[derive(Debug, Default)]
pub(super) struct Demand {
    /// The client can answer a challenge at any time (`xms_cc` with `cp1`), so tokens may live long.
    pub(super) continuous: bool,
    /// A policy or an authentication context that takes a second factor.
    second_factor: bool,
    /// The sign-in must not be older.
    not_before: Option<u64>,
    text: String,
}

impl Demand {
    pub(super) fn of(fields: &Fields) -> Result<Self, Refusal> {
        fields.find("claims").map_or_else(|| Ok(Self::default()), Self::parse)
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        let malformed = |_| Refusal::new(9_000_410).about("'claims'");
        let asked: Asked = serde_json::from_str(text).map_err(malformed)?;
        let Of { xms_cc, nbf, capolids, acrs } = asked.access_token.unwrap_or_default();
        let is_essential = |wanted: &Option<Wanted>| wanted.as_ref().is_some_and(|w| w.essential);
        Ok(Self {
            continuous: xms_cc.is_some_and(|wanted| wanted.names("cp1")),
            second_factor: is_essential(&capolids) || is_essential(&acrs),
            not_before: nbf.and_then(|wanted| wanted.time()),
            text: text.to_owned(),
        })
    }

    /// Refuses a sign-in that does not meet it, with the same demand for the next one.
    pub(super) fn check(&self, signed_in: &SignIn) -> Result<(), Refusal> {
        let too_weak = self.second_factor && !signed_in.mfa;
        let too_old = self.not_before.is_some_and(|from| unix_seconds(signed_in.at) < from);
        if too_weak || too_old {
            return Err(Refusal::new(50_076).with_claims(self.text.clone()));
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Asked {
    access_token: Option<Of>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Of {
    xms_cc: Option<Wanted>,
    nbf: Option<Wanted>,
    capolids: Option<Wanted>,
    acrs: Option<Wanted>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wanted {
    essential: bool,
    value: Option<Value>,
    values: Vec<Value>,
}

impl Wanted {
    fn names(&self, word: &str) -> bool {
        let mut named = self.value.iter().chain(&self.values).filter_map(Value::as_str);
        named.any(|known| known.eq_ignore_ascii_case(word))
    }

    /// Seconds since 1970, as a number or in a string.
    fn time(&self) -> Option<u64> {
        let value = self.value.as_ref()?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demands_are_read_and_strangers_ignored() {
        let text = r#"{"id_token":{"x":null},"access_token":{"xms_cc":{"values":["CP1"]},"y":{},
            "nbf":{"essential":true,"value":"1700000000"},"acrs":null,"capolids":{"values":["x"]}}}"#;
        let demand = Demand::parse(text).expect("well-formed");
        assert_eq!((demand.continuous, demand.second_factor), (true, false));
        assert_eq!(demand.not_before, Some(1_700_000_000));
        let acrs = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
        assert!(Demand::parse(acrs).expect("well-formed").second_factor);
        for wrong in ["", "{", "[]", "x", r#"{"access_token":1}"#, r#"{"access_token":{"nbf":7}}"#]
        {
            assert_eq!(Demand::parse(wrong).expect_err(wrong).number, 9_000_410, "{wrong}");
        }
    }
}
