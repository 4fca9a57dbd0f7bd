//! How a successful reply is spelled.
//!
//! Source: RFC 6749, section 5.1; Microsoft identity platform, "OAuth 2.0 authorization code flow";
//! Azure AD for developers v1.0, where every integer is text.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use super::grants::Granted;
use super::refresh::RefreshToken;
use super::tokens::{Access, Identity};
use crate::emulator::script::Tampering;
use crate::emulator::state::World;
use crate::emulator::state::flow::Version;
use crate::emulator::state::record::Issued;
use crate::model::clock::unix_seconds;

/// What replies look like at the moment of one.
pub(super) struct Terms<'r> {
    pub(super) version: Version,
    pub(super) login: &'r str,
    /// Whether the request asked who the account is, as Microsoft's own libraries do.
    pub(super) client_info: bool,
    now: SystemTime,
    life: [u64; 2],
    rotation: bool,
    opaque: bool,
    load_mode: bool,
    v1_id_tokens_signed: bool,
    tampering: Tampering,
}

/// A successful reply.
pub(super) struct Reply {
    about: About,
    access_token: String,
    refresh_token: Option<String>,
    id_token: Option<Arc<str>>,
    client_info: Option<String>,
    pub(super) issued: Issued,
}

/// What a reply says of its tokens.
#[derive(Serialize)]
struct About {
    token_type: &'static str,
    scope: String,
    expires_in: Seconds,
    ext_expires_in: Seconds,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_in: Option<Seconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_on: Option<Seconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<Seconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
}

impl Reply {
    /// As JSON. Most of it is tokens, and nothing in them is to be escaped: they are base64url and
    /// dots.
    pub(super) fn json(&self) -> Vec<u8> {
        let about = serde_json::to_string(&self.about).expect("it is plain data");
        let tokens = [
            ("access_token", Some(&*self.access_token)),
            ("refresh_token", self.refresh_token.as_deref()),
            ("id_token", self.id_token.as_deref()),
            ("client_info", self.client_info.as_deref()),
        ];
        let length =
            |(name, token): &(&str, Option<&str>)| name.len() + 6 + token.map_or(0, str::len);
        let length: usize = tokens.iter().map(length).sum();
        let mut json = String::with_capacity(about.len() + length);
        json.push_str(about.trim_end_matches('}'));
        for (name, token) in tokens {
            json.extend(token.iter().flat_map(|token| [",\"", name, "\":\"", token, "\""]));
        }
        json.push('}');
        json.into_bytes()
    }
}

/// A number, or text in a v1.0 reply.
struct Seconds(Version, u64);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Version::V1 => to.collect_str(&self.1),
            Version::V2 => to.serialize_u64(self.1),
        }
    }
}

impl<'r> Terms<'r> {
    pub(super) fn of(world: &World, version: Version, login: &'r str, client_info: bool) -> Self {
        let script = world.script();
        Self {
            version,
            login,
            client_info,
            now: world.now(),
            life: script.token_life,
            rotation: script.rotation,
            opaque: script.opaque_access_tokens || script.load_mode,
            load_mode: script.load_mode,
            v1_id_tokens_signed: script.doubts.v1_id_tokens_signed,
            tampering: script.tampering.clone(),
        }
    }

    pub(super) fn reply(&self, world: &World, granted: &Granted) -> Reply {
        let life = self.life(world, granted);
        let seconds = |seconds| Seconds(self.version, seconds);
        let on_v1 = |number| (self.version == Version::V1).then(|| seconds(number));
        let (now, is_v1) = (unix_seconds(self.now), self.version == Version::V1);
        let permissions = joined(granted.permissions.iter());
        let access_token = self.access_token(world, granted, &permissions, life);
        let refresh_token = self.refresh_token(world, granted);
        let id_token = granted.asked.openid.then(|| self.id_token(world, granted));
        let serial = refresh_token.as_ref().map(|(serial, _)| *serial);
        let about = About {
            token_type: "Bearer",
            scope: self.scope(granted, permissions),
            expires_in: seconds(life),
            ext_expires_in: seconds(life),
            refresh_in: (life >= LONG_LIFE).then(|| seconds(life / 2)),
            expires_on: on_v1(now + life),
            not_before: on_v1(now),
            resource: is_v1.then(|| granted.resource.clone()),
        };
        Reply {
            about,
            issued: Issued::with(serial, id_token.is_some()),
            access_token,
            refresh_token: refresh_token.map(|(_, token)| token),
            id_token,
            client_info: self.client_info.then(|| granted.subject.signed_in.client_info()),
        }
    }

    /// Tokens of a client that can be challenged at any time live for a day or so.
    fn life(&self, world: &World, granted: &Granted) -> u64 {
        let [shortest, longest] = if granted.continuous { CONTINUOUS_LIFE } else { self.life };
        if shortest == longest { shortest } else { world.chance.between(shortest, longest) }
    }

    fn scope(&self, granted: &Granted, permissions: String) -> String {
        match self.version {
            Version::V1 => permissions,
            Version::V2 => granted.asked.reply(&granted.resource, granted.permissions.iter()),
        }
    }

    fn access_token(
        &self,
        world: &World,
        granted: &Granted,
        permissions: &str,
        life: u64,
    ) -> String {
        let access = Access {
            subject: &granted.subject,
            login: self.login,
            resource: &granted.resource,
            v2_audience: granted.v2_audience,
            permissions,
            now: self.now,
            life: Duration::from_secs(life),
            continuous: granted.continuous,
            opaque: self.opaque,
        };
        access.mint(world)
    }

    fn refresh_token(&self, world: &World, granted: &Granted) -> Option<(u64, String)> {
        let due = granted.asked.offline_access && (self.rotation || granted.is_first);
        due.then(|| {
            let token = RefreshToken::of(world, granted);
            (token.serial, token.close(world))
        })
    }

    fn id_token(&self, world: &World, granted: &Granted) -> Arc<str> {
        let identity = Identity {
            subject: &granted.subject,
            login: self.login,
            version: self.version,
            nonce: granted.nonce.as_deref(),
            signed: self.version == Version::V2 || granted.is_first || self.v1_id_tokens_signed,
            now: self.now,
        };
        let is_plain = granted.nonce.is_none() && self.tampering == Tampering::None;
        if self.load_mode && is_plain {
            return identity.shared(world);
        }
        identity.mint(world, &self.tampering).into()
    }
}

impl Issued {
    const fn with(refresh_token: Option<u64>, id_token: bool) -> Self {
        Self { access_token: true, id_token, refresh_token }
    }
}

fn joined<'w>(words: impl Iterator<Item = &'w String>) -> String {
    words.map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// From here on replies say when half the life is over.
const LONG_LIFE: u64 = 2 * 3600;
const CONTINUOUS_LIFE: [u64; 2] = [20 * 3600, 28 * 3600];
