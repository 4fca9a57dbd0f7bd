//! What was asked of the emulator: the tests' ledger.
//!
//! Entries are small, for there may be a million of them: names are kept once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use axum::http::Method;

use super::World;
use super::directory::Person;
use super::flow::Version;
use crate::emulator::script::{Grant, Meant};
use crate::model::tenant::{ClientId, TenantId, UserId};

/// A token request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenRequest {
    /// When it was answered.
    pub at: SystemTime,
    /// The directory in its path: a tenant id, `organizations` or `common`; its first 256 bytes.
    pub tenant: String,
    /// Of which version the endpoint was.
    pub version: Version,
    /// What it redeemed, where that is known.
    pub grant: Option<Grant>,
    /// How the client proved itself.
    pub credential: CredentialKind,
    /// The application that it named.
    pub client: Option<ClientId>,
    /// The resource the token was to be for; its first 256 bytes.
    pub resource: Option<String>,
    /// The user whose code or refresh token it was, in their own tenant.
    pub user: Option<UserId>,
    /// The serial number of the refresh token that it brought, counted from 1.
    pub refresh_token: Option<u64>,
    /// Whether it carried `claims`.
    pub claims: bool,
    /// How many other requests with grants of the same user and the same path were under way when
    /// it came.
    pub beside: usize,
    /// How many other requests with the same refresh token were under way when it came, whatever
    /// their path.
    pub overlap: usize,
    /// The AADSTS number, or 0 for a reply that has none.
    pub result: Result<(), u32>,
    /// What it was given; nothing where it was refused.
    pub issued: Issued,
}

/// How a client proved itself at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CredentialKind {
    /// Not at all.
    #[default]
    None,
    /// By a secret in the body.
    SecretInBody,
    /// By a secret in the `Authorization` header.
    SecretInHeader,
    /// By an assertion signed with PS256.
    AssertionPs256,
    /// By an assertion signed with RS256.
    AssertionRs256,
    /// By an assertion of another kind, or by several credentials at once.
    Other,
}

/// What a reply brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Issued {
    /// Whether it had an access token.
    pub access_token: bool,
    /// Whether it had an ID token.
    pub id_token: bool,
    /// The serial number of the refresh token that it had.
    pub refresh_token: Option<u64>,
}

/// A call that Partner Center answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartnerCenterCall {
    /// When it was answered.
    pub at: SystemTime,
    /// Its method.
    pub method: Method,
    /// Its path without the query.
    pub path: String,
    /// The tenant of its token, where that was valid.
    pub tenant: Option<TenantId>,
    /// The application of its token, where that was valid.
    pub application: Option<ClientId>,
    /// The customer in its path.
    pub customer: Option<TenantId>,
    /// Whether it asked for the verdict on the second factor.
    pub validates_mfa: bool,
    /// `MS-RequestId` as it was answered.
    pub request_id: String,
    /// `MS-CorrelationId` as it was answered.
    pub correlation_id: String,
    /// The status it was answered with.
    pub status: u16,
    /// The code in the body of an error.
    pub code: Option<String>,
}

/// What a token request says of itself, judged or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Presented {
    pub(crate) version: Version,
    pub(crate) person: Option<Person>,
    pub(crate) refresh_token: Option<u64>,
    pub(crate) client: Option<ClientId>,
    pub(crate) credential: CredentialKind,
    pub(crate) claims: bool,
}

/// The ledger, and what is under way.
#[derive(Debug, Default)]
pub(crate) struct Record {
    tokens: Vec<Entry>,
    pub(crate) calls: Vec<PartnerCenterCall>,
    pub(crate) key_fetches: usize,
    names: Names,
    beside: Counts<(Person, Name)>,
    overlap: Counts<u64>,
    under_way: usize,
}

/// A [`TokenRequest`] in little space.
#[derive(Debug)]
struct Entry {
    at: SystemTime,
    path: Name,
    resource: Option<Name>,
    grant: Option<Grant>,
    presented: Presented,
    beside: u32,
    overlap: u32,
    result: Result<(), u32>,
    issued: Issued,
}

impl Record {
    pub(crate) fn partner_center(&mut self, call: PartnerCenterCall) {
        self.calls.push(call);
    }

    pub(crate) fn keys(&mut self) {
        self.key_fetches += 1;
    }

    /// Every token request that was answered, oldest first.
    pub(crate) fn token_requests(&self) -> impl ExactSizeIterator<Item = TokenRequest> {
        self.tokens.iter().map(|entry| entry.unfold(&self.names))
    }

    /// Frees what it took as well; names stay as long as a request is under way that has one.
    pub(crate) fn forget(&mut self) {
        self.tokens = Vec::new();
        self.calls = Vec::new();
        self.key_fetches = 0;
        self.forget_names();
    }

    fn forget_names(&mut self) {
        if self.under_way == 0 && self.tokens.is_empty() {
            self.names = Names::default();
        }
    }
}

impl Entry {
    fn unfold(&self, names: &Names) -> TokenRequest {
        let Presented { version, person, refresh_token, client, credential, claims } =
            self.presented;
        TokenRequest {
            at: self.at,
            tenant: names.text(self.path).to_owned(),
            version,
            grant: self.grant,
            credential,
            client,
            resource: self.resource.map(|name| names.text(name).to_owned()),
            user: person.map(|person| person.user),
            refresh_token,
            claims,
            beside: self.beside as usize,
            overlap: self.overlap as usize,
            result: self.result,
            issued: self.issued,
        }
    }
}

/// A token request from its arrival to its answer. One that is given up leaves no entry.
pub(crate) struct UnderWay<'w> {
    world: &'w World,
    path: Name,
    presented: Presented,
    beside: u32,
    overlap: u32,
}

impl<'w> UnderWay<'w> {
    pub(crate) fn begin(world: &'w World, path: &str, presented: Presented) -> Self {
        let mut record = world.record();
        record.under_way += 1;
        let path = record.names.name(path);
        let beside = presented.person.map_or(0, |person| record.beside.enter((person, path)));
        let overlap = presented.refresh_token.map_or(0, |serial| record.overlap.enter(serial));
        Self { world, path, presented, beside, overlap }
    }

    pub(crate) fn end(self, meant: &Meant, result: Result<(), u32>, issued: Issued) {
        let at = self.world.now();
        let mut record = self.world.record();
        let resource = meant.resource.as_deref().map(|resource| record.names.name(resource));
        let Self { path, presented, beside, overlap, .. } = self;
        let grant = meant.grant;
        record.tokens.push(Entry {
            at,
            path,
            resource,
            grant,
            presented,
            beside,
            overlap,
            result,
            issued,
        });
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut record = self.world.record();
        if let Some(person) = self.presented.person {
            record.beside.leave((person, self.path));
        }
        if let Some(serial) = self.presented.refresh_token {
            record.overlap.leave(serial);
        }
        record.under_way -= 1;
        record.forget_names();
    }
}

/// How many of a kind are under way.
#[derive(Debug)]
struct Counts<K>(HashMap<K, u32>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: std::hash::Hash + Eq> Counts<K> {
    /// How many there were before this one.
    fn enter(&mut self, key: K) -> u32 {
        let count = self.0.entry(key).or_default();
        *count += 1;
        *count - 1
    }

    fn leave(&mut self, key: K) {
        if let Some(count) = self.0.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&key);
            }
        }
    }
}

/// Texts that are kept once, under numbers. Anybody can send one, so long ones are cut.
#[derive(Debug, Default)]
struct Names {
    numbers: HashMap<Arc<str>, Name>,
    texts: Vec<Arc<str>>,
}

type Name = u32;

const LONGEST_NAME: usize = 256;

fn cut(text: &str) -> &str {
    let mut end = text.len().min(LONGEST_NAME);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

impl Names {
    fn name(&mut self, text: &str) -> Name {
        let text = cut(text);
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = Name::try_from(self.texts.len()).expect("fewer names than memory could hold");
        let text: Arc<str> = Arc::from(text);
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        number
    }

    fn text(&self, name: Name) -> &str {
        &self.texts[name as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::chance::Chance;
    use crate::emulator::site::Origins;
    use crate::model::clock::VirtualClock;

    fn nowhere() -> Origins {
        let empty = String::new;
        Origins {
            login: empty(),
            partner_center: empty(),
            graph: empty(),
            key_vault: empty(),
            identity: empty(),
            admin: empty(),
        }
    }

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Entry>() <= 160, "{}", size_of::<Entry>());
    }

    #[test]
    fn a_name_is_kept_once() {
        let mut names = Names::default();
        let (one, two, again) = (names.name("one"), names.name("two"), names.name("one"));
        assert_eq!((names.text(one), names.text(two)), ("one", "two"));
        assert_eq!((one == again, names.texts.len()), (true, 2));
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let mut names = Names::default();
        let long = names.name(&"€".repeat(1_000_000));
        assert_eq!(names.text(long), "€".repeat(LONGEST_NAME / "€".len()));
    }

    #[test]
    fn names_are_forgotten_once_nothing_is_under_way() {
        let clock = Arc::new(VirtualClock::default());
        let world = World::new(clock, Chance::new(None), nowhere());
        let presented = Presented {
            version: Version::V2,
            person: None,
            refresh_token: None,
            client: None,
            credential: CredentialKind::None,
            claims: false,
        };
        let meant = Meant { resource: Some("a".repeat(1000)), ..Meant::default() };
        let [first, second] = ["one", "two"].map(|path| UnderWay::begin(&world, path, presented));
        first.end(&meant, Err(0), Issued::default());
        world.record().forget();
        assert_eq!(world.record().names.text(second.path), "two", "it is under way");
        second.end(&meant, Err(0), Issued::default());
        assert_eq!(world.record().token_requests().next().map(|it| it.tenant), Some("two".into()));
        world.record().forget();
        assert!(world.record().names.texts.is_empty());
        assert!(world.record().names.numbers.is_empty());
        let given_up = UnderWay::begin(&world, "three", presented);
        drop(given_up);
        assert!(world.record().names.texts.is_empty(), "it left no entry");
    }
}
