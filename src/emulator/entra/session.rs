//! Who is signed in in a browser: a cookie, and what stands behind it.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};

use super::visit::Visit;
use crate::emulator::fields::cookie;
use crate::emulator::site::Site;
use crate::emulator::state::World;
use crate::emulator::state::directory::Person;
use crate::emulator::state::flow::{Session, SignIn};

/// Who is signed in, the latest first: none who was disabled or whose sessions were revoked.
pub(super) fn accounts(world: &World, headers: &HeaderMap) -> Vec<SignIn> {
    let Some(word) = cookie(headers, COOKIE) else { return Vec::new() };
    let session = world.sessions().find(word, world.now()).cloned().unwrap_or_default();
    let directory = world.directory();
    let stands = |signed_in: &SignIn| {
        let Person { tenant, user } = signed_in.person;
        directory.account(tenant, user).is_some_and(|account| {
            !account.disabled && account.revocations() == signed_in.revocations
        })
    };
    session.0.into_iter().filter(stands).collect()
}

/// Keeps a sign-in beside those of others, under a new word: the old one may be known to whoever
/// used the browser before. Yields the cookie.
pub(super) fn keep(world: &World, visit: &Visit, signed_in: SignIn) -> HeaderValue {
    let mut accounts = accounts(world, &visit.headers);
    accounts.retain(|known| known.person != signed_in.person);
    accounts.insert(0, signed_in);
    forget(world, &visit.headers);
    let (word, now) = (world.chance.word(), world.now());
    world.sessions().put(word.clone(), now + SESSION_LIFE, Session(accounts), now);
    set_cookie(&visit.site, &word, "")
}

/// Signs everybody out of a browser. Yields the cookie that replaces the browser's.
pub(super) fn end(world: &World, visit: &Visit) -> HeaderValue {
    forget(world, &visit.headers);
    set_cookie(&visit.site, "", "; Max-Age=0")
}

fn forget(world: &World, headers: &HeaderMap) {
    if let Some(word) = cookie(headers, COOKIE) {
        world.sessions().take(word, world.now());
    }
}

/// Over https it also goes along when an application's page posts a form here.
fn set_cookie(site: &Site, word: &str, more: &str) -> HeaderValue {
    let secure = site.login.starts_with("https:");
    let attributes = if secure { "Secure; SameSite=None" } else { "SameSite=Lax" };
    let cookie = format!("{COOKIE}={word}; Path=/; HttpOnly; {attributes}{more}");
    HeaderValue::try_from(cookie).expect("a random word is visible ASCII")
}

const COOKIE: &str = "ESTSAUTH";
const SESSION_LIFE: Duration = Duration::from_secs(24 * 3600);
