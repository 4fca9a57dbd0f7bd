//! The front channel, outward: the address that a partner's administrator is sent to.
//!
//! Sources: RFC 6749, section 4.1.1; RFC 7636; OpenID Connect Core, section 3.1.2.1; Microsoft
//! identity platform, "OAuth 2.0 authorization code flow".

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth2::basic::BasicClient;
use oauth2::{AuthUrl, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::model::cloud::Authority;
use crate::model::registration::AppRegistration;
use crate::model::secret::random;

mod approval;
mod callback;

pub(crate) use approval::AdminConsentRequest;
pub(crate) use callback::{Answer, Cookies};
pub use callback::{Callback, CallbackError};

/// How the answer travels back (OAuth 2.0 Form Post Response Mode).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the body of a POST: the code stays out of addresses, logs and referrers. The browser
    /// sends this POST from another site, so a cookie needs `SameSite=None`.
    #[default]
    FormPost,
    /// In the query of a GET.
    Query,
}

impl ResponseMode {
    const fn as_str(self) -> &'static str {
        match self {
            Self::FormPost => "form_post",
            Self::Query => "query",
        }
    }
}

/// One request for consent: the address, and the three secrets that tie its answer to it.
pub(crate) struct AuthorizationRequest {
    pub(crate) url: Url,
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) verifier: String,
    pub(crate) mode: ResponseMode,
}

impl AuthorizationRequest {
    /// Asks for every registered scope, and for a fresh sign-in (never `prompt=consent`, which
    /// stops people who are no administrators even after a tenant-wide approval).
    pub(crate) fn new(
        app: &AppRegistration,
        authority: &Authority,
        mode: ResponseMode,
        login_hint: Option<&str>,
        claims: Option<&str>,
    ) -> Self {
        let nonce = unguessable();
        let verifier = PkceCodeVerifier::new(unguessable());
        let client = BasicClient::new(oauth2::ClientId::new(app.client_id().to_string()))
            .set_auth_uri(AuthUrl::from_url(authority.authorize_url()))
            .set_redirect_uri(RedirectUrl::from_url(app.redirect_uri().clone()));
        let mut request = client
            .authorize_url(|| CsrfToken::new(unguessable()))
            .add_scope(Scope::new(app.scopes().request_value(app.cloud())))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .add_extra_param("response_mode", mode.as_str())
            .add_extra_param("nonce", nonce.as_str())
            .add_extra_param("prompt", "login");
        for (name, value) in [("login_hint", login_hint), ("claims", claims)] {
            if let Some(value) = value {
                request = request.add_extra_param(name, value);
            }
        }
        let (url, state) = request.url();
        let (state, verifier) = (state.into_secret(), verifier.into_secret());
        Self { url, state, nonce, verifier, mode }
    }
}

impl fmt::Debug for AuthorizationRequest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AuthorizationRequest").field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// 256 random bits: 43 characters, all of them in RFC 7636's unreserved set.
fn unguessable() -> String {
    URL_SAFE_NO_PAD.encode(random::<32>())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use aws_lc_rs::digest::{SHA256, digest};

    use crate::model::cloud::{Cloud, Directory};
    use crate::model::registration::ClientCredential;
    use crate::model::scope::Resource;
    use crate::model::tenant::{ClientId, TenantId};

    use super::*;

    fn app() -> AppRegistration {
        let home = TenantId::parse("11111111-1111-4111-8111-111111111111").expect("a GUID");
        let client_id = ClientId::parse("22222222-2222-4222-8222-222222222222").expect("a GUID");
        let secret = ClientCredential::secret("canary-secret").expect("plain");
        let redirect = "https://panel.example/callback";
        AppRegistration::new(Cloud::Global, home, client_id, secret, redirect)
            .and_then(|app| app.requesting(Resource::Graph, ["User.Read"]))
            .expect("valid")
    }

    fn request(login_hint: Option<&str>, claims: Option<&str>) -> AuthorizationRequest {
        let authority = Authority::new(&Cloud::Global, Directory::Organizations);
        AuthorizationRequest::new(&app(), &authority, ResponseMode::FormPost, login_hint, claims)
    }

    #[test]
    fn the_address_holds_what_it_must_and_nothing_else() {
        // R-001, R-003, R-004, R-012, oidcc-client-test-scope-userinfo-claims
        let request = request(None, None);
        let url = request.url.as_str();
        assert!(
            url.starts_with("https://login.microsoftonline.com/organizations/oauth2/v2.0/auth")
        );
        assert!(!url.contains("canary") && !url.contains(&request.verifier));
        let challenge = digest(&SHA256, request.verifier.as_bytes());
        let expected = [
            ("response_type", "code"),
            ("client_id", "22222222-2222-4222-8222-222222222222"),
            ("redirect_uri", "https://panel.example/callback"),
            (
                "scope",
                "openid profile offline_access \
                 https://api.partnercenter.microsoft.com/user_impersonation \
                 https://graph.microsoft.com/User.Read",
            ),
            ("state", &request.state),
            ("nonce", &request.nonce),
            ("code_challenge", &URL_SAFE_NO_PAD.encode(challenge)),
            ("code_challenge_method", "S256"),
            ("response_mode", "form_post"),
            ("prompt", "login"),
        ];
        let expected: BTreeMap<_, _> =
            expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let found: Vec<_> = request.url.query_pairs().into_owned().collect();
        assert_eq!(found.len(), expected.len(), "none occurs twice");
        assert_eq!(BTreeMap::from_iter(found), expected);
    }

    /// The secrets of a flow that begins, as they were drawn.
    fn drawn() -> [[u8; 32]; 3] {
        let AuthorizationRequest { state, nonce, verifier, .. } = request(None, None);
        [state, nonce, verifier].map(|secret| decoded(&secret))
    }

    fn decoded(secret: &str) -> [u8; 32] {
        assert_eq!(secret.len(), 43);
        let bytes = URL_SAFE_NO_PAD.decode(secret).expect("RFC 7636's unreserved characters");
        bytes.try_into().expect("256 bits")
    }

    #[test]
    fn state_nonce_and_verifier_never_repeat() {
        // R-002, R-003
        let mut seen = HashSet::new();
        for _ in 0..1000 {
            assert!(drawn().into_iter().all(|secret| seen.insert(secret)));
        }
        // As many more as a hundred thousand flows take, without their addresses.
        assert!((0..300_000).all(|_| seen.insert(decoded(&unguessable()))));
    }

    /// How many of these bits are set, added to what was counted before.
    fn count(ones: &mut [u32; 256], bytes: &[u8; 32]) {
        for (place, ones) in ones.iter_mut().enumerate() {
            *ones += u32::from(bytes[place / 8] >> (place % 8) & 1);
        }
    }

    #[test]
    fn neither_is_told_by_another_or_by_those_of_the_flow_before() {
        // R-002
        const FLOWS: u32 = 1024;
        let differ = |one: [u8; 32], other: [u8; 32]| std::array::from_fn(|n| one[n] ^ other[n]);
        let (mut counts, mut before) = ([[0; 256]; 9], drawn());
        for _ in 0..FLOWS {
            let now = drawn();
            let [state, nonce, verifier] = now;
            let of_one_flow =
                [differ(state, nonce), differ(nonce, verifier), differ(verifier, state)];
            let since = std::array::from_fn::<_, 3, _>(|n| differ(now[n], before[n]));
            for (count_of, bytes) in counts.iter_mut().zip([now, of_one_flow, since].concat()) {
                count(count_of, &bytes);
            }
            before = now;
        }
        // Half of them, but for seven deviations: chance goes further once in 10^8 runs.
        let fair = FLOWS / 2 - 112..=FLOWS / 2 + 112;
        for (what, ones) in counts.iter().enumerate() {
            assert!(ones.iter().all(|ones| fair.contains(ones)), "{what}: {ones:?}");
        }
    }

    #[test]
    fn hint_and_claims_are_encoded() {
        let request = request(Some("ann+1@contoso.example&x=1"), Some(r#"{"id_token":{}}"#));
        let pairs: BTreeMap<_, _> = request.url.query_pairs().collect();
        assert_eq!(pairs["login_hint"], "ann+1@contoso.example&x=1");
        assert_eq!(pairs["claims"], r#"{"id_token":{}}"#);
        assert!(!pairs.contains_key("x"));
    }

    #[test]
    fn debug_shows_no_secret() {
        // R-137
        let request = request(None, None);
        let shown = format!("{request:?}");
        assert!(shown.contains("FormPost"));
        for secret in [&request.state, &request.nonce, &request.verifier] {
            assert!(!shown.contains(secret.as_str()));
        }
    }
}
