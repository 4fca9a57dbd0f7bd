//! Signing in and consenting, page by page.
//!
//! What a person still has to do is the emulator's to know, never the form's: every page posts to
//! the same address with the word of its flow, and the flow knows which step it stands at.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use axum::response::Response;
use axum::routing::post;

use super::pages;
use super::screen::name_of;
use super::session;
use super::visit::Visit;
use crate::emulator::refusal::Refusal;
use crate::emulator::state::World;
use crate::emulator::state::flow::{AuthorizationRequest, Flow, Prompt, SignIn, Step};

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new().route("/signin", post(signin))
}

/// The first page of a request that was understood.
pub(super) fn begin(world: &World, visit: &Visit, request: AuthorizationRequest) -> Response {
    let accounts = accounts(world, visit, request.hints.login.as_deref());
    let flow = Flow { request: Arc::new(request), step: Step::Name };
    match (flow.request.prompt, accounts.as_slice()) {
        (Prompt::None, []) => flow.request.return_to.refuse(world, &Refusal::new(50_058)),
        (Prompt::None, [_, _, ..]) => flow.turn_away(world, Refusal::new(16_000)),
        (Prompt::Login, _) | (_, []) => flow.show(world, None),
        (Prompt::SelectAccount, _) | (_, [_, _, ..]) => {
            flow.at(Step::Account(accounts)).show(world, None)
        }
        (_, [signed_in]) => flow.resume(world, visit, *signed_in),
    }
}

/// Those who are signed in, or only who is meant.
fn accounts(world: &World, visit: &Visit, hint: Option<&str>) -> Vec<SignIn> {
    let mut accounts = session::accounts(world, &visit.headers);
    if let Some(hint) = hint {
        accounts.retain(|known| name_of(world, known.person).eq_ignore_ascii_case(hint.trim()));
    }
    accounts
}

async fn signin(State(world): State<Arc<World>>, visit: Visit) -> Response {
    if comes_from_elsewhere(&visit.headers) {
        let refusal = Refusal::new(90_023).about("the form comes from another site");
        return pages::refusal(&visit.trace(&world), &refusal);
    }
    if let Err(refusal) = visit.cue.check() {
        return pages::refusal(&visit.trace(&world), &refusal);
    }
    let word = visit.fields.find("flow").unwrap_or_default();
    let flow = world.flows().take(word, world.now());
    match flow {
        Some(flow) => flow.go_on(&world, &visit),
        None => pages::refusal(&visit.trace(&world), &Refusal::new(50_089)),
    }
}

/// Whether a browser says that another site's page sent the form.
fn comes_from_elsewhere(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let authority =
        text(ORIGIN.as_str()).map(|origin| origin.split_once("://").unwrap_or_default().1);
    let elsewhere = authority.is_some_and(|authority| Some(authority) != text(HOST.as_str()));
    elsewhere || text("sec-fetch-site").is_some_and(|site| site != "same-origin")
}

impl Flow {
    fn go_on(self, world: &World, visit: &Visit) -> Response {
        let fields = &visit.fields;
        if fields.find("answer") == Some("cancel") {
            return self.cancel(world);
        }
        match self.step.clone() {
            Step::Account(accounts) => self.picked(world, visit, &accounts),
            Step::Name => self.named(world, fields),
            Step::Password(person) => self.password(world, visit, person),
            Step::NewPassword(person) => self.new_password(world, visit, person),
            Step::Code(person) => self.code(world, visit, person),
            Step::Enrolment(person) => self.enrol(world, visit, person),
            Step::Approval => self.cancel(world),
            Step::Consent(consent) => {
                self.agreed(world, &consent, fields.find("for_everyone").is_some())
            }
        }
    }

    fn picked(self, world: &World, visit: &Visit, accounts: &[SignIn]) -> Response {
        let name = visit.fields.find("account").unwrap_or_default();
        let is_meant = |known: &&SignIn| name_of(world, known.person).eq_ignore_ascii_case(name);
        match accounts.iter().filter(|_| !name.is_empty()).find(is_meant) {
            Some(signed_in) => self.resume(world, visit, *signed_in),
            None => self.at(Step::Name).show(world, None),
        }
    }
}
