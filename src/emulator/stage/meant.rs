//! What a request is about, as far as its head and its form tell.

use axum::http::request::Parts;
use serde::Deserialize;

use crate::emulator::bearer::{read_access_token, token_of};
use crate::emulator::fields::Fields;
use crate::emulator::script::{Endpoint, Meant};
use crate::emulator::state::World;
use crate::model::tenant::{ClientId, TenantId, UserId};

pub(super) fn meant(world: &World, service: Endpoint, parts: &Parts, form: &[u8]) -> Meant {
    let told = match service {
        Endpoint::Entra => by_visit(world, parts, form),
        _ => by_call(world, parts),
    };
    let endpoint = Some(Endpoint::of(service, parts.uri.path()));
    Meant { endpoint, method: Some(parts.method.clone()), ..told }
}

/// A page of Entra's: the path names the tenant and the fields the application, unless they go on
/// with what was begun.
fn by_visit(world: &World, parts: &Parts, form: &[u8]) -> Meant {
    let query = parts.uri.query().unwrap_or_default();
    let fields = if form.is_empty() { query.as_bytes() } else { form };
    let fields = Fields::parse(fields).unwrap_or_default();
    if let Some(begun) = by_flow(world, fields.find("flow")) {
        return begun;
    }
    let named = parts.uri.path().split('/').nth(1).unwrap_or_default().to_ascii_lowercase();
    Meant {
        tenant: world.directory().tenant_named(&named),
        application: fields.find("client_id").and_then(|id| ClientId::parse(id).ok()),
        ..Meant::default()
    }
}

fn by_flow(world: &World, word: Option<&str>) -> Option<Meant> {
    let now = world.now();
    let mut flows = world.flows();
    let request = &flows.find(word?, now)?.request;
    let (tenant, application) = (request.authority.named_tenant(), Some(request.client));
    Some(Meant { tenant, application, ..Meant::default() })
}

/// What an access token tells of its bearer.
#[derive(Default, Deserialize)]
struct Told {
    tid: Option<TenantId>,
    oid: Option<UserId>,
    #[serde(alias = "azp")]
    appid: Option<ClientId>,
}

/// A call of an API: its token, which may have ended or be another's, tells by whom and where.
fn by_call(world: &World, parts: &Parts) -> Meant {
    let token = token_of(&parts.headers);
    let told = token.and_then(|token| read_access_token::<Told>(world, token)).unwrap_or_default();
    Meant {
        tenant: told.tid,
        customer: customer(parts.uri.path()),
        application: told.appid.or_else(|| identity(parts.uri.query()?)),
        user: told.oid,
        ..Meant::default()
    }
}

/// Of `/v1/customers/{customer}/…`.
fn customer(path: &str) -> Option<TenantId> {
    let mut parts = path.split('/').skip_while(|part| !part.eq_ignore_ascii_case("customers"));
    TenantId::parse(parts.nth(1)?).ok()
}

/// A machine that has several identities names one.
fn identity(query: &str) -> Option<ClientId> {
    let fields = Fields::parse(query.as_bytes()).ok()?;
    ClientId::parse(fields.find("client_id")?).ok()
}
