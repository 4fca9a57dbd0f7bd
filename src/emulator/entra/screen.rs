//! What a person sees at each step, and how they are turned away.

use std::time::Duration;

use axum::response::Response;

use super::pages::{self, Asking, ConsentPage};
use crate::emulator::refusal::Refusal;
use crate::emulator::state::World;
use crate::emulator::state::directory::{MfaMethod, Person, Presence};
use crate::emulator::state::flow::{Consent, Flow, Prompt, SignIn, Step};

impl Flow {
    pub(super) fn at(self, step: Step) -> Self {
        Self { step, ..self }
    }

    /// The page of the step it stands at, with what went wrong on it. Its word is good for one
    /// answer.
    pub(super) fn show(self, world: &World, wrong: Option<Refusal>) -> Response {
        let flow = world.chance.word();
        let page = self.page(world, &flow, wrong);
        let now = world.now();
        world.flows().put(flow, now + FLOW_LIFE, self, now);
        page
    }

    fn page(&self, world: &World, flow: &str, wrong: Option<Refusal>) -> Response {
        let wrong = wrong.map(|refusal| refusal.text());
        let name = self.step.person().map(|person| name_of(world, person)).unwrap_or_default();
        let application = &self.request.application_name;
        let asking = Asking { flow, name: &name, wrong: wrong.as_deref() };
        match &self.step {
            Step::Account(accounts) => pages::account(&asking, &names_of(world, accounts)),
            Step::Name => pages::name(&asking, self.request.hints.login.as_deref()),
            Step::Password(_) => pages::password(&asking),
            Step::NewPassword(_) => pages::new_password(&asking),
            Step::Code(person) => pages::code(&asking, method_of(world, *person)),
            Step::Enrolment(person) => pages::enrolment(&asking, &code_of(world, *person)),
            Step::Approval => pages::approval(&asking, application),
            Step::Consent(consent) => self.consent_page(world, &asking, consent),
        }
    }

    fn consent_page(&self, world: &World, asking: &Asking<'_>, consent: &Consent) -> Response {
        let permissions = with_names(world, &consent.permissions);
        let page = ConsentPage {
            application: &self.request.application_name,
            permissions: &permissions,
            for_everyone: self.request.is_for_everyone(),
            administrator: is_administrator(world, consent.presence),
        };
        pages::consent(asking, &page)
    }

    /// Ends it: on a page, or at the application where nothing may be shown.
    pub(super) fn turn_away(&self, world: &World, refusal: Refusal) -> Response {
        let return_to = &self.request.return_to;
        if self.is_silent() {
            return return_to.refuse(world, &refusal.with_error("interaction_required"));
        }
        pages::refusal(&return_to.trace(world), &refusal)
    }

    pub(super) fn is_silent(&self) -> bool {
        self.request.prompt == Prompt::None
    }

    /// The person said no.
    pub(super) fn cancel(&self, world: &World) -> Response {
        let refusal = match self.step {
            Step::Approval => Refusal::new(90_094),
            Step::Code(_) => Refusal::new(50_074).with_error("access_denied"),
            Step::Enrolment(_) => Refusal::new(50_079).with_error("access_denied"),
            _ if self.request.is_for_everyone() => {
                Refusal::new(65_004).with_error("consent_required")
            }
            _ => Refusal::new(65_004),
        };
        self.request.return_to.cancel(world, &refusal)
    }
}

impl Step {
    fn person(&self) -> Option<Person> {
        match self {
            Self::Password(person)
            | Self::NewPassword(person)
            | Self::Code(person)
            | Self::Enrolment(person) => Some(*person),
            Self::Consent(consent) => Some(consent.signed_in.person),
            Self::Account(_) | Self::Name | Self::Approval => None,
        }
    }
}

pub(super) fn is_administrator(world: &World, presence: Presence) -> bool {
    let directory = world.directory();
    directory.account(presence.tenant, presence.user).is_some_and(|account| account.administrator)
}

pub(super) fn name_of(world: &World, person: Person) -> String {
    let directory = world.directory();
    directory.account(person.tenant, person.user).map_or_else(String::new, |a| a.name().to_owned())
}

fn names_of(world: &World, accounts: &[SignIn]) -> Vec<String> {
    accounts.iter().map(|signed_in| name_of(world, signed_in.person)).collect()
}

fn code_of(world: &World, person: Person) -> String {
    let directory = world.directory();
    directory.account(person.tenant, person.user).map_or_else(String::new, |a| a.code().to_owned())
}

fn method_of(world: &World, person: Person) -> MfaMethod {
    let directory = world.directory();
    directory.account(person.tenant, person.user).map_or(MfaMethod::None, |account| account.mfa)
}

/// Permissions with the names of their resources that people know.
fn with_names(world: &World, permissions: &[(String, String)]) -> Vec<(String, String)> {
    let directory = world.directory();
    let name = |uri: &str| directory.catalogue.name(uri).unwrap_or(uri).to_owned();
    permissions.iter().map(|(uri, permission)| (name(uri), permission.clone())).collect()
}

const FLOW_LIFE: Duration = Duration::from_secs(15 * 60);
