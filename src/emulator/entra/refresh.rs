//! Redeeming refresh tokens.
//!
//! Source: RFC 6749, section 6; Microsoft identity platform, "Refresh tokens": one is bound to a
//! user and a client, not to a tenant or a resource, and dies ninety days after its own issue.

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use super::admission::check_person;
use super::grants::{Granted, Proved};
use crate::emulator::refusal::Refusal;
use crate::emulator::scopes::Asked;
use crate::emulator::state::World;
use crate::emulator::state::directory::Person;
use crate::emulator::state::flow::{SignIn, Version};
use crate::model::clock::{from_unix_seconds, unix_seconds};
use crate::model::tenant::ClientId;

/// What a refresh token means; it travels sealed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RefreshToken {
    /// Which one it is of all that were issued.
    pub(super) serial: u64,
    client: ClientId,
    issued: u64,
    openid: bool,
    pub(super) signed_in: SignIn,
    pub(super) resource: Option<String>,
}

impl RefreshToken {
    pub(super) fn of(world: &World, granted: &Granted) -> Self {
        Self {
            serial: world.next_refresh_token(),
            client: granted.subject.client,
            issued: unix_seconds(world.now()),
            openid: granted.asked.openid,
            signed_in: granted.subject.signed_in,
            resource: Some(granted.resource.clone()),
        }
    }

    pub(super) fn close(&self, world: &World) -> String {
        world.seal.close_bytes(SORT, self.to_bytes())
    }

    pub(super) fn open(world: &World, text: &str) -> Option<Self> {
        Self::from_bytes(&world.seal.open_bytes(SORT, text)?)
    }

    /// Numbers and ids of known length, then the resource; thousands are read in a second.
    fn to_bytes(&self) -> Vec<u8> {
        let SignIn { person, mfa, at, revocations } = self.signed_in;
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut bytes = Vec::with_capacity(256);
        for number in [self.serial, self.issued, since.as_secs()] {
            bytes.extend(number.to_be_bytes());
        }
        for number in [since.subsec_nanos(), revocations] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend([u8::from(self.openid), u8::from(mfa), u8::from(self.resource.is_some())]);
        for id in [self.client.as_bytes(), person.tenant.as_bytes(), person.user.as_bytes()] {
            bytes.extend(id);
        }
        bytes.extend(self.resource.iter().flat_map(|resource| resource.bytes()));
        bytes
    }

    fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let rest = &mut bytes;
        let [serial, issued, seconds] = [next(rest)?, next(rest)?, next(rest)?];
        let [nanoseconds, revocations] = [next(rest)?, next(rest)?].map(u32::from_be_bytes);
        let [openid, mfa, has_resource] = next(rest)?;
        let client = id(rest)?;
        let person = Person { tenant: id(rest)?, user: id(rest)? };
        let resource = String::from_utf8(rest.to_vec()).ok()?;
        let since = Duration::new(u64::from_be_bytes(seconds), nanoseconds);
        Some(Self {
            serial: u64::from_be_bytes(serial),
            client,
            issued: u64::from_be_bytes(issued),
            openid: openid == 1,
            signed_in: SignIn { person, mfa: mfa == 1, at: UNIX_EPOCH + since, revocations },
            resource: (has_resource == 1).then_some(resource),
        })
    }

    fn has_expired(&self, now: SystemTime) -> bool {
        now >= from_unix_seconds(self.issued) + REFRESH_TOKEN_LIFE
    }

    /// What a request without a scope asks for: what the token was issued with.
    fn asked(&self) -> Asked {
        let named = self.resource.iter().map(|resource| (resource.clone(), ".default".to_owned()));
        let named = named.collect();
        Asked { openid: self.openid, offline_access: true, named, ..Asked::default() }
    }
}

impl Proved<'_> {
    pub(super) fn redeem_refresh_token(
        &self,
        brought: Option<&RefreshToken>,
    ) -> Result<Granted, Refusal> {
        self.fields.need("refresh_token")?;
        let token = brought.ok_or_else(|| Refusal::new(70_000).with_suberror("bad_token"))?;
        if token.client != self.client {
            return Err(Refusal::new(70_000).with_suberror("client_mismatch"));
        }
        if self.world.replaced_tokens().contains(&token.serial) {
            return Err(Refusal::new(70_000).with_suberror("bad_token"));
        }
        check_person(self.world, &token.signed_in)?;
        if token.has_expired(self.world.now()) {
            return Err(Refusal::new(700_082));
        }
        let person = token.signed_in.person;
        let tenant = self.authority.tenant_for(person)?;
        let presence = self.world.directory().presence(person, tenant)?;
        self.granted(token.signed_in, presence, self.asked_with_token(token)?)
    }

    fn asked_with_token(&self, token: &RefreshToken) -> Result<Asked, Refusal> {
        if self.version == Version::V1 {
            let named = self.named_resource()?.or_else(|| token.resource.clone());
            let missing = || Refusal::new(900_144).about("'resource'");
            return Ok(Asked::everything_of(named.ok_or_else(missing)?));
        }
        self.fields.find("scope").map_or_else(|| Ok(token.asked()), Asked::parse)
    }

    /// The `resource` of a v1.0 request, by its URI or by its application's id.
    pub(super) fn named_resource(&self) -> Result<Option<String>, Refusal> {
        let Some(named) = self.fields.find("resource") else { return Ok(None) };
        let directory = self.world.directory();
        let uri = directory.catalogue.resource_of(named);
        let resource = uri.unwrap_or(named.trim_end_matches('/'));
        let known = directory.catalogue.app_id(resource).is_some();
        let unknown = || Refusal::new(500_011).about(named);
        known.then(|| Some(resource.to_owned())).ok_or_else(unknown)
    }
}

/// The next bytes of a token.
fn next<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, others) = rest.split_first_chunk()?;
    *rest = others;
    Some(*first)
}

fn id<T: FromStr>(rest: &mut &[u8]) -> Option<T> {
    let mut text = [0; 36];
    Uuid::from_bytes(next(rest)?).hyphenated().encode_lower(&mut text).parse().ok()
}

const SORT: &str = "1.";
const REFRESH_TOKEN_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_token_means_survives_its_way() {
        let id = "33333333-3333-4333-8333-333333333333";
        let person = Person { tenant: id.parse().expect("a GUID"), user: id.parse().expect("one") };
        let at = UNIX_EPOCH + Duration::new(1_800_000_000, 7);
        let signed_in = SignIn { person, mfa: true, at, revocations: 2 };
        let client = id.parse().expect("a GUID");
        for resource in [None, Some(String::new()), Some("https://x.example".to_owned())] {
            let (serial, issued, openid) = (5, 6, false);
            let token = RefreshToken { serial, client, issued, openid, signed_in, resource };
            let bytes = token.to_bytes();
            assert_eq!(RefreshToken::from_bytes(&bytes), Some(token));
            assert_eq!(RefreshToken::from_bytes(&bytes[..82]), None);
        }
    }
}
