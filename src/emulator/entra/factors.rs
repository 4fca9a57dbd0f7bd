//! Who is there: name, password, second factor, and whether a session will do instead.
//!
//! Source: Microsoft Entra, "Conditional Access: grant" and "Conditional Access: session"; OpenID
//! Connect Core 1.0, section 3.1.2.1, for `max_age`.

use std::time::{Duration, SystemTime};

use axum::http::header::SET_COOKIE;
use axum::response::Response;

use super::session;
use super::visit::Visit;
use crate::emulator::fields::Fields;
use crate::emulator::refusal::Refusal;
use crate::emulator::state::World;
use crate::emulator::state::directory::{Account, MfaMethod, Person};
use crate::emulator::state::flow::{AuthorizationRequest, Flow, SignIn, Step};

impl Flow {
    /// Goes on with an account that is signed in, as far as that will do.
    pub(super) fn resume(self, world: &World, visit: &Visit, signed_in: SignIn) -> Response {
        let demand = match Demand::of(world, &self.request, signed_in.person) {
            Ok(demand) => demand,
            Err(refusal) => return self.turn_away(world, refusal),
        };
        if let Some(refusal) = demand.unmet(world.now(), &signed_in) {
            return match (self.is_silent(), refusal.number) {
                (true, 50_058) => self.request.return_to.refuse(world, &refusal),
                (true, _) => self.turn_away(world, refusal),
                (false, 50_076) => self.second_factor(world, visit, signed_in.person),
                (false, _) => self.at(Step::Password(signed_in.person)).show(world, None),
            };
        }
        self.signed_in(world, signed_in)
    }

    pub(super) fn named(self, world: &World, fields: &Fields) -> Response {
        let name = self.full_name(fields.find("name").unwrap_or_default());
        let authority = self.request.authority;
        let person = world.directory().person_named(&name, authority.named_tenant());
        let Some(person) = person else {
            return self.show(world, Some(Refusal::new(50_034)));
        };
        match authority.tenant_for(person) {
            Ok(_) => self.at(Step::Password(person)).show(world, None),
            Err(refusal) => self.show(world, Some(refusal)),
        }
    }

    /// Within the domain that the application hints at, the part before it will do.
    fn full_name(&self, name: &str) -> String {
        let domain = self.request.hints.domain.as_deref().filter(|domain| domain.contains('.'));
        match domain {
            Some(domain) if !name.contains('@') => format!("{}@{domain}", name.trim()),
            _ => name.to_owned(),
        }
    }

    pub(super) fn password(self, world: &World, visit: &Visit, person: Person) -> Response {
        let password = visit.fields.find("password").unwrap_or_default();
        let Some(account) = account(world, person) else {
            return self.turn_away(world, Refusal::new(50_034));
        };
        if account.locked {
            return self.turn_away(world, Refusal::new(50_053));
        }
        if !account.knows(password) {
            return self.show(world, Some(Refusal::new(50_126)));
        }
        if account.disabled {
            return self.turn_away(world, Refusal::new(50_057));
        }
        if account.must_change_password {
            return self.at(Step::NewPassword(person)).show(world, Some(Refusal::new(50_055)));
        }
        self.second_factor(world, visit, person)
    }

    pub(super) fn new_password(self, world: &World, visit: &Visit, person: Person) -> Response {
        let new = visit.fields.find("new_password").unwrap_or_default();
        let revokes = world.script().doubts.password_change_revokes;
        let changed = match world.directory().account_mut(person.tenant, person.user) {
            Some(account) => change_password(account, new, visit.fields.find("again"), revokes),
            None => Err("the account is gone"),
        };
        match changed {
            Ok(()) => self.second_factor(world, visit, person),
            Err(why) => self.show(world, Some(Refusal::new(50_055).about(why))),
        }
    }

    /// The password was right: is there more to show?
    fn second_factor(self, world: &World, visit: &Visit, person: Person) -> Response {
        let demand = match Demand::of(world, &self.request, person) {
            Ok(demand) => demand,
            Err(refusal) => return self.turn_away(world, refusal),
        };
        let method = account(world, person).map_or(MfaMethod::None, |account| account.mfa);
        match method {
            MfaMethod::None if demand.mfa => {
                self.at(Step::Enrolment(person)).show(world, Some(Refusal::new(50_079)))
            }
            MfaMethod::None => self.authenticated(world, visit, person, false),
            _ => self.at(Step::Code(person)).show(world, None),
        }
    }

    pub(super) fn code(self, world: &World, visit: &Visit, person: Person) -> Response {
        let code = visit.fields.find("code").unwrap_or_default();
        if account(world, person).is_none_or(|account| !account.shows(code)) {
            return self.show(world, Some(Refusal::new(500_121)));
        }
        self.authenticated(world, visit, person, true)
    }

    /// From the first right code on, the authenticator is the person's second factor.
    pub(super) fn enrol(self, world: &World, visit: &Visit, person: Person) -> Response {
        let code = visit.fields.find("code").unwrap_or_default();
        let enrolled = match world.directory().account_mut(person.tenant, person.user) {
            Some(account) if account.shows(code) => {
                account.mfa = MfaMethod::Authenticator;
                true
            }
            _ => false,
        };
        if !enrolled {
            return self.show(world, Some(Refusal::new(500_121)));
        }
        self.authenticated(world, visit, person, true)
    }

    /// All factors were shown: the browser's session knows the person from now on.
    fn authenticated(self, world: &World, visit: &Visit, person: Person, mfa: bool) -> Response {
        let revocations = account(world, person).map_or(0, |account| account.revocations());
        let signed_in = SignIn { person, mfa, at: world.now(), revocations };
        let cookie = session::keep(world, visit, signed_in);
        let mut response = self.signed_in(world, signed_in);
        response.headers_mut().append(SET_COOKIE, cookie);
        response
    }
}

/// What a sign-in must show, by its request and by the tenant's Conditional Access.
struct Demand {
    mfa: bool,
    /// Whether the second factor must be shown now.
    now: bool,
    freshness: Option<Duration>,
    /// How often the policy wants a sign-in.
    frequency: Option<Duration>,
}

impl Demand {
    fn of(world: &World, request: &AuthorizationRequest, person: Person) -> Result<Self, Refusal> {
        let policy = world.conditional_access(request.authority.tenant_for(person)?);
        let concerned = policy.resources.is_none()
            || request.asked.resources().into_iter().any(|resource| policy.is_about(resource));
        if concerned && policy.blocked {
            return Err(Refusal::new(53_003));
        }
        let now = request.steps_up();
        Ok(Self {
            mfa: now || request.wants_mfa || concerned && policy.require_mfa,
            now,
            freshness: request.max_age,
            frequency: policy.sign_in_frequency.filter(|_| concerned),
        })
    }

    /// What a session lacks.
    fn unmet(&self, now: SystemTime, signed_in: &SignIn) -> Option<Refusal> {
        let age = now.duration_since(signed_in.at).unwrap_or_default();
        let is_past = |limit: Option<Duration>| limit.is_some_and(|limit| age >= limit);
        if is_past(self.freshness) {
            return Some(Refusal::new(50_058));
        }
        if is_past(self.frequency) {
            return Some(Refusal::new(70_044));
        }
        let lacks_mfa = self.mfa && (self.now || !signed_in.mfa);
        lacks_mfa.then(|| Refusal::new(50_076))
    }
}

fn account(world: &World, person: Person) -> Option<Account> {
    world.directory().account(person.tenant, person.user).cloned()
}

fn change_password(
    account: &mut Account,
    new: &str,
    again: Option<&str>,
    revokes_sessions: bool,
) -> Result<(), &'static str> {
    if again != Some(new) {
        return Err("The two new passwords differ.");
    }
    if new.chars().count() < SHORTEST_PASSWORD {
        return Err("The new password is too short.");
    }
    if account.knows(new) {
        return Err("Choose a password other than the old one.");
    }
    account.set_password(new);
    account.must_change_password = false;
    if revokes_sessions {
        account.revoke_sessions();
    }
    Ok(())
}

const SHORTEST_PASSWORD: usize = 8;
