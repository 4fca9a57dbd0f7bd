//! Who sends a browser here and where the answer goes: what must be right before the application can
//! be told of anything else that is wrong.

use super::visit::Visit;
use crate::emulator::refusal::Refusal;
use crate::emulator::state::World;
use crate::emulator::state::application::Application;
use crate::emulator::state::flow::{Authority, Goal, ReturnMode, ReturnTo, Version};
use crate::model::tenant::ClientId;

/// The application that sends a browser, and where it wants it back.
pub(super) struct Sender {
    pub(super) authority: Authority,
    pub(super) application: Application,
    pub(super) return_to: ReturnTo,
}

impl Sender {
    pub(super) fn of(world: &World, visit: &Visit, goal: Goal) -> Result<Self, Refusal> {
        let authority = Authority::of(world, &visit.tenant)?;
        let application = application(world, visit, authority)?;
        let return_to = ReturnTo {
            redirect_uri: redirect_uri(world, visit, &application)?,
            mode: ReturnMode::Query,
            state: visit.fields.owned("state"),
            goal,
            correlation: visit.correlation(),
        };
        Ok(Self { authority, application, return_to })
    }
}

fn application(world: &World, visit: &Visit, authority: Authority) -> Result<Application, Refusal> {
    let text = visit.fields.need("client_id")?;
    let client = ClientId::parse(text).map_err(|_| Refusal::new(700_016).about(text))?;
    world.directory().application_at(client, authority.named_tenant()).cloned()
}

/// v1 picks any that is registered for an application that names none.
fn redirect_uri(
    world: &World,
    visit: &Visit,
    application: &Application,
) -> Result<String, Refusal> {
    if visit.version == Version::V1 && visit.fields.find("redirect_uri").is_none() {
        return any_redirect(world, application).ok_or_else(|| Refusal::new(900_971));
    }
    let asked = visit.fields.need("redirect_uri")?;
    if application.admits_redirect(asked) {
        Ok(asked.to_owned())
    } else {
        Err(Refusal::new(50_011))
    }
}

fn any_redirect(world: &World, application: &Application) -> Option<String> {
    let known = &application.redirects;
    let last = known.len().checked_sub(1)?;
    let pick = usize::try_from(world.chance.between(0, last as u64)).ok()?;
    known.get(pick).map(|redirect| redirect.uri.clone())
}
