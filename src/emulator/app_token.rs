//! Access tokens that an application or a managed identity has in its own name.
//!
//! Source: Microsoft identity platform, "Access token claims reference".

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::bearer::v1_issuer;
use super::state::World;
use crate::model::clock::unix_seconds;
use crate::model::tenant::{ClientId, TenantId};

/// One in the v1.0 format, which says `idtyp` and no `scp`. Its subject is the client's principal in the tenant.
pub(super) fn mint(
    world: &World,
    (client, principal): (ClientId, Uuid),
    tenant: TenantId,
    resource: &str,
    life: Duration,
) -> String {
    let now = world.now();
    let issuer = v1_issuer(tenant);
    world.keys.signing(tenant).sign(&json!({
        "aud": resource, "iss": issuer, "idp": issuer,
        "iat": unix_seconds(now), "nbf": unix_seconds(now), "exp": unix_seconds(now + life),
        "appid": client, "appidacr": "1", "idtyp": "app",
        "oid": principal.to_string(), "sub": principal.to_string(), "tid": tenant,
        "uti": world.chance.word(), "ver": "1.0",
    }))
}
