//! The authorization endpoints: what a request must say before anybody signs in.
//!
//! Source: RFC 6749, section 4.1.1; RFC 7636, section 4.3; OpenID Connect Core 1.0, section 3.1.2.1;
//! Microsoft identity platform, "OAuth 2.0 authorization code flow"; for v1, Azure Active Directory
//! for developers, "Authorize access using the OAuth 2.0 code grant flow".

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde_json::Value;

use super::pages;
use super::sender::Sender;
use super::signin;
use super::visit::Visit;
use crate::emulator::fields::Fields;
use crate::emulator::refusal::Refusal;
use crate::emulator::scopes::Asked;
use crate::emulator::state::World;
use crate::emulator::state::application::Application;
use crate::emulator::state::flow::{
    AuthorizationRequest, Challenge, Goal, Hints, Prompt, ReturnMode, Version,
};

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/{tenant}/oauth2/v2.0/authorize", get(authorize).post(authorize))
        .route("/{tenant}/oauth2/authorize", get(authorize).post(authorize))
}

/// What is wrong with the client or its address is shown; all else the application is told.
async fn authorize(State(world): State<Arc<World>>, visit: Visit) -> Response {
    let mut sender = match Sender::of(&world, &visit, Goal::Code) {
        Ok(sender) => sender,
        Err(refusal) => return pages::refusal(&visit.trace(&world), &refusal),
    };
    let mode = ReturnMode::of(visit.fields.find("response_mode"));
    if let Ok(mode) = mode {
        sender.return_to.mode = mode;
    }
    let checked = mode.and_then(|_| visit.cue.check());
    match checked.and_then(|()| understand(&world, &visit, &sender)) {
        Ok(request) => signin::begin(&world, &visit, request),
        Err(refusal) => sender.return_to.refuse(&world, &refusal),
    }
}

fn understand(
    world: &World,
    visit: &Visit,
    sender: &Sender,
) -> Result<AuthorizationRequest, Refusal> {
    let Visit { version, fields, .. } = visit;
    let Sender { authority, application, return_to } = sender;
    check_response_type(fields.need("response_type")?)?;
    let resource = resource(world, *version, application, fields)?;
    Ok(AuthorizationRequest {
        version: *version,
        goal: Goal::Code,
        site: visit.site.clone(),
        authority: *authority,
        client: application.client_id,
        application_name: application.name.clone(),
        asked: asked(world, *version, resource.as_deref(), fields)?,
        resource,
        return_to: return_to.clone(),
        nonce: fields.owned("nonce"),
        challenge: Challenge::of(fields)?,
        prompt: prompt(*version, fields)?,
        hints: Hints { login: fields.owned("login_hint"), domain: fields.owned("domain_hint") },
        claims: claims(fields)?,
        max_age: max_age(fields)?,
        wants_mfa: *version == Version::V1 && fields.find("amr_values") == Some("mfa"),
        client_info: fields.find("client_info") == Some("1"),
    })
}

fn check_response_type(text: &str) -> Result<(), Refusal> {
    match text {
        "code" => Ok(()),
        "code id_token" | "id_token code" | "id_token" => Err(Refusal::new(700_054)),
        _ => Err(Refusal::new(70_005)),
    }
}

/// v1 knows resources by URI or by application id, and only those that the application registered.
fn resource(
    world: &World,
    version: Version,
    application: &Application,
    fields: &Fields,
) -> Result<Option<String>, Refusal> {
    let Some(text) = fields.find("resource") else { return Ok(None) };
    if version == Version::V2 {
        return Err(Refusal::new(901_002));
    }
    let directory = world.directory();
    let uri = directory.catalogue.resource_of(text).unwrap_or(text.trim_end_matches('/'));
    directory.catalogue.check(&Asked::default_of([uri]))?;
    if !application.permissions.iter().any(|(known, _)| known == uri) {
        return Err(Refusal::new(650_057).about(uri));
    }
    Ok(Some(uri.to_owned()))
}

fn asked(
    world: &World,
    version: Version,
    resource: Option<&str>,
    fields: &Fields,
) -> Result<Asked, Refusal> {
    if version == Version::V1 {
        let asked = Asked::default_of(resource);
        return Ok(Asked { openid: true, offline_access: true, ..asked });
    }
    let asked = Asked::parse(fields.need("scope")?)?;
    world.directory().catalogue.check(&asked)?;
    Ok(asked)
}

fn prompt(version: Version, fields: &Fields) -> Result<Prompt, Refusal> {
    match fields.find("prompt") {
        None => Ok(Prompt::Unsaid),
        Some("login") => Ok(Prompt::Login),
        Some("consent") => Ok(Prompt::Consent),
        Some("none") => Ok(Prompt::None),
        Some("admin_consent") if version == Version::V1 => Ok(Prompt::AdminConsent),
        Some("select_account") if fields.find("login_hint").is_some() => {
            Err(Refusal::new(90_023).about("select_account cannot stand beside login_hint"))
        }
        Some("select_account") => Ok(Prompt::SelectAccount),
        Some(other) => Err(Refusal::new(90_023).about(&format!("prompt '{other}'"))),
    }
}

fn claims(fields: &Fields) -> Result<Option<Value>, Refusal> {
    let Some(text) = fields.find("claims") else { return Ok(None) };
    let claims: Option<Value> = serde_json::from_str(text).ok();
    let claims = claims.filter(Value::is_object);
    claims.map(Some).ok_or_else(|| Refusal::new(9_000_410).about("'claims'"))
}

fn max_age(fields: &Fields) -> Result<Option<Duration>, Refusal> {
    let Some(text) = fields.find("max_age") else { return Ok(None) };
    let seconds = text.parse().map_err(|_| Refusal::new(90_023).about("max_age is no number"))?;
    Ok(Some(Duration::from_secs(seconds)))
}
