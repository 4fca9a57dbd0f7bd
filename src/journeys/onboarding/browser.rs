//! The tie between a flow and the browser it began in.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::model::fingerprint::Fingerprint;
use crate::model::secret::random;
use crate::protocol::authorization::ResponseMode;

/// The cookie of one flow: set it in the reply that redirects to the authorize URL.
///
/// Each flow has a cookie of its own name, so two tabs do not disturb each other. `SameSite=None` is
/// needed for a form post, which is a cross-site POST from the identity server.
#[derive(Clone)]
pub struct BrowserKey {
    name: String,
    value: SecretString,
    same_site: &'static str,
    life: Duration,
}

impl BrowserKey {
    pub(super) fn new(state: &str, mode: ResponseMode, life: Duration) -> Self {
        let same_site = match mode {
            ResponseMode::FormPost => "None",
            ResponseMode::Query => "Lax",
        };
        let (name, value) =
            (cookie_name(&flow_id(state)), URL_SAFE_NO_PAD.encode(random::<32>()).into());
        Self { name, value, same_site, life }
    }

    /// The value of a `Set-Cookie` header (RFC 6265), marked sensitive.
    #[must_use]
    pub fn set_cookie(&self) -> HeaderValue {
        let Self { name, value, same_site, life } = self;
        let (value, life) = (value.expose_secret(), life.as_secs());
        let text = format!(
            "{name}={value}; Path=/; Max-Age={life}; Secure; HttpOnly; SameSite={same_site}"
        );
        let mut header = HeaderValue::try_from(text).expect("base64url and attributes are ASCII");
        header.set_sensitive(true);
        header
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.value.expose_secret())
    }
}

impl fmt::Debug for BrowserKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "BrowserKey({}=[redacted])", self.name)
    }
}

/// The value of a `Set-Cookie` header that takes a flow's cookie away.
pub(super) fn removal(flow: &str) -> HeaderValue {
    let name = cookie_name(flow);
    let text = format!("{name}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=None");
    HeaderValue::try_from(text).expect("base64url and attributes are ASCII")
}

/// The name under which a flow is stored: the hash of its state, so that the store cannot finish it.
pub(super) fn flow_id(state: &str) -> String {
    Fingerprint::of(state).as_str().to_owned()
}

pub(super) fn cookie_name(flow: &str) -> String {
    format!("__Host-cpv-consent-{}", &flow[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flows_cookie_is_its_own_and_goes_where_its_answer_comes_from() {
        //
        let life = Duration::from_secs(2400);
        for (mode, same_site) in [(ResponseMode::FormPost, "None"), (ResponseMode::Query, "Lax")] {
            let [one, other] = ["state-1", "state-2"].map(|state| {
                let cookie = BrowserKey::new(state, mode, life).set_cookie();
                assert!(cookie.is_sensitive());
                cookie.to_str().expect("ASCII").to_owned()
            });
            let (name, rest) = one.split_once('=').expect("a pair");
            let (value, attributes) = rest.split_once("; ").expect("attributes");
            assert_eq!(name, cookie_name(&flow_id("state-1")));
            assert!(name.starts_with("__Host-") && !name.contains("state"));
            assert_eq!(value.len(), 43, "256 bits");
            let expected = format!("Path=/; Max-Age=2400; Secure; HttpOnly; SameSite={same_site}");
            assert_eq!(attributes, expected);
            assert!(!other.starts_with(name) && !other.contains(value));
            let again = BrowserKey::new("state-1", mode, life);
            assert!(!again.fingerprint().matches(Some(value)), "a new one each time");
        }
    }
}
