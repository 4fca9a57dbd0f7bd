//! Who calls a vault: an application in its own name, or a user through one.
//!
//! Source: "Authentication, requests and responses" of the Key Vault REST API; RFC 6750, section 3.

use std::collections::BTreeSet;
use std::fmt;

use axum::http::HeaderMap;
use serde::Deserialize;

use super::RESOURCE;
use super::fault::Fault;
use crate::emulator::bearer::{read_access_token, token_of, v1_issuer};
use crate::emulator::site::Site;
use crate::emulator::state::World;
use crate::emulator::state::vault::{VaultRight, VaultUser};
use crate::model::clock::unix_seconds;
use crate::model::tenant::{ClientId, TenantId, UserId};

/// Somebody with a valid token, and what they may do.
pub(super) struct Caller {
    pub(super) client: ClientId,
    object: UserId,
    tenant: TenantId,
    rights: BTreeSet<VaultRight>,
}

/// The claims of a v1.0 access token that a vault looks at.
#[derive(Deserialize)]
struct Claims {
    aud: String,
    exp: u64,
    tid: TenantId,
    appid: ClientId,
    oid: UserId,
    idtyp: Option<String>,
    scp: Option<String>,
}

impl Caller {
    /// Whose token a request carries, if it was issued here for a vault of this tenant.
    pub(super) fn of(world: &World, site: &Site, headers: &HeaderMap) -> Result<Self, Fault> {
        let tenant = vault_tenant(world);
        let refused = |message: &str| Fault::unauthorized(challenge(site, tenant), message);
        let missing = "AKV10000: Request is missing a Bearer or PoP token.";
        let token = token_of(headers).ok_or_else(|| refused(missing))?;
        let claims = Claims::read(world, token).ok_or_else(|| refused(UNREADABLE))?;
        claims.check(world, tenant).map_err(|message| refused(&message))?;
        claims.into_caller(world)
    }

    pub(super) fn may(&self, right: VaultRight) -> bool {
        self.rights.contains(&right)
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, object, tenant, .. } = self;
        write!(out, "appid={client};oid={object};iss={}", v1_issuer(*tenant))
    }
}

impl Claims {
    fn read(world: &World, token: &str) -> Option<Self> {
        read_access_token(world, token)
    }

    fn check(&self, world: &World, tenant: Option<TenantId>) -> Result<(), String> {
        if self.aud != RESOURCE {
            let found = &self.aud;
            return Err(format!(
                "AKV10022: Invalid audience. Expected {RESOURCE}, found: {found}."
            ));
        }
        if unix_seconds(world.now()) >= self.exp {
            return Err("[TokenExpired] Error validating token: 'S2S12086'.".to_owned());
        }
        if tenant != Some(self.tid) {
            let (expected, found) =
                (tenant.map(v1_issuer).unwrap_or_default(), v1_issuer(self.tid));
            let message = "AKV10032: Invalid issuer. Expected one of";
            return Err(format!("{message} {expected}, found {found}."));
        }
        Ok(())
    }

    /// A token is an application's own, or a user's who lets the application act for them.
    fn into_caller(self, world: &World) -> Result<Caller, Fault> {
        let for_person = |scopes: &str| {
            scopes.split_ascii_whitespace().any(|scope| scope == "user_impersonation")
        };
        let user = match (self.idtyp.as_deref(), self.scp.as_deref()) {
            (Some("app"), None) => VaultUser::Application(self.appid),
            (_, Some(scopes)) if for_person(scopes) => VaultUser::Person(self.oid),
            _ => return Err(Fault::forbidden("The token has no permission for Key Vault.")),
        };
        let registered = world.directory().application(self.appid).is_ok();
        let rights = world.vault().rights_of(user, registered);
        Ok(Caller { client: self.appid, object: self.oid, tenant: self.tid, rights })
    }
}

/// The tenant whose tokens the vault takes: the vendor's own, unless a test said otherwise.
pub(super) fn vault_tenant(world: &World) -> Option<TenantId> {
    let told = world.vault().tenant;
    told.or_else(|| world.directory().vendor())
}

fn challenge(site: &Site, tenant: Option<TenantId>) -> String {
    let tenant = tenant.map_or_else(|| "common".to_owned(), |tenant| tenant.to_string());
    let authority = format!("{}/{tenant}", site.login);
    format!("Bearer authorization=\"{authority}\", resource=\"{RESOURCE}\"")
}

const UNREADABLE: &str = "[BearerReadAccessTokenFailed] Error validating token: 'S2S12005'.";
