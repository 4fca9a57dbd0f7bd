//! An administrator's approval between its start and its report.
//!
//! Its records are of their own type, found by states of their own: none of them holds, or leads to,
//! anything that a code could be redeemed with.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use url::Url;

use super::PENDING_LIFE;
use super::browser::{BrowserKey, cookie_name, flow_id};
use crate::model::clock::as_seconds;
use crate::model::fingerprint::Fingerprint;
use crate::model::invitation::{Invitation, InvitedFlow};
use crate::model::policy::Refused;
use crate::model::tenant::{AccountId, TenantId};
use crate::protocol::authorization::{AdminConsentRequest, Callback, ResponseMode};
use crate::storage::ledger::Record;
use crate::storage::store::Kind;

/// An approval that was asked for: send the browser to [`approval_url`](Self::approval_url) and give
/// it [`browser_key`](Self::browser_key) in the same reply.
pub struct PendingApproval {
    approval_url: Url,
    browser: BrowserKey,
    expires_at: SystemTime,
}

impl PendingApproval {
    /// Where an administrator signs in and approves (Microsoft identity platform, "Admin consent"). It
    /// works only in the browser that has the key.
    #[must_use]
    pub const fn approval_url(&self) -> &Url {
        &self.approval_url
    }

    /// The cookie that ties the answer to this browser: `SameSite=Lax`, since the answer is a GET.
    #[must_use]
    pub const fn browser_key(&self) -> &BrowserKey {
        &self.browser
    }

    /// When it ends unless its callback came.
    #[must_use]
    pub const fn expires_at(&self) -> SystemTime {
        self.expires_at
    }

    /// As one that ends at this time, if it would last longer.
    pub(super) fn ending(mut self, at: SystemTime) -> Self {
        self.expires_at = self.expires_at.min(at);
        self
    }
}

/// Without the query of its address, which holds the state.
impl fmt::Debug for PendingApproval {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PendingApproval")
            .field("authority", &self.approval_url.path())
            .field("browser", &self.browser)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// What a browser came back with: somebody says that an administrator has approved the application for
/// the tenant.
///
/// It is a report and no proof. Nothing is given by it and nothing believes it: the sign-in that
/// follows shows whether it is true.
#[derive(Debug, Clone)]
pub struct ApprovalReport {
    pub(super) account: AccountId,
    pub(super) partner: Option<TenantId>,
    pub(super) invitation: Option<Invitation>,
    pub(super) at: SystemTime,
}

impl ApprovalReport {
    /// The account in whose name it was asked.
    #[must_use]
    pub const fn account(&self) -> &AccountId {
        &self.account
    }

    /// The tenant that was asked; `None` at a first contact. Which one has answered nobody can know
    /// before a sign-in.
    #[must_use]
    pub const fn partner(&self) -> Option<TenantId> {
        self.partner
    }

    /// The invitation that it was begun by.
    #[must_use]
    pub const fn invitation(&self) -> Option<&Invitation> {
        self.invitation.as_ref()
    }

    /// When it came.
    #[must_use]
    pub const fn at(&self) -> SystemTime {
        self.at
    }
}

/// The approval as it is sealed and stored, apart from the sign-ins.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ApprovalRecord {
    /// The hash of its state.
    flow: String,
    pub(super) expected: Option<TenantId>,
    pub(super) account: AccountId,
    pub(super) invited: Option<InvitedFlow>,
    browser: Fingerprint,
    /// Whether it had its callback.
    answered: bool,
    #[serde(with = "as_seconds")]
    expires_at: SystemTime,
}

impl ApprovalRecord {
    pub(super) fn begun(
        expected: Option<TenantId>,
        account: AccountId,
        invited: Option<InvitedFlow>,
        request: AdminConsentRequest,
        now: SystemTime,
    ) -> (Self, PendingApproval) {
        let browser = BrowserKey::new(&request.state, ResponseMode::Query, PENDING_LIFE);
        let record = Self {
            flow: flow_id(&request.state),
            expected,
            account,
            invited,
            browser: browser.fingerprint(),
            answered: false,
            expires_at: now + PENDING_LIFE,
        };
        let expires_at = record.expires_at;
        (record, PendingApproval { approval_url: request.url, browser, expires_at })
    }

    /// The id under which one of this state lies.
    pub(super) fn id_of(state: &str) -> String {
        place(&flow_id(state))
    }

    /// Whether this callback may answer it: right browser first, since only the one who began may
    /// learn more.
    pub(super) fn check(&self, callback: &Callback, now: SystemTime) -> Result<(), Refused> {
        if !self.browser.matches(callback.cookies().find(&cookie_name(&self.flow))) {
            return Err(Refused::OtherBrowser);
        }
        if self.answered {
            return Err(Refused::StateReplayed);
        }
        if now >= self.expires_at {
            return Err(Refused::StateExpired);
        }
        match callback.mode() {
            ResponseMode::Query => Ok(()),
            ResponseMode::FormPost => Err(Refused::OtherResponseMode),
        }
    }

    pub(super) fn answered(&self) -> Self {
        Self { answered: true, ..self.clone() }
    }
}

impl Record for ApprovalRecord {
    const KIND: Kind = Kind::Pending;

    /// What the callback says of a tenant, nobody believes.
    fn partner(&self) -> Option<TenantId> {
        None
    }

    fn id(&self) -> String {
        place(&self.flow)
    }

    fn generation(&self) -> u64 {
        0
    }

    fn due(&self) -> Option<SystemTime> {
        Some(self.expires_at + PENDING_LIFE)
    }
}

/// No sign-in lies there: those have no full stop.
fn place(flow: &str) -> String {
    format!("approval.{flow}")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::{json, to_value};

    use crate::model::cloud::{Authority, Cloud};
    use crate::model::registration::{AppRegistration, ClientCredential};
    use crate::model::tenant::ClientId;

    use super::*;

    #[test]
    fn an_approval_binds_what_its_callback_must_match_and_keeps_nothing_of_the_browsers() {
        //
        let home = TenantId::parse("11111111-1111-4111-8111-111111111111").expect("a GUID");
        let partner = TenantId::parse("33333333-3333-4333-8333-333333333333").expect("a GUID");
        let client_id = ClientId::parse("22222222-2222-4222-8222-222222222222").expect("a GUID");
        let secret = ClientCredential::secret("canary-secret").expect("plain");
        let redirect = "https://panel.example/callback";
        let app = AppRegistration::new(Cloud::Global, home, client_id, secret, redirect);
        let authority = Authority::of(&Cloud::Global, partner);
        let request = AdminConsentRequest::new(&app.expect("valid"), &authority);
        let (state, now) = (request.state.clone(), UNIX_EPOCH + Duration::from_secs(1_000_000));
        let account = AccountId::new("panel-1").expect("plain");
        let (record, pending) = ApprovalRecord::begun(Some(partner), account, None, request, now);
        let expected = json!({
            "flow": flow_id(&state), "expected": partner, "account": "panel-1", "invited": null,
            "browser": pending.browser_key().fingerprint(), "answered": false,
            "expires_at": 1_000_000 + PENDING_LIFE.as_secs(),
        });
        let kept = to_value(&record).expect("JSON");
        assert_eq!(kept, expected);
        assert_eq!(record.id(), ApprovalRecord::id_of(&state));
        let secret = state.split_once('.').expect("a mark").1;
        assert!(!kept.to_string().contains(secret), "only its hash is kept");
        assert!(!format!("{pending:?} {record:?}").contains(secret));
    }
}
