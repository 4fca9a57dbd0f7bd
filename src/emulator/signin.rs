//! Signing in and consenting, page by page.
//!
//! What a person still has to do is the emulator's to know, never the form's: every page posts to
//! the same address with the word of its flow, and the flow knows which step it stands at.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use axum::routing::post;

use super::authorize::{AuthorizationRequest, Prompt};
use super::errors::Refusal;
use super::fields::{Fields, cookie};
use super::pages::{self, ConsentPage};
use super::random;
use super::scopes::needs_administrator;
use super::state::directory::{Kind, MfaMethod, Person, Presence};
use super::state::{Code, Session, SignIn, World};

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new().route("/signin", post(signin))
}

/// An authorization request and how far its person has come.
pub(super) struct Flow {
    request: Arc<AuthorizationRequest>,
    step: Step,
}

#[derive(Debug, Clone)]
enum Step {
    /// Choose the account that is signed in, or another.
    Account(SignIn),
    Name,
    Password(Person),
    Code(Person),
    /// Nothing to do but go back: an administrator is needed.
    Approval,
    Consent(SignIn, Presence, Vec<(String, String)>),
}

/// The first page of a request that was understood.
pub(super) fn begin(world: &World, request: AuthorizationRequest, headers: &HeaderMap) -> Response {
    let prompt = request.prompt;
    let flow = Flow { request: Arc::new(request), step: Step::Name };
    match (session(world, headers), prompt) {
        (None, Prompt::None) => flow.request.return_to.refuse(world, &Refusal::new(50_058)),
        (None, _) | (_, Prompt::Login) => flow.show(world, None),
        (Some(signed_in), Prompt::SelectAccount) => {
            flow.at(Step::Account(signed_in)).show(world, None)
        }
        (Some(signed_in), _) => flow.signed_in(world, signed_in),
    }
}

async fn signin(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    let fields = match Fields::of_form(&headers, &body) {
        Ok(fields) => fields,
        Err(refusal) => return pages::refusal(&world, &refusal),
    };
    let word = fields.find("flow").unwrap_or_default();
    let flow = world.flows().take(word, world.now());
    match flow {
        Some(flow) => flow.go_on(&world, &fields),
        None => pages::refusal(&world, &Refusal::new(50_089)),
    }
}

impl Flow {
    fn go_on(self, world: &World, fields: &Fields) -> Response {
        if fields.find("answer") == Some("cancel") {
            return self.cancel(world);
        }
        match self.step.clone() {
            Step::Account(signed_in) if fields.find("answer") == Some("continue") => {
                self.signed_in(world, signed_in)
            }
            Step::Account(_) => self.at(Step::Name).show(world, None),
            Step::Name => self.named(world, fields),
            Step::Password(person) => self.password(world, person, fields),
            Step::Code(person) => self.code(world, person, fields),
            Step::Approval => self.cancel(world),
            Step::Consent(signed_in, presence, permissions) => {
                let everyone = fields.find("for_everyone").is_some();
                self.accept(world, presence, &permissions, everyone);
                self.finish(world, signed_in, presence)
            }
        }
    }

    fn at(self, step: Step) -> Self {
        Self { step, ..self }
    }

    fn cancel(&self, world: &World) -> Response {
        let refusal = match self.step {
            Step::Approval => Refusal::new(90_094),
            Step::Code(_) => Refusal::new(50_074).with_error("access_denied"),
            _ => Refusal::new(65_004),
        };
        self.request.return_to.cancel(world, &refusal)
    }

    fn named(self, world: &World, fields: &Fields) -> Response {
        let name = fields.find("name").unwrap_or_default();
        let authority = self.request.authority;
        let person = world.directory().person_named(name, authority.named_tenant());
        let Some(person) = person else {
            return self.show(world, Some(Refusal::new(50_034)));
        };
        match authority.tenant_for(person) {
            Ok(_) => self.at(Step::Password(person)).show(world, None),
            Err(refusal) => self.show(world, Some(refusal)),
        }
    }

    fn password(self, world: &World, person: Person, fields: &Fields) -> Response {
        let password = fields.find("password").unwrap_or_default();
        let account = world.directory().account(person.tenant, person.user).cloned();
        let Some(account) = account.filter(|account| account.knows(password)) else {
            return self.show(world, Some(Refusal::new(50_126)));
        };
        if account.disabled {
            return pages::refusal(world, &Refusal::new(50_057));
        }
        match account.mfa {
            MfaMethod::Registered => self.at(Step::Code(person)).show(world, None),
            MfaMethod::None => self.authenticated(world, person, false),
        }
    }

    fn code(self, world: &World, person: Person, fields: &Fields) -> Response {
        let code = fields.find("code").unwrap_or_default();
        let account = world.directory().account(person.tenant, person.user).cloned();
        if account.is_none_or(|account| !account.shows(code)) {
            return self.show(world, Some(Refusal::new(500_121)));
        }
        self.authenticated(world, person, true)
    }

    /// All factors were shown: a session begins.
    fn authenticated(self, world: &World, person: Person, mfa: bool) -> Response {
        let account = world.directory().account(person.tenant, person.user).cloned();
        let revocations = account.map_or(0, |account| account.revocations());
        let signed_in = SignIn { person, mfa, at: world.now(), revocations };
        let word = random::word();
        let now = world.now();
        world.sessions().put(word.clone(), now + SESSION_LIFE, Session(signed_in), now);
        let mut response = self.signed_in(world, signed_in);
        let cookie = format!("{SESSION_COOKIE}={word}; Path=/; HttpOnly; SameSite=Lax");
        let cookie = HeaderValue::try_from(cookie).expect("a random word is visible ASCII");
        response.headers_mut().append(SET_COOKIE, cookie);
        response
    }

    /// Somebody is signed in: what do they still have to agree to?
    fn signed_in(self, world: &World, signed_in: SignIn) -> Response {
        let request = Arc::clone(&self.request);
        let presence = match presence(world, &request, signed_in.person) {
            Ok(presence) => presence,
            Err(refusal) => return pages::refusal(world, &refusal),
        };
        let wanted = wanted(world, &request, presence);
        if wanted.is_empty() && request.prompt != Prompt::Consent {
            return self.finish(world, signed_in, presence);
        }
        if request.prompt == Prompt::None {
            let refusal = Refusal::new(65_001).with_error("consent_required");
            return request.return_to.refuse(world, &refusal);
        }
        let needs_approval = wanted.iter().any(|(_, name)| needs_administrator(name));
        if needs_approval && !is_administrator(world, presence) {
            return self.at(Step::Approval).show(world, None);
        }
        self.at(Step::Consent(signed_in, presence, wanted)).show(world, None)
    }

    fn accept(
        &self,
        world: &World,
        presence: Presence,
        permissions: &[(String, String)],
        everyone: bool,
    ) {
        let user = (!(everyone && is_administrator(world, presence))).then_some(presence.user);
        let mut directory = world.directory();
        for (resource, permission) in permissions {
            let key = (presence.tenant, self.request.client, resource.as_str());
            directory.grant(key, user, [permission.as_str()]);
        }
    }

    /// Hands out a code.
    fn finish(&self, world: &World, signed_in: SignIn, presence: Presence) -> Response {
        let word = random::word();
        let issued = world.now();
        let request = Arc::clone(&self.request);
        let code = Code { request, signed_in, presence, issued, redeemed: false };
        world.codes().put(word.clone(), issued + CODE_KEPT, code, issued);
        self.request.return_to.code(&word)
    }

    /// The page of the step it stands at, with what went wrong on it.
    fn show(self, world: &World, wrong: Option<Refusal>) -> Response {
        let word = random::word();
        let request = Arc::clone(&self.request);
        let wrong = wrong.map(|refusal| refusal.text());
        let name_of = |person: Person| name_of(world, person);
        let page = match &self.step {
            Step::Account(signed_in) => pages::account(&word, &name_of(signed_in.person)),
            Step::Name => pages::name(&word, request.login_hint.as_deref(), wrong.as_deref()),
            Step::Password(person) => pages::password(&word, &name_of(*person), wrong.as_deref()),
            Step::Code(person) => pages::code(&word, &name_of(*person), wrong.as_deref()),
            Step::Approval => pages::approval(&word, &request.application_name),
            Step::Consent(signed_in, presence, permissions) => pages::consent(&ConsentPage {
                flow: &word,
                application: &request.application_name,
                name: &name_of(signed_in.person),
                permissions,
                administrator: is_administrator(world, *presence),
            }),
        };
        let now = world.now();
        world.flows().put(word, now + FLOW_LIFE, self, now);
        page
    }
}

fn session(world: &World, headers: &HeaderMap) -> Option<SignIn> {
    let word = cookie(headers, SESSION_COOKIE)?;
    let Session(signed_in) = *world.sessions().find(word, world.now())?;
    let Person { tenant, user } = signed_in.person;
    let directory = world.directory();
    let account = directory.account(tenant, user)?;
    (!account.disabled && account.revocations() == signed_in.revocations).then_some(signed_in)
}

/// What is still to be agreed to; `prompt=consent` asks for everything again, which stops whoever
/// may not grant it even where an administrator has.
fn wanted(
    world: &World,
    request: &AuthorizationRequest,
    presence: Presence,
) -> Vec<(String, String)> {
    let mut wanted = world.directory().ungranted(&request.asked, presence, request.client);
    if request.prompt == Prompt::Consent {
        let named = request.asked.named.iter().filter(|(_, name)| name != ".default");
        wanted.extend(named.cloned());
        wanted.sort();
        wanted.dedup();
    }
    wanted
}

/// Only members and guests sign in to a tenant.
fn presence(
    world: &World,
    request: &AuthorizationRequest,
    person: Person,
) -> Result<Presence, Refusal> {
    let tenant = request.authority.tenant_for(person)?;
    let presence = world.directory().presence(person, tenant)?;
    if presence.kind == Kind::Delegated { Err(Refusal::new(50_020)) } else { Ok(presence) }
}

fn is_administrator(world: &World, presence: Presence) -> bool {
    let directory = world.directory();
    directory.account(presence.tenant, presence.user).is_some_and(|account| account.administrator)
}

fn name_of(world: &World, person: Person) -> String {
    let directory = world.directory();
    directory.account(person.tenant, person.user).map_or_else(String::new, |a| a.name().to_owned())
}

const SESSION_COOKIE: &str = "ESTSAUTH";
const SESSION_LIFE: Duration = Duration::from_secs(24 * 3600);
const FLOW_LIFE: Duration = Duration::from_secs(15 * 60);
/// Far longer than a code lives, so that an expired or spent one is told from an unknown one.
const CODE_KEPT: Duration = Duration::from_secs(24 * 3600);
