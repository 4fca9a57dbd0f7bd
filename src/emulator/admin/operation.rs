//! What can be asked for: an operation's name and members are those of the method.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::ask;
use super::forms::{
    At, Between, Client, ClientAt, Disabled, DomainAt, FollowedBy, GrantForm, GuestForm, How, Id,
    Life, ManifestForm, Named, NamedAt, NamedCustomer, PasswordChange, Person, PolicyForm,
    Requests, Seconds, Shift, Switch, UserChange, VaultLimit, user_form,
};
use super::script::{FailureForm, RuleForm};
use crate::emulator::{Emulator, Endpoint};

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Operation {
    AddTenant(Named),
    RemoveTenant(At),
    AddDomain(DomainAt),
    AddUser(NamedAt),
    AddGuest(GuestForm),
    RemoveUser(Person),
    ChangeUser(UserChange),
    RevokeSessions(Person),
    ChangePassword(PasswordChange),
    ResetPassword(Person),
    AddCustomer(NamedCustomer),
    AddResellerCustomer(NamedCustomer),
    EndRelationship(Between),
    ConditionalAccess(PolicyForm),
    RegisterManifest(ManifestForm),
    AddSecret(Client),
    ExpireSecrets(Client),
    DisableApplication(Disabled),
    OneTimeAssertions(FollowedBy),
    Grant(GrantForm),
    WithdrawGrants(ClientAt),
    AddPrincipal(ClientAt),
    RemovePrincipal(ClientAt),
    ConsentsTake(Seconds),
    Fail {
        #[serde(default)]
        rule: RuleForm,
        failure: Box<FailureForm>,
    },
    Hold {
        #[serde(default)]
        rule: RuleForm,
    },
    Outage {
        endpoint: Endpoint,
    },
    Clear(Id),
    ClearAll {},
    Hits(Id),
    Waiting(Id),
    Doubts(Map<String, Value>),
    TokenTampering(How),
    IgnorePkce(Switch),
    PublishNextKey {},
    SignWithNextKey {},
    RetireOldKeys {},
    Rotation(Switch),
    OpaqueAccessTokens(Switch),
    AccessTokensLive(Life),
    ShiftClock(Shift),
    PartnerCenterMfa(How),
    PartnerCenterEnforces(How),
    PartnerCenterRate(Requests),
    PartnerCenterTenantRate(Requests),
    CreateVaultKey(Named),
    VaultThrottle(VaultLimit),
    VaultDeletesTake(Seconds),
    PurgeProtection(Switch),
    AddManagedIdentity {},
    Ledger {},
    PartnerCenterCalls {},
    VaultCalls {},
    ForgetLedger {},
}

/// What it answers, or what was wrong with the question.
pub(super) type Answer = Result<Value, String>;

impl Operation {
    pub(super) fn read(name: &str, body: &[u8]) -> Result<Self, String> {
        let members: Map<String, Value> = match body {
            [] => Map::new(),
            body => serde_json::from_slice(body).map_err(|error| error.to_string())?,
        };
        serde_json::from_value(json!({ name: members })).map_err(|error| error.to_string())
    }

    /// Does it; what has nothing to say answers with an empty object.
    #[expect(clippy::unit_arg, reason = "each line shows one method and what it answers")]
    pub(super) fn run(self, entra: &Emulator) -> Answer {
        Ok(match self {
            Self::AddTenant(it) => json!({ "tenant": entra.add_tenant(&it.name) }),
            Self::AddUser(it) => user_form(&entra.add_user(it.tenant, &it.name)),
            Self::AddGuest(it) => user_form(&entra.add_guest(&it.home(), it.tenant)),
            Self::AddCustomer(it) => {
                json!({ "tenant": entra.add_customer(it.partner, &it.name) })
            }
            Self::AddResellerCustomer(it) => {
                json!({ "tenant": entra.add_reseller_customer(it.partner, &it.name) })
            }
            Self::AddDomain(it) => json!({ "added": entra.add_domain(it.tenant, &it.domain) }),
            Self::ChangePassword(it) => {
                let user = it.person().somebody();
                let changed = entra.change_password(&user, it.revokes_sessions);
                json!({ "password": changed.password })
            }
            Self::ResetPassword(it) => {
                json!({ "password": entra.reset_password(&it.somebody()).password })
            }
            Self::RegisterManifest(it) => it.register(entra)?,
            Self::AddSecret(it) => {
                let secret = entra.add_secret(it.client).ok_or("no such application")?;
                json!({ "secret": secret.expose() })
            }
            Self::Fail { rule, failure } => {
                json!({ "id": entra.fail(rule.read()?, failure.read()?).id() })
            }
            Self::Hold { rule } => {
                let (id, _) = entra.world().playbook.hold(rule.read()?);
                json!({ "id": id })
            }
            Self::Outage { endpoint } => json!({ "id": entra.outage(endpoint).id() }),
            Self::Hits(it) => json!({ "hits": entra.world().playbook.hits(it.id) }),
            Self::Waiting(it) => json!({ "requests": entra.world().playbook.waiting(it.id) }),
            Self::CreateVaultKey(it) => json!({ "kid": entra.create_vault_key(&it.name) }),
            Self::AddManagedIdentity {} => json!({ "client": entra.add_managed_identity() }),
            Self::Ledger {} => ask::tokens(entra),
            Self::PartnerCenterCalls {} => ask::partner_center(entra),
            Self::VaultCalls {} => ask::vault(entra),
            Self::RemoveTenant(it) => done(entra.remove_tenant(it.tenant)),
            Self::RemoveUser(it) => done(entra.remove_user(&it.somebody())),
            Self::ChangeUser(it) => done(it.run(entra)?),
            Self::RevokeSessions(it) => done(entra.revoke_sessions(&it.somebody())),
            Self::EndRelationship(it) => done(entra.end_relationship(it.partner, it.customer)),
            Self::ConditionalAccess(it) => done(entra.conditional_access(it.tenant, it.policy())),
            Self::ExpireSecrets(it) => done(entra.expire_secrets(it.client)),
            Self::DisableApplication(it) => done(entra.disable_application(it.client, it.disabled)),
            Self::OneTimeAssertions(it) => done(entra.one_time_assertions(it.client, it.on)),
            Self::Grant(it) => done(it.grant(entra)),
            Self::WithdrawGrants(it) => done(entra.withdraw_grants(it.tenant, it.client)),
            Self::AddPrincipal(it) => done(entra.add_principal(it.tenant, it.client)),
            Self::RemovePrincipal(it) => done(entra.remove_principal(it.tenant, it.client)),
            Self::ConsentsTake(it) => done(entra.consents_take(it.time()?)),
            Self::Clear(it) => done(entra.world().playbook.clear(it.id)),
            Self::ClearAll {} => done(entra.world().playbook.clear_all()),
            Self::Doubts(changes) => done(ask::doubt(entra, changes)?),
            Self::TokenTampering(it) => done(entra.token_tampering(it.tampering()?)),
            Self::IgnorePkce(it) => done(entra.ignore_pkce(it.on)),
            Self::PublishNextKey {} => done(entra.publish_next_key()),
            Self::SignWithNextKey {} => done(entra.sign_with_next_key()),
            Self::RetireOldKeys {} => done(entra.retire_old_keys()),
            Self::Rotation(it) => done(entra.rotation(it.on)),
            Self::OpaqueAccessTokens(it) => done(entra.opaque_access_tokens(it.on)),
            Self::AccessTokensLive(it) => {
                let [shortest, longest] = it.ends()?;
                done(entra.access_tokens_live(shortest, longest))
            }
            Self::ShiftClock(it) => done(entra.shift_clock(it.seconds)),
            Self::PartnerCenterMfa(it) => done(entra.partner_center_mfa(it.verdict()?)),
            Self::PartnerCenterEnforces(it) => {
                done(entra.partner_center_enforces(it.enforcement()?))
            }
            Self::PartnerCenterRate(it) => done(entra.partner_center_rate(it.requests)),
            Self::PartnerCenterTenantRate(it) => {
                done(entra.partner_center_tenant_rate(it.requests))
            }
            Self::VaultThrottle(it) => done(entra.vault_throttle(it.limit, it.says_when)),
            Self::VaultDeletesTake(it) => done(entra.vault_deletes_take(it.time()?)),
            Self::PurgeProtection(it) => done(entra.purge_protection(it.on)),
            Self::ForgetLedger {} => done(entra.forget_ledger()),
        })
    }
}

fn done((): ()) -> Value {
    json!({})
}
