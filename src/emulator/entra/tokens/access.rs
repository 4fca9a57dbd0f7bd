//! Access tokens: their format is their resource's choice, whatever endpoint was asked.
//!
//! Source: Microsoft identity platform, "Access tokens". Only the v1.0 format, which Partner Center
//! and Graph are given, carries `amr`.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::{Subject, v1_issuer, v2_issuer};
use crate::emulator::bearer::OPAQUE;
use crate::emulator::state::World;
use crate::emulator::state::directory::Presence;
use crate::model::clock::{later, unix_seconds};
use crate::model::tenant::{ClientId, TenantId, UserId};

/// An access token to be.
pub(in crate::emulator::entra) struct Access<'a> {
    pub(in crate::emulator::entra) subject: &'a Subject,
    pub(in crate::emulator::entra) login: &'a str,
    pub(in crate::emulator::entra) resource: &'a str,
    /// The application of a resource that takes the v2.0 format only.
    pub(in crate::emulator::entra) v2_audience: Option<ClientId>,
    pub(in crate::emulator::entra) permissions: &'a str,
    pub(in crate::emulator::entra) now: SystemTime,
    pub(in crate::emulator::entra) life: Duration,
    /// Whether the client can answer a claims challenge at any time.
    pub(in crate::emulator::entra) continuous: bool,
    /// Whether nobody but this emulator can read it.
    pub(in crate::emulator::entra) opaque: bool,
}

impl Access<'_> {
    pub(in crate::emulator::entra) fn mint(&self, world: &World) -> String {
        let idp = self.subject.identity_provider();
        if self.opaque {
            return world.seal.close(OPAQUE, &self.opaque(idp.as_deref()));
        }
        let [sub, uti] = [self.subject.pairwise(), world.chance.word()];
        let roles = self.subject.roles(world);
        let common = Common { wids: &roles, ..self.common(&sub, &uti, idp.as_deref()) };
        let signer = world.keys.signing(self.subject.presence.tenant);
        match self.v2_audience {
            Some(audience) => signer.sign(&self.v2(common, audience)),
            None => signer.sign(&self.v1(common)),
        }
    }

    fn opaque<'c>(&'c self, idp: Option<&'c str>) -> Opaque<'c> {
        let Presence { tenant, user, .. } = self.subject.presence;
        Opaque {
            aud: self.resource,
            exp: unix_seconds(later(self.now, self.life)),
            amr: self.subject.factors(),
            appid: self.subject.client,
            idp,
            name: &self.subject.profile.display_name,
            oid: user,
            scp: self.permissions,
            tid: tenant,
            upn: &self.subject.profile.name,
        }
    }

    fn common<'c>(&'c self, sub: &'c str, uti: &'c str, idp: Option<&'c str>) -> Common<'c> {
        let Presence { tenant, user, .. } = self.subject.presence;
        let now = unix_seconds(self.now);
        Common {
            iat: now,
            nbf: now,
            exp: unix_seconds(later(self.now, self.life)),
            name: &self.subject.profile.display_name,
            oid: user,
            tid: tenant,
            scp: self.permissions,
            sub,
            uti,
            idp,
            wids: &[],
            xms_cc: if self.continuous { &["cp1"] } else { &[] },
        }
    }

    fn v1<'c>(&'c self, common: Common<'c>) -> V1<'c> {
        let name = &self.subject.profile.name;
        V1 {
            aud: self.resource,
            iss: v1_issuer(common.tid),
            acr: "1",
            amr: self.subject.factors(),
            appid: self.subject.client,
            appidacr: self.subject.client_proof(),
            unique_name: name,
            upn: name,
            ver: "1.0",
            common,
        }
    }

    fn v2<'c>(&'c self, common: Common<'c>, audience: ClientId) -> V2<'c> {
        V2 {
            aud: audience,
            iss: v2_issuer(self.login, common.tid),
            azp: self.subject.client,
            azpacr: self.subject.client_proof(),
            preferred_username: &self.subject.profile.name,
            ver: "2.0",
            common,
        }
    }
}

/// What the emulator's own APIs look at, and nobody else can.
#[derive(Serialize)]
struct Opaque<'a> {
    aud: &'a str,
    exp: u64,
    amr: &'a [&'a str],
    appid: ClientId,
    #[serde(skip_serializing_if = "Option::is_none")]
    idp: Option<&'a str>,
    name: &'a str,
    oid: UserId,
    scp: &'a str,
    tid: TenantId,
    upn: &'a str,
}

#[derive(Serialize)]
struct Common<'a> {
    iat: u64,
    nbf: u64,
    exp: u64,
    name: &'a str,
    oid: UserId,
    tid: TenantId,
    scp: &'a str,
    sub: &'a str,
    uti: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    idp: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    wids: &'a [String],
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    xms_cc: &'a [&'a str],
}

#[derive(Serialize)]
struct V1<'a> {
    aud: &'a str,
    iss: String,
    acr: &'a str,
    amr: &'a [&'a str],
    appid: ClientId,
    appidacr: &'a str,
    unique_name: &'a str,
    upn: &'a str,
    ver: &'a str,
    #[serde(flatten)]
    common: Common<'a>,
}

#[derive(Serialize)]
struct V2<'a> {
    aud: ClientId,
    iss: String,
    azp: ClientId,
    azpacr: &'a str,
    preferred_username: &'a str,
    ver: &'a str,
    #[serde(flatten)]
    common: Common<'a>,
}
