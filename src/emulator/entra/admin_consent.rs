//! The admin consent endpoints: an administrator approves for everyone, and no code is handed out.
//!
//! Source: Microsoft identity platform, "Admin consent".

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::pages;
use super::sender::Sender;
use super::signin;
use super::visit::Visit;
use crate::emulator::refusal::Refusal;
use crate::emulator::scopes::Asked;
use crate::emulator::state::World;
use crate::emulator::state::flow::{Authority, AuthorizationRequest, Goal, Hints, Prompt, Version};

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/{tenant}/v2.0/adminconsent", get(admin_consent))
        .route("/{tenant}/adminconsent", get(admin_consent))
}

async fn admin_consent(State(world): State<Arc<World>>, visit: Visit) -> Response {
    let sender = match sender(&world, &visit) {
        Ok(sender) => sender,
        Err(refusal) => return pages::refusal(&visit.trace(&world), &refusal),
    };
    match visit.cue.check().and_then(|()| understand(&world, &visit, &sender)) {
        Ok(request) => signin::begin(&world, &visit, request),
        Err(refusal) => sender.return_to.refuse(&world, &refusal),
    }
}

/// `common` has no administrators.
fn sender(world: &World, visit: &Visit) -> Result<Sender, Refusal> {
    let sender = Sender::of(world, visit, Goal::AdminConsent)?;
    match sender.authority {
        Authority::Common => Err(Refusal::new(90_130).about("common")),
        Authority::Organizations | Authority::Tenant(_) => Ok(sender),
    }
}

fn understand(
    world: &World,
    visit: &Visit,
    sender: &Sender,
) -> Result<AuthorizationRequest, Refusal> {
    let Sender { authority, application, return_to } = sender;
    Ok(AuthorizationRequest {
        version: visit.version,
        goal: Goal::AdminConsent,
        site: visit.site.clone(),
        authority: *authority,
        client: application.client_id,
        application_name: application.name.clone(),
        asked: asked(world, visit)?,
        resource: None,
        return_to: return_to.clone(),
        nonce: None,
        challenge: None,
        prompt: Prompt::Unsaid,
        hints: Hints::default(),
        claims: None,
        max_age: None,
        wants_mfa: false,
        client_info: false,
    })
}

/// v1 has no scope: it always means everything that is registered.
fn asked(world: &World, visit: &Visit) -> Result<Asked, Refusal> {
    if visit.version == Version::V1 {
        return Ok(Asked::default());
    }
    let asked = Asked::parse(visit.fields.need("scope")?)?;
    world.directory().catalogue.check(&asked)?;
    Ok(asked)
}
