//! The members of operations, as JSON has them.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::emulator::{
    ConditionalAccess, Emulator, MfaAnswer, MfaEnforcement, MfaMethod, Tampering, User,
};
use crate::model::tenant::{ClientId, TenantId, UserId};

/// Declares forms of plain members; one that is not known is refused, wherever it stands.
macro_rules! forms {
    ($($name:ident { $($member:ident: $kind:ty),+ $(,)? })+) => {$(
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name { $(pub(super) $member: $kind),+ }
    )+};
}

forms! {
    Named { name: String }
    UserForm { tenant: TenantId, id: UserId, name: String, password: String, code: String }
    GuestForm { home: UserForm, tenant: TenantId }
    At { tenant: TenantId }
    NamedAt { tenant: TenantId, name: String }
    NamedCustomer { partner: TenantId, name: String }
    DomainAt { tenant: TenantId, domain: String }
    Between { partner: TenantId, customer: TenantId }
    Person { tenant: TenantId, user: UserId }
    PasswordChange { tenant: TenantId, user: UserId, revokes_sessions: bool }
    Client { client: ClientId }
    ClientAt { tenant: TenantId, client: ClientId }
    Disabled { client: ClientId, disabled: bool }
    FollowedBy { client: ClientId, on: bool }
    GrantForm { tenant: TenantId, client: ClientId, resource: String, permissions: Vec<String> }
    ManifestForm { home: TenantId, manifest: Value }
    Id { id: u64 }
    Switch { on: bool }
    How { how: String }
    Seconds { seconds: f64 }
    Shift { seconds: i64 }
    Life { shortest: u64, longest: u64 }
    Requests { requests: Option<u32> }
    VaultLimit { limit: Option<usize>, says_when: bool }
}

/// What is to change about a user; what is not said stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserChange {
    tenant: TenantId,
    user: UserId,
    mfa: Option<String>,
    administrator: Option<bool>,
    disabled: Option<bool>,
    locked: Option<bool>,
    must_change_password: Option<bool>,
    roles: Option<Vec<String>>,
    display_name: Option<String>,
}

/// A tenant's policy; what is not said is not demanded.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyForm {
    pub(super) tenant: TenantId,
    #[serde(default)]
    require_mfa: bool,
    #[serde(default)]
    blocked: bool,
    /// In seconds.
    sign_in_frequency: Option<u64>,
    resources: Option<Vec<String>>,
}

impl Person {
    /// A user by ids alone, which is all that a change looks at.
    pub(super) fn somebody(&self) -> User {
        let empty = String::new;
        let Self { tenant, user: id } = *self;
        User { tenant, id, name: empty(), password: empty(), code: empty() }
    }
}

impl GuestForm {
    /// The user as `add_user` answered.
    pub(super) fn home(&self) -> User {
        let UserForm { tenant, id, name, password, code } = &self.home;
        let [name, password, code] = [name, password, code].map(String::clone);
        User { tenant: *tenant, id: *id, name, password, code }
    }
}

impl PasswordChange {
    pub(super) fn person(&self) -> Person {
        Person { tenant: self.tenant, user: self.user }
    }
}

impl GrantForm {
    pub(super) fn grant(&self, entra: &Emulator) {
        let permissions: Vec<&str> = self.permissions.iter().map(String::as_str).collect();
        entra.grant(self.tenant, self.client, &self.resource, &permissions);
    }
}

impl ManifestForm {
    pub(super) fn register(&self, entra: &Emulator) -> Result<Value, String> {
        let registered = entra.register_manifest(self.home, &self.manifest.to_string());
        let registered = registered.map_err(|error| error.to_string())?;
        Ok(json!({ "client": registered.client_id, "name": registered.name }))
    }
}

impl UserChange {
    pub(super) fn run(self, entra: &Emulator) -> Result<(), String> {
        let mfa = self.mfa.as_deref().map(method).transpose()?;
        let person = Person { tenant: self.tenant, user: self.user };
        entra.change_user(&person.somebody(), |account| {
            account.mfa = mfa.unwrap_or(account.mfa);
            account.administrator = self.administrator.unwrap_or(account.administrator);
            account.disabled = self.disabled.unwrap_or(account.disabled);
            account.locked = self.locked.unwrap_or(account.locked);
            account.must_change_password =
                self.must_change_password.unwrap_or(account.must_change_password);
            account.roles = self.roles.unwrap_or_else(|| std::mem::take(&mut account.roles));
            if let Some(name) = self.display_name {
                account.display_name = name;
            }
        });
        Ok(())
    }
}

impl PolicyForm {
    pub(super) fn policy(self) -> ConditionalAccess {
        ConditionalAccess {
            require_mfa: self.require_mfa,
            blocked: self.blocked,
            sign_in_frequency: self.sign_in_frequency.map(Duration::from_secs),
            resources: self.resources,
        }
    }
}

impl Seconds {
    pub(super) fn time(&self) -> Result<Duration, String> {
        duration(self.seconds)
    }
}

impl Life {
    pub(super) fn ends(&self) -> Result<[Duration; 2], String> {
        let ends = [self.shortest, self.longest];
        if ends.into_iter().any(|seconds| seconds > YEAR) {
            return Err(format!("a token lives for a year at most, {YEAR} seconds"));
        }
        Ok(ends.map(Duration::from_secs))
    }
}

impl How {
    pub(super) fn tampering(&self) -> Result<Tampering, String> {
        Ok(match self.how.as_str() {
            "none" => Tampering::None,
            "bad_signature" => Tampering::BadSignature,
            "alg_none" => Tampering::AlgNone,
            "public_key_as_secret" => Tampering::PublicKeyAsSecret,
            "unknown_kid" => Tampering::UnknownKid,
            "wrong_issuer" => Tampering::WrongIssuer,
            "wrong_audience" => Tampering::WrongAudience,
            "wrong_nonce" => Tampering::WrongNonce,
            "missing_nonce" => Tampering::MissingNonce,
            "expired" => Tampering::Expired,
            "not_yet_valid" => Tampering::NotYetValid,
            other => return Err(format!("no tampering {other}")),
        })
    }
}

impl How {
    pub(super) fn verdict(&self) -> Result<MfaAnswer, String> {
        Ok(match self.how.as_str() {
            "honest" => MfaAnswer::Honest,
            "compliant" => MfaAnswer::Compliant,
            "not_compliant" => MfaAnswer::NotCompliant,
            "header_absent" => MfaAnswer::HeaderAbsent,
            "refused_900421" => MfaAnswer::Refused900421,
            other => return Err(format!("no verdict {other}")),
        })
    }

    pub(super) fn enforcement(&self) -> Result<MfaEnforcement, String> {
        Ok(match self.how.as_str() {
            "off" => MfaEnforcement::Off,
            "refused" => MfaEnforcement::Refused,
            "bare" => MfaEnforcement::Bare,
            other => return Err(format!("no enforcement {other}")),
        })
    }
}

/// Seconds as a request has them, of a century at most.
pub(super) fn duration(seconds: f64) -> Result<Duration, String> {
    if seconds > CENTURY {
        return Err(format!("a time is a century at most, {CENTURY} seconds"));
    }
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn method(name: &str) -> Result<MfaMethod, String> {
    match name {
        "none" => Ok(MfaMethod::None),
        "authenticator" | "registered" => Ok(MfaMethod::Authenticator),
        "phone" => Ok(MfaMethod::Phone),
        other => Err(format!("mfa is none, authenticator or phone, not {other}")),
    }
}

pub(super) fn user_form(user: &User) -> Value {
    let User { tenant, id, name, password, code } = user;
    json!({ "tenant": tenant, "id": id, "name": name, "password": password, "code": code })
}

const YEAR: u64 = 365 * 24 * 3600;
const CENTURY: f64 = 100.0 * 365.0 * 24.0 * 3600.0;
