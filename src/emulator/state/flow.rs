//! An authorization request on its way: what was asked, where its person stands, what came of it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use uuid::Uuid;

use super::directory::{Person, Presence, personal_tenant};
use crate::emulator::fields::Fields;
use crate::emulator::refusal::Refusal;
use crate::emulator::scopes::Asked;
use crate::emulator::site::Site;
use crate::model::tenant::{ClientId, TenantId};

/// A request by a browser that was understood: for a code, or for an administrator's consent.
pub(crate) struct AuthorizationRequest {
    /// Whose endpoint it came to; its code belongs to the token endpoint of the same version.
    pub(crate) version: Version,
    pub(crate) goal: Goal,
    /// By which address the browser came.
    pub(crate) site: Site,
    pub(crate) authority: Authority,
    pub(crate) client: ClientId,
    pub(crate) application_name: String,
    /// On v1, where `scope` counts for nothing: an ID token, a refresh token, and `.default` of the
    /// resource, if one is named.
    pub(crate) asked: Asked,
    /// The `resource` of a v1 request, as its URI; a token request may name no other.
    pub(crate) resource: Option<String>,
    pub(crate) return_to: ReturnTo,
    pub(crate) nonce: Option<String>,
    pub(crate) challenge: Option<Challenge>,
    pub(crate) prompt: Prompt,
    pub(crate) hints: Hints,
    /// The `claims` parameter (OpenID Connect Core 1.0, section 5.5), an object.
    pub(crate) claims: Option<Value>,
    /// How old the sign-in may be.
    pub(crate) max_age: Option<Duration>,
    /// Whether it says `amr_values=mfa`, which v1 knows.
    pub(crate) wants_mfa: bool,
    /// Whether replies are to carry `client_info`.
    pub(crate) client_info: bool,
}

/// What an application sends a browser for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    Code,
    AdminConsent,
}

/// What an application knows of the person.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hints {
    pub(crate) login: Option<String>,
    pub(crate) domain: Option<String>,
}

/// Of which version an endpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// `/oauth2/authorize` and `/oauth2/token`, as Azure AD v1.0 has them.
    V1,
    /// `/oauth2/v2.0/authorize` and `/oauth2/v2.0/token`.
    V2,
}

/// The directory that a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Authority {
    Common,
    Organizations,
    Tenant(TenantId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prompt {
    Unsaid,
    Login,
    Consent,
    None,
    SelectAccount,
    /// Known to v1 only.
    AdminConsent,
}

impl AuthorizationRequest {
    /// Whether its claims ask for a second factor that is shown now: an authentication context, or
    /// a policy of Conditional Access.
    pub(crate) fn steps_up(&self) -> bool {
        let essential = |path: &&str| {
            let claims = self.claims.as_ref();
            claims.and_then(|claims| claims.pointer(path)) == Some(&Value::Bool(true))
        };
        STEP_UPS.iter().any(essential)
    }

    /// Whether it asks for consent whatever has been granted.
    pub(crate) fn asks_for_consent(&self) -> bool {
        matches!(self.prompt, Prompt::Consent | Prompt::AdminConsent) || self.is_for_everyone()
    }

    /// Whether consent is an administrator's to give, and then for everyone in the tenant.
    pub(crate) fn is_for_everyone(&self) -> bool {
        self.goal == Goal::AdminConsent || self.prompt == Prompt::AdminConsent
    }
}

/// What the code's redeemer must know (RFC 7636).
#[derive(Debug, Clone)]
pub(crate) struct Challenge {
    hashed: bool,
    text: String,
}

impl Authority {
    /// The tenant that a person signs in to here. Personal accounts have no place in a directory of
    /// work accounts.
    pub(crate) fn tenant_for(self, person: Person) -> Result<TenantId, Refusal> {
        match self {
            Self::Tenant(tenant) => Ok(tenant),
            Self::Organizations if person.tenant == personal_tenant() => Err(Refusal::new(50_020)),
            Self::Common | Self::Organizations => Ok(person.tenant),
        }
    }

    pub(crate) const fn named_tenant(self) -> Option<TenantId> {
        match self {
            Self::Tenant(tenant) => Some(tenant),
            Self::Common | Self::Organizations => None,
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Common => out.write_str("common"),
            Self::Organizations => out.write_str("organizations"),
            Self::Tenant(tenant) => tenant.fmt(out),
        }
    }
}

impl Challenge {
    pub(crate) fn of(fields: &Fields) -> Result<Option<Self>, Refusal> {
        let Some(text) = fields.owned("code_challenge") else { return Ok(None) };
        let hashed = match fields.find("code_challenge_method") {
            Some("S256") => true,
            Some("plain") | None => false,
            Some(_) => return Err(Refusal::new(501_491)),
        };
        if !(43..=128).contains(&text.len()) || hashed && text.len() != 43 {
            return Err(Refusal::new(50_147));
        }
        Ok(Some(Self { hashed, text }))
    }

    pub(crate) fn is_met_by(&self, verifier: &str) -> bool {
        if !self.hashed {
            return self.text == verifier;
        }
        self.text == URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
    }
}

/// Where and how an application wants its answer, and the state it gave.
#[derive(Clone)]
pub(crate) struct ReturnTo {
    pub(crate) redirect_uri: String,
    pub(crate) mode: ReturnMode,
    pub(crate) state: Option<String>,
    pub(crate) goal: Goal,
    /// The correlation id that the application gave.
    pub(crate) correlation: Option<Uuid>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReturnMode {
    Query,
    Fragment,
    FormPost,
}

impl ReturnMode {
    pub(crate) fn of(text: Option<&str>) -> Result<Self, Refusal> {
        match text {
            None | Some("query") => Ok(Self::Query),
            Some("fragment") => Ok(Self::Fragment),
            Some("form_post") => Ok(Self::FormPost),
            Some(_) => Err(Refusal::new(70_007)),
        }
    }
}

/// A request and how far its person has come.
pub(crate) struct Flow {
    pub(crate) request: Arc<AuthorizationRequest>,
    pub(crate) step: Step,
}

/// What a person is asked next.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Choose one of the accounts that are signed in, or another.
    Account(Vec<SignIn>),
    Name,
    Password(Person),
    /// The password was right and has expired.
    NewPassword(Person),
    Code(Person),
    /// A second factor is demanded and there is none yet.
    Enrolment(Person),
    /// Nothing to do but go back: an administrator is needed.
    Approval,
    Consent(Consent),
}

/// What a person is asked to agree to.
#[derive(Debug, Clone)]
pub(crate) struct Consent {
    pub(crate) signed_in: SignIn,
    pub(crate) presence: Presence,
    /// Resource and permission.
    pub(crate) permissions: Vec<(String, String)>,
}

/// Who signed in, how and when: kept in the browser's session, a code and a refresh token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SignIn {
    pub(crate) person: Person,
    pub(crate) mfa: bool,
    pub(crate) at: SystemTime,
    /// How often the person's sessions had been revoked by then.
    pub(crate) revocations: u32,
}

impl SignIn {
    /// The account at its home, whatever tenant a token is for, as Microsoft's clients file it.
    pub(crate) fn client_info(&self) -> String {
        let Person { tenant, user } = self.person;
        URL_SAFE_NO_PAD.encode(format!(r#"{{"uid":"{user}","utid":"{tenant}"}}"#))
    }
}

/// Who is signed in in a browser, the latest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Session(pub(crate) Vec<SignIn>);

/// An authorization code that was handed out.
#[derive(Clone)]
pub(crate) struct Code {
    pub(crate) request: Arc<AuthorizationRequest>,
    pub(crate) signed_in: SignIn,
    pub(crate) presence: Presence,
    pub(crate) issued: SystemTime,
    pub(crate) redeemed: bool,
}

/// Where claims say that they are essential, of those that a second factor meets.
const STEP_UPS: [&str; 3] = [
    "/access_token/acrs/essential",
    "/access_token/capolids/essential",
    "/id_token/acrs/essential",
];
