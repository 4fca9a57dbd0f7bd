//! ID tokens: their format is that of the endpoint. Only v1.0 carries `amr`.
//!
//! Source: Microsoft identity platform, "ID tokens"; OpenID Connect Core 1.0, section 2.

use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;
use serde_json::to_value;

use super::lies::tamper;
use super::{Subject, v1_issuer, v2_issuer};
use crate::emulator::script::Tampering;
use crate::emulator::state::World;
use crate::emulator::state::directory::{Kind, Presence};
use crate::emulator::state::flow::Version;
use crate::emulator::state::signer::{Signer, unsigned};
use crate::model::clock::unix_seconds;
use crate::model::tenant::{ClientId, TenantId, UserId};

/// An ID token to be.
pub(in crate::emulator::entra) struct Identity<'a> {
    pub(in crate::emulator::entra) subject: &'a Subject,
    pub(in crate::emulator::entra) login: &'a str,
    pub(in crate::emulator::entra) version: Version,
    pub(in crate::emulator::entra) nonce: Option<&'a str>,
    pub(in crate::emulator::entra) signed: bool,
    pub(in crate::emulator::entra) now: SystemTime,
}

impl Identity<'_> {
    /// Signs a new one, or lies as it was told.
    pub(in crate::emulator::entra) fn mint(&self, world: &World, lie: &Tampering) -> String {
        let [sub, uti] = [self.subject.pairwise(), world.chance.word()];
        let roles = self.subject.roles(world);
        let claims = self.claims(&sub, &uti, &roles);
        match lie {
            Tampering::None if self.signed => self.signer(world).sign(&claims),
            Tampering::None => unsigned(&claims),
            lie => self.tampered(world, &claims, lie),
        }
    }

    /// In load mode, one for everybody who asks within half its life.
    pub(in crate::emulator::entra) fn shared(&self, world: &World) -> Arc<str> {
        let Presence { tenant, user, .. } = self.subject.presence;
        let key = (tenant, user, self.subject.client, self.version);
        let now = unix_seconds(self.now);
        if let Some((until, token)) = world.id_tokens().get(&key)
            && now < *until
        {
            return Arc::clone(token);
        }
        let token: Arc<str> = self.mint(world, &Tampering::None).into();
        world.keep_id_token(key, now + LIFE / 2, Arc::clone(&token), now);
        token
    }

    fn tampered(&self, world: &World, claims: &Claims<'_>, lie: &Tampering) -> String {
        let mut claims = to_value(claims).expect("claims are plain data");
        tamper(world, self.login, &mut claims, lie);
        let signer = match lie {
            Tampering::KeyOfAnotherTenant => {
                world.keys.of_another_tenant(self.subject.presence.tenant)
            }
            _ => self.signer(world),
        };
        if self.signed { signer.sign_tampered(&claims, lie) } else { unsigned(&claims) }
    }

    fn signer(&self, world: &World) -> Arc<Signer> {
        world.keys.signing(self.subject.presence.tenant)
    }

    fn claims<'c>(&'c self, sub: &'c str, uti: &'c str, roles: &'c [String]) -> Claims<'c> {
        let Presence { tenant, user, kind } = self.subject.presence;
        let (now, profile) = (unix_seconds(self.now), &self.subject.profile);
        let is_v1 = self.version == Version::V1;
        let v1 = |text: &'c str| is_v1.then_some(text);
        Claims {
            aud: self.subject.client,
            iss: if is_v1 { v1_issuer(tenant) } else { v2_issuer(self.login, tenant) },
            iat: now,
            nbf: now,
            exp: now + LIFE,
            auth_time: unix_seconds(self.subject.signed_in.at),
            acct: u8::from(kind == Kind::Guest),
            amr: is_v1.then(|| self.subject.factors()),
            name: &profile.display_name,
            preferred_username: (!is_v1).then_some(&profile.name),
            unique_name: v1(&profile.name),
            upn: (is_v1 || profile.asked.upn).then_some(&profile.name),
            email: profile.asked.email.then_some(&profile.name),
            oid: user,
            tid: tenant,
            sub,
            uti,
            ver: if is_v1 { "1.0" } else { "2.0" },
            nonce: self.nonce,
            idp: self.subject.identity_provider(),
            wids: if profile.asked.roles { roles } else { &[] },
            groups: &profile.asked.groups,
        }
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: ClientId,
    iss: String,
    iat: u64,
    nbf: u64,
    exp: u64,
    auth_time: u64,
    acct: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    amr: Option<&'a [&'a str]>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unique_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    oid: UserId,
    tid: TenantId,
    sub: &'a str,
    uti: &'a str,
    ver: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idp: Option<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    wids: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    groups: &'a [String],
}

const LIFE: u64 = 3600;
