//! The authorization endpoint: what a request must say before anybody signs in.
//!
//! Source: RFC 6749, section 4.1.1; RFC 7636, section 4.3; Microsoft identity platform, "OAuth 2.0
//! authorization code flow". What is wrong with the client or the redirect address is shown on a
//! page; anything else goes back to the application.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::callback::{ReturnMode, ReturnTo};
use super::errors::Refusal;
use super::fields::Fields;
use super::pages;
use super::scopes::Asked;
use super::signin;
use super::state::World;
use super::state::directory::{Person, personal_tenant};
use crate::model::tenant::{ClientId, TenantId};

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new().route("/{tenant}/oauth2/v2.0/authorize", get(authorize).post(authorize))
}

/// An authorization request that was understood.
pub(super) struct AuthorizationRequest {
    pub(super) authority: Authority,
    pub(super) client: ClientId,
    pub(super) application_name: String,
    pub(super) asked: Asked,
    pub(super) return_to: ReturnTo,
    pub(super) nonce: Option<String>,
    pub(super) challenge: Option<Challenge>,
    pub(super) prompt: Prompt,
    pub(super) login_hint: Option<String>,
}

/// The directory that a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Authority {
    Common,
    Organizations,
    Tenant(TenantId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prompt {
    Unsaid,
    Login,
    Consent,
    None,
    SelectAccount,
}

/// What the code's redeemer must know (RFC 7636).
#[derive(Debug, Clone)]
pub(super) struct Challenge {
    hashed: bool,
    text: String,
}

impl Authority {
    /// Reads a path segment; a tenant must exist.
    pub(super) fn of(world: &World, segment: &str) -> Result<Self, Refusal> {
        match segment {
            "common" => return Ok(Self::Common),
            "organizations" => return Ok(Self::Organizations),
            "consumers" => return Err(Refusal::new(90_130).about(segment)),
            _ => {}
        }
        let unknown = || Refusal::new(90_002).about(segment);
        let tenant = TenantId::parse(segment).map_err(|_| unknown())?;
        let directory = world.directory();
        let known = directory.tenant_name(tenant).is_some();
        if known { Ok(Self::Tenant(tenant)) } else { Err(unknown()) }
    }

    /// The tenant that a person signs in to here. Personal accounts have no place in a directory of
    /// work accounts.
    pub(super) fn tenant_for(self, person: Person) -> Result<TenantId, Refusal> {
        match self {
            Self::Tenant(tenant) => Ok(tenant),
            Self::Organizations if person.tenant == personal_tenant() => Err(Refusal::new(50_020)),
            Self::Common | Self::Organizations => Ok(person.tenant),
        }
    }

    pub(super) const fn named_tenant(self) -> Option<TenantId> {
        match self {
            Self::Tenant(tenant) => Some(tenant),
            Self::Common | Self::Organizations => None,
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Common => out.write_str("common"),
            Self::Organizations => out.write_str("organizations"),
            Self::Tenant(tenant) => tenant.fmt(out),
        }
    }
}

impl Challenge {
    fn of(fields: &Fields) -> Result<Option<Self>, Refusal> {
        let Some(text) = fields.owned("code_challenge") else { return Ok(None) };
        let hashed = match fields.find("code_challenge_method") {
            Some("S256") => true,
            Some("plain") | None => false,
            Some(_) => return Err(Refusal::new(501_491)),
        };
        if !(43..=128).contains(&text.len()) || hashed && text.len() != 43 {
            return Err(Refusal::new(50_147));
        }
        Ok(Some(Self { hashed, text }))
    }

    pub(super) fn is_met_by(&self, verifier: &str) -> bool {
        if !self.hashed {
            return self.text == verifier;
        }
        self.text == URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
    }
}

/// Where a refusal is told.
enum Refused {
    OnPage(Refusal),
    ToApplication(Box<(ReturnTo, Refusal)>),
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::OnPage(refusal)
    }
}

async fn authorize(
    State(world): State<Arc<World>>,
    Path(tenant): Path<String>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fields = if method == Method::POST {
        Fields::of_form(&headers, &body)
    } else {
        Fields::parse(query.unwrap_or_default().as_bytes())
    };
    match fields.map_err(Refused::from).and_then(|fields| understand(&world, &tenant, &fields)) {
        Ok(request) => signin::begin(&world, request, &headers),
        Err(Refused::OnPage(refusal)) => pages::refusal(&world, &refusal),
        Err(Refused::ToApplication(told)) => told.0.refuse(&world, &told.1),
    }
}

fn understand(
    world: &World,
    tenant: &str,
    fields: &Fields,
) -> Result<AuthorizationRequest, Refused> {
    let authority = Authority::of(world, tenant)?;
    let client_id = fields.need("client_id")?;
    let unknown = || Refusal::new(700_016).about(client_id);
    let client = ClientId::parse(client_id).map_err(|_| unknown())?;
    let application = world.directory().application(client)?.clone();
    let redirect_uri = fields.need("redirect_uri")?;
    if !application.admits_redirect(redirect_uri) {
        return Err(Refusal::new(50_011).into());
    }
    let mode = ReturnMode::of(fields.find("response_mode"));
    let return_to = ReturnTo {
        redirect_uri: redirect_uri.to_owned(),
        mode: mode.clone().unwrap_or(ReturnMode::Query),
        state: fields.owned("state"),
    };
    let told = |refusal| Refused::ToApplication(Box::new((return_to.clone(), refusal)));
    mode.map_err(told)?;
    let details = Details::of(world, fields).map_err(told)?;
    Ok(AuthorizationRequest {
        authority,
        client,
        application_name: application.name,
        asked: details.asked,
        return_to,
        nonce: fields.owned("nonce"),
        challenge: details.challenge,
        prompt: details.prompt,
        login_hint: fields.owned("login_hint"),
    })
}

/// The parts of a request whose faults the application is told of.
struct Details {
    asked: Asked,
    challenge: Option<Challenge>,
    prompt: Prompt,
}

impl Details {
    fn of(world: &World, fields: &Fields) -> Result<Self, Refusal> {
        match fields.need("response_type")? {
            "code" => {}
            "code id_token" | "id_token" => return Err(Refusal::new(700_054)),
            _ => return Err(Refusal::new(70_005)),
        }
        if fields.find("resource").is_some() {
            return Err(Refusal::new(901_002));
        }
        let asked = Asked::parse(fields.need("scope")?)?;
        world.directory().catalogue.check(&asked)?;
        let prompt = prompt(fields)?;
        Ok(Self { asked, challenge: Challenge::of(fields)?, prompt })
    }
}

fn prompt(fields: &Fields) -> Result<Prompt, Refusal> {
    match fields.find("prompt") {
        None => Ok(Prompt::Unsaid),
        Some("login") => Ok(Prompt::Login),
        Some("consent") => Ok(Prompt::Consent),
        Some("none") => Ok(Prompt::None),
        Some("select_account") if fields.find("login_hint").is_some() => {
            Err(Refusal::new(90_023).about("select_account cannot stand beside login_hint"))
        }
        Some("select_account") => Ok(Prompt::SelectAccount),
        Some(other) => Err(Refusal::new(90_023).about(&format!("prompt '{other}'"))),
    }
}
