//! What tokens say.
//!
//! Source: Microsoft identity platform, "ID token claims" and "Access token claims". Partner Center
//! and Graph are given tokens of the v1.0 format, which alone carries `amr`.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::jwt::signer;
use crate::emulator::random;
use crate::emulator::script::Tampering;
use crate::emulator::state::directory::{Account, Kind, Presence};
use crate::emulator::state::{SignIn, World};
use crate::model::clock::unix_seconds;
use crate::model::tenant::ClientId;

/// For whom and what tokens are made.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) client: ClientId,
    pub(crate) presence: Presence,
    pub(crate) signed_in: SignIn,
    pub(crate) account: Account,
}

impl Subject {
    fn pairwise(&self) -> String {
        let Presence { tenant, user, .. } = self.presence;
        let text = format!("{} {tenant} {user}", self.client);
        URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
    }

    fn identity_provider(&self) -> Option<String> {
        let home = self.signed_in.person.tenant;
        (self.presence.kind != Kind::Member).then(|| format!("https://sts.windows.net/{home}/"))
    }
}

/// An access token in the v1.0 format, as JWT or, for load and for clients that peek, opaque.
pub(crate) fn access_token(
    world: &World,
    subject: &Subject,
    resource: &str,
    permissions: &str,
    life: Duration,
) -> String {
    let now = world.now();
    let Presence { tenant, user, .. } = subject.presence;
    let factors: &[&str] = if subject.signed_in.mfa { &["pwd", "mfa"] } else { &["pwd"] };
    let mut claims = json!({
        "aud": resource,
        "iss": format!("https://sts.windows.net/{tenant}/"),
        "iat": unix_seconds(now), "nbf": unix_seconds(now), "exp": unix_seconds(now + life),
        "acr": "1", "amr": factors, "appid": subject.client, "appidacr": "1",
        "name": subject.account.display_name, "unique_name": subject.account.name(),
        "upn": subject.account.name(), "oid": user, "tid": tenant, "scp": permissions,
        "sub": subject.pairwise(), "uti": random::word(), "ver": "1.0",
    });
    add_optional(&mut claims, subject);
    let opaque = world.script().opaque_access_tokens;
    if opaque { world.seal.close(OPAQUE, &claims) } else { signer().sign(&claims) }
}

/// The claims of an access token of this emulator, whichever way it was made.
pub(crate) fn read_access_token(world: &World, token: &str) -> Option<Value> {
    world.seal.open(OPAQUE, token).or_else(|| signer().read(token))
}

/// An ID token of the v2.0 endpoint: it carries no `amr`.
pub(crate) fn id_token(world: &World, subject: &Subject, nonce: Option<&str>) -> String {
    let now = unix_seconds(world.now());
    let Presence { tenant, user, kind } = subject.presence;
    let mut claims = json!({
        "aud": subject.client,
        "iss": format!("{}/{tenant}/v2.0", world.origins.login),
        "iat": now, "nbf": now, "exp": now + 3600,
        "auth_time": unix_seconds(subject.signed_in.at),
        "acct": u8::from(kind == Kind::Guest),
        "name": subject.account.display_name, "preferred_username": subject.account.name(),
        "oid": user, "tid": tenant, "sub": subject.pairwise(), "uti": random::word(),
        "ver": "2.0",
    });
    if let Some(nonce) = nonce {
        claims["nonce"] = Value::from(nonce);
    }
    add_optional(&mut claims, subject);
    let tampering = world.script().tampering.clone();
    tamper(&mut claims, &tampering, &world.origins.login);
    signer().sign_tampered(&claims, &tampering)
}

fn add_optional(claims: &mut Value, subject: &Subject) {
    if let Some(provider) = subject.identity_provider() {
        claims["idp"] = Value::from(provider);
    }
    if !subject.account.roles.is_empty() {
        claims["wids"] = json!(subject.account.roles);
    }
}

fn tamper(claims: &mut Value, how: &Tampering, login: &str) {
    let now = claims["iat"].as_u64().unwrap_or_default();
    match how {
        Tampering::WrongIssuer => claims["iss"] = json!("https://login.example/v2.0"),
        Tampering::WrongAudience => claims["aud"] = json!(random::guid().to_string()),
        Tampering::WrongNonce => claims["nonce"] = json!(random::word()),
        Tampering::MissingNonce => drop(claims.as_object_mut().and_then(|c| c.remove("nonce"))),
        Tampering::Expired => claims["exp"] = json!(now.saturating_sub(3600)),
        Tampering::NotYetValid => claims["nbf"] = json!(now + 3600),
        Tampering::OtherTenant(tenant) => {
            claims["tid"] = json!(tenant);
            claims["iss"] = json!(format!("{login}/{tenant}/v2.0"));
        }
        Tampering::Without(claim) => drop(claims.as_object_mut().and_then(|c| c.remove(claim))),
        Tampering::With(claim, value) => claims[claim] = value.clone(),
        _ => {}
    }
}

const OPAQUE: &str = "2.";
