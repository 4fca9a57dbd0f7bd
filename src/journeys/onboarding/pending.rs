//! A flow between its start and its callback.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use super::browser::{BrowserKey, cookie_name, flow_id};
use super::{Beginning, PENDING_LIFE};
use crate::model::clock::as_seconds;
use crate::model::fingerprint::Fingerprint;
use crate::model::invitation::InvitedFlow;
use crate::model::partner_kind::PartnerKind;
use crate::model::policy::Refused;
use crate::model::tenant::{AccountId, TenantId};
use crate::protocol::authorization::{AuthorizationRequest, Callback, ResponseMode};
use crate::storage::ledger::Record;
use crate::storage::store::Kind;

/// A consent that was asked for: send the browser to [`authorize_url`](Self::authorize_url) and give
/// it [`browser_key`](Self::browser_key) in the same reply.
pub struct PendingConsent {
    authorize_url: Url,
    browser: BrowserKey,
    expires_at: SystemTime,
}

impl PendingConsent {
    pub(super) const fn new(url: Url, browser: BrowserKey, expires_at: SystemTime) -> Self {
        Self { authorize_url: url, browser, expires_at }
    }

    /// As one that ends at this time, if it would last longer.
    pub(super) fn ending(mut self, at: SystemTime) -> Self {
        self.expires_at = self.expires_at.min(at);
        self
    }

    /// Where the person signs in and consents (RFC 6749, section 4.1.1). It works only in the
    /// browser that has the key; a link that travels must lead to a page of yours that makes it.
    #[must_use]
    pub const fn authorize_url(&self) -> &Url {
        &self.authorize_url
    }

    /// The cookie that ties the flow to this browser.
    #[must_use]
    pub const fn browser_key(&self) -> &BrowserKey {
        &self.browser
    }

    /// When the flow ends unless its callback came.
    #[must_use]
    pub const fn expires_at(&self) -> SystemTime {
        self.expires_at
    }
}

/// Without the query of its address, which holds state and nonce.
impl fmt::Debug for PendingConsent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PendingConsent")
            .field("authority", &self.authorize_url.path())
            .field("browser", &self.browser)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// The flow as it is sealed and stored, under the hash of its state.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PendingRecord {
    pub(super) id: String,
    pub(super) expected: Option<TenantId>,
    pub(super) account: AccountId,
    /// What kind of partner it is, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<PartnerKind>,
    pub(super) rebinds: bool,
    pub(super) browser: Fingerprint,
    pub(super) mode: ResponseMode,
    pub(super) redirect_uri: Url,
    /// Gone once the flow had its callback: what is left is the mark of that.
    pub(super) proof: Option<FlowProof>,
    /// The invitation that it was begun by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) invited: Option<InvitedFlow>,
    /// Whether an approval was begun in its place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) led_to_approval: bool,
    /// The generation that stood when it began: see `FoundRecord`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) above: Option<u64>,
    #[serde(with = "as_seconds")]
    pub(super) begun_at: SystemTime,
    #[serde(with = "as_seconds")]
    pub(super) expires_at: SystemTime,
}

/// What the redemption must prove: RFC 7636, section 4.5; OpenID Connect Core 3.1.3.7 (11).
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct FlowProof {
    pub(super) nonce: Zeroizing<String>,
    pub(super) verifier: Zeroizing<String>,
}

impl fmt::Debug for FlowProof {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("FlowProof([redacted])")
    }
}

impl PendingRecord {
    pub(super) fn begun(
        beginning: &Beginning,
        request: &AuthorizationRequest,
        redirect_uri: &Url,
        browser: &BrowserKey,
        now: SystemTime,
    ) -> Self {
        let nonce = Zeroizing::new(request.nonce.to_string());
        let verifier = Zeroizing::new(request.verifier.to_string());
        Self {
            id: flow_id(&request.state),
            expected: beginning.expected,
            account: beginning.account.clone(),
            kind: beginning.kind,
            rebinds: beginning.rebinds,
            browser: browser.fingerprint(),
            mode: beginning.mode,
            redirect_uri: redirect_uri.clone(),
            proof: Some(FlowProof { nonce, verifier }),
            invited: None,
            led_to_approval: false,
            above: None,
            begun_at: now,
            expires_at: now + PENDING_LIFE,
        }
    }

    /// Since when it was wanted: what was let go since stays so.
    pub(super) fn wanted_since(&self) -> SystemTime {
        self.invited.as_ref().map_or(self.begun_at, |invited| invited.since)
    }

    /// Whether this callback may spend the flow: right browser first, since only the one who began
    /// may learn more.
    pub(super) fn check(&self, callback: &Callback, now: SystemTime) -> Result<(), Refused> {
        if !self.browser.matches(callback.cookies().find(&cookie_name(&self.id))) {
            return Err(Refused::OtherBrowser);
        }
        if self.proof.is_none() {
            return Err(Refused::StateReplayed);
        }
        if now >= self.expires_at {
            return Err(Refused::StateExpired);
        }
        if self.mode != callback.mode() { Err(Refused::OtherResponseMode) } else { Ok(()) }
    }

    pub(super) fn spent(&self) -> Self {
        Self { proof: None, ..self.clone() }
    }
}

impl Record for PendingRecord {
    const KIND: Kind = Kind::Pending;

    /// A first contact has no partner yet, and the callback names none.
    fn partner(&self) -> Option<TenantId> {
        None
    }

    fn id(&self) -> String {
        self.id.clone()
    }

    fn generation(&self) -> u64 {
        0
    }

    fn due(&self) -> Option<SystemTime> {
        Some(self.expires_at + PENDING_LIFE)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::{json, to_value};

    use crate::model::cloud::{Authority, Cloud};
    use crate::model::registration::{AppRegistration, ClientCredential};
    use crate::model::tenant::ClientId;

    use super::*;

    const REDIRECT: &str = "https://panel.example/callback";

    fn app() -> AppRegistration {
        let home = TenantId::parse("11111111-1111-4111-8111-111111111111").expect("a GUID");
        let client_id = ClientId::parse("22222222-2222-4222-8222-222222222222").expect("a GUID");
        let secret = ClientCredential::secret("canary-secret").expect("plain");
        AppRegistration::new(Cloud::Global, home, client_id, secret, REDIRECT).expect("valid")
    }

    #[test]
    fn a_flow_binds_all_that_its_callback_must_match_and_keeps_nothing_of_the_browsers() {
        // authority and application are bound by the place that a record is sealed for
        let partner = TenantId::parse("33333333-3333-4333-8333-333333333333").expect("a GUID");
        let beginning = Beginning {
            expected: Some(partner),
            account: AccountId::new("panel-1").expect("plain"),
            kind: None,
            door: None,
            mode: ResponseMode::Query,
            login_hint: Some("ann@contoso.example".to_owned()),
            claims: None,
            rebinds: false,
        };
        let (app, mode) = (app(), beginning.mode);
        let authority = Authority::of(app.cloud(), partner);
        let request = AuthorizationRequest::new(&app, &authority, mode, None, None);
        let browser = BrowserKey::new(&request.state, mode, PENDING_LIFE);
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let record = PendingRecord::begun(&beginning, &request, app.redirect_uri(), &browser, now);
        let expected = json!({
            "id": flow_id(&request.state), "expected": partner, "account": "panel-1",
            "rebinds": false, "browser": browser.fingerprint(), "mode": "query",
            "redirect_uri": REDIRECT,
            "proof": { "nonce": request.nonce, "verifier": request.verifier },
            "begun_at": 1_000_000, "expires_at": 1_000_000 + PENDING_LIFE.as_secs(),
        });
        let kept = to_value(&record).expect("JSON");
        assert_eq!(kept, expected);
        let cookie = browser.set_cookie().to_str().expect("ASCII").to_owned();
        let key = cookie.split(['=', ';']).nth(1).expect("a value");
        for secret in [request.state.as_str(), key] {
            assert!(!kept.to_string().contains(secret), "only its hash is kept");
        }
        let spent = to_value(record.spent()).expect("JSON").to_string();
        assert!(!spent.contains(request.nonce.as_str()) && !spent.contains(&request.verifier));
    }
}
